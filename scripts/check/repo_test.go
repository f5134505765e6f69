package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const modulePrefix = "github.com/tollgate/tollgate/"

// goFile is one parsed Go file of the repository.
type goFile struct {
	path      string // from the root of the repository
	dir       string
	file      *ast.File
	lines     int
	test      bool
	generated bool
}

// imports lists the paths that the file imports.
func (f goFile) imports() []string {
	var paths []string
	for _, spec := range f.file.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

type repository struct {
	root  string
	fset  *token.FileSet
	goes  []goFile
	files []string // everything that is source, from the root
}

var skippedDirs = []string{".git", ".bin", ".cache", ".tollgate", "bin", "node_modules", "tmp"}

// read parses the repository once for all tests.
var read = sync.OnceValues(func() (*repository, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	r := &repository{root: root, fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(skippedDirs, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		path, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		r.files = append(r.files, path)
		if filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(r.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		r.goes = append(r.goes, goFile{
			path: path, dir: filepath.ToSlash(filepath.Dir(path)), file: f,
			lines:     r.fset.File(f.Pos()).LineCount(),
			test:      strings.HasSuffix(path, "_test.go"),
			generated: ast.IsGenerated(f),
		})
		return nil
	})
	return r, err
})

func repo(t *testing.T) *repository {
	t.Helper()
	r, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.goes) < 50 {
		t.Fatalf("only %d Go files found below %s: the walk is wrong", len(r.goes), r.root)
	}
	return r
}

// module is the first part of a directory or of one of our import paths.
func module(path string) string {
	m, _, _ := strings.Cut(strings.TrimPrefix(path, modulePrefix), "/")
	return m
}
