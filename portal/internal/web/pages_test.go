package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tollgate/tollgate/proto/network"
)

func fetch(t *testing.T, r *http.Request) *page {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return &page{t: t, status: resp.StatusCode, header: resp.Header, body: string(raw), doc: doc}
}

// TestHeadersOfEveryAnswer: pages, errors, redirects and files alike.
func TestHeadersOfEveryAnswer(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	s.api.on("GET /v1/tenants/acme/members", 500, problem(500, "internal_error", "no"))
	for _, path := range []string{"/t/acme/keys", "/", "/nothing", "/t/acme/members", "/livez", "/static/none.css", "/t/acme/live"} {
		h := b.get(path).header
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'self';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestControlPlaneGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	for _, hangs := range []bool{true, false} {
		if !hangs {
			l.Close()
		}
		b := newSiteAt(t, gone, nil).signedIn()
		start := time.Now()
		p := b.get("/t/acme").want(503)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("hangs %v: the page took %v", hangs, took)
		}
		if text := p.text("failure"); !strings.Contains(text, "Calls of models go on") || p.header.Get("Retry-After") == "" {
			t.Errorf("%s %v", text, p.header)
		}
		if strings.Contains(p.body, l.Addr().String()) || strings.Contains(p.body, "dial") {
			t.Error("the page shows the cause")
		}
	}
	b := newSiteAt(t, gone, nil).browser()
	b.get("/").want(200)
	b.get("/readyz").want(200)
}

// TestLivePartsKeepWhatTheyShow: a live part is not replaced by an error page.
func TestLivePartsKeepWhatTheyShow(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	b.header.Set("HX-Request", "true")
	s.api.on("GET /v1/tenants/acme/usage", 503, problem(503, "database_unavailable", "no"))
	if p := b.get("/t/acme/live").want(204); p.header.Get("HX-Trigger") != "stale" {
		t.Errorf("%v", p.header)
	}
	s.api.on("GET /v1/me", 401, problem(401, "session_expired", "ended"))
	if p := b.get("/t/acme/live").want(204); p.header.Get("HX-Redirect") != "/?notice=ended" {
		t.Errorf("%v", p.header)
	}
}

func TestErrorsArePages(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	s.api.on("GET /v1/tenants/acme/audit", 403, problem(403, "forbidden", "The role viewer does not allow this."))
	s.api.on("GET /v1/tenants/acme/members", 500, problem(500, "internal_error", "Something went wrong inside Tollgate."))
	s.api.on("GET /v1/tenants/acme/routes", 200, "{")
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/nothing", 404, "not_found"},
		{"GET", "/t/other", 404, "not_found"},
		{"GET", "/admin", 404, "not_found"},
		{"GET", "/t/acme/requests/req_none", 404, "not_found"},
		{"GET", "/t/acme/audit", 403, "forbidden"},
		{"GET", "/t/acme/members", 500, "internal_error"},
		{"GET", "/t/acme/routes", 503, "control_plane_unavailable"},
		{"PUT", "/t/acme/keys", 404, "not_found"},
	} {
		p := b.do(c.method, c.path, nil).want(c.status)
		if p.text("code") != c.code || p.text("request-id") != p.header.Get("X-Request-Id") {
			t.Errorf("%s %s: %s", c.method, c.path, p.text("failure"))
		}
		for _, leak := range []string{"goroutine", ".go:", "panic", "json:"} {
			if strings.Contains(p.body, leak) {
				t.Errorf("%s: the page shows %q", c.path, leak)
			}
		}
	}
}

func TestRequestIDsGoAlong(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	b.header.Set("X-Request-Id", "abc-123")
	if got := b.get("/t/acme/keys").header.Get("X-Request-Id"); got != "abc-123" {
		t.Errorf("answered %q", got)
	}
	if got := s.api.last(t, "GET /v1/me").header.Get("X-Request-Id"); got != "abc-123" {
		t.Errorf("passed on %q", got)
	}
	b.header.Set("X-Request-Id", "bad id\"<script>")
	if got := b.get("/t/acme/keys").header.Get("X-Request-Id"); !strings.HasPrefix(got, "req_") {
		t.Errorf("took %q", got)
	}
}

