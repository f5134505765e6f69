package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

func signups(db *postgres.DB) *signup.Service {
	passwords := password.New(password.Cost{MemoryKiB: 64, Passes: 1}, 8)
	return signup.NewService(db, passwords, session.NewService(db, passwords, time.Now), apikey.NewService(db, time.Now))
}

func TestManyWhoWantOneSlugAtOnceAllGetOne(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	s := signups(db)
	var mu sync.Mutex
	var wg sync.WaitGroup
	slugs := map[string]bool{}
	for i := range 12 {
		wg.Go(func() {
			in := signup.Input{TenantName: "Acme", Email: fmt.Sprintf("u%d@example.com", i), Password: "correct horse"}
			b, err := s.SignUp(ctx, in, "req", fmt.Sprintf("10.0.0.%d", i))
			if err != nil {
				t.Errorf("sign-up %d: %v", i, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			slugs[b.Tenant.Slug] = true
		})
	}
	wg.Wait()
	if len(slugs) != 12 || !slugs["acme"] {
		t.Errorf("twelve tenants have the slugs %v", slugs)
	}
}

func TestASignUpThatFailsLeavesNothing(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	s := signups(db)
	if _, err := s.SignUp(ctx, signup.Input{TenantName: "A", Slug: "taken", Email: "a@example.com", Password: "correct horse"}, "r", "ip"); err != nil {
		t.Fatal(err)
	}
	_, err := s.SignUp(ctx, signup.Input{TenantName: "B", Slug: "taken", Email: "b@example.com", Password: "correct horse"}, "r", "ip")
	if fault.From(err).Kind != fault.AlreadyExists {
		t.Fatalf("a taken slug: %v", err)
	}
	if _, err := db.UserByEmail(ctx, "b@example.com"); fault.From(err).Kind != fault.NotFound {
		t.Errorf("a user of a failed sign-up: %v", err)
	}
}

// TestTwoOwnersCannotRemoveEachOther is the race that a check before a change
// loses.
func TestTwoOwnersCannotRemoveEachOther(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	b, err := signups(db).SignUp(ctx, signup.Input{TenantName: "A", Email: "a@example.com", Password: "correct horse"}, "r", "ip")
	if err != nil {
		t.Fatal(err)
	}
	other, err := signups(db).SignUp(ctx, signup.Input{TenantName: "B", Email: "b@example.com", Password: "correct horse"}, "r", "ip")
	if err != nil {
		t.Fatal(err)
	}
	members := member.NewService(db, nil, true)
	for range 10 {
		second := id.New(id.Member)
		err := db.InSystem(ctx, func(tx postgres.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO member (tenant_id, member_id, user_id, role) VALUES ($1, $2, $3, 'owner')
				ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = 'owner', member_id = excluded.member_id`, b.Tenant.ID, second, other.User.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, m := range []string{b.Owner.ID, second} {
			wg.Go(func() {
				// One of the two is refused; which one is open.
				_, _ = members.SetRole(ctx, b.Tenant.ID, change.System("test"), access.Owner, m, 0, access.Viewer)
			})
		}
		wg.Wait()
		owners := 0
		list, err := members.Members(ctx, b.Tenant.ID, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Role == access.Owner {
				owners++
			}
		}
		if owners != 1 {
			t.Fatalf("%d owners are left, want 1", owners)
		}
		if _, err := members.SetRole(ctx, b.Tenant.ID, change.System("test"), access.Owner, b.Owner.ID, 0, access.Owner); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABrokenAuditChainShows(t *testing.T) {
	url := postgrestest.URL(t)
	db, err := postgres.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	ctx := context.Background()
	for i := range 5 {
		_, err := db.OperatorChange(ctx, "", change.System("test"), func(_ postgres.Tx, r *postgres.Recorder) error {
			return r.Audit(ctx, postgres.Entry{Action: "test.run", ResourceKind: "test", ResourceID: fmt.Sprint(i),
				Detail: map[string]any{"z": 1, "a": []string{"x"}, "n": int64(1) << 40, "text": "ü <>&", "nothing": nil}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.VerifyAudit(ctx, ""); err != nil {
		t.Fatalf("an untouched chain: %v", err)
	}
	// Only the owner of the tables can do this, by taking the guard away.
	owner, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	for _, c := range []struct{ do, says string }{
		{"UPDATE audit_entry SET detail = '{}' WHERE seq = 3", "entry 3: its hash"},
		{"UPDATE audit_entry SET actor_name = 'somebody else' WHERE seq = 2", "entry 2: its hash"},
		{"DELETE FROM audit_entry WHERE seq = 4", "entry 4: the entry is missing"},
		{"DELETE FROM audit_entry WHERE seq = 5", "entry 5: the chain ends here"},
		{"DELETE FROM audit_entry WHERE seq = 1", "entry 1: the entry is missing"},
		{"DELETE FROM audit_head", "should at entry 0"},
	} {
		tamper := []string{"CREATE TABLE kept AS SELECT * FROM audit_entry", "CREATE TABLE kept_head AS SELECT * FROM audit_head",
			"ALTER TABLE audit_entry DISABLE TRIGGER ALL", c.do}
		restore := []string{"DELETE FROM audit_entry", "DELETE FROM audit_head", "INSERT INTO audit_entry SELECT * FROM kept", "INSERT INTO audit_head SELECT * FROM kept_head",
			"ALTER TABLE audit_entry ENABLE TRIGGER ALL", "DROP TABLE kept, kept_head"}
		for _, sql := range tamper {
			if _, err := owner.Exec(sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		err := db.VerifyAudit(ctx, "")
		if _, ok := errors.AsType[*audit.Broken](err); !ok || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: VerifyAudit = %v, want one that says %q", c.do, err, c.says)
		}
		if broken, err := db.BrokenAuditChains(ctx); err != nil || len(broken) != 1 {
			t.Errorf("%s: BrokenAuditChains = %v, %v", c.do, broken, err)
		}
		for _, sql := range restore {
			if _, err := owner.Exec(sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	if err := db.VerifyAudit(ctx, ""); err != nil {
		t.Fatalf("after all was put back: %v", err)
	}
}

func TestKeysAreCapped(t *testing.T) {
	db, ctx := postgrestest.Open(t), context.Background()
	b, err := signups(db).SignUp(ctx, signup.Input{TenantName: "A", Email: "a@example.com", Password: "correct horse"}, "r", "ip")
	if err != nil {
		t.Fatal(err)
	}
	keys := apikey.NewService(db, time.Now)
	name := "x"
	add := func(most int) error {
		k, _, err := keys.Make(b.Tenant.ID, change.System("test"), apikey.Input{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = db.CreateAPIKey(ctx, b.Tenant.ID, change.System("test"), k, most)
		return err
	}
	if err := add(2); err != nil {
		t.Fatal(err)
	}
	if err := add(2); fault.From(err).Kind != fault.Conflict {
		t.Errorf("the third key of two: %v", err)
	}
	// A revoked key makes room.
	if _, _, err := keys.Revoke(ctx, b.Tenant.ID, change.System("test"), b.Key.ID); err != nil {
		t.Fatal(err)
	}
	if err := add(2); err != nil {
		t.Errorf("after a revocation: %v", err)
	}
	// So does one whose time is over.
	if err := db.InSystem(ctx, func(tx postgres.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE api_key SET expires_at = now() - interval '1 second' WHERE tenant_id = $1`, b.Tenant.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := add(2); err != nil {
		t.Errorf("after the keys expired: %v", err)
	}
}
