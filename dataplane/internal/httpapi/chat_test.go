package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

const providerSecret = "sk-provider-secret-0123456789abcdef"

// behind starts a gateway with the route "fast" to a provider that acts as
// handler does.
func behind(t *testing.T, handler http.HandlerFunc) (*gateway, string) {
	t.Helper()
	up := httptest.NewServer(handler)
	t.Cleanup(up.Close)
	return behindURL(t, up.URL+"/v1", nil)
}

func behindURL(t *testing.T, url string, change func(*configv1.Credential, *configv1.Model)) (*gateway, string) {
	t.Helper()
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	w.Route(acme, "fast", "gpt-x", url, providerSecret, change)
	key, _ := w.Key(acme, nil)
	return start(t, w, nil), key
}

// raw answers every connection with these bytes and ends it.
func raw(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				io.WriteString(c, answer)
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/v1"
}

const plainAnswer = `{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"prompt_tokens_details":{"cached_tokens":400},"completion_tokens_details":{"reasoning_tokens":30}}}`

func jsonAnswer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, body)
}

func TestPlainAnswer(t *testing.T) {
	var got []byte
	var head http.Header
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		head = r.Header
		if r.URL.Path != "/v1/chat/completions" {
			t.Errorf("path is %s", r.URL.Path)
		}
		jsonAnswer(w, plainAnswer)
	})
	// Spaces, order, escapes and unknown fields must arrive as they were sent.
	sent := "{ \"future_field\" : [1.50, {\"x\":null}],\n\t\"model\" : \"f\\u0061st\", \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}] , \"z\":1e5}"
	a := g.chat(key, sent, "X-Request-Id", "my-id.1")
	if a.StatusCode != 200 || a.body != plainAnswer {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if want := strings.Replace(sent, `"f\u0061st"`, `"gpt-x"`, 1); string(got) != want {
		t.Errorf("provider got\n%s\nwant\n%s", got, want)
	}
	if head.Get("Authorization") != "Bearer "+providerSecret {
		t.Errorf("provider saw authorization %q", head.Get("Authorization"))
	}
	// 600 input, 400 cached, 100 output.
	cost := money.Nano((600*testconfig.InputPrice + 400*testconfig.CachePrice + 100*testconfig.OutputPrice) / 1_000_000)
	for name, want := range map[string]string{
		"X-Request-Id": "my-id.1", "X-Tollgate-Route": "fast", "X-Tollgate-Provider": "openai", "X-Tollgate-Model": "gpt-x",
		"X-Tollgate-Attempts": "1", "X-Tollgate-Cost": cost.String(), "Content-Type": "application/json",
	} {
		if a.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, a.Header.Get(name), want)
		}
	}
	if a.Header.Get("X-Tollgate-Revision") == "" {
		t.Error("no revision in the head")
	}
	ev := g.ledger.wait(t, 0)
	if ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.Estimated || ev.CostNano != int64(cost) || ev.PriceNano != int64(cost) ||
		ev.Tokens.Input != 600 || ev.Tokens.CacheRead != 400 || ev.Tokens.Output != 100 || ev.Tokens.Reasoning != 30 ||
		ev.CostPriceId != "prc_test" || len(ev.Attempts) != 1 || ev.Attempts[0].Status != 200 || ev.RequestId != "my-id.1" || ev.ClientIp != "127.0.0.1" {
		t.Errorf("event: %v", ev)
	}
	if strings.Contains(g.logs.String(), providerSecret) {
		t.Error("the provider's secret is in the log")
	}
}

// sse writes events as a provider does, one flush each.
func sse(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		fmt.Fprintf(w, "data: %s\n\n", e)
		w.(http.Flusher).Flush()
	}
}

