package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// spoken is a provider of one dialect with what it answers.
type spoken struct {
	dialect, path, streamPath, header string
	plain                             string
	events                            []string
}

const answerText = "Good day to you."

// providers answer the same in each dialect: 10 tokens in, of which 4 from a
// cache, 5 out.
var providers = []spoken{
	{
		dialect: providerkind.OpenAIChat, path: "/v1/chat/completions", streamPath: "/v1/chat/completions", header: "Bearer " + providerSecret,
		plain: `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Good day to you."},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}`,
		events: []string{
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Good day"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" to you."},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}`,
			`[DONE]`,
		},
	},
	{
		dialect: providerkind.Anthropic, path: "/v1/messages", streamPath: "/v1/messages", header: providerSecret,
		plain: `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Good day to you."}],"stop_reason":"end_turn","stop_sequence":null,` +
			`"usage":{"input_tokens":6,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":5}}`,
		events: []string{
			`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":6,"cache_read_input_tokens":4,"output_tokens":1}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"ping"}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Good day"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" to you."}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}`,
			`{"type":"message_stop"}`,
		},
	},
	{
		dialect: providerkind.Gemini, path: "/v1/models/provider-model:generateContent", streamPath: "/v1/models/provider-model:streamGenerateContent?alt=sse", header: providerSecret,
		plain: `{"candidates":[{"content":{"role":"model","parts":[{"text":"Good day to you."}]},"finishReason":"STOP","index":0}],` +
			`"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":4},"modelVersion":"m","responseId":"r1"}`,
		events: []string{
			`{"candidates":[{"content":{"role":"model","parts":[{"text":"Good day"}]},"index":0}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10},"modelVersion":"m","responseId":"r1"}`,
			`{"candidates":[{"content":{"role":"model","parts":[{"text":" to you."}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":4},"modelVersion":"m","responseId":"r1"}`,
		},
	},
}

// asked is a caller of one dialect.
type asked struct {
	name, path, streamPath, body, streamBody string
	header                                   string
	// text takes an answer's text out of it, delta a stream's.
	text, delta []string
	// ends a stream.
	last string
}

var callers = []asked{
	{
		name: "openai-chat", path: "/v1/chat/completions", streamPath: "/v1/chat/completions", header: "Authorization: Bearer ",
		body:       `{"model":"ROUTE","messages":[{"role":"user","content":"Hi"}]}`,
		streamBody: `{"model":"ROUTE","stream":true,"messages":[{"role":"user","content":"Hi"}]}`,
		text:       []string{"choices", "0", "message", "content"}, delta: []string{"choices", "0", "delta", "content"}, last: "data: [DONE]\n\n",
	},
	{
		name: "openai-responses", path: "/v1/responses", streamPath: "/v1/responses", header: "Authorization: Bearer ",
		body:       `{"model":"ROUTE","input":"Hi"}`,
		streamBody: `{"model":"ROUTE","stream":true,"input":"Hi"}`,
		text:       []string{"output", "0", "content", "0", "text"}, delta: []string{"delta"}, last: "response.completed",
	},
	{
		name: "anthropic-messages", path: "/v1/messages", streamPath: "/v1/messages", header: "X-Api-Key: ",
		body:       `{"model":"ROUTE","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}`,
		streamBody: `{"model":"ROUTE","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`,
		text:       []string{"content", "0", "text"}, delta: []string{"delta", "text"}, last: "message_stop",
	},
	{
		name: "gemini", path: "/v1beta/models/ROUTE:generateContent", streamPath: "/v1beta/models/ROUTE:streamGenerateContent?alt=sse", header: "X-Goog-Api-Key: ",
		body:       `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`,
		streamBody: `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`,
		text:       []string{"candidates", "0", "content", "parts", "0", "text"}, delta: []string{"candidates", "0", "content", "parts", "0", "text"}, last: `"finishReason"`,
	},
}

// dig takes a value out of JSON by names and numbers.
func dig(v any, path []string) string {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	s, _ := v.(string)
	return s
}

// speaker is a provider over the network.
type speaker struct {
	*httptest.Server
	mu   sync.Mutex
	last *http.Request
	body []byte
}

func (p *spoken) serve(t *testing.T) *speaker {
	s := new(speaker)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.last, s.body = r, body
		s.mu.Unlock()
		if r.URL.RequestURI() == p.streamPath && (p.path != p.streamPath || strings.Contains(string(body), `"stream":true`)) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, ev := range p.events {
				var named struct{ Type string }
				json.Unmarshal([]byte(ev), &named)
				if named.Type != "" {
					fmt.Fprintf(w, "event: %s\n", named.Type)
				}
				fmt.Fprintf(w, "data: %s\n\n", ev)
				w.(http.Flusher).Flush()
			}
			return
		}
		if r.URL.RequestURI() != p.path {
			t.Errorf("%s was called at %s", p.dialect, r.URL.RequestURI())
		}
		jsonAnswer(w, p.plain)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestAnyDialectMeetsAny calls each provider in each dialect, plain and
