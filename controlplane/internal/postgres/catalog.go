package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
)

// seedLock keeps two starting control planes from seeding at once.
const seedLock = 7310

const catalogColumns = `catalog_id, provider, provider_model, name, built_in, pinned, context_window, max_output_tokens, deprecated_at, capabilities`

func scanEntry(row pgx.CollectableRow) (e catalog.Entry, err error) {
	err = row.Scan(&e.ID, &e.Provider, &e.ProviderModel, &e.Name, &e.BuiltIn, &e.Pinned, &e.ContextWindow, &e.MaxOutputTokens, &e.DeprecatedAt, &e.Capabilities)
	return e, err
}

// CatalogEntries lists the catalogue by id, with prices; the
// catalogue has no tenant.
func (db *DB) CatalogEntries(ctx context.Context, only catalog.Filter, after string, limit int) (out []catalog.Entry, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		out, err = all(ctx, tx, scanEntry, `SELECT `+catalogColumns+` FROM catalog_model
			WHERE listed AND ($1 = '' OR provider = $1) AND (NOT $2 OR built_in) AND catalog_id > $3 ORDER BY catalog_id LIMIT $4`,
			only.Provider, only.BuiltIn, after, limit)
		if err != nil {
			return fmt.Errorf("list catalogue: %w", err)
		}
		return withCatalogPrices(ctx, tx, out)
	})
	return out, err
}

func withCatalogPrices(ctx context.Context, tx Tx, entries []catalog.Entry) error {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	prices, err := catalogPrices(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("prices of catalogue: %w", err)
	}
	for i := range entries {
		entries[i].Prices = prices[entries[i].ID]
	}
	return nil
}

func lockEntry(ctx context.Context, tx Tx, catalogID string) (catalog.Entry, error) {
	return get(ctx, tx, scanEntry, `SELECT `+catalogColumns+` FROM catalog_model WHERE catalog_id = $1 FOR UPDATE`, catalogID)
}

// CreateCatalogEntry adds a model to the catalogue.
func (db *DB) CreateCatalogEntry(ctx context.Context, by Actor, e catalog.Entry, first *catalog.Price) (catalog.Entry, int64, error) {
	changeID, err := db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		if err := insertEntry(ctx, tx, e); err != nil {
			return err
		}
		if first != nil {
			if err := insertPrice(ctx, tx, first); err != nil {
				return err
			}
			e.Prices = []catalog.Price{*first}
		}
		if err := writeEntry(ctx, tx, r, e, "catalog_model.create", map[string]any{"name": e.Name}); err != nil {
			return err
		}
		return adoptModels(ctx, tx)
	})
	return e, changeID, err
}

func insertEntry(ctx context.Context, tx Tx, e catalog.Entry) error {
	_, err := tx.Exec(ctx, `INSERT INTO catalog_model (`+catalogColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		e.ID, e.Provider, e.ProviderModel, e.Name, e.BuiltIn, e.Pinned, e.ContextWindow, e.MaxOutputTokens, e.DeprecatedAt, e.Capabilities)
	if err != nil {
		return fmt.Errorf("insert catalogue entry %s: %w", e.ID, err)
	}
	return nil
}

func updateEntry(ctx context.Context, tx Tx, e catalog.Entry) error {
	_, err := tx.Exec(ctx, `UPDATE catalog_model SET name = $2, built_in = $3, pinned = $4, context_window = $5, max_output_tokens = $6,
		deprecated_at = $7, capabilities = $8 WHERE catalog_id = $1`,
		e.ID, e.Name, e.BuiltIn, e.Pinned, e.ContextWindow, e.MaxOutputTokens, e.DeprecatedAt, e.Capabilities)
	if err != nil {
		return fmt.Errorf("update catalogue entry %s: %w", e.ID, err)
	}
	return nil
}

// UpdateCatalogEntry changes what is known of a model.
func (db *DB) UpdateCatalogEntry(ctx context.Context, by Actor, catalogID string, patch catalog.EntryPatch) (e catalog.Entry, changeID int64, err error) {
	changeID, err = db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		if e, err = lockEntry(ctx, tx, catalogID); err != nil {
			return missing(err, "body.id", "names no model of the catalogue")
		}
		detail := patch.Apply(&e)
		if err := updateEntry(ctx, tx, e); err != nil {
			return err
		}
		if err := writeEntry(ctx, tx, r, e, "catalog_model.update", detail); err != nil {
			return err
		}
		one := []catalog.Entry{e}
		err := withCatalogPrices(ctx, tx, one)
		e = one[0]
		return err
	})
	return e, changeID, err
}

