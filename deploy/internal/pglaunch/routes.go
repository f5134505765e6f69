package pglaunch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Lookups is all that the routes ask of the machine; tests hand in their own.
type Lookups struct {
	Getenv   func(string) string
	LookPath func(string) (string, error)
	Glob     func(string) ([]string, error)
	// Run runs a command in dir (empty: anywhere) and returns what it printed.
	Run      func(ctx context.Context, dir, name string, args ...string) (string, error)
	EUID     int
	GOOS     string
	GOARCH   string
	Progress func(string)
}

// SystemLookups asks the real machine.
func SystemLookups() Lookups {
	return Lookups{
		Getenv:   os.Getenv,
		LookPath: exec.LookPath,
		Glob:     filepath.Glob,
		Run:      runCommand,
		EUID:     os.Geteuid(),
		GOOS:     runtime.GOOS,
		GOARCH:   runtime.GOARCH,
		Progress: func(string) {},
	}
}

// Routes lists every route to the binaries, in the order in which they are
// tried: what the operator named, what is installed, what was fetched before,
// what can be fetched.
func Routes(l Lookups, cacheDir string) []Finder {
	return []Finder{
		{Name: "TOLLGATE_PG_BIN", Find: l.named, Binding: true},
		{Name: "PATH", Find: l.path},
		{Name: "pg_config --bindir", Find: l.pgConfig},
		{Name: debianGlob, Find: l.debian},
		{Name: "Homebrew", Find: l.homebrew},
		{Name: "earlier download in " + cacheDir, Find: func(context.Context) ([]string, error) {
			return l.Glob(filepath.Join(cacheDir, "postgres-*", "bin"))
		}},
		{Name: "npm " + npmScope + " " + npmVersion, Find: npmRoute{l, cacheDir}.find},
		{Name: "apt-get install postgresql", Find: l.apt},
		{Name: "TOLLGATE_PG_ARCHIVE_URL", Find: archiveRoute{l, cacheDir}.find},
	}
}

// DefaultCacheDir is where fetched binaries stay between runs and data
// directories.
func DefaultCacheDir() string {
	if os.Geteuid() == 0 {
		// Under root's home the account that runs Postgres could not reach them.
		return "/var/cache/tollgate"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "tollgate")
	}
	return filepath.Join(os.TempDir(), "tollgate-cache")
}

func (l Lookups) named(context.Context) ([]string, error) {
	dir := l.Getenv("TOLLGATE_PG_BIN")
	if dir == "" {
		return nil, errNotSet
	}
	return []string{dir}, nil
}

func (l Lookups) path(context.Context) ([]string, error) {
	name, err := l.LookPath("postgres")
	if err != nil {
		return nil, errors.New("no program postgres in PATH")
	}
	// initdb looks for its share directory relative to its real place.
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	return []string{filepath.Dir(name)}, nil
}

func (l Lookups) pgConfig(ctx context.Context) ([]string, error) {
	name, err := l.LookPath("pg_config")
	if err != nil {
		return nil, errors.New("no program pg_config in PATH")
	}
	out, err := l.Run(ctx, "", name, "--bindir")
	if err != nil {
		return nil, err
	}
	return []string{strings.TrimSpace(out)}, nil
}

const debianGlob = "/usr/lib/postgresql/*/bin"

func (l Lookups) debian(context.Context) ([]string, error) { return l.newestFirst(debianGlob) }

func (l Lookups) homebrew(context.Context) ([]string, error) {
	var all []string
	for _, prefix := range []string{"/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"} {
		dirs, err := l.newestFirst(prefix + "/opt/postgresql@*/bin")
		if err != nil {
			return nil, err
		}
		all = append(all, dirs...)
	}
	return all, nil
}

// newestFirst orders directories by the number in the part that the pattern's
// star stands for: 9 comes after 15, whatever the alphabet says.
func (l Lookups) newestFirst(pattern string) ([]string, error) {
	dirs, err := l.Glob(pattern)
	if err != nil {
		return nil, err
	}
	before, after, _ := strings.Cut(pattern, "*")
	number := func(dir string) float64 {
		n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(dir, before), after), 64)
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return int(10 * (number(b) - number(a))) })
	return dirs, nil
}

// apt installs Debian's package. Its usual main cluster is not made: the one
// that Tollgate needs lives in the data directory.
func (l Lookups) apt(ctx context.Context) ([]string, error) {
	apt, err := l.LookPath("apt-get")
	if err != nil {
		return nil, errors.New("no program apt-get in PATH")
	}
	if l.EUID != 0 {
		return nil, errors.New("needs root: sudo apt-get install postgresql")
	}
	l.Progress("installing Postgres with apt-get")
	install := []string{"-q", "-y", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold",
		"install", "--no-install-recommends", "--no-upgrade", "postgresql"}
	if err := noMainCluster(); err != nil {
		return nil, err
	}
	if _, err := l.Run(ctx, "", apt, install...); err != nil {
		// A machine that never updated its lists knows no packages.
		if _, err := l.Run(ctx, "", apt, "-q", "update"); err != nil {
			return nil, err
		}
		if _, err := l.Run(ctx, "", apt, install...); err != nil {
			return nil, err
		}
	}
	return l.newestFirst(debianGlob)
}

// noMainCluster tells Debian's packaging not to start a server of its own. A
// file that exists is the administrator's word and stays.
func noMainCluster() error {
	const name = "/etc/postgresql-common/createcluster.conf"
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("prepare apt-get: %w", err)
	}
	if err := os.WriteFile(name, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return fmt.Errorf("prepare apt-get: %w", err)
	}
	return nil
}

func runCommand(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lastLines(stderr.String(), 3))
	}
	return stdout.String(), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
