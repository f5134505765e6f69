package pricelist

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const data = "../../../../shared/data/prices/"

func load(t testing.TB, path string) []File {
	t.Helper()
	root := filepath.Join(data, path)
	if _, err := os.Stat(root); err != nil {
		t.Skip("the lists are not here")
	}
	var out []File
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&fs.ModeSymlink != 0 || p != root && !strings.HasSuffix(p, ".toml") {
			return err
		}
		b, err := os.ReadFile(p)
		out = append(out, File{Name: p, Text: string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestX(t *testing.T) {
	for _, p := range []string{"genai-prices/data.json", "litellm-format/model_prices.json", "models.dev/providers", "models.dev/models.json"} {
		l, err := Parse("", load(t, p))
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		priced := 0
		for _, m := range l.Models {
			if len(m.Prices) > 0 {
				priced++
			}
		}
		t.Logf("%s: %s, %d models, %d priced, %d left, unknown %v", p, l.Format, len(l.Models), priced, len(l.Left), l.Unknown)
		for i, n := range l.Left {
			if i%(len(l.Left)/12+1) == 0 {
				t.Log("   ", n.Where, n.Text)
			}
		}
	}
}
