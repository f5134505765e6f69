package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// rich takes all that requests can say.
var rich = Format{Quirks: Quirks{ThoughtDetails: true, TopK: true, CacheControl: true}}

func write(t testing.TB, f Format, req *canon.Request, model string) (string, canon.Losses) {
	var lost canon.Losses
	b, bad := f.AppendRequest(nil, req, &canon.Target{Model: model}, &lost)
	if bad != nil || !json.Valid(b) {
		t.Fatalf("%v: %s", bad, b)
	}
	return string(b), lost
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// What a caller wrote comes out the same when it is written anew, but for what
// has two forms.
func TestRequestsSurvive(t *testing.T) {
	const start = `{"model":"m","messages":[`
	for _, body := range []string{
		start + `{"role":"system","content":"s"},{"role":"user","content":"h\u00e9\n\"x\"","name":"bob"}],"temperature":0.70,"top_p":1,"n":2,"stop":["a","b"],"seed":7,"user":"u","logit_bias":{"50256":-100},"metadata":{"a":"b"},"store":true,"stream":false}`,
		start + `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x/y.png"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},{"type":"file","file":{"file_id":"f_1"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,AA==","filename":"a.pdf"}},{"type":"video_url","video_url":{"url":"https://x/v"}}]}],"stream":false}`,
		start + `{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\\"\\n\\u0001 é\"}"}},{"id":"c2","type":"custom","custom":{"name":"g","input":"free \"text\""}}]},{"role":"tool","tool_call_id":"c1","content":"r"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}},{"type":"web_search"}],"tool_choice":{"type":"custom","custom":{"name":"g"}},"parallel_tool_calls":false,"stream":false}`,
		start + `{"role":"assistant","content":"x","reasoning":"ab","reasoning_details":[{"type":"reasoning.text","text":"a","signature":"S","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"D","format":"anthropic-claude-v1","index":1},{"type":"reasoning.text","text":"b","format":"unknown","index":2}]}],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}`,
		start + `{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}],"vendor":1}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}},"tools":[{"type":"function","function":{"name":"f"},"x":{"y":1}}],"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a":1.0},"strict":false}},"logprobs":true,"top_logprobs":3,"service_tier":"flex","top_k":4,"presence_penalty":-1,"frequency_penalty":1e-1,"stream":false,"verbosity":"low","prediction":{"type":"content","content":"x"},"modalities":["text","audio"],"audio":{"voice":"a"},"web_search_options":{}}`,
		start + `{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},{"role":"user","content":[{"type":"new_kind","x":[1]}]},{"role":"assistant","content":null,"audio":{"id":"au"}}],"reasoning_effort":"high","stream":false}`,
	} {
		var req canon.Request
		if bad := (Format{}).ReadRequest([]byte(body), &req); bad != nil {
			t.Errorf("%s: %v", body, bad)
			continue
		}
		got, lost := write(t, rich, &req, "m")
		if !sameJSON([]byte(got), []byte(body)) || len(lost) > 0 {
			t.Errorf("lost %v\n got %s\nwant %s", lost, got, body)
		}
	}
}

// Forms of one thing, as they are written for OpenAI.
func TestRequestForms(t *testing.T) {
	read := func(rest string) string {
		var req canon.Request
		if bad := (Format{}).ReadRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"q"}`+rest+`}`), &req); bad != nil {
			t.Fatalf("%s: %v", rest, bad)
		}
		b, _ := write(t, Format{}, &req, "m")
		return b
	}
	for in, want := range map[string]string{
		`],"max_tokens":5`: `"max_completion_tokens":5`,
		`],"functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}`:           `"tool_choice":{"type":"function","function":{"name":"f"}}`,
		`,{"role":"developer","content":"d"}]`:                                                `{"role":"system","content":"d"}`,
		`,{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}]`: `"tool_calls":[{"id":"call_function","type":"function","function":{"name":"f","arguments":"{}"}}]`,
		`,{"role":"function","name":"f","content":"r"}]`:                                      `{"role":"tool","tool_call_id":"call_function"`,
		`],"reasoning_effort":"none"`:                                                         `"reasoning_effort":"none"`,
		`],"thinking":{"type":"enabled","budget_tokens":5000}`:                                `"reasoning_effort":"xhigh"`,
		`],"stop":"x"`:          `"stop":["x"]`,
		`],"tool_choice":"any"`: `"tool_choice":"required"`,
		`,{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,A\/A="}}]}]`: `"url":"data:image/png;base64,A/A="`,
		`],"stream":true`: `"stream_options":{"include_usage":false}`,
	} {
		if got := read(in); !strings.Contains(got, want) {
			t.Errorf("%s became %s", in, got)
		}
	}
}

