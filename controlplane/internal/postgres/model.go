package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

const selectModel = `SELECT m.model_id, m.tenant_id, m.credential_id, c.provider, m.provider_model, coalesce(m.catalog_id, ''),
	m.unknown_price, m.version, m.created_at
	FROM model m JOIN credential c ON c.tenant_id = m.tenant_id AND c.credential_id = m.credential_id
	WHERE m.tenant_id = $1 AND m.retired_at IS NULL `

func scanModel(row pgx.CollectableRow) (m catalog.Model, err error) {
	err = row.Scan(&m.ID, &m.TenantID, &m.CredentialID, &m.Provider, &m.ProviderModel, &m.CatalogID, &m.UnknownPrice, &m.Version, &m.CreatedAt)
	return m, err
}

// Models lists those of a tenant by id, with their prices.
func (db *DB) Models(ctx context.Context, tenantID, after string, limit int) (out []catalog.Model, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		out, err = all(ctx, tx, scanModel, selectModel+`AND m.model_id > $2 ORDER BY m.model_id LIMIT $3`, tenantID, after, limit)
		if err != nil {
			return fmt.Errorf("list models of %s: %w", tenantID, err)
		}
		return withPrices(ctx, tx, tenantID, out)
	})
	return out, err
}

// Model finds one, with its prices.
func (db *DB) Model(ctx context.Context, tenantID, modelID string) (m catalog.Model, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		m, err = lockModel(ctx, tx, tenantID, modelID, "")
		return err
	})
	return m, err
}

func lockModel(ctx context.Context, tx Tx, tenantID, modelID, lock string) (catalog.Model, error) {
	m, err := get(ctx, tx, scanModel, selectModel+`AND m.model_id = $2 `+lock, tenantID, modelID)
	if err != nil {
		return m, err
	}
	one := []catalog.Model{m}
	err = withPrices(ctx, tx, tenantID, one)
	return one[0], err
}

// CreateModel inserts a model, with a price of its own and a route if wanted.
func (db *DB) CreateModel(ctx context.Context, tenantID string, by Actor, m catalog.Model, price *catalog.Price, nr *catalog.NewRoute) (catalog.Model, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if err := capped(ctx, tx, tenantID, "model", maxModels); err != nil {
			return err
		}
		if err := placeModel(ctx, tx, tenantID, &m); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `INSERT INTO model (tenant_id, model_id, credential_id, provider_model, catalog_id, unknown_price)
			VALUES ($1, $2, $3, $4, nullif($5, ''), $6) RETURNING version, created_at`,
			tenantID, m.ID, m.CredentialID, m.ProviderModel, m.CatalogID, m.UnknownPrice).Scan(&m.Version, &m.CreatedAt)
		if err != nil {
			return fmt.Errorf("insert model %s: %w", m.ID, err)
		}
		if price != nil {
			if err := insertPrice(ctx, tx, price); err != nil {
				return err
			}
		}
		if m, err = lockModel(ctx, tx, tenantID, m.ID, ""); err != nil {
			return err
		}
		if err := writeModel(ctx, r, &m, "model.create", nil); err != nil {
			return err
		}
		if nr == nil {
			return nil
		}
		return insertRoute(ctx, tx, r, tenantID, &route.Route{ID: nr.ID, TenantID: tenantID, Name: nr.Name, ModelID: m.ID, OnLoss: route.Drop})
	})
	return m, changeID, err
}

// placeModel finds the credential and the catalogue entry of a new model and
// keeps the credential from going away meanwhile.
func placeModel(ctx context.Context, tx Tx, tenantID string, m *catalog.Model) error {
	err := tx.QueryRow(ctx, `SELECT provider FROM credential WHERE tenant_id = $1 AND credential_id = $2 AND retired_at IS NULL FOR SHARE`,
		tenantID, m.CredentialID).Scan(&m.Provider)
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Invalid("body.credential_id", "names no credential of this tenant", "List the credentials, or store one first.")
	}
	if err != nil {
		return fmt.Errorf("credential of model %s: %w", m.ID, err)
	}
	wanted := m.CatalogID
	if wanted == "" {
		wanted = m.Provider + "/" + m.ProviderModel
	}
	found, err := exists(ctx, tx, `SELECT FROM catalog_model WHERE catalog_id = $1`, wanted)
	if err != nil {
		return fmt.Errorf("catalogue entry %s: %w", wanted, err)
	}
	if !found && m.CatalogID != "" {
		return fault.Invalid("body.catalog_id", "names no model of the catalogue", "List the catalogue, or leave it out and set a price.")
	}
	if found {
		m.CatalogID = wanted
	}
	return nil
}