const (
	chunkHel   = `{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}],"usage":null}`
	chunkLo    = `{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}],"usage":null}`
	chunkStop  = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`
	chunkUsage = `{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}`
)

func events(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		b.WriteString("data: " + c + "\n\n")
	}
	return b.String()
}

func TestStreamUsageIsAskedForAndHidden(t *testing.T) {
	var got []byte
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		sse(w, chunkHel, chunkLo, chunkStop, chunkUsage, "[DONE]")
	})
	a := g.chat(key, `{"model":"fast","stream":true,"messages":[]}`)
	if want := events(chunkHel, chunkLo, chunkStop, "[DONE]"); a.body != want {
		t.Errorf("caller got\n%s\nwant\n%s", a.body, want)
	}
	if want := `{"stream_options":{"include_usage":true},"model":"gpt-x","stream":true,"messages":[]}`; string(got) != want {
		t.Errorf("provider got %s, want %s", got, want)
	}
	ev := g.ledger.wait(t, 0)
	if !ev.Streamed || ev.Estimated || ev.Tokens.Input != 10 || ev.Tokens.Output != 2 || ev.TimeToFirstTokenNs <= 0 {
		t.Errorf("event: %v", ev)
	}
	if cost := a.Trailer.Get("X-Tollgate-Cost"); cost != money.Nano(ev.PriceNano).String() {
		t.Errorf("cost in the trailer is %q, settled %d", cost, ev.PriceNano)
	}
	// Who asks gets it.
	a = g.chat(key, `{"model":"fast","stream":true,"stream_options":{"include_usage":true},"messages":[]}`)
	if want := events(chunkHel, chunkLo, chunkStop, chunkUsage, "[DONE]"); a.body != want {
		t.Errorf("caller who asked got\n%s\nwant\n%s", a.body, want)
	}
}

func TestEventIsRecordedBeforeTheLastByte(t *testing.T) {
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) { sse(w, chunkHel, chunkStop, "[DONE]") })
	var sawEnd atomic.Bool
	g.ledger.settled = func(*usagev1.Event) {
		time.Sleep(30 * time.Millisecond) // time for the end to slip through, if it could
		if sawEnd.Load() {
			t.Error("the caller had the end before the event was recorded")
		}
	}
	req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"fast","stream":true,"messages":[]}`))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
		if strings.Contains(sc.Text(), "[DONE]") {
			sawEnd.Store(true)
		}
	}
	if !sawEnd.Load() {
		t.Error("no end")
	}
}

func TestEstimateWithoutUsage(t *testing.T) {
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte(`"stream":true`)) {
			sse(w, chunkHel, chunkLo, chunkStop, "[DONE]")
			return
		}
		jsonAnswer(w, `{"choices":[{"message":{"content":"Hello, world!"}}]}`)
	})
	g.chat(key, `{"model":"fast","messages":[{"role":"user","content":"The quick brown fox"}]}`)
	g.chat(key, `{"model":"fast","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"The quick brown fox"}]}]}`)
	if ev := g.ledger.wait(t, 0); !ev.Estimated || ev.Tokens.Input != 4 || ev.Tokens.Output != 4 || ev.CostNano == 0 {
		t.Errorf("plain: %v", ev)
	}
	if ev := g.ledger.wait(t, 1); !ev.Estimated || ev.Tokens.Input != 4 || ev.Tokens.Output != 1 {
		t.Errorf("stream: %v", ev)
	}
}

