package anthropic

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// expected is the request of an expected translation, as a value. Content that
// is one plain text means the same as a string.
func expected(t *testing.T, path string) any {
	t.Helper()
	_, body, ok := strings.Cut(strings.TrimPrefix(string(recordings.Read(t, path)), "---"), "\n---")
	var snap struct{ Request any }
	if err := json.Unmarshal([]byte(body), &snap); err != nil || !ok {
		t.Fatalf("%s: %v", path, err)
	}
	return normal(snap.Request)
}

func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = normal(v[k])
			if s, ok := v[k].(string); ok && (k == "content" || k == "system") {
				v[k] = []any{map[string]any{"type": "text", "text": s}}
			}
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	}
	return v
}

func asText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	e.Encode(v)
	return b.String()
}

func parsed(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return normal(v)
}

// Requests of this dialect, read and written again, are the expected ones.
func TestExpectedOwn(t *testing.T) {
	n := 0
	for _, snap := range recordings.Glob(t, "agentgateway/requests/messages/*.anthropic.snap") {
		n++
		name := strings.TrimSuffix(snap, ".anthropic.snap") + ".json"
		got, lost := rewritten(t, recordings.Read(t, name), canon.Anthropic)
		if len(lost) > 0 {
			t.Errorf("%s: lost %v", filepath.Base(name), lost)
		}
		if x, y := asText(expected(t, snap)), asText(parsed(t, got)); x != y {
			t.Errorf("%s: want %s\ngot %s", filepath.Base(name), x, y)
		}
	}
	for _, snap := range recordings.Glob(t, "agentgateway/requests/count-tokens/*.anthropic.snap") {
		n++
		body := recordings.Read(t, strings.TrimSuffix(snap, ".anthropic.snap")+".json")
		var req canon.Request
		if f := ReadCountTokens(body, &req); f != nil {
			t.Fatal(f)
		}
		var lost canon.Losses
		got, f := AppendCountTokens(nil, &req, &canon.Target{}, &lost)
		if x, y := asText(expected(t, snap)), asText(parsed(t, got)); x != y || f != nil {
			t.Errorf("%s: want %s\ngot %s", filepath.Base(snap), x, y)
		}
	}
	t.Logf("%d expected translations", n)
}

func rewritten(t *testing.T, body []byte, from canon.Dialect) ([]byte, canon.Losses) {
	t.Helper()
	var req canon.Request
	if f := (Format{}).ReadRequest(body, &req); f != nil {
		t.Fatal(f)
	}
	req.From = from
	var lost canon.Losses
	out, f := Format{}.AppendRequest(nil, &req, &canon.Target{}, &lost)
	if f != nil {
		t.Fatal(f)
	}
	return out, lost
}

// Every request of this dialect reads back as itself.
func TestRequestsAgain(t *testing.T) {
	all := recordings.Glob(t, "agentgateway/requests/messages/*.json")
	for _, p := range all {
		body := recordings.Read(t, p)
		got, lost := rewritten(t, body, canon.Anthropic)
		if x, y := asText(parsed(t, body)), asText(parsed(t, got)); x != y || len(lost) > 0 {
			t.Errorf("%s: lost %v\nwas %s\nis %s", filepath.Base(p), lost, x, y)
		}
	}
	t.Logf("%d requests", len(all))
}

func text(s string) canon.Part { return canon.Part{Kind: canon.TextPart, Text: canon.Quote(s)} }

func says1(role canon.Role, parts ...canon.Part) canon.Message {
	return canon.Message{Role: role, Parts: parts}
}

const weatherSchema = `{"type":"object","properties":{"location":{"type":"string","description":"The city and state, e.g. San Francisco, CA"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["location"]}`

