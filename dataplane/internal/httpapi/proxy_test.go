package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestProxyPassesAnyCall(t *testing.T) {
	var got *http.Request
	var body string
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r.Clone(r.Context()), string(b)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Openai-Version", "2020-10-01")
		w.Header().Set("X-Internal", "a")
		w.Header().Set("Etag", r.Header.Get("Authorization"))
		w.WriteHeader(207)
		io.WriteString(w, "you sent "+r.Header.Get("Authorization"))
	}, nil)
	for i, c := range []struct{ method, path, wantURI string }{
		{"GET", "/proxy/openai/fine_tuning/jobs?limit=2&after=%2F", "/v1/fine_tuning/jobs?limit=2&after=%2F"},
		{"DELETE", "/t/acme/proxy/openai/v1/responses/a%2Fb", "/v1/responses/a%2Fb"},
		{"PATCH", "/proxy/openai/x?key=" + key + "&b=1", "/v1/x?b=1"},
		{"PUT", "/proxy/openai/", "/v1/"},
		{"POST", "/proxy/openai/x//y", "/v1/x//y"},
	} {
		sent := ""
		if c.method != "GET" {
			sent = "some body"
		}
		a := g.do(c.method, c.path, key, sent, "X-Custom", "kept", "X-Echo", "I am "+key, "X-Api-Key", "mine", "Cookie", "c=d", "Content-Type", "text/x",
			"Connection", "X-Hop", "X-Hop", "1", "X-Forwarded-For", "1.2.3.4", "X-Tollgate-Demo", "x", "Openai-Beta", "assistants=v2")
		if got == nil || got.Method != c.method || got.RequestURI != c.wantURI || body != sent {
			t.Fatalf("%s %s: %v %q", c.method, c.path, got, body)
		}
		h := got.Header
		for _, name := range []string{"X-Echo", "X-Api-Key", "Cookie", "X-Hop", "X-Forwarded-For", "X-Tollgate-Demo"} {
			if h.Get(name) != "" {
				t.Errorf("%s: %s reached the provider: %q", c.path, name, h.Get(name))
			}
		}
		if h.Get("Authorization") != "Bearer "+providerSecret || h.Get("X-Custom") != "kept" || h.Get("Openai-Beta") != "assistants=v2" || h.Get("Content-Type") != "text/x" {
			t.Errorf("%s: headers %v", c.path, h)
		}
		if a.StatusCode != 207 || a.body != "you sent Bearer "+strings.Repeat("*", len(providerSecret)) || a.Header.Get("Openai-Version") == "" ||
			a.Header.Get("X-Internal") != "" || a.Header.Get("Etag") != "" || a.Header.Get("X-Tollgate-Provider") != "openai" {
			t.Errorf("%s: %d %v %q", c.path, a.StatusCode, a.Header, a.body)
		}
		ev := g.ledger.wait(t, i)
		if ev.Operation != "proxy" || ev.Provider != "openai" || ev.HttpStatus != 207 || ev.CostNano != 0 || ev.Estimated != (c.method == "POST") || ev.Outcome != usagev1.Outcome_OUTCOME_OK {
			t.Errorf("%s: event %v", c.path, ev)
		}
	}
}

