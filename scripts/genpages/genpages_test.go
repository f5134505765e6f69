package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
)

const docs = "../../docs"

func TestPagesAreFresh(t *testing.T) {
	for _, f := range folders {
		t.Run(f.name, func(t *testing.T) { fresh(t, filepath.Join(docs, f.name), f.render) })
	}
}

func fresh(t *testing.T, dir string, render func() (map[string]string, error)) {
	pages, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is missing or old: run make generate", name)
		}
	}
	have, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range have {
		if _, ok := pages[filepath.Base(name)]; !ok {
			t.Errorf("%s is the page of nothing", name)
		}
	}
}

func TestEachPageSaysWhatWhyAndHow(t *testing.T) {
	pages, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range fault.All() {
		page := pages[k.Code+".md"]
		for _, want := range []string{k.Text, k.Fix, "## Why", "## What to do", "```json", `"code": "` + k.Code + `"`} {
			if !strings.Contains(page, want) {
				t.Errorf("page of %s lacks %q", k.Code, want)
			}
		}
	}
}

func TestWriteRemovesPagesOfCodesThatAreGone(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "no_such_code.md")
	if err := os.WriteFile(old, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(dir, render); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Error("the page of a code that is gone is still there")
	}
	if _, err := os.Stat(filepath.Join(dir, "invalid_key.md")); err != nil {
		t.Error(err)
	}
}