// chats are the recorded chat completions as canon has them, each with why what
// is sent differs from what is expected.
var chats = []struct {
	name string
	req  canon.Request
	lost string
	// differs tells, where the expected translation is not ours, why ours is
	// better; edit makes the expected one ours.
	differs string
	edit    func(map[string]any)
}{
	{name: "basic", req: canon.Request{Model: canon.Quote("replaceme"), Messages: []canon.Message{
		says1(canon.System, text("You are a helpful assistant.")), says1(canon.User, text("What is the name of the LLM provider?")),
	}}},
	{name: "image-url", req: canon.Request{Model: canon.Quote("claude-sonnet-4-20250514"), Messages: []canon.Message{
		says1(canon.User, text("What's in this image?"), canon.Part{Kind: canon.ImagePart, Media: canon.Media{URL: canon.Quote("https://example.com/image.png")}}),
	}}},
	{name: "reasoning", req: canon.Request{
		Model:    canon.Quote("gpt-3.5-turbo"),
		Messages: []canon.Message{says1(canon.User, text("How is the current weather in Columbus?"))}, Reasoning: canon.Reasoning{Effort: "medium"},
	}},
	{
		name: "reasoning_max", req: canon.Request{
			Model:    canon.Quote("claude-opus-4-6"),
			Messages: []canon.Message{says1(canon.User, text("Deeply analyze quantum gravity"))}, Reasoning: canon.Reasoning{Effort: "xhigh"},
		},
		differs: "with 4,095 of 4,096 tokens for thoughts there is no room for an answer; the caller set no bound, so it grows by the budget",
		edit: func(m map[string]any) {
			m["max_tokens"] = 8192.0 + 4096
			m["thinking"].(map[string]any)["budget_tokens"] = 8192.0
		},
	},
	{
		name: "tool-call", req: canon.Request{Model: canon.Quote("gpt-3.5-turbo"), Messages: []canon.Message{
			says1(canon.User, text("How is the current weather in Columbus?")),
			says1(canon.Assistant,
				canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("call_iMGPsr4Xx1u0G5sOzFsTCbQU"), Name: canon.Quote("get_weather"), Args: canon.Raw(`{"format":"celsius","location":"Columbus, OH"}`)},
				canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("call_5rQmXtLpZ9wKvNbJhGyDsFcE"), Name: canon.Quote("get_time")}),
			says1(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, ID: canon.Quote("call_iMGPsr4Xx1u0G5sOzFsTCbQU"), Content: []canon.Part{text(`{ "temperature": 15, "condition": "Cloudy" }`)}}),
			says1(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, ID: canon.Quote("call_5rQmXtLpZ9wKvNbJhGyDsFcE"), Content: []canon.Part{text(`{ "time": "2026-08-12T12:00:00Z" }`)}}),
		}},
		differs: "the results of parallel calls must stand in one message, or the model learns not to call in parallel",
		edit: func(m map[string]any) {
			ms := m["messages"].([]any)
			two, three := ms[2].(map[string]any), ms[3].(map[string]any)
			two["content"] = append(two["content"].([]any), three["content"].([]any)...)
			m["messages"] = ms[:3]
		},
	},
	{
		name: "full", req: canon.Request{
			Model: canon.Quote("gpt-4-turbo-preview"), MaxTokens: canon.Raw("1000"), Temperature: canon.Raw("0.7"), TopP: canon.Raw("0.9"),
			Messages: []canon.Message{
				{Role: canon.System, Name: canon.Quote("system_assistant"), Parts: []canon.Part{text("You are a helpful assistant that specializes in technical documentation and code analysis.")}},
				says1(canon.User, text("Please analyze this code snippet and explain what it does: function fibonacci(n) { return n <= 1 ? n : fibonacci(n-1) + fibonacci(n-2); }")),
				says1(canon.Assistant, text("This is a recursive implementation of the Fibonacci sequence. It calculates the nth Fibonacci number by adding the previous two numbers.")),
				says1(canon.User, text("What's in this image?"), canon.Part{Kind: canon.ImagePart, Media: canon.Media{Type: canon.Quote("image/png"), Data: canon.Quote("iVBORw0KGgo=")}}),
			},
			N: canon.Raw("3"), Stop: []canon.Text{canon.Quote("\n\n"), canon.Quote("END")}, Seed: canon.Raw("42"),
			PresencePenalty: canon.Raw("0.1"), FrequencyPenalty: canon.Raw("0.2"), User: canon.Quote("user_12345"),
			Extra:  []canon.Field{{Name: "logit_bias", Value: canon.Raw(`{"50256":-100}`)}},
			Format: canon.Format{Kind: canon.FormatJSON},
			Tools:  []canon.Tool{{Name: canon.Quote("get_weather"), Description: canon.Quote("Get the current weather in a given location"), Schema: canon.Raw(weatherSchema)}},
			Choice: canon.ToolChoice{Mode: canon.ChoiceOne, Name: canon.Quote("my_function")},
		},
		lost:    "messages[0].name frequency_penalty presence_penalty seed n logit_bias",
		differs: "the API takes no schema of an open object: JSON of any shape is asked for in words",
		edit: func(want map[string]any) {
			delete(want, "output_config")
			want["system"] = append(want["system"].([]any), map[string]any{"type": "text", "text": jsonInstruction})
		},
	},
}

