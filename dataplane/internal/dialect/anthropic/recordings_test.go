package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// plainMessage is an independent reading of an answer.
type plainMessage struct {
	ID, Model    string
	Content      []plainBlock
	StopReason   string `json:"stop_reason"`
	StopSequence string `json:"stop_sequence"`
	Usage        plainUsage
}

type plainBlock struct {
	Type, Text, Thinking, Signature, Data, ID, Name string
	Input                                           json.RawMessage
	Citations                                       []json.RawMessage
	raw                                             json.RawMessage
}

func (b *plainBlock) UnmarshalJSON(data []byte) error {
	type plain plainBlock
	b.raw = bytes.Clone(data)
	// Opaque blocks may use the same names for other things.
	json.Unmarshal(data, (*plain)(b))
	return nil
}

type plainUsage struct {
	Input    *int64 `json:"input_tokens"`
	Output   *int64 `json:"output_tokens"`
	Read     *int64 `json:"cache_read_input_tokens"`
	Write    *int64 `json:"cache_creation_input_tokens"`
	Creation *struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Server *struct {
		Searches int64 `json:"web_search_requests"`
	} `json:"server_tool_use"`
	Details *struct {
		Thinking int64 `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
	Iterations []struct {
		Type   string
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
	}
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

func (u *plainUsage) check(t *testing.T, got canon.Usage) {
	t.Helper()
	want := canon.Usage{
		Reported: true, Input: value(u.Input), Output: value(u.Output), CacheRead: value(u.Read), CacheWrite: value(u.Write),
	}
	if u.Creation != nil {
		want.CacheWriteHour = u.Creation.Hour
	}
	if u.Server != nil {
		want.Searches = u.Server.Searches
	}
	if u.Details != nil {
		want.Reasoning = u.Details.Thinking
	}
	for _, it := range u.Iterations {
		if it.Type == "compaction" {
			want.Input += it.Input
			want.Output += it.Output
		}
	}
	if !got.Reported || !sameCounts(&want, &got) {
		t.Errorf("usage is %+v, want %+v", got, want)
	}
}

func (m *plainMessage) check(t *testing.T, a *canon.Answer) {
	t.Helper()
	c := &a.Choices[0]
	if a.ID.String() != m.ID || a.Model.String() != m.Model || c.StopRaw.String() != m.StopReason || c.StopText.String() != m.StopSequence {
		t.Errorf("%s %s %s %s, want %s %s %s %s", a.ID, a.Model, c.StopRaw, c.StopText, m.ID, m.Model, m.StopReason, m.StopSequence)
	}
	if len(c.Parts) != len(m.Content) {
		t.Fatalf("%d parts, want %d", len(c.Parts), len(m.Content))
	}
	for i, b := range m.Content {
		p := &c.Parts[i]
		want := fmt.Sprint(b.Text, b.Thinking, b.Signature, b.Data)
		got := fmt.Sprint(p.Text.String(), p.Signature.String(), p.Redacted.String())
		switch b.Type {
		case "text", "thinking", "redacted_thinking":
			if got != want || len(p.Citations) != len(b.Citations) {
				t.Errorf("part %d is %q with %d citations, want %q with %d", i, got, len(p.Citations), want, len(b.Citations))
			}
		case "tool_use":
			if p.Kind != canon.ToolCallPart || p.ID.String() != b.ID || p.Name.String() != b.Name || sorted(p.Args) != sorted(b.Input) {
				t.Errorf("part %d is %s %s %s, want %s %s %s", i, p.ID, p.Name, p.Args, b.ID, b.Name, b.Input)
			}
		default:
			if p.Kind != canon.OpaquePart || sorted(p.Raw) != sorted(b.raw) {
				t.Errorf("part %d is %s, want %s", i, p.Raw, b.raw)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	all := answers(t)
	t.Logf("%d answers", len(all))
	for name, body := range all {
		t.Run(name, func(t *testing.T) {
			var want plainMessage
			if err := json.Unmarshal(body, &want); err != nil {
				t.Fatal(err)
			}
			var a canon.Answer
			if f := (Format{}).ReadAnswer(body, &a); f != nil {
				t.Fatal(f)
			}
			want.check(t, &a)
			want.Usage.check(t, a.Usage)
			out := Format{}.AppendAnswer(nil, &a)
			var b canon.Answer
			if f := (Format{}).ReadAnswer(out, &b); f != nil {
				t.Fatalf("%s: %v", out, f)
			}
			if x, y := shown(&a, true), shown(&b, true); x != y {
				t.Errorf("read: %s\nagain: %s", x, y)
			}
		})
	}
}

// plainStream is an independent reading of a stream.
func plainStream(t *testing.T, wire []byte) (m plainMessage, whole bool) {
	var split sse.Splitter
	args, at := map[int]string{}, map[int]int{}
	err := split.Feed(wire, func(ev []byte) error {
		_, payload, ok := sse.Parse(ev)
		if !ok {
			return nil
		}
		var e struct {
			Type    string
			Index   int
			Message *plainMessage
			Block   *plainBlock `json:"content_block"`
			Usage   *plainUsage
			Delta   struct {
				Text, Thinking, Signature string
				Content                   *string
				JSON                      string  `json:"partial_json"`
				Reason                    *string `json:"stop_reason"`
				Sequence                  string  `json:"stop_sequence"`
			}
		}
		if err := json.Unmarshal(payload, &e); err != nil {
			return err
		}
		switch e.Type {
		case "message_start":
			m = *e.Message
		case "content_block_start":
			at[e.Index] = len(m.Content)
			m.Content = append(m.Content, *e.Block)
		case "content_block_delta":
			b := &m.Content[at[e.Index]]
			b.Text += e.Delta.Text
			b.Thinking += e.Delta.Thinking
			b.Signature += e.Delta.Signature
			args[e.Index] += e.Delta.JSON
			if e.Delta.Content != nil {
				b.raw = rawWith(b.raw, "content", *e.Delta.Content)
			}
		case "message_delta":
			if e.Delta.Reason != nil {
				m.StopReason, m.StopSequence = *e.Delta.Reason, e.Delta.Sequence
			}
			merge(&m.Usage, e.Usage)
		case "message_stop":
			whole = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range args {
		b := &m.Content[at[i]]
		if s == "" {
			continue
		}
		b.Input = json.RawMessage(s)
		b.raw = rawWith(b.raw, "input", b.Input)
	}
	return m, whole
}

func rawWith(raw json.RawMessage, name string, v any) json.RawMessage {
	var m map[string]any
	json.Unmarshal(raw, &m)
	m[name] = v
	out, _ := json.Marshal(m)
	return out
}

func merge(into, from *plainUsage) {
	if from == nil {
		return
	}
	for _, p := range [...]struct{ into, from **int64 }{
		{&into.Input, &from.Input}, {&into.Output, &from.Output}, {&into.Read, &from.Read}, {&into.Write, &from.Write},
	} {
		if *p.from != nil {
			*p.into = *p.from
		}
	}
	if from.Creation != nil {
		into.Creation = from.Creation
	}
	if from.Server != nil {
		into.Server = from.Server
	}
	if from.Details != nil {
		into.Details = from.Details
	}
	if from.Iterations != nil {
		into.Iterations = from.Iterations
	}
}

func TestStreams(t *testing.T) {
	all := streams(t)
	t.Logf("%d streams", len(all))
	for name, wire := range all {
		t.Run(name, func(t *testing.T) {
			f, err := fold(wire)
			if strings.HasPrefix(name, "spliced") {
				if !errors.Is(err, fault.New(fault.UpstreamGarbage, "", nil)) {
					t.Fatalf("two streams in one give %v", err)
				}
				return
			}
			if err != nil || !f.Done {
				t.Fatalf("done %t, %v", f.Done, err)
			}
			want, _ := plainStream(t, wire)
			want.check(t, &f.Answer)
			want.Usage.check(t, f.Answer.Usage)
			again(t, wire, f)
			torn(t, wire, f)
		})
	}
}

// again writes the stream anew, plain and streamed, and reads it back.
func again(t *testing.T, wire []byte, want *canon.Fold) {
	t.Helper()
	w := written{w: Format{}.NewWriter(nil)}
	if err := follow(wire, len(wire)+1, w.add); err != nil {
		t.Fatal(err)
	}
	got, err := fold(w.out)
	if err != nil || !got.Done {
		t.Fatalf("%s: done %t, %v", w.out, got.Done, err)
	}
	if x, y := shown(&want.Answer, true), shown(&got.Answer, true); x != y {
		t.Errorf("read: %s\nagain: %s", x, y)
	}
	var a canon.Answer
	body := Format{}.AppendAnswer(nil, &want.Answer)
	if f := (Format{}).ReadAnswer(body, &a); f != nil {
		t.Fatalf("%s: %v", body, f)
	}
	if x, y := shown(&want.Answer, true), shown(&a, true); x != y {
		t.Errorf("streamed: %s\nplain: %s", x, y)
	}
}

// torn reads the stream in pieces of other sizes, and cut at every byte.
func torn(t *testing.T, wire []byte, want *canon.Fold) {
	t.Helper()
	for _, size := range []int{1, 7, 1000} {
		f := new(canon.Fold)
		if err := follow(wire, size, f.Add); err != nil {
			t.Fatalf("in pieces of %d: %v", size, err)
		}
		if shown(&f.Answer, true) != shown(&want.Answer, true) {
			t.Fatalf("in pieces of %d it is another answer", size)
		}
	}
	step := max(1, len(wire)*len(wire)/2_000_000)
	for n := 0; n < len(wire); n += step {
		f, err := fold(wire[:n])
		if err == nil && !f.Done {
			t.Fatalf("cut at byte %d: neither done nor a fault", n)
		}
		if f.Done && shown(&f.Answer, true) != shown(&want.Answer, true) {
			t.Fatalf("cut at byte %d: done, but not the same", n)
		}
	}
}

// Recordings that are broken, or are no answers of this dialect, are typed
// errors.
func TestBrokenRecordings(t *testing.T) {
	for _, p := range recordings.Glob(t, "agentgateway/response/detect/*", "vercel-ai/anthropic/src/skills/__fixtures__/*") {
		if strings.HasSuffix(p, ".snap") {
			continue
		}
		body := recordings.Read(t, p)
		var a canon.Answer
		if f := (Format{}).ReadAnswer(body, &a); f == nil || f.Kind != fault.UpstreamGarbage {
			t.Errorf("%s as an answer: %v", p, f)
		}
		_, err := fold(body)
		if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.UpstreamGarbage && f.Kind != fault.UpstreamReset {
			t.Errorf("%s as a stream: %v", p, err)
		}
	}
}

// Answers cut off anywhere are faults.
func TestCutAnswers(t *testing.T) {
	for name, body := range answers(t) {
		body = bytes.TrimSpace(body)
		step := max(1, len(body)/200)
		for n := 0; n < len(body); n += step {
			var a canon.Answer
			f := Format{}.ReadAnswer(body[:n], &a)
			if f == nil || f.Kind != fault.UpstreamGarbage {
				t.Fatalf("%s cut at byte %d: %v", name, n, f)
			}
		}
	}
}
