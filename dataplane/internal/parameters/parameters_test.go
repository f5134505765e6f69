package parameters

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/gemini"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

var formats = map[canon.Dialect]dialect.Format{
	canon.OpenAIChat: openai.Format{}, canon.Responses: responses.Format{}, canon.Anthropic: anthropic.Format{}, canon.Gemini: gemini.Format{},
}

const (
	force   = configv1.ParameterAction_PARAMETER_ACTION_FORCE
	orElse  = configv1.ParameterAction_PARAMETER_ACTION_DEFAULT
	clamped = configv1.ParameterAction_PARAMETER_ACTION_CLAMP
	forbid  = configv1.ParameterAction_PARAMETER_ACTION_FORBID
	allow   = configv1.ParameterAction_PARAMETER_ACTION_ALLOW
)

// rules compiles what configcheck takes.
func rules(t testing.TB, list ...*configv1.ParameterRule) *Rules {
	t.Helper()
	if err := configcheck.CheckParameterRules(list); err != nil {
		t.Fatal(err)
	}
	return Compile(list)
}

func set1(name, value string, a configv1.ParameterAction) *configv1.ParameterRule {
	return &configv1.ParameterRule{Parameter: name, Action: a, Value: value}
}

func between(name string, least, most float64) *configv1.ParameterRule {
	return &configv1.ParameterRule{Parameter: name, Action: clamped, Minimum: &least, Maximum: &most}
}

func only(name string, a configv1.ParameterAction, names ...string) *configv1.ParameterRule {
	return &configv1.ParameterRule{Parameter: name, Action: a, Names: names}
}

// The table has room for every place, and every parameter that rules know.
func TestTables(t *testing.T) {
	var known []string
	for _, p := range configcheck.Parameters() {
		known = append(known, p.Name)
	}
	if !slices.Equal(known, names[:]) {
		t.Errorf("parameters are %v, configcheck has %v", names, known)
	}
	for d, table := range tables {
		var r run
		if len(table.places) > len(r.at) || len(table.objects) > len(r.doc.objects) {
			t.Errorf("%s: %d places, %d objects", d, len(table.places), len(table.objects))
		}
		for _, p := range table.places {
			if p.in >= len(table.objects) || p.name == "" {
				t.Errorf("%s: place %v", d, p)
			}
		}
	}
}

