package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/proto/fault"
)

// maxPrices bounds the history of one model; data planes get its end alone.
const maxPrices = 1000

const priceColumns = `price_id, coalesce(tenant_id, ''), coalesce(model_id, ''), coalesce(catalog_id, ''), side, origin, effective_from,
	input, output, cache_read, cache_write, cache_write_hour, audio_input, audio_output, audio_cache_read, image_input, image_output, reasoning,
	per_request, per_search, per_image, per_audio_minute, per_million_characters, variants, source, list, created_by, created_at`

func scanPrice(row pgx.CollectableRow) (p catalog.Price, err error) {
	r := &p.Rates
	err = row.Scan(&p.ID, &p.TenantID, &p.ModelID, &p.CatalogID, &p.Side, &p.Origin, &p.EffectiveFrom,
		&r.Input, &r.Output, &r.CacheRead, &r.CacheWrite, &r.CacheWriteHour, &r.AudioInput, &r.AudioOutput, &r.AudioCacheRead,
		&r.ImageInput, &r.ImageOutput, &r.Reasoning,
		&r.PerRequest, &r.PerSearch, &r.PerImage, &r.PerAudioMinute, &r.PerMillionCharacters, &r.Variants,
		&p.Source, &p.List, &p.CreatedBy, &p.CreatedAt)
	return p, err
}

// insertPrice appends a price; the row that it belongs to is locked already,
// so that prices and payloads have one order.
func insertPrice(ctx context.Context, tx Tx, p *catalog.Price) error {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM price
		WHERE (catalog_id = nullif($1, '')) OR (tenant_id = nullif($2, '') AND model_id = nullif($3, ''))`,
		p.CatalogID, p.TenantID, p.ModelID).Scan(&n)
	if err != nil {
		return fmt.Errorf("count prices: %w", err)
	}
	if n >= maxPrices {
		return fault.Newf(fault.Conflict, "This model has %d prices, the most that are kept.", n)
	}
	return appendPrice(ctx, tx, p)
}

// appendPrice is insertPrice for a model whose prices were counted.
func appendPrice(ctx context.Context, tx Tx, p *catalog.Price) error {
	r := p.Rates
	variants := []byte("[]")
	if len(r.Variants) > 0 {
		var err error
		if variants, err = json.Marshal(r.Variants); err != nil {
			return fmt.Errorf("variants of price %s: %w", p.ID, err)
		}
	}
	err := tx.QueryRow(ctx, `
		INSERT INTO price (price_id, tenant_id, model_id, catalog_id, side, origin, effective_from, input, output, cache_read, cache_write, cache_write_hour,
			audio_input, audio_output, audio_cache_read, image_input, image_output, reasoning,
			per_request, per_search, per_image, per_audio_minute, per_million_characters, variants, source, list, created_by, created_at)
		VALUES ($1, nullif($2, ''), nullif($3, ''), nullif($4, ''), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
			$19, $20, $21, $22, $23, $24, $25, $26, $27, clock_timestamp())
		RETURNING created_at`,
		p.ID, p.TenantID, p.ModelID, p.CatalogID, p.Side, p.Origin, p.EffectiveFrom, r.Input, r.Output, r.CacheRead, r.CacheWrite, r.CacheWriteHour,
		r.AudioInput, r.AudioOutput, r.AudioCacheRead, r.ImageInput, r.ImageOutput, r.Reasoning,
		r.PerRequest, r.PerSearch, r.PerImage, r.PerAudioMinute, r.PerMillionCharacters, variants, p.Source, p.List, p.CreatedBy).Scan(&p.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert price %s: %w", p.ID, err)
	}
	return nil
}

func catalogPrices(ctx context.Context, tx Tx, catalogIDs []string) (map[string][]catalog.Price, error) {
	prices, err := all(ctx, tx, scanPrice, `SELECT `+priceColumns+` FROM price WHERE catalog_id = ANY($1)`, catalogIDs)
	out := map[string][]catalog.Price{}
	for _, p := range prices {
		out[p.CatalogID] = append(out[p.CatalogID], p)
	}
	return out, err
}

// withPrices fills in the prices of models of one tenant.
func withPrices(ctx context.Context, tx Tx, tenantID string, models []catalog.Model) error {
	if len(models) == 0 {
		return nil
	}
	var ids, shared []string
	for _, m := range models {
		ids = append(ids, m.ID)
		if m.CatalogID != "" {
			shared = append(shared, m.CatalogID)
		}
	}
	own, err := all(ctx, tx, scanPrice, `SELECT `+priceColumns+` FROM price WHERE tenant_id = $1 AND model_id = ANY($2)`, tenantID, ids)
	if err != nil {
		return fmt.Errorf("prices of models: %w", err)
	}
	byCatalog, err := catalogPrices(ctx, tx, shared)
	if err != nil {
		return fmt.Errorf("prices of catalogue: %w", err)
	}
	byModel := map[string][]catalog.Price{}
	for _, p := range own {
		byModel[p.ModelID] = append(byModel[p.ModelID], p)
	}
	for i := range models {
		models[i].Own, models[i].Shared = byModel[models[i].ID], byCatalog[models[i].CatalogID]
	}
	return nil
}

// ModelPrices lists what holds for a model, its own prices and those of the
// catalogue, newest first, after the price that began at the time and has the
// id; from the start when after is nil.
func (db *DB) ModelPrices(ctx context.Context, tenantID, modelID string, after *catalog.PricePlace, limit int) (out []catalog.Price, err error) {
	if after == nil {
		after = &catalog.PricePlace{At: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	}
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		m, err := lockModel(ctx, tx, tenantID, modelID, "")
		if err != nil {
			return err
		}
		out, err = all(ctx, tx, scanPrice, `SELECT `+priceColumns+` FROM price
			WHERE ((tenant_id = $1 AND model_id = $2) OR catalog_id = nullif($3, '')) AND (effective_from, price_id) < ($4, $5)
			ORDER BY effective_from DESC, price_id DESC LIMIT $6`, tenantID, modelID, m.CatalogID, after.At, after.ID, limit)
		return err
	})
	return out, err
}
