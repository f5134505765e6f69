package gemini

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// differs are the requests of this dialect that are written otherwise than
// they were read, each with the reason. Where caller and provider both speak
// it, the bytes pass and nothing of this happens.
var differs = map[string]struct{ reason, from, to string }{
	"tools.json": {
		"schemas are written as JSON Schema, which they are here",
		`"parameters":`, `"parametersJsonSchema":`,
	},
	"structured-output.json": {
		"schemas are written as JSON Schema, whose names of types are small",
		`"responseSchema":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"name":{"type":"STRING"},"moons":{"type":"INTEGER"},"habitable":{"type":"BOOLEAN"}}`,
		`"responseJsonSchema":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"moons":{"type":"integer"},"habitable":{"type":"boolean"}}`,
	},
	"passthrough-fields.json": {
		"a tool that is not a function is a tool of its own",
		`"someNewDeclField":1}],"someNewToolField":"y"}`, `"someNewDeclField":1}]},{"someNewToolField":"y"}`,
	},
}

func TestRecordedRequests(t *testing.T) {
	files := recordings.Glob(t, "agentgateway/requests/gemini/*.json", "agentgateway/requests/policies/gemini*.json")
	for _, file := range files {
		body := recordings.Read(t, file)
		var req, again canon.Request
		if f := (Format{}).ReadRequest(body, &req); f != nil {
			t.Errorf("%s: %v", file, f)
			continue
		}
		var lost canon.Losses
		out, f := Format{}.AppendRequest(nil, &req, &canon.Target{Model: "gemini-2.5-pro"}, &lost)
		if f != nil || len(lost) > 0 {
			t.Errorf("%s: %v, lost %v", file, f, lost)
			continue
		}
		want := decode(t, body)
		if d, ok := differs[filepath.Base(file)]; ok {
			raw, _ := json.Marshal(want)
			ordered := compact(t, body)
			if !strings.Contains(ordered, d.from) {
				t.Fatalf("%s: %s stands nowhere in %s", file, d.from, raw)
			}
			want = decode(t, []byte(strings.Replace(ordered, d.from, d.to, 1)))
		}
		if got := decode(t, out); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%s\nwant\n%v", file, out, want)
		}
		if f := (Format{}).ReadRequest(out, &again); f != nil {
			t.Fatalf("%s: %v", file, f)
		}
		for i := range req.Messages {
			if !reflect.DeepEqual(essenceOf(req.Messages[i].Parts), essenceOf(again.Messages[i].Parts)) {
				t.Errorf("%s: message %d: %+v", file, i, again.Messages[i])
			}
		}
	}
	t.Logf("%d requests", len(files))
}

