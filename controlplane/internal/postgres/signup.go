package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/proto/fault"
)

// SignUp writes a tenant's beginning: all of it or nothing. There is no
// tenant yet to be isolated, so it runs across tenants.
func (db *DB) SignUp(ctx context.Context, b signup.Beginning, slugs []string, by Actor) (signup.Beginning, error) {
	changeID, err := db.OperatorChange(ctx, b.Tenant.ID, by, func(tx Tx, r *Recorder) error {
		taken, err := exists(ctx, tx, `SELECT FROM app_user WHERE email = $1`, b.User.Email)
		if err != nil {
			return fmt.Errorf("look for user: %w", err)
		}
		if taken {
			return fault.New(fault.AlreadyExists, "There is an account with this e-mail address.", nil).WithFix("Sign in with it, or use another address.").
				WithField("body.email", "has an account", "Sign in instead.")
		}
		if err := insertUser(ctx, tx, b.User); err != nil {
			return err
		}
		if err := insertBeginning(ctx, tx, r, &b, slugs); err != nil {
			return err
		}
		if err := insertAPIKey(ctx, tx, r, &b.Key); err != nil {
			return err
		}
		return insertSession(ctx, tx, b.Session)
	})
	b.ChangeID = changeID
	return b, err
}

// CreateTenant writes a tenant for an owner who may have an account.
func (db *DB) CreateTenant(ctx context.Context, b signup.Beginning, slugs []string, by Actor) (signup.Beginning, error) {
	changeID, err := db.OperatorChange(ctx, b.Tenant.ID, by, func(tx Tx, r *Recorder) error {
		if err := ensureUser(ctx, tx, &b.User, "The owner needs an account: send a password for it."); err != nil {
			return err
		}
		b.Owner.UserID, b.Owner.Name = b.User.ID, b.User.Name
		return insertBeginning(ctx, tx, r, &b, slugs)
	})
	b.ChangeID = changeID
	return b, err
}

// ensureUser fills in who has the address of u. Nobody has: then u is made,
// if it has a password. advice is for where it has none.
func ensureUser(ctx context.Context, tx Tx, u *session.User, advice string) error {
	known, err := get(ctx, tx, scanUser, userSelect+`WHERE email = $1`, u.Email)
	switch {
	case err == nil && u.PasswordHash != "":
		return fault.New(fault.AlreadyExists, "There is an account with this e-mail address, which has its password.", nil).WithFix("Leave the password out.").
			WithField("body.password", "is for an account to be made", "Leave it out.")
	case err == nil:
		*u = known
		return nil
	case fault.From(err).Kind != fault.NotFound:
		return fmt.Errorf("look for user: %w", err)
	case u.PasswordHash == "":
		return fault.New(fault.NotFound, "Nobody has an account with this e-mail address.", nil).WithFix(advice).
			WithField("body.email", "has no account", advice)
	}
	return insertUser(ctx, tx, *u)
}

// insertBeginning writes what every tenant has.
func insertBeginning(ctx context.Context, tx Tx, r *Recorder, b *signup.Beginning, slugs []string) error {
	if err := insertTenant(ctx, tx, r, &b.Tenant, slugs); err != nil {
		return err
	}
	if err := insertMember(ctx, tx, &b.Owner); err != nil {
		return err
	}
	if err := r.Write(ctx, b.Owner.Record("member.create")); err != nil {
		return err
	}
	if err := insertProject(ctx, tx, &b.Project); err != nil {
		return err
	}
	rec, err := b.Project.Record("project.create", false)
	if err != nil {
		return err
	}
	return r.Write(ctx, rec)
}

// insertTenant takes the first slug that is free. Two at once who want the
// same slug wait for each other at its unique index.
func insertTenant(ctx context.Context, tx Tx, r *Recorder, t *tenant.Tenant, slugs []string) error {
	for _, slug := range slugs {
		err := tx.QueryRow(ctx, `INSERT INTO tenant (tenant_id, slug, name) VALUES ($1, $2, $3)
			ON CONFLICT (slug) DO NOTHING RETURNING slug, status, version, created_at`, t.ID, slug, t.Name).
			Scan(&t.Slug, &t.Status, &t.Version, &t.CreatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return fmt.Errorf("insert tenant %s: %w", t.ID, err)
		}
		res, err := t.Resource()
		if err != nil {
			return err
		}
		return r.Write(ctx, change.Record{
			Entry: Entry{Action: "tenant.create", ResourceKind: "tenant", ResourceID: t.ID,
				Detail: map[string]any{"name": t.Name, "slug": t.Slug}},
			Resources: []Resource{res},
		})
	}
	return fault.New(fault.AlreadyExists, "This slug is taken.", nil).WithField("body.slug", "is taken", "Choose another one.")
}

func insertMember(ctx context.Context, tx Tx, m *member.Member) error {
	err := tx.QueryRow(ctx, `INSERT INTO member (tenant_id, member_id, user_id, role) VALUES ($1, $2, $3, $4) RETURNING version, created_at`,
		m.TenantID, m.ID, m.UserID, m.Role).Scan(&m.Version, &m.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert member %s: %w", m.ID, err)
	}
	return nil
}
