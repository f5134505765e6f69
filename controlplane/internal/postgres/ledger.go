package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
)

// RecordUsage adds the events that the ledger does not hold yet, to it and to
// both rollups, and moves the watermarks, in one transaction. Repeating it
// with the same events, whatever became of the first try, adds nothing.
func (db *DB) RecordUsage(ctx context.Context, batches []usage.Batch) (usage.Recorded, error) {
	var rec usage.Recorded
	err := db.InSystem(ctx, func(tx Tx) error {
		r := recording{tx: tx, asides: map[eventKey]usage.Aside{}}
		for _, b := range batches {
			r.strays = append(r.strays, b.Strays...)
		}
		if err := r.record(ctx, batches); err != nil {
			return err
		}
		rec = usage.Recorded{Events: len(r.events), Duplicates: r.duplicates, Refused: r.refused, Watermarks: r.marks}
		return nil
	})
	return rec, err
}

// Unacceptable reports whether Postgres refused the data itself: the same
// events will be refused for ever, unlike with all other failures.
func (db *DB) Unacceptable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	// Classes of SQLSTATE: data exception, integrity violation, limit exceeded.
	return ok && slices.Contains([]string{"22", "23", "54"}, pg.Code[:2])
}

type epochKey struct {
	dataPlaneID string
	epoch       int64
}

type eventKey struct {
	epochKey
	seq int64
}

// recording is the state of one RecordUsage.
type recording struct {
	tx         Tx
	marks      []usage.Watermark
	events     []*usage.Event // new ones
	asides     map[eventKey]usage.Aside
	strays     []usage.Aside
	duplicates int
	refused    int
}

func (r *recording) record(ctx context.Context, batches []usage.Batch) error {
	incoming := group(batches)
	if err := r.lock(ctx, incoming); err != nil {
		return err
	}
	ask := make([]bool, len(r.marks))
	for i, m := range r.marks {
		seqs, err := r.sift(ctx, m, incoming[epochKey{m.DataPlaneID, m.Epoch}])
		if err != nil {
			return err
		}
		r.marks[i], ask[i] = m.Advance(seqs)
	}
	if len(r.events) > 0 {
		if err := r.write(ctx); err != nil {
			return err
		}
	}
	for i := range r.marks {
		if ask[i] {
			if err := r.follow(ctx, &r.marks[i]); err != nil {
				return err
			}
		}
	}
	return r.finish(ctx)
}

func group(batches []usage.Batch) map[epochKey][]usage.Batch {
	m := map[epochKey][]usage.Batch{}
	for _, b := range batches {
		k := epochKey{b.DataPlaneID, b.Epoch}
		m[k] = append(m[k], b)
	}
	return m
}

// lock makes and locks the watermark rows, in the order of their keys so that
// two writers wait for each other and do not deadlock.
func (r *recording) lock(ctx context.Context, incoming map[epochKey][]usage.Batch) error {
	ids, epochs := make([]string, 0, len(incoming)), make([]int64, 0, len(incoming))
	for k := range incoming {
		ids, epochs = append(ids, k.dataPlaneID), append(epochs, k.epoch)
	}
	var b pgx.Batch
	b.Queue(createIncoming)
	b.Queue(`
		INSERT INTO usage_watermark (data_plane_id, epoch, contiguous_seq, highest_seq)
		SELECT d, e, 0, 0 FROM unnest($1::text[], $2::bigint[]) AS k(d, e) ORDER BY d, e
		ON CONFLICT DO NOTHING`, ids, epochs)
	b.Queue(`
		SELECT w.data_plane_id, w.epoch, w.contiguous_seq, w.highest_seq
		FROM usage_watermark w JOIN unnest($1::text[], $2::bigint[]) AS k(d, e) ON (w.data_plane_id, w.epoch) = (k.d, k.e)
		ORDER BY w.data_plane_id, w.epoch FOR UPDATE OF w`, ids, epochs).Query(func(rows pgx.Rows) error {
		var err error
		r.marks, err = pgx.CollectRows(rows, scanWatermark)
		return err
	})
	if err := r.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("lock watermarks: %w", err)
	}
	return nil
}

