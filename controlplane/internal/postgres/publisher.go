package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

const (
	// publisherLock is the advisory lock of the one publisher.
	publisherLock = 7311 // 7301 guards ensure_usage_days
	// configChannel is what a change notifies.
	configChannel = "tollgate_config"
)

// Publisher is the right to number and publish config: it lasts as long as
// the session that holds the advisory lock. The epoch tells publishers apart;
// statements of an older one change nothing.
type Publisher struct {
	conn  *pgx.Conn
	Epoch int64
}

// Publication says where publishing stands.
type Publication struct {
	LastRevision     int64
	StreamCreated    int64
	StreamSequence   int64
	SnapshotRevision int64
}

// Outgoing is a numbered change on its way to the stream.
type Outgoing struct {
	TenantID    string
	Kind        configv1.Kind
	ResourceID  string
	Payload     []byte // nil is a tombstone
	Urgent      bool
	Revision    int64
	CommittedAt time.Time
}

// ErrFenced says that another publisher has taken over.
var ErrFenced = errors.New("another publisher has taken over")

// LeadPublisher takes the lock and a new epoch; nil when another session has
// the lock. Postgres ends the session when it is idle for longer than patience:
// a process that is paused keeps its connection and would keep the lock.
func (db *DB) LeadPublisher(ctx context.Context, patience time.Duration) (*Publisher, error) {
	pooled, err := db.SystemConn(ctx)
	if err != nil {
		return nil, err
	}
	var locked bool
	err = pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, publisherLock).Scan(&locked)
	if err != nil || !locked {
		pooled.Release()
		return nil, translate(err)
	}
	// The session ends with the publisher, so it leaves the pool for good.
	p := &Publisher{conn: pooled.Hijack()}
	for _, sql := range []string{
		fmt.Sprintf(`SET idle_session_timeout = %d`, patience.Milliseconds()),
		fmt.Sprintf(`SET idle_in_transaction_session_timeout = %d`, patience.Milliseconds()),
		`LISTEN ` + configChannel,
	} {
		if _, err := p.conn.Exec(ctx, sql); err != nil {
			p.Close()
			return nil, translate(err)
		}
	}
	err = p.conn.QueryRow(ctx, `UPDATE publisher SET epoch = epoch + 1 RETURNING epoch`).Scan(&p.Epoch)
	if err != nil {
		p.Close()
		return nil, translate(err)
	}
	return p, nil
}

// Close gives up the lock.
func (p *Publisher) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.conn.Close(ctx)
}

// Wait returns when a change was committed or the time is up; an error means
// that the session, and with it the lock, is lost.
func (p *Publisher) Wait(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	_, err := p.conn.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !p.conn.IsClosed() {
		return nil
	}
	return translate(err)
}

// Publication reads where publishing stands, or fails with ErrFenced.
func (p *Publisher) Publication(ctx context.Context) (s Publication, err error) {
	err = p.conn.QueryRow(ctx, `SELECT last_revision, stream_created, stream_sequence, snapshot_revision FROM publisher WHERE epoch = $1`, p.Epoch).
		Scan(&s.LastRevision, &s.StreamCreated, &s.StreamSequence, &s.SnapshotRevision)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, ErrFenced
	}
	return s, translate(err)
}

// numberSQL gives the changes without a revision the next ones, in order of
// their outbox ids, and keeps the newest payload of each resource. Two changes
// of one resource are in the order of their commits, because the second waits
// for the row of the first. Resources with an urgent change come first, with
// all their changes, so that a revocation does not wait for an import.
const numberSQL = `
WITH lead AS (SELECT last_revision FROM publisher WHERE epoch = $1 FOR UPDATE),
fresh AS (
	(SELECT o.outbox_id, 0 AS lane FROM config_outbox u
		JOIN config_outbox o ON o.tenant_id = u.tenant_id AND o.kind = u.kind AND o.resource_id = u.resource_id AND o.revision IS NULL
		WHERE u.revision IS NULL AND u.urgent ORDER BY o.outbox_id LIMIT $2)
	UNION ALL
	(SELECT outbox_id, 1 FROM config_outbox WHERE revision IS NULL ORDER BY outbox_id LIMIT $2)),
numbered AS (
	UPDATE config_outbox o SET revision = lead.last_revision + n.place
	FROM (SELECT outbox_id, row_number() OVER (ORDER BY min(lane), outbox_id) AS place FROM fresh GROUP BY outbox_id) n, lead
	WHERE o.outbox_id = n.outbox_id
	RETURNING o.tenant_id, o.kind, o.resource_id, o.revision, o.payload, o.committed_at),
newest AS (
	INSERT INTO config_resource (tenant_id, kind, resource_id, revision, payload, committed_at)
	SELECT DISTINCT ON (tenant_id, kind, resource_id) tenant_id, kind, resource_id, revision, payload, committed_at
	FROM numbered ORDER BY tenant_id, kind, resource_id, revision DESC
	ON CONFLICT (tenant_id, kind, resource_id) DO UPDATE
	SET revision = excluded.revision, payload = excluded.payload, committed_at = excluded.committed_at
	RETURNING revision)
UPDATE publisher SET last_revision = (SELECT max(revision) FROM numbered)
WHERE epoch = $1 AND EXISTS (SELECT FROM numbered)`

