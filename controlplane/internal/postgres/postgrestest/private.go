package postgrestest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Server is a Postgres of one test alone, to be stopped and hurt.
type Server struct {
	// URL of a migrated database.
	URL string

	tb testing.TB
	c  *cluster
}

// Private starts a Postgres for this test.
func Private(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, c: &cluster{}}
	if err := s.c.launch(); err != nil {
		tb.Fatalf("start a private Postgres: %v", err)
	}
	tb.Cleanup(func() {
		s.Thaw()
		s.Kill()
		os.RemoveAll(s.c.dir)
	})
	if err := s.c.template(); err != nil {
		tb.Fatalf("migrate the private Postgres: %v", err)
	}
	s.URL = s.c.base + "/tollgate_template"
	return s
}

// Freeze stops every process of the server where it stands: connections stay
// open and nothing answers.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// Kill ends every process of the server at once.
func (s *Server) Kill() {
	if s.c.cmd == nil {
		return
	}
	s.signal(syscall.SIGKILL)
	// The error is the signal.
	_ = s.c.cmd.Wait()
	s.c.cmd = nil
}

// Start starts a killed server on its old data and port.
func (s *Server) Start() {
	s.tb.Helper()
	bin, err := binDir()
	if err != nil {
		s.tb.Fatal(err)
	}
	attr, err := dropRoot(s.c.dir)
	if err != nil {
		s.tb.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.c.base, "postgres://postgres@"), ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.c.run(bin, attr, n); err != nil {
		s.tb.Fatalf("start Postgres again: %v", err)
	}
}

// signal reaches the postmaster first, so that it starts nothing new, and
// then its children, which have sessions of their own.
func (s *Server) signal(sig syscall.Signal) {
	if s.c.cmd == nil {
		return
	}
	pid := s.c.cmd.Process.Pid
	children := childrenOf(pid)
	for _, p := range append([]int{pid}, children...) {
		// One that has just ended needs no signal.
		_ = syscall.Kill(p, sig)
	}
}

func childrenOf(parent int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// "pid (name) state ppid …", and the name may hold spaces.
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		var state string
		var ppid int
		if _, err := fmt.Sscan(rest, &state, &ppid); err != nil || ppid != parent {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}