func TestNewKeyIsShownOnce(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/api-keys", 201, madeKey)
	s.api.on("GET /v1/tenants/acme/api-keys/key_1", 200, madeKey)
	s.api.on("GET /v1/tenants/acme/config/changes/7", 200, `{"change_id":7,"revision":9,"resource_kind":"api_key","resource_id":"key_1","committed_at":"2026-11-22T00:00:00Z","live":2,"total":2,"slowest_ms":14.2,"data_planes":[]}`)
	b := s.signedIn()
	form := b.get("/t/acme/keys/new").form("/t/acme/keys")
	form.Set("name", "CI")
	b.do("POST", "/t/acme/keys", form).to("/t/acme/keys/key_1?change=7")
	if c := s.api.last(t, "POST /v1/tenants/acme/api-keys"); c.header.Get("Idempotency-Key") != form.Get("idem") || form.Get("idem") == "" {
		t.Errorf("the form's key %q did not go along: %v", form.Get("idem"), c.header)
	}
	if c := b.cookies["__Host-tollgate-flash"]; c == nil || !c.HttpOnly || !c.Secure || strings.Contains(c.Value, "tgk_") {
		t.Fatalf("flash cookie %+v", c)
	}
	// Another page does not use the secret up.
	b.get("/t/acme/projects").want(200)
	p := b.get("/t/acme/keys/key_1?change=7").want(200)
	if p.text("secret-value") != "tgk_onlyonce" {
		t.Errorf("the secret is not shown: %s", p.text("flash"))
	}
	if !strings.Contains(p.text("change"), "Live on 2 of 2 data planes in 14 ms") {
		t.Errorf("change: %s", p.text("change"))
	}
	if p := b.get("/t/acme/keys/key_1").want(200); strings.Contains(p.body, "tgk_onlyonce") {
		t.Error("the secret is shown twice")
	}
	if strings.Contains(s.logs.String(), "tgk_onlyonce") {
		t.Error("the log holds the secret")
	}
}

func TestFlashOfAnotherSessionIsNotShown(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/projects", 201, `{"id":"prj_2","name":"Apollo","version":1,"created_at":"2026-11-01T00:00:00Z"}`)
	b := s.signedIn()
	b.send(b.get("/t/acme/projects"), "/t/acme/projects", typed("name", "Apollo")).to("/t/acme/projects")
	b.cookies["__Host-tollgate"].Value = "tgs_somebodyelse"
	if p := b.get("/t/acme/projects").want(200); p.text("flash") != "" {
		t.Errorf("shown: %s", p.text("flash"))
	}
}

func TestFieldErrorsKeepWhatWasTyped(t *testing.T) {
	s := newSite(t)
	s.api.on("POST /v1/tenants/acme/credentials", 422, problem(422, "validation_failed", "Some fields are not valid.", "base_url", "is not an https address"))
	b := s.signedIn()
	old := b.get("/t/acme/credentials/new")
	p := b.send(old, "/t/acme/credentials", typed("name", "Mine & yours", "provider", "custom", "base_url", "ftp://x", "secret", "sk-verysecret")).want(422)
	if !strings.Contains(p.text("error-base_url"), "Is not an https address.") {
		t.Errorf("no error at the field: %s", p.body)
	}
	in := p.find("id", "f-base_url")
	if in == nil || attr(in, "value") != "ftp://x" || attr(in, "aria-invalid") != "true" || !strings.Contains(attr(in, "aria-describedby"), "f-base_url-error") {
		t.Errorf("field %+v", in)
	}
	if in := p.find("id", "f-name"); attr(in, "value") != "Mine & yours" {
		t.Errorf("name %q", attr(in, "value"))
	}
	if strings.Contains(p.body, "sk-verysecret") {
		t.Error("the secret is on the page")
	}
	if p.form("/t/acme/credentials").Get("idem") == old.form("/t/acme/credentials").Get("idem") {
		t.Error("a corrected form would clash with the refused one")
	}
}

