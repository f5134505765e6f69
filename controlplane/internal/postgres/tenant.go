package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
)

const tenantColumns = `tenant_id, slug, name, status, version, created_at`

func scanTenant(row pgx.CollectableRow) (t tenant.Tenant, err error) {
	err = row.Scan(&t.ID, &t.Slug, &t.Name, &t.Status, &t.Version, &t.CreatedAt)
	return t, err
}

// Tenant finds one.
func (db *DB) Tenant(ctx context.Context, tenantID string) (t tenant.Tenant, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		t, err = get(ctx, tx, scanTenant, `SELECT `+tenantColumns+` FROM tenant WHERE tenant_id = $1`, tenantID)
		return err
	})
	return t, err
}

// Tenants lists all, newest first: the operator's page.
func (db *DB) Tenants(ctx context.Context, f tenant.Filter, before string, limit int) (out []tenant.Tenant, err error) {
	pattern := "%" + likeEscaper.Replace(f.Query) + "%"
	err = db.InSystem(ctx, func(tx Tx) error {
		out, err = all(ctx, tx, scanTenant, `SELECT `+tenantColumns+` FROM tenant
			WHERE ($1 = '' OR tenant_id < $1) AND (name ILIKE $2 OR slug ILIKE $2) AND ($3 = '' OR status = $3)
			ORDER BY tenant_id DESC LIMIT $4`, before, pattern, f.Status, limit)
		return err
	})
	return out, err
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// UpdateTenant locks a tenant and writes what edit makes of it. What an
// operator does stands in the tenant's trail and in the operators' own.
func (db *DB) UpdateTenant(ctx context.Context, tenantID string, by Actor, match int64, edit func(*tenant.Tenant) (change.Record, error)) (t tenant.Tenant, changeID int64, err error) {
	changeID, err = db.OperatorChange(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		t, err = get(ctx, tx, scanTenant, `SELECT `+tenantColumns+` FROM tenant WHERE tenant_id = $1 FOR UPDATE`, tenantID)
		if err != nil {
			return err
		}
		if err := sameVersion(t.Version, match); err != nil {
			return err
		}
		before := t.Status
		rec, err := edit(&t)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `UPDATE tenant SET name = $2, status = $3, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 RETURNING version`, tenantID, t.Name, t.Status).Scan(&t.Version)
		if err != nil {
			return fmt.Errorf("update tenant %s: %w", tenantID, err)
		}
		if err := r.Write(ctx, rec); err != nil {
			return err
		}
		if t.Status == before {
			return nil
		}
		return NewRecorder(tx, "", by).Audit(ctx, rec.Entry)
	})
	return t, changeID, err
}

// Memberships lists the tenants of a user.
func (db *DB) Memberships(ctx context.Context, userID string) (out []membership, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		out, err = all(ctx, tx, scanMembership, `SELECT t.tenant_id, t.slug, t.name, t.status, m.role
			FROM member m JOIN tenant t USING (tenant_id) WHERE m.user_id = $1 ORDER BY t.tenant_id LIMIT 100`, userID)
		return err
	})
	return out, err
}

// TenantMembership is a tenant as somebody with a role sees it.
func (db *DB) TenantMembership(ctx context.Context, tenantID string, role access.Role) (m membership, err error) {
	t, err := db.Tenant(ctx, tenantID)
	return membership{TenantID: t.ID, Slug: t.Slug, Name: t.Name, Status: t.Status, Role: role}, err
}

func scanMembership(row pgx.CollectableRow) (m membership, err error) {
	err = row.Scan(&m.TenantID, &m.Slug, &m.Name, &m.Status, &m.Role)
	return m, err
}
