package cohere_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/cohere"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

var _ dialect.Format = cohere.Format{}

// TestRequests: what callers ask for, as the API wants it.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		from           dialect.Format
		lost           []string
	}{
		{name: "settings", from: openai.Format{},
			in: `{"model":"x","stream":true,"messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hi"}],"max_completion_tokens":9,"temperature":0.5,"top_p":0.9,` +
				`"frequency_penalty":0.1,"presence_penalty":0.2,"seed":7,"stop":["a","b"],"n":2,"user":"u","logprobs":true,"safety_mode":"NONE","logit_bias":{"1":2}}`,
			want: `{"model":"m","stream":true,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"max_tokens":9,"temperature":0.5,"p":0.9,` +
				`"frequency_penalty":0.1,"presence_penalty":0.2,"seed":7,"stop_sequences":["a","b"],"safety_mode":"NONE"}`,
			lost: []string{"logit_bias", "logprobs", "n", "user"}},
		{name: "tools", from: openai.Format{},
			in: `{"model":"x","messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":"I look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"w","arguments":"{\"a\":1}"}}]},` +
				`{"role":"tool","tool_call_id":"c1","content":"sunny"}],"tools":[{"type":"function","function":{"name":"w","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"v"}}],` +
				`"tool_choice":{"type":"function","function":{"name":"w"}},"parallel_tool_calls":false}`,
			want: `{"model":"m","messages":[{"role":"user","content":"Weather?"},{"role":"assistant","tool_plan":"I look.","tool_calls":[{"id":"c1","type":"function","function":{"name":"w","arguments":"{\"a\":1}"}}]},` +
				`{"role":"tool","tool_call_id":"c1","content":"sunny"}],"tools":[{"type":"function","function":{"name":"w","description":"d","parameters":{"type":"object"}}}],"tool_choice":"REQUIRED"}`,
			lost: []string{"parallel_tool_calls"}},
		{name: "schema and effort", from: openai.Format{},
			in: `{"model":"x","messages":[{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}],` +
				`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"reasoning_effort":"high"}`,
			want: `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}],` +
				`"thinking":{"type":"enabled","token_budget":4096},"response_format":{"type":"json_object","json_schema":{"type":"object"}}}`},
		{name: "documents and results", from: anthropic.Format{},
			in: `{"model":"x","max_tokens":5,"top_k":3,"thinking":{"type":"disabled"},"messages":[{"role":"user","content":[{"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"Facts."}},{"type":"text","text":"What?"}]},` +
				`{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"tool_use","id":"c1","name":"w","input":{}}]},` +
				`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","is_error":true,"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"type":"text","text":"Go on."}]}],` +
				`"tools":[{"name":"w","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}}`,
			want: `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"What?"}]},` +
				`{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"w","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"user","content":"Go on."}],` +
				`"documents":[{"id":"doc_0","data":{"text":"Facts.","title":"T"}}],"tools":[{"type":"function","function":{"name":"w","parameters":{"type":"object"}}}],"tool_choice":"NONE",` +
				`"max_tokens":5,"k":3,"thinking":{"type":"disabled"}}`,
			lost: []string{"messages.is_error", "messages.reasoning"}},
	} {
		var req canon.Request
		if f := c.from.ReadRequest([]byte(c.in), &req); f != nil {
			t.Fatalf("%s: %v", c.name, f)
		}
		var lost canon.Losses
		got, f := cohere.Format{}.AppendRequest(nil, &req, &canon.Target{Model: "m"}, &lost)
		if f != nil || !json.Valid(got) {
			t.Fatalf("%s: %v %s", c.name, f, got)
		}
		if string(got) != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.name, got, c.want)
		}
		slices.Sort(lost)
		if !reflect.DeepEqual([]string(lost), c.lost) {
			t.Errorf("%s: lost %q, want %q", c.name, lost, c.lost)
		}
	}
}