func TestOurOwnFieldErrors(t *testing.T) {
	b := newSite(t).signedIn()
	p := b.send(b.get("/t/acme/keys/new"), "/t/acme/keys", typed("name", "x", "expiry", "date", "expires_at", "yesterday")).want(422)
	if p.text("error-expires_at") == "" {
		t.Errorf("%s", p.body)
	}
}

func TestRefusedActionsSayWhy(t *testing.T) {
	s := newSite(t)
	s.api.on("DELETE /v1/tenants/acme/routes/rte_1", 412, problem(412, "precondition_failed", "Somebody changed this since you read it."))
	s.api.on("GET /v1/tenants/acme/routes/rte_1", 200, `{"id":"rte_1","name":"chat","model_id":"mdl_1","version":3,"created_at":"2026-11-01T00:00:00Z"}`)
	b := s.signedIn()
	b.send(b.get("/t/acme/routes/rte_1"), "/t/acme/routes/rte_1/delete", nil).to("/t/acme/routes/rte_1")
	if got := s.api.last(t, "DELETE /v1/tenants/acme/routes/rte_1").header.Get("If-Match"); got != `"3"` {
		t.Errorf("If-Match %q", got)
	}
	if p := b.get("/t/acme/routes/rte_1"); !strings.Contains(p.text("flash"), "Somebody changed this") {
		t.Errorf("flash %q", p.text("flash"))
	}
}

func TestTheVisitorsAddressGoesAlong(t *testing.T) {
	s := newSite(t)
	trusting := newSiteBehind(t, s.api.url, s.api, network.List{netip.MustParsePrefix("127.0.0.0/8")})
	for want, b := range map[string]*browser{"127.0.0.1": s.signedIn(), "203.0.113.9": trusting.signedIn()} {
		b.header.Set("X-Forwarded-For", "192.0.2.66, 203.0.113.9")
		b.get("/t/acme/keys").want(200)
		if got := s.api.last(t, "GET /v1/me").header.Get("X-Forwarded-For"); got != want {
			t.Errorf("the control plane is told %q, want %q", got, want)
		}
	}
}

// TestListsOfModelsAreNoFirstRequest: tools list models by themselves.
func TestListsOfModelsAreNoFirstRequest(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	list := strings.NewReplacer(`"operation":"chat"`, `"operation":"models"`, "req_1", "req_2").Replace(aRequest)
	s.api.on("GET /v1/tenants/acme/requests", 200, `{"has_more":false,"data":[`+list+`]}`)
	if p := b.get("/t/acme/start/check").want(200); strings.Contains(p.body, `data-state="arrived"`) {
		t.Error("a list of models was taken for a call")
	}
	s.api.on("GET /v1/tenants/acme/requests", 200, `{"has_more":false,"data":[`+list+`,`+aRequest+`]}`)
	if p := b.get("/t/acme/start/check").want(200); !strings.Contains(p.body, `data-state="arrived"`) || !strings.Contains(p.body, "/t/acme/requests/req_1") {
		t.Errorf("the call behind it was not found\n%s", p.body)
	}
}

func TestFirstRequestTicks(t *testing.T) {
	s := newSite(t)
	asked := make(chan struct{}, 100)
	s.api.handle("GET /v1/tenants/acme/requests", func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		answer(w, 200, emptyPage)
	})
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/t/acme/start/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-tollgate", Value: session})
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Encoding") != "" {
		t.Fatalf("%v", resp.Header)
	}
	<-asked
	s.api.on("GET /v1/tenants/acme/requests", 200, `{"has_more":false,"data":[`+aRequest+`]}`)
	arrived := time.Now()
	var got strings.Builder
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		got.WriteString(lines.Text() + "\n")
		if lines.Text() == "event: done" {
			break
		}
	}
	if took := time.Since(arrived); took > 2*time.Second {
		t.Errorf("ticked after %v", took)
	}
	for _, want := range []string{`data-state="arrived"`, "1,532 in, 418 out", "$0.00", "/t/acme/requests/req_1", "event: done"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is not in\n%s", want, got.String())
		}
	}
}

