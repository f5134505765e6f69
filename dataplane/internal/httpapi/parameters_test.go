package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

const (
	chatIn, responsesIn, messagesIn, geminiIn = providerkind.OpenAIChat, providerkind.Responses, providerkind.Anthropic, providerkind.Gemini

	forced   = configv1.ParameterAction_PARAMETER_ACTION_FORCE
	filled   = configv1.ParameterAction_PARAMETER_ACTION_DEFAULT
	moved    = configv1.ParameterAction_PARAMETER_ACTION_CLAMP
	refused  = configv1.ParameterAction_PARAMETER_ACTION_FORBID
	onlyThis = configv1.ParameterAction_PARAMETER_ACTION_ALLOW
)

// controlled is a parameter with a value that rules set, and where and how
// each dialect writes it. A dialect without a place has none.
type controlled struct {
	name, value string
	place       map[string]string
	// sent is what a caller sends there, got what a provider must find; those
	// of "" stand for all dialects that are not named.
	sent, got map[string]string
	// most is the bound of a clamp; 0 for none.
	most float64
	// tools says that it means nothing without tools.
	tools bool
}

func same(v string) map[string]string { return map[string]string{"": v} }

func flat(name, gemini string) map[string]string {
	return map[string]string{chatIn: name, responsesIn: name, messagesIn: name, geminiIn: "generationConfig." + gemini}
}

func without(m map[string]string, dialects ...string) map[string]string {
	for _, d := range dialects {
		delete(m, d)
	}
	return m
}

func of(m map[string]string, dialect string) string {
	if v, ok := m[dialect]; ok {
		return v
	}
	return m[""]
}

var parameters = []controlled{
	{name: "temperature", value: "0.25", place: flat("temperature", "temperature"), sent: same("1.5"), got: same("0.25"), most: 1},
	{name: "top_p", value: "0.5", place: flat("top_p", "topP"), sent: same("0.9"), got: same("0.5"), most: 0.75},
	{name: "top_k", value: "7", place: without(flat("top_k", "topK"), chatIn, responsesIn), sent: same("40"), got: same("7"), most: 20},
	{name: "max_tokens", value: "2000", place: map[string]string{chatIn: "max_tokens", responsesIn: "max_output_tokens", messagesIn: "max_tokens", geminiIn: "generationConfig.maxOutputTokens"},
		sent: same("5000"), got: same("2000"), most: 3000},
	{name: "n", value: "2", place: without(flat("n", "candidateCount"), responsesIn, messagesIn), sent: same("5"), got: same("2"), most: 3},
	{name: "seed", value: "11", place: without(flat("seed", "seed"), responsesIn, messagesIn), sent: same("12"), got: same("11")},
	{name: "stop", value: `["END"]`, place: map[string]string{chatIn: "stop", messagesIn: "stop_sequences", geminiIn: "generationConfig.stopSequences"}, sent: same(`["a","b"]`), got: same(`["END"]`)},
	{name: "user", value: `"team"`, place: map[string]string{chatIn: "user", responsesIn: "user", messagesIn: "metadata.user_id"}, sent: same(`"me"`), got: same(`"team"`)},
	{name: "service_tier", value: `"flex"`, place: map[string]string{chatIn: "service_tier", responsesIn: "service_tier", geminiIn: "serviceTier"},
		sent: map[string]string{"": `"priority"`}, got: map[string]string{"": `"flex"`}},
	{name: "logprobs", value: "true", place: map[string]string{chatIn: "logprobs", responsesIn: "include", geminiIn: "generationConfig.responseLogprobs"},
		sent: map[string]string{"": "true", responsesIn: `["message.output_text.logprobs"]`}, got: map[string]string{"": "true", responsesIn: `["message.output_text.logprobs"]`}},
	{name: "tool_choice", value: `"required"`, tools: true,
		place: map[string]string{chatIn: "tool_choice", responsesIn: "tool_choice", messagesIn: "tool_choice", geminiIn: "toolConfig.functionCallingConfig"},
		sent:  map[string]string{"": `"auto"`, messagesIn: `{"type":"auto"}`, geminiIn: `{"mode":"AUTO"}`},
		got:   map[string]string{"": `"required"`, messagesIn: `{"type":"any"}`, geminiIn: `{"mode":"ANY"}`}},
	{name: "reasoning", value: `"medium"`, place: map[string]string{chatIn: "reasoning_effort", responsesIn: "reasoning.effort", messagesIn: "thinking", geminiIn: "generationConfig.thinkingConfig.thinkingBudget"},
		sent: map[string]string{"": `"high"`, messagesIn: `{"type":"enabled","budget_tokens":1500}`, geminiIn: "1500"},
		got:  map[string]string{"": `"medium"`, messagesIn: `{"type":"enabled","budget_tokens":2048}`, geminiIn: "2048"}},
	{name: "response_format", value: `{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}}`,
		place: map[string]string{chatIn: "response_format", responsesIn: "text.format", messagesIn: "output_config.format", geminiIn: "generationConfig.responseMimeType"},
		sent:  map[string]string{"": `{"type":"text"}`, messagesIn: `{"type":"json_schema","schema":{}}`, geminiIn: `"text/plain"`},
		got: map[string]string{chatIn: `{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}}`, responsesIn: `{"type":"json_schema","name":"answer","schema":{"type":"object"}}`,
			messagesIn: `{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}`, geminiIn: `"application/json"`}},
}

