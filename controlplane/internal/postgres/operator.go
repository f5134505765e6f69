package postgres

import (
	"context"
	"fmt"

	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/session"
)

// PutOperator makes a user an operator with this password. Sessions of an
// earlier password end.
func (db *DB) PutOperator(ctx context.Context, u session.User, by Actor) error {
	_, err := db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO app_user (user_id, email, name, password_hash, is_operator) VALUES ($1, $2, $3, $4, true)
			ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash, is_operator = true
			RETURNING user_id`, u.ID, u.Email, u.Name, u.PasswordHash).Scan(&u.ID)
		if err != nil {
			return fmt.Errorf("put operator: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM session WHERE user_id = $1`, u.ID); err != nil {
			return fmt.Errorf("end sessions of %s: %w", u.ID, err)
		}
		return r.Audit(ctx, Entry{Action: "operator.put", ResourceKind: "user", ResourceID: u.ID, Detail: map[string]any{"email": u.Email}})
	})
	return err
}

// PutOperatorKey inserts an operator's key unless it is there, and revokes
// the ones of the same name that it follows.
func (db *DB) PutOperatorKey(ctx context.Context, k managementkey.Key, by Actor) error {
	_, err := db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		tag, err := tx.Exec(ctx, `UPDATE management_key SET revoked_at = now()
			WHERE tenant_id IS NULL AND name = $1 AND secret_sha256 <> $2 AND revoked_at IS NULL`, k.Name, k.SecretSHA256)
		if err != nil {
			return fmt.Errorf("revoke earlier operator keys: %w", err)
		}
		there, err := exists(ctx, tx, `SELECT FROM management_key WHERE secret_sha256 = $1 AND tenant_id IS NULL AND revoked_at IS NULL`, k.SecretSHA256)
		if err != nil {
			return fmt.Errorf("look for operator key: %w", err)
		}
		if !there {
			if err := insertManagementKey(ctx, tx, &k); err != nil {
				return err
			}
		}
		if there && tag.RowsAffected() == 0 {
			return nil
		}
		return r.Audit(ctx, k.Record("management_key.configure").Entry)
	})
	return err
}
