package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

const wait = 20 * time.Second

// bench is a NATS server, a database, and an ingester between them.
type bench struct {
	t      testing.TB
	dir    string
	server *server.Server
	conn   *nats.Conn
	db     *postgres.DB
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, dir: t.TempDir(), db: postgrestest.Open(t)}
	b.serve(-1)
	conn, err := nats.Connect(b.server.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	b.conn = conn
	t.Cleanup(func() { conn.Close(); b.server.Shutdown(); b.server.WaitForShutdown() })
	return b
}

func (b *bench) serve(port int) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: b.dir, NoSigs: true})
	if err != nil {
		b.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(wait) {
		b.t.Fatal("NATS did not start")
	}
	b.server = s
}

// run starts an ingester over ledger and stops it with the test.
func (b *bench) run(ledger ingest.Ledger) *ingest.Ingester {
	in := ingest.New(ingest.Config{Conn: b.conn, Ledger: ledger, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	b.eventually("the usage stream is there", func() bool { return b.stream() != nil })
	return in
}

func (b *bench) stream() jetstream.Stream {
	js, err := jetstream.New(b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := js.Stream(ctx, subject.UsageStream)
	if err != nil {
		return nil
	}
	return s
}

func (b *bench) publish(batches ...*usagev1.Batch) {
	b.t.Helper()
	js, err := jetstream.New(b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range batches {
		raw, err := proto.Marshal(m)
		if err != nil {
			b.t.Fatal(err)
		}
		b.eventually("published", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_, err := js.Publish(ctx, subject.Usage(m.DataPlaneId), raw)
			return err == nil
		})
	}
}

func (b *bench) count(sql string) (n int64) {
	b.t.Helper()
	ctx := context.Background()
	if err := b.db.InSystem(ctx, func(tx postgres.Tx) error { return tx.QueryRow(ctx, sql).Scan(&n) }); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(wait)
	for !ok() {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %s: %s", wait, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settled waits until the ledger holds n events, then checks that the rollups
// agree and that nothing is left in the stream.
func (b *bench) settled(n int64) {
	b.t.Helper()
	b.eventually("all events are in the ledger", func() bool { return b.count("SELECT count(*) FROM usage_event") >= n })
	b.eventually("the stream is empty", func() bool {
		s := b.stream()
		if s == nil {
			return false
		}
		i, err := s.Info(context.Background())
		return err == nil && i.State.Msgs == 0
	})
	for _, sql := range []string{
		"SELECT count(*) FROM usage_event",
		"SELECT coalesce(sum(requests), 0)::bigint FROM usage_hour",
		"SELECT coalesce(sum(requests), 0)::bigint FROM usage_day",
	} {
		if got := b.count(sql); got != n {
			b.t.Errorf("%s: %d, want %d", sql, got, n)
		}
	}
}

func world(seed uint64) *usagegen.World {
	return usagegen.New(seed, 3, time.Now().Add(-time.Hour), time.Now())
}

// watermarks collects what data plane id is told.
func (b *bench) watermarks(id string) chan *usagev1.Watermark {
	out := make(chan *usagev1.Watermark, 1000)
	sub, err := b.conn.Subscribe(subject.Watermark(id), func(m *nats.Msg) {
		w := &usagev1.Watermark{}
		if err := proto.Unmarshal(m.Data, w); err != nil {
			b.t.Errorf("watermark: %v", err)
		}
		out <- w
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { sub.Unsubscribe() })
	if err := b.conn.Flush(); err != nil {
		b.t.Fatal(err)
	}
	return out
}

func awaitWatermark(t *testing.T, ch chan *usagev1.Watermark, epoch, seq uint64) {
	t.Helper()
	timeout := time.After(wait)
	for {
		select {
		case w := <-ch:
			if w.Epoch == epoch && w.Seq == seq {
				return
			}
		case <-timeout:
			t.Fatalf("no watermark %d/%d", epoch, seq)
		}
	}
}

func TestEventsReachTheLedgerAndTheWatermarkComesBack(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	in := b.run(b.db)
	w := world(1)
	b.publish(w.Batch("dpl_a", 7, 1, 100), w.Batch("dpl_a", 7, 101, 50))
	awaitWatermark(t, marks, 7, 150)
	b.settled(150)
	if in.Stats().Events.Load() != 150 || in.Stats().Duplicates.Load() != 0 {
		t.Errorf("%d events, %d duplicates", in.Stats().Events.Load(), in.Stats().Duplicates.Load())
	}
	if n := b.count("SELECT count(*) FROM usage_event_other"); n != 0 {
		t.Errorf("%d events have no partition of their own", n)
	}
}

func TestAHeartbeatIsAnsweredWithTheWatermarks(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	b.run(b.db)
	b.publish(world(1).Batch("dpl_a", 7, 1, 10))
	awaitWatermark(t, marks, 7, 10)
	beat := func(epoch uint64) {
		raw, err := proto.Marshal(&statusv1.Heartbeat{DataPlaneId: "dpl_a", Epoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.conn.Publish(subject.Heartbeat("dpl_a"), raw); err != nil {
			t.Fatal(err)
		}
	}
	beat(7)
	awaitWatermark(t, marks, 7, 10)
	beat(8) // the ledger knows nothing of this boot
	awaitWatermark(t, marks, 8, 0)
}

func TestUnreadableMessagesAreSetAsideAndBlockNothing(t *testing.T) {
	b := newBench(t)
	in := b.run(b.db)
	w := world(1)
	js, err := jetstream.New(b.conn)
	if err != nil {
		t.Fatal(err)
	}
	b.publish(w.Batch("dpl_a", 1, 1, 10))
	for _, raw := range [][]byte{[]byte("garbage"), []byte("garbage"), {}} {
		if _, err := js.Publish(context.Background(), subject.Usage("dpl_a"), raw); err != nil {
			t.Fatal(err)
		}
	}
	zero := w.Batch("dpl_a", 1, 11, 1)
	zero.Events[0].Seq = 0
	b.publish(zero, w.Batch("dpl_a", 1, 11, 10))
	b.settled(20)
	if n := in.Stats().Asides.Load(); n != 4 {
		t.Errorf("%d messages set aside, want 4", n)
	}
	if n := b.count("SELECT count(*) FROM usage_aside"); n != 3 {
		t.Errorf("%d different things set aside, want 3", n)
	}
}

// TestATenantThatFillsItsRowsHoldsNobodyBack: prices are the tenant's choice,
// so it can drive its sums to where a bigint ends. Events of others come in the
// same messages and the same transactions.
func TestATenantThatFillsItsRowsHoldsNobodyBack(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	in := b.run(b.db)
	w := world(1)
	batch := w.Batch("dpl_a", 1, 1, 50)
	for i, e := range batch.Events {
		if i%2 == 0 {
			e.TenantId, e.ProjectId, e.ApiKeyId, e.Route, e.Provider, e.ProviderModel = "ten_full", "p", "k", "r", "p", "m"
			e.StartedAtUnixNano = batch.Events[0].StartedAtUnixNano
			e.ErrorCode, e.CostNano, e.PriceNano = "", 100_000_000_000_000, 100_000_000_000_000
		}
	}
	first := proto.CloneOf(batch)
	first.Events = first.Events[:1]
	b.publish(first)
	awaitWatermark(t, marks, 1, 1)
	ctx := context.Background()
	err := b.db.InSystem(ctx, func(tx postgres.Tx) error {
		for _, table := range []string{"usage_hour", "usage_day"} {
			if _, err := tx.Exec(ctx, `UPDATE `+table+` SET cost_nano = 9223372036854775807 - 5, price_nano = 9223372036854775807 - 5 WHERE tenant_id = 'ten_full'`); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	batch.Events = batch.Events[1:]
	b.publish(batch)
	awaitWatermark(t, marks, 1, 50)
	if n := in.Stats().Asides.Load(); n != 0 {
		t.Errorf("%d messages set aside", n)
	}
	if n := b.count("SELECT count(*) FROM usage_event"); n != 50 {
		t.Errorf("%d events in the ledger, want 50", n)
	}
	if n := b.count("SELECT count(*) FROM usage_hour WHERE tenant_id = 'ten_full' AND price_nano = 9223372036854775807"); n != 1 {
		t.Errorf("%d full rows, want 1", n)
	}
	at := time.Unix(0, batch.Events[0].StartedAtUnixNano)
	if _, err := b.db.UsageOverview(ctx, usage.Query{From: at.AddDate(0, 0, -400), To: at.AddDate(0, 0, 400), Interval: usage.Day}, 5); err != nil {
		t.Errorf("the operator's overview: %v", err)
	}
}

// flaky stands in front of the real ledger and fails as a database does.
type flaky struct {
	*postgres.DB
	mu     sync.Mutex
	before int // how many transactions never start
	after  int // how many commit, but the answer is lost
}

func (f *flaky) RecordUsage(ctx context.Context, b []usage.Batch) (usage.Recorded, error) {
	f.mu.Lock()
	before, after := f.before > 0, f.before == 0 && f.after > 0
	if before {
		f.before--
	} else if after {
		f.after--
	}
	f.mu.Unlock()
	if before {
		return usage.Recorded{}, fault.New(fault.DatabaseDown, "", nil)
	}
	rec, err := f.DB.RecordUsage(ctx, b)
	if after && err == nil {
		return usage.Recorded{}, fault.New(fault.DatabaseDown, "", nil)
	}
	return rec, err
}

func TestADatabaseThatComesAndGoesLosesAndDoublesNothing(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	in := b.run(&flaky{DB: b.db, before: 3, after: 3})
	w := world(1)
	for i := range 10 {
		b.publish(w.Batch("dpl_a", 1, uint64(1+20*i), 20))
	}
	awaitWatermark(t, marks, 1, 200)
	b.settled(200)
	if in.Stats().Retries.Load() < 6 {
		t.Errorf("%d retries, want at least 6", in.Stats().Retries.Load())
	}
}

func TestAWipedNATSIsSetUpAgain(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	b.run(b.db)
	w := world(1)
	b.publish(w.Batch("dpl_a", 1, 1, 10))
	awaitWatermark(t, marks, 1, 10)
	port := b.server.Addr().(*net.TCPAddr).Port
	b.server.Shutdown()
	b.server.WaitForShutdown()
	if err := os.RemoveAll(filepath.Join(b.dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	b.serve(port)
	began := time.Now()
	b.publish(w.Batch("dpl_a", 1, 11, 10))
	awaitWatermark(t, marks, 1, 20)
	t.Logf("ingest went on %s after NATS came back empty", time.Since(began).Round(time.Millisecond))
	b.settled(20)
}

func TestTwoIngestersShareTheWork(t *testing.T) {
	b := newBench(t)
	b.run(b.db)
	b.run(b.db)
	w := world(1)
	var batches []*usagev1.Batch
	for i := range 60 {
		for _, dp := range []string{"dpl_a", "dpl_b", "dpl_c"} {
			m := w.Batch(dp, 1, uint64(1+10*i), 10)
			batches = append(batches, m)
			if i%5 == 0 {
				batches = append(batches, m)
			}
		}
	}
	b.publish(batches...)
	b.settled(1800)
	if n := b.count("SELECT count(*) FROM usage_watermark WHERE contiguous_seq = 600 AND gap_since IS NULL"); n != 3 {
		t.Errorf("%d complete watermarks, want 3", n)
	}
}

// TestADayThatIsInUseGetsItsPartitionLater has a long read of the whole ledger
// stand in the way of a new partition: others must not queue up behind it.
func TestADayThatIsInUseGetsItsPartitionLater(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	reading, done := make(chan struct{}), make(chan struct{})
	finished := make(chan error, 1)
	go func() {
		finished <- b.db.InSystem(ctx, func(tx postgres.Tx) error {
			_, err := tx.Exec(ctx, "SELECT count(*) FROM usage_event")
			close(reading)
			<-done
			return err
		})
	}()
	<-reading
	err := b.db.EnsureUsageDays(ctx, time.Now(), time.Now())
	if !errors.Is(err, fault.New(fault.DatabaseDown, "", nil)) {
		t.Errorf("the partition was made, or failed for good: %v", err)
	}
	marks := b.watermarks("dpl_a")
	in := b.run(b.db)
	b.publish(world(1).Batch("dpl_a", 1, 1, 10))
	b.eventually("events wait for their partition", func() bool { return in.Stats().Retries.Load() > 0 })
	close(done)
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	awaitWatermark(t, marks, 1, 10)
	b.settled(10)
	if n := b.count("SELECT count(*) FROM usage_event_other"); n != 0 {
		t.Errorf("%d events have no partition of their own", n)
	}
}
