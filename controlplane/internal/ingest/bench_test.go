package ingest_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	"github.com/tollgate/tollgate/proto/subject"
)

// BenchmarkIngest is the whole way from the stream into the ledger: decoding,
// events, both rollups, watermark, acknowledgement. Batches wait in the stream
// when it starts; one loop on one connection writes them.
func BenchmarkIngest(b *testing.B) {
	const batches, perBatch = 300, 200
	bench := newBench(b)
	now := time.Now()
	if err := bench.db.EnsureUsageDays(context.Background(), now.Add(-time.Hour), now); err != nil {
		b.Fatal(err)
	}
	w := usagegen.New(1, 50, now.Add(-10*time.Minute), now)
	w.Step = 30 * time.Microsecond
	js, err := jetstream.New(bench.conn)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	start := func() (*ingest.Ingester, chan error) {
		in := ingest.New(ingest.Config{Conn: bench.conn, Ledger: bench.db, Logger: slog.New(slog.DiscardHandler)})
		done := make(chan error, 1)
		go func() { done <- in.Run(ctx) }()
		return in, done
	}
	_, done := start() // makes the stream
	bench.eventually("the stream is there", func() bool { return bench.stream() != nil })
	cancel()
	<-done
	seq, events := uint64(1), 0
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		for range batches {
			raw, err := proto.Marshal(w.Batch("dpl_a", 1, seq, perBatch))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := js.Publish(context.Background(), subject.Usage("dpl_a"), raw); err != nil {
				b.Fatal(err)
			}
			seq += perBatch
		}
		ctx, cancel = context.WithCancel(context.Background())
		marks := bench.watermarks("dpl_a")
		b.StartTimer()
		in, done := start()
		for m := range marks {
			if m.Seq == seq-1 {
				break
			}
		}
		events += int(in.Stats().Events.Load())
		b.StopTimer()
		cancel()
		<-done
		b.StartTimer()
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
