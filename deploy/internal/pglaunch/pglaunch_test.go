package pglaunch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reachableDir is a temporary directory that the server's account can enter:
// the testing package's own are closed to everyone else.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// installed limits a test to what the machine has: nothing is fetched.
func installed(t *testing.T) []Finder {
	t.Helper()
	return Routes(SystemLookups(), DefaultCacheDir())[:6]
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// greet opens a connection with the protocol's first message and returns the
// kind of the answer: 'R' asks for the password, 'E' is an error.
func greet(t *testing.T, rawURL string) byte {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		return 0
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	body := "\x00\x03\x00\x00user\x00" + Owner + "\x00database\x00" + Database + "\x00\x00"
	size := len(body) + 4
	fmt.Fprintf(c, "%c%c%c%c%s", size>>24, size>>16&255, size>>8&255, size&255, body)
	var kind [1]byte
	if _, err := io.ReadFull(c, kind[:]); err != nil {
		return 0
	}
	return kind[0]
}

func pid(t *testing.T, s *Server) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.clusterPath(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// until polls a condition, bounded.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestStartStopAndKeepData(t *testing.T) {
	dir := reachableDir(t)
	cfg := Config{Dir: filepath.Join(dir, "postgres"), Finders: installed(t)}
	s := start(t, cfg)
	if k := greet(t, s.URL()); k != 'R' {
		t.Fatalf("the server answered %q, want a question for the password", k)
	}
	first, password := pid(t, s), s.password
	begin := time.Now()
	s.Stop()
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("stop took %v", d)
	}
	if alive(first) {
		t.Error("a process is left after Stop")
	}
	s = start(t, cfg)
	defer s.Stop()
	if s.password != password {
		t.Error("the second start made a new password")
	}
	if k := greet(t, s.URL()); k != 'R' {
		t.Fatalf("the second start answers %q", k)
	}
}

func TestSecretsAreNotReadableByOthers(t *testing.T) {
	cfg := Config{Dir: filepath.Join(reachableDir(t), "postgres"), Finders: installed(t)}
	s := start(t, cfg)
	defer s.Stop()
	for name, want := range map[string]os.FileMode{passwordFile: 0o600, logFile: 0o600, clusterDir: 0o700} {
		st, err := os.Stat(filepath.Join(cfg.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, st.Mode().Perm(), want)
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "initdb-password")); !os.IsNotExist(err) {
		t.Error("the file handed to initdb is still there")
	}
}

func TestKilledServerComesBackOnTheSamePort(t *testing.T) {
	s := start(t, Config{Dir: filepath.Join(reachableDir(t), "postgres"), Finders: installed(t)})
	defer s.Stop()
	before, at := s.URL(), pid(t, s)
	if err := syscall.Kill(at, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the killed process ends", func() bool { return !alive(at) })
	until(t, "the server answers again", func() bool { return greet(t, before) == 'R' })
	if s.URL() != before {
		t.Error("the address changed")
	}
}

func TestLeftoverOfAKilledRunIsStopped(t *testing.T) {
	cfg := Config{Dir: filepath.Join(reachableDir(t), "postgres"), Finders: installed(t)}
	s := start(t, cfg)
	s.Stop()
	// A server without a supervisor, as after a kill -9 of the parent on a system
	// without parent-death signals.
	left, err := s.launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer left.stop()
	second := start(t, cfg)
	defer second.Stop()
	select {
	case <-left.exited:
	case <-time.After(10 * time.Second):
		t.Error("the earlier server still runs")
	}
	if greet(t, second.URL()) != 'R' {
		t.Error("the second server does not answer")
	}
}

func TestKeptDataOfAnotherVersion(t *testing.T) {
	dir := reachableDir(t)
	cluster := filepath.Join(dir, clusterDir)
	if err := os.MkdirAll(cluster, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("99\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Dir: dir, Finders: installed(t)})
	if err == nil || !strings.Contains(err.Error(), "Postgres 99") {
		t.Fatalf("want an error that names both versions, got %v", err)
	}
}

func TestUnreachableDirectoryIsExplained(t *testing.T) {
	a := &account{name: "postgres", credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	dir := filepath.Join(t.TempDir(), "closed", "postgres")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := a.canReach(dir)
	if err == nil || !strings.Contains(err.Error(), "TOLLGATE_DATA_DIR") {
		t.Fatalf("want an explanation that names the variable, got %v", err)
	}
}

func TestParallelServers(t *testing.T) {
	for i := range 3 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s := start(t, Config{Dir: filepath.Join(reachableDir(t), "postgres"), Finders: installed(t)})
			defer s.Stop()
			if greet(t, s.URL()) != 'R' {
				t.Error("no answer")
			}
		})
	}
}
