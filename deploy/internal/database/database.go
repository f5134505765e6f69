// Package database owns the few things that the one binary does to Postgres
// itself: bring the schema up to date, and ask how far it is. It knows no
// tables; those belong to migrations and the control plane.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tollgate/tollgate/migrations"
)

var (
	// ErrUnreachable says that no connection came about.
	ErrUnreachable = errors.New("the database cannot be reached")
	// ErrURL stands for the library's text, which may quote the URL, and with it
	// the password.
	ErrURL = errors.New("TOLLGATE_DATABASE_URL is not a Postgres URL such as postgres://user:password@host:5432/tollgate")
)

// Migrate applies what is missing and returns how many migrations that were.
func Migrate(ctx context.Context, url string) (int, error) {
	db, err := open(ctx, url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return migrations.Up(ctx, db)
}

// Check fails unless the schema is exactly what this binary needs.
func Check(ctx context.Context, url string) error {
	db, err := open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	return migrations.Check(ctx, db)
}

func open(ctx context.Context, url string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, ErrURL
	}
	db := stdlib.OpenDB(*cfg)
	ping, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := db.PingContext(ping); err != nil {
		db.Close()
		return nil, fmt.Errorf("%w at %s:%d, database %s: %s", ErrUnreachable, cfg.Host, cfg.Port, cfg.Database, reason(err))
	}
	return db, nil
}

// reason is what the network or the server said. The library tells it once for
// each attempt, each time behind all that it was about to do.
func reason(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Message
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
