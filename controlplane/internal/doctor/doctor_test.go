package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// newPatient is a healthy database with some of everything.
func newPatient(t *testing.T) *postgres.DB {
	ctx, db := context.Background(), postgrestest.Open(t)
	now := time.Now()
	w := usagegen.New(1, 2, now.Add(-time.Hour), now)
	postgrestest.Prices(t, db, w)
	if err := db.EnsureUsageDays(ctx, now.Add(-time.Hour), now); err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(w.Batch("dpl_a", 1, 1, 200))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ingest.Decode("s", raw, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.RecordUsage(ctx, []usage.Batch{b}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := db.OperatorChange(ctx, "", change.Actor{Kind: "system", ID: "test", Name: "test"}, func(_ postgres.Tx, r *postgres.Recorder) error {
			return r.Audit(ctx, change.Entry{Action: "test", ResourceKind: "test", ResourceID: "1"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = db.InSystem(ctx, func(tx postgres.Tx) error {
		return hurt(ctx, tx, `INSERT INTO tenant (tenant_id, slug, name) VALUES ('ten_a', 'a', 'A');
		INSERT INTO config_outbox (tenant_id, kind, resource_id, payload, revision, published_at) VALUES ('ten_a', 1, 'ten_a', 'x', 5, now());
		INSERT INTO config_resource (tenant_id, kind, resource_id, revision, payload, committed_at) VALUES ('ten_a', 1, 'ten_a', 5, 'x', now() - interval '2 minutes');
		INSERT INTO data_plane (data_plane_id, epoch, version, address, started_at, last_seen_at, revision, last_seq)
		VALUES ('dpl_a', 1, 'v', 'a', now() - interval '1 hour', now(), 5, 200)`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// hurt does what no program of ours can: as the superuser that the tests
// connect as, with triggers off. The rest of the transaction is the system's.
func hurt(ctx context.Context, tx postgres.Tx, sql string) error {
	for _, s := range append([]string{"SET LOCAL ROLE NONE", "SET LOCAL session_replication_role = replica"},
		append(strings.Split(sql, ";"), "SET LOCAL ROLE tollgate_system")...) {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// inside asks the questions in a transaction that is not committed.
type inside struct {
	*postgres.DB
	tx postgres.Tx
}

func (i inside) Violations(ctx context.Context, query string, since time.Time, most int) (int64, string, error) {
	return postgres.ViolationsIn(ctx, i.tx, query, since, most)
}

func examine(t *testing.T, store doctor.Store, since time.Time) map[string]doctor.Check {
	t.Helper()
	checks, err := doctor.Run(context.Background(), store, since)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]doctor.Check{}
	for _, c := range checks {
		out[c.Name] = c
	}
	return out
}

// wounds breaks each invariant, in the way that its name says.
func wounds() map[string]string {
	const one = "(SELECT data_plane_id, epoch, seq FROM usage_event WHERE outcome = 1 ORDER BY seq LIMIT 1)"
	return map[string]string{
		"ledger_hour":       "UPDATE usage_hour SET cost_nano = cost_nano + 1 WHERE ctid = (SELECT ctid FROM usage_hour LIMIT 1)",
		"ledger_day":        "UPDATE usage_day SET price_nano = price_nano - 1 WHERE ctid = (SELECT ctid FROM usage_day LIMIT 1)",
		"ledger_duplicates": "UPDATE usage_event SET seq = 1 WHERE seq = 2",
		"ledger_gaps":       "UPDATE usage_watermark SET highest_seq = 300, gap_since = now() - interval '61 seconds'",
		"ledger_watermarks": "DELETE FROM usage_event WHERE seq = 3",
		"ledger_unreported": "UPDATE data_plane SET last_seq = 201, last_seen_at = now() - interval '61 seconds'",
		"ledger_amounts":    "UPDATE usage_event SET cost_nano = cost_nano + 1 WHERE (data_plane_id, epoch, seq) = " + one,
		"ledger_estimates":  "UPDATE usage_event SET outcome = 5, estimated = false, input = 1 WHERE (data_plane_id, epoch, seq) = " + one,
		"ledger_partitions": "INSERT INTO usage_event SELECT (jsonb_populate_record(e, '{\"started_at\": \"2001-01-01T00:00:00Z\", \"seq\": 999}')).* FROM usage_event e LIMIT 1",
		"usage_aside":       "INSERT INTO usage_aside (sha256, subject, reason, payload) VALUES ('x', 's', 'r', 'p')",
		"usage_lost":        "UPDATE data_plane SET usage_lost = 1",
		"config_behind":     "UPDATE data_plane SET revision = 4",
		"config_unpublished": `INSERT INTO config_outbox (tenant_id, kind, resource_id, payload, committed_at)
			VALUES ('ten_a', 1, 'ten_a', 'y', now() - interval '61 seconds')`,
		"config_resources":   "UPDATE config_resource SET payload = 'z'",
		"config_missing":     "INSERT INTO project (tenant_id, project_id, name) VALUES ('ten_a', 'prj_a', 'p'); INSERT INTO api_key (tenant_id, api_key_id, project_id, name, secret_sha256, hint, created_by) VALUES ('ten_a', 'key_a', 'prj_a', 'k', decode(repeat('00', 32), 'hex'), 'h', 'c')",
		"row_level_security": "CREATE TABLE secrets (tenant_id text)",
		"audit_chain":        "UPDATE audit_entry SET action = 'forged' WHERE seq = 2",
	}
}

func TestAHealthyDatabasePassesEveryCheck(t *testing.T) {
	checks := examine(t, newPatient(t), doctor.Everything())
	for name, c := range checks {
		if !c.OK || c.Rows != 0 {
			t.Errorf("%s: %d rows: %s", name, c.Rows, c.Explanation)
		}
	}
	files, err := filepath.Glob("sql/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) != len(files)+1 {
		t.Errorf("%d checks for %d files and the audit chain", len(checks), len(files))
	}
	for name := range checks {
		if _, ok := wounds()[name]; !ok {
			t.Errorf("nothing here shows that %s finds anything", name)
		}
	}
}

var errHeal = errors.New("heal")

func TestEachBrokenInvariantIsFound(t *testing.T) {
	ctx, db := context.Background(), newPatient(t)
	found := func(t *testing.T, c doctor.Check) {
		if c.OK || c.Rows == 0 {
			t.Fatal("the check found nothing")
		}
		if !strings.Contains(c.Explanation, "for example: ") || strings.HasSuffix(c.Explanation, "for example: ") {
			t.Errorf("it shows no example: %s", c.Explanation)
		}
	}
	for name, sql := range wounds() {
		if name == "audit_chain" {
			continue // read by a transaction of its own: below
		}
		t.Run(name, func(t *testing.T) {
			err := db.InSystem(ctx, func(tx postgres.Tx) error {
				if err := hurt(ctx, tx, sql); err != nil {
					return err
				}
				found(t, examine(t, inside{db, tx}, doctor.Everything())[name])
				return errHeal
			})
			if !errors.Is(err, errHeal) {
				t.Fatal(err)
			}
		})
	}
	t.Run("audit_chain", func(t *testing.T) {
		err := db.InSystem(ctx, func(tx postgres.Tx) error { return hurt(ctx, tx, wounds()["audit_chain"]) })
		if err != nil {
			t.Fatal(err)
		}
		found(t, examine(t, db, doctor.Everything())["audit_chain"])
	})
}

func TestRecentChecksLeaveTheOldLedgerAlone(t *testing.T) {
	ctx, db := context.Background(), newPatient(t)
	err := db.InSystem(ctx, func(tx postgres.Tx) error { return hurt(ctx, tx, "UPDATE usage_hour SET cost_nano = cost_nano + 1") })
	if err != nil {
		t.Fatal(err)
	}
	if c := examine(t, db, time.Now().AddDate(0, 0, 2))["ledger_hour"]; !c.OK {
		t.Errorf("looked at what is older than asked: %s", c.Explanation)
	}
	if c := examine(t, db, time.Now().AddDate(0, 0, -1))["ledger_hour"]; c.OK {
		t.Error("did not look at what is recent")
	}
}

// silent is a database that answers nothing.
type silent struct{ asked chan struct{} }

func (s silent) Violations(ctx context.Context, _ string, _ time.Time, _ int) (int64, string, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return 0, "", ctx.Err()
}

func (s silent) BrokenChains(ctx context.Context) (int64, string, error) {
	return s.Violations(ctx, "", time.Time{}, 0)
}

func TestASilentDatabaseDoesNotEndTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(context.Background())
		store, done := silent{make(chan struct{})}, make(chan error)
		go func() {
			done <- doctor.Watch(ctx, store, time.Hour, slog.New(slog.DiscardHandler), new(atomic.Int64))
		}()
		for range 3 {
			<-store.asked
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
