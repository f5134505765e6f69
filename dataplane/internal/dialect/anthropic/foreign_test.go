package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// foreign is an answer with all that other dialects may hold.
func foreign() canon.Answer {
	q := canon.Quote
	return canon.Answer{
		From: canon.Gemini, ID: q("chatcmpl-1"), Model: q("g"), Created: 7, Fingerprint: q("fp"), ServiceTier: q("default"),
		Usage: canon.Usage{Reported: true, Input: 5, CacheRead: 2, CacheWrite: 3, CacheWriteHour: 1, Output: 9, Reasoning: 4, AudioInput: 1, ImageOutput: 2, Searches: 1, Cost: canon.Raw("0.25")},
		Choices: []canon.Choice{
			{Stop: canon.StopFilter, StopRaw: q("SAFETY"), LogProbs: canon.Raw(`[1]`), Parts: []canon.Part{
				{Kind: canon.ReasoningPart, Text: q("hm"), Signature: q("sig/na+ture=="), ID: q("rs_1"), From: canon.Responses},
				{Kind: canon.ReasoningPart, Redacted: q("secret"), From: canon.Responses},
				{Kind: canon.ReasoningPart, Text: q("bare"), From: canon.Gemini},
				{Kind: canon.ImagePart, Media: canon.Media{Type: q("image/png"), Data: q("aGk=")}},
				{Kind: canon.TextPart, Text: q("see\n"), Citations: []canon.Citation{{URL: q("https://a.example"), Title: q("A"), Start: 1, End: 3, Raw: canon.Raw(`{"x":1}`), From: canon.Responses}}},
				{Kind: canon.RefusalPart, Text: q("no")},
				{Kind: canon.ToolCallPart, ID: q("c1"), Name: q("f"), Args: canon.Raw(`{"a":1}`), Signature: q("gs"), From: canon.Gemini},
				{Kind: canon.ToolCallPart, ID: q("c2"), Name: q("f"), Args: canon.Raw(`{"a": "br`)},
				{Kind: canon.ToolCallPart, ID: q("c3"), Name: q("patch"), Custom: true, Args: canon.Raw(`"*** \"x\"\n"`)},
				{Kind: canon.OpaquePart, Raw: canon.Raw(`{"type":"web_search_call"}`), From: canon.Responses},
			}},
		},
	}
}

func TestForeignAnswer(t *testing.T) {
	a := foreign()
	a.Choices = append(a.Choices, canon.Choice{Index: 1, Stop: canon.StopEnd, StopRaw: canon.Quote("STOP"), Parts: []canon.Part{{Kind: canon.TextPart, Text: canon.Quote("two")}}})
	body := Format{}.AppendAnswer(nil, &a)
	if !json.Valid(body) {
		t.Fatalf("%s", body)
	}
	var b canon.Answer
	if f := (Format{}).ReadAnswer(body, &b); f != nil {
		t.Fatal(f)
	}
	if x, y := shown(&a, true), shown(&b, true); x != y {
		t.Errorf("wrote %s\nread %s\nas %s", x, y, body)
	}
	if b.Created != 7 || !b.Fingerprint.Is("fp") || !b.ServiceTier.Is("default") || string(b.Usage.Cost) != "0.25" || string(b.Choices[0].LogProbs) != "[1]" {
		t.Errorf("read %+v", b)
	}
	for i, p := range b.Choices[0].Parts {
		want := a.Choices[0].Parts[i]
		if p.From != want.From && p.Kind == canon.ReasoningPart && (p.Signature != nil || p.Redacted != nil) {
			t.Errorf("part %d is of %q, was of %q", i, p.From, want.From)
		}
	}
	// SDKs know these alone.
	var plain struct {
		StopReason string `json:"stop_reason"`
		Content    []struct{ Type string }
	}
	json.Unmarshal(body, &plain)
	if plain.StopReason != "refusal" || len(plain.Content) != 8 {
		t.Errorf("SDKs see %+v", plain)
	}
	for _, c := range plain.Content {
		if !oneOf(c.Type, "text", "tool_use", "thinking", "redacted_thinking") {
			t.Errorf("SDKs see a block %s", c.Type)
		}
	}
}