func TestProxyRefusals(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "HEAD" {
			w.WriteHeader(429)
		}
		w.Header().Set("Content-Length", "12")
	}))
	defer up.Close()
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	limited, _ := w.Key(acme, func(k *configv1.ApiKey) { k.AllowedRoutes = []string{"a"} })
	ids := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		w.Route(acme, name, "m", up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			if ids[name] = c.Id; name == "c" {
				c.Provider = "groq"
			}
		})
	}
	g := start(t, w, nil)
	g.wantFault(g.do("GET", "/proxy/groq/x", "", ""), fault.MissingKey, "")
	g.wantFault(g.do("GET", "/proxy/groq/x", limited, ""), fault.ModelNotAllowed, "")
	g.wantFault(g.do("GET", "/t/other/proxy/groq/x", key, ""), fault.TenantMismatch, "")
	g.wantFault(g.do("GET", "/proxy/nobody/x", key, ""), fault.NotFound, "provider")
	e := g.wantFault(g.do("GET", "/proxy/openai/x", key, ""), fault.BadRequest, "provider")
	if !strings.Contains(e.Error.Message, ids["a"]) || !strings.Contains(e.Error.Message, ids["b"]) {
		t.Errorf("the credentials are not named: %s", e.Error.Message)
	}
	for _, path := range []string{"/proxy/groq/../x", "/proxy/groq/%2e%2e/x", "/proxy/groq/a/..%2fx", "/proxy/groq/a%5c..%5cb", "/proxy/groq/a%0d%0ab"} {
		g.wantFault(g.do("GET", path, key, ""), fault.UnknownPath, "")
	}
	g.wantFault(g.do("GET", "/proxy/groq/realtime", key, "", "Connection", "Upgrade", "Upgrade", "websocket"), fault.BadRequest, "")
	if a := g.do("GET", "/proxy/"+ids["b"]+"/x", key, ""); a.StatusCode != 429 || a.Header.Get("X-Tollgate-Provider") != "openai" {
		t.Errorf("by id: %d %v", a.StatusCode, a.Header)
	}
	if a := g.do("HEAD", "/proxy/groq/x", key, ""); a.StatusCode != 200 || a.ContentLength != 12 {
		t.Errorf("HEAD: %d, %d bytes", a.StatusCode, a.ContentLength)
	}
	var rejected *usagev1.Event
	for _, ev := range g.ledger.events {
		if ev.HttpStatus == 429 {
			rejected = ev
		}
	}
	if rejected == nil || rejected.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || rejected.ErrorCode != fault.UpstreamRateLimited.Code || rejected.CostNano != 0 {
		t.Errorf("event of the refusal: %v", rejected)
	}
}

func TestProxyMetersWhatCanBeRead(t *testing.T) {
	for _, c := range []struct {
		name, path, sent, kind, answer string
		dialect                        string
		tokens                         *usagev1.Tokens
		cost                           bool
	}{
		{"chat", "/chat/completions", `{"model":"provider-model","messages":[]}`, "application/json",
			`{"model":"provider-model-2026-01-01","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}`,
			providerkind.OpenAIChat, &usagev1.Tokens{Input: 6, CacheRead: 4, Output: 5}, true},
		{"chat stream", "/chat/completions", `{"stream":true,"model":"provider-model"}`, "text/event-stream",
			"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
			providerkind.OpenAIChat, &usagev1.Tokens{Input: 3, Output: 2}, true},
		{"responses stream", "/responses", `{"stream":true,"model":"other"}`, "text/event-stream",
			"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"other\",\"usage\":{\"input_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":2},\"output_tokens\":1,\"output_tokens_details\":{\"reasoning_tokens\":1},\"total_tokens\":8}}}\n\n",
			providerkind.OpenAIChat, &usagev1.Tokens{Input: 5, CacheRead: 2, Output: 1, Reasoning: 1}, false},
		{"messages stream", "/messages", `{"model":"provider-model"}`, "text/event-stream",
			"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"provider-model\",\"usage\":{\"input_tokens\":6,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n" +
				"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
			providerkind.Anthropic, &usagev1.Tokens{Input: 6, CacheRead: 4, Output: 5}, true},
		{"gemini", "/models/provider-model:generateContent", `{"contents":[]}`, "application/json; charset=UTF-8",
			`{"candidates":[],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":4}}`,
			providerkind.Gemini, &usagev1.Tokens{Input: 6, CacheRead: 4, Output: 5}, true},
	} {
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", c.kind)
			io.WriteString(w, c.answer)
		}, func(cr *configv1.Credential, _ *configv1.Model) { cr.Provider, cr.Dialect = "custom", c.dialect })
		a := g.do("POST", "/proxy/custom"+c.path, key, c.sent, "Content-Type", "application/json")
		ev := g.ledger.wait(t, 0)
		if a.body != c.answer || ev.Tokens.String() != c.tokens.String() || ev.Estimated || (ev.CostNano > 0) != c.cost || c.cost && (ev.CostPriceId != "prc_test" || ev.ProviderModel != "provider-model") {
			t.Errorf("%s: %q, event %v", c.name, a.body, ev)
		}
	}
}

