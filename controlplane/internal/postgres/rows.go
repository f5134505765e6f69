package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/proto/fault"
)

// list runs one query of a tenant and collects its rows.
func list[T any](ctx context.Context, db *DB, tenantID string, scan pgx.RowToFunc[T], sql string, args ...any) (out []T, err error) {
	err = db.InTenant(ctx, tenantID, func(tx Tx) error {
		out, err = all(ctx, tx, scan, sql, args...)
		return err
	})
	return out, err
}

func all[T any](ctx context.Context, tx Tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// get is all for the one row that must be there: ErrNotFound otherwise.
func get[T any](ctx context.Context, tx Tx, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, err
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	return v, found(err)
}

func exists(ctx context.Context, tx Tx, sql string, args ...any) (found bool, err error) {
	err = tx.QueryRow(ctx, "SELECT EXISTS ("+sql+")", args...).Scan(&found)
	return found, err
}

// sameVersion refuses a change of something that changed since the caller
// read it; match 0 means that the caller does not care.
func sameVersion(have, match int64) error {
	if match != 0 && match != have {
		return fault.New(fault.PreconditionFailed, "", nil)
	}
	return nil
}

// capped refuses one more row of a tenant beyond the cap. Two at once may pass
// together by one or two: the cap protects memory, it is no promise.
func capped(ctx context.Context, tx Tx, tenantID, table string, most int) error {
	where := " WHERE tenant_id = $1"
	if table != "route" && table != "member" {
		where += " AND retired_at IS NULL"
	}
	var n int
	err := tx.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()+where, tenantID).Scan(&n)
	if err != nil {
		return fmt.Errorf("count %s of %s: %w", table, tenantID, err)
	}
	if n >= most {
		return fault.Newf(fault.Conflict, "This tenant has %d of these, the most that is allowed. Remove one first.", n)
	}
	return nil
}
