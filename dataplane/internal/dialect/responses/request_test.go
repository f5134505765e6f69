package responses_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// written gives a request as it goes to a provider.
func written(t testing.TB, req *canon.Request) (map[string]any, canon.Losses) {
	t.Helper()
	var lost canon.Losses
	b, f := format.AppendRequest(nil, req, &canon.Target{Model: "m"}, &lost)
	if f != nil {
		t.Fatal(f)
	}
	return object(t, b), lost
}

func object(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

func sameJSON(t testing.TB, what string, want, got any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		t.Errorf("%s:\nwant %s\ngot  %s", what, a, b)
	}
}

// TestRecordedRequestsComeBack: a request that is read and written in the same
// dialect says what it said.
func TestRecordedRequestsComeBack(t *testing.T) {
	for _, path := range recordings.Glob(t, "agentgateway/requests/responses/*.json") {
		body := recordings.Read(t, path)
		var req canon.Request
		if f := format.ReadRequest(body, &req); f != nil {
			t.Errorf("%s: %v", short(path), f)
			continue
		}
		got, lost := written(t, &req)
		if len(lost) > 0 {
			t.Errorf("%s lost %v", short(path), lost)
		}
		want := object(t, body)
		want["model"] = "m"
		sameJSON(t, short(path), normal(want), normal(got))
	}
}

// normal gives a request one of the forms that mean the same.
func normal(req map[string]any) map[string]any {
	if text, ok := req["input"].(string); ok {
		req["input"] = []any{map[string]any{"role": "user", "content": text}}
	}
	items, _ := req["input"].([]any)
	for _, it := range items {
		m := it.(map[string]any)
		if m["role"] == nil {
			continue
		}
		m["type"] = "message"
		if text, ok := m["content"].(string); ok {
			m["content"] = []any{map[string]any{"type": "input_text", "text": text}}
		}
		for _, c := range m["content"].([]any) {
			p := c.(map[string]any)
			if l, ok := p["annotations"].([]any); ok && len(l) == 0 {
				delete(p, "annotations")
			}
			if p["type"] == "refusal" && p["text"] != nil {
				p["refusal"] = p["text"]
				delete(p, "text")
			}
			if u, ok := p["file_url"].(string); ok && strings.HasPrefix(u, "data:") {
				p["file_data"] = u
				delete(p, "file_url")
			}
			if p["type"] == "input_file" && p["filename"] == nil {
				p["filename"] = "document.txt"
			}
		}
	}
	return req
}

const rich = `{
 "model":"gpt-5","stream":true,"instructions":"Be brief.","max_output_tokens":500,"temperature":0.5,"top_p":0.9,"top_logprobs":2,
 "parallel_tool_calls":false,"user":"u1","service_tier":"flex","store":false,"truncation":"auto","safety_identifier":"s","prompt_cache_key":"k",
 "metadata":{"a":"b"},"include":["reasoning.encrypted_content","message.output_text.logprobs"],"max_tool_calls":3,
 "reasoning":{"effort":"high","summary":"detailed","generate_summary":"auto"},
 "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},
 "tools":[
  {"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true,"defer_loading":true},
  {"type":"custom","name":"c","description":"d","format":{"type":"grammar","syntax":"regex","definition":"a+"}},
  {"type":"web_search","search_context_size":"low"}],
 "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"}]},
 "input":[
  {"type":"message","role":"developer","content":[{"type":"input_text","text":"dev"}]},
  {"type":"message","role":"user","content":[{"type":"input_text","text":"hi \"you\""},{"type":"input_image","image_url":"https://x/y.png","detail":"low"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]},
  {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"one"}],"encrypted_content":"gAAAAx"},
  {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAAAy"},
  {"type":"message","id":"msg_1","phase":"commentary","role":"assistant","content":[{"type":"output_text","text":"I look","annotations":[{"type":"url_citation","url":"https://x","title":"X","start_index":0,"end_index":1}]}]},
  {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\": \"\\u00e9\"}","namespace":"ns"},
  {"type":"custom_tool_call","id":"ctc_1","call_id":"call_2","name":"c","input":"aaa\n"},
  {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
  {"type":"function_call_output","call_id":"call_1","output":[{"type":"input_text","text":"res"},{"type":"input_image","image_url":"data:image/png;base64,aGk=","detail":"auto"}]},
  {"type":"custom_tool_call_output","call_id":"call_2","output":"done"},
  {"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]},
  {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]}
 ]}`

