package bedrock_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

func q(s string) canon.Text { return canon.Quote(s) }

func says(role canon.Role, parts ...canon.Part) canon.Message {
	return canon.Message{Role: role, Parts: parts}
}

func text(s string) canon.Part { return canon.Part{Kind: canon.TextPart, Text: q(s)} }

// sent gives what is written of a request, and what of it is lost.
func sent(t *testing.T, model string, req *canon.Request) (string, canon.Losses) {
	t.Helper()
	if req.Messages == nil {
		req.Messages = []canon.Message{says(canon.User, text("Hi"))}
	}
	var lost canon.Losses
	b, f := bedrock.Format{}.AppendRequest(nil, req, &canon.Target{Model: model}, &lost)
	if f != nil || !json.Valid(b) {
		t.Fatalf("%v %s", f, b)
	}
	return string(b), lost
}

const (
	sonnet = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
	lite   = "amazon.nova-2-lite-v1:0"
	llama  = "meta.llama3-3-70b-instruct-v1:0"
)

// TestRequests: what must stand in a request to a model, what must not, and
// what callers are told is lost.
func TestRequests(t *testing.T) {
	weather := canon.Tool{Name: q("weather"), Schema: canon.Raw(`{"properties":{}}`)}
	tools := []canon.Tool{weather}
	weather.Strict = canon.Yes
	strict := []canon.Tool{weather}
	call := canon.Part{Kind: canon.ToolCallPart, ID: q("c1"), Name: q("weather"), Args: canon.Raw(`{"a":`)}
	marked := canon.CacheMark{Set: true, TTL: q("1h")}
	for _, c := range []struct {
		name, model string
		req         canon.Request
		has, hasNot []string
		lost        []string
	}{
		{name: "thoughts of Claude", model: sonnet, req: canon.Request{Reasoning: canon.Reasoning{Effort: "high"}, TopK: canon.Raw("5"), Temperature: canon.Raw("0.2")},
			has: []string{`"thinking":{"type":"enabled","budget_tokens":4096}`, `"maxTokens":8192`}, hasNot: []string{"top_k", "temperature"}, lost: []string{"temperature", "top_k"}},
		{name: "thoughts of Nova", model: lite, req: canon.Request{Reasoning: canon.Reasoning{Effort: "xhigh"}, TopK: canon.Raw("5")},
			has: []string{`"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}`, `"inferenceConfig":{"topK":5}`}},
		{name: "thoughts of the first Nova", model: "us.amazon.nova-pro-v1:0", req: canon.Request{Reasoning: canon.Reasoning{Effort: "low"}}, hasNot: []string{"reasoningConfig"}, lost: []string{"reasoning"}},
		{name: "temperature beside top_p", model: sonnet, req: canon.Request{From: canon.OpenAIChat, Temperature: canon.Raw("0.5"), TopP: canon.Raw("0.9"), TopK: canon.Raw("5")},
			has: []string{`"temperature":0.5`, `"top_k":5`}, hasNot: []string{"topP"}, lost: []string{"top_p"}},
		{name: "no sampling", model: "global.anthropic.claude-opus-4-7", req: canon.Request{From: canon.OpenAIChat, Temperature: canon.Raw("0.5"), TopK: canon.Raw("5")}, hasNot: []string{"temperature", "top_k"}, lost: []string{"temperature", "top_k"}},
		{name: "thoughts of gpt-oss", model: "openai.gpt-oss-120b-1:0", req: canon.Request{Reasoning: canon.Reasoning{Budget: 1500}}, has: []string{`"reasoning_effort":"medium"`}},
		{name: "thoughts of none", model: llama, req: canon.Request{Reasoning: canon.Reasoning{Effort: "low"}, TopK: canon.Raw("5")}, hasNot: []string{"additional"}, lost: []string{"reasoning", "top_k"}},
		{name: "strict tools", model: sonnet, req: canon.Request{Tools: strict}, has: []string{`"inputSchema":{"json":{"type":"object","properties":{}}},"strict":true`}},
		{name: "strict tools of old models", model: "anthropic.claude-3-7-sonnet-20250219-v1:0", req: canon.Request{Tools: strict}, hasNot: []string{"strict"}, lost: []string{"tools[0].strict"}},
		{name: "no tool", model: sonnet, req: canon.Request{Tools: tools, Choice: canon.ToolChoice{Mode: canon.ChoiceNone}}, hasNot: []string{"toolConfig"}},
		{name: "no tool after calls", model: sonnet, req: canon.Request{Tools: tools, Choice: canon.ToolChoice{Mode: canon.ChoiceNone}, Messages: []canon.Message{says(canon.Assistant, call)}},
			has: []string{"no_tool_available", `"input":{"input":"{\"a\":"}`}, hasNot: []string{`"toolSpec":{"name":"weather"`}},
		{name: "any tool", model: lite, req: canon.Request{Tools: tools, Choice: canon.ToolChoice{Mode: canon.ChoiceAny}}, has: []string{`"toolChoice":{"any":{}}`}},
		{name: "some tools", model: lite, req: canon.Request{Tools: append(tools, canon.Tool{Name: q("other")}), Choice: canon.ToolChoice{Allowed: []canon.Text{q("weather")}}}, hasNot: []string{"other"}},
		{name: "one call at a time", model: sonnet, req: canon.Request{Tools: tools, Parallel: canon.No, Choice: canon.ToolChoice{Mode: canon.ChoiceOne, Name: q("weather")}},
			has: []string{`"tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":true}`}, hasNot: []string{"toolChoice"}},
		{name: "one call at a time elsewhere", model: lite, req: canon.Request{Tools: tools, Parallel: canon.No}, lost: []string{"parallel_tool_calls"}},
		{name: "tools of other providers", model: sonnet, req: canon.Request{Tools: []canon.Tool{{Raw: canon.Raw(`{"type":"web_search"}`), From: canon.Responses}}, Choice: canon.ToolChoice{Mode: canon.ChoiceAny}}, hasNot: []string{"toolConfig"}, lost: []string{"tool_choice", "tools[0]"}},
		{name: "marks", model: sonnet, req: canon.Request{Cache: canon.CacheMark{Set: true}, Tools: []canon.Tool{{Name: q("t"), Cache: marked}},
			Messages: []canon.Message{says(canon.System, canon.Part{Text: q("Be kind."), Cache: marked}), says(canon.User, text("Hi"))}},
			has: []string{`"system":[{"text":"Be kind."},{"cachePoint":{"type":"default","ttl":"1h"}}]`, `{"text":"Hi"},{"cachePoint":{"type":"default"}}]`, `}}},{"cachePoint":{"type":"default","ttl":"1h"}}]`}},
		{name: "marks where nothing is kept", model: llama, req: canon.Request{Messages: []canon.Message{says(canon.User, canon.Part{Text: q("Hi"), Cache: marked})}}, hasNot: []string{"cachePoint"}, lost: []string{"messages[0].content[0].cache_control"}},
		{name: "what the API has of its own", model: sonnet, req: canon.Request{From: canon.OpenAIChat, Reasoning: canon.Reasoning{Effort: "low"}, Extra: []canon.Field{
			{Name: "guardrailConfig", Value: canon.Raw(`{"guardrailIdentifier":"g"}`)}, {Name: "performanceConfig", Value: canon.Raw(`{"latency":"optimized"}`)},
			{Name: "additionalModelRequestFields", Value: canon.Raw(`{"thinking":{"type":"disabled"},"x":1}`)}, {Name: "metadata", Value: canon.Raw(`{"team":"a b"}`)}, {Name: "logit_bias", Value: canon.Raw("{}")}}},
			has:  []string{`"guardrailConfig":{"guardrailIdentifier":"g"}`, `"performanceConfig":{"latency":"optimized"}`, `"additionalModelRequestFields":{"thinking":{"type":"disabled"},"x":1}`, `"requestMetadata":{"team":"a b"}`},
			lost: []string{"logit_bias"}},
		{name: "metadata that the API refuses", model: sonnet, req: canon.Request{From: canon.OpenAIChat, Extra: []canon.Field{{Name: "metadata", Value: canon.Raw(`{"a":"é"}`)}}}, hasNot: []string{"requestMetadata"}, lost: []string{"metadata"}},
		{name: "a tier", model: sonnet, req: canon.Request{ServiceTier: q("priority")}, has: []string{`"serviceTier":{"type":"priority"}`}},
		{name: "a tier that is none", model: sonnet, req: canon.Request{ServiceTier: q("scale")}, lost: []string{"service_tier"}},
		{name: "a schema", model: sonnet, req: canon.Request{Format: canon.Format{Kind: canon.FormatSchema, Name: q("n"), Schema: canon.Raw(`{"type":"object","properties":{"a":{"type":"string"}}}`)}},
			has: []string{`"schema":"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":false}","name":"n"`}},
		{name: "later words of the system", model: sonnet, req: canon.Request{Messages: []canon.Message{says(canon.User, text("a")), says(canon.System, text("s")), says(canon.User, text("b"))}},
			has: []string{`"messages":[{"role":"user","content":[{"text":"a"},{"text":"b"}]}],"system":[{"text":"s"}]`}, lost: []string{"messages[1].role"}},
		{name: "the system alone", model: sonnet, req: canon.Request{Messages: []canon.Message{says(canon.System, text("a")), says(canon.System, text("b"))}},
			has: []string{`"messages":[{"role":"user","content":[{"text":"b"}]}],"system":[{"text":"a"}]`}, lost: []string{"messages[1].role"}},
		{name: "blank texts", model: sonnet, req: canon.Request{Messages: []canon.Message{says(canon.User, text(" \n\t"), text("a")), says(canon.Assistant, text("")), says(canon.User, text("b"))}},
			has: []string{`"messages":[{"role":"user","content":[{"text":"a"},{"text":"b"}]}]`}},
		{name: "results first", model: sonnet, req: canon.Request{Messages: []canon.Message{says(canon.Assistant, canon.Part{Kind: canon.ToolCallPart, ID: q("a:b"), Name: q("t")}), says(canon.User, text("late")),
			says(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, ID: q("a:b"), IsError: canon.Yes, Content: []canon.Part{text("no"), {Kind: canon.ImagePart, Media: canon.Media{Data: q("iVBORw0KGgo=")}}}})}},
			has: []string{`"content":[{"toolResult":{"toolUseId":"call_`, `"content":[{"text":"no"},{"image":{"format":"png","source":{"bytes":"iVBORw0KGgo="}}}],"status":"error"}},{"text":"late"}]`}, hasNot: []string{"a:b"}},
		{name: "thoughts of others", model: sonnet, req: canon.Request{Messages: []canon.Message{says(canon.Assistant, canon.Part{Kind: canon.ReasoningPart, Text: q("hm"), Signature: q("x"), From: canon.Gemini}, canon.Part{Kind: canon.ReasoningPart, Redacted: q("aGk="), From: canon.Bedrock}, text("a"))}},
			has: []string{`"content":[{"reasoningContent":{"redactedContent":"aGk="}},{"text":"a"}]`}, lost: []string{"messages[0].content[0]"}},
		{name: "media by address", model: lite, req: canon.Request{Messages: []canon.Message{says(canon.User,
			canon.Part{Kind: canon.VideoPart, Media: canon.Media{URL: q("s3://b/film.mp4")}}, canon.Part{Kind: canon.ImagePart, Media: canon.Media{URL: q("https://a.example/x.png")}},
			canon.Part{Kind: canon.DocumentPart, Text: q("plain"), Media: canon.Media{Name: q("a/b!  c.final.txt")}}, canon.Part{Kind: canon.AudioPart, Media: canon.Media{Type: q("audio/wav"), Data: q("UklGRg==")}})}},
			has:  []string{`{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://b/film.mp4"}}}}`, `{"document":{"format":"txt","name":"a b c final","source":{"bytes":"cGxhaW4="}}}`, `{"audio":{"format":"wav","source":{"bytes":"UklGRg=="}}}`},
			lost: []string{"messages[0].content[1]"}},
		{name: "too warm", model: lite, req: canon.Request{Temperature: canon.Raw("1.6")}, has: []string{`"temperature":1`}, hasNot: []string{"1.6"}, lost: []string{"temperature"}},
	} {
		got, lost := sent(t, c.model, &c.req)
		for _, s := range c.has {
			if !strings.Contains(got, s) {
				t.Errorf("%s: no %s in %s", c.name, s, got)
			}
		}
		for _, s := range c.hasNot {
			if strings.Contains(got, s) {
				t.Errorf("%s: there is %s in %s", c.name, s, got)
			}
		}
		if slices.Sort(lost); !slices.Equal(lost, c.lost) {
			t.Errorf("%s: lost %q, want %q", c.name, lost, c.lost)
		}
	}
}

