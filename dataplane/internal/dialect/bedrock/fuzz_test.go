package bedrock_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/proto/fault"
)

// FuzzAppendRequest: whatever a caller sends, what goes to the provider is JSON
// in which roles alternate.
func FuzzAppendRequest(f *testing.F) {
	for _, dir := range []string{"messages", "completions"} {
		for _, b := range recordings.Seeds(f, "agentgateway/requests/"+dir+"/*.json") {
			f.Add(b, dir == "messages", sonnet)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, messages bool, model string) {
		var req canon.Request
		if messages && (anthropic.Format{}).ReadRequest(body, &req) != nil || !messages && (openai.Format{}).ReadRequest(body, &req) != nil {
			return
		}
		for _, from := range []canon.Dialect{req.From, canon.Gemini} {
			req.From = from
			var lost canon.Losses
			out, bad := bedrock.Format{}.AppendRequest(nil, &req, &canon.Target{Model: model}, &lost)
			var v struct{ Messages []struct{ Role string } }
			if bad != nil || json.Unmarshal(out, &v) != nil {
				t.Fatalf("%q became %q: %v", body, out, bad)
			}
			for i := 1; i < len(v.Messages); i++ {
				if v.Messages[i].Role == v.Messages[i-1].Role {
					t.Fatalf("%q became %q", body, out)
				}
			}
		}
	})
}

// FuzzReadAnswer: answers that are accepted are written as JSON and read back
// the same.
func FuzzReadAnswer(f *testing.F) {
	for _, b := range recordings.Seeds(f, "agentgateway/response/bedrock/*.json", "vercel-ai/amazon-bedrock/src/__fixtures__/*.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, b canon.Answer
		if (bedrock.Format{}).ReadAnswer(body, &a) != nil {
			return
		}
		u := a.Usage
		if u.Input < 0 || u.Output < 0 || u.CacheRead < 0 || u.CacheWriteHour > u.CacheWrite {
			t.Fatalf("%q has usage %+v", body, u)
		}
		out := bedrock.Format{}.AppendAnswer(nil, &a)
		if bad := (bedrock.Format{}).ReadAnswer(out, &b); bad != nil || !json.Valid(out) || essence(&a) != essence(&b) {
			t.Fatalf("%q became %q: %v", body, out, bad)
		}
		a.From = canon.Gemini
		if out := (openai.Format{}).AppendAnswer(nil, &a); !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}

// FuzzReader: a stream of any events is read to a typed error or to its end,
// with parts that begin and end in order; what is written of it can be read
// again.
func FuzzReader(f *testing.F) {
	for _, b := range recordings.Seeds(f, "vercel-ai/amazon-bedrock/src/__fixtures__/*.chunks.txt") {
		f.Add(string(b))
	}
	for _, b := range recordings.Seeds(f, "agentgateway/response/bedrock/*.bin") {
		var lines strings.Builder
		frames(b, func(m eventstream.Message) error {
			fmt.Fprintf(&lines, "{%q:%s}\n", m.Name, m.Payload)
			return nil
		})
		f.Add(lines.String())
	}
	f.Add(`{"throttlingException":{"message":"slow"}}`)
	f.Fuzz(func(t *testing.T, lines string) {
		var whole canon.Fold
		open, done := -1, false
		w := bedrock.Format{}.NewWriter(nil)
		var wire []byte
		emit := func(ev *canon.Event) error {
			switch ev.Kind {
			case canon.BeginEvent:
				if open >= 0 {
					t.Fatalf("%q: part %d begins in %d", lines, ev.Index, open)
				}
				open = ev.Index
			case canon.DeltaEvent, canon.SignatureEvent, canon.CitationEvent, canon.EndEvent:
				if open != ev.Index {
					t.Fatalf("%q: part %d goes on in %d", lines, ev.Index, open)
				}
				if ev.Kind == canon.EndEvent {
					open = -1
				}
			}
			if done {
				t.Fatalf("%q: something follows the end", lines)
			}
			done = ev.Kind == canon.DoneEvent
			wire = w.Append(wire, ev)
			return whole.Add(ev)
		}
		err := feed(lines, emit)
		if err != nil {
			if _, typed := errors.AsType[*fault.Fault](err); !typed {
				t.Fatalf("%q: %v", lines, err)
			}
			return
		}
		var again canon.Fold
		if err := follow(wire, again.Add); err != nil || !again.Done || essence(&again.Answer) != essence(&whole.Answer) {
			t.Fatalf("%q: %v\n%s\nbecame\n%s", lines, err, essence(&whole.Answer), essence(&again.Answer))
		}
	})
}

func feed(lines string, emit canon.Emit) error {
	r := bedrock.Format{}.NewReader()
	for l := range strings.Lines(lines) {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if err := r.Read(nil, []byte(l), emit); err != nil {
			return err
		}
	}
	return r.End(emit)
}

// BenchmarkStream reads a stream of 100 events and writes it for a caller of
// OpenAI's dialect.
func BenchmarkStream(b *testing.B) {
	payload := []byte(`{"contentBlockIndex":0,"delta":{"text":"Some words of an answer, as they come"},"p":"abcdefghijklmnopqrstuvwxyz"}`)
	var wire []byte
	for range 100 {
		wire = eventstream.Append(wire, &eventstream.Message{Name: []byte("contentBlockDelta"), Payload: payload})
	}
	wire = eventstream.Append(wire, &eventstream.Message{Name: []byte("messageStop"), Payload: []byte(`{"stopReason":"end_turn"}`)})
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		w := openai.Format{}.NewWriter(&canon.Request{})
		out = out[:0]
		if err := follow(wire, func(ev *canon.Event) error {
			out = w.Append(out, ev)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendRequest writes an agent's request of about 30 KB.
func BenchmarkAppendRequest(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"model":"m","max_tokens":100,"messages":[`)
	for i := range 20 {
		fmt.Fprintf(&body, `{"role":"user","content":"%s"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_%d","name":"t","input":{"path":"/src/main.go"}}]},`+
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":"%s"}]},`, strings.Repeat("Please read the file.\\n", 12), i, i, strings.Repeat("func main() { println(1) }\\n", 36))
	}
	body.WriteString(`{"role":"user","content":"Go on."}],"tools":[{"name":"t","input_schema":{"type":"object"}}]}`)
	var req canon.Request
	if f := (anthropic.Format{}).ReadRequest([]byte(body.String()), &req); f != nil {
		b.Fatal(f)
	}
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var lost canon.Losses
		out, _ = bedrock.Format{}.AppendRequest(out[:0], &req, &canon.Target{Model: sonnet}, &lost)
	}
}
