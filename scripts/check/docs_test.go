package check

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// block is a code block of the documentation that is to be run.
type block struct {
	file string
	line int
	text string
}

// runnable finds the blocks fenced as ```sh run.
func runnable(t *testing.T) []block {
	t.Helper()
	var blocks []block
	r := repo(t)
	for _, path := range r.files {
		if filepath.Ext(path) != ".md" {
			continue
		}
		f, err := os.Open(filepath.Join(r.root, path))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b *block
		s := bufio.NewScanner(f)
		for n := 1; s.Scan(); n++ {
			line := s.Text()
			switch {
			case b == nil && strings.TrimSpace(line) == "```sh run":
				b = &block{file: path, line: n}
			case b != nil && strings.TrimSpace(line) == "```":
				blocks, b = append(blocks, *b), nil
			case b != nil:
				b.text += line + "\n"
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		if b != nil {
			t.Errorf("%s:%d: the block is never closed", path, b.line)
		}
	}
	return blocks
}

// up builds the binary and runs everything on a directory of its own; it
// returns the environment for commands.
func up(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// The account that runs Postgres for root must be able to pass.
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "bin", "tollgate")
	build := exec.Command("go", "build", "-o", binary, "./deploy/tollgate")
	build.Dir, build.Env = repo(t).root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "data")
	env := []string{"HOME=" + dir, "PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "TOLLGATE_DATA_DIR=" + data}
	cmd := exec.Command(binary, "up")
	cmd.Env = append(env, "TOLLGATE_GATEWAY_ADDR=127.0.0.1:0", "TOLLGATE_API_ADDR=127.0.0.1:0", "TOLLGATE_PORTAL_ADDR=127.0.0.1:0")
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return
		}
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			t.Error("tollgate up did not stop")
		}
	})
	deadline := time.After(2 * time.Minute)
	for {
		if b, err := os.ReadFile(filepath.Join(data, "up.env")); err == nil {
			for line := range strings.Lines(string(b)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				env = append(env, name+"="+strings.Trim(value, "'"))
			}
			return env
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("tollgate up ended: %v\n%s", err, output.String())
		case <-deadline:
			t.Fatal("tollgate up was not ready within two minutes")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestRunnableDocumentation(t *testing.T) {
	blocks := runnable(t)
	if len(blocks) < 3 {
		t.Fatalf("only %d runnable blocks found: the search is wrong", len(blocks))
	}
	env := up(t)
	for _, b := range blocks {
		t.Run(fmt.Sprintf("%s:%d", b.file, b.line), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.text)
			cmd.Env, cmd.Dir = env, t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s\n%s", err, b.text, out)
			}
			if len(strings.TrimSpace(string(out))) == 0 {
				t.Error("it printed nothing")
			}
		})
	}
}