// streamed: same text, same tokens, same cost.
func TestAnyDialectMeetsAny(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	key, _ := w.Key(tenant, nil)
	servers := map[string]*speaker{}
	for _, p := range providers {
		s := p.serve(t)
		servers[p.dialect] = s
		w.Route(tenant, p.dialect, "provider-model", s.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Dialect = p.dialect
			switch p.dialect {
			case providerkind.OpenAIChat:
				// OpenAI itself would take Responses as they are.
				c.Provider = providerkind.Custom
			case providerkind.Anthropic:
				c.Provider, c.AuthStyle, c.AuthHeader = "anthropic", configv1.AuthStyle_AUTH_STYLE_HEADER, "x-api-key"
			case providerkind.Gemini:
				c.Provider, c.AuthStyle, c.AuthHeader = "google", configv1.AuthStyle_AUTH_STYLE_HEADER, "x-goog-api-key"
			}
		})
	}
	g := start(t, w, nil)
	n := 0
	for _, c := range callers {
		for _, p := range providers {
			t.Run(c.name+" to "+p.dialect, func(t *testing.T) {
				c.plain(t, g, key, &p)
				checkTokens(t, g.ledger.wait(t, n), false)
				n++
				c.stream(t, g, key, &p)
				checkTokens(t, g.ledger.wait(t, n), true)
				n++
				s := servers[p.dialect]
				if got := s.last.Header.Get(authHeader(p.dialect)); got != p.header {
					t.Errorf("the provider saw the secret as %q", got)
				}
				if p.dialect == providerkind.Anthropic && s.last.Header.Get("Anthropic-Version") == "" {
					t.Error("no version was sent")
				}
			})
		}
	}
}

// TestWhatCannotBeTranslatedCallsNobody: the caller's mistake is no attempt and
// no failure of the provider.
func TestWhatCannotBeTranslatedCallsNobody(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the provider was called") }))
	t.Cleanup(up.Close)
	g, key := behindURL(t, up.URL+"/v1", func(c *configv1.Credential, _ *configv1.Model) { c.Provider = providerkind.Custom })
	for n, c := range []struct{ path, body, code string }{
		{"/v1/messages", `{"model":"fast","max_tokens":"many","messages":[{"role":"user","content":"Hi"}]}`, "wrong_type"},
		{"/v1/messages", `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":7}]}`, "wrong_type"},
		{"/v1/responses", `{"model":"fast","input":"Hi","previous_response_id":"resp_1"}`, "unsupported_field"},
	} {
		a := g.do("POST", c.path, key, c.body)
		if a.StatusCode != 400 || !strings.Contains(a.body, c.code) {
			t.Errorf("%s: %d %s", c.body, a.StatusCode, a.body)
		}
		ev := g.ledger.wait(t, n)
		if ev.Outcome != usagev1.Outcome_OUTCOME_REFUSED || len(ev.Attempts) != 0 || ev.ErrorCode != c.code || ev.CostNano != 0 {
			t.Errorf("%s is recorded as %v", c.body, ev)
		}
	}
}

func authHeader(d string) string {
	switch d {
	case providerkind.Anthropic:
		return "X-Api-Key"
	case providerkind.Gemini:
		return "X-Goog-Api-Key"
	}
	return "Authorization"
}

func checkTokens(t *testing.T, ev *usagev1.Event, streamed bool) {
	t.Helper()
	k := ev.GetTokens()
	if ev.Estimated || ev.Outcome != usagev1.Outcome_OUTCOME_OK || k.Input != 6 || k.CacheRead != 4 || k.Output != 5 || ev.Streamed != streamed {
		t.Errorf("event: %v", ev)
	}
}

func (c *asked) call(g *gateway, path, body, key, route string) *answer {
	name, value, _ := strings.Cut(c.header, ": ")
	return g.do("POST", strings.ReplaceAll(path, "ROUTE", route), "", strings.ReplaceAll(body, "ROUTE", route), name, value+key)
}

func (c *asked) plain(t *testing.T, g *gateway, key string, p *spoken) {
	a := c.call(g, c.path, c.body, key, p.dialect)
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.StatusCode != 200 {
		t.Fatalf("plain: %d %v %s", a.StatusCode, err, a.body)
	}
	if got := dig(v, c.text); got != answerText {
		t.Errorf("plain: text is %q in %s", got, a.body)
	}
	if c.name == p.dialect && a.body != p.plain {
		t.Errorf("plain: bytes changed on the way\n%s\n%s", a.body, p.plain)
	}
}

func (c *asked) stream(t *testing.T, g *gateway, key string, p *spoken) {
	a := c.call(g, c.streamPath, c.streamBody, key, p.dialect)
	if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("stream: %d %s %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	text := ""
	for line := range strings.Lines(a.body) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatalf("stream: %v in %q", err, data)
		}
		text += dig(v, c.delta)
	}
	if text != answerText {
		t.Errorf("stream: text is %q in\n%s", text, a.body)
	}
	if !strings.Contains(a.body, c.last) {
		t.Errorf("stream: no end in\n%s", a.body)
	}
}