// rule makes one for an action.
func (p *controlled) rule(a configv1.ParameterAction) *configv1.ParameterRule {
	r := &configv1.ParameterRule{Parameter: p.name, Action: a}
	switch a {
	case forced, filled:
		r.Value = p.value
	case moved:
		r.Maximum = &p.most
	}
	return r
}

// calling is a caller's body without any of the parameters.
var calling = map[string]string{
	chatIn: `{"model":"ROUTE","messages":[{"role":"user","content":"Hi"}]}`, responsesIn: `{"model":"ROUTE","input":"Hi"}`,
	messagesIn: `{"model":"ROUTE","messages":[{"role":"user","content":"Hi"}]}`, geminiIn: `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`,
}

var callingTools = map[string]string{
	chatIn:      `[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}]`,
	responsesIn: `[{"type":"function","name":"look","parameters":{"type":"object"}}]`,
	messagesIn:  `[{"name":"look","input_schema":{"type":"object"}}]`,
	geminiIn:    `[{"functionDeclarations":[{"name":"look","parameters":{"type":"object"}}]}]`,
}

// put sets a value at a path of a body.
func put(t *testing.T, body map[string]any, path, raw string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		body[path] = v
		return
	}
	in, _ := body[head].(map[string]any)
	if in == nil {
		in = map[string]any{}
		body[head] = in
	}
	if middle, last, deeper := strings.Cut(rest, "."); deeper {
		in[middle] = map[string]any{last: v}
		return
	}
	in[rest] = v
}

// at takes the value at a path; nil when there is none.
func at(body map[string]any, path string) any {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		return body[head]
	}
	in, _ := body[head].(map[string]any)
	return at(in, rest)
}

