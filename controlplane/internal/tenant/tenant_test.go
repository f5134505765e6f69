package tenant_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/id"
)

func TestSlugsFollowTheName(t *testing.T) {
	tenantID := id.New(id.Tenant)
	for name, want := range map[string]string{
		"Acme":               "acme",
		"  Acme, Inc. ":      "acme-inc",
		"Café Müller":        "cafe-mueller",
		"Straße 9":           "strasse-9",
		"---":                "team",
		"株式会社":               "team",
		"Operator":           "operator-2",
		"a/../b":             "a-b",
		"<script>":           "script",
		"UPPER lower 123 __": "upper-lower-123",
	} {
		if got := tenant.Slugs(name, tenantID)[0]; got != want {
			t.Errorf("%q has slug %q, want %q", name, got, want)
		}
	}
}

func FuzzSlugsAreAlwaysValid(f *testing.F) {
	for _, s := range []string{"Acme", "", "-", strings.Repeat("ü", 50), strings.Repeat("a-", 30), "v1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		tenantID := id.New(id.Tenant)
		list := tenant.Slugs(name, tenantID)
		for _, slug := range list {
			if !configcheck.ValidSlug(slug) {
				t.Errorf("%q gives %q", name, slug)
			}
			if err := tenant.CheckSlug(slug); err != nil {
				t.Errorf("%q gives %q: %v", name, slug, err)
			}
		}
		if last := list[len(list)-1]; !strings.HasSuffix(last, tenantID[len(tenantID)-8:]) {
			t.Errorf("%q ends with %q, which somebody may have", name, last)
		}
	})
}