// TestEdits shows what becomes of bodies that pass.
func TestEdits(t *testing.T) {
	chat, anth, gem, resp := canon.OpenAIChat, canon.Anthropic, canon.Gemini, canon.Responses
	for i, c := range []struct {
		dialect       canon.Dialect
		rule          *configv1.ParameterRule
		body, want    string
		changed, lost string
	}{
		{chat, set1("temperature", "0.5", force), `{"model":"m","temperature" : 1,"x":[ 1 ]}`, `{"model":"m","temperature":0.5,"x":[ 1 ]}`, "temperature=forced", ""},
		{chat, set1("temperature", "0.5", force), `{"x":1}`, `{"x":1,"temperature":0.5}`, "temperature=forced", ""},
		{chat, set1("temperature", "0.5", force), `{"temperature":0.5}`, ``, "", ""},
		{chat, set1("temperature", "0.5", orElse), `{"temperature":1}`, ``, "", ""},
		{chat, set1("temperature", "0.5", orElse), `{"temperature":null}`, `{"temperature":0.5}`, "temperature=default", ""},
		{chat, set1("temperature", "0.5", orElse), ` { } `, `{"temperature":0.5}`, "temperature=default", ""},
		{chat, between("temperature", 0, 1), `{"temperature":1.5}`, `{"temperature":1}`, "temperature=clamped", ""},
		{chat, between("temperature", 0, 1), `{"temperature":-1e400}`, `{"temperature":0}`, "temperature=clamped", ""},
		{chat, between("temperature", 0, 1), `{"temperature":0.3}`, ``, "", ""},
		{chat, between("max_tokens", 1, 100), `{"max_tokens":500,"max_completion_tokens":50,"n_predict":1e9}`, `{"max_tokens":100,"max_completion_tokens":50,"n_predict":100}`, "max_tokens=clamped", ""},
		{chat, between("max_tokens", 1, 100), `{"a":1}`, `{"a":1,"max_completion_tokens":100}`, "max_tokens=clamped", ""},
		{chat, set1("max_tokens", "7", force), `{"max_tokens":9}`, `{"max_tokens":7}`, "max_tokens=forced", ""},
		{chat, set1("stop", `["a","b"]`, force), `{"stop":"z"}`, `{"stop":["a","b"]}`, "stop=forced", ""},
		{chat, set1("tool_choice", `"required"`, force), `{"a":1}`, ``, "", ""},
		{chat, set1("tool_choice", `"required"`, force), `{"tools":[{}],"tool_choice":"auto"}`, `{"tools":[{}],"tool_choice":"required"}`, "tool_choice=forced", ""},
		{chat, set1("reasoning", `"low"`, force), `{"reasoning":{"effort":"high"},"a":1,"chat_template_kwargs":{"enable_thinking":true,"x":1}}`, `{"a":1,"chat_template_kwargs":{"x":1},"reasoning_effort":"low"}`, "reasoning=forced", ""},
		{chat, set1("logprobs", "false", force), `{"logprobs":true,"top_logprobs":3}`, `{"logprobs":false}`, "logprobs=forced", ""},
		{chat, set1("top_k", "3", force), `{"a":1}`, ``, "top_k=forced", "top_k"},
		{chat, set1("top_k", "3", force), `{"top_k":1}`, `{"top_k":3}`, "top_k=forced", ""},
		{chat, set1("user", `"team"`, force), `{"user":"me"}`, `{"user":"team"}`, "user=forced", ""},
		{resp, set1("max_tokens", "9", force), `{"a":1}`, `{"a":1,"max_output_tokens":9}`, "max_tokens=forced", ""},
		{resp, set1("reasoning", `"low"`, force), `{"reasoning":{"summary":"auto","effort":"high"}}`, `{"reasoning":{"summary":"auto","effort":"low"}}`, "reasoning=forced", ""},
		{resp, set1("reasoning", `"low"`, orElse), `{"reasoning":null}`, `{"reasoning":{"effort":"low"}}`, "reasoning=default", ""},
		{resp, set1("response_format", `{"type":"json_object"}`, force), `{"text":{"verbosity":"low"}}`, `{"text":{"verbosity":"low","format":{"type":"json_object"}}}`, "response_format=forced", ""},
		{resp, set1("logprobs", "false", force), `{"include":["a","message.output_text.logprobs"],"top_logprobs":2}`, `{"include":["a"]}`, "logprobs=forced", ""},
		{resp, set1("logprobs", "true", force), `{"include":["a"]}`, `{"include":["a","message.output_text.logprobs"]}`, "logprobs=forced", ""},
		{resp, set1("stop", `["a"]`, force), `{"a":1}`, ``, "stop=forced", "stop"},
		{anth, set1("stop", `["a"]`, force), `{"max_tokens":5}`, `{"max_tokens":5,"stop_sequences":["a"]}`, "stop=forced", ""},
		{anth, set1("user", `"u"`, force), `{"metadata":{"x":1}}`, `{"metadata":{"x":1,"user_id":"u"}}`, "user=forced", ""},
		{anth, set1("user", `"u"`, force), `{"metadata":{"user_id":"v"}}`, `{"metadata":{"user_id":"u"}}`, "user=forced", ""},
		{anth, set1("reasoning", `"medium"`, force), `{"max_tokens":9000,"output_config":{"effort":"max"}}`, `{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2048}}`, "reasoning=forced", ""},
		{anth, set1("reasoning", `"none"`, force), `{"thinking":{"type":"adaptive"}}`, `{"thinking":{"type":"disabled"}}`, "reasoning=forced", ""},
		{anth, set1("tool_choice", `"required"`, force), `{"tools":[{"name":"a"}]}`, `{"tools":[{"name":"a"}],"tool_choice":{"type":"any"}}`, "tool_choice=forced", ""},
		{anth, set1("seed", "4", force), `{"a":1}`, ``, "seed=forced", "seed"},
		{gem, set1("temperature", "1", force), `{"generation_config":{"top_p":1}}`, `{"generation_config":{"top_p":1,"temperature":1}}`, "temperature=forced", ""},
		{gem, set1("max_tokens", "5", force), `{"generationConfig":{"max_output_tokens":10}}`, `{"generationConfig":{"max_output_tokens":5}}`, "max_tokens=forced", ""},
		{gem, set1("n", "1", force), `{"contents":[]}`, `{"contents":[],"generationConfig":{"candidateCount":1}}`, "n=forced", ""},
		{gem, set1("tool_choice", `"none"`, force), `{"tools":[{"functionDeclarations":[]}]}`, `{"tools":[{"functionDeclarations":[]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`, "tool_choice=forced", ""},
		{gem, set1("response_format", `{"type":"text"}`, force), `{"generationConfig":{"responseMimeType":"application/json","_responseJsonSchema":{}}}`, `{}`, "response_format=forced", ""},
		{gem, set1("reasoning", `"medium"`, force), `{"generationConfig":{"thinkingConfig":{"thinkingLevel":"HIGH","include_thoughts":true},"x":1}}`,
			`{"generationConfig":{"thinkingConfig":{"thinkingBudget":2048,"include_thoughts":true},"x":1}}`, "reasoning=forced", ""},
		// Names that the provider may pass over do not hold the bound alone, and
		// what is below one is no bound.
		{chat, between("max_tokens", 1, 100), `{"n_predict":5}`, `{"max_completion_tokens":5}`, "", ""},
		{chat, between("max_tokens", 1, 100), `{"a":1,"max_new_tokens":500}`, `{"a":1,"max_completion_tokens":100}`, "max_tokens=clamped", ""},
		{chat, between("max_tokens", 1, 100), `{"max_tokens":-1}`, `{"max_tokens":100}`, "max_tokens=clamped", ""},
		{chat, between("max_tokens", 1, 100), `{"max_tokens":-0.0}`, `{"max_tokens":100}`, "max_tokens=clamped", ""},
		{resp, between("max_tokens", 1, 100), `{"max_tokens":5}`, `{"max_output_tokens":5}`, "", ""},
		{chat, set1("max_tokens", "7", force), `{"n_predict":7}`, `{"max_completion_tokens":7}`, "max_tokens=forced", ""},
		{chat, set1("max_tokens", "7", force), `{"n_predict":9}`, `{"max_completion_tokens":7}`, "max_tokens=forced", ""},
		{chat, set1("seed", "7", force), `{"random_seed":9}`, `{"seed":7}`, "seed=forced", ""},
		{chat, set1("user", `"u"`, force), `{"safety_identifier":"u"}`, `{"user":"u"}`, "user=forced", ""},
		{gem, set1("stop", `["a"]`, orElse), `{"generationConfig":{"stopSequences":["b"]}}`, ``, "", ""},
	} {
		out, f := Apply(&Call{Key: rules(t, c.rule), Body: []byte(c.body), Dialect: c.dialect, Model: "m", Format: formats[c.dialect]})
		if f != nil {
			t.Errorf("case %d: %v", i, f)
			continue
		}
		if string(out.Body) != c.want || out.Changed != c.changed || strings.Join(out.Lost, ",") != c.lost {
			t.Errorf("case %d: %s became %s, %q, lost %v\nwant %s", i, c.body, out.Body, out.Changed, out.Lost, c.want)
		}
	}
}

