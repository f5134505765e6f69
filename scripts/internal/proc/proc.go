// Package proc owns child processes of benchmarks, chaos runs and end-to-end
// tests: it starts them, tells when they are ready, kills them in every way,
// and reads what they cost. A child never outlives its parent. It knows
// nothing of what the processes are.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Spec says how to start a process.
type Spec struct {
	// Name of the process and of its log file.
	Name string
	Path string
	Args []string
	// Env is the whole environment.
	Env []string
	Dir string
	// LogDir is where {Name}.log is appended to.
	LogDir string
	// CPU pins the process to one core; "" leaves it free.
	CPU string
	// User runs the process as somebody else; root only.
	User *syscall.Credential
	// Ready returns nil as soon as the process does its work.
	Ready func(context.Context) error
	// StopSignal asks for a clean end; SIGTERM when 0.
	StopSignal syscall.Signal
}

// Process can be started, killed and started again.
type Process struct {
	spec Spec

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	exit error
}

// New makes a process without starting it.
func New(spec Spec) *Process {
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	return &Process{spec: spec}
}

// Name is the name in the spec.
func (p *Process) Name() string { return p.spec.Name }

// Env is the environment of the next start.
func (p *Process) Env() []string { return p.spec.Env }

// ErrExited is in the error of a process that ended before it was ready.
var ErrExited = errors.New("process ended")

// Start runs the process and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	if err := p.launch(); err != nil {
		return fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	if err := p.Await(ctx); err != nil {
		p.Kill()
		return fmt.Errorf("start %s: %w\n%s", p.spec.Name, err, p.LogTail(2000))
	}
	return nil
}

// Await waits until the process is ready.
func (p *Process) Await(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := p.spec.Ready(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("%w: %v", ErrExited, p.exit)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (%w)", err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// launch starts the process on a thread that lives as long as it does, because
// the kernel's parent-death signal follows the thread.
func (p *Process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return errors.New("already running")
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	path, args := p.spec.Path, p.spec.Args
	if p.spec.CPU != "" {
		path, args = "taskset", append([]string{"-c", p.spec.CPU, path}, args...)
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.spec.Env, p.spec.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: p.spec.User}
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = cmd.Wait()
		p.mu.Lock()
		p.cmd, p.exit = nil, err
		p.mu.Unlock()
		close(done)
	}()
	if err := <-started; err != nil {
		return err
	}
	p.cmd, p.done = cmd, done
	return nil
}

// Running says whether the process runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

// Pid is the process id; 0 when it does not run.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) {
	if pid := p.Pid(); pid != 0 {
		syscall.Kill(pid, s)
	}
}

// Kill ends the process and its children at once (SIGKILL) and waits for it.
func (p *Process) Kill() {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-done
}

// KillAlone sends SIGKILL to the process but not to its children, and waits
// until it has ended: what a real crash of it looks like to them.
func (p *Process) KillAlone() {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
	<-done
}

// Stop asks the process to end and kills it when it does not within limit.
func (p *Process) Stop(limit time.Duration) error {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	syscall.Kill(cmd.Process.Pid, p.spec.StopSignal)
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		p.Kill()
		return fmt.Errorf("stop %s: still there after %v", p.spec.Name, limit)
	}
}

func (p *Process) logPath() string { return filepath.Join(p.spec.LogDir, p.spec.Name+".log") }

// LogTail is the end of what the process wrote.
func (p *Process) LogTail(n int64) string {
	f, err := os.Open(p.logPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	if size, err := f.Seek(0, 2); err == nil {
		f.Seek(max(0, size-n), 0)
	}
	buf := make([]byte, n)
	got, _ := f.Read(buf)
	return string(buf[:got])
}

// Clean keeps a child's environment free of what tests or people have set: it
// is the part of ours that any program needs.
func Clean(extra map[string]string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "GOCACHE", "GOMODCACHE", "GOFLAGS"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for k, v := range extra {
		env = append(env, k+"="+v)
	}
	return env
}

// ticks is the kernel's USER_HZ, 100 on every Linux that Go runs on.
const ticks = 100

// CPU is the processor time, user and system, that the process and its living
// children have used.
func (p *Process) CPU() (time.Duration, error) {
	pid := p.Pid()
	if pid == 0 {
		return 0, fmt.Errorf("processor time of %s: %w", p.spec.Name, ErrExited)
	}
	pids, err := family(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, id := range pids {
		s, err := readStat(id)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(s.utime+s.stime) * time.Second / ticks
	}
	return sum, nil
}

// RSS is the resident memory of the process and its children in bytes.
func (p *Process) RSS() (int64, error) {
	pid := p.Pid()
	if pid == 0 {
		return 0, fmt.Errorf("memory of %s: %w", p.spec.Name, ErrExited)
	}
	pids, err := family(pid)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, id := range pids {
		s, err := readStat(id)
		if err != nil {
			return 0, err
		}
		sum += s.rss * int64(os.Getpagesize())
	}
	return sum, nil
}

// family lists a process and its descendants.
func family(root int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out, nil
}
