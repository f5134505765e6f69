// Package migrations owns the shape of the database: numbered SQL files,
// applied in order by goose under a Postgres lock. It knows no rows.
//
// Each migration must let the program version before it run on, and each
// program must run before and after the migration that it came with.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sql/*.sql
var files embed.FS

// ErrNewer says that the database was migrated by a newer version of Tollgate.
var ErrNewer = errors.New("the database belongs to a newer version of Tollgate")

// Latest is the newest migration that this version knows.
func Latest() (int64, error) {
	p, err := provider(nil)
	if err != nil {
		return 0, err
	}
	s := p.ListSources()
	return s[len(s)-1].Version, nil
}

// Up applies what is missing and returns how many migrations that were. A
// database that is ahead of this version is left alone: ErrNewer.
func Up(ctx context.Context, db *sql.DB) (int, error) {
	p, err := provider(db)
	if err != nil {
		return 0, err
	}
	if err := check(ctx, p); err != nil {
		return 0, err
	}
	done, err := p.Up(ctx)
	if err != nil {
		return len(done), fmt.Errorf("migrate: %w", err)
	}
	return len(done), nil
}

// Check fails unless the database is exactly at this version.
func Check(ctx context.Context, db *sql.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	if err := check(ctx, p); err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if pending {
		return errors.New("the database is behind this version: run `tollgate migrate`")
	}
	return nil
}

func check(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > target {
		return fmt.Errorf("%w: it is at schema %d, this binary knows up to %d; run the newer binary, or restore a backup from before the upgrade", ErrNewer, current, target)
	}
	return nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	sub, err := fs.Sub(files, "sql")
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	if db == nil {
		// goose wants a database even to list files; it is never connected to.
		db = sql.OpenDB(noConnector{})
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, sub, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}