// Step is one transaction: it marks what was published up to a revision and a
// sequence, numbers what is new, and returns what is numbered and not yet
// published, in order of revision.
func (p *Publisher) Step(ctx context.Context, publishedRevision, sequence int64, most int) (out []Outgoing, err error) {
	b := &pgx.Batch{}
	if publishedRevision > 0 {
		b.Queue(`UPDATE config_outbox SET published_at = clock_timestamp()
			WHERE published_at IS NULL AND revision <= $2 AND EXISTS (SELECT FROM publisher WHERE epoch = $1)`, p.Epoch, publishedRevision)
		b.Queue(`UPDATE publisher SET stream_sequence = $2 WHERE epoch = $1 AND stream_sequence < $2`, p.Epoch, sequence)
	}
	b.Queue(numberSQL, p.Epoch, most)
	leads := false
	b.Queue(`SELECT EXISTS (SELECT FROM publisher WHERE epoch = $1)`, p.Epoch).QueryRow(func(row pgx.Row) error { return row.Scan(&leads) })
	b.Queue(`SELECT tenant_id, kind, resource_id, payload, urgent, revision, committed_at FROM config_outbox
		WHERE published_at IS NULL AND revision IS NOT NULL ORDER BY revision LIMIT $1`, most).Query(func(rows pgx.Rows) error {
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Outgoing, err error) {
			return o, row.Scan(&o.TenantID, &o.Kind, &o.ResourceID, &o.Payload, &o.Urgent, &o.Revision, &o.CommittedAt)
		})
		return err
	})
	// A batch is one implicit transaction: one round trip, one commit.
	if err := p.conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("number config changes: %w", translate(err))
	}
	if !leads {
		return nil, ErrFenced
	}
	return out, nil
}

// AdoptStream notes the stream that changes go to from now on.
func (p *Publisher) AdoptStream(ctx context.Context, created, sequence int64) error {
	return p.exec(ctx, `UPDATE publisher SET stream_created = $2, stream_sequence = $3 WHERE epoch = $1`, p.Epoch, created, sequence)
}

// Rewind numbers every resource anew, above a revision that data planes have
// seen and this database has not (it was restored from an older state), and
// forgets the stream: data planes will start over from a snapshot.
func (p *Publisher) Rewind(ctx context.Context, above int64) error {
	return p.exec(ctx, `
		WITH lead AS (UPDATE publisher SET stream_created = 0,
				last_revision = greatest(last_revision, $2) + (SELECT count(*) FROM config_resource)
			WHERE epoch = $1 RETURNING last_revision),
		placed AS (SELECT c.tenant_id, c.kind, c.resource_id, c.revision AS old,
				lead.last_revision - row_number() OVER (ORDER BY c.revision DESC) + 1 AS new FROM config_resource c, lead),
		moved AS (UPDATE config_resource c SET revision = n.new FROM placed n
			WHERE c.tenant_id = n.tenant_id AND c.kind = n.kind AND c.resource_id = n.resource_id),
		settled AS (UPDATE config_outbox o SET revision = n.new, published_at = n.published_at
			FROM (SELECT q.outbox_id, coalesce(n.new, q.revision) AS new, coalesce(q.published_at, clock_timestamp()) AS published_at
				FROM lead, config_outbox q LEFT JOIN placed n
					ON n.tenant_id = q.tenant_id AND n.kind = q.kind AND n.resource_id = q.resource_id AND n.old = q.revision
				WHERE q.revision IS NOT NULL) n
			WHERE o.outbox_id = n.outbox_id AND (o.revision, o.published_at) IS DISTINCT FROM (n.new, n.published_at))
		SELECT last_revision FROM lead`, p.Epoch, above)
}

// SnapshotStored notes the revision of the newest snapshot in the object store.
func (p *Publisher) SnapshotStored(ctx context.Context, db *DB, revision int64) error {
	return db.InSystem(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `UPDATE publisher SET snapshot_revision = $2 WHERE epoch = $1`, p.Epoch, revision)
		return err
	})
}

func (p *Publisher) exec(ctx context.Context, sql string, args ...any) error {
	tag, err := p.conn.Exec(ctx, sql, args...)
	if err != nil {
		return translate(err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}

// ConfigHead is what a reading of the whole config holds.
type ConfigHead struct {
	Publication
	Epoch int64
	Count int64
	At    time.Time
}

// ReadConfig reads every numbered resource that is not gone, at one moment:
// begin is called first, then each for every resource. It may take long and
// holds a connection meanwhile.
func (db *DB) ReadConfig(ctx context.Context, begin func(ConfigHead) error, each func(Outgoing) error) error {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return inTx(ctx, db.system, opts, func(tx Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		var h ConfigHead
		err := tx.QueryRow(ctx, `
			SELECT last_revision, stream_created, stream_sequence, snapshot_revision, epoch, clock_timestamp(),
				(SELECT count(*) FROM config_resource WHERE payload IS NOT NULL) FROM publisher`).
			Scan(&h.LastRevision, &h.StreamCreated, &h.StreamSequence, &h.SnapshotRevision, &h.Epoch, &h.At, &h.Count)
		if err != nil {
			return fmt.Errorf("read config head: %w", err)
		}
		if err := begin(h); err != nil {
			return err
		}
		var o Outgoing
		rows, err := tx.Query(ctx, `SELECT tenant_id, kind, resource_id, payload, revision, committed_at FROM config_resource WHERE payload IS NOT NULL`)
		if err != nil {
			return fmt.Errorf("read config: %w", err)
		}
		_, err = pgx.ForEachRow(rows, []any{&o.TenantID, &o.Kind, &o.ResourceID, &o.Payload, &o.Revision, &o.CommittedAt}, func() error { return each(o) })
		return err
	})
}

// Publication reads where publishing stands.
func (db *DB) Publication(ctx context.Context) (s Publication, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		return tx.QueryRow(ctx, `SELECT last_revision, stream_created, stream_sequence, snapshot_revision FROM publisher`).
			Scan(&s.LastRevision, &s.StreamCreated, &s.StreamSequence, &s.SnapshotRevision)
	})
	return s, err
}
