package stand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollgate/tollgate/scripts/internal/proc"
)

func (s *Stand) startPostgres(ctx context.Context) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	addr, err := FreeAddr()
	if err != nil {
		return err
	}
	// Not below Dir, which Postgres's own user may have no way into.
	home, err := os.MkdirTemp("", "tollgate-postgres-")
	if err != nil {
		return err
	}
	s.postgresHome = home
	who, err := postgresUser(home)
	if err != nil {
		return err
	}
	data := filepath.Join(home, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = home, &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s.DatabaseURL = "postgres://postgres@" + addr + "/postgres?sslmode=disable"
	s.appURL = s.DatabaseURL
	args := []string{"-D", data, "-p", addr[len("127.0.0.1:"):], "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=100"}
	if !s.cfg.Durable {
		args = append(args, "-c", "fsync=off")
	}
	spec := s.spec("postgres", filepath.Join(bin, "postgres"), nil, args...)
	spec.Dir, spec.User, spec.StopSignal = home, who, syscall.SIGINT
	spec.Ready = func(ctx context.Context) error {
		c, err := s.Connect(ctx)
		if err != nil {
			return err
		}
		return c.Close(ctx)
	}
	s.Postgres = proc.New(spec)
	return s.Postgres.Start(ctx)
}

// RestartPostgres starts Postgres after its postmaster was killed. The other
// processes of the old one end by themselves a little later; until then the
// data directory is taken, and a start fails.
func (s *Stand) RestartPostgres(ctx context.Context) error {
	for {
		err := s.Postgres.Start(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, proc.ErrExited) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Connect opens a superuser's connection to the database.
func (s *Stand) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.DatabaseURL)
}

func postgresBin() (string, error) {
	if dir := filepath.Dir(look("postgres")); dir != "." {
		return dir, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return found[0], nil
	}
	return "", errors.New("no Postgres found: install the package postgresql, or put its programs on PATH")
}

func look(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	return path
}

func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// postgresUser is whom Postgres runs as: it refuses root.
func postgresUser(home string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("find a user to run Postgres as: %w", err)
		}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(home, uid, gid)); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
