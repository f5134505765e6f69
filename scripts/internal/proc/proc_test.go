package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func shell(t *testing.T, script string, ready func(context.Context) error) *Process {
	t.Helper()
	p := New(Spec{Name: "sh", Path: "/bin/sh", Args: []string{"-c", script}, LogDir: t.TempDir(), Env: Clean(nil), Ready: ready})
	t.Cleanup(p.Kill)
	return p
}

func TestStartKillStart(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	ready := func(context.Context) error { _, err := os.Stat(mark); return err }
	p := shell(t, "echo hello; touch "+mark+"; sleep 100", ready)
	for range 2 {
		os.Remove(mark)
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !p.Running() || p.Pid() == 0 {
			t.Fatal("not running")
		}
		p.Kill()
		if p.Running() || p.Pid() != 0 {
			t.Fatal("still running")
		}
	}
	if got := p.LogTail(100); got != "hello\nhello\n" {
		t.Errorf("log %q", got)
	}
}

func TestAProcessThatEndsIsNotWaitedFor(t *testing.T) {
	p := shell(t, "echo cannot work; exit 3", func(context.Context) error { return errors.New("no") })
	err := p.Start(t.Context())
	if !errors.Is(err, ErrExited) || !strings.Contains(err.Error(), "cannot work") {
		t.Errorf("error %v", err)
	}
}

func TestStop(t *testing.T) {
	p := shell(t, "trap 'exit 0' TERM; while :; do sleep 0.01; done", nil)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestCPUCountsChildren(t *testing.T) {
	p := shell(t, "(while :; do :; done) & wait", nil)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		used, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if used >= 50*time.Millisecond {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("used only %v", used)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if rss, err := p.RSS(); err != nil || rss < 100<<10 {
		t.Errorf("memory %d, %v", rss, err)
	}
}

func TestParseStat(t *testing.T) {
	s, err := parseStat("42 (a ) b) S 7 1 1 0 -1 4194304 1 2 3 4 55 66 0 0 20 0 1 0 100 2000 321 184467")
	if err != nil || s != (stat{parent: 7, utime: 55, stime: 66, rss: 321}) {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := parseStat("garbage"); err == nil {
		t.Error("garbage was taken")
	}
}