// emitted gives an answer as a stream of events. Calls overlap, as some
// dialects' do.
func emitted(a *canon.Answer, emit canon.Emit) {
	emit(&canon.Event{Kind: canon.HeadEvent, From: a.From, ID: a.ID, Model: a.Model, Created: a.Created, Fingerprint: a.Fingerprint})
	var open []int
	for i, p := range a.Choices[0].Parts {
		ev := canon.Event{Kind: canon.BeginEvent, Index: i, Part: p}
		text := p.Text
		if ev.Part.Text = nil; p.Kind == canon.ToolCallPart {
			ev.Part.Args, text = nil, canon.Text(p.Args)
			if !p.Custom {
				text = canon.Quote(string(p.Args))
			}
		}
		ev.Part.Signature, ev.Part.Citations = nil, nil
		emit(&ev)
		half := len(text) / 2
		if half > 1 && text[half-1] != '\\' {
			emit(&canon.Event{Kind: canon.DeltaEvent, Index: i, Text: append(append(canon.Text{}, text[:half]...), '"')})
			text = append(canon.Text{'"'}, text[half:]...)
		}
		if len(text) > 2 {
			emit(&canon.Event{Kind: canon.DeltaEvent, Index: i, Text: text})
		}
		if p.Signature != nil {
			emit(&canon.Event{Kind: canon.SignatureEvent, Index: i, Text: p.Signature})
		}
		if p.Citations != nil {
			emit(&canon.Event{Kind: canon.CitationEvent, Index: i, Part: canon.Part{Citations: p.Citations}})
		}
		if p.Kind == canon.ToolCallPart {
			open = append(open, i)
			continue
		}
		emit(&canon.Event{Kind: canon.EndEvent, Index: i})
	}
	for _, i := range open {
		emit(&canon.Event{Kind: canon.EndEvent, Index: i})
	}
	emit(&canon.Event{Kind: canon.FinishEvent, Stop: a.Choices[0].Stop, StopRaw: a.Choices[0].StopRaw})
	emit(&canon.Event{Kind: canon.UsageEvent, Usage: a.Usage})
	emit(&canon.Event{Kind: canon.DoneEvent})
}

func TestForeignStream(t *testing.T) {
	a := foreign()
	w := written{w: Format{}.NewWriter(nil)}
	emitted(&a, w.add)
	f, err := fold(w.out)
	if err != nil || !f.Done {
		t.Fatalf("%s: %v", w.out, err)
	}
	// Parts that no block can hold come where the stream was then.
	if x, y := shown(&a, true), shown(&f.Answer, true); x != y {
		t.Errorf("wrote %s\nread %s\nas %s", x, y, w.out)
	}
	blocks(t, w.out)
}

// blocks checks the order that SDKs count on: blocks follow each other.
func blocks(t *testing.T, wire []byte) {
	t.Helper()
	open, next := -1, 0
	for _, line := range strings.Split(string(wire), "\n") {
		payload, found := strings.CutPrefix(line, "data: ")
		if !found {
			continue
		}
		var e struct {
			Type  string
			Index int
		}
		if err := json.Unmarshal([]byte(payload), &e); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		switch e.Type {
		case "content_block_start":
			if open >= 0 || e.Index != next {
				t.Errorf("block %d starts while %d is open and %d is next", e.Index, open, next)
			}
			open = e.Index
			next++
		case "content_block_delta", "content_block_stop":
			if e.Index != open {
				t.Errorf("%s of block %d while %d is open", e.Type, e.Index, open)
			}
			if e.Type == "content_block_stop" {
				open = -1
			}
		}
	}
}

