package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs one of the shell scripts where only these programs exist.
func script(t *testing.T, name string, programs map[string]string, env ...string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	for program, body := range programs {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bash, filepath.Join(repo(t).root, "scripts", name))
	cmd.Env = append(env, "PATH="+bin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestSetupSaysWhatIsMissing(t *testing.T) {
	user := map[string]string{"id": "echo 1000", "apt-get": "echo must not run; exit 9"}
	out, err := script(t, "setup.sh", user)
	if err == nil || !strings.Contains(out, "sudo apt-get install") || !strings.Contains(out, "chromium") || strings.Contains(out, "must not run") {
		t.Errorf("on Debian without root: %v\n%s", err, out)
	}
	out, err = script(t, "setup.sh", map[string]string{"id": "echo 501", "brew": "exit 9"})
	if err == nil || !strings.Contains(out, "brew install") || !strings.Contains(out, "chromium") {
		t.Errorf("with Homebrew: %v\n%s", err, out)
	}
	all := map[string]string{}
	for _, p := range []string{"id", "postgres", "chromium", "nginx", "node", "npm", "gcc", "git"} {
		all[p] = "exit 0"
	}
	if out, err := script(t, "setup.sh", all); err != nil || out != "" {
		t.Errorf("with everything there: %v\n%s", err, out)
	}
}

func TestSetupInstallsAsRoot(t *testing.T) {
	// The directory of the packaging's settings is absolute; the file is only
	// made when it is not there, and the mkdir here does nothing.
	out, err := script(t, "setup.sh", map[string]string{
		"id": "echo 0", "mkdir": "exit 0", "apt-get": `echo "apt-get $*"`, "node": "exit 0", "npm": "exit 0", "git": "exit 0", "gcc": "exit 0", "postgres": "exit 0",
		"nginx": "exit 0",
	})
	if err != nil || !strings.Contains(out, "--no-install-recommends chromium") || strings.Contains(out, "nginx-light") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestResetRemovesOnlyWhatUpMade(t *testing.T) {
	tools := map[string]string{"id": "echo 1000", "dirname": `exec /usr/bin/dirname "$@"`, "rm": `exec /bin/rm "$@"`}
	foreign := t.TempDir()
	if _, err := script(t, "reset.sh", tools, "TOLLGATE_DATA_DIR="+foreign, "TOLLGATE_RESET=yes"); err == nil {
		t.Error("a directory that up did not make was removed")
	}
	ours := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(ours, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(ours, "tollgate.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := script(t, "reset.sh", tools, "TOLLGATE_DATA_DIR="+ours); err == nil {
		t.Errorf("removed without being asked: %s", out)
	}
	if out, err := script(t, "reset.sh", tools, "TOLLGATE_DATA_DIR="+ours, "TOLLGATE_RESET=yes"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(ours); !os.IsNotExist(err) {
		t.Error("the data is still there")
	}
}
