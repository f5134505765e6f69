package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

const png = "data:image/png;base64,iVBORw0KGgo="

// knownWorld has one route to a model of which the catalogue says c.
func knownWorld(t *testing.T, upstream string, entry *configv1.CatalogModel) (w *testconfig.World, key string) {
	t.Helper()
	w = testconfig.New(t)
	acme := w.Tenant("acme")
	entry.Id, entry.Provider, entry.ProviderModel, entry.CostPrices = "openai/m", "openai", "m", testconfig.Prices()
	w.Add("", configv1.Kind_KIND_CATALOG_MODEL, entry.Id, entry)
	w.Route(acme, "known", "m", upstream, providerSecret, func(_ *configv1.Credential, m *configv1.Model) { m.CatalogId = entry.Id })
	w.Route(acme, "unknown", "m", upstream, providerSecret, nil)
	key, _ = w.Key(acme, nil)
	return w, key
}

func TestWhatAModelCannotDoIsRefused(t *testing.T) {
	calls := make(chan struct{}, 100)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`))
	}))
	defer up.Close()
	w, key := knownWorld(t, up.URL+"/v1", &configv1.CatalogModel{ContextWindow: 1000, Capabilities: &configv1.Capabilities{Operations: []string{"chat"}, Input: []string{"text"}, Output: []string{"text"}}})
	g := start(t, w, nil)
	long := strings.Repeat("word ", 3500)
	const tool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	for _, c := range []struct {
		name, path, body string
		refused          string
	}{
		{"text", "", `"messages":[{"role":"user","content":"say \"image_url\" and \"tools\""}]`, ""},
		{"a field of that name", "", `"messages":[{"role":"user","content":"tools"}],"metadata":{"a":"image_url"}`, ""},
		{"no tools", "", `"tools":[],"messages":[{"role":"user","content":"Hi"}]`, ""},
		{"an image as data of a long prompt", "", `"messages":[{"role":"user","content":"` + long[:10000] + `"}]`, ""},
		{"tools", "", tool + `,"messages":[{"role":"user","content":"Hi"}]`, "does not call tools"},
		{"schema", "", `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}},"messages":[{"role":"user","content":"Hi"}]`, "JSON schema"},
		{"image", "", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + png + `"}}]}]`, "does not take images: it takes text"},
		{"audio", "", `"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]`, "does not take audio"},
		{"document", "", `"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}]}]`, "does not take documents"},
		{"too long", "", `"messages":[{"role":"user","content":"` + long + `"}]`, "1000 tokens of context"},
		{"messages image", "/v1/messages", `"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]`, "images"},
		{"messages result", "/v1/messages", `"max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]`, "images"},
		{"responses", "/v1/responses", `"input":[{"role":"user","content":[{"type":"input_image","image_url":"` + png + `"}]}]`, "images"},
		{"gemini", "/v1beta/models/ROUTE:generateContent", `"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]`, "images"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := c.path
			if path == "" {
				path = "/v1/chat/completions"
			}
			for _, route := range []string{"known", "unknown"} {
				body := `{"model":"` + route + `",` + c.body + `}`
				if strings.Contains(path, "ROUTE") {
					body = "{" + c.body + "}"
				}
				a := g.do("POST", strings.Replace(path, "ROUTE", route, 1), key, body)
				if route == "known" && c.refused != "" {
					if a.StatusCode != 400 || !strings.Contains(a.body, "capability_mismatch") || !strings.Contains(a.body, c.refused) {
						t.Errorf("%d %s, want a refusal that says %q", a.StatusCode, a.body, c.refused)
					}
					continue
				}
				if strings.Contains(a.body, "capability_mismatch") {
					t.Errorf("%s: %d %s", route, a.StatusCode, a.body)
					continue
				}
				// What the provider answered is not the point here.
				select {
				case <-calls:
				default:
					t.Errorf("%s: nobody was called: %d %s", route, a.StatusCode, a.body)
				}
			}
			if len(calls) > 0 {
				t.Error("the provider was called for what was refused")
			}
		})
	}
}

