package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/httpapi"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/network"
)

func TestBadInputIsAnsweredWithWhatToDo(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	projects := acc.path("/projects")
	long := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		code, method, path string
		body               any
		header             []string
		says               string
	}{
		"malformed JSON":   {"malformed_json", "POST", projects, `{"name":`, nil, "byte 8"},
		"trailing text":    {"malformed_json", "POST", projects, `{"name":"x"} y`, nil, "not valid JSON"},
		"empty body":       {"malformed_json", "POST", projects, ``, nil, "empty"},
		"array":            {"validation_failed", "POST", projects, `[]`, nil, `"location":"body"`},
		"null":             {"validation_failed", "POST", projects, `{"name":null}`, nil, `"location":"body.name"`},
		"missing field":    {"validation_failed", "POST", projects, `{}`, nil, `"message":"is missing"`},
		"unknown field":    {"validation_failed", "POST", projects, `{"name":"x","nmae":"y"}`, nil, "Known here: name, parameter_rules."},
		"wrong case":       {"validation_failed", "POST", projects, `{"name":"x","Name":"y"}`, nil, `"location":"body.Name"`},
		"wrong type":       {"validation_failed", "POST", projects, `{"name":[]}`, nil, "must be text"},
		"too long":         {"validation_failed", "POST", projects, m{"name": strings.Repeat("x", 101)}, nil, "longer than 100 characters"},
		"not an enum":      {"validation_failed", "POST", acc.path("/management-keys"), m{"name": "x", "role": "god"}, nil, "one of owner, admin"},
		"not a time":       {"validation_failed", "POST", acc.path("/api-keys"), m{"name": "x", "expires_at": "2026-02-30T00:00:00Z"}, nil, "a time such as"},
		"number spelled":   {"wrong_type", "POST", acc.path("/api-keys/" + acc.key + "/rotate"), `{"overlap_seconds":1e3}`, nil, "body.overlap_seconds"},
		"number too large": {"malformed_json", "POST", acc.path("/api-keys/" + acc.key + "/rotate"), `{"overlap_seconds":1e999}`, nil, ""},
		"number negative":  {"validation_failed", "POST", acc.path("/api-keys/" + acc.key + "/rotate"), `{"overlap_seconds":-1}`, nil, "from 0 to 2592000"},
		"fraction":         {"validation_failed", "POST", acc.path("/api-keys/" + acc.key + "/rotate"), `{"overlap_seconds":0.5}`, nil, "whole number"},
		"too large":        {"body_too_large", "POST", projects, long, nil, "1024 KiB"},
		"media type":       {"unsupported_media_type", "POST", projects, `{"name":"x"}`, []string{"Content-Type", "text/plain"}, ""},
		"unknown path":     {"unknown_path", "GET", "/v1/nothing", nil, nil, "nothing at this address"},
		"method":           {"method_not_allowed", "PUT", projects, nil, nil, "It takes "},
		"other version":    {"bad_request", "GET", "/v1/me", nil, []string{"Tollgate-Version", "2020-01-01"}, "2026-11-22"},
		"path with zero":   {"validation_failed", "GET", projects + "/prj_%00", nil, nil, "zero character"},
		"tenant with zero": {"not_found", "GET", "/v1/tenants/a%00b", nil, nil, ""},
		"not UTF-8":        {"validation_failed", "GET", projects + "/%ff", nil, nil, "UTF-8"},
		"long key":         {"validation_failed", "POST", projects, m{"name": "x"}, []string{"Idempotency-Key", strings.Repeat("k", 256)}, "header.Idempotency-Key"},
	} {
		a := s.refused(c.code, c.method, c.path, acc.owner, c.body, c.header...)
		if !strings.Contains(a.raw, c.says) {
			t.Errorf("%s: %s does not say %q", name, a.raw, c.says)
		}
		for _, field := range []string{"type", "title", "fix", "request_id"} {
			if a.str(field) == "" {
				t.Errorf("%s: the problem has no %s: %s", name, field, a.raw)
			}
		}
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	s := newStage(t)
	for _, path := range []string{"/livez", "/readyz", "/v1/me", "/nowhere"} {
		h := s.call("GET", path, "", nil, "X-Request-Id", "mine-1").header
		for name, want := range map[string]string{
			"X-Request-Id": "mine-1", "Tollgate-Version": "2026-11-22", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
	}
	for _, bad := range []string{"..", "has space", "semi;colon", strings.Repeat("x", 129)} {
		if got := s.call("GET", "/livez", "", nil, "X-Request-Id", bad).header.Get("X-Request-Id"); !strings.HasPrefix(got, "req_") {
			t.Errorf("request id %q became %q", bad, got)
		}
	}
	if a := s.want(200, "GET", "/metrics", "", nil); !strings.Contains(a.raw, `tollgate_api_request_duration_seconds_count{operation="getMe",status="401"} 1`) {
		t.Errorf("metrics: %.2000s", a.raw)
	}
	if !strings.Contains(s.log.String(), `"operation":"getMe"`) {
		t.Error("no access line")
	}
}

func TestAPanicIsAnInternalError(t *testing.T) {
	s := newStage(t)
	// A service that is missing is the plainest way to make a handler panic.
	s.server.Projects = nil
	acc := s.signUp("Acme")
	a := s.refused("internal_error", "GET", acc.path("/projects"), acc.owner, nil)
	if strings.Contains(a.raw, "nil pointer") || strings.Contains(a.raw, ".go") {
		t.Errorf("the answer tells of the inside: %s", a.raw)
	}
	if !strings.Contains(s.log.String(), "nil pointer") {
		t.Error("the log tells nothing")
	}
	s.want(200, "GET", "/livez", "", nil)
}

func TestARepeatWithAnIdempotencyKeyIsAnsweredAlike(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	keys := acc.path("/api-keys")
	first := s.want(201, "POST", keys, acc.owner, m{"name": "one"}, "Idempotency-Key", "k1")
	again := s.want(201, "POST", keys, acc.owner, m{"name": "one"}, "Idempotency-Key", "k1")
	if again.raw != first.raw || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first %s, again %s (%v)", first.raw, again.raw, again.header)
	}
	if again.header.Get("ETag") != first.header.Get("ETag") {
		t.Error("the repeat has another ETag")
	}
	if n := len(s.want(200, "GET", keys, acc.owner, nil).rows()); n != 2 {
		t.Errorf("the tenant has %d keys, want 2", n)
	}
	s.refused("idempotency_mismatch", "POST", keys, acc.owner, m{"name": "two"}, "Idempotency-Key", "k1")
	// Another caller's key of the same name is another key.
	admin := s.managementKey(acc, access.Admin)
	if other := s.want(201, "POST", keys, admin, m{"name": "one"}, "Idempotency-Key", "k1"); other.raw == first.raw {
		t.Error("one caller was answered with another's secret")
	}
	// What was refused by its form is not kept.
	s.refused("validation_failed", "POST", keys, acc.owner, m{"name": ""}, "Idempotency-Key", "k2")
	s.refused("validation_failed", "POST", keys, acc.owner, m{"name": "x", "project_id": "prj_none"}, "Idempotency-Key", "k2")
	s.want(201, "POST", keys, acc.owner, m{"name": "good"}, "Idempotency-Key", "k2")
	// What was refused for another reason is.
	gone := acc.path("/api-keys/key_none/revoke")
	s.refused("not_found", "POST", gone, acc.owner, nil, "Idempotency-Key", "k3")
	if a := s.refused("not_found", "POST", gone, acc.owner, nil, "Idempotency-Key", "k3"); a.header.Get("Idempotent-Replayed") != "true" {
		t.Error("a refusal was not kept")
	}
}