func TestEveryFieldComesBack(t *testing.T) {
	var req canon.Request
	if f := format.ReadRequest([]byte(rich), &req); f != nil {
		t.Fatal(f)
	}
	got, lost := written(t, &req)
	if len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
	want := object(t, []byte(rich))
	want["model"] = "m"
	// Both roles are the system's.
	want["input"].([]any)[0].(map[string]any)["role"] = "system"
	sameJSON(t, "request", normal(want), normal(got))

	if r := req.Reasoning; r.Mode != canon.ReasoningOn || r.Effort != "high" || !r.Summary.Is("detailed") {
		t.Errorf("reasoning is %+v", r)
	}
	var kinds []canon.Role
	for _, m := range req.Messages {
		kinds = append(kinds, m.Role)
	}
	if want := []canon.Role{canon.System, canon.System, canon.User, canon.Assistant, canon.ToolRole, canon.Assistant, canon.Assistant}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("roles are %v", kinds)
	}
	turn := req.Messages[3].Parts
	if len(turn) != 6 || !turn[0].Signature.Is("gAAAAx") || !turn[1].Redacted.Is("gAAAAy") || string(turn[3].Args) != `{"a": "\u00e9"}` || !turn[4].Custom {
		t.Errorf("the assistant's turn is %+v", turn)
	}
}

func TestWhatIsStoredElsewhereCannotBeDropped(t *testing.T) {
	for _, body := range []string{
		`{"model":"m","previous_response_id":"resp_1","input":"go on"}`,
		`{"model":"m","conversation":{"id":"c"},"input":"go on"}`,
		`{"model":"m","prompt":{"id":"p"}}`,
		`{"model":"m","background":true,"input":"x"}`,
		`{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}`,
		`{"model":"m","input":[{"id":"msg_1"}]}`,
	} {
		var req canon.Request
		if f := format.ReadRequest([]byte(body), &req); f != nil {
			t.Errorf("%s: %v", body, f)
			continue
		}
		if f := req.Unsupported(canon.Anthropic); f == nil || f.Kind != fault.UnsupportedField || f.Param == "" {
			t.Errorf("%s: other dialects would take it: %v", body, f)
		}
		if f := req.Unsupported(canon.Responses); f != nil {
			t.Errorf("%s: %v", body, f)
		}
		got, lost := written(t, &req)
		want := object(t, []byte(body))
		sameJSON(t, body, normal(want)["input"] == nil, got["input"] == nil || len(got["input"].([]any)) == 0)
		if len(lost) > 0 {
			t.Errorf("%s lost %v", body, lost)
		}
	}
	var req canon.Request
	if f := format.ReadRequest([]byte(`{"model":"m","previous_response_id":null,"background":false,"input":"x"}`), &req); f != nil || req.Unsupported(canon.Gemini) != nil {
		t.Errorf("what is not asked for stands in the way: %v", f)
	}
}

