package configcheck_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

type rule = configv1.ParameterRule

const (
	force   = configv1.ParameterAction_PARAMETER_ACTION_FORCE
	orElse  = configv1.ParameterAction_PARAMETER_ACTION_DEFAULT
	clamp   = configv1.ParameterAction_PARAMETER_ACTION_CLAMP
	forbid  = configv1.ParameterAction_PARAMETER_ACTION_FORBID
	allowed = configv1.ParameterAction_PARAMETER_ACTION_ALLOW
)

func project(rules ...*rule) *configv1.Project {
	return &configv1.Project{Id: "prj_" + zeros, ParameterRules: rules}
}

func TestGoodParameterRulesPass(t *testing.T) {
	rules := []*rule{
		{Parameter: "temperature", Action: force, Value: "0"}, {Parameter: "temperature", Action: clamp, Maximum: new(0.5)},
		{Parameter: "max_tokens", Action: clamp, Minimum: new(1.0), Maximum: new(4096.0)},
		{Parameter: "n", Action: clamp, Maximum: new(1.0)}, {Parameter: "seed", Action: orElse, Value: "-7"},
		{Parameter: "stop", Action: force, Value: `["a"]`}, {Parameter: "tools", Action: forbid},
		{Parameter: "tools", Action: allowed, Names: []string{"search"}}, {Parameter: "tool_choice", Action: force, Value: `"none"`},
		{Parameter: "reasoning", Action: orElse, Value: ` "low" `}, {Parameter: "stream", Action: forbid},
		{Parameter: "service_tier", Action: allowed, Names: []string{"flex"}}, {Parameter: "service_tier", Action: force, Value: `"flex"`},
		{Parameter: "response_format", Action: force, Value: `{"type":"json_schema","json_schema":{"name":"a","schema":{}}}`},
		{Parameter: "logprobs", Action: force, Value: "false"}, {Parameter: "model", Action: allowed, Names: []string{"gpt-4o"}},
		{Parameter: "user", Action: force, Value: `"team"`}, {Parameter: "top_k", Action: forbid}, {Parameter: "top_p", Action: orElse, Value: "1"},
	}
	if err := configcheck.Check(wrap(t, project(rules...))); err != nil {
		t.Error(err)
	}
	for _, p := range configcheck.Parameters() {
		for _, a := range p.Actions {
			if configcheck.ParameterActionOf(configcheck.ParameterActionName(a)) != a {
				t.Errorf("%s: action %s does not come back from its name", p.Name, a)
			}
		}
	}
}

