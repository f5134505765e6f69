package pglaunch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Binaries is a directory with a usable Postgres server.
type Binaries struct {
	Dir   string
	Major int
	// Version is what the server says of itself, for example "15.18".
	Version string
	// Route is the name of the finder that led here.
	Route string
}

// Finder is one route to the binaries.
type Finder struct {
	// Name is how people know the route: it stands in the error that lists all.
	Name string
	// Find returns directories that may hold the binaries, best first, or says
	// why there are none.
	Find func(ctx context.Context) ([]string, error)
	// Binding means that the operator named the place: when it does not work,
	// that is an error, not a reason to look elsewhere.
	Binding bool
}

// errNotSet marks a binding route that nobody asked for.
var errNotSet = errors.New("not set")

// Find walks the routes and returns the first binaries that run. When major is
// not 0, only binaries of that major version are taken, since a cluster can be
// started by its own major version alone.
func Find(ctx context.Context, routes []Finder, major int) (Binaries, error) {
	var report, others []string
	for _, r := range routes {
		dirs, err := r.Find(ctx)
		if err == nil && len(dirs) == 0 {
			err = errors.New("nothing there")
		}
		var wrong error
		for _, dir := range dirs {
			b, probeErr := probe(ctx, dir)
			if probeErr != nil {
				wrong = probeErr
				continue
			}
			b.Route = r.Name
			if major == 0 || b.Major == major {
				return b, nil
			}
			others = append(others, fmt.Sprintf("%s in %s", b.Version, b.Dir))
			wrong = fmt.Errorf("%s is version %s", b.Dir, b.Version)
		}
		err = errors.Join(err, wrong)
		if r.Binding && !errors.Is(err, errNotSet) {
			return Binaries{}, fmt.Errorf("%s: %w", r.Name, bindingHint(err, major))
		}
		if ctx.Err() != nil {
			return Binaries{}, ctx.Err()
		}
		report = append(report, fmt.Sprintf("  %-34s %s", r.Name, oneLine(err)))
	}
	list := strings.Join(report, "\n")
	if major != 0 && len(others) > 0 {
		return Binaries{}, fmt.Errorf("the kept data is of Postgres %d, but the binaries found are %s.\n"+
			"Install Postgres %d (or set TOLLGATE_PG_BIN to its bin directory), or move the data directory away to begin anew.\n"+
			"Looked in:\n%s", major, strings.Join(others, ", "), major, list)
	}
	return Binaries{}, fmt.Errorf("no Postgres server found. Give a database with TOLLGATE_DATABASE_URL, "+
		"install Postgres 15 or newer, or install npm. Looked in:\n%s", list)
}

func bindingHint(err error, major int) error {
	if major != 0 {
		return fmt.Errorf("%w (the kept data needs Postgres %d)", err, major)
	}
	return err
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

var versionRE = regexp.MustCompile(`PostgreSQL\) (\d+)(\S*)`)

// oldest is the first major version that the migrations are written for.
const oldest = 15

// probe runs the server to learn its version: a file that exists but cannot
// run here (another libc, another processor) is no server.
func probe(ctx context.Context, dir string) (Binaries, error) {
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return Binaries{}, fmt.Errorf("%s has no %s", dir, name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").CombinedOutput()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s/postgres does not run: %w: %s", dir, err, strings.TrimSpace(string(out)))
	}
	m := versionRE.FindStringSubmatch(string(out))
	if m == nil {
		return Binaries{}, fmt.Errorf("%s/postgres says %q, which is no Postgres version", dir, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(m[1])
	if err != nil {
		return Binaries{}, fmt.Errorf("version of %s: %w", dir, err)
	}
	if major < oldest {
		return Binaries{}, fmt.Errorf("%s is Postgres %s, older than %d", dir, m[1]+m[2], oldest)
	}
	return Binaries{Dir: dir, Major: major, Version: m[1] + m[2]}, nil
}

// keptMajor reads the major version of an existing cluster; 0 when there is none.
func keptMajor(cluster string) (int, error) {
	b, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the kept data: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("version of the kept data in %s: %w", cluster, err)
	}
	return v, nil
}
