// Package static owns the files that browsers fetch besides pages: the
// stylesheet, the scripts and the icon. Each is embedded, served under a name
// that holds the hash of its content, compressed once, and cached for ever.
// It knows nothing of pages.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

type file struct {
	contentType string
	plain, gzip []byte
}

// Files is the set of files by hashed name.
type Files struct {
	byURL map[string]file
	urls  map[string]string
}

// Load reads, hashes and compresses the embedded files.
func Load() (*Files, error) {
	f := &Files{byURL: map[string]file{}, urls: map[string]string{}}
	sub, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	err = fs.WalkDir(sub, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(sub, name)
		if err != nil {
			return err
		}
		return f.add(name, content)
	})
	if err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	return f, nil
}

func (f *Files) add(name string, content []byte) error {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	url := Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	kind, ok := contentTypes()[ext]
	if !ok {
		return fmt.Errorf("%s: no content type for %q", name, ext)
	}
	f.byURL[url] = file{contentType: kind, plain: content, gzip: buf.Bytes()}
	f.urls[name] = url
	return nil
}

// contentTypes are fixed for what we serve: the machine's own table of types
// may say otherwise, and browsers are told not to guess.
func contentTypes() map[string]string {
	return map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
		".txt": "text/plain; charset=utf-8",
	}
}

// URL is the address of a file by its name, such as "app.css". It panics on a
// name that does not exist: names are constants of our own templates.
func (f *Files) URL(name string) string {
	u, ok := f.urls[name]
	if !ok {
		panic("static: no file " + name)
	}
	return u
}

// ServeHTTP serves a file by its hashed address.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := f.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