func parsed(t *testing.T, raw string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// ruledWorld has a provider of each dialect and a key for each rule.
type ruledWorld struct {
	*gateway
	up   *recorder
	keys map[string]string
}

func newRuledWorld(t *testing.T) *ruledWorld {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	rw := &ruledWorld{up: newRecorder(t), keys: map[string]string{}}
	for _, d := range []string{chatIn, responsesIn, messagesIn, geminiIn} {
		w.Route(tenant, d, "provider-model", rw.up.URL+"/v1", providerSecret, func(c *configv1.Credential, _ *configv1.Model) {
			c.Provider, c.Dialect = providerkind.Custom, d
		})
	}
	rw.keys[""], _ = w.Key(tenant, nil)
	for i := range parameters {
		p := &parameters[i]
		for _, a := range []configv1.ParameterAction{forced, filled, moved, refused} {
			if a == moved && p.most == 0 {
				continue
			}
			rw.keys[p.name+a.String()], _ = w.Key(tenant, func(k *configv1.ApiKey) { k.ParameterRules = []*configv1.ParameterRule{p.rule(a)} })
		}
	}
	rw.gateway = start(t, w, nil)
	return rw
}

// call makes a call and gives what the provider found; nil when it was not
// called.
func (rw *ruledWorld) call(t *testing.T, caller, target, key string, body map[string]any) (*answer, map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	rw.up.mu.Lock()
	rw.up.body = nil
	rw.up.mu.Unlock()
	for i := range callers {
		if callers[i].name == caller {
			a := callers[i].call(rw.gateway, callers[i].path, string(raw), rw.keys[key], target)
			rw.up.mu.Lock()
			defer rw.up.mu.Unlock()
			return a, rw.up.body
		}
	}
	t.Fatalf("no caller %s", caller)
	return nil, nil
}

// base is a body of the caller's, with a bound that leaves room for thought
// where the dialect demands one.
func (p *controlled) base(t *testing.T, caller string) map[string]any {
	body := parsed(t, calling[caller]).(map[string]any)
	if caller == messagesIn && p.name != "max_tokens" {
		body["max_tokens"] = 9000.0
	}
	if p.tools {
		put(t, body, "tools", callingTools[caller])
	}
	return body
}

// TestParameterRules goes through every parameter, every dialect of callers,
// every dialect of providers, and every action: what the provider finds is what
// the rule says, whether the call passes or is translated.
func TestParameterRules(t *testing.T) {
	rw := newRuledWorld(t)
	for i := range parameters {
		p := &parameters[i]
		for _, caller := range []string{chatIn, responsesIn, messagesIn, geminiIn} {
			for _, target := range []string{chatIn, responsesIn, messagesIn, geminiIn} {
				t.Run(fmt.Sprintf("%s/%s to %s", p.name, caller, target), func(t *testing.T) { p.check(t, rw, caller, target) })
			}
		}
	}
}

func (p *controlled) check(t *testing.T, rw *ruledWorld, caller, target string) {
	p.checkSet(t, rw, caller, target, forced, false)
	p.checkSet(t, rw, caller, target, filled, false)
	p.checkSame(t, rw, caller, target, refused, false)
	if p.most != 0 && p.name != "max_tokens" {
		p.checkSame(t, rw, caller, target, moved, false)
	}
	if p.place[caller] == "" {
		return
	}
	p.checkSet(t, rw, caller, target, forced, true)
	p.checkSame(t, rw, caller, target, filled, true)
	if p.most != 0 {
		p.checkSet(t, rw, caller, target, moved, true)
	}
	body := p.base(t, caller)
	put(t, body, p.place[caller], of(p.sent, caller))
	a, got := rw.call(t, caller, target, p.name+refused.String(), body)
	if a.StatusCode != http.StatusForbidden || got != nil || !strings.Contains(a.body, "parameter_forbidden") || !strings.Contains(a.body, p.name) || !strings.Contains(a.body, "key") {
		t.Errorf("forbid: %d %s, provider has %v", a.StatusCode, a.body, got)
	}
}

// checkSet makes a call whose parameter the rule changes.
func (p *controlled) checkSet(t *testing.T, rw *ruledWorld, caller, target string, action configv1.ParameterAction, present bool) {
	t.Helper()
	body := p.base(t, caller)
	if present {
		put(t, body, p.place[caller], of(p.sent, caller))
	}
	a, got := rw.call(t, caller, target, p.name+action.String(), body)
	if a.StatusCode != 200 {
		t.Fatalf("%s: %d %s", action, a.StatusCode, a.body)
	}
	want, verb := of(p.got, target), map[configv1.ParameterAction]string{forced: "forced", filled: "default", moved: "clamped"}[action]
	if action == moved {
		want = fmt.Sprint(p.most)
	}
	unchanged := p.name == "logprobs" && present
	if h := a.Header.Get("X-Tollgate-Parameters"); h != p.name+"="+verb && !unchanged {
		t.Errorf("%s: header %q", action, h)
	}
	place := p.place[target]
	if place == "" {
		if d := a.Header.Get("X-Tollgate-Dropped"); !strings.Contains(d, p.name) {
			t.Errorf("%s: %s has no place at the provider, and is not named as dropped: %q", action, p.name, d)
		}
		return
	}
	if v := at(got, place); !reflect.DeepEqual(v, parsed(t, want)) {
		t.Errorf("%s, sent %t: %s is %v, want %s, in %v", action, present, place, v, want, got)
	}
}

// checkSame makes a call that the rule has nothing to say to: the provider
// finds what it finds without a rule.
func (p *controlled) checkSame(t *testing.T, rw *ruledWorld, caller, target string, action configv1.ParameterAction, present bool) {
	t.Helper()
	body := p.base(t, caller)
	if caller == messagesIn && p.name == "max_tokens" && !present {
		// The dialect demands it.
		return
	}
	if present {
		put(t, body, p.place[caller], of(p.sent, caller))
	}
	_, want := rw.call(t, caller, target, "", body)
	a, got := rw.call(t, caller, target, p.name+action.String(), body)
	if a.StatusCode != 200 || a.Header.Get("X-Tollgate-Parameters") != "" || want == nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %d %s\nprovider has %v\nwithout rule %v", action, a.StatusCode, a.Header.Get("X-Tollgate-Parameters"), got, want)
	}
}