func TestProviderRefusals(t *testing.T) {
	var status atomic.Int32
	var body atomic.Value
	g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.Header().Set("Location", "http://127.0.0.1/secret")
		w.WriteHeader(int(status.Load()))
		io.WriteString(w, body.Load().(string))
	})
	call := func(s int, b string) *answer {
		status.Store(int32(s))
		body.Store(b)
		return g.chat(key, `{"model":"fast","messages":[]}`)
	}
	known := `{"error":{"message":"max_tokens is too large, key ` + providerSecret + ` or sk-prov***cdef","type":"invalid_request_error","param":"max_tokens","code":"too_large"}}`
	for _, s := range []int{400, 404, 422} {
		a := call(s, known)
		e := a.fault(t)
		if a.StatusCode != s || e.Error.Code != "too_large" || e.Error.Param == nil || *e.Error.Param != "max_tokens" || !strings.Contains(e.Error.Message, "max_tokens is too large") {
			t.Errorf("%d: %d %s", s, a.StatusCode, a.body)
		}
		if strings.Contains(a.body, "sk-") || a.Header.Get("X-Should-Retry") != "false" {
			t.Errorf("%d: %s %v", s, a.body, a.Header)
		}
	}
	const page = `<html>internal host db-7.corp, key ` + providerSecret + `</html>`
	for s, k := range map[int]*fault.Kind{401: fault.UpstreamAuth, 403: fault.UpstreamAuth, 500: fault.UpstreamError, 503: fault.UpstreamError, 302: fault.UpstreamGarbage} {
		for _, b := range []string{known, page} {
			a := call(s, b)
			g.wantFault(a, k, "")
			if strings.Contains(a.body, "corp") || strings.Contains(a.body, "sk-") || strings.Contains(a.body, "too large") {
				t.Errorf("%d: the provider's body leaks: %s", s, a.body)
			}
		}
	}
	if a := call(400, page); a.StatusCode != 400 || strings.Contains(a.body, "corp") {
		t.Errorf("400 of unknown shape: %s", a.body)
	}
	a := call(429, known)
	g.wantFault(a, fault.UpstreamRateLimited, "")
	if a.Header.Get("Retry-After") != "7" {
		t.Errorf("retry-after is %q", a.Header.Get("Retry-After"))
	}
	ev := g.ledger.wait(t, 0)
	if ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || ev.CostNano != 0 || ev.Attempts[0].Status != 400 || ev.Attempts[0].ErrorCode != "upstream_rejected" {
		t.Errorf("event: %v", ev)
	}
	if strings.Contains(g.logs.String(), "sk-") {
		t.Error("a secret is in the log")
	}
}

