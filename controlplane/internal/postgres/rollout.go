package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/rollout"
)

// ago is a moment by the database's clock.
const ago = `clock_timestamp() - make_interval(secs => $%d)`

// SaveAcks writes what data planes acknowledged, in order of arrival.
func (db *DB) SaveAcks(ctx context.Context, acks []rollout.Ack) error {
	return db.InSystem(ctx, func(tx Tx) error {
		b := &pgx.Batch{}
		for _, a := range acks {
			queueAck(b, a)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("save %d acknowledgements: %w", len(acks), err)
		}
		return nil
	})
}

func queueAck(b *pgx.Batch, a rollout.Ack) {
	age := a.Age.Seconds()
	b.Queue(`INSERT INTO config_ack (data_plane_id, revision, received_at) VALUES ($1, $2, `+fmt.Sprintf(ago, 3)+`) ON CONFLICT DO NOTHING`,
		a.DataPlaneID, a.Revision, age)
	// Words of one data plane may be written by two control planes: an older
	// one never wins.
	b.Queue(`INSERT INTO data_plane (data_plane_id, epoch, version, address, started_at, last_seen_at, revision, revision_at)
		VALUES ($1, $2, '', '', `+fmt.Sprintf(ago, 4)+`, `+fmt.Sprintf(ago, 4)+`, $3, `+fmt.Sprintf(ago, 4)+`)
		ON CONFLICT (data_plane_id) DO UPDATE SET epoch = excluded.epoch, revision = excluded.revision, revision_at = excluded.revision_at,
			last_seen_at = greatest(data_plane.last_seen_at, excluded.last_seen_at)
		WHERE (data_plane.epoch, data_plane.revision) < (excluded.epoch, excluded.revision)`, a.DataPlaneID, a.Epoch, a.Revision, age)
	// A newer version of a resource that was taken ends the refusal of an older one.
	b.Queue(`DELETE FROM config_refusal r USING config_resource c
		WHERE r.data_plane_id = $1 AND c.tenant_id = r.tenant_id AND c.kind = r.kind AND c.resource_id = r.resource_id
			AND c.revision > r.revision AND c.revision <= $2`, a.DataPlaneID, a.Revision)
	for _, f := range a.Refused {
		b.Queue(`INSERT INTO config_refusal (tenant_id, data_plane_id, kind, resource_id, revision, path, message, received_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, `+fmt.Sprintf(ago, 8)+`)
			ON CONFLICT (tenant_id, kind, resource_id, data_plane_id) DO UPDATE
			SET revision = excluded.revision, path = excluded.path, message = excluded.message, received_at = excluded.received_at
			WHERE config_refusal.revision <= excluded.revision`,
			f.TenantID, a.DataPlaneID, int16(f.Kind), f.ResourceID, f.Revision, f.Path, f.Message, age)
	}
}

// SaveHeartbeats writes what data planes said of themselves.
func (db *DB) SaveHeartbeats(ctx context.Context, beats []rollout.DataPlane) error {
	return db.InSystem(ctx, func(tx Tx) error {
		b := &pgx.Batch{}
		for _, d := range beats {
			b.Queue(`INSERT INTO data_plane (data_plane_id, epoch, version, address, started_at, last_seen_at, revision, tenants, api_keys,
					in_flight, spool_bytes, spool_unconfirmed, usage_lost, last_seq, stopped)
				VALUES ($1, $2, $3, $4, $5, `+fmt.Sprintf(ago, 15)+`, $6, $7, $8, $9, $10, $11, $12, $13, $14)
				ON CONFLICT (data_plane_id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, address = excluded.address,
					started_at = excluded.started_at, last_seen_at = greatest(data_plane.last_seen_at, excluded.last_seen_at),
					revision = CASE WHEN data_plane.epoch < excluded.epoch THEN excluded.revision
						ELSE greatest(data_plane.revision, excluded.revision) END,
					tenants = excluded.tenants, api_keys = excluded.api_keys, in_flight = excluded.in_flight,
					spool_bytes = excluded.spool_bytes, spool_unconfirmed = excluded.spool_unconfirmed,
					usage_lost = excluded.usage_lost, last_seq = excluded.last_seq, stopped = excluded.stopped
				WHERE data_plane.epoch <= excluded.epoch`,
				d.ID, d.Epoch, d.Version, d.Address, d.StartedAt, d.Revision, d.Tenants, d.APIKeys,
				d.InFlight, d.SpoolBytes, d.SpoolUnconfirmed, d.UsageLost, d.LastSeq, d.Stopping, d.Age.Seconds())
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("save %d heartbeats: %w", len(beats), err)
		}
		return nil
	})
}