// What other dialects ask for, in a form that is not refused here.
func TestForeignRequests(t *testing.T) {
	user := canon.Message{Parts: []canon.Part{{Text: canon.Quote("q")}}}
	for _, c := range []struct {
		req        canon.Request
		want, lost string
	}{
		{canon.Request{Messages: []canon.Message{user, {Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.OpaquePart, From: canon.Gemini, Raw: canon.Raw("{}")}}}}},
			`{"role":"assistant","content":""}`, "messages.content.opaque"},
		{canon.Request{Messages: []canon.Message{user}, TopLogProbs: canon.Raw("2")}, `"model":"m"`, "top_logprobs"},
		{canon.Request{Messages: []canon.Message{user}, LogProbs: canon.Yes, TopLogProbs: canon.Raw("2")}, `"logprobs":true,"top_logprobs":2`, ""},
		{canon.Request{Messages: []canon.Message{{Parts: []canon.Part{{Kind: canon.DocumentPart, Text: canon.Quote("text"), Media: canon.Media{Name: canon.Quote("a.txt")}}}}}},
			`"content":[{"type":"text","text":"text"}]`, "messages.content.document.name"},
	} {
		c.req.From = canon.Gemini
		if got, lost := write(t, Format{}, &c.req, "m"); !strings.Contains(got, c.want) || strings.Join(lost, " ") != c.lost {
			t.Errorf("%s, lost %v; want %s", got, lost, c.want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	for body, want := range map[string]struct {
		kind  *fault.Kind
		param string
	}{
		`{"model":"m"}`:                                                                   {fault.MissingField, "messages"},
		`{"messages":[]}`:                                                                 {fault.MissingField, "model"},
		`{"model":1,"messages":[]}`:                                                       {fault.WrongType, "model"},
		`{"model":"m","messages":{}}`:                                                     {fault.WrongType, "messages"},
		`{"model":"m","model":"n","messages":[]}`:                                         {fault.BadRequest, "model"},
		`{"model":"m","Messages":[]}`:                                                     {fault.BadRequest, "messages"},
		`{"model":"m","messages":[{"role":"user","content":5}]}`:                          {fault.WrongType, "messages[0].content"},
		`{"model":"m","messages":[{"role":"king","content":""}]}`:                         {fault.BadRequest, "messages[0].role"},
		`{"model":"m","messages":[{"role":"tool","content":""}]}`:                         {fault.MissingField, "messages[0].tool_call_id"},
		`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`: {fault.WrongType, "messages[0].content[0].text"},
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`:     {fault.WrongType, "messages[0].content[0].image_url"},
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a"}]}]}`:       {fault.WrongType, "messages[0].tool_calls[0].function.name"},
		`{"model":"m","messages":[],"stream":"yes"}`:                                      {fault.WrongType, "stream"},
		`{"model":"m","messages":[],"tools":[{"type":"function","function":{}}]}`:         {fault.WrongType, "tools[0].function.name"},
		`{"model":"m","messages":[],"temperature":"hot"}`:                                 {fault.WrongType, "temperature"},
		`{"model":"m","messages":[],"max_tokens":1,"max_completion_tokens":2}`:            {fault.BadRequest, "max_tokens"},
		`{"model":"m","messages":[],"messages[0].content":"x"}`:                           {fault.BadRequest, ""},
		`{"model":1,"messages":`:                                                          {fault.MalformedJSON, ""},
		`[]`:                                                                              {fault.WrongType, ""},
		`{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}`:          {fault.BadRequest, "messages[0].content"},
	} {
		var req canon.Request
		bad := (Format{}).ReadRequest([]byte(body), &req)
		if bad == nil || bad.Kind != want.kind || bad.Param != want.param {
			t.Errorf("%s: %v, param %q", body, bad, bad.Param)
		}
	}
}

// Quirks change what is written and say what is lost by it.
func TestQuirks(t *testing.T) {
	req := &canon.Request{
		From: canon.Anthropic, MaxTokens: canon.Raw("5"), N: canon.Raw("2"), Seed: canon.Raw("1"), TopK: canon.Raw("9"), User: canon.Quote("u"), Stream: true, IncludeUsage: true, Parallel: canon.No,
		Reasoning: canon.Reasoning{Mode: canon.ReasoningOn, Budget: 2000},
		Tools:     []canon.Tool{{Name: canon.Quote("f"), Strict: canon.Yes}, {Name: canon.Quote("g"), Custom: true}, {Name: canon.Quote("web_search_20250305"), Raw: canon.Raw("{}"), From: canon.Anthropic}},
		Choice:    canon.ToolChoice{Mode: canon.ChoiceAny},
		Format:    canon.Format{Kind: canon.FormatSchema, Schema: canon.Raw("{}")},
		Messages: []canon.Message{
			{Role: canon.User, Name: canon.Quote("bob"), Parts: []canon.Part{{Text: canon.Quote("a")}, {Text: canon.Quote("b"), Cache: canon.CacheMark{Set: true}}}},
			{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.ReasoningPart, Text: canon.Quote("think"), Signature: canon.Quote("S"), From: canon.Anthropic}, {Kind: canon.ToolCallPart, ID: canon.Quote("c"), Name: canon.Quote("f")}}},
			{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResultPart, ID: canon.Quote("c"), IsError: canon.Yes, Content: []canon.Part{{Kind: canon.ImagePart, Media: canon.Media{Data: canon.Quote("AA"), Type: canon.Quote("image/png")}}}}}},
		},
	}
	for _, c := range []struct {
		quirks Quirks
		has    []string
		lost   string
	}{
		{Quirks{}, []string{`"max_completion_tokens":5`, `"tool_choice":"required"`, `"reasoning_effort":"medium"`, `"strict":true`, `"name":"bob"`, `"stream_options":{"include_usage":true}`,
			`"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`, `"prompt_cache_breakpoint":{"mode":"explicit"}`,
			`{"role":"tool","tool_call_id":"c","content":""},{"role":"user","content":[{"type":"text","text":"Content of the result of tool call c:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}`},
			"[messages.reasoning messages.is_error tools.web_search_20250305 top_k]"},
		{Quirks{MaxTokens: true, NoN: true, NoSeed: true, NoUser: true, NoStreamOptions: true, NoParallel: true, NoSchema: true, NoStrict: true, NoName: true, NoCustomTools: true, AnyAsRequired: true, NoEffort: true, StringContent: true},
			[]string{`"max_tokens":5`, `"tool_choice":"any"`, `{"role":"user","content":"a\nb"}`, `"response_format":{"type":"json_object"}`},
			"[messages.cache_control messages.name messages.reasoning messages.is_error messages.content.image tools.strict tools.g tools.web_search_20250305 top_k seed n reasoning_effort response_format.json_schema parallel_tool_calls user]"},
		{Quirks{Thinking: true, EchoReasoning: true, RandomSeed: true}, []string{`"thinking":{"type":"enabled"}`, `"reasoning_content":"think"`, `"random_seed":1`}, ""},
		{Quirks{ThinkingBudget: true, ThoughtParts: true}, []string{`"enable_thinking":true,"thinking_budget":2000`, `"content":[{"type":"thinking","thinking":[{"type":"text","text":"think"}],"signature":"S"}]`}, ""},
		{Quirks{ReasoningObject: true, ThoughtDetails: true, CacheControl: true, TopK: true}, []string{`"reasoning":{"enabled":true,"max_tokens":2000}`, `"reasoning":"think","reasoning_details":[{"type":"reasoning.text","text":"think","signature":"S","format":"anthropic-claude-v1","index":0}]`, `"cache_control":{"type":"ephemeral"}`, `"top_k":9`}, ""},
	} {
		got, lost := write(t, Format{Quirks: c.quirks}, req, "gpt-5.6-terra")
		for _, want := range c.has {
			if !strings.Contains(got, want) {
				t.Errorf("%+v:\n%s\nlacks %s", c.quirks, got, want)
			}
		}
		if c.lost != "" && fmt.Sprint(lost) != c.lost {
			t.Errorf("%+v: lost %v", c.quirks, lost)
		}
		var again canon.Request
		if bad := (Format{}).ReadRequest([]byte(got), &again); bad != nil {
			t.Errorf("%s: %v", got, bad)
		}
	}
	for _, k := range providerkind.All() {
		write(t, Format{Quirks: k.Quirks}, req, "m")
	}
}

