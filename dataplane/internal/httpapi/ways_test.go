package httpapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// recorder is a provider that answers in every dialect, by what is asked where,
// and keeps what it was asked.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	uri  string
	head http.Header
	body map[string]any
	// unauthorised tokens are refused.
	unauthorised map[string]bool
}

func newRecorder(t *testing.T) *recorder {
	rec := &recorder{unauthorised: map[string]bool{}}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.uri, rec.head, rec.body = r.Method+" "+r.URL.RequestURI(), r.Header.Clone(), nil
		json.Unmarshal(raw, &rec.body)
		w.Header().Set("Content-Type", "application/json")
		if rec.unauthorised[r.Header.Get("Authorization")] {
			w.WriteHeader(401)
			fmt.Fprint(w, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`)
			return
		}
		if strings.Contains(r.URL.Path, "count-tokens") {
			fmt.Fprint(w, `{"input_tokens":77}`)
			return
		}
		d := dialectAt(r.URL.Path)
		if rec.body["stream"] != true && !strings.Contains(r.URL.Path, ":stream") {
			fmt.Fprint(w, answerIn(d))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range eventsIn(d) {
			var named struct{ Type string }
			json.Unmarshal([]byte(ev), &named)
			if named.Type != "" {
				fmt.Fprintf(w, "event: %s\n", named.Type)
			}
			fmt.Fprintf(w, "data: %s\n\n", ev)
		}
	}))
	t.Cleanup(rec.Close)
	return rec
}

func dialectAt(path string) string {
	switch {
	case strings.HasSuffix(path, "/v2/chat"):
		return providerkind.Cohere
	case strings.Contains(path, "/responses"):
		return providerkind.Responses
	case strings.Contains(path, "/publishers/anthropic/") || strings.HasSuffix(path, "/messages"):
		return providerkind.Anthropic
	case strings.Contains(path, ":generateContent") || strings.Contains(path, ":streamGenerateContent"):
		return providerkind.Gemini
	}
	return providerkind.OpenAIChat
}

const responsesAnswer = `{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant",` +
	`"content":[{"type":"output_text","text":"Good day to you.","annotations":[]}]}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}}`

const cohereUsage = `"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":10,"output_tokens":5},"cached_tokens":4}`

func answerIn(dialect string) string {
	if dialect == providerkind.Cohere {
		return `{"id":"1","message":{"role":"assistant","content":[{"type":"text","text":"Good day to you."}]},` + cohereUsage + `}`
	}
	for _, p := range providers {
		if p.dialect == dialect {
			return p.plain
		}
	}
	return responsesAnswer
}

func eventsIn(dialect string) []string {
	if dialect == providerkind.Cohere {
		return []string{
			`{"type":"message-start","id":"1","delta":{"message":{"role":"assistant"}}}`,
			`{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":""}}}}`,
			`{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Good day to you."}}}}`,
			`{"type":"content-end","index":0}`,
			`{"type":"message-end","delta":{` + cohereUsage + `}}`,
		}
	}
	for _, p := range providers {
		if p.dialect == dialect {
			return p.events
		}
	}
	return []string{
		`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}}`,
		`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}`,
		`{"type":"response.content_part.added","sequence_number":2,"output_index":0,"content_index":0,"item_id":"msg_1","part":{"type":"output_text","text":"","annotations":[]}}`,
		`{"type":"response.output_text.delta","sequence_number":3,"output_index":0,"content_index":0,"item_id":"msg_1","delta":"Good day to you."}`,
		`{"type":"response.output_text.done","sequence_number":4,"output_index":0,"content_index":0,"item_id":"msg_1","text":"Good day to you."}`,
		`{"type":"response.output_item.done","sequence_number":5,"output_index":0,"item":{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Good day to you.","annotations":[]}]}}`,
		`{"type":"response.completed","sequence_number":6,"response":` + responsesAnswer + `}`,
	}
}

// way is a credential and model, and where each call of it must go.
type way struct {
	name, provider, dialect, base, version, model string
	// caller is a name in callers; path where it must arrive, streamed and not.
	caller, path, stream string
	// body is a field that must be in the body, as "name=value", or "-name" for
	// one that must not.
	body   []string
	header []string
}

var ways = []way{
	{name: "azure v1", provider: "azure-openai", base: "", model: "gpt-4o", caller: "openai-chat", path: "/openai/v1/chat/completions", stream: "/openai/v1/chat/completions", body: []string{"model=gpt-4o"}},
	{name: "azure v1, given", provider: "azure-openai", base: "/openai/v1", model: "gpt-4o", caller: "anthropic-messages", path: "/openai/v1/chat/completions", stream: "/openai/v1/chat/completions"},
	{name: "azure preview", provider: "azure-openai", base: "/openai/v1", version: "preview", model: "gpt-4o", caller: "openai-responses", path: "/openai/v1/responses?api-version=preview", stream: "/openai/v1/responses?api-version=preview"},
	{name: "azure deployment", provider: "azure-openai", base: "", version: "2024-10-21", model: "my-gpt", caller: "openai-chat",
		path: "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", stream: "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"},
	{name: "azure deployment, other caller", provider: "azure-openai", base: "/openai/v1", version: "2024-10-21", model: "my-gpt", caller: "openai-responses",
		path: "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", stream: "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"},
	{name: "github", provider: "github-models", base: "/inference", model: "openai/gpt-4o", caller: "openai-chat", path: "/inference/chat/completions", stream: "/inference/chat/completions", header: []string{"X-Github-Api-Version=2022-11-28"}},
	{name: "openai responses", provider: "openai", base: "/v1", model: "gpt-5", caller: "openai-responses", path: "/v1/responses", stream: "/v1/responses", body: []string{"model=gpt-5"}},
	{name: "openai chat", provider: "openai", base: "/v1", model: "gpt-5", caller: "openai-chat", path: "/v1/chat/completions", stream: "/v1/chat/completions"},
	{name: "openai, from anthropic", provider: "openai", base: "/v1", model: "gpt-5", caller: "anthropic-messages", path: "/v1/chat/completions", stream: "/v1/chat/completions"},
	{name: "openai pro, from chat", provider: "openai", base: "/v1", model: "gpt-5-pro", caller: "openai-chat", path: "/v1/responses", stream: "/v1/responses"},
	{name: "openai audio, from responses", provider: "openai", base: "/v1", model: "gpt-4o-audio-preview", caller: "openai-responses", path: "/v1/chat/completions", stream: "/v1/chat/completions"},
	{name: "only responses", provider: "custom", dialect: "openai-responses", base: "/v1", model: "m", caller: "openai-chat", path: "/v1/responses", stream: "/v1/responses"},
	{name: "only responses, from gemini", provider: "custom", dialect: "openai-responses", base: "/v1", model: "m", caller: "gemini", path: "/v1/responses", stream: "/v1/responses"},
	{name: "groq responses", provider: "groq", base: "/openai/v1", model: "m", caller: "openai-responses", path: "/openai/v1/responses", stream: "/openai/v1/responses"},
	{name: "vllm messages", provider: "vllm", base: "/v1", model: "m", caller: "anthropic-messages", path: "/v1/messages", stream: "/v1/messages"},
	{name: "cohere", provider: "cohere", dialect: "cohere-v2", base: "/v2", model: "command-a", caller: "openai-chat", path: "/v2/chat", stream: "/v2/chat", body: []string{"model=command-a"}},
	{name: "cohere, from gemini", provider: "cohere", dialect: "cohere-v2", base: "/v2", model: "command-a", caller: "gemini", path: "/v2/chat", stream: "/v2/chat"},
	{name: "mistral has no responses", provider: "mistral", base: "/v1", model: "m", caller: "openai-responses", path: "/v1/chat/completions", stream: "/v1/chat/completions"},
	{name: "vertex gemini", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "gemini-2.5-pro", caller: "gemini",
		path: "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent", stream: "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse", body: []string{"-model"}},
	{name: "vertex gemini by publisher", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "google/gemini-2.5-pro", caller: "openai-chat",
		path: "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent", stream: "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"},
	{name: "vertex claude", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "claude-sonnet-4@20250514", caller: "anthropic-messages",
		path: "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict", stream: "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@20250514:streamRawPredict",
		body: []string{"-model", "anthropic_version=vertex-2023-10-16"}},
	{name: "vertex claude, from chat", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "anthropic/claude-opus-4", caller: "openai-chat",
		path: "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4:rawPredict", stream: "/v1/projects/p/locations/l/publishers/anthropic/models/claude-opus-4:streamRawPredict",
		body: []string{"-model", "anthropic_version=vertex-2023-10-16"}},
	{name: "vertex llama", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "meta/llama-3.3-70b-instruct-maas", caller: "openai-chat",
		path: "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", stream: "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", body: []string{"model=meta/llama-3.3-70b-instruct-maas"}},
	{name: "vertex mistral", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "mistralai/mistral-medium-3", caller: "openai-chat",
		path: "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-medium-3:rawPredict", stream: "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-medium-3:streamRawPredict"},
	{name: "vertex tuned", provider: "google-vertex", base: "/v1/projects/p/locations/l", model: "endpoints/123", caller: "gemini",
		path: "/v1/projects/p/locations/l/endpoints/123:generateContent", stream: "/v1/projects/p/locations/l/endpoints/123:streamGenerateContent?alt=sse"},
}

// TestCallsGoWhereTheProviderHasThem: URL, headers and body of each style, and
// the answer back in the caller's dialect.
func TestCallsGoWhereTheProviderHasThem(t *testing.T) {
	rec := newRecorder(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	for i, c := range ways {
		w.Route(tenant, fmt.Sprintf("way-%d", i), c.model, rec.URL+c.base, providerSecret, func(cred *configv1.Credential, _ *configv1.Model) {
			kind, _ := providerkind.Find(c.provider)
			cred.Provider, cred.Dialect, cred.ApiVersion = c.provider, kind.Dialect, c.version
			if c.dialect != "" {
				cred.Dialect = c.dialect
			}
			if kind.Auth.Header != "" {
				cred.AuthStyle, cred.AuthHeader = configv1.AuthStyle_AUTH_STYLE_HEADER, kind.Auth.Header
			}
		})
	}
	g := start(t, w, nil)
	n := 0
	for i, c := range ways {
		t.Run(c.name, func(t *testing.T) {
			for _, caller := range callers {
				if caller.name != c.caller {
					continue
				}
				p := spoken{dialect: fmt.Sprintf("way-%d", i)}
				caller.plain(t, g, key, &p)
				c.check(t, rec, c.path)
				checkTokens(t, g.ledger.wait(t, n), false)
				caller.stream(t, g, key, &p)
				c.check(t, rec, c.stream)
				checkTokens(t, g.ledger.wait(t, n+1), true)
				n += 2
			}
		})
	}
}

func (c *way) check(t *testing.T, rec *recorder, path string) {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.uri != "POST "+path {
		t.Errorf("%s was called, want %s", rec.uri, path)
	}
	for _, want := range c.body {
		name, value, _ := strings.Cut(want, "=")
		if gone, ok := strings.CutPrefix(name, "-"); ok {
			if rec.body[gone] != nil {
				t.Errorf("the body has %s: %v", gone, rec.body)
			}
		} else if rec.body[name] != value {
			t.Errorf("%s is %v, want %s", name, rec.body[name], value)
		}
	}
	for _, want := range c.header {
		name, value, _ := strings.Cut(want, "=")
		if rec.head.Get(name) != value {
			t.Errorf("%s is %q, want %s", name, rec.head.Get(name), value)
		}
	}
	kind, _ := providerkind.Find(c.provider)
	sent := rec.head.Get("Authorization")
	if kind.Auth.Header != "" {
		sent = "Bearer " + rec.head.Get(kind.Auth.Header)
	}
	if sent != "Bearer "+providerSecret {
		t.Errorf("the secret arrived as %q", sent)
	}
}

// TestOwnDialectKeepsWhatOnlyItsProviderKnows: a caller of Responses at OpenAI
// loses nothing, and gets the provider's own bytes.
func TestOwnDialectKeepsWhatOnlyItsProviderKnows(t *testing.T) {
	rec := newRecorder(t)
	g, key := behindURL(t, rec.URL+"/v1", nil)
	a := g.do("POST", "/v1/responses", key, `{"model":"fast","input":"Hi","previous_response_id":"resp_0","store":true,"tools":[{"type":"web_search"}],"new_field":{"a":[1]}}`)
	if a.StatusCode != 200 || a.body != responsesAnswer {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if rec.body["previous_response_id"] != "resp_0" || rec.body["store"] != true || rec.body["new_field"] == nil || rec.body["tools"] == nil {
		t.Errorf("the provider got %v", rec.body)
	}
	if lost := a.Header.Get("X-Tollgate-Dropped"); lost != "" {
		t.Errorf("%s was dropped", lost)
	}
}

// TestStoredAnswersAreTheirProviders: they are asked for where they were made,
// with the provider's own secret.
func TestStoredAnswersAreTheirProviders(t *testing.T) {
	rec := newRecorder(t)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	w.Route(tenant, "chat-only", "m", rec.URL+"/v1", "sk-of-another-provider", func(c *configv1.Credential, _ *configv1.Model) { c.Provider = "mistral" })
	w.Route(tenant, "fast", "gpt-5", rec.URL+"/v1", providerSecret, nil)
	limited, _ := w.Key(tenant, func(k *configv1.ApiKey) { k.AllowedRoutes = []string{"fast"} })
	g := start(t, w, nil)
	for i, c := range [][2]string{
		{"GET", "/v1/responses/resp_1?include[]=x"}, {"GET", "/v1/responses/resp_1/input_items?limit=2"},
		{"DELETE", "/v1/responses/resp_1"}, {"POST", "/v1/responses/resp_1/cancel"},
	} {
		a := g.do(c[0], c[1], key, "")
		if a.StatusCode != 200 || a.body != responsesAnswer || rec.uri != c[0]+" "+c[1] || rec.head.Get("Authorization") != "Bearer "+providerSecret {
			t.Errorf("%v: %d %s, the provider saw %s", c, a.StatusCode, a.body, rec.uri)
		}
		if ev := g.ledger.wait(t, i); ev.Operation != "responses" || ev.CostNano != 0 || ev.Provider != "openai" {
			t.Errorf("%v is recorded as %v", c, ev)
		}
	}
	rec.uri = ""
	if a := g.do("GET", "/v1/responses/resp_1?provider=mistral", key, ""); a.StatusCode == 200 && rec.head.Get("Authorization") != "Bearer sk-of-another-provider" {
		t.Errorf("another provider was asked with %s", rec.head.Get("Authorization"))
	}
	rec.uri = ""
	g.wantFault(g.do("GET", "/v1/responses/resp_1", limited, ""), fault.ModelNotAllowed, "")
	if a := g.do("POST", "/v1/responses/compact", key, `{}`); a.StatusCode != 404 || rec.uri != "" {
		t.Errorf("%d %s, the provider saw %s", a.StatusCode, a.body, rec.uri)
	}
	g2, key2 := behindURL(t, rec.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) { c.Provider = "mistral" })
	if a := g2.do("GET", "/v1/responses/resp_1", key2, ""); a.StatusCode != 404 || !strings.Contains(a.body, "x-tollgate-provider") {
		t.Errorf("nobody has it: %d %s", a.StatusCode, a.body)
	}
}

// TestVertexCountsTokens: Claude there has its count at a place of its own, and
// the model in the body.
func TestVertexCountsTokens(t *testing.T) {
	rec := newRecorder(t)
	g, key := behindURL(t, rec.URL+"/v1/projects/p/locations/l", func(c *configv1.Credential, m *configv1.Model) {
		c.Provider, c.Dialect, m.ProviderModel = "google-vertex", providerkind.Gemini, "anthropic/claude-opus-4"
	})
	a := g.do("POST", "/v1/messages/count_tokens", key, `{"model":"fast","messages":[{"role":"user","content":"Hi"}]}`)
	if a.StatusCode != 200 || !strings.Contains(a.body, `"input_tokens":77`) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if rec.uri != "POST /v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict" ||
		rec.body["model"] != "claude-opus-4" || rec.body["anthropic_version"] != "vertex-2023-10-16" {
		t.Errorf("%s %v", rec.uri, rec.body)
	}
}

// accountKey is the JSON key of a service account that signs in at a URL.
func accountKey(t *testing.T, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "token_uri": tokenURI,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestServiceAccountsGetTokens: one sign-in serves many calls; a token that the
// provider refuses is replaced by the next call.
func TestServiceAccountsGetTokens(t *testing.T) {
	signIns := 0
	var mu sync.Mutex
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		signIns++
		if r.FormValue("assertion") == "" {
			t.Error("nobody signed in")
		}
		fmt.Fprintf(w, `{"access_token":"ya29.secret-token-%d","expires_in":3599,"token_type":"Bearer"}`, signIns)
	}))
	t.Cleanup(tokens.Close)
	rec := newRecorder(t)
	secret := accountKey(t, tokens.URL+"/token")
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	google := func(c *configv1.Credential, _ *configv1.Model) {
		c.Provider, c.Dialect, c.AuthStyle = "google-vertex", providerkind.Gemini, configv1.AuthStyle_AUTH_STYLE_GOOGLE
	}
	w.Route(tenant, "vertex", "gemini-2.5-flash", rec.URL+"/v1/projects/p/locations/l", secret, google)
	w.Route(tenant, "machine", "gemini-2.5-flash", rec.URL+"/v1/projects/p/locations/l", "metadata", google)
	g := start(t, w, nil)
	call := func(route string) *answer {
		return g.chat(key, `{"model":"`+route+`","messages":[{"role":"user","content":"Hi"}]}`)
	}
	for range 3 {
		if a := call("vertex"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if got := rec.head.Get("Authorization"); got != "Bearer ya29.secret-token-1" || signIns != 1 {
		t.Errorf("%q after %d sign-ins", got, signIns)
	}
	rec.unauthorised["Bearer ya29.secret-token-1"] = true
	if a := call("vertex"); a.StatusCode != 502 || strings.Contains(a.body, "ya29") {
		t.Errorf("refused: %d %s", a.StatusCode, a.body)
	}
	if a := call("vertex"); a.StatusCode != 200 || rec.head.Get("Authorization") != "Bearer ya29.secret-token-2" {
		t.Errorf("after that: %d %s, %s", a.StatusCode, a.body, rec.head.Get("Authorization"))
	}
	if a := call("machine"); a.StatusCode != 502 || !strings.Contains(a.body, "TOLLGATE_MACHINE_IDENTITY") {
		t.Errorf("the machine is lent: %d %s", a.StatusCode, a.body)
	}
	if logs := g.logs.String(); strings.Contains(logs, "ya29") || strings.Contains(logs, "PRIVATE KEY") {
		t.Error("a secret is in the log")
	}
}