// ChangeStatus tells how far a tenant's change has come, by its id.
func (db *DB) ChangeStatus(ctx context.Context, tenantID string, changeID int64) (rollout.Change, error) {
	return db.changeStatus(ctx, `tenant_id = $1 AND outbox_id = $2`, tenantID, changeID)
}

// RevisionStatus tells how far a tenant's change has come, by its revision.
func (db *DB) RevisionStatus(ctx context.Context, tenantID string, revision int64) (rollout.Change, error) {
	return db.changeStatus(ctx, `tenant_id = $1 AND revision = $2`, tenantID, revision)
}

func (db *DB) changeStatus(ctx context.Context, where, tenantID string, key int64) (c rollout.Change, err error) {
	// The tables of data planes have no tenant and belong to the system role.
	err = db.InSystem(ctx, func(tx Tx) error {
		err := tx.QueryRow(ctx, `SELECT outbox_id, coalesce(revision, 0), kind, resource_id, committed_at, coalesce(published_at, 'epoch')
			FROM config_outbox WHERE `+where, tenantID, key).
			Scan(&c.ChangeID, &c.Revision, &c.Kind, &c.ResourceID, &c.CommittedAt, &c.PublishedAt)
		if err != nil {
			return found(err)
		}
		if c.PublishedAt.Unix() == 0 {
			c.PublishedAt = time.Time{}
		}
		c.DataPlanes, err = places(ctx, tx, tenantID, &c)
		return err
	})
	return c, err
}

// places asks of each connected data plane when it first had the revision. A
// data plane that acknowledges a later one has it as well.
func places(ctx context.Context, tx Tx, tenantID string, c *rollout.Change) ([]rollout.Place, error) {
	return all(ctx, tx, func(row pgx.CollectableRow) (p rollout.Place, err error) {
		var have, started bool
		var first *time.Time
		var refused rollout.Refusal
		err = row.Scan(&p.DataPlaneID, &have, &started, &first, &refused.Revision, &refused.Path, &refused.Message, &refused.ReceivedAt)
		if refused.Revision > 0 {
			refused.DataPlaneID, refused.Kind, refused.ResourceID = p.DataPlaneID, c.Kind, c.ResourceID
			p.Refused = &refused
			return p, err
		}
		p.Live = c.Revision > 0 && (have || first != nil)
		if p.Live && first != nil && started {
			after := max(0, first.Sub(c.CommittedAt))
			p.After = &after
		}
		return p, err
	}, `SELECT d.data_plane_id, d.revision >= $3, d.started_at <= $4, a.received_at,
			coalesce(r.revision, 0), coalesce(r.path, ''), coalesce(r.message, ''), coalesce(r.received_at, 'epoch')
		FROM data_plane d
		LEFT JOIN LATERAL (SELECT received_at FROM config_ack
			WHERE data_plane_id = d.data_plane_id AND revision >= $3 AND $3 > 0 ORDER BY revision LIMIT 1) a ON true
		LEFT JOIN config_refusal r ON r.tenant_id = $1 AND r.kind = $5 AND r.resource_id = $6 AND r.data_plane_id = d.data_plane_id
			AND r.revision = $3
		WHERE NOT d.stopped AND d.last_seen_at > now() - make_interval(secs => $2)
		ORDER BY d.data_plane_id`,
		tenantID, rollout.LostAfter.Seconds(), c.Revision, c.CommittedAt, int16(c.Kind), c.ResourceID)
}

