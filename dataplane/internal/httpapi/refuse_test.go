package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/secretkey"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestBadBodies(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	for _, c := range []struct {
		body  string
		kind  *fault.Kind
		param string
	}{
		{`{"model":"demo","messages":[`, fault.MalformedJSON, ""},
		{`{"model":"demo","messages":[]}x`, fault.MalformedJSON, ""},
		{``, fault.MalformedJSON, ""},
		{`not json`, fault.MalformedJSON, ""},
		{`{"model":7,`, fault.MalformedJSON, ""},
		{`[1]`, fault.WrongType, ""},
		{`{"model":7,"messages":[]}`, fault.WrongType, "model"},
		{`{"model":"demo","messages":{}}`, fault.WrongType, "messages"},
		{`{"model":"demo","messages":[],"stream":"yes"}`, fault.WrongType, "stream"},
		{`{"model":"demo","messages":[],"stream":true,"stream_options":1}`, fault.WrongType, "stream_options"},
		{`{"model":"demo","messages":[],"stream":true,"stream_options":{"include_usage":1}}`, fault.WrongType, "stream_options.include_usage"},
		{`{"model":"demo","messages":[],"max_tokens":"many"}`, fault.WrongType, "max_tokens"},
		{`{"messages":[]}`, fault.MissingField, "model"},
		{`{"model":"demo"}`, fault.MissingField, "messages"},
		{`{"model":"demo","messages":[],"model":"demo-large"}`, fault.BadRequest, "model"},
		{`{"model":"demo","messages":[],"Model":"demo-large"}`, fault.BadRequest, "model"},
		{`{"model":"demo","messages":[],"\u006dodel":"demo-large"}`, fault.BadRequest, "model"},
		{`{"model":"nobody-knows","messages":[]}`, fault.ModelNotFound, "model"},
		{`{"model":"nob\u00f6dy\nknows","messages":[]}`, fault.ModelNotFound, "model"},
	} {
		g.wantFault(g.chat(key, c.body), c.kind, c.param)
	}
	ev := g.ledger.wait(t, 0)
	if ev.Outcome != usagev1.Outcome_OUTCOME_REFUSED || ev.ErrorCode != "malformed_json" || ev.CostNano != 0 || ev.HttpStatus != 400 {
		t.Errorf("refusal was recorded as %v", ev)
	}
}

