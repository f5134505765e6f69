package pglaunch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBin makes a bin directory whose server says that it is this version.
func fakeBin(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Debian)'\n", version)
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// bareLookups is a machine on which nothing is installed.
func bareLookups() Lookups {
	return Lookups{
		Getenv:   func(string) string { return "" },
		LookPath: func(string) (string, error) { return "", errors.New("not found") },
		Glob:     func(string) ([]string, error) { return nil, nil },
		Run: func(context.Context, string, string, ...string) (string, error) {
			return "", errors.New("nothing runs here")
		},
		EUID: 1000, GOOS: "linux", GOARCH: "amd64",
		Progress: func(string) {},
	}
}

func TestNothingFoundListsEveryRoute(t *testing.T) {
	_, err := Find(t.Context(), Routes(bareLookups(), "/cache"), 0)
	if err == nil {
		t.Fatal("found a Postgres on an empty machine")
	}
	for _, want := range []string{"TOLLGATE_DATABASE_URL", "TOLLGATE_PG_BIN", "PATH", "pg_config", debianGlob,
		"Homebrew", "/cache", "npm", "apt-get", "TOLLGATE_PG_ARCHIVE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q:\n%v", want, err)
		}
	}
}

func TestRoutesInOrder(t *testing.T) {
	root := t.TempDir()
	named := fakeBin(t, root+"/named", "17.1")
	inPath := fakeBin(t, root+"/path", "16.1")
	config := fakeBin(t, root+"/config", "16.2")
	old, newest := fakeBin(t, root+"/deb/9/bin", "15.1"), fakeBin(t, root+"/deb/16/bin", "16.3")
	brew := fakeBin(t, root+"/brew/17/bin", "17.2")
	cached := fakeBin(t, root+"/cache/postgres-18/bin", "18.1")

	l := bareLookups()
	paths := map[string]string{"postgres": inPath + "/postgres", "pg_config": "/x/pg_config"}
	env := map[string]string{"TOLLGATE_PG_BIN": named}
	globs := map[string][]string{
		"/opt/homebrew/opt/postgresql@*/bin":              {brew},
		filepath.Join(root, "cache", "postgres-*", "bin"): {cached},
	}
	l.Getenv = func(k string) string { return env[k] }
	l.LookPath = func(name string) (string, error) {
		if p := paths[name]; p != "" {
			return p, nil
		}
		return "", errors.New("not found")
	}
	l.Run = func(_ context.Context, _, name string, args ...string) (string, error) {
		if name == "/x/pg_config" {
			return config + "\n", nil
		}
		return "", errors.New("nothing runs here")
	}
	l.Glob = func(p string) ([]string, error) { return globs[p], nil }
	routes := Routes(l, filepath.Join(root, "cache"))
	// Debian's pattern is absolute; the test's twin of it stands in its place.
	routes[3].Find = func(context.Context) ([]string, error) {
		m := l
		m.Glob = func(string) ([]string, error) { return []string{old, newest}, nil }
		return m.newestFirst(root + "/deb/*/bin")
	}

	steps := []struct {
		want string
		then func()
	}{
		{named, func() { delete(env, "TOLLGATE_PG_BIN") }},
		{inPath, func() { delete(paths, "postgres") }},
		{config, func() { delete(paths, "pg_config") }},
		{newest, func() { routes[3].Find = func(context.Context) ([]string, error) { return nil, nil } }},
		{brew, func() { delete(globs, "/opt/homebrew/opt/postgresql@*/bin") }},
		{cached, func() {}},
	}
	for _, s := range steps {
		b, err := Find(t.Context(), routes, 0)
		if err != nil {
			t.Fatal(err)
		}
		if b.Dir != s.want {
			t.Fatalf("found %s by %q, want %s", b.Dir, b.Route, s.want)
		}
		s.then()
	}
}

