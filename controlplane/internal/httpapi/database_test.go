package httpapi_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

// dumpHolds searches every column of every table for a text, also in its hex
// form, which is how bytea reads.
func (s *stage) dumpHolds(text string) bool {
	s.t.Helper()
	ctx, found := context.Background(), false
	err := s.db.InSystem(ctx, func(tx postgres.Tx) error {
		rows, err := tx.Query(ctx, `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')`)
		if err != nil {
			return err
		}
		var tables []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, name)
		}
		for _, table := range tables {
			var n int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table+` x WHERE x::text LIKE '%' || $1 || '%' OR x::text LIKE '%' || encode(convert_to($1, 'UTF8'), 'hex') || '%'`, text).Scan(&n)
			if err != nil {
				return err
			}
			found = found || n > 0
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func TestWithoutADatabaseTheAnswerIsQuickAndClear(t *testing.T) {
	pg := postgrestest.Private(t)
	db, err := postgres.Open(context.Background(), pg.URL, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	acc := stageOn(t, db, 0).signUp("Acme")
	s := stageOn(t, db, 700*time.Millisecond)

	gone := func(how string) {
		start := time.Now()
		var wg sync.WaitGroup
		for range 12 { // more than the pool has connections
			wg.Go(func() {
				a := s.refused("database_unavailable", "GET", acc.path("/projects"), acc.owner, nil)
				if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 2 {
					t.Errorf("%s: Retry-After is %q", how, a.header.Get("Retry-After"))
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: twelve calls at once took %s", how, took)
		}
		s.want(200, "GET", "/readyz", "", nil)
	}
	back := func() {
		deadline := time.Now().Add(10 * time.Second)
		for s.call("GET", acc.path("/projects"), acc.owner, nil).status != 200 {
			if time.Now().After(deadline) {
				t.Fatalf("the API did not recover: %+v", s.call("GET", acc.path("/projects"), acc.owner, nil))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	pg.Freeze()
	gone("frozen")
	pg.Thaw()
	back()
	pg.Kill()
	gone("killed")
	s.refused("database_unavailable", "POST", acc.path("/projects"), acc.owner, m{"name": "x"}, "Idempotency-Key", "k")
	pg.Start()
	back()
	// An Idempotency-Key that was used while the database was gone is free.
	stageOn(t, db, 0).want(201, "POST", acc.path("/projects"), acc.owner, m{"name": "x"}, "Idempotency-Key", "k")
}