func TestExpectedFromChat(t *testing.T) {
	for _, c := range chats {
		t.Run(c.name, func(t *testing.T) {
			want := expected(t, filepath.Join(recordings.Dir(t), "agentgateway/requests/completions", c.name+".anthropic.snap"))
			if c.edit != nil {
				t.Log(c.differs)
				c.edit(want.(map[string]any))
			}
			c.req.From = canon.OpenAIChat
			var lost canon.Losses
			got, f := Format{}.AppendRequest(nil, &c.req, &canon.Target{}, &lost)
			if f != nil {
				t.Fatal(f)
			}
			if x, y := asText(want), asText(parsed(t, got)); x != y {
				t.Errorf("want %s\ngot %s", x, y)
			}
			if strings.Join(lost, " ") != c.lost {
				t.Errorf("lost %v, want %s", lost, c.lost)
			}
		})
	}
}

// sent is what a request with the given change becomes for the API.
func sent(t *testing.T, model string, change func(*canon.Request)) (map[string]any, canon.Losses) {
	t.Helper()
	req := canon.Request{From: canon.OpenAIChat, Model: canon.Quote("m"), Messages: []canon.Message{says1(canon.User, text("hi"))}}
	change(&req)
	var lost canon.Losses
	out, f := Format{}.AppendRequest(nil, &req, &canon.Target{Model: model}, &lost)
	if f != nil {
		t.Fatal(f)
	}
	var m map[string]any
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return m, lost
}

