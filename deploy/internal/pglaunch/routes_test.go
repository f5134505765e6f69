package pglaunch

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Each route that this machine can take is taken for real, not only the first
// that hits; a route that it cannot take must say why.
func TestRealRoutes(t *testing.T) {
	has := func(program string) bool { _, err := exec.LookPath(program); return err == nil }
	must := map[string]bool{
		"PATH":    has("postgres"),
		"npm":     has("npm") && runtime.GOOS == "linux",
		"apt-get": has("apt-get") && os.Geteuid() == 0,
	}
	for _, r := range Routes(SystemLookups(), filepath.Join(reachableDir(t), "cache")) {
		t.Run(strings.Fields(r.Name)[0], func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			dirs, err := r.Find(ctx)
			if err != nil {
				if must[strings.Fields(r.Name)[0]] {
					t.Fatalf("this machine has what the route needs, but: %v", err)
				}
				t.Logf("not on this machine: %v", err)
				return
			}
			usable := 0
			for _, dir := range dirs {
				b, err := probe(ctx, dir)
				if err != nil {
					t.Logf("not usable: %v", err)
					continue
				}
				usable++
				t.Logf("Postgres %s in %s", b.Version, dir)
			}
			if must[strings.Fields(r.Name)[0]] && usable == 0 {
				t.Errorf("nothing usable in %v", dirs)
			}
		})
	}
}

// The fetched binaries run a whole server, as the unprivileged account.
func TestServerFromNPM(t *testing.T) {
	cache := filepath.Join(reachableDir(t), "cache")
	l := SystemLookups()
	route := Finder{Name: "npm", Find: npmRoute{l, cache}.find}
	if _, err := l.LookPath("npm"); err != nil {
		if _, err := route.Find(t.Context()); err == nil || !strings.Contains(err.Error(), "npm") {
			t.Fatalf("without npm the route must say so, got %v", err)
		}
		return
	}
	s := start(t, Config{Dir: filepath.Join(reachableDir(t), "postgres"), Finders: []Finder{route}})
	defer s.Stop()
	if s.Binaries().Major != 18 || !strings.HasPrefix(s.Binaries().Dir, cache) {
		t.Errorf("got %+v", s.Binaries())
	}
	if greet(t, s.URL()) != 'R' {
		t.Error("no answer")
	}
	// What was fetched is found again without npm.
	b, err := Find(t.Context(), Routes(l, cache)[5:6], 18)
	if err != nil || b.Dir != s.Binaries().Dir {
		t.Errorf("second time: %+v, %v", b, err)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "npm-*"))
	if more, _ := filepath.Glob(filepath.Join(cache, "unpack-*")); len(left)+len(more) > 0 {
		t.Errorf("temporary directories are left: %v %v", left, more)
	}
}

func TestNPMPackageWithAnotherHashIsRefused(t *testing.T) {
	l := bareLookups()
	l.LookPath = func(string) (string, error) { return "/usr/bin/npm", nil }
	l.Glob = filepath.Glob
	l.Run = func(_ context.Context, dir, _ string, _ ...string) (string, error) {
		return "", os.WriteFile(filepath.Join(dir, "x.tgz"), []byte("not the package"), 0o644)
	}
	cache := t.TempDir()
	_, err := npmRoute{l, cache}.find(t.Context())
	if err == nil || !strings.Contains(err.Error(), "SHA-512") {
		t.Fatalf("want an error about the hash, got %v", err)
	}
	if left, _ := os.ReadDir(cache); len(left) != 0 {
		t.Errorf("the cache holds %v", left)
	}
}

func TestAptNeedsRoot(t *testing.T) {
	l := bareLookups()
	l.LookPath = func(string) (string, error) { return "/usr/bin/apt-get", nil }
	if _, err := l.apt(t.Context()); err == nil || !strings.Contains(err.Error(), "root") {
		t.Fatalf("want a word about root, got %v", err)
	}
}