const aRequest = `{"request_id":"req_1","started_at":"2026-11-22T10:00:00Z","duration_us":842133,"first_token_us":312000,"api_key_id":"key_1","api_key_name":"CI",
	"project_id":"prj_1","route":"chat","operation":"chat","provider":"openai","provider_model":"gpt-4o-mini","outcome":"ok","http_status":200,"error_code":"",
	"streamed":true,"estimated":false,"input_tokens":1532,"output_tokens":418,"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,
	"cost_nano":480600,"price_nano":480600,"attempts":1}`

// TestArithmetic: the detail page shows the sum to the last digit, and says so
// when the ledger does not agree with it.
func TestArithmetic(t *testing.T) {
	s := newSite(t)
	b := s.signedIn()
	price := `{"id":"prc_1","side":"cost","origin":"catalog","effective_from":"2026-01-01T00:00:00Z","input":"0.15","output":"0.600000001","per_request":"0.0001","source":"list"}`
	detail := func(request string) string {
		return `{"request":` + request + `,"attempts":[],"audio_input_tokens":0,"audio_output_tokens":0,"image_input_tokens":0,"cost_price":` + price +
			`,"config_revision":1,"client_ip":"","user_agent":"","data_plane_id":"dpl_1","epoch":1,"seq":1,"ingested_at":"2026-11-22T10:00:01Z"}`
	}
	// 1532 × 0.15 + 418 × 0.600000001 per million, and 0.0001 for the request.
	s.api.on("GET /v1/tenants/acme/requests/req_1", 200, detail(strings.ReplaceAll(aRequest, "480600", "580600")))
	p := b.get("/t/acme/requests/req_1").want(200)
	text := p.text("sum-cost")
	for _, want := range []string{"$0.0002298", "$0.000250800000418", "$0.000580600000418", "$0.0005806 ", "prc_1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(text, "differs") {
		t.Errorf("they agree: %s", text)
	}
	s.api.on("GET /v1/tenants/acme/requests/req_1", 200, detail(strings.ReplaceAll(aRequest, "480600", "580601")))
	if p := b.get("/t/acme/requests/req_1").want(200); !strings.Contains(p.text("sum-cost"), "differs") {
		t.Error("a ledger that differs is not told")
	}
}

func TestBillingSeesUsageAlone(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/me", 200, strings.Replace(asOwner, `"owner"`, `"billing"`, 1))
	for _, forbidden := range []string{"api-keys", "routes", "config/refusals"} {
		s.api.on("GET /v1/tenants/acme/"+forbidden, 403, problem(403, "forbidden", "no"))
	}
	s.api.on("GET /v1/tenants/acme/usage", 200, noUsage)
	b := s.signedIn()
	for _, path := range []string{"/t/acme", "/t/acme/usage", "/t/acme/requests", "/t/acme/start"} {
		p := b.get(path).want(200)
		if strings.Contains(p.body, `href="/t/acme/members"`) {
			t.Errorf("%s leads to what billing may not see", path)
		}
	}
}

const noUsage = `{"from":"2026-11-01T00:00:00Z","to":"2026-11-22T00:00:00Z","interval":"day","groups":[],"points":[],"totals":{"requests":0,"errors":0,"attempts":0,
	"estimated":0,"input_tokens":0,"output_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"reasoning_tokens":0,"audio_input_tokens":0,"audio_output_tokens":0,
	"image_input_tokens":0,"cost_nano":0,"price_nano":0}}`
