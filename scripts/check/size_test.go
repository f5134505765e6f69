package check

import (
	"go/ast"
	"strings"
	"testing"
)

const (
	maxFile     = 500
	maxFunction = 60
)

// longer lists what may exceed the limits, each with its reason: "file" or
// "file:function".
var longer = map[string]string{
	"controlplane/internal/httpapi/authorize.go:rules": "the flat table of who may call what",
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	r := repo(t)
	used := map[string]bool{}
	allowed := func(name string) bool {
		used[name] = true
		return longer[name] != ""
	}
	for _, f := range r.goes {
		if f.generated {
			continue
		}
		if f.lines > maxFile && !allowed(f.path) {
			t.Errorf("%s has %d lines, more than %d: split it by noun", f.path, f.lines, maxFile)
		}
		if f.test {
			continue
		}
		for _, d := range f.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := r.fset.Position(fn.End()).Line - r.fset.Position(fn.Pos()).Line + 1
			if n > maxFunction && !allowed(f.path+":"+fn.Name.Name) {
				t.Errorf("%s: %s has %d lines, more than %d", f.path, fn.Name.Name, n, maxFunction)
			}
		}
	}
	for name := range longer {
		if !used[name] {
			t.Errorf("%s is short enough now: remove its exception", name)
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	docs := map[string]string{}
	for _, f := range repo(t).goes {
		if f.test && docs[f.dir] == "" {
			continue
		}
		if _, seen := docs[f.dir]; !seen {
			docs[f.dir] = ""
		}
		if f.file.Doc != nil && !f.generated {
			docs[f.dir] = f.file.Doc.Text()
		}
	}
	for dir, doc := range docs {
		if generatedOnly(repo(t), dir) {
			continue
		}
		if !strings.HasPrefix(doc, "Package ") && !strings.HasPrefix(doc, "Command ") {
			t.Errorf("%s has no doc comment that begins with Package or Command", dir)
		}
	}
}

func generatedOnly(r *repository, dir string) bool {
	for _, f := range r.goes {
		if f.dir == dir && !f.generated {
			return false
		}
	}
	return true
}