// TestOrder shows which of several rules counts.
func TestOrder(t *testing.T) {
	least, most := 0.7, 0.5
	for i, c := range []struct {
		route, project, key []*configv1.ParameterRule
		body, want          string
	}{
		{route: []*configv1.ParameterRule{set1("n", "1", force)}, key: []*configv1.ParameterRule{set1("n", "2", force)}, body: `{"n":3}`, want: `{"n":1}`},
		{project: []*configv1.ParameterRule{set1("n", "1", orElse)}, key: []*configv1.ParameterRule{set1("n", "2", force)}, body: `{}`, want: `{"n":2}`},
		{route: []*configv1.ParameterRule{set1("n", "5", orElse)}, key: []*configv1.ParameterRule{between("n", 1, 2)}, body: `{}`, want: `{"n":2}`},
		{route: []*configv1.ParameterRule{between("n", 1, 2)}, key: []*configv1.ParameterRule{set1("n", "5", force)}, body: `{}`, want: `{"n":2}`},
		{route: []*configv1.ParameterRule{set1("n", "5", force)}, key: []*configv1.ParameterRule{between("n", 1, 2)}, body: `{}`, want: `{"n":5}`},
		{route: []*configv1.ParameterRule{{Parameter: "temperature", Action: clamped, Maximum: &most}}, key: []*configv1.ParameterRule{{Parameter: "temperature", Action: clamped, Minimum: &least}},
			body: `{"temperature":0.6}`, want: `{"temperature":0.5}`},
	} {
		out, f := Apply(&Call{Route: rules(t, c.route...), Project: rules(t, c.project...), Key: rules(t, c.key...), Body: []byte(c.body), Dialect: canon.OpenAIChat, Format: openai.Format{}})
		if f != nil || string(out.Body) != c.want {
			t.Errorf("case %d: %s, %v", i, out.Body, f)
		}
	}
}