func TestBadParameterRulesAreNamed(t *testing.T) {
	for i, c := range []struct {
		rule *rule
		path string
	}{
		{&rule{Parameter: "", Action: forbid}, "parameter"}, {&rule{Parameter: "Temperature", Action: forbid}, "parameter"},
		{&rule{Parameter: "temperature"}, "action"}, {&rule{Parameter: "stream", Action: force, Value: "true"}, "action"},
		{&rule{Parameter: "temperature", Action: allowed, Names: []string{"a"}}, "action"}, {&rule{Parameter: "tools", Action: clamp}, "action"},
		{&rule{Parameter: "seed", Action: clamp, Maximum: new(1.0)}, "action"}, {&rule{Parameter: "n", Action: 9}, "action"},
		{&rule{Parameter: "temperature", Action: force}, "value"}, {&rule{Parameter: "temperature", Action: forbid, Value: "1"}, "value"},
		{&rule{Parameter: "temperature", Action: force, Value: "hot"}, "value"}, {&rule{Parameter: "temperature", Action: force, Value: "3"}, "value"},
		{&rule{Parameter: "temperature", Action: force, Value: "null"}, "value"}, {&rule{Parameter: "temperature", Action: force, Value: `"1"`}, "value"},
		{&rule{Parameter: "max_tokens", Action: force, Value: "1.5"}, "value"}, {&rule{Parameter: "max_tokens", Action: force, Value: "1e3"}, "value"},
		{&rule{Parameter: "stop", Action: force, Value: `[]`}, "value"}, {&rule{Parameter: "stop", Action: force, Value: `[null]`}, "value"},
		{&rule{Parameter: "tool_choice", Action: force, Value: `"any"`}, "value"}, {&rule{Parameter: "reasoning", Action: force, Value: "5"}, "value"},
		{&rule{Parameter: "logprobs", Action: force, Value: "1"}, "value"}, {&rule{Parameter: "user", Action: force, Value: `""`}, "value"},
		{&rule{Parameter: "user", Action: force, Value: `"` + strings.Repeat("u", 257) + `"`}, "value"},
		{&rule{Parameter: "service_tier", Action: force, Value: `"Flex"`}, "value"},
		{&rule{Parameter: "response_format", Action: force, Value: `{"type":"json_schema"}`}, "value"},
		{&rule{Parameter: "response_format", Action: force, Value: `{"type":"xml"}`}, "value"},
		{&rule{Parameter: "stop", Action: force, Value: `["` + strings.Repeat("s", configcheck.MaxParameterValue) + `"]`}, "value"},
		{&rule{Parameter: "n", Action: clamp}, "maximum"}, {&rule{Parameter: "n", Action: clamp, Minimum: new(2.0), Maximum: new(1.0)}, "maximum"},
		{&rule{Parameter: "n", Action: clamp, Minimum: new(0.5)}, "minimum"}, {&rule{Parameter: "n", Action: clamp, Maximum: new(129.0)}, "maximum"},
		{&rule{Parameter: "n", Action: force, Value: "1", Minimum: new(1.0)}, "minimum"}, {&rule{Parameter: "n", Action: force, Value: "1", Maximum: new(1.0)}, "maximum"},
		{&rule{Parameter: "tools", Action: allowed}, "names"}, {&rule{Parameter: "model", Action: forbid}, "names"},
		{&rule{Parameter: "n", Action: forbid, Names: []string{"a"}}, "names"}, {&rule{Parameter: "service_tier", Action: force, Value: `"flex"`, Names: []string{"a"}}, "names"},
		{&rule{Parameter: "tools", Action: forbid, Names: []string{"ok", "a b"}}, "names[1]"},
		{&rule{Parameter: "tools", Action: forbid, Names: make([]string, configcheck.MaxParameterNames+1)}, "names"},
	} {
		good := &rule{Parameter: "stream", Action: forbid}
		path := "parameter_rules[1]." + c.path
		wantPath(t, configcheck.Check(wrap(t, project(good, c.rule))), path, i)
		wantPath(t, configcheck.Check(wrap(t, edit(route(), func(r *configv1.Route) { r.ParameterRules = []*rule{good, c.rule} }))), path, i)
		wantPath(t, configcheck.Check(wrap(t, edit(apiKey(), func(k *configv1.ApiKey) { k.ParameterRules = []*rule{good, c.rule} }))), path, i)
	}
	wantPath(t, configcheck.CheckParameterRules([]*rule{{Parameter: "user", Action: force, Value: "\"\xff\""}}), "parameter_rules[0].value", 0)
	many := make([]*rule, configcheck.MaxParameterRules+1)
	for i := range many {
		many[i] = &rule{Parameter: "stream", Action: forbid}
	}
	wantPath(t, configcheck.Check(wrap(t, project(many...))), "parameter_rules", 0)
}

// Whatever a value holds, checking it does not panic, and what passes is JSON.
func FuzzParameterValue(f *testing.F) {
	for _, v := range []string{"0", "1e3", `"low"`, `["a"]`, `{"type":"json_schema","json_schema":{"schema":{}}}`, "true", " ", "nul", "\x00"} {
		f.Add(v, uint8(0))
	}
	all := configcheck.Parameters()
	f.Fuzz(func(t *testing.T, value string, n uint8) {
		p := all[int(n)%len(all)]
		r := &rule{Parameter: p.Name, Action: force, Value: value}
		if configcheck.CheckParameterRules([]*rule{r}) == nil && p.Value == "" {
			t.Fatalf("%s takes a value", p.Name)
		}
	})
}