// writeEntry records a change of a catalogue entry whose row is locked.
func writeEntry(ctx context.Context, tx Tx, r *Recorder, e catalog.Entry, action string, detail map[string]any) error {
	one := []catalog.Entry{e}
	if err := withCatalogPrices(ctx, tx, one); err != nil {
		return err
	}
	res, err := one[0].Resource(time.Now())
	if err != nil {
		return err
	}
	err = r.Write(ctx, change.Record{
		Entry:     Entry{Action: action, ResourceKind: "catalog_model", ResourceID: e.ID, Detail: detail},
		Resources: []Resource{res},
	})
	if err != nil {
		return err
	}
	return refreshModels(ctx, tx, e.ID)
}

// modelKey names a model across tenants.
type modelKey struct{ tenantID, modelID string }

func scanModelKey(row pgx.CollectableRow) (k modelKey, err error) {
	return k, row.Scan(&k.tenantID, &k.modelID)
}

// adoptModels ties models that were added before the catalogue knew them to
// their entries, as if they were added today: without that a price list that
// comes later would leave them without a price.
func adoptModels(ctx context.Context, tx Tx) error {
	keys, err := all(ctx, tx, scanModelKey, `UPDATE model m SET catalog_id = e.catalog_id, version = m.version + 1, updated_at = now()
		FROM credential c, catalog_model e
		WHERE m.catalog_id IS NULL AND m.retired_at IS NULL AND c.tenant_id = m.tenant_id AND c.credential_id = m.credential_id
			AND e.catalog_id = c.provider || '/' || m.provider_model
		RETURNING m.tenant_id, m.model_id`)
	if err != nil {
		return fmt.Errorf("models that the catalogue now knows: %w", err)
	}
	return publishModels(ctx, tx, keys)
}

// refreshModels republishes the models whose own prices begin in the future:
// their payloads hold the catalogue's prices until then.
func refreshModels(ctx context.Context, tx Tx, catalogIDs ...string) error {
	keys, err := all(ctx, tx, scanModelKey, `SELECT p.tenant_id, p.model_id FROM price p JOIN model m ON m.tenant_id = p.tenant_id AND m.model_id = p.model_id
		WHERE m.catalog_id = ANY($1) AND m.retired_at IS NULL
		GROUP BY p.tenant_id, p.model_id, p.side HAVING min(p.effective_from) > now() ORDER BY 1, 2`, catalogIDs)
	if err != nil {
		return fmt.Errorf("models with prices to come: %w", err)
	}
	return publishModels(ctx, tx, keys)
}

func publishModels(ctx context.Context, tx Tx, keys []modelKey) error {
	for _, k := range keys {
		m, err := lockModel(ctx, tx, k.tenantID, k.modelID, "FOR UPDATE OF m")
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		res, err := m.Resource(time.Now())
		if err != nil {
			return err
		}
		if err := NewRecorder(tx, k.tenantID, Actor{}).Publish(ctx, res); err != nil {
			return err
		}
	}
	return nil
}

// CreateOperatorPrice appends a price of a catalogue entry or of a tenant's
// model; the tenant's own trail tells of the latter.
func (db *DB) CreateOperatorPrice(ctx context.Context, by Actor, p catalog.Price) (catalog.Price, int64, error) {
	changeID, err := db.OperatorChange(ctx, p.TenantID, by, func(tx Tx, r *Recorder) error {
		if p.CatalogID == "" {
			err := addModelPrice(ctx, tx, r, p.TenantID, &p)
			return missing(err, "body.model_id", "names no model of this tenant")
		}
		e, err := lockEntry(ctx, tx, p.CatalogID)
		if err != nil {
			return missing(err, "body.catalog_id", "names no model of the catalogue")
		}
		if err := insertPrice(ctx, tx, &p); err != nil {
			return err
		}
		return writeEntry(ctx, tx, r, e, "price.create", priceDetail(&p))
	})
	return p, changeID, err
}

// missing says which field named something that is not there.
func missing(err error, location, message string) error {
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.ValidationFailed, "", err).WithField(location, message, "")
	}
	return err
}