func TestTwoAtOnceWithOneIdempotencyKeyMakeOneThing(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	var wg sync.WaitGroup
	status := make([]int, 8)
	for i := range status {
		wg.Go(func() {
			status[i] = s.call("POST", acc.path("/api-keys"), acc.owner, m{"name": "one"}, "Idempotency-Key", "same").status
		})
	}
	wg.Wait()
	made := 0
	for _, st := range status {
		switch st {
		case 201:
			made++
		case http.StatusConflict:
		default:
			t.Errorf("a repeat was answered with %d", st)
		}
	}
	if n := len(s.want(200, "GET", acc.path("/api-keys"), acc.owner, nil).rows()); n != 2 || made == 0 {
		t.Errorf("%d answers of 201, %d keys, want the first key and one more", made, n)
	}
}

func TestStoredAnswersHoldNoSecretInTheClear(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	made := s.want(201, "POST", acc.path("/api-keys"), acc.owner, m{"name": "one"}, "Idempotency-Key", "k1")
	if s.dumpHolds(made.str("secret")) {
		t.Error("the database holds the secret of an API key")
	}
	if s.dumpHolds(goodPassword) || s.dumpHolds(acc.owner) {
		t.Error("the database holds a password or a session")
	}
	if !s.dumpHolds(acc.key) {
		t.Error("the search finds nothing at all")
	}
}