// A part that waits too long is written among others: nothing is lost, and
// memory is bounded.
func TestMuchWaits(t *testing.T) {
	w := written{w: Format{}.NewWriter(nil)}
	for i := range 2 {
		w.add(&canon.Event{Kind: canon.BeginEvent, Index: i, Part: canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote("c"), Name: canon.Quote("f")}})
	}
	more := canon.Quote(strings.Repeat("x", 100<<10))
	for range 30 {
		w.add(&canon.Event{Kind: canon.DeltaEvent, Index: 1, Text: more})
	}
	if got := len(w.out); got < 2<<20 {
		t.Errorf("%d bytes were written, so %d are held", got, 3<<20-got)
	}
	w.add(&canon.Event{Kind: canon.DoneEvent})
	f, err := fold(w.out)
	if err != nil || len(f.Answer.Choices[0].Parts[1].Args) != 30*100<<10 {
		t.Fatalf("%v", err)
	}
}

// What comes back from callers goes to its own provider alone.
func TestSignaturesComeBack(t *testing.T) {
	a := foreign()
	body := Format{}.AppendAnswer(nil, &a)
	var m struct{ Content json.RawMessage }
	json.Unmarshal(body, &m)
	next := `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":` + string(m.Content) + `}]}`
	var req canon.Request
	if f := (Format{}).ReadRequest([]byte(next), &req); f != nil {
		t.Fatal(f)
	}
	p := req.Messages[0].Parts
	if p[0].From != canon.Responses || !p[0].ID.Is("rs_1") || !p[0].Signature.Is("sig/na+ture==") || !p[1].Redacted.Is("secret") {
		t.Errorf("thoughts came back as %+v, %+v", p[0], p[1])
	}
	var lost canon.Losses
	out, _ := Format{}.AppendRequest(nil, &req, &canon.Target{}, &lost)
	if bytes.Contains(out, []byte("tollgate")) || bytes.Contains(out, []byte("secret")) || bytes.Contains(out, []byte("gs")) {
		t.Errorf("the API gets another's: %s", out)
	}
	if len(lost) < 4 {
		t.Errorf("lost %v", lost)
	}
}