func compact(t *testing.T, body []byte) string {
	t.Helper()
	var b strings.Builder
	in := false
	for i, c := range body {
		if c == '"' && (i == 0 || body[i-1] != '\\') {
			in = !in
		}
		if in || c != ' ' && c != '\n' {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func TestCallersSpellNamesBothWays(t *testing.T) {
	body := `{"system_instruction":{"parts":{"text":"s"}},"contents":{"role":"user","parts":{"inline_data":{"mime_type":"image/png","data":"AAAA"}}},
	"generation_config":{"max_output_tokens":5,"top_p":"0.5","thinking_config":{"thinking_budget":0}},"tools":{"function_declarations":{"name":"f","parameters":{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"maxLength":"5"}}}}},
	"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},"cached_content":"c"}`
	var req canon.Request
	if f := (Format{}).ReadRequest([]byte(body), &req); f != nil {
		t.Fatal(f)
	}
	if len(req.Messages) != 2 || req.Messages[0].Role != canon.System || req.Messages[1].Parts[0].Kind != canon.ImagePart || req.Messages[1].Parts[0].Media.Type.String() != "image/png" {
		t.Errorf("%+v", req.Messages)
	}
	if string(req.MaxTokens) != "5" || string(req.TopP) != "0.5" || req.Reasoning.Mode != canon.ReasoningOff || req.Choice.Mode != canon.ChoiceOne || req.Choice.Name.String() != "f" {
		t.Errorf("%+v", req)
	}
	if got := string(req.Tools[0].Schema); got != `{"type":"object","properties":{"type":{"type":["string","null"],"nullable":true,"maxLength":5}}}` {
		t.Errorf("%s", got)
	}
	if len(req.Extra) != 1 || req.Extra[0].Name != "cachedContent" {
		t.Errorf("%+v", req.Extra)
	}
}

func TestBadRequests(t *testing.T) {
	for body, want := range map[string]struct {
		kind  *fault.Kind
		param string
	}{
		``:                                      {fault.MalformedJSON, ""},
		`[]`:                                    {fault.WrongType, ""},
		`{}`:                                    {fault.MissingField, "contents"},
		`{"contents":null}`:                     {fault.MissingField, "contents"},
		`{"contents":"x"}`:                      {fault.WrongType, "contents"},
		`{"contents":[1]}`:                      {fault.WrongType, "contents[0]"},
		`{"contents":[],`:                       {fault.MalformedJSON, ""},
		`{"contents":[{"parts":[{"text":1}]}]}`: {fault.WrongType, "contents[0].parts[0].text"},
		`{"contents":[{"parts":[{"text":1}]}`:   {fault.MalformedJSON, ""},
		`{"contents":[{"parts":[{"text":"a","text":"b"}]}]}`:                           {fault.BadRequest, "contents[0].parts[0].text"},
		`{"contents":[{"parts":[{"inlineData":{"data":"A"},"inline_data":{}}]}]}`:      {fault.BadRequest, "contents[0].parts[0].inlineData"},
		`{"contents":[{"parts":[{"Text":"a"}]}]}`:                                      {fault.BadRequest, "contents[0].parts[0].text"},
		`{"contents":[{"parts":[{"text":"a","inlineData":{"data":"A"}}]}]}`:            {fault.BadRequest, "contents[0].parts[0]"},
		`{"contents":[{"role":"system","parts":[]}]}`:                                  {fault.BadRequest, "contents[0].role"},
		`{"contents":[],"contents":[]}`:                                                {fault.BadRequest, "contents"},
		`{"contents":[],"system_instruction":{},"systemInstruction":{}}`:               {fault.BadRequest, "systemInstruction"},
		`{"contents":[],"generationConfig.temperature":1}`:                             {fault.BadRequest, ""},
		`{"contents":[],"toolConfig":{"":1}}`:                                          {fault.BadRequest, "toolConfig"},
		`{"contents":[],"CONTENTS":[]}`:                                                {fault.BadRequest, "contents"},
		`{"contents":[],"generationConfig":{"temperature":"hot"}}`:                     {fault.WrongType, "generationConfig.temperature"},
		`{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":1.5}}}`: {fault.WrongType, "generationConfig.thinkingConfig.thinkingBudget"},
		`{"contents":[],"tools":[{"functionDeclarations":[{"description":"x"}]}]}`:     {fault.MissingField, "tools[0].functionDeclarations[0].name"},
		`{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}`:                      {fault.MissingField, "contents[0].parts[0].functionCall.name"},
		`{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}`:           {fault.WrongType, "contents[0].parts[0].functionCall.args"},
		`{"contents":[{"parts":[{"functionResponse":{"name":"f","response":"x"}}]}]}`:  {fault.WrongType, "contents[0].parts[0].functionResponse.response"},
	} {
		var req canon.Request
		f := (Format{}).ReadRequest([]byte(body), &req)
		if f == nil || f.Kind != want.kind || f.Param != want.param {
			t.Errorf("%s: %v %+v", body, f, f)
		}
	}
}

func TestRequestsCutAnywhereAreRefused(t *testing.T) {
	for _, file := range recordings.Glob(t, "agentgateway/requests/gemini/*.json") {
		body := []byte(strings.TrimSpace(string(recordings.Read(t, file))))
		for i := range body {
			var req canon.Request
			if f := (Format{}).ReadRequest(body[:i], &req); f == nil || f.Kind != fault.MalformedJSON {
				t.Fatalf("%s cut at %d: %v", file, i, f)
			}
		}
	}
}

// The chunks of an answer come back as a client kept them: each a content.
func TestTornTurnsAreMended(t *testing.T) {
	body := `{"contents":[{"role":"user","parts":[{"text":"q"}]},
	{"role":"model","parts":[{"text":"th","thought":true}]},{"role":"model","parts":[{"text":"ink","thought":true}]},{"role":"model","parts":[{"text":"","thought":true,"thoughtSignature":"c2ln"}]},
	{"role":"model","parts":[{"text":"a"},{"text":"","thoughtSignature":"AY-_"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g"}}]},
	{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"g","response":{"x":[1,2]}}},{"text":"go on"}]}]}`
	var req canon.Request
	if f := (Format{}).ReadRequest([]byte(body), &req); f != nil {
		t.Fatal(f)
	}
	ms := req.Messages
	if len(ms) != 4 || ms[1].Role != canon.Assistant || ms[2].Role != canon.ToolRole || ms[3].Role != canon.User {
		t.Fatalf("%+v", ms)
	}
	p := ms[1].Parts
	if len(p) != 4 || p[0].Text.String() != "think" || p[0].Signature.String() != "c2ln" || p[1].Text.String() != "a" || p[1].Signature.String() != "AY+/" || p[3].Name.String() != "g" {
		t.Errorf("%+v", essenceOf(p))
	}
	if r := ms[2].Parts; r[0].Content[0].Text.String() != "1" || r[1].Content[0].Text.String() != `{"x":[1,2]}` {
		t.Errorf("%+v", r)
	}
	var lost canon.Losses
	out, _ := Format{}.AppendRequest(nil, &req, nil, &lost)
	if s := string(out); !strings.Contains(s, `"response":{"output":"1"}`) || !strings.Contains(s, `"response":{"x":[1,2]}`) {
		t.Errorf("%s", s)
	}
	// What somebody changed is what is sent.
	ms[2].Parts[0].Content[0].Text = canon.Quote("2")
	out, _ = Format{}.AppendRequest(nil, &req, nil, &lost)
	if s := string(out); !strings.Contains(s, `"response":{"content":"2"}`) {
		t.Errorf("%s", s)
	}
}

// What a tool says is its own: no name in it is one of ours.
func TestResultsMayHoldAnything(t *testing.T) {
	for response, want := range map[string]string{
		`{"Output":"a","output":"b"}`: `{"Output":"a","output":"b"}`, `{"output":"a","output":"b"}`: `{"output":"a","output":"b"}`,
		`{"OUTPUT":"a"}`: `{"OUTPUT":"a"}`, `{"output":"a"}`: "a", `{"error":"e"}`: "e", `{"output":{"x":1}}`: `{"output":{"x":1}}`, `{}`: `{}`,
	} {
		var req canon.Request
		if f := (Format{}).ReadRequest([]byte(`{"contents":[{"parts":[{"functionResponse":{"name":"f","response":`+response+`}}]}]}`), &req); f != nil {
			t.Errorf("%s: %v", response, f)
			continue
		}
		p := req.Messages[0].Parts[0]
		if got := p.Content[0].Text.String(); got != want || (p.IsError == canon.Yes) != (want == "e") {
			t.Errorf("%s: %s %d", response, got, p.IsError)
		}
	}
}

// An answer from elsewhere comes back from a client that knows Google's fields
// alone.
func TestForeignReasoningComesBackThroughAnSDK(t *testing.T) {
	a := foreignAnswer()
	var sdk struct {
		Candidates []struct {
			Content struct {
				Role  string `json:"role"`
				Parts []struct {
					Text             string          `json:"text,omitempty"`
					Thought          bool            `json:"thought,omitempty"`
					ThoughtSignature []byte          `json:"thoughtSignature,omitempty"`
					FunctionCall     json.RawMessage `json:"functionCall,omitempty"`
				} `json:"parts"`
			} `json:"content"`
		} `json:"candidates"`
	}
	if err := json.Unmarshal(Format{}.AppendAnswer(nil, &a), &sdk); err != nil {
		t.Fatal(err)
	}
	sdk.Candidates[0].Content.Parts = sdk.Candidates[0].Content.Parts[:6]
	body, _ := json.Marshal(map[string]any{"contents": []any{sdk.Candidates[0].Content}})
	var req canon.Request
	if f := (Format{}).ReadRequest(body, &req); f != nil {
		t.Fatal(f)
	}
	want := append([]canon.Part(nil), a.Choices[0].Parts[:6]...)
	want[3].Citations = nil
	if got := essenceOf(req.Messages[0].Parts); !reflect.DeepEqual(got, essenceOf(want)) {
		t.Errorf("%+v", got)
	}
	// Gemini gets none of it.
	req.From = canon.Anthropic
	var lost canon.Losses
	out, _ := Format{}.AppendRequest(nil, &req, nil, &lost)
	if strings.Contains(string(out), "gAAAA") || strings.Contains(string(out), "Emw") || len(lost) == 0 {
		t.Errorf("%s, lost %v", out, lost)
	}
}
