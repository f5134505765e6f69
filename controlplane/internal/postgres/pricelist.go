package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// lockCatalog reads the whole catalogue with its prices, for a change of it;
// two such changes wait for each other.
func lockCatalog(ctx context.Context, tx Tx) ([]catalog.Entry, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, seedLock); err != nil {
		return nil, err
	}
	known, err := all(ctx, tx, scanEntry, `SELECT `+catalogColumns+` FROM catalog_model ORDER BY catalog_id FOR UPDATE`)
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	return known, withCatalogPrices(ctx, tx, known)
}

// SeedCatalog brings the catalogue up to our own list and returns how many
// entries it touched. It adds what is new and appends a price where the list
// has another one than the newest of ours; what operators set stays in force.
func (db *DB) SeedCatalog(ctx context.Context, by Actor, listings []catalog.Listing) (touched int, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		touched = 0
		known, err := lockCatalog(ctx, tx)
		if err != nil {
			return err
		}
		byID := map[string]catalog.Entry{}
		for _, e := range known {
			byID[e.ID] = e
		}
		r := NewRecorder(tx, "", by)
		for _, l := range listings {
			have, found := byID[l.Entry.ID]
			changed, err := seedOne(ctx, tx, r, l, have, found)
			if err != nil {
				return fmt.Errorf("seed %s: %w", l.Entry.ID, err)
			}
			if changed {
				touched++
			}
		}
		return adoptModels(ctx, tx)
	})
	return touched, err
}

func seedOne(ctx context.Context, tx Tx, r *Recorder, l catalog.Listing, have catalog.Entry, found bool) (bool, error) {
	price := l.NextPrice(have.Prices, time.Now())
	if have.Pinned {
		price = nil
	}
	// What our list does not know stays as an import or the operator said it.
	entry := l.Merge(have)
	same := found && have.Name == entry.Name && have.BuiltIn == entry.BuiltIn && have.Facts.Equal(entry.Facts)
	if same && price == nil {
		return false, nil
	}
	action := "catalog_model.update"
	if !found {
		action = "catalog_model.create"
		if err := insertEntry(ctx, tx, entry); err != nil {
			return false, err
		}
	} else if !same {
		if err := updateEntry(ctx, tx, entry); err != nil {
			return false, err
		}
	}
	detail := map[string]any{"name": l.Entry.Name}
	if price != nil {
		price.ID = id.New(id.Price)
		if err := insertPrice(ctx, tx, price); err != nil {
			return false, err
		}
		detail = priceDetail(price)
	}
	return true, writeEntry(ctx, tx, r, entry, action, detail)
}

// ImportCatalog writes what a price list changes, in one transaction with one
// audit entry.
func (db *DB) ImportCatalog(ctx context.Context, by Actor, plan func([]catalog.Entry) (*catalog.Import, error)) (int64, error) {
	return db.OperatorChange(ctx, "", by, func(tx Tx, r *Recorder) error {
		known, err := lockCatalog(ctx, tx)
		if err != nil {
			return err
		}
		what, err := plan(known)
		if err != nil || what.DryRun || len(what.Writes) == 0 {
			return err
		}
		var ids []string
		for i := range what.Writes {
			if err := writeImported(ctx, tx, r, &what.Writes[i]); err != nil {
				return err
			}
			ids = append(ids, what.Writes[i].Entry.ID)
		}
		if err := refreshModels(ctx, tx, ids...); err != nil {
			return err
		}
		if err := adoptModels(ctx, tx); err != nil {
			return err
		}
		return r.Audit(ctx, Entry{Action: "prices.import", ResourceKind: "price_list", ResourceID: what.Format, Detail: map[string]any{
			"source": what.Source, "effective_from": what.EffectiveFrom.Format(time.RFC3339), "models": len(what.Writes),
			"new": what.Count(catalog.ImportNew), "changed": what.Count(catalog.ImportChanged),
			"gone": what.Count(catalog.ImportGone), "pinned": what.Count(catalog.ImportPinned),
		}})
	})
}

func writeImported(ctx context.Context, tx Tx, r *Recorder, w *catalog.EntryWrite) error {
	if w.New {
		if err := insertEntry(ctx, tx, w.Entry); err != nil {
			return err
		}
	} else if w.Facts {
		if err := updateEntry(ctx, tx, w.Entry); err != nil {
			return err
		}
	}
	if n := len(w.Entry.Prices) + len(w.Prices); n > maxPrices {
		return fault.Newf(fault.Conflict, "%s would have %d prices, more than are kept.", w.Entry.ID, n)
	}
	for i := range w.Prices {
		if err := appendPrice(ctx, tx, &w.Prices[i]); err != nil {
			return err
		}
	}
	w.Entry.Prices = append(w.Entry.Prices, w.Prices...)
	res, err := w.Entry.Resource(time.Now())
	if err != nil {
		return err
	}
	return r.Publish(ctx, res)
}