func TestFaults(t *testing.T) {
	f := fault.New(fault.MissingField, "x \"y\" is missing", nil).WithParam("x")
	var e struct {
		Type, Request string
		Error         struct {
			Type, Message, Code, Param, Fix string
			Doc                             string `json:"doc_url"`
		}
		ID string `json:"request_id"`
	}
	if err := json.Unmarshal(Format{}.AppendFault(nil, f, "req_1"), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != "error" || e.ID != "req_1" || e.Error.Type != "invalid_request_error" || e.Error.Message != `x "y" is missing` ||
		e.Error.Code != "missing_field" || e.Error.Param != "x" || e.Error.Fix == "" || !strings.HasSuffix(e.Error.Doc, "missing_field.md") {
		t.Errorf("%+v", e)
	}
	for k, want := range map[*fault.Kind]string{
		fault.InvalidKey: "authentication_error", fault.ModelNotFound: "not_found_error", fault.BodyTooLarge: "request_too_large",
		fault.UpstreamRateLimited: "rate_limit_error", fault.Overloaded: "overloaded_error", fault.Internal: "api_error",
		fault.UpstreamTimeout: "timeout_error", fault.ModelNotAllowed: "permission_error", fault.ValidationFailed: "invalid_request_error",
	} {
		if got := typeOf(k.Status); got != want {
			t.Errorf("%s is %s, want %s", k.Code, got, want)
		}
	}
	ev := string(Format{}.AppendFaultEvent(nil, f, "req_1"))
	if !strings.HasPrefix(ev, "event: error\ndata: {") || !strings.HasSuffix(ev, "}\n\n") || strings.Count(ev, "\n") != 3 {
		t.Errorf("%q", ev)
	}
}

func TestRefusals(t *testing.T) {
	body := func(typ, message string) string {
		return `{"type":"error","error":{"type":"` + typ + `","message":"` + message + `","details":{"error_code":"image_dimensions_too_large"}},"request_id":"r"}`
	}
	for _, c := range []struct {
		status int
		body   string
		kind   *fault.Kind
		seen   int
	}{
		{400, body("invalid_request_error", "max_tokens: too big sk-ant-secret"), fault.UpstreamRejected, 400},
		{200, body("invalid_request_error", "no"), fault.UpstreamRejected, 400},
		{200, body("overloaded_error", "Overloaded"), fault.UpstreamError, 502},
		{200, body("rate_limit_error", "slow"), fault.UpstreamRateLimited, 429},
		{529, body("overloaded_error", "Overloaded"), fault.UpstreamError, 502},
		{401, body("authentication_error", "invalid x-api-key"), fault.UpstreamAuth, 502},
		{413, body("request_too_large", "too large"), fault.UpstreamRejected, 413},
		{500, `<html>`, fault.UpstreamError, 502},
	} {
		f := Format{}.ReadRefusal(c.status, []byte(c.body), "sk-ant-secret")
		if f.Kind != c.kind || f.HTTPStatus() != c.seen || strings.Contains(f.Public(), "sk-ant") {
			t.Errorf("%d %s: %v", c.status, c.body, f)
		}
		if c.seen == 400 && f.Code != "image_dimensions_too_large" {
			t.Errorf("the code is %s", f.Code)
		}
	}
	var a canon.Answer
	if f := (Format{}).ReadAnswer([]byte(body("api_error", "x")), &a); f == nil || f.Kind != fault.UpstreamError {
		t.Errorf("an error in an answer gives %v", f)
	}
	_, err := fold([]byte("event: error\ndata: " + body("overloaded_error", "x") + "\n\n"))
	if !errors.Is(err, fault.New(fault.UpstreamError, "", nil)) {
		t.Errorf("an error in a stream gives %v", err)
	}
}

// Streams that do not keep to the order are typed errors.
func TestBrokenStreams(t *testing.T) {
	start := `{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`
	block := `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	for _, c := range []struct {
		events []string
		kind   *fault.Kind
	}{
		{[]string{block}, fault.UpstreamGarbage},
		{[]string{start, start}, fault.UpstreamGarbage},
		{[]string{start, `{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}}`}, fault.UpstreamGarbage},
		{[]string{start, block, block[:20]}, fault.UpstreamGarbage},
		{[]string{start, block}, fault.UpstreamReset},
		{[]string{`{"type":"message_stop"}`}, fault.UpstreamGarbage},
		{[]string{start, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":5}}`}, fault.UpstreamGarbage},
		{[]string{`[1]`}, fault.UpstreamGarbage},
		{nil, fault.UpstreamReset},
	} {
		wire := ""
		for _, e := range c.events {
			wire += "data: " + e + "\n\n"
		}
		_, err := fold([]byte(wire))
		if !errors.Is(err, fault.New(c.kind, "", nil)) {
			t.Errorf("%v: %v, want %s", c.events, err, c.kind.Code)
		}
	}
	// Two ends that some providers leave out.
	wire := "data: " + start + "\n\ndata: " + block + "\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
	if f, err := fold([]byte(wire)); err != nil || !f.Done {
		t.Errorf("a finished stream without its last event: %v", err)
	}
}

func TestCountTokens(t *testing.T) {
	n, f := ReadTokenCount(AppendTokenCount(nil, 42))
	if n != 42 || f != nil {
		t.Errorf("%d %v", n, f)
	}
	for body, kind := range map[string]*fault.Kind{
		`{}`: fault.UpstreamGarbage, `{"input_tokens":-1}`: fault.UpstreamGarbage, `{`: fault.UpstreamGarbage,
		`{"type":"error","error":{"type":"not_found_error","message":"model: x"}}`: fault.UpstreamRejected,
	} {
		if _, f := ReadTokenCount([]byte(body)); f == nil || f.Kind != kind {
			t.Errorf("%s: %v", body, f)
		}
	}
	if n, f := ReadTokenCount(recordings.Read(t, recordings.Dir(t)+"/agentgateway/response/anthropic/count_tokens.json")); n != 42 || f != nil {
		t.Errorf("%d %v", n, f)
	}
}