// TestRulesOfEachOwner: route, project and key each have their say, and the
// refusal names whose rule it is.
func TestRulesOfEachOwner(t *testing.T) {
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	up := newRecorder(t)
	project := id.New(id.Project)
	one := func(name string, a configv1.ParameterAction, names ...string) []*configv1.ParameterRule {
		return []*configv1.ParameterRule{{Parameter: name, Action: a, Names: names}}
	}
	var modelID string
	w.Route(tenant, "plain", "provider-model", up.URL+"/v1", providerSecret, func(c *configv1.Credential, m *configv1.Model) {
		c.Provider, modelID = providerkind.Custom, m.Id
	})
	ruled := &configv1.Route{Id: id.New(id.Route), Name: "ruled", Targets: []*configv1.Target{{ModelId: modelID}},
		ParameterRules: []*configv1.ParameterRule{{Parameter: "temperature", Action: forced, Value: "0"}, {Parameter: "seed", Action: refused}}}
	w.Add(tenant, configv1.Kind_KIND_ROUTE, ruled.Id, ruled)
	w.Add(tenant, configv1.Kind_KIND_PROJECT, project, &configv1.Project{Id: project, ParameterRules: one("tools", refused)})
	in := func(rules []*configv1.ParameterRule) string {
		key, _ := w.Key(tenant, func(k *configv1.ApiKey) { k.ProjectId, k.ParameterRules = project, rules })
		return key
	}
	free, _ := w.Key(tenant, nil)
	inside, small, steady := in(nil), in(one("model", onlyThis, "small")), in(one("stream", refused))
	g := start(t, w, nil)
	chat := func(route, more string) string {
		return `{"model":"` + route + `","messages":[{"role":"user","content":"Hi"}]` + more + `}`
	}
	for _, c := range []struct {
		key, body string
		status    int
		says      string
	}{
		{free, chat("plain", `,"seed":1,"tools":[{"type":"function","function":{"name":"a"}}]`), 200, ""},
		{free, chat("ruled", `,"seed":1`), 403, "seed is forbidden by a rule of the route"},
		{inside, chat("plain", `,"tools":[{"type":"function","function":{"name":"a"}}]`), 403, "tools is forbidden by a rule of the project"},
		{small, chat("plain", ""), 403, `model may not hold \"provider-model\", by a rule of the key`},
		{steady, chat("plain", `,"stream":true`), 403, "stream is forbidden by a rule of the key"},
		{steady, chat("plain", `,"stream":false`), 200, ""},
		{inside, chat("ruled", ""), 200, ""},
	} {
		a := g.do("POST", "/v1/chat/completions", c.key, c.body)
		if a.StatusCode != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s", c.body, a.StatusCode, a.body)
		}
	}
	a := g.do("POST", "/v1/chat/completions", free, chat("ruled", `,"stream":true`))
	if a.StatusCode != 200 || a.Header.Get("X-Tollgate-Parameters") != "temperature=forced" || up.body["temperature"] != 0.0 {
		t.Errorf("streamed: %d %v, provider has %v", a.StatusCode, a.Header, up.body)
	}
}
