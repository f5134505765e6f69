package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

const day = 24 * time.Hour

// partitions sees to it that each event's day has a partition before the
// event is written. Days are known in advance but for events that come late.
func (in *Ingester) partitions(ctx context.Context, group []message) {
	missing := map[time.Time]bool{}
	for _, m := range group {
		for i := range m.batch.Events {
			if d := m.batch.Events[i].StartedAt.Truncate(day); !in.days[d.Unix()] {
				missing[d] = true
			}
		}
	}
	for d := range missing {
		in.ensureDay(ctx, d, group)
	}
}

// prepare makes the partitions of the days to come.
func (in *Ingester) prepare(ctx context.Context, now time.Time) {
	if now.Sub(in.daysSince) > time.Hour {
		// Those that could not be made are tried again.
		clear(in.days)
		in.daysSince = now
	}
	today := now.UTC().Truncate(day)
	for i := -1; i <= daysAhead; i++ {
		d := today.AddDate(0, 0, i)
		if in.days[d.Unix()] {
			continue
		}
		err := in.attempt(ctx, func(ctx context.Context) error { return in.cfg.Ledger.EnsureUsageDays(ctx, d, d) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			in.log.Warn("a partition of the ledger cannot be made now", "day", d.Format(time.DateOnly), "error", err)
		}
		if away(err) {
			return // there is time: at the next turn
		}
		in.days[d.Unix()] = true
	}
}

// away reports whether the database could not be asked, or was too busy.
func away(err error) bool { return errors.Is(err, fault.New(fault.DatabaseDown, "", nil)) }

// ensureDay makes a partition that events wait for, however long the database
// is away or busy. If it refuses, they go to the default partition, where they
// are safe, and where the doctor finds them.
func (in *Ingester) ensureDay(ctx context.Context, d time.Time, waiting []message) {
	var refused error
	tries := 0
	err := in.insist(ctx, "make a partition of the ledger", func(ctx context.Context) error {
		err := in.cfg.Ledger.EnsureUsageDays(ctx, d, d)
		if err == nil || away(err) {
			return err
		}
		// A connection can break in ways that do not look like it.
		if tries++; tries < 5 && !in.cfg.Ledger.Unacceptable(err) {
			return err
		}
		refused = err
		return nil
	}, waiting...)
	if refused != nil {
		in.log.Error("a partition of the ledger cannot be made; its events go to the default one", "day", d.Format(time.DateOnly), "error", refused)
	}
	in.days[d.Unix()] = err == nil
}
