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
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// What is paid for by the token is not free by the proxy: not without a report,
// not before it, not under another method, nor by a cheaper name.
func TestProxyIsNoWayAroundTheMeter(t *testing.T) {
	const (
		chunk  = "data: {\"model\":\"provider-model\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
		hello  = `{"model":"provider-model","stream":true,"messages":[{"role":"user","content":"Hello there"}]}`
		events = "text/event-stream"
		start  = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"provider-model\",\"usage\":{\"input_tokens\":6,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n"
		delta  = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"x\"}}\n\n"
	)
	usage := `"usage":{"prompt_tokens":10,"completion_tokens":5}`
	for _, c := range []struct {
		name, path, sent, kind, answer string
		tokens                         *usagev1.Tokens
		model                          string
		estimated                      bool
	}{
		{"stream without a report", "/chat/completions", hello, events, chunk + chunk + chunk + "data: [DONE]\n\n", &usagev1.Tokens{Input: 2, Output: 3}, "provider-model", true},
		{"stream that breaks off", "/messages", hello, events, start + delta + delta + delta, &usagev1.Tokens{Input: 6, Output: 4}, "provider-model", true},
		{"answer without a report", "/models/provider-model:generateContent", `{"contents":[{"parts":[{"text":"Hello there"}]}]}`, "application/json", `{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, &usagev1.Tokens{Input: 2, Output: 13}, "provider-model", true},
		{"no generation", "/fine_tuning/jobs", hello, "application/json", `{"id":"ftjob"}`, &usagev1.Tokens{}, "provider-model", true},
		{"message of a thread", "/threads/thread_1/messages", hello, "application/json", `{"id":"msg"}`, &usagev1.Tokens{}, "provider-model", true},
		{"model within another member", "/chat/completions", `{"model":"provider-model","response":{"model":"cheap"},"modelVersion":"cheap"}`, "application/json", `{` + usage + `}`, &usagev1.Tokens{Input: 10, Output: 5}, "provider-model", false},
		{"model under an escaped name", "/chat/completions", `{"mod\u0065l":"provider-model","message":{"model":"cheap"}}`, "application/json", `{` + usage + `}`, &usagev1.Tokens{Input: 10, Output: 5}, "provider-model", false},
		{"model of the path", "/openai/deployments/big/chat/completions", `{"model":"cheap"}`, "application/json", `{"model":"provider-model",` + usage + `}`, &usagev1.Tokens{Input: 10, Output: 5}, "provider-model", false},
	} {
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", c.kind)
			io.WriteString(w, c.answer)
		}, nil)
		a := g.do("POST", "/proxy/openai"+c.path, key, c.sent, "Content-Type", "application/json")
		ev := g.ledger.wait(t, 0)
		if a.body != c.answer || ev.Tokens.String() != c.tokens.String() || ev.ProviderModel != c.model || ev.Estimated != c.estimated || (ev.CostNano > 0) != (c.tokens.Output > 0) {
			t.Errorf("%s: %q, event %v", c.name, a.body, ev)
		}
	}
}

// A header cannot make another method or path of a call than those that are seen,
// nor can a path that is unescaped twice.
func TestProxyKeepsTheMethod(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url"} {
			if v := r.Header.Get(name); v != "" {
				t.Errorf("the provider has %s: %s", name, v)
			}
		}
	}, nil)
	if a := g.do("PUT", "/proxy/openai/models/m:generateContent", key, `{}`, "X-HTTP-Method-Override", "POST", "X-HTTP-Method", "POST", "X-Method-Override", "POST", "X-Original-URL", "/admin", "X-Rewrite-URL", "/admin"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for _, path := range []string{"%252e%252e/admin", "a/..%252f..%252fadmin", "%25252e%25252e/x", "%252e%252e%253b/x"} {
		g.wantFault(g.do("GET", "/proxy/openai/"+path, key, ""), fault.UnknownPath, "")
	}
	for _, path := range []string{"a%252Fb", "m%253A0", "..a", "100%25"} {
		if a := g.do("GET", "/proxy/openai/"+path, key, ""); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}

// A provider that shows what it was sent may write it as JSON and URLs do.
func TestProxyHidesEscapedSecrets(t *testing.T) {
	const secret = "ABSKa/b+c=="
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Location", "/?key=ABSKa%2Fb%2Bc%3D%3D")
		io.WriteString(w, `{"php":"ABSKa\/b+c==","java":"ABSKa/b+c\u003d\u003d","net":"ABSKa/b\u002Bc==","url":"ABSKa%2fb%2bc%3d%3d"}`)
	}))
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	w.Route(acme, "r", "m", up.URL+"/v1", secret, nil)
	g := start(t, w, nil)
	if a := g.do("GET", "/proxy/openai/x", key, ""); a.StatusCode != 200 || strings.Contains(a.body, "ABSK") || a.Header.Get("Location") != "" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
}

// An error inside of an answer or a stream says what a refusal would, and no
// more: not the secret, whichever dialect the caller speaks.
func TestErrorsInsideOfAnswersHideSecrets(t *testing.T) {
	const secret = "gateway-own-key-of-acme"
	told := `{"error":{"message":"too hot for ` + secret + `","type":"invalid_request_error","param":"` + secret + `","code":400}}`
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(asked), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, told)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: "+told+"\n\n")
	}))
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	w.Route(acme, "r", "m", up.URL+"/v1", secret, nil)
	g := start(t, w, nil)
	for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
		for _, stream := range []string{"false", "true"} {
			a := g.do("POST", path, key, `{"model":"r","max_tokens":9,"stream":`+stream+`,"messages":[{"role":"user","content":"x"}]}`, "Content-Type", "application/json")
			if strings.Contains(a.body, secret) || !strings.Contains(a.body, "too hot for [redacted]") || (a.StatusCode == 400) != (stream == "false") {
				t.Errorf("%s, stream %s: %d %s", path, stream, a.StatusCode, a.body)
			}
		}
	}
}

// The name of a model that a caller makes up adds no header to the answer.
func TestModelOfTheProxyIsNoHeader(t *testing.T) {
	g, key := carrier(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	}, nil)
	a := g.do("POST", "/proxy/openai/chat/completions", key, `{"model":"m\r\nX-Evil: 1"}`, "Content-Type", "application/json")
	if ev := g.ledger.wait(t, 0); a.StatusCode != 200 || a.Header.Get("X-Evil") != "" || a.Header.Get("X-Tollgate-Model") != "" || ev.ProviderModel != "" {
		t.Errorf("%d %v, event %v", a.StatusCode, a.Header, ev)
	}
}

// What is heard is not free for who asks for plain text.
func TestPlainTranscriptionsAreEstimated(t *testing.T) {
	minute := int64(6_000_000)
	for _, c := range []struct {
		price *int64
		ms    int64
		audio int64
	}{{&minute, 20_000, 0}, {nil, 0, 200}} {
		g, key := carrier(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "Hello")
		}, func(_ *configv1.Credential, m *configv1.Model) {
			if c.price != nil {
				m.CostPrices[0].PerAudioMinute = *c.price
			}
		})
		kind, form := aForm("ear", make([]byte, 320_000))
		g.do("POST", "/v1/audio/transcriptions", key, form, "Content-Type", kind)
		ev := g.ledger.wait(t, 0)
		near := func(got, want int64) bool { return got >= want && got <= want+want/100 }
		if !ev.Estimated || ev.CostNano == 0 || !near(ev.GetUnits().GetAudioMilliseconds(), c.ms) || !near(ev.Tokens.AudioInput, c.audio) {
			t.Errorf("event %v", ev)
		}
	}
}
