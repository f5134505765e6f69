package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/controlplane/internal/audit"
)

const auditSelect = `SELECT tenant_id, seq, at, actor_kind, actor_id, actor_name, action, resource_kind, resource_id, request_id, client_ip,
	detail, prev_hash, hash FROM audit_entry WHERE tenant_id = $1 `

func scanAudit(row pgx.CollectableRow) (e audit.Entry, err error) {
	err = row.Scan(&e.TenantID, &e.Seq, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Name, &e.Action, &e.ResourceKind, &e.ResourceID,
		&e.Actor.RequestID, &e.Actor.ClientIP, &e.Detail, &e.PrevHash, &e.Hash)
	return e, err
}

// AuditEntries lists a chain, newest first; "" is the operator's.
func (db *DB) AuditEntries(ctx context.Context, tenantID string, before int64, limit int) (out []audit.Entry, err error) {
	const sql = auditSelect + `AND ($2 = 0 OR seq < $2) ORDER BY seq DESC LIMIT $3`
	if tenantID != "" {
		return list(ctx, db, tenantID, scanAudit, sql, tenantID, before, limit)
	}
	err = db.InSystem(ctx, func(tx Tx) error {
		out, err = all(ctx, tx, scanAudit, sql, tenantID, before, limit)
		return err
	})
	return out, err
}

// VerifyAudit checks the whole chain of a tenant ("" is the operator's). A
// chain that does not hold is an *audit.Broken.
func (db *DB) VerifyAudit(ctx context.Context, tenantID string) error {
	return inTx(ctx, db.system, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx Tx) error {
		return verifyAudit(ctx, tx, tenantID)
	})
}

// BrokenAuditChains checks every chain there is, and returns those that do not
// hold.
func (db *DB) BrokenAuditChains(ctx context.Context) (broken []*audit.Broken, err error) {
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = inTx(ctx, db.system, opts, func(tx Tx) error {
		// A chain without a head, and a head without a chain, are both broken.
		tenants, err := all(ctx, tx, pgx.RowTo[string], `SELECT tenant_id FROM audit_head UNION SELECT tenant_id FROM audit_entry ORDER BY 1`)
		if err != nil {
			return fmt.Errorf("list audit chains: %w", err)
		}
		for _, t := range tenants {
			err := verifyAudit(ctx, tx, t)
			if b, ok := errors.AsType[*audit.Broken](err); ok {
				broken = append(broken, b)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return broken, err
}

// verifyAudit reads a chain in pages, so that its length is not held in
// memory.
func verifyAudit(ctx context.Context, tx Tx, tenantID string) error {
	const pageSize = 1000
	v := audit.NewVerifier(tenantID, entryHash)
	for after := int64(0); ; {
		entries, err := all(ctx, tx, scanAudit, auditSelect+`AND seq > $2 ORDER BY seq LIMIT $3`, tenantID, after, pageSize)
		if err != nil {
			return fmt.Errorf("read audit chain of %q: %w", tenantID, err)
		}
		for _, e := range entries {
			if err := v.Next(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(entries) < pageSize {
			break
		}
	}
	var head audit.Head
	err := tx.QueryRow(ctx, `SELECT seq, hash FROM audit_head WHERE tenant_id = $1`, tenantID).Scan(&head.Seq, &head.Hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read audit head of %q: %w", tenantID, err)
	}
	if head.Hash == nil {
		head.Hash = []byte{}
	}
	return v.End(head)
}

func entryHash(prev []byte, e audit.Entry) ([]byte, error) {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return nil, fmt.Errorf("audit detail: %w", err)
	}
	return AuditHash(prev, e.TenantID, e.Seq, e.At, e.Actor, e.Entry, detail)
}