// turn is a stream with all that the API has: a thought, a text with a
// citation, a plan and calls.
var turn = []string{
	`{"id":"1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`,
	`{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}`,
	`{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm\n"}}}}`,
	`{"type":"content-end","index":0}`,
	`{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}`,
	`{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Paris \"it\" is."}}}}`,
	`{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":5,"text":"Paris","content_index":1,"type":"TEXT_CONTENT","sources":[{"type":"document","id":"doc_0","document":{"title":"Cities","url":"https://c"}}]}}}}`,
	`{"type":"citation-end","index":0}`,
	`{"type":"content-end","index":1}`,
	`{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will "}}}`,
	`{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"look."}}}`,
	`{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"w","arguments":""}}}}}`,
	`{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"city\":"}}}}}`,
	`{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"\"Rome\"}"}}}}}`,
	`{"type":"tool-call-end","index":0}`,
	`{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"now","arguments":""}}}}}`,
	`{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"null"}}}}}`,
	`{"type":"tool-call-end","index":1}`,
	`{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":8,"output_tokens":50,"search_units":2},"tokens":{"input_tokens":1394,"output_tokens":54},"cached_tokens":1360}}}`,
}

// whole is the same, not streamed.
const whole = `{"id":"1","message":{"role":"assistant","content":[{"type":"thinking","thinking":"Hm\n"},{"type":"text","text":"Paris \"it\" is."}],"tool_plan":"I will look.",` +
	`"tool_calls":[{"id":"c1","type":"function","function":{"name":"w","arguments":"{\"city\":\"Rome\"}"}},{"id":"c2","type":"function","function":{"name":"now","arguments":"null"}}],` +
	`"citations":[{"start":0,"end":5,"text":"Paris","content_index":1,"type":"TEXT_CONTENT","sources":[{"type":"document","id":"doc_0","document":{"title":"Cities","url":"https://c"}}]}]},` +
	`"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":8,"output_tokens":50,"search_units":2},"tokens":{"input_tokens":1394,"output_tokens":54},"cached_tokens":1360}}`

func streamed(t *testing.T, events []string) *canon.Fold {
	t.Helper()
	var f canon.Fold
	r := cohere.Format{}.NewReader()
	for _, ev := range events {
		if err := r.Read(nil, []byte(ev), f.Add); err != nil {
			t.Fatalf("%s: %v", ev, err)
		}
	}
	if err := r.End(f.Add); err != nil || !f.Done {
		t.Fatalf("the end: %v", err)
	}
	return &f
}

