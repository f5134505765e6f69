package pglaunch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second // crash recovery included
	fastStop     = 3 * time.Second
	maxLog       = 10 << 20
)

// process is one run of the server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // valid after exited is closed
}

// launch starts the server on a free port. Another program may take the port
// between the look and the start: then the next one is tried.
func (s *Server) launch(ctx context.Context) (*process, error) {
	var err error
	for range 5 {
		var port int
		if port, err = freePort(); err != nil {
			return nil, err
		}
		var p *process
		if p, err = s.startOn(ctx, port); err == nil {
			s.port = port
			return p, nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			return nil, err
		}
	}
	return nil, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port for the private Postgres: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) startOn(ctx context.Context, port int) (*process, error) {
	out, err := s.openLog()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	before, err := out.Seek(0, 2)
	if err != nil {
		return nil, fmt.Errorf("open the log of the private Postgres: %w", err)
	}
	args := []string{"-D", s.clusterPath(), "-p", strconv.Itoa(port)}
	for _, c := range []string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100",
		"timezone=UTC", "log_timezone=UTC", "log_checkpoints=off", "logging_collector=off",
		"log_statement=none", "log_min_error_statement=panic",
	} {
		args = append(args, "-c", c)
	}
	cmd := exec.Command(filepath.Join(s.bin.Dir, "postgres"), args...)
	s.setUp(cmd)
	cmd.Stdout, cmd.Stderr = out, out
	p, err := spawn(cmd)
	if err != nil {
		return nil, fmt.Errorf("start the private Postgres: %w", err)
	}
	if err := s.waitReady(ctx, p); err != nil {
		p.stop()
		return nil, fmt.Errorf("start the private Postgres: %w: %s", err, s.logSince(before))
	}
	return p, nil
}

// spawn starts the command from a thread that lives as long as the child: the
// kernel sends the parent-death signal when the thread ends, not the process.
func spawn(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, <-started
}

// waitReady reads the state that the server writes into its own pid file.
func (s *Server) waitReady(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	name := filepath.Join(s.clusterPath(), "postmaster.pid")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-p.exited:
			return errors.New("it ended at once")
		case <-tick.C:
		}
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// Line 1 is the process, line 8 the state.
		lines := strings.Split(string(b), "\n")
		if len(lines) >= 8 && strings.TrimSpace(lines[0]) == strconv.Itoa(p.cmd.Process.Pid) &&
			strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
	}
}

// stop asks for a fast shutdown, then an immediate one, then kills.
func (p *process) stop() {
	for _, step := range []struct {
		signal os.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, time.Second}, {syscall.SIGKILL, time.Minute}} {
		// An error means that it has gone already.
		_ = p.cmd.Process.Signal(step.signal)
		select {
		case <-p.exited:
			return
		case <-time.After(step.wait):
		}
	}
}

func (s *Server) openLog() (*os.File, error) {
	name := filepath.Join(s.cfg.Dir, logFile)
	if st, err := os.Stat(name); err == nil && st.Size() > maxLog {
		if err := os.Rename(name, name+".old"); err != nil {
			return nil, fmt.Errorf("turn the log of the private Postgres: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of the private Postgres: %w", err)
	}
	return f, nil
}

// logSince gives the end of what the server logged after offset.
func (s *Server) logSince(offset int64) string {
	b, err := os.ReadFile(filepath.Join(s.cfg.Dir, logFile))
	if err != nil || int64(len(b)) <= offset {
		return "it logged nothing"
	}
	return lastLines(string(b[offset:]), 8)
}
