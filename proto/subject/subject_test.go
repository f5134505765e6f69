package subject_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func TestConfigSubjects(t *testing.T) {
	for got, want := range map[string]string{
		subject.Config("ten_1", configv1.Kind_KIND_API_KEY, "key_2"):               "tollgate.config.v1.ten_1.api_key.key_2",
		subject.Config("", configv1.Kind_KIND_CATALOG_MODEL, "openai/gpt-4.1"):     "tollgate.config.v1._operator.catalog_model.openai%2fgpt-4%2e1",
		subject.Config("_operator", configv1.Kind_KIND_CATALOG_MODEL, "demo/demo"): "tollgate.config.v1._operator.catalog_model.demo%2fdemo",
		subject.Revoke("ten_1"):    "tollgate.revoke.v1.ten_1",
		subject.Usage("dpl_1"):     "tollgate.usage.v1.dpl_1",
		subject.Watermark("a b.*"): "tollgate.watermark.v1.a%20b%2e%2a",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzOneToken checks that no id leaves its place in a subject and that two
// ids never share one.
func FuzzOneToken(f *testing.F) {
	f.Add("a.b", "a%2eb")
	f.Add(">", "*")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		sa, sb := subject.Usage(a), subject.Usage(b)
		if strings.Count(sa, ".") != 3 || strings.ContainsAny(sa, " *>\t\r\n") {
			t.Fatalf("%q became %q", a, sa)
		}
		if a != b && sa == sb {
			t.Fatalf("%q and %q share %q", a, b, sa)
		}
	})
}