// What the API demands of those who come from other dialects.
func TestDemands(t *testing.T) {
	call := canon.Part{Kind: canon.ToolCallPart, Name: canon.Quote("f"), Args: canon.Raw(`{}`)}
	signed := canon.Part{Kind: canon.ReasoningPart, Text: canon.Quote("hm"), Signature: canon.Quote("s"), From: canon.Anthropic}
	for _, c := range []struct {
		name   string
		model  string
		change func(*canon.Request)
		want   string
		lost   string
	}{
		{"temperature", "", func(r *canon.Request) { r.Temperature = canon.Raw("1.7") }, `"temperature":1`, "temperature"},
		{"budget below the bound", "", func(r *canon.Request) {
			r.MaxTokens, r.Reasoning = canon.Raw("3000"), canon.Reasoning{Effort: "high"}
		}, `"budget_tokens":2999`, ""},
		{"bound too low for thoughts", "", func(r *canon.Request) {
			r.MaxTokens, r.Reasoning = canon.Raw("500"), canon.Reasoning{Effort: "high"}
		}, `"max_tokens":500,"messages"`, "reasoning"},
		{"adaptive only", "claude-opus-5-20261101", func(r *canon.Request) { r.Reasoning = canon.Reasoning{Effort: "minimal"} }, `"output_config":{"effort":"low"},"thinking":{"type":"adaptive"}`, ""},
		{"no thoughts", "", func(r *canon.Request) { r.Reasoning = canon.Reasoning{Mode: canon.ReasoningOff} }, `"thinking":{"type":"disabled"}`, ""},
		{"thoughts and a forced tool", "", func(r *canon.Request) {
			r.Reasoning, r.Tools = canon.Reasoning{Effort: "low"}, []canon.Tool{{Name: canon.Quote("f")}}
			r.Choice.Mode = canon.ChoiceAny
		}, `"tool_choice":{"type":"any"}`, "reasoning"},
		{"thoughts after a call without", "", func(r *canon.Request) {
			r.Reasoning = canon.Reasoning{Effort: "low"}
			r.Messages = append(r.Messages, says1(canon.Assistant, call), says1(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, Name: canon.Quote("f"), Content: []canon.Part{text("x")}}))
		}, `{"id":"call_1_0","input":{},"name":"f","type":"tool_use"}`, "reasoning"},
		{"thoughts after a call with", "", func(r *canon.Request) {
			r.Reasoning = canon.Reasoning{Effort: "low"}
			r.Messages = append(r.Messages, says1(canon.Assistant, signed, call), says1(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, IsError: canon.Yes}))
		}, `{"is_error":true,"tool_use_id":"call_1_1","type":"tool_result"}`, ""},
		{"another's thoughts", "", func(r *canon.Request) {
			r.Messages = append(r.Messages, says1(canon.Assistant, canon.Part{Kind: canon.ReasoningPart, Text: canon.Quote("hm"), Signature: canon.Quote("s"), From: canon.Gemini}, text("yes")), says1(canon.User, text("so?")))
		}, `{"content":[{"text":"yes","type":"text"}],"role":"assistant"}`, "messages[1].content[0]"},
		{"results before texts", "", func(r *canon.Request) {
			r.Messages = append(r.Messages, says1(canon.Assistant, call), says1(canon.User, text("here")), says1(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, Content: []canon.Part{text("x")}}))
		}, `[{"content":"x","tool_use_id":"call_1_0","type":"tool_result"},{"text":"here","type":"text"}]`, ""},
		{"a system in the middle", "claude-sonnet-4-5", func(r *canon.Request) { r.Messages = append(r.Messages, says1(canon.System, text("be kind"))) }, `{"content":[{"text":"hi","type":"text"},{"text":"be kind","type":"text"}],"role":"user"}`, "messages[1].role"},
		{"a system in the middle, new model", "claude-opus-4-8", func(r *canon.Request) { r.Messages = append(r.Messages, says1(canon.System, text("be kind"))) }, `{"content":"be kind","role":"system"}`, ""},
		{"nobody but the system", "", func(r *canon.Request) { r.Messages = []canon.Message{says1(canon.System, text("a"))} }, `"messages":[{"content":"a","role":"user"}]`, "messages[0].role"},
		{"ids", "", func(r *canon.Request) {
			c := call
			c.ID = canon.Quote(`functions.f:0"é`)
			r.Messages = append(r.Messages, says1(canon.Assistant, c))
		}, `"id":"functions_f_0_`, ""},
		{"arguments that break off", "", func(r *canon.Request) {
			c := call
			c.Args = canon.Raw(`{"a": "b`)
			r.Messages = append(r.Messages, says1(canon.Assistant, c))
		}, `"input":{"input":"{\"a\": \"b"}`, ""},
		{"free text", "", func(r *canon.Request) {
			r.Tools = []canon.Tool{{Name: canon.Quote("p"), Custom: true, Grammar: canon.Raw(`{}`)}}
			r.Messages = append(r.Messages, says1(canon.Assistant, canon.Part{Kind: canon.ToolCallPart, Name: canon.Quote("p"), Custom: true, Args: canon.Raw(`"x\ny"`)}))
		}, `"input":{"input":"x\ny"}`, "tools[0].format"},
		{"no parallel calls", "", func(r *canon.Request) { r.Parallel, r.Tools = canon.No, []canon.Tool{{Name: canon.Quote("f")}} }, `"tool_choice":{"disable_parallel_tool_use":true,"type":"auto"}`, ""},
		{"allowed tools", "", func(r *canon.Request) {
			r.Tools = []canon.Tool{{Name: canon.Quote("f")}, {Name: canon.Quote("g")}}
			r.Choice.Allowed = []canon.Text{canon.Quote("g")}
		}, `"tools":[{"input_schema":{"properties":{},"type":"object"},"name":"g"}]`, ""},
		{"audio", "", func(r *canon.Request) {
			r.Messages[0].Parts = append(r.Messages[0].Parts, canon.Part{Kind: canon.AudioPart})
		}, `"content":[{"text":"hi","type":"text"}]`, "messages[0].content[1]"},
		{"text in base64", "", func(r *canon.Request) {
			r.Messages[0].Parts = append(r.Messages[0].Parts, canon.Part{Kind: canon.DocumentPart, Media: canon.Media{Type: canon.Quote("text/csv"), Data: canon.Quote("YSxi"), Name: canon.Quote("t.csv")}})
		}, `{"source":{"data":"a,b","media_type":"text/plain","type":"text"},"title":"t.csv","type":"document"}`, ""},
		{"another's tool", "", func(r *canon.Request) {
			r.Tools = []canon.Tool{{Raw: canon.Raw(`{}`), From: canon.Gemini}}
			r.Choice.Mode = canon.ChoiceAny
		}, `"model":"m"`, "tools[0] tool_choice"},
		{"tier", "", func(r *canon.Request) { r.ServiceTier = canon.Quote("default") }, `"service_tier":"standard_only"`, ""},
		{"unknown tier", "", func(r *canon.Request) { r.ServiceTier = canon.Quote("flex") }, `"model":"m"`, "service_tier"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, lost := sent(t, c.model, c.change)
			got, _ := json.Marshal(m)
			if !bytes.Contains(got, []byte(c.want)) || strings.Join(lost, " ") != c.lost {
				t.Errorf("lost %v, sent %s", lost, got)
			}
		})
	}
}

