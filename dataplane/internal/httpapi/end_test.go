package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestCallerLeaves(t *testing.T) {
	for _, when := range []string{"before", "middle"} {
		t.Run(when, func(t *testing.T) {
			cancelled := make(chan struct{})
			arrived := make(chan struct{})
			g, key := behind(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if when == "middle" {
					sse(w, chunkHel)
				}
				close(arrived)
				<-r.Context().Done()
				close(cancelled)
			})
			ctx, leave := context.WithCancel(context.Background())
			req, _ := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions",
				strings.NewReader(`{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
			req.Header.Set("Authorization", "Bearer "+key)
			go func() {
				if resp, err := http.DefaultClient.Do(req); err == nil {
					io.Copy(io.Discard, resp.Body)
				}
			}()
			<-arrived
			if when == "middle" {
				time.Sleep(20 * time.Millisecond) // the first event should be on its way
			}
			leave()
			select {
			case <-cancelled:
			case <-time.After(2 * time.Second):
				t.Fatal("the provider was not told")
			}
			ev := g.ledger.wait(t, 0)
			if ev.Outcome != usagev1.Outcome_OUTCOME_CLIENT_CLOSED || !ev.Estimated || ev.Tokens.Input == 0 || (ev.Tokens.Output != 0) != (when == "middle") {
				t.Errorf("event: %v", ev)
			}
		})
	}
}

func TestRevokedKeyCutsStream(t *testing.T) {
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, keyID := w.Key(acme, nil)
	g := start(t, w, nil)
	req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(
		`{"model":"demo:tokens=1000,chunk-delay=20ms","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	g.pipeline.Cut(acme, "key_of_somebody_else")
	begin := time.Now()
	g.pipeline.Cut(acme, keyID)
	b, _ := io.ReadAll(resp.Body)
	if d := time.Since(begin); d > time.Second {
		t.Errorf("the stream went on for %v", d)
	}
	if !strings.Contains(string(b), `"code":"key_revoked"`) || strings.Contains(string(b), "[DONE]") {
		t.Errorf("caller got %q", b)
	}
	if ev := g.ledger.wait(t, 0); ev.Outcome != usagev1.Outcome_OUTCOME_CUT || !ev.Estimated || ev.Tokens.Input == 0 {
		t.Errorf("event: %v", ev)
	}
}

func TestDrain(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, func(c *httpapi.Config) { c.DrainTime = 200 * time.Millisecond })
	open := func(model string) *http.Response {
		req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(
			`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	short, long := open("demo:chunk-delay=5ms"), open("demo:tokens=1000,chunk-delay=50ms")
	defer short.Body.Close()
	defer long.Body.Close()
	g.stop()
	if b, _ := io.ReadAll(short.Body); !strings.Contains(string(b), "[DONE]") {
		t.Errorf("a short stream was not let to its end: %q", b)
	}
	if b, _ := io.ReadAll(long.Body); !strings.Contains(string(b), `"code":"server_draining"`) {
		t.Errorf("a long stream ended with %q", b)
	}
	if err := <-g.done; err != nil {
		t.Error(err)
	}
	g.done <- nil
	if ev := g.ledger.wait(t, 1); ev.Outcome != usagev1.Outcome_OUTCOME_CUT {
		t.Errorf("event: %v", ev)
	}
}

func TestPriceUnknown(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { jsonAnswer(w, plainAnswer) }))
	defer up.Close()
	for choice, status := range map[configv1.UnknownPrice]int{
		configv1.UnknownPrice_UNKNOWN_PRICE_BLOCK: 400, configv1.UnknownPrice_UNKNOWN_PRICE_ZERO: 200,
	} {
		g, key := behindURL(t, up.URL, func(_ *configv1.Credential, m *configv1.Model) { m.CostPrices, m.UnknownPrice = nil, choice })
		a := g.chat(key, `{"model":"fast","messages":[]}`)
		if a.StatusCode != status {
			t.Errorf("%v: %d %s", choice, a.StatusCode, a.body)
		}
		if warned := a.Header.Get("X-Tollgate-Warning") == "price_unknown"; warned != (status == 200) {
			t.Errorf("%v: warning %q", choice, a.Header.Get("X-Tollgate-Warning"))
		}
	}
}

func TestDemo(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	a := g.chat(key, hello)
	if a.StatusCode != 200 || !strings.Contains(a.body, "Hello from Tollgate") || a.Header.Get("X-Tollgate-Provider") != "demo" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if again := g.chat(key, hello); again.body != a.body {
		t.Error("the same request got another answer")
	}
	if a := g.chat(key, hello, "X-Tollgate-Demo", "status=500"); a.StatusCode != 502 {
		t.Errorf("status=500: %d", a.StatusCode)
	}
	if a := g.chat(key, hello, "X-Tollgate-Demo", "size=10KB"); len(a.body) < 10<<10 || len(a.body) > 11<<10 {
		t.Errorf("size=10KB: %d bytes", len(a.body))
	}
	if a := g.chat(key, strings.Replace(hello, "demo", "demo:latency=soon", 1)); a.StatusCode != 400 {
		t.Errorf("bad option: %d %s", a.StatusCode, a.body)
	}
	a = g.chat(key, `{"model":"demo","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],"messages":[{"role":"user","content":"What is the weather?"}]}`)
	if !strings.Contains(a.body, `"finish_reason":"tool_calls"`) || !strings.Contains(a.body, "get_weather") {
		t.Errorf("tools: %s", a.body)
	}
	if ev := g.ledger.wait(t, 0); ev.Provider != "demo" || ev.CostNano <= 0 || ev.Estimated {
		t.Errorf("event: %v", ev)
	}
}

// Balancers are waited for when somebody stops the data plane, and not when it
// cannot go on.
func TestNobodyWaitsForBalancersAfterAFailure(t *testing.T) {
	server := func() *httpapi.Server {
		return httpapi.New(httpapi.Config{Logger: slog.New(slog.DiscardHandler), DrainDelay: time.Hour})
	}
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	ends := func(when string, done <-chan error) error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			t.Fatalf("%s it goes on", when)
			return nil
		}
	}
	done := make(chan error, 1)
	ln := listen()
	go func() { done <- server().Run(context.Background(), ln) }()
	ln.Close()
	if err := ends("without a listener", done); err == nil {
		t.Error("the loss of the listener is not told")
	}
	ctx, end := context.WithCancelCause(context.Background())
	ln = listen()
	go func() { done <- server().Run(ctx, ln) }()
	end(httpapi.ErrPartFailed)
	if err := ends("after the failure of a part", done); err != nil {
		t.Error(err)
	}
}
