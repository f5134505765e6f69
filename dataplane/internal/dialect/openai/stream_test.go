package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// foreign is an answer as another dialect may give it, with all that chat
// completions have no place for.
func foreign() *canon.Answer {
	q := canon.Quote
	return &canon.Answer{
		From: canon.Anthropic, ID: q("msg_1"), Model: q("m"), Created: 7,
		Usage: canon.Usage{Reported: true, Input: 5, CacheRead: 4, CacheWrite: 3, CacheWriteHour: 1, Output: 9, Reasoning: 2, Searches: 1},
		Choices: []canon.Choice{{Stop: canon.StopSequence, StopText: q("END"), StopRaw: q("stop_sequence"), Parts: []canon.Part{
			{Kind: canon.ReasoningPart, Text: q("one"), Signature: q("S1"), From: canon.Anthropic},
			{Kind: canon.ReasoningPart, Redacted: q("hidden"), From: canon.Anthropic},
			{Kind: canon.ReasoningPart, Text: q("two"), Signature: q("S2"), From: canon.Anthropic},
			{Kind: canon.TextPart, Text: q("Says \"é\"\n"), Citations: []canon.Citation{
				{Title: q("doc"), Quote: q("said"), Raw: canon.Raw(`{"type":"char_location"}`), From: canon.Anthropic},
				{URL: q("https://x"), Title: q("X"), Start: 1, End: 3, Raw: canon.Raw("{\n\"type\":\"web\"}"), From: canon.Anthropic}}},
			{Kind: canon.ToolCallPart, ID: q("c1"), Name: q("f"), Args: canon.Raw(`{"a":"\"x\" é\n"}`)},
			{Kind: canon.ToolCallPart, ID: q("c2"), Name: q("g"), Args: canon.Raw(`{"b":[1,{"c":2}]}`), Signature: q("TS"), From: canon.Gemini},
			{Kind: canon.OpaquePart, Name: q("server_tool_use"), Raw: canon.Raw(`{"type":"server_tool_use","id":"s"}`), From: canon.Anthropic},
		}}},
	}
}

// events of an answer, as a reader would emit them.
func events(a *canon.Answer, emit canon.Emit) {
	emit(&canon.Event{Kind: canon.HeadEvent, From: a.From, ID: a.ID, Model: a.Model, Created: a.Created})
	for _, c := range a.Choices {
		for i := range c.Parts {
			p := c.Parts[i]
			begin := canon.Part{Kind: p.Kind, ID: p.ID, Name: p.Name, Redacted: p.Redacted, From: p.From, Raw: p.Raw, Custom: p.Custom}
			emit(&canon.Event{Kind: canon.BeginEvent, Index: i, Part: begin})
			text := p.Text
			if p.Kind == canon.ToolCallPart {
				text = canon.Quote(string(p.Args))
			}
			if text != nil {
				emit(&canon.Event{Kind: canon.DeltaEvent, Index: i, Text: text})
			}
			if p.Signature != nil {
				emit(&canon.Event{Kind: canon.SignatureEvent, Index: i, Text: p.Signature})
			}
			if p.Citations != nil {
				emit(&canon.Event{Kind: canon.CitationEvent, Index: i, Part: canon.Part{Citations: p.Citations}})
			}
			emit(&canon.Event{Kind: canon.EndEvent, Index: i})
		}
		emit(&canon.Event{Kind: canon.FinishEvent, Stop: c.Stop, StopText: c.StopText, StopRaw: c.StopRaw})
	}
	emit(&canon.Event{Kind: canon.UsageEvent, Usage: a.Usage})
	emit(&canon.Event{Kind: canon.DoneEvent})
}

// Nothing of another dialect's answer is lost on the way through chat
// completions and back, whole or streamed.
func TestForeignAnswersSurvive(t *testing.T) {
	a := foreign()
	want := essence(a)
	b := Format{}.AppendAnswer(nil, a)
	var again canon.Answer
	if f := (Format{}).ReadAnswer(b, &again); f != nil || essence(&again) != want {
		t.Errorf("whole: %v\n%s\n got %s\nwant %s", f, b, essence(&again), want)
	}
	w := Format{}.NewWriter(&canon.Request{IncludeUsage: true})
	var wire []byte
	events(a, func(ev *canon.Event) error { wire = w.Append(wire, ev); return nil })
	folded, err := readStream(Format{}, dataOf(t, wire))
	if err != nil || essence(folded) != want {
		t.Errorf("streamed: %v\n%s\n got %s\nwant %s", err, wire, essence(folded), want)
	}
	for _, p := range folded.Choices[0].Parts[:3] {
		if p.From != canon.Anthropic {
			t.Errorf("who signed is forgotten: %+v", p)
		}
	}
}