func TestAnswersSayTheSameWholeAndStreamed(t *testing.T) {
	var a canon.Answer
	if f := (cohere.Format{}).ReadAnswer([]byte(whole), &a); f != nil {
		t.Fatal(f)
	}
	for name, a := range map[string]*canon.Answer{"whole": &a, "streamed": &streamed(t, turn).Answer} {
		c := a.Choices[0]
		var got []string
		for _, p := range c.Parts {
			text := p.Text.String()
			if p.Kind == canon.ToolCallPart {
				text = p.ID.String() + " " + p.Name.String() + string(p.Args)
			}
			got = append(got, text)
			for _, q := range p.Citations {
				if text != `Paris "it" is.` || q.Title.String() != "Cities" || q.URL.String() != "https://c" || q.Start != 0 || q.End != 5 || q.Quote.String() != "Paris" {
					t.Errorf("%s: %q cites %+v", name, text, q)
				}
				got = append(got, "cited")
			}
		}
		if want := []string{"Hm\n", `Paris "it" is.`, "cited", "I will look.", `c1 w{"city":"Rome"}`, "c2 now{}"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if c.Parts[0].Kind != canon.ReasoningPart || c.Stop != canon.StopTools {
			t.Errorf("%s: %+v", name, c)
		}
		if u := a.Usage; !u.Reported || u.Input != 8 || u.Output != 50 || u.CacheRead != 0 || u.Searches != 2 {
			t.Errorf("%s: usage %+v", name, u)
		}
	}
}

func TestUsageWithoutABill(t *testing.T) {
	var a canon.Answer
	body := `{"id":"1","message":{"content":"Hi"},"finish_reason":"STOP_SEQUENCE","usage":{"tokens":{"input_tokens":100,"output_tokens":7},"cached_tokens":60}}`
	if f := (cohere.Format{}).ReadAnswer([]byte(body), &a); f != nil {
		t.Fatal(f)
	}
	if u := a.Usage; u.Input != 40 || u.CacheRead != 60 || u.Output != 7 || a.Choices[0].Stop != canon.StopSequence || a.Choices[0].Parts[0].Text.String() != "Hi" {
		t.Errorf("%+v", a)
	}
}

func TestBrokenAnswersAreTold(t *testing.T) {
	for _, body := range []string{"", "null", "[]", `{"id":"1"}`, whole[:len(whole)-1], whole + "x"} {
		if f := (cohere.Format{}).ReadAnswer([]byte(body), new(canon.Answer)); f == nil || f.Kind != fault.UpstreamGarbage {
			t.Errorf("%.20q: %v", body, f)
		}
	}
	// A stream cut after any event, or in any event, is not taken for whole.
	nothing := func(*canon.Event) error { return nil }
	for n := range turn {
		r := cohere.Format{}.NewReader()
		for _, ev := range turn[:n] {
			if err := r.Read(nil, []byte(ev), nothing); err != nil {
				t.Fatal(err)
			}
		}
		if f, ok := errors.AsType[*fault.Fault](r.End(nothing)); !ok || f.Kind != fault.UpstreamReset {
			t.Errorf("cut after %d events: %v", n, f)
		}
	}
	for i := range turn[5] {
		if err := (cohere.Format{}).NewReader().Read(nil, []byte(turn[5][:i]), nothing); err == nil {
			t.Errorf("%q was taken", turn[5][:i])
		}
	}
	r := cohere.Format{}.NewReader()
	err := r.Read(nil, []byte(`{"type":"message-end","delta":{"finish_reason":"ERROR","error":"internal detail"}}`), nothing)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.UpstreamError || strings.Contains(f.Public(), "internal") {
		t.Errorf("a failed stream: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   *fault.Kind
		says   string
	}{
		{400, `{"id":"x","message":"invalid request: model 'x' not found, sk-secret"}`, fault.UpstreamRejected, "model 'x' not found"},
		{401, `{"message":"invalid api token"}`, fault.UpstreamAuth, ""},
		{498, `{"message":"invalid token"}`, fault.UpstreamAuth, ""},
		{429, `{"message":"too many"}`, fault.UpstreamRateLimited, ""},
		{500, `<html>`, fault.UpstreamError, ""},
	} {
		f := cohere.Format{}.ReadRefusal(c.status, []byte(c.body), "sk-secret")
		if f.Kind != c.kind || !strings.Contains(f.Public(), c.says) || strings.Contains(f.Public(), "sk-secret") {
			t.Errorf("%d: %v, %s", c.status, f, f.Public())
		}
	}
}

// FuzzRead: whatever arrives, whole or as an event, ends; what is read can be
// written, and reads the same again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	for _, ev := range turn {
		f.Add([]byte(ev))
	}
	for _, b := range recordings.Seeds(f, "vercel-ai/cohere/src/__fixtures__/*.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, again canon.Answer
		if bad := (cohere.Format{}).ReadAnswer(body, &a); bad == nil {
			out := cohere.Format{}.AppendAnswer(nil, &a)
			if bad := (cohere.Format{}).ReadAnswer(out, &again); bad != nil {
				t.Fatalf("%s became %s: %v", body, out, bad)
			}
			if a.Usage.Input < 0 || a.Usage.Output < 0 || a.Usage.CacheRead < 0 {
				t.Fatalf("%s has usage %+v", body, a.Usage)
			}
		}
		var whole canon.Fold
		r := cohere.Format{}.NewReader()
		for range 3 {
			if r.Read(nil, body, whole.Add) != nil {
				break
			}
		}
		r.End(whole.Add)
	})
}
