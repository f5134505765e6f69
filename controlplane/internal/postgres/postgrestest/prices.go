package postgrestest

import (
	"context"
	"testing"

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
				_, err := tx.Exec(ctx, `
					INSERT INTO price (price_id, catalog_id, side, origin, effective_from, input, output, cache_read, cache_write, per_request, source, created_by)
					VALUES ($1, $2, $3, 'catalog', 'epoch', $4, $5, $6, $7, $8, 'test', 'test')`,
					p.Id, id, side, p.Input, p.Output, p.CacheRead, p.CacheWrite, p.PerRequest)
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
