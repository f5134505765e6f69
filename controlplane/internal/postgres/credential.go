package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/credential"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Caps per tenant, so that no tenant can make the data planes large.
const (
	maxCredentials = 200
	maxModels      = 2000
	maxRoutes      = 2000
)

const credentialColumns = `credential_id, tenant_id, name, provider, dialect, base_url, auth_style, auth_header, api_version, region, secret_hint,
	coalesce(secret_ciphertext, ''), coalesce(wrapped_data_key, ''), key_id,
	connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, version, created_at`

func scanCredential(row pgx.CollectableRow) (c credential.Credential, err error) {
	err = row.Scan(&c.ID, &c.TenantID, &c.Name, &c.Provider, &c.Dialect, &c.BaseURL, &c.AuthStyle, &c.AuthHeader, &c.APIVersion, &c.Region, &c.SecretHint,
		&c.Secret.Ciphertext, &c.Secret.WrappedDataKey, &c.Secret.KeyID,
		&c.ConnectTimeoutMS, &c.FirstByteTimeoutMS, &c.IdleTimeoutMS, &c.Version, &c.CreatedAt)
	return c, err
}

// Credentials lists those of a tenant by id.
func (db *DB) Credentials(ctx context.Context, tenantID, after string, limit int) ([]credential.Credential, error) {
	return list(ctx, db, tenantID, scanCredential, `SELECT `+credentialColumns+` FROM credential
		WHERE tenant_id = $1 AND retired_at IS NULL AND credential_id > $2 ORDER BY credential_id LIMIT $3`, tenantID, after, limit)
}

// Credential finds one.
func (db *DB) Credential(ctx context.Context, tenantID, credentialID string) (c credential.Credential, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		c, err = lockCredential(ctx, tx, tenantID, credentialID, "")
		return err
	})
	return c, err
}

func lockCredential(ctx context.Context, tx Tx, tenantID, credentialID, lock string) (credential.Credential, error) {
	return get(ctx, tx, scanCredential, `SELECT `+credentialColumns+` FROM credential
		WHERE tenant_id = $1 AND credential_id = $2 AND retired_at IS NULL `+lock, tenantID, credentialID)
}

// CreateCredential inserts one.
func (db *DB) CreateCredential(ctx context.Context, tenantID string, by Actor, c credential.Credential, rec change.Record) (credential.Credential, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if err := capped(ctx, tx, tenantID, "credential", maxCredentials); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			INSERT INTO credential (tenant_id, credential_id, name, provider, base_url, auth_style, auth_header,
				secret_ciphertext, wrapped_data_key, key_id, secret_hint, connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, dialect,
				api_version, region)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING version, created_at`,
			tenantID, c.ID, c.Name, c.Provider, c.BaseURL, c.AuthStyle, c.AuthHeader,
			c.Secret.Ciphertext, c.Secret.WrappedDataKey, c.Secret.KeyID, c.SecretHint,
			c.ConnectTimeoutMS, c.FirstByteTimeoutMS, c.IdleTimeoutMS, c.Dialect, c.APIVersion, c.Region).Scan(&c.Version, &c.CreatedAt)
		if err != nil {
			return fmt.Errorf("insert credential %s: %w", c.ID, err)
		}
		return r.Write(ctx, rec)
	})
	return c, changeID, err
}

// UpdateCredential lets edit change the locked row and writes it.
func (db *DB) UpdateCredential(ctx context.Context, tenantID string, by Actor, credentialID string, match int64,
	edit func(*credential.Credential) (change.Record, error)) (c credential.Credential, changeID int64, err error) {
	changeID, err = db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if c, err = lockCredential(ctx, tx, tenantID, credentialID, "FOR UPDATE"); err != nil {
			return err
		}
		if err := sameVersion(c.Version, match); err != nil {
			return err
		}
		rec, err := edit(&c)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			UPDATE credential SET name = $3, base_url = $4, auth_style = $5, auth_header = $6, secret_ciphertext = $7,
				wrapped_data_key = $8, key_id = $9, secret_hint = $10, connect_timeout_ms = $11, first_byte_timeout_ms = $12,
				idle_timeout_ms = $13, dialect = $14, api_version = $15, region = $16, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND credential_id = $2 RETURNING version`,
			tenantID, credentialID, c.Name, c.BaseURL, c.AuthStyle, c.AuthHeader, c.Secret.Ciphertext,
			c.Secret.WrappedDataKey, c.Secret.KeyID, c.SecretHint, c.ConnectTimeoutMS, c.FirstByteTimeoutMS,
			c.IdleTimeoutMS, c.Dialect, c.APIVersion, c.Region).Scan(&c.Version)
		if err != nil {
			return fmt.Errorf("update credential %s: %w", credentialID, err)
		}
		return r.Write(ctx, rec)
	})
	return c, changeID, err
}

// DeleteCredential retires one that no model uses and forgets its secret.
func (db *DB) DeleteCredential(ctx context.Context, tenantID string, by Actor, credentialID string, match int64) (int64, error) {
	return db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		c, err := lockCredential(ctx, tx, tenantID, credentialID, "FOR UPDATE")
		if err != nil {
			return err
		}
		if err := sameVersion(c.Version, match); err != nil {
			return err
		}
		used, err := exists(ctx, tx, `SELECT FROM model WHERE tenant_id = $1 AND credential_id = $2 AND retired_at IS NULL`, tenantID, credentialID)
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.InUse, "A model uses this credential.", nil)
		}
		_, err = tx.Exec(ctx, `
			UPDATE credential SET retired_at = now(), secret_ciphertext = NULL, wrapped_data_key = NULL, key_id = '', secret_hint = '',
				version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND credential_id = $2`, tenantID, credentialID)
		if err != nil {
			return fmt.Errorf("retire credential %s: %w", credentialID, err)
		}
		return r.Write(ctx, change.Record{
			Entry:     Entry{Action: "credential.delete", ResourceKind: "credential", ResourceID: credentialID, Detail: map[string]any{"name": c.Name}},
			Resources: []Resource{change.Tombstone(configv1.Kind_KIND_CREDENTIAL, credentialID)},
		})
	})
}
