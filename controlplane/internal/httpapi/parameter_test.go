package httpapi_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// A value whose keys must keep their order.
const ruleList = `[{"parameter":"temperature","action":"clamp","maximum":0.5},{"parameter":"tools","action":"forbid","names":["shell"]},` +
	`{"parameter":"response_format","action":"force","value":{"type":"json_schema","json_schema":{"name":"a","schema":{"z":1,"a":2}}}}]`

func withRules(body string) string {
	return strings.TrimSuffix(body, "}") + `,"parameter_rules":` + ruleList + `}`
}

// TestParameterRulesAreKeptAndTold: a rule comes back as it was sent, reaches
// the data planes, and goes when the list is replaced; what does not speak of
// rules leaves them alone.
func TestParameterRulesAreKeptAndTold(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	s.seedCatalog()
	modelID := s.want(201, "POST", acc.path("/models"), acc.owner, m{"credential_id": s.credential(acc), "provider_model": "gpt-4o-mini", "unknown_price": "zero"}).str("id")
	for path, body := range map[string]string{
		"/api-keys": `{"name":"k"}`, "/projects": `{"name":"p"}`, "/routes": `{"name":"r","model_id":"` + modelID + `"}`,
	} {
		made := s.want(201, "POST", acc.path(path), acc.owner, withRules(body))
		at := acc.path(path + "/" + made.str("id"))
		if got := s.want(200, "GET", at, acc.owner, nil); !strings.Contains(got.raw, `"parameter_rules":`+orderedRules) || made.body["change_id"] == nil {
			t.Errorf("%s: %s\nmade %s", path, got.raw, made.raw)
		}
		renamed := s.want(200, "PATCH", at, acc.owner, m{"name": "other"}, "If-Match", `"1"`)
		if !strings.Contains(renamed.raw, `"parameter_rules":`+orderedRules) || renamed.header.Get("ETag") != `"2"` {
			t.Errorf("%s renamed: %s", path, renamed.raw)
		}
		if n := len(rulesTold(t, s.payloads(made.str("id")))); n != 3 {
			t.Errorf("%s: data planes are told of %d rules", path, n)
		}
		s.refused("precondition_failed", "PATCH", at, acc.owner, `{"parameter_rules":[]}`, "If-Match", `"1"`)
		gone := s.want(200, "PATCH", at, acc.owner, `{"parameter_rules":[]}`)
		if !strings.Contains(gone.raw, `"parameter_rules":[]`) || gone.body["change_id"] == nil {
			t.Errorf("%s without: %s", path, gone.raw)
		}
		if n := len(rulesTold(t, s.payloads(made.str("id")))); n != 0 {
			t.Errorf("%s: data planes keep %d rules", path, n)
		}
		if audit := s.want(200, "GET", acc.path("/audit?limit=10"), acc.owner, nil); !strings.Contains(audit.raw, `"parameter_rules":[{`) {
			t.Errorf("%s: the audit trail does not tell: %s", path, audit.raw)
		}
	}
}

// orderedRules is ruleList as the API writes it.
const orderedRules = `[{"action":"clamp","maximum":0.5,"parameter":"temperature"},{"action":"forbid","names":["shell"],"parameter":"tools"},` +
	`{"action":"force","parameter":"response_format","value":{"type":"json_schema","json_schema":{"name":"a","schema":{"z":1,"a":2}}}}]`

// rulesTold reads what data planes were sent last; a tombstone has none.
func rulesTold(t *testing.T, payloads []string) []*configv1.ParameterRule {
	t.Helper()
	if len(payloads) == 0 {
		t.Fatal("nothing was told")
	}
	last := []byte(payloads[len(payloads)-1])
	var key configv1.ApiKey
	var project configv1.Project
	var route configv1.Route
	for _, m := range []interface {
		proto.Message
		GetParameterRules() []*configv1.ParameterRule
	}{&key, &project, &route} {
		if proto.Unmarshal(last, m) == nil && len(m.GetParameterRules()) > 0 && configcheck.CheckParameterRules(m.GetParameterRules()) == nil {
			return m.GetParameterRules()
		}
	}
	return nil
}

// TestAProjectIsToldOnlyWhileItHasRules.
func TestAProjectIsToldOnlyWhileItHasRules(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	plain := s.want(201, "POST", acc.path("/projects"), acc.owner, m{"name": "plain"})
	s.want(200, "PATCH", acc.path("/projects/"+plain.str("id")), acc.owner, m{"name": "still plain"})
	if got := s.payloads(plain.str("id")); len(got) != 0 || plain.body["change_id"] != nil {
		t.Errorf("a project without rules is told: %q", got)
	}
	ruled := s.want(201, "POST", acc.path("/projects"), acc.owner, withRules(`{"name":"ruled"}`))
	s.want(200, "DELETE", acc.path("/projects/"+ruled.str("id")), acc.owner, nil)
	if got := s.payloads(ruled.str("id")); len(got) != 2 || got[0] == "" || got[1] != "" {
		t.Errorf("told %q, want a resource and a tombstone", got)
	}
}

// TestBadRulesAreNamed: each rule is told of where it stands.
func TestBadRulesAreNamed(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	for _, path := range []string{"/api-keys", "/projects", "/routes"} {
		body := `{"name":"x","parameter_rules":[{"parameter":"temperature","action":"force","value":9},{"parameter":"stream","action":"forbid"},{"parameter":"n","action":"clamp","minimum":2,"maximum":1},{"parameter":"tools","action":"allow","names":["a b"]}]`
		if path == "/routes" {
			body += `,"model_id":"mdl_x"`
		}
		a := s.refused("validation_failed", "POST", acc.path(path), acc.owner, body+"}")
		for _, at := range []string{"body.parameter_rules[0].value", "body.parameter_rules[2].maximum", "body.parameter_rules[3].names[0]"} {
			if !strings.Contains(a.raw, at) {
				t.Errorf("%s: %s is not named in %s", path, at, a.raw)
			}
		}
	}
	for _, bad := range []string{`{"parameter":"heat","action":"force"}`, `{"parameter":"n","action":"drop"}`, `{"parameter":"n","action":"forbid","vlaue":1}`, `{"action":"forbid"}`} {
		s.refused("validation_failed", "POST", acc.path("/projects"), acc.owner, `{"name":"x","parameter_rules":[`+bad+`]}`)
	}
}
