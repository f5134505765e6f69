// Package postgres owns every SQL statement of the control plane, a file per
// noun, and the two ways to the database: as one tenant, under row-level
// security, and as the system, for work across tenants. It knows rows and
// transactions; what a change means is the business of the noun packages.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tollgate/tollgate/proto/fault"
)

// DB holds a pool per role. Statements of a pool cannot leave its role's
// rights: neither role owns a table or bypasses row-level security.
type DB struct {
	app    *pgxpool.Pool
	system *pgxpool.Pool
}

// Tx is a transaction that a store method takes part in.
type Tx = pgx.Tx

const (
	appRole    = "tollgate_app"
	systemRole = "tollgate_system"

	// statementTimeout bounds every statement: no page may hold a connection.
	statementTimeout = "5s"
	connectTimeout   = 2 * time.Second
)

// Open connects both pools. The user of url must be a member of both roles,
// which the migrations arrange for the user that ran them.
func Open(ctx context.Context, url string, maxConns int32) (*DB, error) {
	app, err := openPool(ctx, url, appRole, maxConns)
	if err != nil {
		return nil, err
	}
	system, err := openPool(ctx, url, systemRole, maxConns)
	if err != nil {
		app.Close()
		return nil, err
	}
	return &DB{app: app, system: system}, nil
}

func openPool(ctx context.Context, url, role string, maxConns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	if maxConns > 0 {
		cfg.MaxConns = maxConns
	}
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	cfg.ConnConfig.RuntimeParams["application_name"] = "tollgate"
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = statementTimeout
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		// Times are UTC everywhere, whatever the machine's zone.
		c.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		_, err := c.Exec(ctx, "SET ROLE "+role)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database pool of %s: %w", role, err)
	}
	return pool, nil
}

// Close ends both pools after their statements.
func (db *DB) Close() {
	db.app.Close()
	db.system.Close()
}

// InTenant runs fn in one transaction that sees the rows of tenantID alone.
func (db *DB) InTenant(ctx context.Context, tenantID string, fn func(Tx) error) error {
	if tenantID == "" {
		return errors.New("a tenant transaction needs a tenant")
	}
	return inTx(ctx, db.app, pgx.TxOptions{}, func(tx Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('tollgate.tenant_id', $1, true)", tenantID); err != nil {
			return err
		}
		return fn(tx)
	})
}

// InSystem runs fn in one transaction across tenants. Each caller must have
// decided that the work is the operator's, or belongs to no tenant yet.
func (db *DB) InSystem(ctx context.Context, fn func(Tx) error) error {
	return inTx(ctx, db.system, pgx.TxOptions{}, fn)
}

// SystemConn takes a connection of the system role out of the pool, for
// sessions that hold a lock or listen. The caller releases it.
func (db *DB) SystemConn(ctx context.Context) (*pgxpool.Conn, error) {
	c, err := db.system.Acquire(ctx)
	if err != nil {
		return nil, translate(err)
	}
	return c, nil
}

func inTx(ctx context.Context, pool *pgxpool.Pool, opts pgx.TxOptions, fn func(Tx) error) error {
	tx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return translate(err)
	}
	// Does nothing after a commit. When ctx has ended, the connection is
	// dropped instead, and the server rolls back by itself.
	defer tx.Rollback(ctx)
	if err := fn(tx); err != nil {
		return translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return translate(&commitError{err})
	}
	return nil
}

// commitError is a commit that failed. Unless the server said so itself,
// nobody knows whether it took effect.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// OutcomeUnknown reports whether the change may have been made all the same.
func (e *commitError) OutcomeUnknown() bool {
	// pgconn.SafeToRetry is no help: a connection that is lost while the
	// answer is awaited reads "conn closed", which it takes for unsent.
	pg, answered := errors.AsType[*pgconn.PgError](e.err)
	if answered && strings.HasPrefix(pg.Code, "57P") {
		return true // the server was ended while it committed
	}
	return !answered && !errors.Is(e.err, pgx.ErrTxCommitRollback)
}

// ErrNotFound says that there is no such row for this tenant.
var ErrNotFound = fault.New(fault.NotFound, "", nil)

// translate gives errors of the database their public face. A fault passes.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return f
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "23505": // unique_violation
			return fault.New(fault.AlreadyExists, "", err)
		case "23503": // foreign_key_violation
			return fault.New(fault.InUse, "", err)
		case "23514", "22001", "22P02": // check, length, text form
			return fault.New(fault.ValidationFailed, "", err)
		case "40001", "40P01": // serialization, deadlock
			return fault.New(fault.Conflict, "Another change was faster. Repeat yours.", err)
		case "57P01", "57P02", "57P03", "53300", "57014", "55P03": // shutdown, starting, connections, timeout, lock timeout
			return fault.New(fault.DatabaseDown, "", err)
		}
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fault.New(fault.DatabaseDown, "", err)
	}
	var netErr net.Error
	if errors.As(err, &netErr) || pgconn.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fault.New(fault.DatabaseDown, "", err)
	}
	return err
}
