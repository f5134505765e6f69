package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// event names the canonical events that a table of them needs.
func begin(index int, p canon.Part) canon.Event {
	return canon.Event{Kind: canon.BeginEvent, Index: index, Part: p}
}

func delta(index int, s string) canon.Event {
	return canon.Event{Kind: canon.DeltaEvent, Index: index, Text: canon.Quote(s)}
}

func end(index int) canon.Event { return canon.Event{Kind: canon.EndEvent, Index: index} }

func write(events ...canon.Event) []byte {
	w := format.NewWriter(&canon.Request{})
	var b []byte
	for i := range events {
		b = w.Append(b, &events[i])
	}
	return b
}

var foreign = []canon.Event{
	{Kind: canon.HeadEvent, From: canon.Anthropic, ID: canon.Quote("msg_1"), Model: canon.Quote("claude"), Created: 7},
	begin(0, canon.Part{Kind: canon.ReasoningPart}), delta(0, "thin"), delta(0, "king"),
	{Kind: canon.SignatureEvent, Index: 0, Text: canon.Quote("EqoB")}, end(0),
	begin(1, canon.Part{Kind: canon.ReasoningPart, Redacted: canon.Quote("blob")}), end(1),
	begin(2, canon.Part{}), delta(2, "He said \"hi\""),
	{Kind: canon.LogProbsEvent, Index: 2, Raw: canon.Raw(`{"content":[{"token":"He","logprob":-1}]}`)},
	{Kind: canon.CitationEvent, Index: 2, Part: canon.Part{Citations: []canon.Citation{{URL: canon.Quote("https://x"), Quote: canon.Quote("q"), From: canon.Anthropic, Raw: canon.Raw(`{"a":1}`)}}}},
	end(2),
	begin(3, canon.Part{}), delta(3, "more"), end(3),
	begin(4, canon.Part{Kind: canon.OpaquePart, From: canon.Anthropic, Raw: canon.Raw(`{"type":"server_tool_use"}`)}), end(4),
	begin(5, canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("t1"), Name: canon.Quote("f")}), delta(5, `{"a":`),
	begin(6, canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("t2"), Name: canon.Quote("g"), Custom: true}), delta(6, "free"),
	delta(5, `1}`), end(6), end(5),
	begin(7, canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("t3"), Name: canon.Quote("h")}), end(7),
	begin(8, canon.Part{Kind: canon.RefusalPart}), delta(8, "no"), end(8),
	{Kind: canon.FinishEvent, Stop: canon.StopSequence, StopText: canon.Quote("###"), StopRaw: canon.Quote("stop_sequence")},
	{Kind: canon.UsageEvent, Usage: canon.Usage{Reported: true, Input: 5, CacheRead: 2, CacheWrite: 3, Output: 9, Reasoning: 4, Searches: 1, From: canon.Anthropic}},
	{Kind: canon.DoneEvent},
}

func TestStreamOfAnother(t *testing.T) {
	var want canon.Fold
	for i := range foreign {
		if err := want.Add(&foreign[i]); err != nil {
			t.Fatal(err)
		}
	}
	all := payloads(t, write(foreign...))
	checkEvents(t, "written", all)
	got, err := follow(all)
	if err != nil {
		t.Fatal(err)
	}
	a, b := &want.Answer.Choices[0], &got.Answer.Choices[0]
	if b.Stop != a.Stop || !b.StopText.Is("###") || !b.StopRaw.Is("stop_sequence") {
		t.Errorf("stopped at %v %s %s", b.Stop, b.StopText, b.StopRaw)
	}
	if len(a.Parts) != len(b.Parts) {
		t.Fatalf("%d parts became %d: %+v", len(a.Parts), len(b.Parts), b.Parts)
	}
	for i := range a.Parts {
		x, y := &a.Parts[i], &b.Parts[i]
		args := string(x.Args)
		if x.Kind == canon.ToolCallPart && args == "" {
			args = "{}" // none
		}
		if x.Kind != y.Kind || x.Text.String() != y.Text.String() || x.Signature.String() != y.Signature.String() ||
			x.Redacted.String() != y.Redacted.String() || args != string(y.Args) || x.ID.String() != y.ID.String() && x.ID != nil ||
			x.Name.String() != y.Name.String() || string(x.Raw) != string(y.Raw) || len(x.Citations) != len(y.Citations) {
			t.Errorf("part %d was %+v, is %+v", i, x, y)
		}
		if x.Kind == canon.ReasoningPart && y.From != canon.Anthropic {
			t.Errorf("part %d is from %q", i, y.From)
		}
	}
	c := b.Parts[2].Citations[0]
	if !c.URL.Is("https://x") || !c.Quote.Is("q") || string(c.Raw) != `{"a":1}` || c.From != canon.Anthropic {
		t.Errorf("the citation became %+v", c)
	}
	u := got.Answer.Usage
	u.Raw, u.From = nil, canon.Anthropic
	w := want.Answer.Usage
	if fmt.Sprint(u) != fmt.Sprint(w) {
		t.Errorf("usage was %+v, is %+v", w, u)
	}
	// A plain answer of the same says the same.
	var plain canon.Answer
	if f := format.ReadAnswer(format.AppendAnswer(nil, &want.Answer), &plain); f != nil {
		t.Fatal(f)
	}
	x, y := essenceOf(&plain), essenceOf(&got.Answer)
	x.LogProbs, y.LogProbs = 0, 0
	// Text of several parts is one message in both, calls are in order.
	same(t, "plain and streamed", x, y)
}

