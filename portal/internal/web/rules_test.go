package web_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const ruledRoute = `{"id":"rte_1","name":"chat","model_id":"mdl_1","on_loss":"drop","version":3,"created_at":"2026-11-01T00:00:00Z","parameter_rules":[` +
	`{"parameter":"temperature","action":"clamp","maximum":1},{"parameter":"reasoning","action":"force","value":"low"},` +
	`{"parameter":"stop","action":"default","value":["a","b"]},{"parameter":"tools","action":"forbid","names":["x","y"]},{"parameter":"stream","action":"forbid"}]}`

// TestRulesComeBackAsTheyWere: a form that is sent as it was shown changes no
// rule, whatever its kind.
func TestRulesComeBackAsTheyWere(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/routes/rte_1", 200, ruledRoute)
	s.api.on("PATCH /v1/tenants/acme/routes/rte_1", 200, ruledRoute)
	b := s.signedIn()
	form := withRows(b.get("/t/acme/routes/rte_1").want(200), "/t/acme/routes/rte_1")
	if got := form["rule_setting"]; len(got) != 7 || got[0] != "..1" || got[1] != "low" || got[2] != `["a","b"]` || got[3] != "x, y" {
		t.Errorf("shown: %q", got)
	}
	b.do("POST", "/t/acme/routes/rte_1", form)
	sent := s.api.last(t, "PATCH /v1/tenants/acme/routes/rte_1").body
	_, want, _ := strings.Cut(strings.TrimSuffix(ruledRoute, "}"), `"parameter_rules":`)
	if got := rulesIn(t, sent); got != normal(t, want) {
		t.Errorf("sent %s\nwant %s", got, normal(t, want))
	}
}

// TestRulesAreReadAndRefused: empty rows are none, and what is wrong stands at
// its row, whether we or the control plane found it.
func TestRulesAreReadAndRefused(t *testing.T) {
	s := newSite(t)
	s.api.on("GET /v1/tenants/acme/projects", 200, `{"data":[],"has_more":false}`)
	s.api.on("POST /v1/tenants/acme/projects", 422, `{"type":"x","title":"Some fields are not valid.","status":422,"code":"validation_failed","request_id":"req_1","fix":"Correct.",`+
		`"errors":[{"location":"body.parameter_rules[1].value","message":"must be a number from 0 to 2","fix":"Correct it."}]}`)
	b := s.signedIn()
	send := func(rows ...string) *page {
		form := b.get("/t/acme/projects").want(200).form("/t/acme/projects")
		form.Set("name", "x")
		for _, name := range []string{"rule_parameter", "rule_action", "rule_setting"} {
			form.Del(name)
		}
		for i := 0; i < len(rows); i += 3 {
			form["rule_parameter"] = append(form["rule_parameter"], rows[i])
			form["rule_action"] = append(form["rule_action"], rows[i+1])
			form["rule_setting"] = append(form["rule_setting"], rows[i+2])
		}
		return b.do("POST", "/t/acme/projects", form).want(422)
	}
	p := send("", "force", "", "n", "clamp", "1..2", "", "force", "left over", "temperature", "force", "9")
	if !strings.Contains(p.text("error-rule-1"), "Value must be a number from 0 to 2") {
		t.Errorf("row 1 says %q", p.text("error-rule-1"))
	}
	if got := rulesIn(t, s.api.last(t, "POST /v1/tenants/acme/projects").body); got != normal(t, `[{"parameter":"n","action":"clamp","minimum":1,"maximum":2},{"parameter":"temperature","action":"force","value":9}]`) {
		t.Errorf("sent %s", got)
	}
	for _, bad := range []string{"1", "a..b", "1..x"} {
		if p = send("n", "clamp", bad); p.text("error-rule-0") == "" {
			t.Errorf("%q is not refused", bad)
		}
	}
	if got := withRows(p, "/t/acme/projects"); strings.Join(got["rule_setting"], "|") != "1..x||" {
		t.Errorf("the form lost what was typed: %v", url.Values(got))
	}
}

// withRows is a form with every row of its rules, as a browser sends it.
func withRows(p *page, action string) url.Values {
	form := p.form(action)
	form.Del("rule_setting")
	for n := range p.find("data-testid", "rules").Descendants() {
		switch name := attr(n, "name"); {
		case n.Data == "input" && name != "":
			form.Add(name, attr(n, "value"))
		case n.Data == "select":
			chosen := ""
			for o := range n.Descendants() {
				if slices.ContainsFunc(o.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
					chosen = attr(o, "value")
				}
			}
			form.Add(name, chosen)
		}
	}
	return form
}

// rulesIn takes the rules out of a body, in one form.
func rulesIn(t *testing.T, body string) string {
	t.Helper()
	var v struct {
		Rules json.RawMessage `json:"parameter_rules"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return normal(t, string(v.Rules))
}

func normal(t *testing.T, s string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
