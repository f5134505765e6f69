package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// doctorTimeout bounds one question of the doctor: it may read the whole
// ledger.
const doctorTimeout = "10min"

// Violations counts the rows of an invariant query, up to most, and shows the
// first.
func (db *DB) Violations(ctx context.Context, query string, since time.Time, most int) (rows int64, first string, err error) {
	err = inTx(ctx, db.system, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx Tx) error {
		rows, first, err = ViolationsIn(ctx, tx, query, since, most)
		return err
	})
	return rows, first, err
}

// ViolationsIn is Violations as one transaction sees it.
func ViolationsIn(ctx context.Context, tx Tx, query string, since time.Time, most int) (rows int64, first string, err error) {
	if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", doctorTimeout); err != nil {
		return 0, "", err
	}
	// A query that does not need the parameter would not know its type.
	sql := `WITH since AS (SELECT $1::timestamptz), found AS MATERIALIZED (SELECT row_to_json(v)::text AS row FROM (` + query + `) v LIMIT $2)
		SELECT count(*), coalesce(min(row), '') FROM found`
	err = tx.QueryRow(ctx, sql, since, most).Scan(&rows, &first)
	return rows, first, err
}

// BrokenChains counts audit chains that do not hold, and tells of the first.
func (db *DB) BrokenChains(ctx context.Context) (int64, string, error) {
	broken, err := db.BrokenAuditChains(ctx)
	if err != nil || len(broken) == 0 {
		return 0, "", err
	}
	return int64(len(broken)), fmt.Sprint(broken[0]), nil
}
