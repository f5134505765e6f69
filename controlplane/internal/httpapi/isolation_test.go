package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/proto/id"
)

// join makes the owner of one account a member of another tenant and returns
// the membership's id. There is no invitation yet, so it is done in SQL.
func (s *stage) join(acc, person account, role access.Role) string {
	s.t.Helper()
	ctx, member := context.Background(), id.New(id.Member)
	s.system(func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO member (tenant_id, member_id, user_id, role) SELECT $1, $2, user_id, $4 FROM app_user WHERE email = $3`,
			acc.id, member, person.email, role)
		return err
	})
	return member
}

func (s *stage) system(f func(postgres.Tx) error) {
	s.t.Helper()
	if err := s.db.InSystem(context.Background(), f); err != nil {
		s.t.Fatal(err)
	}
}

// marker stands in every name of a furnished tenant.
const marker = "whose-is-this"

// furnish gives a tenant one of everything, and returns the ids by the names
// of path parameters.
func (s *stage) furnish(acc account) map[string]string {
	s.t.Helper()
	made := func(path string, body m) answer { return s.want(201, "POST", acc.path(path), acc.owner, body) }
	ids := map[string]string{"tenant_id": acc.id, "member_id": acc.memberID}
	ids["project_id"] = made("/projects", m{"name": marker}).str("id")
	key := made("/api-keys", m{"name": marker})
	ids["api_key_id"], ids["change_id"] = key.str("id"), fmt.Sprint(key.number("change_id"))
	ids["management_key_id"] = made("/management-keys", m{"name": marker, "role": "viewer"}).str("id")
	ids["credential_id"] = made("/credentials", m{"name": marker, "provider": "openai", "secret": "sk-" + marker}).str("id")
	ids["model_id"] = made("/models", m{"credential_id": ids["credential_id"], "provider_model": marker}).str("id")
	made("/models/"+ids["model_id"]+"/prices", m{"input": "1", "output": "2", "source": marker})
	ids["route_id"] = made("/routes", m{"name": marker, "model_id": ids["model_id"]}).str("id")
	for _, e := range s.spend(acc, "dpl_"+acc.slug, 5).Events {
		ids["request_id"] = e.RequestId
	}
	ids["revision"] = "700001"
	ctx := context.Background()
	s.system(func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE config_outbox SET revision = 700001 WHERE outbox_id = $1::bigint`, ids["change_id"])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO config_resource (tenant_id, kind, resource_id, revision, committed_at) VALUES ($1, 2, $2, 700001, now())`, acc.id, ids["api_key_id"])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO config_refusal (tenant_id, data_plane_id, kind, resource_id, revision, path, message, received_at)
			VALUES ($1, 'dpl_x', 2, $2, 700001, 'name', $3, now())`, acc.id, ids["api_key_id"], marker)
		return err
	})
	return ids
}

// tenantTables are all tables that hold rows of tenants, as Postgres knows
// them; partitions are reached through their parent.
func (s *stage) tenantTables() []string {
	s.t.Helper()
	var tables []string
	ctx := context.Background()
	s.system(func(tx postgres.Tx) error {
		rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
			WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			tables = append(tables, name)
		}
		return rows.Err()
	})
	if len(tables) < 15 {
		s.t.Fatalf("only %d tables have a tenant: %v", len(tables), tables)
	}
	return tables
}

// dump is everything that a tenant has, as text.
func (s *stage) dump(tenantID string) string {
	s.t.Helper()
	ctx := context.Background()
	var b strings.Builder
	for _, table := range s.tenantTables() {
		s.system(func(tx postgres.Tx) error {
			var rows string
			err := tx.QueryRow(ctx, `SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM `+table+` x WHERE tenant_id = $1`, tenantID).Scan(&rows)
			fmt.Fprintf(&b, "%s:\n%s\n", table, rows)
			return err
		})
	}
	return b.String()
}

