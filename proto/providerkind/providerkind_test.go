package providerkind_test

import (
	"slices"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/providerkind"
)

func TestEachRowIsWhole(t *testing.T) {
	seen := map[string]bool{}
	all := providerkind.All()
	for _, k := range all {
		if !configcheck.ValidProvider(k.Name) || seen[k.Name] || k.Label == "" || !providerkind.ValidDialect(k.Dialect) {
			t.Errorf("row %+v", k)
		}
		seen[k.Name] = true
		if (k.BaseURL == "") == (k.Example == "") {
			t.Errorf("%s needs either a base URL or an example of one", k.Name)
		}
		if k.BaseURL != "" {
			if err := configcheck.CheckBaseURL(k.BaseURL); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
		if k.Docs == "" && k.Name != providerkind.Custom {
			t.Errorf("%s names no documentation", k.Name)
		}
		if found, ok := providerkind.Find(k.Name); !ok || found.Label != k.Label {
			t.Errorf("%s is not found", k.Name)
		}
	}
	if last := all[len(all)-1]; last.Name != providerkind.Custom {
		t.Errorf("the last row is %s", last.Name)
	}
	if k, ok := providerkind.Find("unheard-of"); ok || k.Name != providerkind.Custom {
		t.Errorf("an unknown provider is %+v", k)
	}
	if !slices.IsSortedFunc(all[:len(all)-1], func(a, b providerkind.Kind) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	}) {
		t.Error("rows are not in order")
	}
}
