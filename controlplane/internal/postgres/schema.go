package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tollgate/tollgate/migrations"
)

// Migrate brings a database to this version and returns how many steps that
// took. A database from a newer version is left alone: migrations.ErrNewer.
func Migrate(ctx context.Context, url string) (int, error) {
	db, err := openSQL(url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return migrations.Up(ctx, db)
}

// CheckSchema fails unless the database is exactly at this version.
func CheckSchema(ctx context.Context, url string) error {
	db, err := openSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	return migrations.Check(ctx, db)
}

// Await returns once the database answers, or says why it did not.
func Await(ctx context.Context, url string, patience time.Duration, log *slog.Logger) error {
	db, err := openSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		log.WarnContext(ctx, "waiting for Postgres", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from Postgres at TOLLGATE_DATABASE_URL within %s; is it running, and may we reach it? %w", patience, err)
		case <-time.After(wait):
		}
	}
}

// CheckURL says whether url is one of Postgres, without its password.
func CheckURL(url string) error {
	if _, err := pgx.ParseConfig(url); err != nil {
		return errURL
	}
	return nil
}

func openSQL(url string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errURL
	}
	cfg.ConnectTimeout = connectTimeout
	return stdlib.OpenDB(*cfg), nil
}

// errURL stands for the parser's message, which may hold the password.
var errURL = errors.New("TOLLGATE_DATABASE_URL is not a Postgres URL such as postgres://user:password@host:5432/tollgate")
