// Package recordings owns where recorded traffic of providers lies for tests:
// beside the repository, in shared/data/providers. It knows nothing of what the
// files hold. Only tests import it; those that need a recording are skipped
// where there are none.
package recordings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// maxSeed is the largest recording in bytes that seeds a fuzz target: larger
// ones make every step of it slow.
const maxSeed = 32 << 10

// Dir is the folder of the recordings, as an absolute path. Without it the test
// is skipped.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := find()
	if err != nil {
		tb.Fatal(err)
	}
	if dir == "" {
		tb.Skip("the recordings are not beside the repository")
	}
	return dir
}

// find gives "" where there are no recordings.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.work"))
		if err == nil {
			break
		}
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		return "", err
	}
	dir = filepath.Join(filepath.Dir(dir), "shared", "data", "providers")
	switch _, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return dir, nil
}

// Glob gives the paths of the recordings that match any of the patterns, which
// start at the folder of the recordings. A pattern that none matches fails the
// test.
func Glob(tb testing.TB, patterns ...string) []string {
	tb.Helper()
	return match(tb, Dir(tb), patterns)
}

func match(tb testing.TB, dir string, patterns []string) []string {
	tb.Helper()
	var all []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil || len(found) == 0 {
			tb.Fatalf("no recordings match %q: %v", p, err)
		}
		all = append(all, found...)
	}
	return all
}

// Read gives what a file holds.
func Read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Seeds gives what the recordings that match hold, for a fuzz target to start
// from; nothing where there are none, for a target runs without them too.
func Seeds(f *testing.F, patterns ...string) [][]byte {
	f.Helper()
	dir, err := find()
	if err != nil {
		f.Fatal(err)
	}
	if dir == "" {
		return nil
	}
	var seeds [][]byte
	for _, path := range match(f, dir, patterns) {
		if b := Read(f, path); len(b) <= maxSeed {
			seeds = append(seeds, b)
		}
	}
	return seeds
}
