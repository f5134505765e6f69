package pglaunch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// initCluster makes the cluster beside its place and renames it, so that an
// interrupted first start leaves nothing that looks whole.
func (s *Server) initCluster(ctx context.Context) error {
	fresh := s.clusterPath() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove a half-made cluster: %w", err)
	}
	if err := s.owner.mkdir(fresh); err != nil {
		return err
	}
	password, err := s.newPassword()
	if err != nil {
		return err
	}
	superuser, err := s.superuserPassword(password)
	if err != nil {
		return err
	}
	defer os.Remove(superuser)
	_, err = s.run(ctx, "", "initdb", "-D", fresh, "-U", "postgres", "--pwfile", superuser,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C")
	if err != nil {
		return fmt.Errorf("make the private Postgres cluster: %w", err)
	}
	if err := s.bootstrap(ctx, fresh, password); err != nil {
		return err
	}
	if err := os.Rename(fresh, s.clusterPath()); err != nil {
		return fmt.Errorf("make the private Postgres cluster: %w", err)
	}
	return nil
}

// superuserPassword writes the file that initdb wants. It lies outside the new
// directory, which must be empty, and belongs to the account that reads it.
func (s *Server) superuserPassword(password string) (string, error) {
	name := filepath.Join(s.cfg.Dir, "initdb-password")
	if err := os.WriteFile(name, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("make the private Postgres cluster: %w", err)
	}
	return name, s.owner.chown(name)
}

// bootstrap makes the owner role and the database in single-user mode: no
// client program is needed, which the fetched binaries do not have.
func (s *Server) bootstrap(ctx context.Context, cluster, password string) error {
	statements := fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD '%s'\n"+
		"CREATE DATABASE %s OWNER %s\n", Owner, password, Database, Owner)
	if _, err := s.run(ctx, statements, "postgres", "--single", "-D", cluster,
		"-c", "unix_socket_directories=", "postgres"); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}

// run runs one of the server's programs to its end under the server's account.
func (s *Server) run(ctx context.Context, stdin, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin.Dir, program), args...)
	s.setUp(cmd)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", program, err, lastLines(string(out), 5))
	}
	// Single-user mode reports a failed statement and still ends well.
	if i := strings.Index(string(out), "ERROR:"); i >= 0 {
		return string(out), fmt.Errorf("%s: %s", program, lastLines(string(out)[i:], 5))
	}
	return string(out), nil
}

// setUp gives a command the server's account and a small environment: PGHOST
// and its like from the caller's shell must not change what it does.
func (s *Server) setUp(cmd *exec.Cmd) {
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A group of its own: Ctrl-C in the terminal must not reach Postgres
		// before the programs that use it have stopped.
		Setpgid:    true,
		Credential: s.owner.credential,
	}
	dieWithParent(cmd.SysProcAttr)
}

// stopLeftover stops a server that a killed run left behind on this cluster.
// The caller holds the data directory's lock, so it belongs to nobody.
func (s *Server) stopLeftover(ctx context.Context) error {
	pidFile := filepath.Join(s.clusterPath(), "postmaster.pid")
	if _, err := os.Stat(pidFile); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := s.run(ctx, "", "pg_ctl", "status", "-D", s.clusterPath()); err != nil {
		// No such process: Postgres removes the stale file itself.
		return nil
	}
	s.cfg.Progress("stopping a Postgres that an earlier run left behind")
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := s.run(ctx, "", "pg_ctl", "stop", "-D", s.clusterPath(), "-m", "fast", "-w", "-t", "15"); err != nil {
		return fmt.Errorf("stop the Postgres that an earlier run left behind: %w", err)
	}
	return nil
}