func TestKeys(t *testing.T) {
	w := testconfig.New(t)
	acme, other := w.Tenant("acme"), w.Tenant("other")
	good, _ := w.Key(acme, nil)
	foreign, _ := w.Key(other, nil)
	expired, _ := w.Key(acme, func(k *configv1.ApiKey) { k.ExpiresAtUnix = time.Now().Unix() - 1 })
	revoked, _ := w.Key(acme, func(k *configv1.ApiKey) { k.Revoked = true })
	limited, _ := w.Key(acme, func(k *configv1.ApiKey) { k.AllowedRoutes = []string{"demo-large"} })
	before, ended := secretkey.New(secretkey.API), secretkey.New(secretkey.API)
	rotated := func(old string, until time.Time) string {
		s, _ := w.Key(acme, func(k *configv1.ApiKey) {
			h := secretkey.Hash(old)
			k.PreviousSha256, k.PreviousValidUntilUnix = h[:], until.Unix()
		})
		return s
	}
	rotated(before, time.Now().Add(time.Hour))
	renewed := rotated(ended, time.Now().Add(-time.Hour))
	stopped := w.Tenant("stopped")
	suspended, _ := w.Key(stopped, nil)
	w.TenantWith(stopped, "stopped", configv1.TenantStatus_TENANT_STATUS_SUSPENDED)
	g := start(t, w, nil)

	for name, key := range map[string]string{"good": good, "before rotation": before, "after rotation": renewed} {
		if a := g.chat(key, hello); a.StatusCode != 200 {
			t.Errorf("%s key: %d %s", name, a.StatusCode, a.body)
		}
	}
	for _, h := range []string{"X-Api-Key", "X-Goog-Api-Key"} {
		if a := g.chat("", hello, h, good); a.StatusCode != 200 {
			t.Errorf("key in %s: %d %s", h, a.StatusCode, a.body)
		}
	}
	g.wantFault(g.chat("", hello), fault.MissingKey, "")
	g.wantFault(g.chat("nonsense", hello), fault.InvalidKey, "")
	for _, secret := range []string{secretkey.New(secretkey.Management), secretkey.New(secretkey.Session), "tgm_x"} {
		e := g.wantFault(g.chat(secret, hello), fault.InvalidKey, "")
		if !strings.Contains(e.Error.Message, "control plane's API") || !strings.Contains(e.Error.Message, "make one in the portal") {
			t.Errorf("the secret of something else: %q", e.Error.Message)
		}
	}
	// The word Bearer is easily forgotten.
	if a := g.chat("", hello, "Authorization", good); a.StatusCode != 200 {
		t.Errorf("a key without Bearer: %d %s", a.StatusCode, a.body)
	}
	g.wantFault(g.chat("", hello, "Authorization", "Basic dGdr"), fault.MissingKey, "")
	unknown := secretkey.New(secretkey.API)
	g.wantFault(g.chat(unknown, hello), fault.InvalidKey, "")
	g.wantFault(g.chat(expired, hello), fault.KeyExpired, "")
	g.wantFault(g.chat(ended, hello), fault.KeyExpired, "")
	g.wantFault(g.chat(revoked, hello), fault.KeyRevoked, "")
	g.wantFault(g.chat(suspended, hello), fault.TenantSuspended, "")
	g.wantFault(g.chat(limited, hello), fault.ModelNotAllowed, "model")
	g.wantFault(g.do("POST", "/t/acme/v1/chat/completions", foreign, hello), fault.TenantMismatch, "")
	g.wantFault(g.do("POST", "/t/nobody/v1/chat/completions", good, hello), fault.TenantMismatch, "")
	if a := g.do("POST", "/t/acme/v1/chat/completions", good, hello); a.StatusCode != 200 {
		t.Errorf("own tenant's path: %d %s", a.StatusCode, a.body)
	}

	// While the config is not complete, an unknown key may be a good one.
	g.config.complete = false
	a := g.chat(unknown, hello)
	g.wantFault(a, fault.ConfigUnavailable, "")
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Retry-After-Ms") == "" {
		t.Errorf("503 without retry headers: %v", a.Header)
	}
	if a := g.chat(good, hello); a.StatusCode != 200 {
		t.Errorf("known key with incomplete config: %d %s", a.StatusCode, a.body)
	}
	for _, secret := range []string{good, foreign, expired, unknown, before} {
		if strings.Contains(g.logs.String(), secret) {
			t.Error("a key is in the log")
		}
	}
}

func TestModelsList(t *testing.T) {
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	w.Route(acme, "fast", "gpt-x", "https://api.openai.com/v1", "sk-x", nil)
	key, _ := w.Key(acme, nil)
	limited, _ := w.Key(acme, func(k *configv1.ApiKey) { k.AllowedRoutes = []string{"fast"} })
	g := start(t, w, nil)
	if a := g.do("GET", "/v1/models", key, ""); a.StatusCode != 200 || strings.Count(a.body, `"object":"model"`) != 3 || !strings.Contains(a.body, `"id":"fast"`) {
		t.Errorf("list: %d %s", a.StatusCode, a.body)
	}
	if a := g.do("GET", "/t/acme/v1/models", limited, ""); strings.Count(a.body, `"object":"model"`) != 1 {
		t.Errorf("list of a limited key: %s", a.body)
	}
	if a := g.do("GET", "/v1/models/demo", key, ""); a.StatusCode != 200 || !strings.HasPrefix(a.body, `{"id":"demo","object":"model"`) {
		t.Errorf("one model: %d %s", a.StatusCode, a.body)
	}
	g.wantFault(g.do("GET", "/v1/models/none", key, ""), fault.ModelNotFound, "model")
	g.wantFault(g.do("GET", "/v1/models/demo", limited, ""), fault.ModelNotFound, "model")
	if ev := g.ledger.wait(t, 0); ev.Operation != "models" || ev.Outcome != usagev1.Outcome_OUTCOME_OK || ev.HttpStatus != 200 {
		t.Errorf("list was recorded as %v", ev)
	}
}

