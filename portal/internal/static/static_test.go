package static_test

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/portal/internal/static"
)

func load(t *testing.T) *static.Files {
	t.Helper()
	f, err := static.Load()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func fetch(t *testing.T, f *static.Files, url, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", url, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestFilesAreHashedAndCachedForEver(t *testing.T) {
	f := load(t)
	for _, name := range []string{"app.css", "app.js", "htmx.js", "hx-sse.js", "icon.svg", "htmx.LICENSE.txt"} {
		url := f.URL(name)
		if !regexp.MustCompile(`^/static/.+\.[0-9a-f]{10}\.\w+$`).MatchString(url) {
			t.Errorf("%s is served as %s", name, url)
		}
		w := fetch(t, f, url, "")
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := fetch(t, f, "/static/app.css", ""); w.Code != 404 {
		t.Errorf("a name without its hash gives %d", w.Code)
	}
}

func TestGzipIsTheSameContent(t *testing.T) {
	f := load(t)
	plain := fetch(t, f, f.URL("app.css"), "")
	packed := fetch(t, f, f.URL("app.css"), "br, gzip")
	if packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("%v", packed.Header())
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || string(got) != plain.Body.String() {
		t.Errorf("unpacked differs: %v", err)
	}
}

func TestWeight(t *testing.T) {
	f := load(t)
	weight := func(names ...string) (sum int) {
		for _, n := range names {
			sum += fetch(t, f, f.URL(n), "gzip").Body.Len()
		}
		return sum
	}
	for _, c := range []struct {
		what  string
		names []string
		most  int
	}{
		{"our own script", []string{"app.js"}, 4 << 10},
		{"all scripts", []string{"app.js", "htmx.js", "hx-sse.js"}, 25 << 10},
		{"everything but the page", []string{"app.css", "app.js", "htmx.js", "hx-sse.js", "icon.svg"}, 40 << 10},
	} {
		if got := weight(c.names...); got > c.most {
			t.Errorf("%s weighs %d bytes, at most %d", c.what, got, c.most)
		}
	}
}

// TestNothingComesFromElsewhere: a page of ours asks nobody but us.
func TestNothingComesFromElsewhere(t *testing.T) {
	f := load(t)
	css := fetch(t, f, f.URL("app.css"), "").Body.String()
	for _, bad := range []string{"@import", "url(", "http:", "https:"} {
		if strings.Contains(css, bad) {
			t.Errorf("the stylesheet holds %s", bad)
		}
	}
}

// TestEveryFileHasAType: what browsers are told is ours, not the machine's.
func TestEveryFileHasAType(t *testing.T) {
	f := load(t)
	for name, want := range map[string]string{"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml", "htmx.LICENSE.txt": "text/plain; charset=utf-8"} {
		if got := fetch(t, f, f.URL(name), "").Header().Get("Content-Type"); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}