// TestRefusals shows what does not get past a rule.
func TestRefusals(t *testing.T) {
	chat, anth, gem, resp := canon.OpenAIChat, canon.Anthropic, canon.Gemini, canon.Responses
	noTools, search := only("tools", forbid), only("tools", allow, "search")
	cold := between("temperature", 0, 1)
	for i, c := range []struct {
		dialect canon.Dialect
		rule    *configv1.ParameterRule
		body    string
		code    string
	}{
		{chat, noTools, `{"tools":[{"type":"function"}]}`, "parameter_forbidden"}, {chat, noTools, `{"functions":[{"name":"a"}]}`, "parameter_forbidden"},
		{chat, noTools, `{"web_search_options":{"a":1}}`, "parameter_forbidden"}, {chat, noTools, `{"tools":[ ],"a":null}`, ""}, {chat, noTools, `{"tools":null}`, ""},
		{chat, search, `{"tools":[{"type":"function","function":{"name":"search"}}]}`, ""},
		{chat, search, `{"tools":[{"type":"function","function":{"name":"sea\u0072ch"}},{"type":"custom","custom":{"name":"x"}}]}`, "parameter_forbidden"},
		{chat, search, `{"tools":[{"type":"function","name":"search","function":{"name":"x"}}]}`, "parameter_forbidden"},
		{chat, search, `{"tools":[{"function":{"name":"search","Name":"x"}}]}`, "parameter_forbidden"},
		{chat, search, `{"tools":[{}]}`, "parameter_forbidden"}, {chat, search, `{"tools":"all"}`, "wrong_type"}, {chat, search, `{"tools":["a"]}`, "wrong_type"},
		{chat, only("tools", forbid, "web_search"), `{"web_search_options":{"x":1}}`, "parameter_forbidden"},
		{chat, only("tools", forbid, "x"), `{"tools":[{"function":{"name":"\u0078"}}]}`, "parameter_forbidden"},
		{resp, search, `{"tools":[{"type":"function","name":"search"}]}`, ""}, {resp, search, `{"tools":[{"type":"web_search","name":"search"}]}`, "parameter_forbidden"},
		{resp, only("tools", allow, "web_search"), `{"tools":[{"type":"web_search"}]}`, ""}, {resp, noTools, `{"prompt":{"id":"pmpt_1"}}`, "parameter_forbidden"},
		{resp, search, `{"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"x"}]}]}`, "parameter_forbidden"},
		{anth, search, `{"tools":[{"name":"search","input_schema":{}}]}`, ""}, {anth, search, `{"tools":[{"type":"bash_20250124","name":"bash"}]}`, "parameter_forbidden"},
		{anth, search, `{"mcp_servers":[{"type":"url","name":"x"}]}`, "parameter_forbidden"},
		{gem, search, `{"tools":[{"function_declarations":[{"name":"search"}]}]}`, ""}, {gem, search, `{"tools":[{"functionDeclarations":[{"name":"x"}]}]}`, "parameter_forbidden"},
		{gem, only("tools", allow, "googleSearch"), `{"tools":[{"google_search":{}}]}`, ""}, {gem, only("tools", forbid, "google_search"), `{"tools":[{"googleSearch":{}}]}`, "parameter_forbidden"},
		{gem, only("tools", allow, "myTool"), `{"tools":[{"functionDeclarations":[{"name":"my_tool"}]}]}`, "parameter_forbidden"},
		{chat, only("stream", forbid), `{"stream":true}`, "parameter_forbidden"}, {chat, only("n", forbid), `{"n":1}`, "parameter_forbidden"}, {chat, only("logprobs", forbid), `{"logprobs":false}`, ""},
		{chat, only("model", allow, "m"), `{"model":"route"}`, ""}, {chat, only("model", forbid, "m"), `{"model":"route"}`, "parameter_forbidden"},
		{chat, only("model", allow, "m"), `{"models":["m","dear"]}`, "parameter_forbidden"}, {chat, only("service_tier", allow, "flex"), `{"service_tier":"priority"}`, "parameter_forbidden"},
		{chat, only("service_tier", allow, "flex"), `{"service_tier":"flex"}`, ""}, {chat, only("service_tier", allow, "flex"), `{"service_tier":7}`, "wrong_type"},
		{resp, only("logprobs", forbid), `{"include":["message.output_text.logprobs"]}`, "parameter_forbidden"}, {resp, only("logprobs", forbid), `{"include":["reasoning.encrypted_content"]}`, ""},
		{chat, cold, `{"Temperature":2}`, "bad_request"}, {chat, cold, `{"temperature":1,"temperature":2}`, "bad_request"}, {chat, cold, `{"temperature":1,"\u0074emperature":2}`, "bad_request"},
		{chat, cold, `{"temperature":"2"}`, "wrong_type"}, {chat, cold, `{"extra_body":{"google":[{"temperature":2}]}}`, "parameter_forbidden"}, {chat, cold, `{"extra_body":{"top_p":2}}`, ""},
		{chat, cold, `{"extra_body":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "parameter_forbidden"},
		{gem, cold, `{"generationConfig":{},"generation_config":{"temperature":2}}`, "bad_request"}, {gem, cold, `{"GenerationConfig":{"temperature":2}}`, "bad_request"},
		{gem, cold, `{"generationConfig":[]}`, "wrong_type"}, {gem, between("max_tokens", 1, 5), `{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}`, "bad_request"},
		{gem, between("max_tokens", 1, 5), `{"generationConfig":{"max_outputTokens":9}}`, "bad_request"},
		{chat, only("tools", forbid, "web_search"), `{"tools":[{"type":"builtin_function","function":{"name":"$web_search"}}]}`, "parameter_forbidden"},
		{resp, only("tools", forbid, "web_search"), `{"tools":[{"type":"web_search_preview_2025_03_11"}]}`, "parameter_forbidden"},
		{resp, only("tools", forbid, "web_search"), `{"tools":[{"type":"web_search_2025_08_26"}]}`, "parameter_forbidden"},
		{resp, only("tools", forbid, "web_search"), `{"tools":[{"type":"function","name":"web_search_2"},{"type":"web_searcher"}]}`, ""},
		{resp, only("tools", allow, "web_search"), `{"tools":[{"type":"web_search_preview"}]}`, "parameter_forbidden"},
		{anth, only("tools", forbid, "web_search"), `{"tools":[{"type":"web_search_20250305","name":"x"}]}`, "parameter_forbidden"},
		{anth, only("tools", allow, "web_search"), `{"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, ""},
		{chat, only("tools", forbid, "googleSearch"), `{"tools":[{"google_search":{}}]}`, "parameter_forbidden"},
		{chat, only("tools", forbid, "web_search"), `{"search_parameters":{"mode":"on"}}`, "parameter_forbidden"},
		{chat, only("tools", forbid, "web_search"), `{"enable_search":true}`, "parameter_forbidden"},
		{chat, only("tools", forbid, "web_search"), `{"enable_search":false}`, ""},
		{chat, noTools, `{"compound_custom":{"tools":{"enabled_tools":["code_interpreter"]}}}`, "parameter_forbidden"},
		{chat, only("stream", forbid), `{"stream":"yes"}`, "parameter_forbidden"},
		{chat, cold, `{"temperature":1`, "malformed_json"}, {chat, cold, `[]`, "wrong_type"},
	} {
		streamed := strings.Contains(c.body, `"stream":true`)
		_, f := Apply(&Call{Project: rules(t, c.rule), Body: []byte(c.body), Dialect: c.dialect, Model: "m", Streamed: streamed, Format: formats[c.dialect]})
		code := ""
		if f != nil {
			code = f.Kind.Code
		}
		if code != c.code {
			t.Errorf("case %d: %s: %q, want %q (%v)", i, c.body, code, c.code, f)
		}
		if code == "parameter_forbidden" && !strings.Contains(c.body, "extra_body") && !strings.Contains(f.Public(), "project") {
			t.Errorf("case %d: message %q does not name the owner", i, f.Public())
		}
	}
}

// Whatever a body is, an edited one is JSON, holds every field that no rule is
// about byte by byte, and is left alone the second time.
func FuzzApply(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":1.5,"max_tokens":5,"stop":"a"}`,
		`{"input":"x","reasoning":{"effort":"high","summary":"auto"},"text":{"verbosity":"low"},"include":["a","message.output_text.logprobs"]}`,
		`{"contents":[],"generation_config":{"top_k":3,"max_output_tokens":5},"tools":[{"googleSearch":{}}]}`,
		`{"max_tokens":9000,"thinking":{"type":"adaptive"},"metadata":{"user_id":"u"},"output_config":null}`,
		` { "a" : [ 1 , { } ] , "temperature" : null } `, `{}`, `{"n":2,"":1,"":2}`,
	} {
		for i := range uint8(4) {
			f.Add([]byte(body), i)
		}
	}
	all := []canon.Dialect{canon.OpenAIChat, canon.Responses, canon.Anthropic, canon.Gemini}
	compiled := rules(f, between("temperature", 0, 1), between("max_tokens", 1, 100), set1("n", "1", force), set1("stop", `["z"]`, orElse),
		set1("reasoning", `"low"`, force), set1("user", `"u"`, force), set1("logprobs", "false", force), set1("response_format", `{"type":"json_object"}`, orElse), only("tools", forbid, "evil"))
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		c := Call{Key: compiled, Body: body, Dialect: all[n%4], Model: "m", Format: formats[all[n%4]]}
		out, bad := Apply(&c)
		if bad != nil || out.Body == nil {
			return
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(body, &before); err != nil {
			t.Fatalf("%q is edited, but: %v", body, err)
		}
		if err := json.Unmarshal(out.Body, &after); err != nil {
			t.Fatalf("%q became %q: %v", body, out.Body, err)
		}
		for k, v := range before {
			if !ruled(all[n%4], k) && string(after[k]) != string(v) {
				t.Fatalf("%q became %q: %q changed", body, out.Body, k)
			}
		}
		c.Body = out.Body
		again, bad := Apply(&c)
		if bad != nil {
			t.Fatalf("%q became %q, which is refused: %v", body, out.Body, bad)
		}
		if again.Body != nil && string(again.Body) != string(out.Body) {
			t.Fatalf("%q became %q and then %q", body, out.Body, again.Body)
		}
	})
}

// ruled says whether a field of the body is one that rules may touch.
func ruled(d canon.Dialect, field string) bool {
	t := tableOf(d)
	for _, name := range t.objects[1:] {
		if same, almost := t.match([]byte(field), name); same || almost {
			return true
		}
	}
	return slices.ContainsFunc(t.places, func(p place) bool { same, almost := t.match([]byte(field), p.name); return same || almost })
}