func TestFilesAndBatchesGoToTheirOwner(t *testing.T) {
	named := func(name string) *httptest.Server {
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Got", r.Header.Get("Anthropic-Version"))
			io.WriteString(w, name+" "+r.Method+" "+r.RequestURI+" "+r.Header.Get("Anthropic-Beta"))
			if r.Method == "POST" && n == 0 && !strings.HasSuffix(r.URL.Path, "cancel") {
				t.Errorf("%s: no body", r.URL)
			}
		}))
		t.Cleanup(up.Close)
		return up
	}
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	for _, p := range []struct{ provider, dialect string }{{"openai", ""}, {"anthropic", providerkind.Anthropic}, {"deepseek", ""}} {
		w.Route(acme, p.provider+"-route", "m", named(p.provider).URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Provider, c.Dialect = p.provider, p.dialect
		})
	}
	g := start(t, w, nil)
	kind, form := aForm("x", []byte("content"), "purpose", "batch")
	for _, c := range []struct{ method, path, body, kind, version, want string }{
		{"POST", "/v1/files", form, kind, "", "openai POST /v1/files "},
		{"GET", "/v1/files?limit=3", "", "", "", "openai GET /v1/files?limit=3 "},
		{"GET", "/t/acme/v1/files/file-1/content", "", "", "", "openai GET /v1/files/file-1/content "},
		{"DELETE", "/v1/files/file-1?provider=deepseek", "", "", "", "deepseek DELETE /v1/files/file-1 "},
		{"GET", "/v1/files/file-1?model=deepseek-route&a=b", "", "", "", "deepseek GET /v1/files/file-1?a=b "},
		{"POST", "/v1/uploads/u1/parts", form, kind, "", "openai POST /v1/uploads/u1/parts "},
		{"POST", "/v1/batches", `{"input_file_id":"file-1"}`, "application/json", "", "openai POST /v1/batches "},
		{"POST", "/v1/batches/b1/cancel", "", "", "", "openai POST /v1/batches/b1/cancel "},
		{"GET", "/v1/files", "", "", "2023-06-01", "anthropic GET /v1/files files-api-2025-04-14"},
		{"GET", "/v1/messages/batches/m1/results", "", "", "2023-06-01", "anthropic GET /v1/messages/batches/m1/results files-api-2025-04-14"},
		{"POST", "/v1/messages/batches", `{"requests":[]}`, "application/json", "", "anthropic POST /v1/messages/batches "},
	} {
		headers := []string{"Content-Type", c.kind}
		if c.version != "" {
			headers = append(headers, "Anthropic-Version", c.version, "Anthropic-Beta", "files-api-2025-04-14")
		}
		if a := g.do(c.method, c.path, key, c.body, headers...); a.StatusCode != 200 || a.body != c.want {
			t.Errorf("%s %s: %d %q, want %q", c.method, c.path, a.StatusCode, a.body, c.want)
		}
	}
	g.wantFault(g.do("GET", "/v1/files/f", key, "", "X-Tollgate-Provider", "nobody"), fault.NotFound, "provider")
	g.wantFault(g.do("GET", "/v1/files/f?model=nobody", key, ""), fault.ModelNotFound, "model")
	g.wantFault(g.do("GET", "/v1/files/..%2fx", key, ""), fault.UnknownPath, "")
	made, got := g.ledger.wait(t, 6), g.ledger.wait(t, 7)
	if made.Operation != "batches" || !made.Estimated || made.CostNano != 0 || got.Operation != "batches" || got.Estimated {
		t.Errorf("events of batches: %v\n%v", made, got)
	}
}

func TestDemoCarries(t *testing.T) {
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	g := start(t, w, nil)
	a := g.do("POST", "/v1/audio/speech", key, `{"model":"demo","input":"Hello"}`)
	if a.StatusCode != 200 || !strings.HasPrefix(a.body, "RIFF") || a.Header.Get("Content-Type") != "audio/wav" || len(a.body) != 44+2*5*400 {
		t.Errorf("speech: %d %v, %d bytes", a.StatusCode, a.Header, len(a.body))
	}
	kind, form := aForm("demo", []byte(a.body))
	if a := g.do("POST", "/v1/audio/transcriptions", key, form, "Content-Type", kind); a.StatusCode != 200 || !strings.Contains(a.body, "The demo provider heard") {
		t.Errorf("transcription: %d %s", a.StatusCode, a.body)
	}
	b := g.do("POST", "/v1/files?provider=demo", key, form, "Content-Type", kind)
	if again := g.do("POST", "/v1/files?provider=demo", key, form, "Content-Type", kind); b.StatusCode != 200 || b.body != again.body || !strings.Contains(b.body, `"file-demo-`) {
		t.Errorf("file: %d %s, then %s", b.StatusCode, b.body, again.body)
	}
	if c := g.do("GET", "/v1/files/file-demo-1/content?provider=demo", key, ""); c.body != "Hello, demo\n" {
		t.Errorf("content: %d %s", c.StatusCode, c.body)
	}
	if c := g.do("GET", "/proxy/demo/x", key, ""); c.StatusCode != 404 {
		t.Errorf("proxy: %d %s", c.StatusCode, c.body)
	}
}