func TestStops(t *testing.T) {
	for stop := canon.StopEnd; stop <= canon.StopError; stop++ {
		a := &canon.Answer{From: canon.Gemini, Choices: []canon.Choice{{Stop: stop}}}
		var again canon.Answer
		if f := (Format{}).ReadAnswer(Format{}.AppendAnswer(nil, a), &again); f != nil || again.Choices[0].Stop != stop {
			t.Errorf("%d became %d, %v", stop, again.Choices[0].Stop, f)
		}
	}
}

// Reasons in the words of other dialects keep what they mean, and come out as
// they were.
func TestBorrowedReasons(t *testing.T) {
	for word, want := range map[string]canon.Stop{
		"max_tokens": canon.StopLength, "MAX_TOKENS": canon.StopLength, "tool_use": canon.StopTools, "TOOL_CALL": canon.StopTools,
		"refusal": canon.StopRefusal, "safety": canon.StopFilter, "STOP": canon.StopEnd, "eos_token": canon.StopEnd, "null": canon.StopUnset,
	} {
		var a, again canon.Answer
		body := []byte(`{"choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"` + word + `"}]}`)
		if f := (Format{}).ReadAnswer(body, &a); f != nil || a.Choices[0].Stop != want {
			t.Errorf("%s: %d, %v", word, a.Choices[0].Stop, f)
			continue
		}
		out := Format{}.AppendAnswer(nil, &a)
		if f := (Format{}).ReadAnswer(out, &again); f != nil || want != canon.StopUnset && (again.Choices[0].Stop != want || !again.Choices[0].StopRaw.Is(word)) {
			t.Errorf("%s came out as %s, %v", word, out, f)
		}
	}
}

// Perplexity repeats all of a message beside each piece of it, and an empty piece
// beside a whole message.
func TestMessageBesideDelta(t *testing.T) {
	const message, delta = `"message":{"role":"assistant","content":"so far %s"}`, `"delta":{"role":"assistant","content":"%s"}`
	for _, order := range []string{message + "," + delta, delta + "," + message} {
		fill := func(piece string) []byte {
			return []byte(`{"id":"1","choices":[{"index":0,` + strings.ReplaceAll(order, "%s", piece) + `,"finish_reason":"stop"}]}`)
		}
		a, err := readStream(Format{}, [][]byte{bytes.Replace(fill("a"), []byte(`"stop"`), []byte("null"), 1), fill("b")})
		if err != nil {
			t.Fatal(err)
		}
		if c := a.Choices[0]; len(c.Parts) != 1 || !c.Parts[0].Text.Is("ab") {
			t.Errorf("%s: %+v", order, c)
		}
		var whole canon.Answer
		if f := (Format{}).ReadAnswer(fill(""), &whole); f != nil || len(whole.Choices[0].Parts) != 1 || !whole.Choices[0].Parts[0].Text.Is("so far ") {
			t.Errorf("%s: %+v, %v", order, whole.Choices, f)
		}
	}
}

// What the reason was in its own dialect says more than the word for it here,
// as providers write it and as it comes back from other dialects.
func TestNativeReasons(t *testing.T) {
	for _, c := range []struct {
		word, native string
		want         canon.Stop
	}{
		{"length", "model_length", canon.StopContext}, {"content_filter", "REFUSAL", canon.StopRefusal},
		{"stop", "insufficient_system_resource", canon.StopError}, {"stop", "STOP", canon.StopEnd},
		{"length", "stop", canon.StopLength}, {"stop", "whatever", canon.StopEnd},
	} {
		f := finishing{reason: canon.Quote(c.word), native: canon.Quote(c.native)}
		if got := f.stop(); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.word, c.native, got, c.want)
		}
	}
}