// differences are the requests of others that are written otherwise here.
var differences = map[string]string{
	"full.json":                      "functions and function_call are written as tools and tool_choice; the bound as max_completion_tokens",
	"openai_with_messages.json":      "the bound is written as max_completion_tokens",
	"generation-config.json":         "the bound is written as max_completion_tokens; OpenAI has no top_k",
	"reasoning_replay.json":          "OpenAI takes no earlier thoughts",
	"reasoning_replay_unsigned.json": "OpenAI takes no earlier thoughts",
	"tool-call.json":                 "a call without arguments is written with an empty object, which is valid JSON",
}

// Requests of this dialect come out as they went in.
func TestRecordedRequests(t *testing.T) {
	files := recordings.Glob(t, "agentgateway/requests/completions/*.json")
	for _, file := range files {
		body := recordings.Read(t, file)
		var req canon.Request
		if bad := (Format{}).ReadRequest(body, &req); bad != nil {
			t.Errorf("%s: %v", file, bad)
			continue
		}
		got, lost := write(t, Format{}, &req, req.Model.String())
		var want map[string]any
		json.Unmarshal(body, &want)
		if want["stream"] == nil {
			want["stream"] = false
		}
		reference, _ := json.Marshal(want)
		if same := sameJSON([]byte(got), reference); !same && differences[filepath.Base(file)] == "" {
			t.Errorf("%s, lost %v:\n got %s\nwant %s", file, lost, got, reference)
		}
	}
	t.Logf("%d requests", len(files))
}