func TestClientBehindATrustedProxy(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	for name, c := range map[string]struct{ trusted, want string }{
		"nobody is trusted":    {"", "127.0.0.1"},
		"another is trusted":   {"10.0.0.0/8", "127.0.0.1"},
		"the proxy is trusted": {"127.0.0.1", "203.0.113.9"},
	} {
		trusted, err := network.Parse(c.trusted)
		if err != nil {
			t.Fatal(err)
		}
		g := start(t, w, func(cfg *httpapi.Config) { cfg.TrustedProxies = trusted })
		g.chat(key, hello, "X-Forwarded-For", "192.0.2.66, 203.0.113.9")
		if ev := g.ledger.wait(t, 0); ev.ClientIp != c.want {
			t.Errorf("%s: the event has %s, want %s", name, ev.ClientIp, c.want)
		}
	}
}

func TestRequestIDsThatSayNothingAreReplaced(t *testing.T) {
	g := start(t, testconfig.New(t), nil)
	for _, path := range []string{"/v1/models", "/nothing"} {
		for given, kept := range map[string]bool{"a.1": true, ".": false, "...": false, "-_.": false, "a b": false} {
			if got := g.do("GET", path, "", "", "X-Request-Id", given).Header.Get("X-Request-Id"); (got == given) != kept || got == "" {
				t.Errorf("%s: %q became %q", path, given, got)
			}
		}
	}
}

func TestReadinessTellsTheRevision(t *testing.T) {
	w := testconfig.New(t)
	w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	want := fmt.Sprintf(`"config_revision":%d}`, g.config.Revision())
	if a := g.do("GET", "/readyz", "", ""); a.StatusCode != 200 || g.config.Revision() == 0 || !strings.Contains(a.body, want) {
		t.Errorf("%d %s, want %s", a.StatusCode, a.body, want)
	}
}

func TestPathsAndMethods(t *testing.T) {
	g := start(t, testconfig.New(t), nil)
	g.wantFault(g.do("GET", "/nothing", "", ""), fault.UnknownPath, "")
	wrong := g.do("GET", "/v1/chat/completions", "", "")
	g.wantFault(wrong, fault.MethodNotAllowed, "")
	if !strings.Contains(wrong.Header.Get("Allow"), "POST") || !strings.Contains(wrong.body, "POST") {
		t.Errorf("a wrong method is answered with %v %s", wrong.Header, wrong.body)
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/models", "/v1/models/a/b", "/t/acme/v1/models"} {
		a := g.do("OPTIONS", path, "", "")
		g.wantFault(a, fault.MethodNotAllowed, "")
		if a.Header.Get("Allow") == "" || a.Header.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(a.body, "from a server") {
			t.Errorf("a browser that asks for %s gets %v %s", path, a.Header, a.body)
		}
	}
	for _, p := range []string{"/livez", "/readyz", "/startupz", "/metrics"} {
		if a := g.do("GET", p, "", ""); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", p, a.StatusCode, a.body)
		}
	}
}

