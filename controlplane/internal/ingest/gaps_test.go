package ingest

import (
	"context"
	"log/slog"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

// TestEachGapIsCountedOnce looks several times, as the writer does every some
// seconds.
func TestEachGapIsCountedOnce(t *testing.T) {
	ctx, db := context.Background(), postgrestest.Open(t)
	in := New(Config{Ledger: db, Logger: slog.New(slog.DiscardHandler)})
	for _, step := range []struct {
		name, sql string
		want      int64
	}{
		{"none", "SELECT 1", 0},
		{"one that is young", `INSERT INTO usage_watermark VALUES ('dpl_a', 1, 5, 9, now())`, 0},
		{"one", `UPDATE usage_watermark SET gap_since = now() - interval '61 seconds'`, 1},
		{"the same, later", `UPDATE usage_watermark SET gap_since = now() - interval '1 hour', highest_seq = 12`, 1},
		{"one more", `INSERT INTO usage_watermark VALUES ('dpl_a', 2, 0, 9, now() - interval '61 seconds')`, 2},
		{"closed", `DELETE FROM usage_watermark WHERE epoch = 2`, 2},
		{"another at the same data plane", `UPDATE usage_watermark SET contiguous_seq = 8`, 3},
	} {
		err := db.InSystem(ctx, func(tx postgres.Tx) error {
			_, err := tx.Exec(ctx, "SET LOCAL ROLE NONE")
			if err == nil {
				_, err = tx.Exec(ctx, step.sql)
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		in.countGaps(ctx)
		if got := in.Stats().Gaps.Load(); got != step.want {
			t.Errorf("%s: %d gaps counted, want %d", step.name, got, step.want)
		}
	}
}