// A stream goes on after a reason that says there is none yet.
func TestNoReasonYet(t *testing.T) {
	a, err := readStream(Format{}, [][]byte{
		[]byte(`{"id":"1","choices":[{"delta":{"content":"a"},"finish_reason":"null"}]}`),
		[]byte(`{"id":"1","choices":[{"delta":{"content":"b"},"finish_reason":"length"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := a.Choices[0]; len(c.Parts) != 1 || !c.Parts[0].Text.Is("ab") || c.Stop != canon.StopLength {
		t.Errorf("%+v", c)
	}
}

// Streams of providers with habits of their own.
func TestStreamHabits(t *testing.T) {
	for name, c := range map[string]struct{ stream, want string }{
		"calls without numbers": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{\"x\":1}"}}]}}]}`,
			`[["a","f","{}"],["b","g","{\"x\":1}"]]`},
		"all calls numbered 0": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}`, `[["a","f","{}"],["b","g","{}"]]`},
		"all calls numbered 0, without ids": {`{"id":"1","created":5,"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"g","arguments":"{}"}}]}}]}`, `[["call_5_0","f","{}"],["call_5_1","g","{}"]]`},
		"the name again at the end": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}`, `[["a","f","{}"]]`},
		"an id for each piece": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"arguments":"{"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"arguments":"}"}}]}}]}`, `[["a","f","{}"]]`},
		"calls in turns": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":"}},{"index":0,"function":{"arguments":"{\"x\":1"}}]}}]}
{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}},{"index":1,"function":{"arguments":"2}"}}]}}]}`, `[["a","f","{\"x\":1}"],["b","g","{\"y\":2}"]]`},
		"an object for arguments": {`{"id":"1","choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x": "\n"}}}]}}]}`, `[["a","f","{\"x\": \"\\n\"}"]]`},
		"a name after the id":     {`{"id":"1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}` + "\n" + `{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}}]}`, `[["a","f","{}"]]`},
		"a function call":         {`{"id":"1","choices":[{"delta":{"function_call":{"name":"f","arguments":"{"}}}]}` + "\n" + `{"choices":[{"delta":{"function_call":{"arguments":"}"}}}]}`, `[["call_function","f","{}"]]`},
		"no id":                   {`{"id":"1","created":5,"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}`, `[["call_5_0","f","{}"]]`},
	} {
		var calls [][3]string
		a, err := readStream(Format{}, bytes.Split([]byte(c.stream), []byte("\n")))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, p := range a.Choices[0].Parts {
			calls = append(calls, [3]string{p.ID.String(), p.Name.String(), string(p.Args)})
		}
		if got, _ := json.Marshal(calls); string(got) != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Sources may be listed behind the reason for stopping, and belong to the text.
func TestSourcesBehindTheReason(t *testing.T) {
	for _, last := range []string{
		`{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2},"citations":["https://a"]}`,
		`{"id":"1","choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://a"}}]}}]}`,
	} {
		a, err := readStream(Format{}, [][]byte{
			[]byte(`{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}`),
			[]byte(`{"id":"1","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"length"}]}`),
			[]byte(last),
		})
		if err != nil {
			t.Fatal(err)
		}
		c := a.Choices[0]
		if len(c.Parts) != 1 || !c.Parts[0].Text.Is("ab") || len(c.Parts[0].Citations) != 1 || !c.Parts[0].Citations[0].URL.Is("https://a") || c.Stop != canon.StopLength {
			t.Errorf("%s: %+v", last, c)
		}
	}
}

// Parts of a choice do not overlap, but for calls that the provider mixes.
func TestPartsDoNotOverlap(t *testing.T) {
	for _, rec := range all(t) {
		if rec.chunks == nil {
			continue
		}
		open := -1
		r := Format{}.NewReader()
		emit := func(ev *canon.Event) error {
			switch ev.Kind {
			case canon.BeginEvent:
				if open >= 0 {
					t.Errorf("%s: part %d begins in part %d", rec.name, ev.Index, open)
				}
				open = ev.Index
			case canon.EndEvent:
				open = -1
			}
			return nil
		}
		for _, c := range rec.chunks {
			if err := r.Read(nil, c, emit); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	bodies := map[string]*fault.Kind{
		"": fault.UpstreamGarbage, "null": fault.UpstreamGarbage, "[]": fault.UpstreamGarbage, "{}": fault.UpstreamGarbage, "<html>": fault.UpstreamGarbage, "{\n  this isn't json!\n}": fault.UpstreamGarbage,
		`{"choices":[5]}`: fault.UpstreamGarbage, `{"choices":[]} x`: fault.UpstreamGarbage,
		`{"error":{"message":"no"}}`: fault.UpstreamError, `{"object":"error","message":"no"}`: fault.UpstreamError,
	}
	for body, kind := range bodies {
		var a canon.Answer
		if f := (Format{}).ReadAnswer([]byte(body), &a); f == nil || f.Kind != kind {
			t.Errorf("%q: %v", body, f)
		}
	}
	for stream, kind := range map[string]*fault.Kind{
		`{}` + "\n" + "ha this isn't json!":                              fault.UpstreamGarbage,
		`{"id":"1","choices":[{"delta":{"content":"a"}}]}`:               fault.UpstreamReset,
		`{"id":"1","choices":[{}]}` + "\n" + `{"error":{"message":"x"}}`: fault.UpstreamError,
		"": fault.UpstreamReset,
	} {
		r := Format{}.NewReader()
		var err error
		for _, c := range strings.Split(stream, "\n") {
			if c != "" && err == nil {
				err = r.Read(nil, []byte(c), func(*canon.Event) error { return nil })
			}
		}
		if err == nil {
			err = r.End(func(*canon.Event) error { return nil })
		}
		if f := fault.From(err); f.Kind != kind {
			t.Errorf("%q: %v", stream, err)
		}
	}
}

// A recording cut anywhere gives a fault or the same answer.
func TestCutAnywhere(t *testing.T) {
	for _, rec := range all(t) {
		body := rec.body
		if rec.chunks != nil {
			body = rec.chunks[len(rec.chunks)-1]
		}
		step := 1 + len(body)/500
		for n := 0; n < len(body); n += step {
			var a canon.Answer
			f := Format{}.ReadAnswer(body[:n], &a)
			if f == nil && len(bytes.TrimSpace(body[n:])) > 0 {
				t.Fatalf("%s: cut at %d is taken", rec.name, n)
			}
			r := Format{}.NewReader()
			err := r.Read(nil, body[:n], func(*canon.Event) error { return nil })
			if err == nil && len(bytes.TrimSpace(body[n:])) > 0 {
				t.Fatalf("%s: cut at %d is taken", rec.name, n)
			}
			if f, ok := errors.AsType[*fault.Fault](err); err != nil && (!ok || f.Kind != fault.UpstreamGarbage) {
				t.Fatalf("%s: cut at %d: %v", rec.name, n, err)
			}
		}
	}
}

func TestTextCompletions(t *testing.T) {
	var req canon.Request
	if f := (Completions{}).ReadRequest([]byte(`{"model":"m","prompt":["say"],"suffix":"x","echo":true,"max_tokens":5,"logprobs":2,"stop":"a"}`), &req); f != nil {
		t.Fatal(f)
	}
	got, lost := write(t, Format{}, &req, "m")
	want := `{"model":"m","messages":[{"role":"user","content":"say"}],"max_completion_tokens":5,"logprobs":true,"top_logprobs":2,"stop":["a"],"stream":false}`
	if got != want || strings.Join(lost, " ") != "suffix echo" {
		t.Errorf("lost %v\n got %s\nwant %s", lost, got, want)
	}
	for body, kind := range map[string]*fault.Kind{
		`{"model":"m"}`: fault.MissingField, `{"model":"m","prompt":[1,2]}`: fault.BadRequest, `{"model":"m","prompt":["a","b"]}`: fault.BadRequest,
		`{"model":"m","prompt":"a","prompt":"b"}`: fault.BadRequest, `{"model":"m","prompt":"a"`: fault.MalformedJSON, `{"prompt":"a"}`: fault.MissingField,
	} {
		if f := (Completions{}).ReadRequest([]byte(body), &req); f == nil || f.Kind != kind {
			t.Errorf("%s: %v", body, f)
		}
	}
	var a canon.Answer
	body := []byte(`{"id":"cmpl","object":"text_completion","created":5,"model":"m","choices":[{"text":"hi\n","index":0,"logprobs":null,"finish_reason":"length"},{"text":"ho","index":1,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`)
	if f := (Completions{}).ReadAnswer(body, &a); f != nil || len(a.Choices) != 2 || !a.Choices[0].Parts[0].Text.Is("hi\n") || a.Choices[0].Stop != canon.StopLength {
		t.Fatalf("%v %+v", f, a)
	}
	var again canon.Answer
	if f := (Completions{}).ReadAnswer(Completions{}.AppendAnswer(nil, &a), &again); f != nil || essence(&again) != essence(&a) {
		t.Errorf("%v\n%s\n%s", f, essence(&again), essence(&a))
	}
	w := Completions{}.NewWriter(&canon.Request{IncludeUsage: true})
	var wire []byte
	events(&canon.Answer{ID: canon.Quote("x"), Usage: a.Usage, Choices: a.Choices[:1]}, func(ev *canon.Event) error { wire = w.Append(wire, ev); return nil })
	folded, err := readStream(Completions{}, dataOf(t, wire))
	if err != nil || !folded.Choices[0].Parts[0].Text.Is("hi\n") || folded.Choices[0].Stop != canon.StopLength || folded.Usage.Output != 2 {
		t.Errorf("%v %s\n%s", err, essence(folded), wire)
	}
}
