package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

func streamFiles(t testing.TB) []string {
	return recordings.Glob(t, "vercel-ai/google/src/__fixtures__/*.chunks.txt", "agentgateway/response/vertex-gemini/stream*.json")
}

// called are the names and arguments of the calls of each recorded stream.
var called = map[string]string{
	"google-stream-no-args-tool-call.chunks.txt":                                        `read_theme null|read_screen {"id":"A"}|read_screen {"id":"B"}|read_screen {"id":"C"}`,
	"google-stream-tool-call-arguments.chunks.txt":                                      `getWeather {"location":"Boston"}|getWeather {"location":"San Francisco"}`,
	"google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt": `writeItems {"operations":[{"action":"add","description":"Fresh red apple","itemid":"apple_001","price":0.5},{"action":"add","description":"Ripe yellow banana","itemid":"banana_001","price":0.3}]}`,
	"google-tool-call-gemini3.chunks.txt":                                               `weather {"location":"San Francisco"}`,
	"google-tool-call.chunks.txt":                                                       `weather {"location":"San Francisco"}`,
	"stream_tool.json":                                                                  `get_weather {"location":"Tokyo"}`,
}

func calls(a *canon.Answer) string {
	var out []string
	for _, c := range a.Choices {
		for _, p := range c.Parts {
			if p.Kind == canon.ToolCallPart {
				out = append(out, p.Name.String()+" "+string(orNull(p.Args)))
			}
		}
	}
	return strings.Join(out, "|")
}

func TestRecordedStreams(t *testing.T) {
	files := streamFiles(t)
	for _, file := range files {
		events := payloads(recordings.Read(t, file))
		f, err := fold(events)
		if err != nil || !f.Done {
			t.Errorf("%s: %v, done %t", file, err, f.Done)
			continue
		}
		name := file[strings.LastIndexByte(file, '/')+1:]
		got := strings.ReplaceAll(calls(&f.Answer), `": "`, `":"`)
		if want, ok := called[name]; ok && got != want {
			t.Errorf("%s: calls %s", name, got)
		} else if !ok && !strings.Contains(got, `"name":"Lasagna"`) {
			t.Errorf("%s: calls %s", name, got)
		}
		for i, p := range f.Answer.Choices[0].Parts {
			if p.Args != nil && !json.Valid(p.Args) {
				t.Errorf("%s: part %d: %s", name, i, p.Args)
			}
		}
		checkStream(t, name, events, &f.Answer)
		again, err := fold(payloads(rewrite(t, Format{}, events)))
		if err != nil {
			t.Fatalf("%s: written again: %v", name, err)
		}
		same(t, name, &f.Answer, &again.Answer)
		array := fromArray(t, rewrite(t, Format{Array: true}, events))
		if again, err = fold(array); err != nil {
			t.Fatalf("%s: written as an array: %v", name, err)
		}
		same(t, name, &f.Answer, &again.Answer)
	}
	t.Logf("%d streams", len(files))
}

// checkStream compares with what encoding/json finds in the chunks.
func checkStream(t *testing.T, name string, events [][]byte, a *canon.Answer) {
	t.Helper()
	var text, thoughts, signatures string
	var last plainAnswer
	for _, ev := range events {
		var x plainAnswer
		if err := json.Unmarshal(ev, &x); err != nil {
			t.Fatal(err)
		}
		for _, c := range x.Candidates {
			for _, p := range c.Content.Parts {
				signatures += p.ThoughtSignature
				if p.Text != nil && p.Thought {
					thoughts += *p.Text
				} else if p.Text != nil {
					text += *p.Text
				}
			}
		}
		last = x
	}
	for _, c := range a.Choices {
		for _, p := range c.Parts {
			signatures = strings.Replace(signatures, p.Signature.String(), "", 1)
			switch p.Kind {
			case canon.TextPart:
				text = strings.TrimPrefix(text, p.Text.String())
			case canon.ReasoningPart:
				thoughts = strings.TrimPrefix(thoughts, p.Text.String())
			}
		}
	}
	if text+thoughts+signatures != "" {
		t.Errorf("%s: lost text %q, thoughts %q, signatures %q", name, text, thoughts, signatures)
	}
	u := last.UsageMetadata
	if a.Usage.Prompt() != u.PromptTokenCount || a.Usage.Completion() != u.CandidatesTokenCount+u.ThoughtsTokenCount {
		t.Errorf("%s: usage %+v of %+v", name, a.Usage, u)
	}
	if s := a.Choices[0].Stop; s != canon.StopTools {
		t.Errorf("%s: stop %d", name, s)
	}
}

