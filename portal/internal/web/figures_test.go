package web_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestWrongFilters: a filter that cannot be applied is told, and not left out.
func TestWrongFilters(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/usage", 200, noUsage)
	b := s.signedIn()
	for path, says := range map[string]string{
		"/t/acme/usage?period=bogus":                                                 "no period “bogus”",
		"/t/acme/usage?by=bogus":                                                     "no grouping “bogus”",
		"/t/acme/usage?period=custom&from=2026-11-20&to=2026-11-01":                  "ends before it begins",
		"/t/acme/usage?period=custom&from=2020-11-20&to=2026-11-01":                  "longer than a year",
		"/t/acme/usage?period=custom&to=2026-11-01":                                  "where the period begins",
		"/t/acme/usage?period=30d&from=2026-11-20&to=nonsense":                       "where the period ends",
		"/t/acme/requests?outcome=bogus":                                             "no outcome “bogus”",
		"/t/acme/requests?period=bogus":                                              "no period “bogus”",
		"/t/acme/requests?period=custom&from=2026-11-20T10:00&to=2026-11-20T09:00":   "ends before it begins",
		"/t/acme/requests?period=1h&from=yesterday&was=2026-11-20T10:00/":            "where the period begins",
		"/t/acme/requests?period=custom&from=2026-11-20T10:00&to=2026-11-31T09:00":   "where the period ends",
		"/t/acme/usage?period=7d&from=2026-11-02&to=2026-11-01&was=2026-11-02/other": "ends before it begins",
	} {
		p := b.get(path).want(422)
		if !strings.Contains(p.text("problem"), says) || p.text("usage-table") != "" || p.text("requests") != "" {
			t.Errorf("%s: %s", path, p.text("problem"))
		}
	}
}

// TestTypedDatesCount: dates that were typed count before the period that is
// still chosen; dates that merely stand in the picker do not.
func TestTypedDatesCount(t *testing.T) {
	s := newSite(t)
	var asked string
	s.api.handle("GET /v1/tenants/acme/usage", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("from") + " " + r.URL.Query().Get("to")
		answer(w, 200, noUsage)
	})
	b := s.signedIn()
	p := b.get("/t/acme/usage?period=30d&from=2026-01-02&to=2026-01-04&was=2026-10-01/2026-10-30").want(200)
	if asked != "2026-01-02T00:00:00Z 2026-01-05T00:00:00Z" {
		t.Errorf("asked for %s", asked)
	}
	if n := p.find("name", "was"); n == nil || attr(n, "value") != "2026-01-02/2026-01-04" {
		t.Errorf("the picker shows %+v", n)
	}
	b.get("/t/acme/usage?period=7d&from=2026-01-02&to=2026-01-04&was=2026-01-02/2026-01-04").want(200)
	if strings.HasPrefix(asked, "2026-01-02") {
		t.Error("another period was chosen, and the old dates were taken")
	}
	s.api.handle("GET /v1/tenants/acme/requests", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("from") + " " + r.URL.Query().Get("to")
		answer(w, 200, emptyPage)
	})
	b.get("/t/acme/requests?period=&from=2026-01-02T10:30&to=2026-01-02T11:00").want(200)
	if asked != "2026-01-02T10:30:00Z 2026-01-02T11:01:00Z" {
		t.Errorf("asked for %s", asked)
	}
}

// TestUngroupedUsageHasAName: calls that reached no model are no model "None".
func TestUngroupedUsageHasAName(t *testing.T) {
	s := newSite(t)
	totals := noUsage[strings.Index(noUsage, `"totals":`):]
	totals = strings.TrimSuffix(totals, "}")
	s.api.on("GET /v1/tenants/acme/usage", 200, strings.Replace(noUsage, `"groups":[]`, `"groups":[{"group":"","name":"None",`+totals+`},{"group":"openai/","name":"openai/",`+totals+`}]`, 1))
	p := s.signedIn().get("/t/acme/usage").want(200)
	if got := p.text("usage-table"); !strings.Contains(got, "(no model)") || !strings.Contains(got, "openai (no model)") || strings.Contains(got, "None") {
		t.Errorf("%s", got)
	}
	if strings.Contains(p.text("tile-requests"), "0 attempts") || p.text("tile-attempts") == "" {
		t.Error("attempts are told twice, or not at all")
	}
}

func failed(outcome, code string, status string) string {
	return strings.NewReplacer(`"outcome":"ok"`, `"outcome":"`+outcome+`"`, `"error_code":""`, `"error_code":"`+code+`"`, `"http_status":200`, `"http_status":`+status,
		"1532", "0", "418", "0", "480600", "0").Replace(aRequest)
}