func TestBadRequests(t *testing.T) {
	for _, c := range []struct {
		body  string
		kind  *fault.Kind
		param string
	}{
		{``, fault.MalformedJSON, ""},
		{`{"model":"m","input":"x"`, fault.MalformedJSON, ""},
		{`{"model":"m","input":"x"}x`, fault.MalformedJSON, ""},
		{`{"model":1,"input":[}`, fault.MalformedJSON, ""},
		{`[]`, fault.WrongType, ""},
		{`{"input":"x"}`, fault.MissingField, "model"},
		{`{"model":"m"}`, fault.MissingField, "input"},
		{`{"model":"m","input":[]}`, fault.MissingField, "input"},
		{`{"model":"m","input":null}`, fault.MissingField, "input"},
		{`{"model":1,"input":"x"}`, fault.WrongType, "model"},
		{`{"model":"m","input":1}`, fault.WrongType, "input"},
		{`{"model":"m","input":["x"]}`, fault.WrongType, "input[0]"},
		{`{"model":"m","input":[{"role":"user"}]}`, fault.WrongType, "input[0].content"},
		{`{"model":"m","input":[{"type":"message","content":"x"}]}`, fault.WrongType, "input[0].role"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]}`, fault.WrongType, "input[0].content[0].text"},
		{`{"model":"m","input":[{"role":"user","content":[{"text":"x"}]}]}`, fault.WrongType, "input[0].content[0].type"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`, fault.MissingField, "input[0].content[0]"},
		{`{"model":"m","input":[{"type":"function_call","name":"f"}]}`, fault.WrongType, "input[0].call_id"},
		{`{"model":"m","input":[{"type":"function_call","call_id":"f"}]}`, fault.WrongType, "input[0].name"},
		{`{"model":"m","input":[{"type":"function_call_output","call_id":"f"}]}`, fault.WrongType, "input[0].output"},
		{`{"model":"m","input":[{"role":"boss","content":"x"}]}`, fault.BadRequest, "input[0].role"},
		{`{"model":"m","input":[{"type":"function_call_output","call_id":"f","output":[{}]}]}`, fault.WrongType, "input[0].output[0].type"},
		{`{"model":"m","input":[{}]}`, fault.WrongType, "input[0].type"},
		{`{"model":"m","model":"n","input":"x"}`, fault.BadRequest, "model"},
		{`{"model":"m","Input":"x","input":"y"}`, fault.BadRequest, "input"},
		{`{"model":"m","input":"y","stream":false,"stream":true}`, fault.BadRequest, "stream"},
		{`{"model":"m","input":"y","stream":1}`, fault.WrongType, "stream"},
		{`{"model":"m","input":"y","temperature":"hot"}`, fault.WrongType, "temperature"},
		{`{"model":"m","input":"y","tools":[{"type":"function"}]}`, fault.WrongType, "tools[0].name"},
		{`{"model":"m","input":"y","tools":[{"name":"x"}]}`, fault.WrongType, "tools[0].type"},
		{`{"model":"m","input":"y","tools":[1]}`, fault.WrongType, "tools[0]"},
		{`{"model":"m","input":"y","tool_choice":"perhaps"}`, fault.BadRequest, "tool_choice"},
		{`{"model":"m","input":"y","text":{"format":{"type":"json_schema","name":"x"}}}`, fault.WrongType, "text.format.schema"},
		{`{"model":"m","input":"y","reasoning":{"effort":1}}`, fault.WrongType, "reasoning.effort"},
		{`{"model":"m","input":"y","a.b":1}`, fault.BadRequest, ""},
	} {
		var req canon.Request
		f := format.ReadRequest([]byte(c.body), &req)
		if f == nil || f.Kind != c.kind || f.Param != c.param {
			t.Errorf("%s: %v at %q", c.body, f, param(f))
		}
	}
}

func param(f *fault.Fault) string {
	if f == nil {
		return ""
	}
	return f.Param
}

