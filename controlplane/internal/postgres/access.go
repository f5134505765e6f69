package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
)

// SessionPrincipal finds the user of a session.
func (db *DB) SessionPrincipal(ctx context.Context, tokenHash [32]byte) (access.Principal, error) {
	p := access.Principal{Kind: access.KindUser}
	err := db.InSystem(ctx, func(tx Tx) error {
		return tx.QueryRow(ctx, `
			SELECT s.session_id, s.expires_at, u.user_id, u.name, u.email, u.is_operator
			FROM session s JOIN app_user u USING (user_id) WHERE s.token_sha256 = $1`, tokenHash[:]).
			Scan(&p.SessionID, &p.ExpiresAt, &p.ID, &p.Name, &p.Email, &p.Operator)
	})
	if err != nil {
		return access.Principal{}, fmt.Errorf("find session: %w", err)
	}
	return p, nil
}

// ManagementKeyPrincipal finds a management key. One without a tenant is the
// operator's.
func (db *DB) ManagementKeyPrincipal(ctx context.Context, secretHash [32]byte) (access.Principal, error) {
	p := access.Principal{Kind: access.KindManagementKey}
	var expires *time.Time
	err := db.InSystem(ctx, func(tx Tx) error {
		return tx.QueryRow(ctx, `
			SELECT management_key_id, coalesce(tenant_id, ''), tenant_id IS NULL, name, role, expires_at, revoked_at IS NOT NULL
			FROM management_key WHERE secret_sha256 = $1`, secretHash[:]).
			Scan(&p.ID, &p.TenantID, &p.Operator, &p.Name, &p.Role, &expires, &p.Revoked)
	})
	if err != nil {
		return access.Principal{}, fmt.Errorf("find management key: %w", err)
	}
	if expires != nil {
		p.ExpiresAt = *expires
	}
	return p, nil
}

// Place finds a tenant by id or slug, with the role of a user in it. A slug
// holds no underscore and an id does, so that neither is taken for the other.
func (db *DB) Place(ctx context.Context, idOrSlug, userID string) (access.Place, error) {
	var p access.Place
	err := db.InSystem(ctx, func(tx Tx) error {
		return tx.QueryRow(ctx, `
			SELECT t.tenant_id, t.slug, coalesce(m.role, '')
			FROM tenant t LEFT JOIN member m ON m.tenant_id = t.tenant_id AND m.user_id = $2
			WHERE t.tenant_id = $1 OR t.slug = $1`, idOrSlug, userID).Scan(&p.TenantID, &p.Slug, &p.Role)
	})
	if err != nil {
		return access.Place{}, fmt.Errorf("find tenant: %w", err)
	}
	return p, nil
}
