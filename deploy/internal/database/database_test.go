package database

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/deploy/internal/pglaunch"
)

// launch starts a private Postgres from some of the routes to its binaries.
func launch(t *testing.T, routes []pglaunch.Finder) *pglaunch.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-database-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := pglaunch.Start(ctx, pglaunch.Config{Dir: filepath.Join(dir, "postgres"), Finders: routes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func migrateTwice(t *testing.T, url string) {
	t.Helper()
	if err := Check(t.Context(), url); err == nil || !strings.Contains(err.Error(), "tollgate migrate") {
		t.Errorf("an empty database passes the check: %v", err)
	}
	n, err := Migrate(t.Context(), url)
	if err != nil || n == 0 {
		t.Fatalf("%d migrations, %v", n, err)
	}
	if n, err := Migrate(t.Context(), url); err != nil || n != 0 {
		t.Errorf("the second run applied %d, %v", n, err)
	}
	if err := Check(t.Context(), url); err != nil {
		t.Error(err)
	}
}

// The owner of the private database is no superuser: migrations must do with
// what it may, on the oldest version that we support and on the newest.
func TestMigrationsNeedNoSuperuser(t *testing.T) {
	t.Run("installed", func(t *testing.T) {
		cache := pglaunch.DefaultCacheDir()
		migrateTwice(t, launch(t, pglaunch.Routes(pglaunch.SystemLookups(), cache)[:6]).URL())
	})
	t.Run("fetched", func(t *testing.T) {
		if _, err := exec.LookPath("npm"); err != nil {
			t.Log("without npm there is nothing to fetch with")
			return
		}
		cache, err := os.MkdirTemp("", "tollgate-cache-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(cache) })
		if err := os.Chmod(cache, 0o711); err != nil {
			t.Fatal(err)
		}
		migrateTwice(t, launch(t, pglaunch.Routes(pglaunch.SystemLookups(), cache)[6:7]).URL())
	})
}

func TestErrorsSayWhatToDoAndKeepThePassword(t *testing.T) {
	for _, url := range []string{"nonsense://u:hunter2@x", "postgres://u:hunter2@127.0.0.1:1/x"} {
		_, err := Migrate(t.Context(), url)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	if _, err := Migrate(t.Context(), "postgres://u@127.0.0.1:1/x"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}