// TestTwoTenantsNeverMeet walks every operation with every id of another
// tenant, in paths, bodies and filters, and sees nothing of it and changes
// nothing in it.
func TestTwoTenantsNeverMeet(t *testing.T) {
	s := newStage(t)
	victim, thief := s.signUp("Victim"), s.signUp("Thief")
	theirs, mine := s.furnish(victim), map[string]string{"tenant_id": thief.id}
	for k, v := range theirs {
		if k != "tenant_id" {
			mine[k] = v
		}
	}
	bySlug := map[string]string{}
	for k, v := range theirs {
		bySlug[k] = v
	}
	bySlug["tenant_id"] = victim.slug
	before := s.dump(victim.id)
	calls := 0
	check := func(e endpoint, path string, ids map[string]string) answer {
		calls++
		a := s.call(e.method, path, thief.owner, e.body(ids))
		if strings.Contains(a.raw, marker) {
			t.Errorf("%s %s gave away a name: %s", e.method, path, a.raw)
		}
		for name, v := range theirs {
			// What the thief sent may come back; what was not sent may not.
			if len(v) > 10 && strings.Contains(a.raw, v) && !strings.Contains(path, v) && name != "tenant_id" {
				t.Errorf("%s %s gave away %s: %s", e.method, path, name, a.raw)
			}
		}
		return a
	}
	for _, e := range endpoints(t) {
		if e.path == "/v1/signup" || strings.HasPrefix(e.path, "/v1/sessions") {
			continue // these name no tenant; TestSessions covers them
		}
		if !strings.Contains(e.path, "{tenant_id}") {
			check(e, e.path, theirs)
			continue
		}
		for _, ids := range []map[string]string{theirs, bySlug} {
			if a := check(e, e.address(ids), ids); a.status != 404 && a.status != 403 {
				t.Errorf("%s of another tenant: %d %s", e.id, a.status, a.raw)
			}
		}
		a := check(e, e.address(mine), mine)
		if strings.Count(e.path, "{") > 1 && a.status != 404 {
			t.Errorf("%s with another tenant's id below one's own: %d %s", e.id, a.status, a.raw)
		}
		for _, name := range []string{"project_id", "credential_id", "model_id"} {
			if body := fmt.Sprint(e.body(mine)); strings.Contains(body, theirs[name]) && a.status < 400 {
				t.Errorf("%s took another tenant's %s: %s", e.id, name, a.raw)
			}
		}
		for _, p := range e.params {
			if v := theirs[p.Name]; p.In == "query" && v != "" {
				check(e, e.address(mine)+"?"+p.Name+"="+v, mine)
			}
		}
	}
	if calls < 150 {
		t.Errorf("only %d calls were made", calls)
	}
	if after := s.dump(victim.id); after != before {
		t.Errorf("the other tenant's rows changed: %s", firstDifference(before, after))
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + " became " + y[i]
		}
	}
	return "rows came or went"
}

// TestTheApplicationRoleSeesOneTenant asks every table that holds rows of
// tenants, with SQL, as the role that serves one tenant.
func TestTheApplicationRoleSeesOneTenant(t *testing.T) {
	s := newStage(t)
	victim, thief := s.signUp("Victim"), s.signUp("Thief")
	s.furnish(victim)
	ctx := context.Background()
	for _, table := range s.tenantTables() {
		var forced bool
		var theirs int
		var row string
		s.system(func(tx postgres.Tx) error {
			err := tx.QueryRow(ctx, `SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass`, table).Scan(&forced)
			if err != nil {
				return err
			}
			return tx.QueryRow(ctx, `SELECT count(*), coalesce(min(to_jsonb(x)::text), '') FROM `+table+` x WHERE tenant_id = $1`, victim.id).Scan(&theirs, &row)
		})
		if !forced {
			t.Errorf("%s has no forced row-level security", table)
		}
		if theirs == 0 {
			t.Errorf("%s holds nothing of the other tenant: the test shows nothing", table)
		}
		for what, sql := range map[string]string{
			"sees":    `SELECT FROM ` + table + ` WHERE tenant_id = $1`,
			"changes": `UPDATE ` + table + ` SET tenant_id = tenant_id WHERE tenant_id = $1`,
			"removes": `DELETE FROM ` + table + ` WHERE tenant_id = $1`,
		} {
			// The owner of the rows shows that the statement finds them, unless
			// the role may not do such a thing at all.
			if n, state := s.asTenant(victim.id, sql, victim.id); n == 0 || what == "sees" && state != "" && state != notAllowed {
				t.Errorf("%s: the owner %s %d rows, SQLSTATE %q: the test shows nothing", table, what, n, state)
			}
			if n, state := s.asTenant(thief.id, sql, victim.id); n != 0 && state != notAllowed {
				t.Errorf("one tenant %s %d rows of another in %s, SQLSTATE %q", what, n, table, state)
			}
		}
		// A row in the other's name. That the same row is there already is found
		// only after the policy was asked.
		insert := `INSERT INTO ` + table + ` OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::` + table + `, $1::jsonb)`
		if n, state := s.asTenant(thief.id, insert, row); state != notAllowed {
			t.Errorf("one tenant writes into another's %s: %d rows, SQLSTATE %q", table, n, state)
		}
	}
	if n, state := s.asTenant(victim.id, `SELECT FROM project WHERE tenant_id = $1`, victim.id); n != 2 {
		t.Errorf("a tenant sees %d of its own projects, want 2, SQLSTATE %q", n, state)
	}
}

// notAllowed is the SQLSTATE of what a policy or a missing privilege refuses.
const notAllowed = "42501"

// asTenant runs one statement as a tenant, undoes it, and counts its rows; -1
// with the SQLSTATE when it failed.
func (s *stage) asTenant(tenantID, sql, arg string) (n int64, state string) {
	s.t.Helper()
	ctx := context.Background()
	undo := errors.New("undo")
	err := s.db.InTenant(ctx, tenantID, func(tx postgres.Tx) error {
		tag, err := tx.Exec(ctx, sql, arg)
		n = tag.RowsAffected()
		if known, ok := errors.AsType[interface {
			error
			SQLState() string
		}](err); ok {
			n, state = -1, known.SQLState()
		} else if err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return n, state
}
