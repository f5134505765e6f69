package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

const routeColumns = `route_id, tenant_id, name, model_id, on_loss, parameter_rules, version, created_at`

func scanRoute(row pgx.CollectableRow) (r route.Route, err error) {
	err = row.Scan(&r.ID, &r.TenantID, &r.Name, &r.ModelID, &r.OnLoss, &r.Rules, &r.Version, &r.CreatedAt)
	return r, err
}

// Routes lists those of a tenant by id.
func (db *DB) Routes(ctx context.Context, tenantID, after string, limit int) ([]route.Route, error) {
	return list(ctx, db, tenantID, scanRoute, `SELECT `+routeColumns+` FROM route
		WHERE tenant_id = $1 AND route_id > $2 ORDER BY route_id LIMIT $3`, tenantID, after, limit)
}

// Route finds one.
func (db *DB) Route(ctx context.Context, tenantID, routeID string) (r route.Route, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		r, err = lockRoute(ctx, tx, tenantID, routeID, "")
		return err
	})
	return r, err
}

func lockRoute(ctx context.Context, tx Tx, tenantID, routeID, lock string) (route.Route, error) {
	return get(ctx, tx, scanRoute, `SELECT `+routeColumns+` FROM route WHERE tenant_id = $1 AND route_id = $2 `+lock, tenantID, routeID)
}

// CreateRoute inserts one.
func (db *DB) CreateRoute(ctx context.Context, tenantID string, by Actor, r route.Route) (route.Route, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, rec *Recorder) error {
		if err := holdModel(ctx, tx, tenantID, r.ModelID); err != nil {
			return err
		}
		return insertRoute(ctx, tx, rec, tenantID, &r)
	})
	return r, changeID, err
}

func insertRoute(ctx context.Context, tx Tx, rec *Recorder, tenantID string, r *route.Route) error {
	if err := capped(ctx, tx, tenantID, "route", maxRoutes); err != nil {
		return err
	}
	record, err := r.Record("route.create")
	if err != nil {
		return err
	}
	rules, err := r.Rules.Column()
	if err != nil {
		return fmt.Errorf("rules of route %s: %w", r.ID, err)
	}
	err = tx.QueryRow(ctx, `INSERT INTO route (tenant_id, route_id, name, model_id, on_loss, parameter_rules) VALUES ($1, $2, $3, $4, $5, $6) RETURNING version, created_at`,
		tenantID, r.ID, r.Name, r.ModelID, r.OnLoss, rules).Scan(&r.Version, &r.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert route %s: %w", r.ID, err)
	}
	return rec.Write(ctx, record)
}

// holdModel makes sure that a model is there and stays until the change is
// committed.
func holdModel(ctx context.Context, tx Tx, tenantID, modelID string) error {
	var found bool
	err := tx.QueryRow(ctx, `SELECT true FROM model WHERE tenant_id = $1 AND model_id = $2 AND retired_at IS NULL FOR SHARE`, tenantID, modelID).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Invalid("body.model_id", "names no model of this tenant", "List the models, or add one first.")
	}
	if err != nil {
		return fmt.Errorf("hold model %s: %w", modelID, err)
	}
	return nil
}

// UpdateRoute changes what is not nil.
func (db *DB) UpdateRoute(ctx context.Context, tenantID string, by Actor, routeID string, match int64, to route.Input) (r route.Route, changeID int64, err error) {
	changeID, err = db.Change(ctx, tenantID, by, func(tx Tx, rec *Recorder) error {
		if r, err = lockRoute(ctx, tx, tenantID, routeID, "FOR UPDATE"); err != nil {
			return err
		}
		if err := sameVersion(r.Version, match); err != nil {
			return err
		}
		if to.Name != nil {
			r.Name = *to.Name
		}
		if to.OnLoss != nil {
			r.OnLoss = *to.OnLoss
		}
		if to.Rules != nil {
			r.Rules = *to.Rules
		}
		if to.ModelID != nil && *to.ModelID != r.ModelID {
			if err := holdModel(ctx, tx, tenantID, *to.ModelID); err != nil {
				return err
			}
			r.ModelID = *to.ModelID
		}
		record, err := r.Record("route.update")
		if err != nil {
			return err
		}
		rules, err := r.Rules.Column()
		if err != nil {
			return fmt.Errorf("rules of route %s: %w", routeID, err)
		}
		err = tx.QueryRow(ctx, `UPDATE route SET name = $3, model_id = $4, on_loss = $5, parameter_rules = $6, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND route_id = $2 RETURNING version`, tenantID, routeID, r.Name, r.ModelID, r.OnLoss, rules).Scan(&r.Version)
		if err != nil {
			return fmt.Errorf("update route %s: %w", routeID, err)
		}
		return rec.Write(ctx, record)
	})
	return r, changeID, err
}

// DeleteRoute removes one.
func (db *DB) DeleteRoute(ctx context.Context, tenantID string, by Actor, routeID string, match int64) (int64, error) {
	return db.Change(ctx, tenantID, by, func(tx Tx, rec *Recorder) error {
		r, err := lockRoute(ctx, tx, tenantID, routeID, "FOR UPDATE")
		if err != nil {
			return err
		}
		if err := sameVersion(r.Version, match); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM route WHERE tenant_id = $1 AND route_id = $2`, tenantID, routeID); err != nil {
			return fmt.Errorf("delete route %s: %w", routeID, err)
		}
		return rec.Write(ctx, change.Record{
			Entry:     Entry{Action: "route.delete", ResourceKind: "route", ResourceID: routeID, Detail: map[string]any{"name": r.Name}},
			Resources: []Resource{change.Tombstone(configv1.Kind_KIND_ROUTE, routeID)},
		})
	})
}