// TestIDsOfCallsStayOnes: what the API would refuse becomes something else, the
// same for call and result, and different for different ids.
func TestIDsOfCallsStayOnes(t *testing.T) {
	long := strings.Repeat("x", 65)
	got, _ := sent(t, sonnet, &canon.Request{Messages: []canon.Message{
		says(canon.Assistant, canon.Part{Kind: canon.ToolCallPart, ID: q("a.b"), Name: q("t")}, canon.Part{Kind: canon.ToolCallPart, ID: q(long), Name: q("t")}, canon.Part{Kind: canon.ToolCallPart, ID: q("ok_1-2"), Name: q("t")}),
		says(canon.ToolRole, canon.Part{Kind: canon.ToolResultPart, ID: q("a.b")}, canon.Part{Kind: canon.ToolResultPart, ID: q(long)}, canon.Part{Kind: canon.ToolResultPart, ID: q("ok_1-2")}),
	}})
	ids := map[string]int{}
	for _, part := range strings.Split(got, `"toolUseId":"`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids[id]++
		if len(id) > 64 || strings.ContainsAny(id, ". ") {
			t.Errorf("id %q", id)
		}
	}
	if len(ids) != 3 || ids["ok_1-2"] != 2 {
		t.Errorf("ids %v", ids)
	}
}