func TestGarbage(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		answer string
		kind   *fault.Kind
	}{
		"not HTTP":                         {"SSH-2.0-OpenSSH_9.2\r\n", fault.UpstreamGarbage},
		"nothing":                          {"", fault.UpstreamReset},
		"half a head":                      {"HTTP/1.1 200 OK\r\nContent-", fault.UpstreamReset},
		"half a body":                      {ok + "Content-Length: 1000\r\n\r\n{", fault.UpstreamReset},
		"two lengths":                      {ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", fault.UpstreamGarbage},
		"length and chunks":                {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", fault.UpstreamGarbage},
		"bad chunks":                       {ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", fault.UpstreamGarbage},
		"not JSON":                         {ok + "Content-Length: 5\r\n\r\nhello", fault.UpstreamGarbage},
		"other JSON":                       {ok + "Content-Length: 9\r\n\r\n{\"ok\":42}", fault.UpstreamGarbage},
		"HTML":                             {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", fault.UpstreamGarbage},
		"compressed":                       {ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", fault.UpstreamGarbage},
		"endless head":                     {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10), fault.UpstreamGarbage},
		"200 with an error":                {ok + "Content-Length: 45\r\n\r\n" + `{"error":{"message":"sk-secret is not good"}}`, fault.UpstreamError},
		"huge announcement":                {ok + "Content-Length: 99999999999\r\n\r\n{", fault.UpstreamTooLarge},
		"broken stream for a plain answer": {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n", fault.UpstreamReset},
	} {
		t.Run(name, func(t *testing.T) {
			g, key := behindURL(t, raw(t, c.answer), nil)
			g.wantFault(g.chat(key, `{"model":"fast","messages":[]}`), c.kind, "")
			if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || ev.CostNano != 0 || ev.ErrorCode != c.kind.Code {
				t.Errorf("event: %v", ev)
			}
		})
	}
}

func TestStreamThatBreaks(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	for name, c := range map[string]struct {
		answer string
		kind   *fault.Kind
	}{
		"reset":   {head + chunk(events(chunkHel)), fault.UpstreamReset},
		"torn":    {head + chunk(events(chunkHel)+"data: {\"cho"), fault.UpstreamReset},
		"garbage": {head + chunk(events(chunkHel)+"data: <html>\n\n"), fault.UpstreamGarbage},
		"error":   {head + chunk(events(chunkHel, `{"error":{"message":"host db-7 is down"}}`)), fault.UpstreamError},
		"no end":  {head + chunk(events(chunkHel)) + "0\r\n\r\n", fault.UpstreamReset},
	} {
		t.Run(name, func(t *testing.T) {
			g, key := behindURL(t, raw(t, c.answer), nil)
			a := g.chat(key, `{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hello"}]}`)
			first, rest, _ := strings.Cut(a.body, "\n\n")
			var e oaError
			data, isData := strings.CutPrefix(strings.TrimSpace(rest), "data: ")
			if first != "data: "+chunkHel || !isData || json.Unmarshal([]byte(data), &e) != nil || e.Error.Code != c.kind.Code {
				t.Errorf("caller got %q", a.body)
			}
			if strings.Contains(a.body, "[DONE]") || strings.Contains(a.body, "db-7") {
				t.Errorf("caller got %q", a.body)
			}
			ev := g.ledger.wait(t, 0)
			if ev.Outcome != usagev1.Outcome_OUTCOME_UPSTREAM_ERROR || !ev.Estimated || ev.Tokens.Input == 0 || ev.Tokens.Output == 0 || ev.HttpStatus != 200 {
				t.Errorf("event: %v", ev)
			}
		})
	}
	t.Run("before the first event", func(t *testing.T) {
		g, key := behindURL(t, raw(t, head+chunk(events(`{"error":{"message":"no"}}`))), nil)
		g.wantFault(g.chat(key, `{"model":"fast","stream":true,"messages":[]}`), fault.UpstreamError, "")
		if ev := g.ledger.wait(t, 0); ev.CostNano != 0 {
			t.Errorf("event: %v", ev)
		}
	})
}

func TestUnreachableAndHanging(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	closed := "http://" + ln.Addr().String()
	ln.Close()
	g, key := behindURL(t, closed, nil)
	g.wantFault(g.chat(key, `{"model":"fast","messages":[]}`), fault.UpstreamUnreachable, "")

	release := make(chan struct{})
	hang := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("mid")) {
			sse(w, chunkHel)
		}
		<-release
	}))
	defer hang.Close()
	defer close(release)
	g, key = behindURL(t, hang.URL, func(c *configv1.Credential, _ *configv1.Model) {
		c.FirstByteTimeoutMs, c.IdleTimeoutMs = 100, 100
	})
	begin := time.Now()
	g.wantFault(g.chat(key, `{"model":"fast","messages":[]}`), fault.UpstreamTimeout, "")
	a := g.chat(key, `{"model":"fast","stream":true,"messages":[{"role":"user","content":"mid"}]}`)
	if !strings.Contains(a.body, `"code":"upstream_timeout"`) {
		t.Errorf("stalled stream: %q", a.body)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("timeouts of 100 ms took %v", d)
	}
}

func TestPrivateAddressesAreBlocked(t *testing.T) {
	for _, url := range []string{"https://169.254.169.254/v1", "https://10.1.2.3/v1", "https://[::1]/v1", "https://[::ffff:192.168.0.1]/v1", "http://93.184.216.34/v1"} {
		g, key := behindURL(t, url, nil)
		g.wantFault(g.chat(key, `{"model":"fast","messages":[]}`), fault.TargetBlocked, "")
		if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_REFUSED {
			t.Errorf("%s: %v", url, ev)
		}
	}
}