func scanWatermark(row pgx.CollectableRow) (w usage.Watermark, err error) {
	err = row.Scan(&w.DataPlaneID, &w.Epoch, &w.Contiguous, &w.Highest)
	return w, err
}

// sift keeps the events that the ledger does not hold, each once, and returns
// their numbers.
func (r *recording) sift(ctx context.Context, m usage.Watermark, batches []usage.Batch) ([]int64, error) {
	var unsure []int64
	for _, b := range batches {
		for i := range b.Events {
			if m.Knows(b.Events[i].Seq) == usage.Unsure {
				unsure = append(unsure, b.Events[i].Seq)
			}
		}
	}
	held, err := r.held(ctx, m, unsure)
	if err != nil {
		return nil, err
	}
	var seqs []int64
	seen := map[int64]bool{}
	for _, b := range batches {
		for i := range b.Events {
			e := &b.Events[i]
			if m.Knows(e.Seq) == usage.Held || held[e.Seq] || seen[e.Seq] {
				r.duplicates++
				continue
			}
			seen[e.Seq] = true
			seqs = append(seqs, e.Seq)
			r.events = append(r.events, e)
			if e.ErrorCode == usage.RefusedByLedger {
				r.refused++
			}
			if a, ok := b.Asides[e.Seq]; ok {
				r.asides[eventKey{epochKey{m.DataPlaneID, m.Epoch}, e.Seq}] = a
			}
		}
	}
	return seqs, nil
}

// held asks the ledger which of seqs it has.
func (r *recording) held(ctx context.Context, m usage.Watermark, seqs []int64) (map[int64]bool, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	rows, err := r.tx.Query(ctx, `
		SELECT seq FROM usage_event WHERE data_plane_id = $1 AND epoch = $2 AND seq = ANY($3)`, m.DataPlaneID, m.Epoch, seqs)
	if err != nil {
		return nil, fmt.Errorf("look up events of %s/%d: %w", m.DataPlaneID, m.Epoch, err)
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("look up events of %s/%d: %w", m.DataPlaneID, m.Epoch, err)
	}
	held := make(map[int64]bool, len(have))
	for _, s := range have {
		held[s] = true
	}
	return held, nil
}

// follow moves a watermark over events that were in the ledger before the gap
// in front of them closed.
func (r *recording) follow(ctx context.Context, m *usage.Watermark) error {
	const chunk = 10_000
	for {
		rows, err := r.tx.Query(ctx, `
			SELECT seq FROM usage_event WHERE data_plane_id = $1 AND epoch = $2 AND seq > $3 ORDER BY seq LIMIT $4`,
			m.DataPlaneID, m.Epoch, m.Contiguous, chunk)
		if err != nil {
			return fmt.Errorf("follow watermark of %s/%d: %w", m.DataPlaneID, m.Epoch, err)
		}
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return fmt.Errorf("follow watermark of %s/%d: %w", m.DataPlaneID, m.Epoch, err)
		}
		before := m.Contiguous
		for _, s := range seqs {
			if s != m.Contiguous+1 {
				return nil
			}
			m.Contiguous = s
		}
		if len(seqs) < chunk || m.Contiguous == before {
			return nil
		}
	}
}

// Events reach the ledger through a temporary table of the session: COPY is
// the fastest way in, and refuses tables under row-level security.
const (
	createIncoming = `CREATE TEMP TABLE IF NOT EXISTS usage_incoming ON COMMIT DELETE ROWS AS
		SELECT ` + eventColumns + ` FROM usage_event WITH NO DATA`
	copyIncoming = `COPY usage_incoming (` + eventColumns + `) FROM STDIN BINARY`
	moveIncoming = `INSERT INTO usage_event (` + eventColumns + `) SELECT ` + eventColumns + ` FROM usage_incoming`
)