func TestAnswers(t *testing.T) {
	var a canon.Answer
	bad := bedrock.Format{}.ReadAnswer([]byte(`{"output":{"message":{"role":"assistant","content":[
		{"reasoningContent":{"redactedContent":"aGk="}},
		{"citationsContent":{"content":[{"text":"Paris"},{"text":"."}],"citations":[{"title":"T","sourceContent":[{"text":"quoted"}],"location":{"web":{"url":"https://a.example"}}}]}},
		{"toolUse":{"toolUseId":"s","name":"nova_grounding","type":"server_tool_use","input":{}}},
		{"image":{"format":"jpeg","source":{"bytes":"/9j/"}}},{"guardContent":{}}]}},
		"stopReason":"stop_sequence","additionalModelResponseFields":{"stop_sequence":"END"},"serviceTier":{"type":"flex"},
		"usage":{"inputTokens":3,"outputTokens":2,"cacheReadInputTokens":7,"cacheWriteInputTokens":9,"cacheDetails":[{"ttl":"5m","inputTokens":4},{"ttl":"1h","inputTokens":5}]}}`), &a)
	if bad != nil {
		t.Fatal(bad)
	}
	c := a.Choices[0]
	kinds := []canon.Kind{}
	for i := range c.Parts {
		kinds = append(kinds, c.Parts[i].Kind)
	}
	if !slices.Equal(kinds, []canon.Kind{canon.ReasoningPart, canon.TextPart, canon.OpaquePart, canon.ImagePart, canon.OpaquePart}) {
		t.Errorf("kinds %v", kinds)
	}
	cite := c.Parts[1].Citations[0]
	if !c.Parts[1].Text.Is("Paris.") || !cite.URL.Is("https://a.example") || !cite.Quote.Is("quoted") || !cite.Title.Is("T") || !c.Parts[3].Media.Type.Is("image/jpeg") {
		t.Errorf("parts %+v", c.Parts)
	}
	u := a.Usage
	if u.Input != 3 || u.CacheRead != 7 || u.CacheWrite != 9 || u.CacheWriteHour != 5 || u.Output != 2 || !a.ServiceTier.Is("flex") || !c.StopText.Is("END") || c.Stop != canon.StopSequence {
		t.Errorf("%+v %+v", a, u)
	}
	again := bedrock.Format{}.AppendAnswer(nil, &a)
	var b canon.Answer
	if bad := (bedrock.Format{}).ReadAnswer(again, &b); bad != nil || essence(&a) != essence(&b) || len(b.Choices[0].Parts) != 5 {
		t.Errorf("%v: %s", bad, again)
	}
}