// A model that is known to have no temperature is not asked for one by callers
// of another dialect; what those of its own dialect ask for is between them.
func TestAModelWithoutTemperature(t *testing.T) {
	bodies := make(chan string, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`))
	}))
	defer up.Close()
	w, key := knownWorld(t, up.URL+"/v1", &configv1.CatalogModel{Capabilities: &configv1.Capabilities{Operations: []string{"chat"}}})
	g := start(t, w, nil)
	const rest = `,"max_tokens":9,"temperature":0.5,"top_p":1,"messages":[{"role":"user","content":"Hi"}]}`
	for _, c := range []struct{ path, route, dropped string }{
		{"/v1/messages", "known", "temperature"}, {"/v1/messages", "unknown", ""}, {"/v1/chat/completions", "known", ""},
	} {
		a := g.do("POST", c.path, key, `{"model":"`+c.route+`"`+rest)
		if a.StatusCode != 200 || a.Header.Get("X-Tollgate-Dropped") != c.dropped {
			t.Fatalf("%+v: %d %s, dropped %q", c, a.StatusCode, a.body, a.Header.Get("X-Tollgate-Dropped"))
		}
		if body := <-bodies; strings.Contains(body, "temperature") != (c.dropped == "") || strings.Contains(body, "top_p") != (c.dropped == "") {
			t.Errorf("%+v: the provider was asked for %s", c, body)
		}
	}
}

func TestAModelForSomethingElseServesNoChat(t *testing.T) {
	w, key := knownWorld(t, "http://127.0.0.1:1/v1", &configv1.CatalogModel{Capabilities: &configv1.Capabilities{Operations: []string{"embeddings"}}})
	g := start(t, w, nil)
	a := g.chat(key, `{"model":"known","messages":[]}`)
	g.wantFault(a, fault.CapabilityMismatch, "model")
	if !strings.Contains(a.body, "does not serve chat: it is for embeddings") {
		t.Error(a.body)
	}
}

func TestTheListSaysWhatModelsCanDo(t *testing.T) {
	w, key := knownWorld(t, "http://127.0.0.1:1/v1", &configv1.CatalogModel{Label: "Model M", ContextWindow: 128000, MaxOutputTokens: 4096, DeprecatedAtUnix: 1800000000,
		Capabilities: &configv1.Capabilities{Operations: []string{"chat"}, Input: []string{"text", "image"}, Output: []string{"text"}, Tools: true, Reasoning: true, JsonSchema: true}})
	g := start(t, w, nil)
	for _, c := range []struct {
		path, version string
		want          []string
	}{
		{"/v1/models/known", "", []string{`"id":"known","object":"model"`, `"name":"Model M"`, `"context_window":128000,"max_output_tokens":4096,"retires_at":1800000000`,
			`"capabilities":{"operations":["chat"],"input":["text","image"],"output":["text"],"tools":true,"reasoning":true,"json_schema":true,"temperature":false}`}},
		{"/v1/models/known", "2023-06-01", []string{`"display_name":"Model M"`, `"max_input_tokens":128000,"max_tokens":4096`}},
		{"/v1beta/models/known", "", []string{`"displayName":"Model M"`, `"inputTokenLimit":128000,"outputTokenLimit":4096,"thinking":true`,
			`"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]`}},
		{"/v1/models/unknown", "", []string{`"owned_by":"openai"}`}},
		{"/v1beta/models/unknown", "", []string{`"supportedGenerationMethods":["generateContent"`}},
	} {
		var extra []string
		if c.version != "" {
			extra = []string{"anthropic-version", c.version}
		}
		a := g.do("GET", c.path, key, "", extra...)
		for _, want := range c.want {
			if a.StatusCode != 200 || !strings.Contains(a.body, want) {
				t.Errorf("%s %s: %d %s lacks %s", c.path, c.version, a.StatusCode, a.body, want)
			}
		}
	}
}
