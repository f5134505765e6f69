package responses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

// FuzzRequest: what is accepted is written as JSON that says the same again.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(rich))
	f.Add([]byte(`{"model":"m","input":[{"type":"x","content":[{"type":1}],"output":3},{"role":"user","content":[{"type":"input_text","text":"x","y":[1]},{"type":"z"}]}]}`))
	for _, b := range recordings.Seeds(f, "agentgateway/requests/responses/*.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var req canon.Request
		if bad := format.ReadRequest(body, &req); bad != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("took what is no JSON: %s", body)
		}
		to := &canon.Target{Model: "m"}
		var lost canon.Losses
		once, bad := format.AppendRequest(nil, &req, to, &lost)
		if bad != nil || !json.Valid(once) {
			t.Fatalf("%v: %s\nof %s", bad, once, body)
		}
		var again canon.Request
		if bad := format.ReadRequest(once, &again); bad != nil {
			t.Fatalf("%v: %s\nof %s", bad, once, body)
		}
		twice, bad := format.AppendRequest(nil, &again, to, &lost)
		if bad != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v: %s\nthen %s\nof %s", bad, once, twice, body)
		}
		// Other dialects' names for the same must come out as JSON too.
		req.From = canon.OpenAIChat
		if b, bad := format.AppendRequest(nil, &req, to, &lost); bad == nil && !json.Valid(b) {
			t.Fatalf("%s\nof %s", b, body)
		}
	})
}

// FuzzAnswer: what is read is written as JSON that says the same again.
func FuzzAnswer(f *testing.F) {
	for _, b := range recordings.Seeds(f, plainFiles...) {
		f.Add(b)
	}
	f.Add([]byte(`{"output":[{"type":"reasoning","encrypted_content":"tollgate:gemini:p:x"},{"type":"reasoning","encrypted_content":"tollgate:x:o:{}"}]}`))
	f.Add([]byte(`{"output":[{"type":"message","content":[{"type":"output_text","text":"x","annotations":[{"tollgate":{"from":"x"}}],"logprobs":[{}]}]}],"usage":{"input_tokens":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, b canon.Answer
		if bad := format.ReadAnswer(body, &a); bad != nil {
			return
		}
		u := a.Usage
		if u.Input < 0 || u.CacheRead < 0 || u.CacheWrite < 0 || u.Output < 0 || u.Reasoning < 0 || u.Reasoning > u.Output {
			t.Fatalf("usage %+v of %s", u, body)
		}
		for _, from := range []canon.Dialect{canon.Responses, canon.Anthropic} {
			a.From = from
			once := format.AppendAnswer(nil, &a)
			if !json.Valid(body) {
				return // of items that are passed on as they are
			}
			if !json.Valid(once) {
				t.Fatalf("%s\nof %s", once, body)
			}
			if bad := format.ReadAnswer(once, &b); bad != nil {
				t.Fatalf("%v: %s\nof %s", bad, once, body)
			}
			if x, y := spoken(&a), spoken(&b); x != y {
				t.Fatalf("%s\nbecame %s\nby %s\nof %s", x, y, once, body)
			}
		}
	})
}

// spoken sums up the text of an answer.
func spoken(a *canon.Answer) string {
	var text, thoughts, calls string
	for i := range a.Choices[0].Parts {
		switch p := &a.Choices[0].Parts[i]; p.Kind {
		case canon.TextPart, canon.RefusalPart:
			text += p.Text.String()
		case canon.ReasoningPart:
			thoughts += p.Text.String()
		case canon.ToolCallPart:
			args := string(p.Args)
			if args == "" || args == "{}" {
				args = "none"
			}
			calls += p.ID.String() + p.Name.String() + args
		}
	}
	return fmt.Sprintf("text %q thoughts %q calls %q", text, thoughts, calls)
}

// FuzzStream: a stream torn anywhere gives the same events, and what is
// written of it is a stream that reads the same.
func FuzzStream(f *testing.F) {
	for _, b := range recordings.Seeds(f, "agentgateway/response/responses/stream*.json") {
		f.Add(b)
	}
	f.Add(write(foreign...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		one := feed(stream, len(stream))
		for _, n := range []int{1, 3, 64} {
			if n < len(stream) && len(stream) < 4096 {
				if other := feed(stream, n); other.log != one.log {
					t.Fatalf("in pieces of %d:\n%s\nwhole:\n%s", n, other.log, one.log)
				}
			}
		}
		var s sse.Splitter
		var all [][]byte
		err := s.Feed(one.written, func(ev []byte) error {
			_, data, ok := sse.Parse(ev)
			if !ok || !json.Valid(data) {
				t.Fatalf("wrote %q", ev)
			}
			all = append(all, bytes.Clone(data))
			return nil
		})
		if err != nil || len(s.Rest()) > 0 {
			t.Fatalf("wrote %q: %v", one.written, err)
		}
		if !one.whole.Done || len(one.whole.Answer.Choices) == 0 {
			return
		}
		again, err := follow(all)
		if err != nil {
			t.Fatalf("%v of %s\nof %s", err, one.written, stream)
		}
		if x, y := spoken(&one.whole.Answer), spoken(&again.Answer); x != y {
			t.Fatalf("%s\nbecame %s\nby %s\nof %s", x, y, one.written, stream)
		}
	})
}

type fed struct {
	log     string
	written []byte
	whole   canon.Fold
}

func feed(stream []byte, piece int) *fed {
	var f fed
	r, w := format.NewReader(), format.NewWriter(&canon.Request{})
	var s sse.Splitter
	emit := func(ev *canon.Event) error {
		f.log += fmt.Sprintln(ev.Kind, ev.Index, string(ev.Text), string(ev.Raw), string(ev.Part.ID), string(ev.Part.Raw), ev.Stop)
		f.written = w.Append(f.written, ev)
		return f.whole.Add(ev)
	}
	for len(stream) > 0 {
		n := min(max(piece, 1), len(stream))
		err := s.Feed(stream[:n], func(ev []byte) error {
			name, data, ok := sse.Parse(ev)
			if !ok {
				return nil
			}
			return r.Read(name, data, emit)
		})
		if err != nil {
			f.log += err.Error()
			return &f
		}
		stream = stream[n:]
	}
	if err := r.End(emit); err != nil {
		f.log += err.Error()
	}
	return &f
}
