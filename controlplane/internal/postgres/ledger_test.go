package postgres_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// decoded is a batch as ingest hands it over.
func decoded(tb testing.TB, b *usagev1.Batch) usage.Batch {
	tb.Helper()
	raw, err := proto.Marshal(b)
	if err != nil {
		tb.Fatal(err)
	}
	out, err := ingest.Decode("test", raw, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func lastHour() (time.Time, time.Time) { return time.Now().Add(-time.Hour), time.Now() }

// part is the events of b from i to j.
func part(b *usagev1.Batch, i, j int) *usagev1.Batch {
	return &usagev1.Batch{DataPlaneId: b.DataPlaneId, Epoch: b.Epoch, Events: b.Events[i:j]}
}

func record(tb testing.TB, db *postgres.DB, batches ...*usagev1.Batch) usage.Recorded {
	tb.Helper()
	var in []usage.Batch
	for _, b := range batches {
		in = append(in, decoded(tb, b))
	}
	rec, err := db.RecordUsage(context.Background(), in)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func TestAnEventIsRecordedOnce(t *testing.T) {
	db := postgrestest.Open(t)
	from, to := lastHour()
	all := usagegen.New(1, 3, from, to).Batch("dpl_a", 1, 1, 100)
	steps := []struct {
		name                     string
		batches                  []*usagev1.Batch
		events, duplicates       int
		wantContiguous, wantHigh int64
	}{
		{"first", []*usagev1.Batch{part(all, 0, 10)}, 10, 0, 10, 10},
		{"the same again", []*usagev1.Batch{part(all, 0, 10)}, 0, 10, 10, 10},
		{"overlapping", []*usagev1.Batch{part(all, 5, 20), part(all, 15, 20)}, 10, 10, 20, 20},
		{"ahead of a gap", []*usagev1.Batch{part(all, 30, 40)}, 10, 0, 20, 40},
		{"ahead of two gaps", []*usagev1.Batch{part(all, 50, 60)}, 10, 0, 20, 60},
		{"half of the first gap, with some held", []*usagev1.Batch{part(all, 25, 35)}, 5, 5, 20, 60},
		{"the rest of the first gap", []*usagev1.Batch{part(all, 18, 26)}, 5, 3, 40, 60},
		{"the second gap and beyond, out of order", []*usagev1.Batch{part(all, 60, 100), part(all, 40, 50)}, 50, 0, 100, 100},
	}
	for _, s := range steps {
		rec := record(t, db, s.batches...)
		if rec.Events != s.events || rec.Duplicates != s.duplicates {
			t.Errorf("%s: %d new, %d duplicates; want %d and %d", s.name, rec.Events, rec.Duplicates, s.events, s.duplicates)
		}
		want := usage.Watermark{DataPlaneID: "dpl_a", Epoch: 1, Contiguous: s.wantContiguous, Highest: s.wantHigh}
		if len(rec.Watermarks) != 1 || rec.Watermarks[0] != want {
			t.Errorf("%s: watermark %+v, want %+v", s.name, rec.Watermarks, want)
		}
	}
	if n := count(t, db, "SELECT count(*) FROM usage_event"); n != 100 {
		t.Errorf("%d events in the ledger, want 100", n)
	}
	if n := count(t, db, "SELECT count(*) FROM usage_watermark WHERE gap_since IS NOT NULL"); n != 0 {
		t.Error("a closed gap is still shown")
	}
}

func TestWhatWasCorrectedIsKeptAside(t *testing.T) {
	db := postgrestest.Open(t)
	from, to := lastHour()
	b := usagegen.New(2, 1, from, to).Batch("dpl_a", 1, 1, 3)
	b.Events[1].CostNano, b.Events[1].RequestId = -5, "a\x00b"
	record(t, db, b)
	record(t, db, b)
	if n := count(t, db, "SELECT count(*) FROM usage_event WHERE cost_nano = 0 AND request_id = 'a?b'"); n != 1 {
		t.Errorf("%d corrected events, want 1", n)
	}
	if n := count(t, db, "SELECT sum(times) FROM usage_aside"); n != 1 {
		t.Errorf("set aside %d times, want 1", n)
	}
}

func TestWhatWasSetAsideIsKeptForItsTime(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	for _, payload := range []string{"old", "came again", "new"} {
		if err := db.SetAside(ctx, usage.Aside{Subject: "s", Reason: "r", Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	err := db.InSystem(ctx, func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE usage_aside SET first_at = now() - interval '40 days', last_at = now() - interval '31 days' WHERE payload <> 'new'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.SetAside(ctx, usage.Aside{Subject: "s", Reason: "r", Payload: []byte("came again")}); err != nil {
		t.Fatal(err)
	}
	if err := db.PruneUsageAside(ctx, 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "SELECT count(*) FROM usage_aside WHERE payload IN ('came again', 'new')"); n != 2 {
		t.Errorf("%d of 2 recent ones are left", n)
	}
	if n := count(t, db, "SELECT count(*) FROM usage_aside"); n != 2 {
		t.Errorf("%d left, want 2", n)
	}
}

// BenchmarkRecordUsage is the ledger's share of ingest on one connection.
func BenchmarkRecordUsage(b *testing.B) {
	const perTx, perBatch = 10_000, 200
	db := postgrestest.Open(b)
	from, to := lastHour()
	if err := db.EnsureUsageDays(context.Background(), from, to); err != nil {
		b.Fatal(err)
	}
	w := usagegen.New(3, 50, from, to)
	w.Step = 30 * time.Microsecond
	seq, n := uint64(1), 0
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		var batches []*usagev1.Batch
		for range perTx / perBatch {
			batches = append(batches, w.Batch("dpl_a", 1, seq, perBatch))
			seq += perBatch
		}
		var raw [][]byte
		for _, m := range batches {
			r, _ := proto.Marshal(m)
			raw = append(raw, r)
		}
		b.StartTimer()
		var in []usage.Batch
		for _, r := range raw {
			d, err := ingest.Decode("test", r, to)
			if err != nil {
				b.Fatal(err)
			}
			in = append(in, d)
		}
		if _, err := db.RecordUsage(context.Background(), in); err != nil {
			b.Fatal(err)
		}
		n += perTx
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func count(tb testing.TB, db *postgres.DB, sql string, args ...any) (n int64) {
	tb.Helper()
	ctx := context.Background()
	err := db.InSystem(ctx, func(tx postgres.Tx) error { return tx.QueryRow(ctx, sql, args...).Scan(&n) })
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