// Refusals lists what data planes did not take of a tenant, newest first.
func (db *DB) Refusals(ctx context.Context, tenantID string, limit int) ([]rollout.Refusal, error) {
	return list(ctx, db, tenantID, func(row pgx.CollectableRow) (r rollout.Refusal, err error) {
		return r, row.Scan(&r.TenantID, &r.DataPlaneID, &r.Kind, &r.ResourceID, &r.Revision, &r.Path, &r.Message, &r.ReceivedAt)
	}, `SELECT tenant_id, data_plane_id, kind, resource_id, revision, path, message, received_at FROM config_refusal
		WHERE tenant_id = $1 ORDER BY received_at DESC, data_plane_id, resource_id LIMIT $2`, tenantID, limit)
}

// DataPlanes lists all that were heard of, with the newest revision there is.
func (db *DB) DataPlanes(ctx context.Context) (newest int64, out []rollout.DataPlane, err error) {
	err = db.InSystem(ctx, func(tx Tx) error {
		if err := tx.QueryRow(ctx, `SELECT last_revision FROM publisher`).Scan(&newest); err != nil {
			return err
		}
		out, err = all(ctx, tx, scanDataPlane, `
			SELECT d.data_plane_id, d.epoch, d.version, d.address, d.started_at, d.last_seen_at, d.revision, d.tenants, d.api_keys, d.in_flight,
				d.spool_bytes, d.spool_unconfirmed, d.usage_lost, d.last_seq,
				CASE WHEN d.stopped THEN 'stopped' WHEN d.last_seen_at > now() - make_interval(secs => $1) THEN 'live' ELSE 'lost' END,
				CASE WHEN d.started_at <= o.committed_at THEN extract(epoch FROM a.received_at - o.committed_at)::double precision END
			FROM data_plane d
			LEFT JOIN config_outbox o ON o.revision = d.revision
			LEFT JOIN config_ack a ON a.data_plane_id = d.data_plane_id AND a.revision = d.revision
			ORDER BY d.data_plane_id LIMIT 1000`, rollout.LostAfter.Seconds())
		return err
	})
	return newest, out, err
}

func scanDataPlane(row pgx.CollectableRow) (d rollout.DataPlane, err error) {
	var lag *float64
	err = row.Scan(&d.ID, &d.Epoch, &d.Version, &d.Address, &d.StartedAt, &d.LastSeenAt, &d.Revision, &d.Tenants, &d.APIKeys, &d.InFlight,
		&d.SpoolBytes, &d.SpoolUnconfirmed, &d.UsageLost, &d.LastSeq, &d.State, &lag)
	if lag != nil {
		l := time.Duration(*lag * float64(time.Second))
		d.Lag = &l
	}
	return d, err
}

// pruneMost bounds one statement of PruneRollout, so that it holds no locks
// for long.
const pruneMost = 10_000

// PruneRollout forgets what is older than rollout.Kept and returns how many
// rows that were. The newest state of each resource and data plane stays.
func (db *DB) PruneRollout(ctx context.Context) (total int64, err error) {
	kept, stopped := rollout.Kept.Seconds(), rollout.StoppedKept.Seconds()
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{`DELETE FROM config_outbox WHERE outbox_id IN (SELECT outbox_id FROM config_outbox
			WHERE published_at < now() - make_interval(secs => $1) ORDER BY outbox_id LIMIT $2)`, []any{kept, pruneMost}},
		{`DELETE FROM config_ack WHERE (data_plane_id, revision) IN (SELECT data_plane_id, revision FROM config_ack
			WHERE received_at < now() - make_interval(secs => $1) ORDER BY received_at LIMIT $2)`, []any{kept, pruneMost}},
		{`DELETE FROM config_refusal r WHERE NOT EXISTS (SELECT FROM data_plane d WHERE d.data_plane_id = r.data_plane_id
			AND d.last_seen_at > now() - make_interval(secs => $1))`, []any{stopped}},
		{`DELETE FROM data_plane WHERE last_seen_at < now() - make_interval(secs => $1)
			OR (stopped AND last_seen_at < now() - make_interval(secs => $2))`, []any{kept, stopped}},
	} {
		for {
			var n int64
			err := db.InSystem(ctx, func(tx Tx) error {
				tag, err := tx.Exec(ctx, q.sql, q.args...)
				n = tag.RowsAffected()
				return err
			})
			total += n
			if err != nil {
				return total, errors.Join(errors.New("prune config history"), err)
			}
			if n < pruneMost {
				break
			}
		}
	}
	return total, nil
}