func TestNamedDirectoryThatDoesNotWorkIsAnError(t *testing.T) {
	l := bareLookups()
	l.Getenv = func(k string) string {
		if k == "TOLLGATE_PG_BIN" {
			return "/no/such/bin"
		}
		return ""
	}
	good := fakeBin(t, t.TempDir(), "16.1")
	l.LookPath = func(string) (string, error) { return good + "/postgres", nil }
	_, err := Find(t.Context(), Routes(l, t.TempDir()), 0)
	if err == nil || !strings.Contains(err.Error(), "TOLLGATE_PG_BIN") || !strings.Contains(err.Error(), "/no/such/bin") {
		t.Fatalf("want an error that names the variable and the directory, got %v", err)
	}
}

func TestKeptDataPrefersItsOwnMajorVersion(t *testing.T) {
	first, second := fakeBin(t, t.TempDir(), "18.4"), fakeBin(t, t.TempDir(), "15.9")
	routes := []Finder{
		{Name: "first", Find: func(context.Context) ([]string, error) { return []string{first}, nil }},
		{Name: "second", Find: func(context.Context) ([]string, error) { return []string{second}, nil }},
	}
	b, err := Find(t.Context(), routes, 15)
	if err != nil || b.Dir != second || b.Major != 15 {
		t.Fatalf("got %+v, %v; want the binaries of 15", b, err)
	}
	_, err = Find(t.Context(), routes, 16)
	if err == nil {
		t.Fatal("no error though no binaries of 16 exist")
	}
	for _, want := range []string{"kept data is of Postgres 16", "18.4", "15.9", "TOLLGATE_PG_BIN"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestTooOldAndBrokenBinariesAreRefused(t *testing.T) {
	broken := t.TempDir()
	for _, n := range []string{"postgres", "initdb", "pg_ctl"} {
		os.WriteFile(filepath.Join(broken, n), []byte("#!/bin/sh\nexit 3\n"), 0o755)
	}
	for dir, want := range map[string]string{
		fakeBin(t, t.TempDir(), "14.2"): "older than 15",
		broken:                          "does not run",
		t.TempDir():                     "has no postgres",
	} {
		if _, err := probe(t.Context(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// archive makes a gzipped tar of name → content; a content that starts with
// "->" is a symbolic link.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for name, content := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(content, "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
			content = ""
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		tw.Write([]byte(content))
	}
	tw.Close()
	zw.Close()
	return buf.Bytes()
}

func TestArchiveFromTheOperator(t *testing.T) {
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) 17.5'\n"
	b := archive(t, map[string]string{"bin/postgres": script, "bin/initdb": script, "bin/pg_ctl": script})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(b) }))
	defer srv.Close()
	sum := sha512.Sum512(b)
	l := bareLookups()
	env := map[string]string{"TOLLGATE_PG_ARCHIVE_URL": srv.URL, "TOLLGATE_PG_ARCHIVE_SHA512": hex.EncodeToString(sum[:])}
	l.Getenv = func(k string) string { return env[k] }
	got, err := Find(t.Context(), Routes(l, t.TempDir()), 0)
	if err != nil || got.Version != "17.5" || got.Route != "TOLLGATE_PG_ARCHIVE_URL" {
		t.Fatalf("got %+v, %v", got, err)
	}
	env["TOLLGATE_PG_ARCHIVE_SHA512"] = strings.Repeat("0", 128)
	if _, err := Find(t.Context(), Routes(l, t.TempDir()), 0); err == nil || !strings.Contains(err.Error(), "SHA-512") {
		t.Fatalf("an archive with another hash was taken: %v", err)
	}
}

func TestArchiveCannotWriteOutside(t *testing.T) {
	dir := t.TempDir()
	for name, files := range map[string]map[string]string{
		"dots": {"../evil": "x"},
		"link": {"lib": "->/tmp", "lib/evil": "x"},
	} {
		if _, err := unpack(archive(t, files), "", filepath.Join(dir, name)); err == nil {
			if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
				t.Errorf("%s: wrote outside", name)
			}
			if _, err := os.Stat("/tmp/evil"); err == nil {
				t.Errorf("%s: wrote through a link", name)
			}
		}
	}
}