func writeModel(ctx context.Context, r *Recorder, m *catalog.Model, action string, detail map[string]any) error {
	res, err := m.Resource(time.Now())
	if err != nil {
		return err
	}
	if detail == nil {
		detail = map[string]any{"provider_model": m.ProviderModel, "credential_id": m.CredentialID, "unknown_price": m.UnknownPrice}
	}
	return r.Write(ctx, change.Record{
		Entry:     Entry{Action: action, ResourceKind: "model", ResourceID: m.ID, Detail: detail},
		Resources: []Resource{res},
	})
}

// UpdateModel changes what happens without a price; "" leaves it.
func (db *DB) UpdateModel(ctx context.Context, tenantID string, by Actor, modelID string, match int64, unknownPrice string) (m catalog.Model, changeID int64, err error) {
	changeID, err = db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		if m, err = lockModel(ctx, tx, tenantID, modelID, "FOR UPDATE OF m"); err != nil {
			return err
		}
		if err := sameVersion(m.Version, match); err != nil {
			return err
		}
		if unknownPrice != "" {
			m.UnknownPrice = unknownPrice
		}
		err := tx.QueryRow(ctx, `UPDATE model SET unknown_price = $3, version = version + 1, updated_at = now()
			WHERE tenant_id = $1 AND model_id = $2 RETURNING version`, tenantID, modelID, m.UnknownPrice).Scan(&m.Version)
		if err != nil {
			return fmt.Errorf("update model %s: %w", modelID, err)
		}
		return writeModel(ctx, r, &m, "model.update", nil)
	})
	return m, changeID, err
}

// DeleteModel retires a model that no route leads to.
func (db *DB) DeleteModel(ctx context.Context, tenantID string, by Actor, modelID string, match int64) (int64, error) {
	return db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		m, err := lockModel(ctx, tx, tenantID, modelID, "FOR UPDATE OF m")
		if err != nil {
			return err
		}
		if err := sameVersion(m.Version, match); err != nil {
			return err
		}
		used, err := exists(ctx, tx, `SELECT FROM route WHERE tenant_id = $1 AND model_id = $2`, tenantID, modelID)
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.InUse, "A route leads to this model.", nil)
		}
		_, err = tx.Exec(ctx, `UPDATE model SET retired_at = now(), version = version + 1, updated_at = now() WHERE tenant_id = $1 AND model_id = $2`, tenantID, modelID)
		if err != nil {
			return fmt.Errorf("retire model %s: %w", modelID, err)
		}
		return r.Write(ctx, change.Record{
			Entry:     Entry{Action: "model.delete", ResourceKind: "model", ResourceID: modelID, Detail: map[string]any{"provider_model": m.ProviderModel}},
			Resources: []Resource{change.Tombstone(configv1.Kind_KIND_MODEL, modelID)},
		})
	})
}

// CreateModelPrice appends a price of a tenant's model.
func (db *DB) CreateModelPrice(ctx context.Context, tenantID string, by Actor, p catalog.Price) (catalog.Price, int64, error) {
	changeID, err := db.Change(ctx, tenantID, by, func(tx Tx, r *Recorder) error {
		return addModelPrice(ctx, tx, r, tenantID, &p)
	})
	return p, changeID, err
}

func addModelPrice(ctx context.Context, tx Tx, r *Recorder, tenantID string, p *catalog.Price) error {
	if _, err := lockModel(ctx, tx, tenantID, p.ModelID, "FOR UPDATE OF m"); err != nil {
		return err
	}
	if err := insertPrice(ctx, tx, p); err != nil {
		return err
	}
	m, err := lockModel(ctx, tx, tenantID, p.ModelID, "")
	if err != nil {
		return err
	}
	return writeModel(ctx, r, &m, "price.create", priceDetail(p))
}

func priceDetail(p *catalog.Price) map[string]any {
	return map[string]any{"price_id": p.ID, "side": p.Side, "effective_from": p.EffectiveFrom.Format(time.RFC3339),
		"input": p.Rates.Input.String(), "output": p.Rates.Output.String()}
}