// TestWhatOthersAsk holds requests of other dialects to the expected
// translations, with the differences that are better and why.
func TestWhatOthersAsk(t *testing.T) {
	user := func(parts ...canon.Part) canon.Message { return canon.Message{Role: canon.User, Parts: parts} }
	text := func(s string) canon.Part { return canon.Part{Text: canon.Quote(s)} }
	agent := canon.Request{
		From: canon.Anthropic, MaxTokens: canon.Raw("256"), Parallel: canon.No,
		Messages: []canon.Message{
			{Role: canon.System, Parts: []canon.Part{text("You are a reliable tool-using assistant."), text("Return compact JSON when asked.")}},
			user(text("What is in these images, then check the weather?"),
				canon.Part{Kind: canon.ImagePart, Media: canon.Media{Type: canon.Quote("image/png"), Data: canon.Quote("aGVsbG8=")}},
				canon.Part{Kind: canon.ImagePart, Media: canon.Media{URL: canon.Quote("https://example.com/image.png")}},
				canon.Part{Kind: canon.ImagePart, Media: canon.Media{FileID: canon.Quote("file_abc123")}}),
			{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.ToolCallPart, ID: canon.Quote("call_weather"), Name: canon.Quote("get_weather"), Args: canon.Raw(`{"location":"San Francisco"}`)}}},
			{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResultPart, ID: canon.Quote("call_weather"), Content: []canon.Part{text("Sunny and 65F.")}}}},
		},
		Tools: []canon.Tool{{
			Name: canon.Quote("get_weather"), Description: canon.Quote("Get the current weather in a given location"),
			Schema: canon.Raw(`{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}`),
		}},
		Choice:    canon.ToolChoice{Mode: canon.ChoiceOne, Name: canon.Quote("get_weather")},
		Reasoning: canon.Reasoning{Mode: canon.ReasoningAdaptive, Effort: "medium"},
		Format: canon.Format{Kind: canon.FormatSchema, Schema: canon.Raw(
			`{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}`)},
		Extra: []canon.Field{{Name: "metadata", Value: canon.Raw(`{"user_id":"user-123","trace_id":"trace-abc"}`)}},
	}
	basic := canon.Request{From: canon.Anthropic, MaxTokens: canon.Raw("1024"), Messages: []canon.Message{user(text("Hello, world"))}}
	tools := canon.Request{
		From: canon.Anthropic, MaxTokens: canon.Raw("1024"), Messages: []canon.Message{user(text("What is the weather like in San Francisco?"))},
		Tools: []canon.Tool{{
			Name: canon.Quote("get_weather"), Description: canon.Quote("Get the current weather in a given location"),
			Schema: canon.Raw(`{"type":"object","properties":{"location":{"type":"string","description":"The city and state, e.g. San Francisco, CA"}},"required":["location"]}`),
		}},
	}
	requests := map[string]*canon.Request{
		"basic.responses.snap": &basic, "responses_agent_subset.responses.snap": &agent, "tools.responses.snap": &tools,
	}
	for _, path := range recordings.Glob(t, "agentgateway/requests/messages/*.responses.snap") {
		name := path[strings.LastIndexByte(path, '/')+1:]
		req := requests[name]
		if req == nil {
			t.Errorf("%s: no request for it", name)
			continue
		}
		pieces := bytes.Split(recordings.Read(t, path), []byte("\n---\n"))
		want := object(t, pieces[1])["request"].(map[string]any)
		got, lost := written(t, req)
		if len(lost) > 0 {
			t.Errorf("%s lost %v", name, lost)
		}
		want["model"] = "m"
		better(want)
		sameJSON(t, name, want, got)
	}
}