// Requests that are wrong name the field.
func TestWrongRequests(t *testing.T) {
	for _, c := range []struct {
		body, param string
		kind        *fault.Kind
	}{
		{`{"model":"m","messages":[`, "", fault.MalformedJSON},
		{`{"model":1,"messages":[}`, "", fault.MalformedJSON},
		{`[]`, "", fault.WrongType},
		{`{"messages":[]}`, "model", fault.MissingField},
		{`{"model":"m"}`, "messages", fault.MissingField},
		{`{"model":"m","model":"n","messages":[]}`, "model", fault.BadRequest},
		{`{"model":"m","Messages":[],"messages":[]}`, "messages", fault.BadRequest},
		{`{"model":"m","messages":{}}`, "messages", fault.WrongType},
		{`{"model":"m","messages":[{"role":"user"}]}`, "messages[0].content", fault.MissingField},
		{`{"model":"m","messages":[{"role":"x","content":""}]}`, "messages[0].role", fault.BadRequest},
		{`{"model":"m","messages":[{"role":"user","content":[{"text":"a"}]}]}`, "messages[0].content[0].type", fault.MissingField},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":1}]}]}`, "messages[0].content[1].text", fault.WrongType},
		{`{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text"}]}]}]}`, "messages[0].content[0].content[0].text", fault.MissingField},
		{`{"model":"m","messages":[{"role":"user","content":[{"content":7,"type":"tool_result","tool_use_id":"a"}]}]}`, "messages[0].content[0].content", fault.WrongType},
		{`{"model":"m","messages":[],"system":[{"type":"text"}]}`, "system[0].text", fault.MissingField},
		{`{"model":"m","messages":[],"tools":[{"input_schema":{}}]}`, "tools[0].name", fault.MissingField},
		{`{"model":"m","messages":[],"tool_choice":{"type":"x"}}`, "tool_choice.type", fault.WrongType},
		{`{"model":"m","messages":[],"thinking":{"type":"enabled","budget_tokens":"x"}}`, "thinking.budget_tokens", fault.WrongType},
		{`{"model":"m","messages":[],"max_tokens":1.5}`, "max_tokens", fault.WrongType},
		{`{"model":"m","messages":[],"stream":1}`, "stream", fault.WrongType},
	} {
		var req canon.Request
		f := Format{}.ReadRequest([]byte(c.body), &req)
		if f == nil || f.Kind != c.kind || f.Param != c.param {
			t.Errorf("%s: %v %+v", c.body, f, f)
		}
	}
}

// What models take of how to choose tokens differs by their age.
func TestSampling(t *testing.T) {
	raw := func(s string) canon.Raw {
		if s == "" {
			return nil
		}
		return canon.Raw(s)
	}
	for _, c := range []struct {
		model                string
		thinks               bool
		temperature, p, k    string
		temperature2, p2, k2 string
		lost                 string
	}{
		{"claude-sonnet-4-20250514", false, "0.5", "0.9", "5", "0.5", "0.9", "5", ""},
		{"claude-3-5-haiku-latest", false, "1.7", "0.9", "", "1", "0.9", "", "temperature"},
		{"claude-sonnet-4-5", false, "0.5", "0.9", "5", "0.5", "", "5", "top_p"},
		{"claude-sonnet-4-5", false, "0.5", "1", "", "0.5", "", "", ""},
		{"claude-opus-4-1", false, "1", "0.9", "", "", "0.9", "", ""},
		{"anthropic.claude-haiku-4-5-20251001-v1:0", false, "", "0.9", "", "", "0.9", "", ""},
		{"claude-opus-4-6", true, "0.5", "0.9", "5", "", "", "", "temperature top_p top_k"},
		{"claude-opus-4-6", true, "1", "0.97", "", "", "0.97", "", ""},
		{"claude-opus-4-7", false, "0.5", "0.9", "5", "", "", "", "temperature top_p top_k"},
		{"claude-sonnet-5", false, "1", "1", "", "", "", "", ""},
		{"my-deployment", false, "0.5", "0.9", "5", "0.5", "0.9", "5", ""},
	} {
		var lost canon.Losses
		req := &canon.Request{Temperature: raw(c.temperature), TopP: raw(c.p), TopK: raw(c.k)}
		s := SamplingOf(req, c.model, c.thinks, lost.Add)
		if string(s.Temperature) != c.temperature2 || string(s.TopP) != c.p2 || string(s.TopK) != c.k2 || strings.Join(lost, " ") != c.lost {
			t.Errorf("%s of %s, %s, %s: %s, lost %v", c.model, c.temperature, c.p, c.k, s, lost)
		}
	}
}
