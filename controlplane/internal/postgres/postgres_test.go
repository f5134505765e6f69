package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestATenantTransactionSeesItsOwnRowsAlone(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	for _, id := range []string{"ten_a", "ten_b"} {
		err := db.InTenant(ctx, id, func(tx postgres.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO tenant (tenant_id, slug, name) VALUES ($1, $2, $3)", id, id[4:], id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.InTenant(ctx, "ten_a", func(tx postgres.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM tenant").Scan(&n); err != nil {
			return err
		}
		if n != 1 {
			t.Errorf("tenant a sees %d tenants, want 1", n)
		}
		tag, err := tx.Exec(ctx, "UPDATE tenant SET name = 'x' WHERE tenant_id = 'ten_b'")
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 0 {
			t.Error("tenant a changed tenant b")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.InTenant(ctx, "ten_a", func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO project (tenant_id, project_id, name) VALUES ('ten_b', 'prj_x', 'x')")
		return err
	})
	if err == nil {
		t.Error("tenant a wrote a row of tenant b")
	}
}

func TestAuditEntriesCannotBeChanged(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	actor := postgres.Actor{Kind: "system", ID: "test", Name: "test"}
	_, err := db.OperatorChange(ctx, "", actor, func(_ postgres.Tx, r *postgres.Recorder) error {
		return r.Audit(ctx, postgres.Entry{Action: "test.run", ResourceKind: "test", ResourceID: "1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"} {
		err := db.InSystem(ctx, func(tx postgres.Tx) error { _, err := tx.Exec(ctx, sql); return err })
		if err == nil {
			t.Errorf("%s went through", sql)
		}
	}
	boom := errors.New("boom")
	_, err = db.OperatorChange(ctx, "", actor, func(_ postgres.Tx, r *postgres.Recorder) error {
		if err := r.Audit(ctx, postgres.Entry{Action: "test.fail", ResourceKind: "test", ResourceID: "2"}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want boom", err)
	}
	err = db.InSystem(ctx, func(tx postgres.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM audit_entry").Scan(&n); err != nil {
			return err
		}
		if n != 1 {
			t.Errorf("%d audit entries, want 1: a change that failed must leave none", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
