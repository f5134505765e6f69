package postgrestest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/usagegen"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Prices puts the models and prices of made-up events into the catalogue.
func Prices(tb testing.TB, db *postgres.DB, w *usagegen.World) {
	tb.Helper()
	ctx := context.Background()
	err := db.InSystem(ctx, func(tx postgres.Tx) error {
		for _, m := range w.Models {
			id := m.Provider + "/" + m.Name
			_, err := tx.Exec(ctx, `INSERT INTO catalog_model (catalog_id, provider, provider_model, name) VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING`,
				id, m.Provider, m.Name)
			if err != nil {
				return err
			}
			for side, p := range map[string]*configv1.Price{"cost": m.Cost, "sell": m.Sell} {
				if p == nil {
					continue
				}
				rates := catalog.RatesOf(p)
				variants, err := json.Marshal(rates.Variants)
				if err != nil {
					return err
				}
				if len(p.Variants) == 0 {
					variants = []byte("[]")
				}
				_, err = tx.Exec(ctx, `
					INSERT INTO price (price_id, catalog_id, side, origin, effective_from, input, output, cache_read, cache_write, per_request, source, created_by,
						cache_write_hour, image_input, image_output, audio_input, audio_output, audio_cache_read, reasoning,
						per_search, per_image, per_audio_minute, per_million_characters, variants)
					VALUES ($1, $2, $3, 'catalog', 'epoch', $4, $5, $6, $7, $8, 'test', 'test',
						$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
					p.Id, id, side, p.Input, p.Output, p.CacheRead, p.CacheWrite, p.PerRequest,
					p.CacheWriteHour, p.ImageInput, p.ImageOutput, p.AudioInput, p.AudioOutput, p.AudioCacheRead, p.Reasoning,
					p.PerSearch, p.PerImage, p.PerAudioMinute, p.PerMillionCharacters, variants)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}