// rewrite sends a stream through reader and writer.
func rewrite(t testing.TB, f Format, events [][]byte) (out []byte) {
	t.Helper()
	r, w := f.NewReader(), f.NewWriter(nil)
	put := func(ev *canon.Event) error { out = w.Append(out, ev); return nil }
	for _, ev := range events {
		if err := r.Read(nil, ev, put); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(put); err != nil {
		t.Fatal(err)
	}
	return out
}

func fromArray(t testing.TB, raw []byte) (events [][]byte) {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, e := range list {
		events = append(events, e)
	}
	return events
}

func TestStreamsCutAnywhereEndWithAFault(t *testing.T) {
	for _, file := range streamFiles(t) {
		if strings.Contains(file, "nested") {
			continue // long, and of the same kinds of events
		}
		events := payloads(recordings.Read(t, file))
		for n := range events {
			f, err := fold(events[:n])
			if !errors.Is(err, fault.New(fault.UpstreamReset, "", nil)) || f.Done {
				t.Fatalf("%s cut after %d events: %v", file, n, err)
			}
			ev := events[n]
			for i := 0; i < len(ev); i++ {
				if _, err := fold(append(events[:n:n], ev[:i])); fault.From(err).Kind != fault.UpstreamGarbage {
					t.Fatalf("%s cut in event %d at %d: %v", file, n, i, err)
				}
			}
		}
	}
}

// foldOf writes an answer of another dialect as a stream, and reads it.
func foldOf(t testing.TB, f Format, a *canon.Answer) *canon.Fold {
	t.Helper()
	var out []byte
	w := f.NewWriter(nil)
	for _, ev := range eventsOf(a) {
		out = w.Append(out, &ev)
	}
	events := payloads(out)
	if f.Array {
		events = fromArray(t, out)
	}
	got, err := fold(events)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return got
}

// eventsOf are the events of a streamed answer.
func eventsOf(a *canon.Answer) (evs []canon.Event) {
	evs = append(evs, canon.Event{Kind: canon.HeadEvent, ID: a.ID, Model: a.Model, Created: a.Created, From: a.From})
	for _, c := range a.Choices {
		for i, p := range c.Parts {
			b := p
			b.Text, b.Args, b.Signature, b.Citations = nil, nil, nil, nil
			if p.Kind == canon.AudioPart {
				b.Media.Data = nil
			}
			evs = append(evs, canon.Event{Kind: canon.BeginEvent, Choice: c.Index, Index: i, Part: b})
			if p.Text != nil {
				evs = append(evs, canon.Event{Kind: canon.DeltaEvent, Choice: c.Index, Index: i, Text: p.Text, Part: canon.Part{Media: p.Media}})
			}
			for _, piece := range []string{string(p.Args[:len(p.Args)/2]), string(p.Args[len(p.Args)/2:])} {
				if p.Kind == canon.ToolCallPart {
					evs = append(evs, canon.Event{Kind: canon.DeltaEvent, Choice: c.Index, Index: i, Text: canon.Quote(piece)})
				}
			}
			if p.Signature != nil {
				evs = append(evs, canon.Event{Kind: canon.SignatureEvent, Choice: c.Index, Index: i, Text: p.Signature})
			}
			if p.Citations != nil {
				evs = append(evs, canon.Event{Kind: canon.CitationEvent, Choice: c.Index, Index: i, Part: canon.Part{Citations: p.Citations}})
			}
			evs = append(evs, canon.Event{Kind: canon.EndEvent, Choice: c.Index, Index: i})
		}
		evs = append(evs, canon.Event{Kind: canon.FinishEvent, Choice: c.Index, Stop: c.Stop, StopText: c.StopText, StopRaw: c.StopRaw})
	}
	return append(evs, canon.Event{Kind: canon.UsageEvent, Usage: a.Usage}, canon.Event{Kind: canon.DoneEvent})
}

func TestForeignStreamsComeBack(t *testing.T) {
	a := foreignAnswer()
	for _, f := range []Format{{}, {Array: true}} {
		got := foldOf(t, f, &a)
		got.Answer.Choices[0].StopRaw = nil
		// Citations come with the last chunk of a stream, after its last part.
		want, have := a, got.Answer
		want.Choices = []canon.Choice{a.Choices[0]}
		parts := append([]canon.Part(nil), a.Choices[0].Parts...)
		cites := parts[3].Citations
		parts[3].Citations = nil
		want.Choices[0].Parts = append(parts, canon.Part{Kind: canon.TextPart, Citations: cites})
		same(t, "foreign", &want, &have)
	}
}

func TestWriterHoldsNoMoreThanAMiB(t *testing.T) {
	w := Format{}.NewWriter(nil)
	var out []byte
	add := func(ev canon.Event) { out = w.Append(out, &ev) }
	add(canon.Event{Kind: canon.HeadEvent})
	add(canon.Event{Kind: canon.BeginEvent, Part: canon.Part{Kind: canon.ToolCallPart, Name: canon.Quote("f")}})
	piece := canon.Quote(strings.Repeat("x", 1<<16))
	for range 32 {
		add(canon.Event{Kind: canon.DeltaEvent, Text: piece})
	}
	if !strings.Contains(string(out), fault.UpstreamTooLarge.Code) || len(out) > 1<<16 {
		t.Errorf("%d bytes: %.300s", len(out), out)
	}
}

func TestArgumentsInPiecesAreBounded(t *testing.T) {
	for _, path := range []string{"", "$", "a", "$.", "$[", "$[1]", "$[99999999999]", "$['a", "$.a[0", "$." + strings.Repeat("a.", 100) + "b"} {
		ev := `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":` + string(canon.Quote(path)) + `,"stringValue":"x"}]}}]},"finishReason":"STOP"}]}`
		if _, err := fold([][]byte{[]byte(ev)}); fault.From(err).Kind != fault.UpstreamGarbage {
			t.Errorf("%q: %v", path, err)
		}
	}
	long := []byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.a","stringValue":"` + strings.Repeat("x", 1<<16) + `"}]}}]}}]}`)
	more := bytes.Replace(long, []byte(`"name":"f",`), nil, 1)
	events := [][]byte{long}
	for range 20 {
		events = append(events, more)
	}
	if _, err := fold(events); fault.From(err).Kind != fault.UpstreamTooLarge {
		t.Errorf("%v", err)
	}
	good := []byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$['a b'][0].c","numberValue":1e3},{"jsonPath":"$[\"d\"]","boolValue":true},{"jsonPath":"$.e","nullValue":"NULL_VALUE"},{"jsonPath":"$.f","stringValue":"\u00e9\""}]}}]},"finishReason":"STOP"}]}`)
	f, err := fold([][]byte{good})
	if got := calls(&f.Answer); err != nil || got != `f {"a b":[{"c":1e3}],"d":true,"e":null,"f":"\u00e9\""}` {
		t.Errorf("%v %s", err, got)
	}
}

func TestBlockedAndFailedStreams(t *testing.T) {
	f, err := fold([][]byte{[]byte(`{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3},"modelVersion":"m"}`)})
	if err != nil || !f.Done || f.Answer.Choices[0].Stop != canon.StopFilter || f.Answer.Usage.Input != 3 {
		t.Errorf("%v %+v", err, f.Answer)
	}
	again := rewrite(t, Format{}, [][]byte{[]byte(`{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"m"}`)})
	if string(again) != `data: {"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"m"}`+"\n\n" {
		t.Errorf("%s", again)
	}
	_, err = fold([][]byte{[]byte(`{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}`)})
	if fault.From(err).Kind != fault.UpstreamError {
		t.Errorf("%v", err)
	}
	_, err = fold([][]byte{[]byte(`{"error":{"message":"no","status":"RESOURCE_EXHAUSTED"}}`)})
	if fault.From(err).Kind != fault.UpstreamRateLimited {
		t.Errorf("%v", err)
	}
}

