// Package postgrestest gives tests real databases: one private Postgres per
// test process, migrated once, and a copy of it for each test.
package postgrestest

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/migrations"
)

type cluster struct {
	base string // URL without a database name
	dir  string
	cmd  *exec.Cmd
}

var (
	once    sync.Once
	shared  *cluster
	failure error
	counter atomic.Int64
)

// URL makes a migrated database for this test and returns its URL. Set
// TOLLGATE_TEST_DATABASE_URL to a superuser's URL to use a cluster of your own.
func URL(tb testing.TB) string {
	tb.Helper()
	once.Do(func() { shared, failure = start() })
	if failure != nil {
		tb.Fatalf("start Postgres for tests: %v", failure)
	}
	name := fmt.Sprintf("t%d_%d", os.Getpid(), counter.Add(1))
	admin := connect(tb, shared.base+"/postgres")
	defer admin.Close()
	if _, err := admin.Exec("CREATE DATABASE " + name + " TEMPLATE tollgate_template STRATEGY file_copy"); err != nil {
		tb.Fatalf("make test database: %v", err)
	}
	tb.Cleanup(func() {
		admin := connect(tb, shared.base+"/postgres")
		defer admin.Close()
		if _, err := admin.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("drop test database: %v", err)
		}
	})
	return shared.base + "/" + name
}

// Open gives this test a database of its own.
func Open(tb testing.TB) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(context.Background(), URL(tb), 8)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	return db
}

// Main runs the tests of a package and stops the cluster after them; call it
// from TestMain.
func Main(m *testing.M) int {
	defer func() {
		if shared != nil && shared.cmd != nil {
			shared.cmd.Process.Signal(syscall.SIGINT)
			shared.cmd.Wait()
			os.RemoveAll(shared.dir)
		}
	}()
	return m.Run()
}

func connect(tb testing.TB, url string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

func start() (*cluster, error) {
	c := &cluster{base: os.Getenv("TOLLGATE_TEST_DATABASE_URL")}
	if c.base == "" {
		if err := c.launch(); err != nil {
			return nil, err
		}
	}
	return c, c.template()
}

func (c *cluster) launch() error {
	bin, err := binDir()
	if err != nil {
		return err
	}
	c.dir, err = os.MkdirTemp("", "tollgate-pg-")
	if err != nil {
		return err
	}
	attr, err := dropRoot(c.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, c.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.base = fmt.Sprintf("postgres://postgres@127.0.0.1:%d", port)
	return c.run(bin, attr, port)
}

// run starts the server on the data that launch made, and waits for it.
func (c *cluster) run(bin string, attr *syscall.SysProcAttr, port int) error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Without fsync, but with each commit written out before its answer: tests
	// kill the server, not the machine, and what was committed must be there.
	c.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "max_connections=200")
	c.cmd.SysProcAttr, c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = attr, c.dir, log, log
	if err := c.cmd.Start(); err != nil {
		return err
	}
	return c.await()
}

func (c *cluster) await() error {
	db, err := sql.Open("pgx", c.base+"/postgres")
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.Now().Add(30 * time.Second)
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("postgres did not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// template migrates one database that the others are copied from. With a
// cluster that several test processes share, the first one makes it.
func (c *cluster) template() error {
	admin, err := sql.Open("pgx", c.base+"/postgres")
	if err != nil {
		return err
	}
	defer admin.Close()
	admin.SetMaxOpenConns(1) // the advisory lock belongs to the session
	if _, err := admin.Exec("SELECT pg_advisory_lock(7302)"); err != nil {
		return err
	}
	defer admin.Exec("SELECT pg_advisory_unlock(7302)")
	var exists bool
	if err := admin.QueryRow("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'tollgate_template')").Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := admin.Exec("CREATE DATABASE tollgate_template"); err != nil {
			return err
		}
	}
	db, err := sql.Open("pgx", c.base+"/tollgate_template")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = migrations.Up(context.Background(), db)
	return err
}

func binDir() (string, error) {
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", fmt.Errorf("no Postgres on PATH or in /usr/lib/postgresql: install it (Debian: apt-get install postgresql)")
	}
	// By number: 9 is older than 15.
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // a name that is no number comes last
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })), nil
}

// dropRoot makes dir usable by an ordinary user when we are root, because
// Postgres refuses to run as root, and has the kernel end it with us.
func dropRoot(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