func TestStopReasonsSurvive(t *testing.T) {
	for s := canon.StopEnd; s <= canon.StopError; s++ {
		a := canon.Answer{From: canon.Bedrock, Choices: []canon.Choice{{Stop: s, StopRaw: canon.Quote("raw"), Parts: []canon.Part{{Text: canon.Quote("x")}}}}}
		var b canon.Answer
		if f := format.ReadAnswer(format.AppendAnswer(nil, &a), &b); f != nil || b.Choices[0].Stop != s || !b.Choices[0].StopRaw.Is("raw") {
			t.Errorf("stop %d became %+v: %v", s, b.Choices, f)
		}
	}
	for body, want := range map[string]canon.Stop{
		`{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`: canon.StopLength,
		`{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}`:    canon.StopFilter,
		`{"status":"incomplete","output":[]}`:                                                     canon.StopLength,
		`{"status":"queued","output":[]}`:                                                         canon.StopUnset,
		`{"status":"completed","output":[]}`:                                                      canon.StopEnd,
	} {
		var a canon.Answer
		if f := format.ReadAnswer([]byte(body), &a); f != nil || a.Choices[0].Stop != want {
			t.Errorf("%s: %v %v", body, a.Choices, f)
		}
		again := object(t, format.AppendAnswer(nil, &a))
		was := object(t, []byte(body))
		if again["status"] != was["status"] || fmt.Sprint(again["incomplete_details"]) != fmt.Sprint(was["incomplete_details"]) {
			t.Errorf("%s became %v %v", body, again["status"], again["incomplete_details"])
		}
	}
}

func TestErrorsInsideOfAnswers(t *testing.T) {
	for _, c := range []struct {
		body string
		kind *fault.Kind
	}{
		{`{"error":{"message":"x","type":"server_error","code":null}}`, fault.UpstreamError},
		{`{"status":"failed","error":{"code":"rate_limit_exceeded","message":"x"},"output":[]}`, fault.UpstreamRateLimited},
		{`{"status":"failed","error":{"code":"server_error","message":"x"},"output":[]}`, fault.UpstreamError},
		{`{"status":"failed","output":[]}`, fault.UpstreamError},
		{`{"error":{"message":"bad","type":"invalid_request_error","param":"input"}}`, fault.UpstreamRejected},
		{`{"object":"response"}`, fault.UpstreamGarbage},
		{`<html>`, fault.UpstreamGarbage}, {``, fault.UpstreamGarbage}, {`[]`, fault.UpstreamGarbage}, {`{"output":[}`, fault.UpstreamGarbage},
	} {
		var a canon.Answer
		if f := format.ReadAnswer([]byte(c.body), &a); f == nil || f.Kind != c.kind {
			t.Errorf("%s: %v", c.body, f)
		}
	}
	for _, c := range []struct {
		data string
		kind *fault.Kind
	}{
		{`{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null,"sequence_number":1}`, fault.UpstreamRateLimited},
		{`{"type":"error","error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"long","param":"input"}}`, fault.UpstreamRejected},
		{`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"}}}`, fault.UpstreamError},
		{`{"error":{"message":"x"}}`, fault.UpstreamError},
		{`{}`, fault.UpstreamGarbage}, {`nonsense`, fault.UpstreamGarbage}, {`{"type":"response.completed"}`, fault.UpstreamGarbage},
		{`{"type":"response.output_item.done","item":3}`, fault.UpstreamGarbage},
	} {
		_, err := follow([][]byte{[]byte(c.data)})
		if f := fault.From(err); err == nil || f.Kind != c.kind {
			t.Errorf("%s: %v", c.data, err)
		}
	}
	if _, err := follow(nil); fault.From(err).Kind != fault.UpstreamReset {
		t.Errorf("a stream of nothing: %v", err)
	}
}