// A text that goes on after its candidate had ended is not lost.
func TestTextAfterAnEnd(t *testing.T) {
	f, err := fold([][]byte{
		[]byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`),
		[]byte(`{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}]}`),
	})
	if err != nil || len(f.Answer.Choices[0].Parts) != 2 || f.Answer.Choices[0].Stop != canon.StopLength {
		t.Errorf("%v %+v", err, f.Answer)
	}
}

// A stream and a plain answer that say the same give the same.
func TestStreamEqualsPlain(t *testing.T) {
	for _, file := range plainFiles(t) {
		body := recordings.Read(t, file)
		var a canon.Answer
		Format{}.ReadAnswer(body, &a)
		f, err := fold([][]byte{body})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		same(t, file, &a, &f.Answer)
	}
}

// Line ends inside of values would end the lines of the stream.
func TestLineEndsStayInside(t *testing.T) {
	body := []byte("{\n\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\n\"a\":\r\n1}}},{\"executableCode\":{\n\"code\":\"x\"}}]},\n\"finishReason\":\"STOP\"}]}")
	out := rewrite(t, Format{}, [][]byte{body})
	var s sse.Splitter
	n := 0
	s.Feed(out, func(ev []byte) error {
		n++
		if _, data, ok := sse.Parse(ev); !ok || !json.Valid(data) || bytes.Count(ev, []byte("\n")) != 2 {
			t.Errorf("%q", ev)
		}
		return nil
	})
	f, err := fold(payloads(out))
	if err != nil || n != 3 || !reflect.DeepEqual(essenceOf(f.Answer.Choices[0].Parts)[0].Args, map[string]any{"a": 1.0}) {
		t.Errorf("%d %v %+v", n, err, f.Answer)
	}
}