func (r *recording) write(ctx context.Context) error {
	rows, err := encodeEvents(r.events)
	if err != nil {
		return err
	}
	if _, err := r.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows), copyIncoming); err != nil {
		return fmt.Errorf("copy events: %w", err)
	}
	if _, err := r.tx.Exec(ctx, moveIncoming); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// finish queues the rollups, what was set aside, and the watermarks.
func (r *recording) finish(ctx context.Context) error {
	hours, days := usage.Rollup(r.events)
	var b pgx.Batch
	queueHours(&b, hours)
	queueDays(&b, days)
	for _, a := range r.asides {
		queueAside(&b, a)
	}
	for _, a := range r.strays {
		queueAside(&b, a)
	}
	ids, epochs := make([]string, len(r.marks)), make([]int64, len(r.marks))
	contiguous, highest := make([]int64, len(r.marks)), make([]int64, len(r.marks))
	for i, m := range r.marks {
		ids[i], epochs[i], contiguous[i], highest[i] = m.DataPlaneID, m.Epoch, m.Contiguous, m.Highest
	}
	// gap_since is since when the mark has stood still below the highest.
	b.Queue(`
		UPDATE usage_watermark w SET contiguous_seq = n.c, highest_seq = n.h, updated_at = now(),
			gap_since = CASE WHEN n.c = n.h THEN NULL WHEN n.c = w.contiguous_seq THEN coalesce(w.gap_since, now()) ELSE now() END
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS n(d, e, c, h)
		WHERE w.data_plane_id = n.d AND w.epoch = n.e`, ids, epochs, contiguous, highest)
	if err := r.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("write rollups and watermarks: %w", err)
	}
	return nil
}

// UsageWatermarks reads what the ledger holds of a data plane's newest epochs.
func (db *DB) UsageWatermarks(ctx context.Context, dataPlaneID string) ([]usage.Watermark, error) {
	var marks []usage.Watermark
	err := db.InSystem(ctx, func(tx Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT data_plane_id, epoch, contiguous_seq, highest_seq FROM usage_watermark
			WHERE data_plane_id = $1 ORDER BY epoch DESC LIMIT 16`, dataPlaneID)
		if err != nil {
			return err
		}
		marks, err = pgx.CollectRows(rows, scanWatermark)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watermarks of %s: %w", dataPlaneID, err)
	}
	return marks, nil
}

// UsageGaps finds places where an event has been missing for longer than age, up
// to most of them.
func (db *DB) UsageGaps(ctx context.Context, age time.Duration, most int) (gaps []usage.Gap, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		gaps, err = all(ctx, tx, func(row pgx.CollectableRow) (g usage.Gap, err error) {
			return g, row.Scan(&g.DataPlaneID, &g.Epoch, &g.After)
		}, `SELECT data_plane_id, epoch, contiguous_seq FROM usage_watermark
			WHERE gap_since < now() - $1::interval ORDER BY gap_since, data_plane_id, epoch LIMIT $2`, age, most)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for gaps in the ledger: %w", err)
	}
	return gaps, nil
}

// SetAside keeps what the ledger could not take.
func (db *DB) SetAside(ctx context.Context, a usage.Aside) error {
	return db.InSystem(ctx, func(tx Tx) error {
		var b pgx.Batch
		queueAside(&b, a)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// PruneUsageAside forgets what was set aside and has not come again for age.
func (db *DB) PruneUsageAside(ctx context.Context, age time.Duration) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM usage_aside WHERE last_at < now() - make_interval(secs => $1)`, age.Seconds())
		return err
	})
}

// EnsureUsageDays makes the partitions of the days from first to last. That
// needs the whole ledger for a moment: it gives up soon when somebody reads
// for long, because everybody else waits behind it.
func (db *DB) EnsureUsageDays(ctx context.Context, first, last time.Time) error {
	err := db.InSystem(ctx, func(tx Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '500ms'`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT ensure_usage_days($1::date, $2::date)`, first.UTC(), last.UTC())
		return err
	})
	if err != nil {
		return fmt.Errorf("make usage partitions from %s to %s: %w", first.Format(time.DateOnly), last.Format(time.DateOnly), err)
	}
	return nil
}