func TestTooLarge(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	// With a length, the answer comes before any of the body.
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", key, 33<<20)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("33 MiB announced: %v %v", resp, err)
	}
	// Without one, the body is cut at the limit.
	pr, pw := io.Pipe()
	go func() {
		piece := []byte(strings.Repeat(" ", 1<<20))
		for range 33 {
			if _, err := pw.Write(piece); err != nil {
				return
			}
		}
		pw.Close()
	}()
	req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", pr)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err = http.DefaultClient.Do(req)
	// The server may end the connection while the client still writes.
	if err == nil {
		if resp.StatusCode != 413 {
			t.Errorf("33 MiB in chunks: %d", resp.StatusCode)
		}
		resp.Body.Close()
	}
	if ev := g.ledger.wait(t, 1); ev.ErrorCode != "body_too_large" {
		t.Errorf("recorded as %v", ev)
	}
	g.wantFault(g.chat(key, hello, "X-Filler", strings.Repeat("x", 40<<10)), fault.HeadersTooLarge, "")
}

func TestSlowBodyIsRefused(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, func(c *httpapi.Config) {
		c.Limits.HeaderTime, c.Limits.BodyStall = 100*time.Millisecond, 100*time.Millisecond
	})
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", key)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 408 {
		t.Fatalf("a body that does not come: %v %v", resp, err)
	}
}

// TestBodiesThatBreakOffAreNotAnsweredWith200: the bytes of a body may be wrong
// below its JSON, or end early while the caller still listens.
func TestBodiesThatBreakOffAreNotAnsweredWith200(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	for name, body := range map[string]string{
		"chunk length": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n0x%x\r\n%s\r\n0\r\n\r\n", len(hello), hello),
		"bare LF":      fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\n%s\n0\n\n", len(hello), hello),
		"half closed":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hello)+1, hello),
	} {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s", key, body)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && (resp.StatusCode != 400 || !resp.Close) {
			t.Errorf("%s: %d, closes %t", name, resp.StatusCode, resp.Close)
		}
		if err != nil && name != "half closed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOverload(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, func(c *httpapi.Config) { c.Limits.InFlight = 1 })
	first := make(chan *answer, 1)
	go func() { first <- g.chat(key, strings.Replace(hello, "demo", "demo:latency=300ms", 1)) }()
	for deadline := time.Now().Add(5 * time.Second); g.server.InFlight() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("first request did not start")
		}
	}
	g.wantFault(g.chat(key, hello), fault.Overloaded, "")
	if a := <-first; a.StatusCode != 200 {
		t.Errorf("the request within the limit: %d %s", a.StatusCode, a.body)
	}
}

func TestTooManyConnections(t *testing.T) {
	g := start(t, testconfig.New(t), func(c *httpapi.Config) { c.Limits.Connections = 1 })
	one, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	fmt.Fprintf(one, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(one), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("first connection: %v %v", resp, err)
	}
	two, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	two.SetReadDeadline(time.Now().Add(5 * time.Second))
	if resp, err := http.ReadResponse(bufio.NewReader(two), nil); err != nil || resp.StatusCode != 503 {
		t.Fatalf("second connection: %v %v", resp, err)
	}
}

func TestFullSpool(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	g.ledger.full = true
	g.wantFault(g.chat(key, hello), fault.UsageSpoolFull, "")
	if a := g.do("GET", "/v1/models", key, ""); a.StatusCode != 200 {
		t.Errorf("what costs nothing: %d", a.StatusCode)
	}
}

func TestPanicIsAnInternalErrorAndAnEvent(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	g := start(t, w, nil)
	g.ledger.broken = true
	a := g.chat(key, hello)
	g.wantFault(a, fault.Internal, "")
	if strings.Contains(a.body, "secret text") {
		t.Errorf("the panic is shown: %s", a.body)
	}
	if ev := g.ledger.wait(t, 0); ev.ErrorCode != "internal_error" || ev.Outcome != usagev1.Outcome_OUTCOME_REFUSED {
		t.Errorf("event: %v", ev)
	}
	if l := g.logs.String(); !strings.Contains(l, "request panicked") || !strings.Contains(l, a.Header.Get("X-Request-Id")) {
		t.Errorf("log: %s", l)
	}
	g.ledger.broken = false
	if a := g.chat(key, hello); a.StatusCode != 200 {
		t.Errorf("after the panic: %d %s", a.StatusCode, a.body)
	}
}
