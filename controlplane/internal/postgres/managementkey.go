package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
)

const managementKeySelect = `SELECT management_key_id, coalesce(tenant_id, ''), name, role, secret_sha256, hint, expires_at, revoked_at, created_by, created_at
	FROM management_key WHERE tenant_id = $1 `

func scanManagementKey(row pgx.CollectableRow) (k managementkey.Key, err error) {
	err = row.Scan(&k.ID, &k.TenantID, &k.Name, &k.Role, &k.SecretSHA256, &k.Hint, (*optionalTime)(&k.ExpiresAt), (*optionalTime)(&k.RevokedAt),
		&k.CreatedBy, &k.CreatedAt)
	return k, err
}

// ManagementKeys lists those of a tenant, newest first.
func (db *DB) ManagementKeys(ctx context.Context, tenantID, before string, limit int) ([]managementkey.Key, error) {
	return list(ctx, db, tenantID, scanManagementKey, managementKeySelect+`AND ($2 = '' OR management_key_id < $2)
		ORDER BY management_key_id DESC LIMIT $3`, tenantID, before, limit)
}

// CreateManagementKey inserts one.
func (db *DB) CreateManagementKey(ctx context.Context, tenantID string, by Actor, k managementkey.Key) (managementkey.Key, error) {
	_, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if err := insertManagementKey(ctx, tx, &k); err != nil {
			return err
		}
		return r.Write(ctx, k.Record("management_key.create"))
	})
	return k, err
}

// insertManagementKey writes a key; without a tenant it is the operator's.
func insertManagementKey(ctx context.Context, tx Tx, k *managementkey.Key) error {
	err := tx.QueryRow(ctx, `
		INSERT INTO management_key (management_key_id, tenant_id, name, role, secret_sha256, hint, expires_at, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING created_at`,
		k.ID, zeronull.Text(k.TenantID), k.Name, k.Role, k.SecretSHA256, k.Hint, optionalTime(k.ExpiresAt), k.CreatedBy).Scan(&k.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert management key %s: %w", k.ID, err)
	}
	return nil
}

// RevokeManagementKey locks a key and writes when edit revoked it.
func (db *DB) RevokeManagementKey(ctx context.Context, tenantID string, by Actor, keyID string, edit func(*managementkey.Key) (change.Record, error)) (k managementkey.Key, err error) {
	_, err = db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if k, err = get(ctx, tx, scanManagementKey, managementKeySelect+`AND management_key_id = $2 FOR UPDATE`, tenantID, keyID); err != nil {
			return err
		}
		rec, err := edit(&k)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE management_key SET revoked_at = $3 WHERE tenant_id = $1 AND management_key_id = $2`,
			tenantID, keyID, optionalTime(k.RevokedAt))
		if err != nil {
			return fmt.Errorf("revoke management key %s: %w", keyID, err)
		}
		return r.Write(ctx, rec)
	})
	return k, err
}
