package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// A bound on output is held where the provider looks for it: not alone in a
// name that it passes over, nor by a number that means no bound.
func TestBoundsAreHeldWhereTheProviderLooks(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	up := newRecorder(t)
	most := 100.0
	rules := []*configv1.ParameterRule{
		{Parameter: "max_tokens", Action: moved, Maximum: &most},
		{Parameter: "tools", Action: refused, Names: []string{"web_search"}},
	}
	key, _ := w.Key(tenant, func(k *configv1.ApiKey) { k.ParameterRules = rules })
	w.Route(tenant, "old", "provider-model", up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) { c.Provider = providerkind.Custom })
	w.Route(tenant, "new", "provider-model", up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) { c.Provider = "openai" })
	g := start(t, w, nil)
	for _, c := range []struct {
		route, more, name string
		want              float64
	}{
		{"old", `"max_completion_tokens":5000`, "max_tokens", 100},
		{"old", `"max_completion_tokens":50`, "max_tokens", 50},
		{"old", `"n_predict":50`, "max_tokens", 50},
		{"old", `"max_tokens":-1`, "max_tokens", 100},
		{"old", `"max_tokens":0`, "max_tokens", 100},
		{"new", `"max_completion_tokens":5000`, "max_completion_tokens", 100},
		{"new", `"max_tokens":50`, "max_tokens", 50},
		{"new", `"n_predict":-1`, "max_completion_tokens", 100},
	} {
		a := g.chat(key, `{"model":"`+c.route+`","messages":[{"role":"user","content":"Hi"}],`+c.more+`}`)
		if a.StatusCode != http.StatusOK || up.body[c.name] != c.want || up.body["n_predict"] != nil {
			t.Errorf("%s %s: %d, provider has %v", c.route, c.more, a.StatusCode, up.body)
		}
	}
	for _, more := range []string{
		`"tools":[{"type":"builtin_function","function":{"name":"$web_search"}}]`, `"tools":[{"type":"web_search_preview"}]`,
		`"search_parameters":{"mode":"on"}`, `"enable_search":true`,
	} {
		if a := g.chat(key, `{"model":"old","messages":[{"role":"user","content":"Hi"}],`+more+`}`); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", more, a.StatusCode, a.body)
		}
	}
}

// A key that is for some routes reaches no other model by a list of those to
// fall back on.
func TestLimitedKeysNameNoOtherModels(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	up := newRecorder(t)
	free, _ := w.Key(tenant, nil)
	limited, _ := w.Key(tenant, func(k *configv1.ApiKey) { k.AllowedRoutes = []string{"small"} })
	w.Route(tenant, "small", "provider-model", up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) { c.Provider = "openrouter" })
	g := start(t, w, nil)
	for _, c := range []struct {
		key, more string
		status    int
	}{
		{free, `,"models":["large"]`, 200}, {limited, `,"models":["large"]`, 403}, {limited, `,"model\u0073":["large"]`, 403},
		{limited, `,"models":["provider-model"]`, 200}, {limited, ``, 200}, {limited, `,"metadata":{"models":"\u0061"}`, 200},
	} {
		if a := g.chat(c.key, `{"model":"small","messages":[{"role":"user","content":"Hi"}]`+c.more+`}`); a.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.more, a.StatusCode, a.body)
		}
	}
}