// better changes what is expected to what we send, each with its reason.
func better(want map[string]any) {
	// false is the default of stream.
	delete(want, "stream")
	// Answers are stored by default; callers of other dialects did not ask.
	want["store"] = false
	// What was thought can only go back with its encrypted form.
	if want["reasoning"] != nil {
		want["include"] = []any{"reasoning.encrypted_content"}
	}
	// Functions are strict by default here, and were not where they came from.
	tools, _ := want["tools"].([]any)
	for _, t := range tools {
		t.(map[string]any)["strict"] = false
	}
	for _, it := range want["input"].([]any) {
		// Ids of calls are no ids of items, and completed is the default.
		delete(it.(map[string]any), "id")
		delete(it.(map[string]any), "status")
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	req := canon.Request{
		From: canon.Anthropic, TopK: canon.Raw("4"), Seed: canon.Raw("1"), Stop: []canon.Text{canon.Quote("x")}, N: canon.Raw("2"),
		Cache: canon.CacheMark{Set: true}, Reasoning: canon.Reasoning{Mode: canon.ReasoningOff},
		Extra: []canon.Field{{Name: "container", Value: canon.Raw("1")}},
		Tools: []canon.Tool{{Raw: canon.Raw("{}"), Name: canon.Quote("bash_20250124"), From: canon.Anthropic}},
		Messages: []canon.Message{
			{Role: canon.User, Name: canon.Quote("bob"), Parts: []canon.Part{{Kind: canon.VideoPart}}},
			{Role: canon.Assistant, Parts: []canon.Part{
				{Kind: canon.ReasoningPart, Text: canon.Quote("hm")},
				{Kind: canon.ReasoningPart, Text: canon.Quote("hm"), Signature: canon.Quote("EqoB"), From: canon.Anthropic},
				{Kind: canon.OpaquePart, From: canon.Anthropic, Raw: canon.Raw(`{"type":"server_tool_use"}`)},
				{Kind: canon.ImagePart},
			}},
			{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResultPart, IsError: canon.Yes}}},
		},
	}
	_, lost := written(t, &req)
	want := canon.Losses{
		"messages[].name", "messages[].content[].video", "messages[].content[].reasoning", "messages[].content[].server_tool_use",
		"messages[].content[].image", "messages[].content[].is_error", "tools[].bash_20250124", "top_k", "seed", "stop", "n", "cache_control", "reasoning", "container",
	}
	sameJSON(t, "losses", want, lost)
}

// TestSecretsOfOthersComeBack: what another dialect signed goes through a
// caller of this one and comes back as it was.
func TestSecretsOfOthersComeBack(t *testing.T) {
	a := canon.Answer{From: canon.Anthropic, ID: canon.Quote("msg_1"), Choices: []canon.Choice{{Stop: canon.StopTools, Parts: []canon.Part{
		{Kind: canon.ReasoningPart, Text: canon.Quote("hm"), Signature: canon.Quote("EqoB/")},
		{Kind: canon.ReasoningPart, Redacted: canon.Quote("blob")},
		{Kind: canon.OpaquePart, From: canon.Anthropic, Raw: canon.Raw(`{"type":"x","y":"\n\""}`)},
		{Kind: canon.ToolCallPart, ID: canon.Quote("c"), Name: canon.Quote("f"), Args: canon.Raw("{}"), Signature: canon.Quote("sig"), From: canon.Gemini},
	}}}}
	body := format.AppendAnswer(nil, &a)
	input, _ := json.Marshal(object(t, body)["output"])
	var req canon.Request
	if f := format.ReadRequest([]byte(`{"model":"m","input":`+string(input)+`}`), &req); f != nil {
		t.Fatal(f)
	}
	p := req.Messages[0].Parts
	if len(req.Messages) != 1 || len(p) != 4 {
		t.Fatalf("came back as %+v", req.Messages)
	}
	if !p[0].Text.Is("hm") || !p[0].Signature.Is("EqoB/") || p[0].From != canon.Anthropic {
		t.Errorf("thoughts came back as %+v", p[0])
	}
	if !p[1].Redacted.Is("blob") || p[1].From != canon.Anthropic || p[1].Signature != nil {
		t.Errorf("redacted thoughts came back as %+v", p[1])
	}
	if p[2].Kind != canon.OpaquePart || p[2].From != canon.Anthropic || string(p[2].Raw) != `{"type":"x","y":"\n\""}` {
		t.Errorf("a part came back as %+v", p[2])
	}
	if !p[3].Signature.Is("sig") || p[3].From != canon.Gemini {
		t.Errorf("a call came back as %+v", p[3])
	}
	// The provider of this dialect gets none of it.
	var lost canon.Losses
	b, _ := format.AppendRequest(nil, &req, &canon.Target{Model: "m"}, &lost)
	if bytes.Contains(b, []byte("tollgate")) || bytes.Contains(b, []byte("EqoB")) || len(lost) == 0 {
		t.Errorf("sent %s, lost %v", b, lost)
	}
}

