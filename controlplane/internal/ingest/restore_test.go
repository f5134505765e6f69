package ingest_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// TestARestoredLedgerTakesAgainWhatItLost puts the database back to a moment
// before half of the events, as a restore from a backup does. The next
// heartbeat tells the data plane, which still has them, and sends them again.
func TestARestoredLedgerTakesAgainWhatItLost(t *testing.T) {
	b := newBench(t)
	marks := b.watermarks("dpl_a")
	b.run(b.db)
	all := world(1).Batch("dpl_a", 1, 1, 100)
	first := &usagev1.Batch{DataPlaneId: "dpl_a", Epoch: 1, Events: all.Events[:50]}
	second := &usagev1.Batch{DataPlaneId: "dpl_a", Epoch: 1, Events: all.Events[50:]}
	b.publish(first)
	awaitWatermark(t, marks, 1, 50)
	b.settled(50)
	tables := []string{"usage_hour", "usage_day", "usage_watermark"}
	b.asOwner(func(do func(string)) {
		for _, table := range tables {
			do("CREATE TABLE backup_" + table + " AS SELECT * FROM " + table)
		}
	})
	b.publish(second)
	awaitWatermark(t, marks, 1, 100)
	b.settled(100)
	b.asOwner(func(do func(string)) {
		do("DELETE FROM usage_event WHERE seq > 50")
		for _, table := range tables {
			do("DELETE FROM " + table)
			do("INSERT INTO " + table + " SELECT * FROM backup_" + table)
		}
	})
	raw, err := proto.Marshal(&statusv1.Heartbeat{DataPlaneId: "dpl_a", Epoch: 1, LastSeq: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.conn.Publish(subject.Heartbeat("dpl_a"), raw); err != nil {
		t.Fatal(err)
	}
	awaitWatermark(t, marks, 1, 50)
	b.publish(second)
	awaitWatermark(t, marks, 1, 100)
	b.settled(100)
}

// asOwner does what no role of the programs may.
func (b *bench) asOwner(fn func(do func(string))) {
	b.t.Helper()
	ctx := context.Background()
	err := b.db.InSystem(ctx, func(tx postgres.Tx) error {
		var failed error
		fn(func(sql string) {
			if failed == nil {
				_, failed = tx.Exec(ctx, "SET LOCAL ROLE NONE; "+sql)
			}
		})
		return failed
	})
	if err != nil {
		b.t.Fatal(err)
	}
}