// TestFaultsOfStreams: SDKs raise at an event with an error, and find the
// response failed.
func TestFaultsOfStreams(t *testing.T) {
	f := fault.New(fault.UpstreamReset, "", nil)
	for name, b := range map[string][]byte{
		"alone":  format.AppendFaultEvent(nil, f, "req_1"),
		"within": write(foreign[0], begin(0, canon.Part{}), delta(0, "half"), canon.Event{Kind: canon.FailEvent, Fault: f}, delta(0, "late")),
	} {
		all := payloads(t, b)
		failed, raised := object(t, all[len(all)-1]), object(t, all[len(all)-2])
		r := failed["response"].(map[string]any)
		if failed["type"] != "response.failed" || r["status"] != "failed" || r["error"].(map[string]any)["code"] != f.Kind.Code {
			t.Errorf("%s: %s", name, b)
		}
		if raised["type"] != "error" || raised["code"] != f.Kind.Code || raised["error"].(map[string]any)["message"] != f.Public() {
			t.Errorf("%s: %s", name, b)
		}
		if _, err := follow(all); err == nil {
			t.Errorf("%s: no fault was read", name)
		}
	}
	var v struct{ Error struct{ Code string } }
	if json.Unmarshal(format.AppendFault(nil, f, "r"), &v) != nil || v.Error.Code != f.Kind.Code {
		t.Error("the error has no code")
	}
	secret := "sk-abcdefghijklmnopqrstuvwxyz"
	got := format.ReadRefusal(400, []byte(`{"error":{"message":"key `+secret+` is bad","param":"input","code":"x"}}`), secret)
	if got.Kind != fault.UpstreamRejected || strings.Contains(got.Public(), secret) || got.Param != "input" {
		t.Errorf("refusal is %+v", got)
	}
}

// TestLongStreamsAreBounded: what is beyond the bound is sent as it comes and
// left out of the response at the end, which keeps its items and its status.
func TestLongStreamsAreBounded(t *testing.T) {
	w := format.NewWriter(&canon.Request{})
	piece := canon.Event{Kind: canon.DeltaEvent, Text: canon.Quote(strings.Repeat("x", 10000))}
	b := w.Append(nil, &foreign[0])
	open := begin(0, canon.Part{})
	b = w.Append(b, &open)
	sent := 0
	for range 200 {
		b = w.Append(b[:0], &piece)
		sent += 10000 * bytes.Count(b, piece.Text[1:len(piece.Text)-1])
	}
	over := end(0)
	b = w.Append(b[:0], &over)
	for i := 1; i < 20000; i++ {
		part := begin(i, canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("c"), Name: canon.Quote("f")})
		b = w.Append(b[:0], &part)
		piece.Index = i
		b = w.Append(b[:0], &canon.Event{Kind: canon.DeltaEvent, Index: i, Text: canon.Quote(strings.Repeat("y", 100))})
		last := end(i)
		b = w.Append(b[:0], &last)
	}
	finish, done := foreign[len(foreign)-3], foreign[len(foreign)-1]
	b = w.Append(b[:0], &finish)
	b = w.Append(b, &done)
	if sent != 200*10000 {
		t.Errorf("%d bytes of text were sent", sent)
	}
	if len(b) > 1<<20 {
		t.Errorf("the end has %d bytes", len(b))
	}
	all := payloads(t, b)
	r := object(t, all[len(all)-1])["response"].(map[string]any)
	if r["status"] != "completed" || len(r["output"].([]any)) < 1000 {
		t.Errorf("the response at the end has status %v and %d items", r["status"], len(r["output"].([]any)))
	}
}

// TestCutAnywhere: a recording that is cut at any byte gives a fault or what
// it would have given, and never more.
func TestCutAnywhere(t *testing.T) {
	plain := recordings.Glob(t, "agentgateway/response/responses/tool.json", "agentgateway/response/responses/reasoning.json", "vercel-ai/openai/src/responses/__fixtures__/openai-custom-tool.1.json")
	for _, path := range plain {
		body := bytes.TrimSpace(recordings.Read(t, path))
		for i := range body {
			var a canon.Answer
			if f := format.ReadAnswer(body[:i], &a); f == nil {
				t.Fatalf("%s cut at %d was read", short(path), i)
			}
		}
	}
	for _, path := range recordings.Glob(t, "agentgateway/requests/responses/*.json") {
		body := bytes.TrimSpace(recordings.Read(t, path))
		for i := range body {
			var req canon.Request
			if f := format.ReadRequest(body[:i], &req); f == nil || f.Kind != fault.MalformedJSON {
				t.Fatalf("%s cut at %d: %v", short(path), i, f)
			}
		}
	}
	for _, path := range recordings.Glob(t, "agentgateway/response/responses/stream.json", "agentgateway/response/responses/stream-refusal.json", "agentgateway/response/responses/stream-custom-tool.json", "vercel-ai/open-responses/src/responses/__fixtures__/*.chunks.txt") {
		all := payloads(t, recordings.Read(t, path))
		whole, err := follow(all)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range all {
			if string(p) == "[DONE]" {
				continue
			}
			for k := 0; k < len(p); k += 7 {
				cut := append(append([][]byte(nil), all[:i]...), p[:k])
				got, err := follow(cut)
				if err == nil {
					t.Fatalf("%s cut in event %d at %d was read", short(path), i, k)
				}
				if len(got.Answer.Choices) > 0 && len(got.Answer.Choices[0].Parts) > len(whole.Answer.Choices[0].Parts) {
					t.Fatalf("%s cut in event %d at %d has more parts", short(path), i, k)
				}
			}
		}
	}
}