// calledFrom makes a project with the given headers and returns the address
// that the trail has for it.
func (s *stage) calledFrom(acc account, header ...string) string {
	s.t.Helper()
	s.want(201, "POST", acc.path("/projects"), acc.owner, m{"name": id.New("x")}, header...)
	ip, _ := s.want(200, "GET", acc.path("/audit?limit=1"), acc.owner, nil).rows()[0]["client_ip"].(string)
	return ip
}

func TestForwardedAddressesAreBelievedFromTrustedProxiesAlone(t *testing.T) {
	db := postgrestest.Open(t)
	const forwarded, made, portalKey = "X-Forwarded-For", "192.0.2.66, 203.0.113.9", "0123456789abcdef"

	s := stageOn(t, db, 0)
	acc := s.signUp("Acme")
	if ip := s.calledFrom(acc, forwarded, made); ip != "127.0.0.1" {
		t.Errorf("nobody is trusted, and the trail names %s", ip)
	}
	if ip := s.calledFrom(acc, forwarded, made, network.PortalKey, ""); ip != "127.0.0.1" {
		t.Errorf("there is no portal key, and the trail names %s", ip)
	}

	s = stageWith(t, db, func(c *httpapi.Config) { c.TrustedProxies, _ = network.Parse("127.0.0.0/8") })
	if ip := s.calledFrom(acc, forwarded, made); ip != "203.0.113.9" {
		t.Errorf("from a trusted proxy the trail names %s", ip)
	}

	s = stageWith(t, db, func(c *httpapi.Config) { c.PortalKey = portalKey })
	if ip := s.calledFrom(acc, forwarded, made, network.PortalKey, portalKey); ip != "203.0.113.9" {
		t.Errorf("from the portal the trail names %s", ip)
	}
	for _, wrong := range []string{"", "0123456789abcdeF", portalKey + "0"} {
		if ip := s.calledFrom(acc, forwarded, made, network.PortalKey, wrong); ip != "127.0.0.1" {
			t.Errorf("with the portal key %q the trail names %s", wrong, ip)
		}
	}
	if a := s.want(200, "GET", "/metrics", "", nil); !strings.Contains(a.raw, "tollgate_api_portal_key_refused_total 2") {
		t.Error("the wrong keys were not counted")
	}
	if strings.Contains(s.log.String(), portalKey) {
		t.Error("the log holds the portal's key")
	}
}

// A guesser behind a proxy that is not trusted cannot take a new address for
// each try.
func TestInventedAddressesDoNotEscapeTheBrake(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	var last answer
	for i := range 30 {
		last = s.call("POST", "/v1/sessions", "", m{"email": acc.email, "password": "wrong"}, "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
	}
	if last.str("code") != "too_many_attempts" {
		t.Errorf("the thirtieth guess: %s", last.raw)
	}
}

func TestDrainingTurnsReadinessOffAndNothingElse(t *testing.T) {
	s := newStage(t)
	s.want(200, "GET", "/readyz", "", nil)
	s.server.Drain()
	if a := s.want(503, "GET", "/readyz", "", nil); a.str("reason") != "draining" {
		t.Errorf("not ready: %s", a.raw)
	}
	s.want(200, "GET", "/livez", "", nil)
	s.want(200, "GET", "/startupz", "", nil)
	s.want(200, "GET", "/v1/me", s.operator, nil)
}