func TestStopReasons(t *testing.T) {
	for reason, want := range map[string]canon.Stop{
		"end_turn": canon.StopEnd, "tool_use": canon.StopTools, "max_tokens": canon.StopLength, "stop_sequence": canon.StopSequence,
		"guardrail_intervened": canon.StopFilter, "content_filtered": canon.StopFilter, "malformed_model_output": canon.StopError,
		"malformed_tool_use": canon.StopError, "model_context_window_exceeded": canon.StopContext, "something_new": canon.StopUnset,
	} {
		var a canon.Answer
		body := `{"output":{"message":{"content":[]}},"stopReason":"` + reason + `"}`
		if bad := (bedrock.Format{}).ReadAnswer([]byte(body), &a); bad != nil || a.Choices[0].Stop != want || !a.Choices[0].StopRaw.Is(reason) {
			t.Errorf("%s: %v %+v", reason, bad, a)
		}
	}
}

// TestWhatIsNoAnswer is a typed error.
func TestWhatIsNoAnswer(t *testing.T) {
	for body, want := range map[string]*fault.Kind{
		``: fault.UpstreamGarbage, `[]`: fault.UpstreamGarbage, `{}`: fault.UpstreamGarbage, `{"output":{}}`: fault.UpstreamGarbage,
		`{"output":{"message":{"content":[{"text":"a"}]}}`: fault.UpstreamGarbage,
		`{"message":"no"}`: fault.UpstreamError,
	} {
		var a canon.Answer
		if bad := (bedrock.Format{}).ReadAnswer([]byte(body), &a); bad == nil || bad.Kind != want {
			t.Errorf("%s: %v", body, bad)
		}
	}
}