// TestUsage compares with what others make of recorded reports.
func TestUsage(t *testing.T) {
	var list []struct {
		Body      struct{ Usage json.RawMessage }
		Extracted []struct {
			Extractors []struct {
				Flavor   string `json:"api_flavor"`
				Provider string `json:"provider_id"`
			}
			Usage map[string]int64
		}
	}
	b, err := os.ReadFile(recordings.Glob(t, "genai-prices-usage/usages.json")[0])
	if err != nil || json.Unmarshal(b, &list) != nil {
		t.Fatal(err)
	}
	n := 0
	for _, u := range list {
		if !bytes.Contains(u.Body.Usage, []byte("input_tokens_details")) {
			continue
		}
		for _, x := range u.Extracted {
			for _, e := range x.Extractors {
				if e.Flavor != "responses" || e.Provider != "openai" {
					continue
				}
				n++
				var a canon.Answer
				if f := format.ReadAnswer([]byte(`{"output":[],"usage":`+string(u.Body.Usage)+`}`), &a); f != nil {
					t.Fatal(f)
				}
				got := [4]int64{a.Usage.Prompt(), a.Usage.CacheRead, a.Usage.Completion(), a.Usage.Reasoning}
				want := [4]int64{x.Usage["input_tokens"], x.Usage["cache_read_tokens"], x.Usage["output_tokens"], x.Usage["output_reasoning_tokens"]}
				if got != want {
					t.Errorf("%s: %v, others say %v", u.Body.Usage, got, want)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("%d reports were compared", n)
	}
	t.Logf("%d reports", n)
}

func TestUsageIsNeverNegative(t *testing.T) {
	for _, c := range []struct {
		usage string
		want  canon.Usage
	}{
		{`{"input_tokens":30,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":6},"output_tokens":5,"total_tokens":35}`, canon.Usage{Input: 20, CacheRead: 4, CacheWrite: 6, Output: 5}},
		{`{"input_tokens":5,"input_tokens_details":{"cached_tokens":9},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":8}}`, canon.Usage{CacheRead: 5, Output: 5, Reasoning: 5}},
		{`{"input_tokens":16,"input_tokens_details":{"cache_write_tokens":100},"output_tokens":9,"total_tokens":125}`, canon.Usage{Input: 16, CacheWrite: 100, Output: 9}},
		{`{"input_tokens":10,"output_tokens":5,"output_tokens_details":{"reasoning_tokens":7},"total_tokens":22}`, canon.Usage{Input: 10, Output: 12, Reasoning: 7}},
	} {
		var a canon.Answer
		if f := format.ReadAnswer([]byte(`{"output":[],"usage":`+c.usage+`}`), &a); f != nil {
			t.Fatal(f)
		}
		u := a.Usage
		u.Reported, u.Raw, u.From = false, nil, ""
		if !reflect.DeepEqual(u, c.want) {
			t.Errorf("%s: %+v", c.usage, u)
		}
	}
	for _, bad := range []string{`{"input_tokens":-1,"output_tokens":5}`, `{"input_tokens":"x"}`, `{}`, `null`, `[]`} {
		var a canon.Answer
		if f := format.ReadAnswer([]byte(`{"output":[],"usage":`+bad+`}`), &a); f != nil || a.Usage.Reported {
			t.Errorf("%s is a report: %+v %v", bad, a.Usage, f)
		}
	}
}