func TestRecordedUsage(t *testing.T) {
	data := recordings.Read(t, recordings.Dir(t)+"/genai-prices-usage/usages.json")
	var cases []struct {
		Body struct {
			File  string
			Usage json.RawMessage
		}
		Extracted []struct {
			Extractors []struct {
				Flavor   string `json:"api_flavor"`
				Provider string `json:"provider_id"`
			}
			Usage map[string]int64
		}
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range cases {
		if !bytes.Contains(c.Body.Usage, []byte(`"prompt_tokens"`)) {
			continue
		}
		provider := "openai"
		for _, p := range []string{"openrouter", "groq", "deepseek", "mistral", "cerebras", "huggingface", "xai"} {
			if strings.Contains(c.Body.File, p) {
				provider = p
			}
		}
		for _, e := range c.Extracted {
			for _, x := range e.Extractors {
				if x.Provider != provider || x.Flavor == "embeddings" {
					continue
				}
				n++
				var u canon.Usage
				var s jsonscan.Scanner
				readReport(&s, canon.Raw(c.Body.Usage), &u)
				// The extractor does not know what Mistral calls cached tokens.
				if u.Prompt() != e.Usage["input_tokens"] || u.Completion() != e.Usage["output_tokens"] ||
					u.CacheRead != e.Usage["cache_read_tokens"] && !bytes.Contains(c.Body.Usage, []byte("num_cached_tokens")) && provider != "cerebras" {
					t.Errorf("%s %s: %+v, want %v", provider, c.Body.Usage, u, e.Usage)
				}
			}
		}
	}
	t.Logf("%d bodies", n)
	if n < 100 {
		t.Errorf("only %d bodies", n)
	}
}

func TestReports(t *testing.T) {
	for raw, want := range map[string]canon.Usage{
		`{"prompt_tokens":1000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":300,"cache_write_tokens":200}}`:                                                                                     {Input: 500, CacheRead: 300, CacheWrite: 200, Output: 10},
		`{"prompt_tokens":12,"completion_tokens":1,"total_tokens":241,"completion_tokens_details":{"reasoning_tokens":228},"cost_in_usd_ticks":1176500,"num_sources_used":2}`:                                      {Input: 12, Output: 229, Reasoning: 228, Searches: 2, Cost: canon.Raw("0.0001176500")},
		`{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":50,"audio_tokens":4},"cost":0.5}`:                                                                                      {CacheRead: 10, Output: 5, Cost: canon.Raw("0.5")},
		`{"prompt_tokens":10,"completion_tokens":5,"cost":{"total_cost":0.007},"num_cached_tokens":3}`:                                                                                                             {Input: 7, CacheRead: 3, Output: 5, Cost: canon.Raw("0.007")},
		`{"prompt_tokens":10,"completion_tokens":9,"completion_tokens_details":{"image_tokens":4,"audio_tokens":2}}`:                                                                                               {Input: 10, Output: 3, ImageOutput: 4, AudioOutput: 2},
		`{"prompt_tokens":40,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":10,"cache_creation_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":12,"ephemeral_1h_input_tokens":8}}}`: {Input: 10, CacheRead: 10, CacheWrite: 20, CacheWriteHour: 8, Output: 5},
		`{"prompt_tokens":40,"completion_tokens":5,"prompt_tokens_details":{"cache_creation":null,"cache_creation_input_tokens":90}}`:                                                                              {CacheWrite: 40, Output: 5},
	} {
		var u canon.Usage
		var s jsonscan.Scanner
		readReport(&s, canon.Raw(raw), &u)
		if !u.Reported {
			t.Errorf("%s: not reported", raw)
		}
		u.Reported, u.Raw, u.From = false, nil, ""
		if !reflect.DeepEqual(u, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", raw, u, want)
		}
		u.Reported = true
		var again canon.Usage
		readReport(&s, appendReport(nil, &u), &again)
		again.Raw, again.From = nil, ""
		if !reflect.DeepEqual(u, again) {
			t.Errorf("%s: written anew %+v", raw, again)
		}
	}
}
