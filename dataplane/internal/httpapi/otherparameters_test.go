package httpapi_test

import (
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// TestRulesOfOtherCalls: what embeddings, moderations, reranks and images have
// is set, filled in and bounded; what they have not is left alone; and what
// cannot be held is refused.
func TestRulesOfOtherCalls(t *testing.T) {
	p := newJobProvider(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	for _, kind := range []string{"openai", "cohere", "google"} {
		w.Route(tenant, kind, "provider-model", p.URL+"/v1", providerSecret, func(c *configv1.Credential, m *configv1.Model) {
			if c.Provider = kind; kind == "google" {
				c.Dialect = "gemini"
			}
			m.CostPrices[0].PerSearch = 1
		})
	}
	most := 2.0
	with := func(rules ...*configv1.ParameterRule) string {
		key, _ := w.Key(tenant, func(k *configv1.ApiKey) { k.ParameterRules = rules })
		return key
	}
	force, fill := with(
		&configv1.ParameterRule{Parameter: "user", Action: forced, Value: `"them"`},
		&configv1.ParameterRule{Parameter: "temperature", Action: forced, Value: "1"},
		&configv1.ParameterRule{Parameter: "max_tokens", Action: moved, Maximum: &most},
	), with(&configv1.ParameterRule{Parameter: "user", Action: filled, Value: `"them"`}, &configv1.ParameterRule{Parameter: "temperature", Action: filled, Value: "1"})
	clamp, forbid := with(&configv1.ParameterRule{Parameter: "n", Action: moved, Maximum: &most}), with(&configv1.ParameterRule{Parameter: "user", Action: refused})
	g := start(t, w, nil)
	const vectors, ranks, images = openaiVectors, `{"results":[{"index":0,"relevance_score":0.9}]}`, `{"data":[{"url":"u"}]}`
	for _, c := range []struct{ path, key, body, answer, want, changed, dropped string }{
		{"embeddings", force, `{"model":"openai","input":"a","user":"me"}`, vectors, `{"model":"provider-model","input":"a","user":"them"}`, "user=forced", ""},
		{"embeddings", force, `{"input":"a","model":"openai"}`, vectors, `{"input":"a","model":"provider-model","user":"them"}`, "user=forced", ""},
		{"embeddings", fill, `{"model":"openai","input":"a"}`, vectors, `{"model":"provider-model","input":"a","user":"them"}`, "user=default", ""},
		{"embeddings", fill, `{"model":"openai","input":"a","user":"me"}`, vectors, `{"model":"provider-model","input":"a","user":"me"}`, "", ""},
		{"embeddings", clamp, `{"model":"openai","input":"a"}`, vectors, `{"model":"provider-model","input":"a"}`, "", ""},
		{"embeddings", force, `{"model":"google","input":"a"}`, `{"embeddings":[{"values":[1]}]}`,
			`{"requests":[{"model":"models/provider-model","content":{"parts":[{"text":"a"}]}}]}`, "user=forced", "user"},
		{"moderations", force, `{"model":"openai","input":"a"}`, `{"results":[]}`, `{"model":"provider-model","input":"a"}`, "", ""},
		{"rerank", force, `{"model":"cohere","query":"q","documents":["a"]}`, ranks, `{"model":"provider-model","query":"q","documents":["a"]}`, "", ""},
		{"images/generations", clamp, `{"model":"openai","prompt":"a","n":9}`, images, `{"model":"provider-model","prompt":"a","n":2}`, "n=clamped", ""},
		{"images/generations", clamp, `{"model":"openai","prompt":"a","n":1}`, images, `{"model":"provider-model","prompt":"a","n":1}`, "", ""},
		{"images/generations", force, `{"model":"openai","prompt":"a"}`, images, `{"model":"provider-model","prompt":"a","user":"them"}`, "user=forced", ""},
	} {
		p.answer = c.answer
		a := g.do("POST", "/v1/"+c.path, c.key, c.body)
		if a.StatusCode != 200 || p.body != c.want || a.Header.Get("X-Tollgate-Parameters") != c.changed || a.Header.Get("X-Tollgate-Dropped") != c.dropped {
			t.Errorf("%s %s: %d %s\n got %s %v\nwant %s", c.path, c.body, a.StatusCode, a.body, p.body, a.Header, c.want)
		}
	}
	p.body = ""
	g.wantFault(g.do("POST", "/v1/embeddings", forbid, `{"model":"openai","input":"a","user":"me"}`), fault.ParameterForbidden, "user")
	g.wantFault(g.do("POST", "/v1/images/generations", forbid, `{"model":"openai","prompt":"a","user":"me"}`), fault.ParameterForbidden, "user")
	for _, f := range []struct{ path, key, param string }{{"images/edits", clamp, "n"}, {"images/edits", forbid, "user"}, {"audio/transcriptions", force, "temperature"}} {
		kind, form := aForm("openai", []byte("x"), "n", "9")
		g.wantFault(g.do("POST", "/v1/"+f.path, f.key, form, "Content-Type", kind), fault.ParameterForbidden, f.param)
	}
	if p.body != "" {
		t.Errorf("the provider was asked %s", p.body)
	}
	p.answer = `{"text":"x","usage":{"type":"duration","seconds":1}}`
	kind, form := aForm("openai", []byte("x"))
	if a := g.do("POST", "/v1/audio/transcriptions", fill, form, "Content-Type", kind); a.StatusCode != 200 || p.body == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