func detailOf(request, attempts string) string {
	return `{"request":` + request + `,"attempts":[` + attempts + `],"audio_input_tokens":0,"audio_output_tokens":0,"image_input_tokens":0,
		"config_revision":1,"client_ip":"","user_agent":"","data_plane_id":"dpl_1","epoch":1,"seq":1,"ingested_at":"2026-11-22T10:00:01Z"}`
}

// TestFailedCallsAreExplained: a failed call's page says what happened, of that
// call and of no other.
func TestFailedCallsAreExplained(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/projects/prj_1", 200, `{"id":"prj_1","name":"Apollo","version":1,"created_at":"2026-11-01T00:00:00Z"}`)
	b := s.signedIn()
	attempt := `{"credential_id":"crd_1","duration_us":10,"error_code":"","first_byte_us":0,"provider":"openai","provider_model":"m","started_at":"2026-11-22T10:00:00Z","status":404}`
	for _, c := range []struct{ request, attempts, says, not string }{
		{failed("upstream_error", "upstream_rejected", "502"), attempt, "The provider answered 404 Not Found.", "could not be reached"},
		{failed("upstream_error", "upstream_unreachable", "502"), strings.Replace(attempt, "404", "0", 1), "The provider could not be reached.", "answered"},
		{failed("refused", "target_blocked", "400"), strings.Replace(attempt, "404", "0", 1), "The provider's address is not allowed.", "before a provider was called"},
		{failed("refused", "model_not_found", "404"), "", "before a provider was called. No route has this name.", "answered"},
	} {
		s.api.on("GET /v1/tenants/acme/requests/req_1", 200, detailOf(c.request, c.attempts))
		p := b.get("/t/acme/requests/req_1").want(200)
		if !strings.Contains(p.body, strings.ReplaceAll(c.says, "'", "&#39;")) || strings.Contains(p.body, c.not) {
			t.Errorf("%s is not said, or %q is", c.says, c.not)
		}
		if got := p.text("sum-cost"); got != "Cost Nothing was charged: no tokens were counted." {
			t.Errorf("cost: %s", got)
		}
		if got := p.text("request-facts"); strings.Contains(got, "Reported by the provider") {
			t.Errorf("facts: %s", got)
		}
		if !strings.Contains(p.body, `<a href="/t/acme/projects/prj_1">Apollo</a>`) {
			t.Error("the project has no name")
		}
	}
	s.api.on("GET /v1/tenants/acme/requests/req_1", 200, detailOf(aRequest, attempt))
	if got := b.get("/t/acme/requests/req_1").want(200).text("sum-cost"); !strings.Contains(got, "counted as $0.00") {
		t.Errorf("tokens without a price: %s", got)
	}
}

func TestTheListTellsErrorCodes(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/requests", 200, `{"has_more":false,"data":[`+strings.Replace(failed("refused", "model_not_found", "404"), "2026-11-22", "2019-11-22", 1)+`]}`)
	if got := s.signedIn().get("/t/acme/requests").want(200).text("requests"); !strings.Contains(got, "404 model_not_found") || !strings.Contains(got, "22 Nov 2019") {
		t.Errorf("%s", got)
	}
}

// TestFirstRequestIsOneThatWasAnswered: a refusal is shown as such while the
// page goes on waiting, and the first answer counts, whatever came after it.
func TestFirstRequestIsOneThatWasAnswered(t *testing.T) {
	s := newSite(t)
	var ok, bad []string
	s.api.handle("GET /v1/tenants/acme/requests", func(w http.ResponseWriter, r *http.Request) {
		list := bad
		if r.URL.Query().Get("outcome") == "ok" {
			list = ok
		}
		answer(w, 200, `{"has_more":false,"data":[`+strings.Join(list, ",")+`]}`)
	})
	b := s.signedIn()
	bad = []string{strings.Replace(failed("refused", "model_not_allowed", "403"), `"route":"chat"`, `"route":""`, 1)}
	p := b.get("/t/acme/start/check").want(200)
	if n := p.find("data-testid", "first-request"); attr(n, "data-state") != "failed" {
		t.Errorf("state %q", attr(n, "data-state"))
	}
	for _, want := range []string{"model_not_allowed", "This key may not call this model.", "Use another key", "Refused"} {
		if !strings.Contains(p.text("first-request"), want) {
			t.Errorf("%q is not in %s", want, p.text("first-request"))
		}
	}
	if !strings.Contains(p.body, "Check again") {
		t.Error("the wait is over")
	}
	ok = []string{strings.Replace(aRequest, "req_1", "req_second", 1), strings.Replace(aRequest, "req_1", "req_first", 1)}
	p = b.get("/t/acme/start/check").want(200)
	if !strings.Contains(p.text("first-request"), "Your first request arrived.") || !strings.Contains(p.body, "/requests/req_first") {
		t.Errorf("%s", p.text("first-request"))
	}
}
