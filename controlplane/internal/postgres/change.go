package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/change"
)

// The vocabulary of changes lives where noun packages can use it too.
type (
	Actor    = change.Actor
	Entry    = change.Entry
	Resource = change.Resource
)

// Recorder writes the audit entry and the outbox rows of a change into the
// change's own transaction, so that neither exists without the other.
type Recorder struct {
	tx       Tx
	tenantID string
	actor    Actor
	changeID int64
}

// NewRecorder starts recording for tenantID; "" is the operator's own chain.
func NewRecorder(tx Tx, tenantID string, actor Actor) *Recorder {
	return &Recorder{tx: tx, tenantID: tenantID, actor: actor}
}

// ChangeID is the outbox id of the last resource recorded; 0 when none was.
func (r *Recorder) ChangeID() int64 { return r.changeID }

// Publish queues resources for the publisher.
func (r *Recorder) Publish(ctx context.Context, resources ...Resource) error {
	for _, res := range resources {
		err := r.tx.QueryRow(ctx, `
			INSERT INTO config_outbox (tenant_id, kind, resource_id, payload, urgent, committed_at)
			VALUES ($1, $2, $3, $4, $5, clock_timestamp()) RETURNING outbox_id`,
			r.tenantID, int16(res.Kind), res.ID, res.Payload, res.Urgent).Scan(&r.changeID)
		if err != nil {
			return fmt.Errorf("queue %s %s: %w", res.Kind, res.ID, err)
		}
	}
	return nil
}

// Audit appends an entry to the tenant's chain. The head row is locked until
// the transaction ends, so entries of one tenant are in order of commit.
func (r *Recorder) Audit(ctx context.Context, e Entry) error {
	var seq int64
	var prev []byte
	_, err := r.tx.Exec(ctx, `INSERT INTO audit_head (tenant_id, seq, hash) VALUES ($1, 0, '') ON CONFLICT DO NOTHING`, r.tenantID)
	if err != nil {
		return fmt.Errorf("audit head of %q: %w", r.tenantID, err)
	}
	err = r.tx.QueryRow(ctx, `SELECT seq, hash FROM audit_head WHERE tenant_id = $1 FOR UPDATE`, r.tenantID).Scan(&seq, &prev)
	if err != nil {
		return fmt.Errorf("audit head of %q: %w", r.tenantID, err)
	}
	seq++
	// Postgres keeps microseconds: the hash must cover what can be read back.
	at := time.Now().UTC().Truncate(time.Microsecond)
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return fmt.Errorf("audit detail of %s: %w", e.Action, err)
	}
	hash, err := AuditHash(prev, r.tenantID, seq, at, r.actor, e, detail)
	if err != nil {
		return err
	}
	_, err = r.tx.Exec(ctx, `
		INSERT INTO audit_entry (tenant_id, seq, at, actor_kind, actor_id, actor_name, action, resource_kind, resource_id, request_id, client_ip, detail, prev_hash, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		r.tenantID, seq, at, r.actor.Kind, r.actor.ID, r.actor.Name, e.Action, e.ResourceKind, e.ResourceID,
		r.actor.RequestID, r.actor.ClientIP, detail, prev, hash)
	if err != nil {
		return fmt.Errorf("audit %s %s: %w", e.Action, e.ResourceID, err)
	}
	_, err = r.tx.Exec(ctx, `UPDATE audit_head SET seq = $2, hash = $3 WHERE tenant_id = $1`, r.tenantID, seq, hash)
	if err != nil {
		return fmt.Errorf("audit head of %q: %w", r.tenantID, err)
	}
	return nil
}

// AuditHash chains an entry to the hash before it: SHA-256 over the fields as
// one JSON array, whose strings cannot run into each other. detail is decoded
// and encoded again, because jsonb does not keep the order of keys.
func AuditHash(prev []byte, tenantID string, seq int64, at time.Time, a Actor, e Entry, detail []byte) ([]byte, error) {
	var d any
	if err := json.Unmarshal(detail, &d); err != nil {
		return nil, fmt.Errorf("audit detail: %w", err)
	}
	b, err := json.Marshal([]any{prev, tenantID, strconv.FormatInt(seq, 10), at.UTC().Format(time.RFC3339Nano),
		a.Kind, a.ID, a.Name, a.RequestID, a.ClientIP, e.Action, e.ResourceKind, e.ResourceID, d})
	if err != nil {
		return nil, fmt.Errorf("audit hash: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

// Change runs fn as one change of a tenant: its rows, its audit entries and
// its outbox entries are committed together or not at all. It returns the
// change id, 0 when data planes need not know.
func (db *DB) Change(ctx context.Context, tenantID string, actor Actor, fn func(Tx, *Recorder) error) (int64, error) {
	var id int64
	err := db.InTenant(ctx, tenantID, func(tx Tx) error {
		r := NewRecorder(tx, tenantID, actor)
		if err := fn(tx, r); err != nil {
			return err
		}
		id = r.ChangeID()
		return nil
	})
	return id, err
}

// OperatorChange is Change across tenants. chain names the tenant whose audit
// trail and config it belongs to; "" is the operator's own.
func (db *DB) OperatorChange(ctx context.Context, chain string, actor Actor, fn func(Tx, *Recorder) error) (int64, error) {
	var id int64
	err := db.InSystem(ctx, func(tx Tx) error {
		r := NewRecorder(tx, chain, actor)
		if err := fn(tx, r); err != nil {
			return err
		}
		id = r.ChangeID()
		return nil
	})
	return id, err
}

// found turns "there is no row" into ErrNotFound.
func found(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Write records an audit entry and the resources that go with it.
func (r *Recorder) Write(ctx context.Context, rec change.Record) error {
	if err := r.Audit(ctx, rec.Entry); err != nil {
		return err
	}
	return r.Publish(ctx, rec.Resources...)
}