// TestRefusalsShowNoSecret: of a message that repeats the secret, that is cut
// out.
func TestRefusalsShowNoSecret(t *testing.T) {
	f := bedrock.Format{}.ReadRefusal(400, []byte(`{"message":"bad key SECRETSECRETSECRET here"}`), "SECRETSECRETSECRET")
	if f.Kind != fault.UpstreamRejected || strings.Contains(f.Public(), "SECRET") || !strings.Contains(f.Public(), "bad key") {
		t.Error(f.Public())
	}
	if f := (bedrock.Format{}).ReadRefusal(400, []byte(`<html>SECRET</html>`), "x"); strings.Contains(f.Public(), "SECRET") {
		t.Error(f.Public())
	}
}

// events reads a stream whose events are objects that name themselves.
func events(lines ...string) (*canon.Fold, error) {
	var whole canon.Fold
	r := bedrock.Format{}.NewReader()
	for _, l := range lines {
		if err := r.Read(nil, []byte(l), whole.Add); err != nil {
			return &whole, err
		}
	}
	return &whole, r.End(whole.Add)
}

func TestStreams(t *testing.T) {
	got, err := events(
		`{"messageStart":{"role":"assistant"}}`,
		`{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig"}}}}`,
		`{"contentBlockStop":{"contentBlockIndex":0}}`,
		`{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"aGk="}}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":2,"delta":{"text":"see"}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":2,"delta":{"citation":{"title":"T"}}}}`,
		`{"contentBlockStart":{"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"s","name":"x","type":"server_tool_use"}}}}`,
		`{"contentBlockDelta":{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{}"}}}}`,
		`{"contentBlockStop":{"contentBlockIndex":3}}`,
		`{"contentBlockStart":{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"c","name":"f"}}}}`,
		`{"contentBlockStop":{"contentBlockIndex":4}}`,
		`{"somethingNew":{"a":1}}`,
		`{"messageStop":{"stopReason":"stop_sequence","additionalModelResponseFields":{"delta":{"stop_sequence":"END"}}}}`,
		`{"metadata":{"usage":{"inputTokens":1,"outputTokens":2},"serviceTier":{"type":"default"}}}`,
	)
	if err != nil || !got.Done {
		t.Fatal(err)
	}
	want := "call f({})\ntext \"see\"\nthought \"hmaGk=\" signed \"sig\"\nstop 4\nin 1, read 0, written 0, out 2\n"
	if x := essence(&got.Answer); x != want {
		t.Errorf("%s\nwant %s", x, want)
	}
	c := got.Answer.Choices[0]
	if !c.StopText.Is("END") || len(c.Parts) != 4 || len(c.Parts[2].Citations) != 1 || c.Parts[0].From != canon.Bedrock {
		t.Errorf("%+v", c)
	}
}

func TestStreamsOutOfOrder(t *testing.T) {
	const start, stop = `{"messageStart":{"role":"assistant"}}`, `{"messageStop":{"stopReason":"end_turn"}}`
	for _, lines := range [][]string{
		{start, start}, {stop, start}, {stop, stop},
		{start, stop, `{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"late"}}}`},
		{`{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"text":"a"}}}`, `{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"b"}}}`},
		{start, `[1]`}, {start, `{"contentBlockDelta":[]}`}, {start, `{"contentBlockDelta":{}}`},
	} {
		_, err := events(lines...)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.UpstreamGarbage {
			t.Errorf("%v: %v", lines, err)
		}
	}
}
