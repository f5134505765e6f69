// Command genpages writes docs/errors and docs/providers: a page for each error
// code, from the catalogue in proto/fault and the reasons beside this file, and
// one for each provider, from the table in proto/providerkind. It knows nothing
// of how errors arise or providers are called.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	docs := flag.String("docs", "docs", "where the folders of pages are")
	flag.Parse()
	for _, f := range folders {
		if err := write(filepath.Join(*docs, f.name), f.render); err != nil {
			fmt.Fprintln(os.Stderr, "genpages:", err)
			os.Exit(1)
		}
	}
}

// folders are what is written.
var folders = []struct {
	name   string
	render func() (map[string]string, error)
}{{"errors", render}, {"providers", renderProviders}}

// write replaces all pages in dir: what is gone takes its page along.
func write(dir string, render func() (map[string]string, error)) error {
	pages, err := render()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, ok := pages[filepath.Base(name)]; !ok {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
