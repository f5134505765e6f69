package check

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// strays do not belong into a repository that others read. They are put
// together here so that this file does not hold them itself.
var strays = []struct {
	re     *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`(?:^|[^\w./])/(?:wor` + `k/(?:main|shared|src)|hom` + `e/[a-z]+/(?:src|code|go)|Use` + `rs/[A-Za-z]+)\b`), "a path of somebody's machine"},
	{regexp.MustCompile(`/tm` + `p/bri` + `ef`), "a path of somebody's machine"},
	{regexp.MustCompile(`(?i)registry\.npm` + `js|proxy\.gol` + `ang|sum\.gol` + `ang|repo1?\.mav` + `en|deb\.deb` + `ian\.org|:` + `4873`), "the host of a package registry: each machine has its own"},
	{regexp.MustCompile(`(?i)\b(?:lite` + `llm|port` + `key|heli` + `cone|bif` + `rost|new-` + `api)\b`), "another product's name: say what ours does"},
	{regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|XX` + `X|coming so` + `on)\b`), "unfinished work: finish it or leave it out"},
	{regexp.MustCompile(`-----BEGIN (?:RSA |EC )?PRIV` + `ATE KEY`), "a private key"},
}

// formats are files that name the format of a public price list, which is
// called after the product that keeps the list.
var formats = []string{
	"controlplane/internal/pricelist/", "controlplane/internal/httpapi/import_test.go", "deploy/tollgate/main.go",
	"docs/catalog.md", "proto/openapi/",
}

// formatName is the one such name.
var formatName = regexp.MustCompile(`(?i)\blite` + `llm\b`)

var textFiles = map[string]bool{
	".go": true, ".md": true, ".sql": true, ".templ": true, ".css": true, ".proto": true, ".yaml": true, ".yml": true,
	".sh": true, ".json": true, ".js": true, ".mjs": true, ".html": true, "": true,
}

func TestNothingStrayInTheRepository(t *testing.T) {
	r := repo(t)
	for _, path := range r.files {
		if !textFiles[filepath.Ext(path)] || strings.Contains(path, "/assets/htmx") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil {
			if os.IsNotExist(err) {
				continue
			}
			t.Fatal(err)
		}
		for _, f := range formats {
			if strings.HasPrefix(path, f) {
				b = formatName.ReplaceAll(b, []byte("list"))
			}
		}
		for _, s := range strays {
			if m := s.re.FindIndex(b); m != nil {
				t.Errorf("%s:%d holds %q: %s", path, 1+bytes.Count(b[:m[0]], []byte("\n")), b[m[0]:m[1]], s.reason)
			}
		}
	}
}

// Links between the pages must lead somewhere.
func TestLinksInDocumentation(t *testing.T) {
	r := repo(t)
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	for _, path := range r.files {
		if filepath.Ext(path) != ".md" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(b, -1) {
			target := filepath.Join(r.root, filepath.Dir(path), string(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, m[1])
			}
		}
	}
}

// A metric in the documentation is one that somebody sets an alarm on.
func TestMetricsInDocumentationExist(t *testing.T) {
	r := repo(t)
	name := regexp.MustCompile(`\btollgate_[a-z]+_[a-z_]+\b`)
	exists := map[string]bool{}
	for _, f := range r.goes {
		if f.test {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllString(string(b), -1) {
			exists[m] = true
		}
	}
	for _, path := range r.files {
		if filepath.Ext(path) != ".md" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.root, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllString(string(b), -1) {
			if !exists[m] {
				t.Errorf("%s names the metric %s, which nothing counts", path, m)
			}
		}
	}
}
