package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
)

// The last use is told by the newest day that the key has usage on.
const apiKeySelect = `SELECT k.api_key_id, k.tenant_id, k.project_id, k.name, k.secret_sha256, k.hint, k.previous_sha256, k.previous_valid_until,
	k.allowed_routes, k.parameter_rules, k.expires_at, k.revoked_at, k.rotated_at, k.created_by, k.version, k.created_at,
	(SELECT max(d.last_at) FROM usage_day d WHERE d.tenant_id = k.tenant_id AND d.api_key_id = k.api_key_id AND d.day =
		(SELECT max(n.day) FROM usage_day n WHERE n.tenant_id = k.tenant_id AND n.api_key_id = k.api_key_id))
	FROM api_key k WHERE k.tenant_id = $1 `

type optionalTime = zeronull.Timestamptz

func scanAPIKey(row pgx.CollectableRow) (k apikey.Key, err error) {
	err = row.Scan(&k.ID, &k.TenantID, &k.ProjectID, &k.Name, &k.SecretSHA256, &k.Hint, &k.PreviousSHA256, (*optionalTime)(&k.PreviousValidUntil),
		&k.AllowedRoutes, &k.Rules, (*optionalTime)(&k.ExpiresAt), (*optionalTime)(&k.RevokedAt), (*optionalTime)(&k.RotatedAt),
		&k.CreatedBy, &k.Version, &k.CreatedAt, (*optionalTime)(&k.LastUsedAt))
	return k, err
}

// APIKeys lists those of a tenant, newest first.
func (db *DB) APIKeys(ctx context.Context, tenantID, before string, limit int) ([]apikey.Key, error) {
	return list(ctx, db, tenantID, scanAPIKey, apiKeySelect+`AND ($2 = '' OR k.api_key_id < $2) ORDER BY k.api_key_id DESC LIMIT $3`,
		tenantID, before, limit)
}

// APIKey finds one.
func (db *DB) APIKey(ctx context.Context, tenantID, keyID string) (k apikey.Key, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		k, err = get(ctx, tx, scanAPIKey, apiKeySelect+`AND k.api_key_id = $2`, tenantID, keyID)
		return err
	})
	return k, err
}

// CreateAPIKey inserts a key, unless the tenant has most keys that work.
func (db *DB) CreateAPIKey(ctx context.Context, tenantID string, by Actor, k apikey.Key, most int) (apikey.Key, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		var working int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM api_key WHERE tenant_id = $1 AND revoked_at IS NULL
			AND (expires_at IS NULL OR expires_at > now())`, tenantID).Scan(&working)
		if err != nil {
			return fmt.Errorf("count API keys of %s: %w", tenantID, err)
		}
		if working >= most {
			return fault.Newf(fault.Conflict, "This tenant has %d API keys that work, the most that is allowed. Revoke one first.", working)
		}
		if err := holdProject(ctx, tx, tenantID, &k.ProjectID); err != nil {
			return err
		}
		if err := knowRoutes(ctx, tx, tenantID, k.AllowedRoutes, nil); err != nil {
			return err
		}
		return insertAPIKey(ctx, tx, r, &k)
	})
	return k, changeID, err
}

// knowRoutes refuses names that no route has, the tenant's or built in: a
// typing error would make a key that nothing works with. Those in before stay,
// because a route may be gone since.
func knowRoutes(ctx context.Context, tx Tx, tenantID string, names, before []string) error {
	bad := fault.New(fault.ValidationFailed, "", nil)
	for i, name := range names {
		if slices.Contains(before, name) {
			continue
		}
		known, err := exists(ctx, tx, `SELECT 1 FROM route WHERE tenant_id = $1 AND name = $2
			UNION ALL SELECT 1 FROM catalog_model WHERE built_in AND provider_model = $2`, tenantID, name)
		if err != nil {
			return fmt.Errorf("look for route %q of %s: %w", name, tenantID, err)
		}
		if !known {
			bad.WithField(fmt.Sprintf("body.allowed_routes[%d]", i), fmt.Sprintf("there is no route %q", name), "Make the route first, or correct the name.")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// holdProject makes sure that a project is there and stays until the change
// is committed; it fills in the tenant's oldest when none is named.
func holdProject(ctx context.Context, tx Tx, tenantID string, projectID *string) error {
	named := *projectID
	err := tx.QueryRow(ctx, `SELECT project_id FROM project WHERE tenant_id = $1 AND ($2 = '' OR project_id = $2)
		ORDER BY project_id LIMIT 1 FOR SHARE`, tenantID, named).Scan(projectID)
	switch err = found(err); {
	case err == ErrNotFound && named != "":
		return fault.Invalid("body.project_id", "names no project of this tenant", "List the projects, or leave it out.")
	case err != nil:
		return fmt.Errorf("find project of %s: %w", tenantID, err)
	}
	return nil
}

func insertAPIKey(ctx context.Context, tx Tx, r *Recorder, k *apikey.Key) error {
	rec, err := k.Record("api_key.create", false)
	if err != nil {
		return err
	}
	if k.AllowedRoutes == nil {
		k.AllowedRoutes = []string{}
	}
	rules, err := k.Rules.Column()
	if err != nil {
		return fmt.Errorf("rules of API key %s: %w", k.ID, err)
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO api_key (tenant_id, api_key_id, project_id, name, secret_sha256, hint, allowed_routes, expires_at, created_by, parameter_rules)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING version, created_at`,
		k.TenantID, k.ID, k.ProjectID, k.Name, k.SecretSHA256, k.Hint, k.AllowedRoutes, optionalTime(k.ExpiresAt), k.CreatedBy, rules).
		Scan(&k.Version, &k.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert API key %s: %w", k.ID, err)
	}
	return r.Write(ctx, rec)
}

// UpdateAPIKey locks a key and writes what edit makes of it.
func (db *DB) UpdateAPIKey(ctx context.Context, tenantID string, by Actor, keyID string, match int64, edit func(*apikey.Key) (change.Record, error)) (k apikey.Key, changeID int64, err error) {
	changeID, err = db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if k, err = get(ctx, tx, scanAPIKey, apiKeySelect+`AND k.api_key_id = $2 FOR UPDATE OF k`, tenantID, keyID); err != nil {
			return err
		}
		if err := sameVersion(k.Version, match); err != nil {
			return err
		}
		before := k.AllowedRoutes
		rec, err := edit(&k)
		if err != nil {
			return err
		}
		if err := knowRoutes(ctx, tx, tenantID, k.AllowedRoutes, before); err != nil {
			return err
		}
		rules, err := k.Rules.Column()
		if err != nil {
			return fmt.Errorf("rules of API key %s: %w", keyID, err)
		}
		err = tx.QueryRow(ctx, `
			UPDATE api_key SET name = $3, secret_sha256 = $4, hint = $5, previous_sha256 = $6, previous_valid_until = $7, allowed_routes = $8,
				expires_at = $9, revoked_at = $10, rotated_at = $11, parameter_rules = $12, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND api_key_id = $2 RETURNING version`,
			tenantID, keyID, k.Name, k.SecretSHA256, k.Hint, k.PreviousSHA256, optionalTime(k.PreviousValidUntil), k.AllowedRoutes,
			optionalTime(k.ExpiresAt), optionalTime(k.RevokedAt), optionalTime(k.RotatedAt), rules).Scan(&k.Version)
		if err != nil {
			return fmt.Errorf("update API key %s: %w", keyID, err)
		}
		return r.Write(ctx, rec)
	})
	return k, changeID, err
}
