package bedrock_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// callers are the dialects that what is expected is written in.
var callers = map[string]dialect.Format{
	"completions": openai.Format{}, "messages": anthropic.Format{}, "responses": responses.Format{},
}

// essence is what a caller must get, as one text.
func essence(a *canon.Answer) string {
	var b strings.Builder
	for _, c := range a.Choices {
		var text, thought, signature string
		for i := range c.Parts {
			p := &c.Parts[i]
			switch p.Kind {
			case canon.TextPart:
				text += p.Text.String()
			case canon.ReasoningPart:
				thought += p.Text.String() + p.Redacted.String()
				signature += p.Signature.String()
			case canon.ToolCallPart:
				var args bytes.Buffer
				if json.Compact(&args, p.Args); args.Len() == 0 && len(p.Args) == 0 {
					args.WriteString("{}") // none are an empty object
				}
				fmt.Fprintf(&b, "call %s(%s)\n", p.Name.String(), args.String())
			}
		}
		fmt.Fprintf(&b, "text %q\nthought %q signed %q\nstop %d\n", text, thought, signature, c.Stop)
	}
	return b.String() + usageOf(&a.Usage)
}

func usageOf(u *canon.Usage) string {
	return fmt.Sprintf("in %d, read %d, written %d, out %d\n", u.Input, u.CacheRead, u.CacheWrite, u.Output)
}

// frames gives the messages of a stream.
func frames(wire []byte, each func(eventstream.Message) error) error {
	var s eventstream.Splitter
	err := s.Feed(wire, func(frame []byte) error {
		m, err := eventstream.Parse(frame)
		if err != nil {
			return err
		}
		return each(m)
	})
	if err == nil && len(s.Rest()) > 0 {
		return errors.New("the stream ends within a frame")
	}
	return err
}

// follow reads a stream to its end.
func follow(wire []byte, emit canon.Emit) error {
	r := bedrock.Format{}.NewReader()
	if err := frames(wire, func(m eventstream.Message) error { return r.Read(m.Name, m.Payload, emit) }); err != nil {
		return err
	}
	return r.End(emit)
}

// readEvents reads a stream of server-sent events.
func readEvents(f dialect.Format, wire []byte) (*canon.Answer, error) {
	var whole canon.Fold
	r := f.NewReader()
	var s sse.Splitter
	err := s.Feed(wire, func(ev []byte) error {
		name, data, ok := sse.Parse(ev)
		if !ok {
			return nil
		}
		if string(name) == "event" {
			name = nil // as the recording has it for all
		}
		return r.Read(name, data, whole.Add)
	})
	if err == nil && !whole.Done {
		err = r.End(whole.Add)
	}
	return &whole.Answer, err
}

// told are places where callers get something else than expected, and why that
// is right.
var told = []struct{ snap, from, to, reason string }{
	{"cache_write.bedrock-completions", "in ", "in 16, read 0, written 2387, out 9\n", "OpenAI's count of the prompt includes what the cache took: 2403, not 16"},
	{"reasoning.bedrock-responses", "text \"Two plus two is four.The answer is 4.\"\nthought \"\" signed \"\"", "text \"The answer is 4.\"\nthought \"Two plus two is four.\" signed \"SIG-xyz==\"", "thoughts are no text, and come back signed"},
	{"reasoning_unsigned.bedrock-responses", "text \"Two plus two is four.The answer is 4.\"\nthought \"\"", "text \"The answer is 4.\"\nthought \"Two plus two is four.\"", "thoughts are no text"},
	{"reasoning.bedrock-responses-streaming", "text \"Two plus two is four.The answer is 4.\"\nthought \"\" signed \"\"", "text \"The answer is 4.\"\nthought \"Two plus two is four.\" signed \"SIG-xyz==\"", "thoughts are no text"},
}

// TestExpectedAnswers: what callers of three dialects are to get for answers and
// streams of the API.
func TestExpectedAnswers(t *testing.T) {
	n := 0
	for _, snap := range recordings.Glob(t, "agentgateway/response/bedrock/*.snap") {
		name := strings.TrimSuffix(filepath.Base(snap), ".snap")
		base, kind, _ := strings.Cut(name, ".bedrock-")
		kind, streamed := strings.CutSuffix(kind, "-streaming")
		f := callers[kind]
		if f == nil {
			continue // of another operation
		}
		n++
		var want, got *canon.Answer
		var err error
		if streamed {
			if want, err = readEvents(f, []byte(expectation(t, snap))); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			w := f.NewWriter(&canon.Request{Stream: true, IncludeUsage: true})
			var out []byte
			if err := follow(recordings.Read(t, filepath.Join(filepath.Dir(snap), base+".bin")), func(ev *canon.Event) error {
				out = w.Append(out, ev)
				return nil
			}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err = readEvents(f, out)
		} else {
			want = answerIn(t, f, mustMember(t, expectation(t, snap), "response"))
			var a canon.Answer
			if bad := (bedrock.Format{}).ReadAnswer(recordings.Read(t, filepath.Join(filepath.Dir(snap), base+".json")), &a); bad != nil {
				t.Fatal(bad)
			}
			got = answerIn(t, f, f.AppendAnswer(nil, &a))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		x := essence(want)
		for _, d := range told {
			if d.snap == name {
				if !strings.Contains(x, d.from) {
					t.Errorf("%s does not say %q:\n%s", name, d.from, x)
				}
				if x = strings.Replace(x, d.from, d.to, 1); d.from == "in " {
					x = x[:strings.Index(x, d.to)+len(d.to)] // all of the usage
				}
			}
		}
		if y := essence(got); x != y {
			t.Errorf("%s: want\n%s\ngot\n%s", name, x, y)
		}
	}
	t.Logf("%d expected answers, %d differences with a reason", n, len(told))
}

func mustMember(t *testing.T, body, name string) []byte {
	t.Helper()
	var v map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v[name]
}

func answerIn(t *testing.T, f dialect.Format, body []byte) *canon.Answer {
	t.Helper()
	body = bytes.ReplaceAll(body, []byte(`"[date]"`), []byte("1"))
	var a canon.Answer
	if bad := f.ReadAnswer(body, &a); bad != nil {
		t.Fatalf("%v in %s", bad, body)
	}
	return &a
}

// TestBrokenStreams: a stream that is damaged, cut or of another API is a typed
// error at whatever byte.
func TestBrokenStreams(t *testing.T) {
	ignore := func(*canon.Event) error { return nil }
	if err := follow(recordings.Read(t, recordings.Glob(t, "agentgateway/response/detect/bedrock-broken.bin")[0]), ignore); !errors.Is(err, eventstream.ErrChecksum) {
		t.Errorf("the broken one: %v", err)
	}
	err := follow(recordings.Read(t, recordings.Glob(t, "agentgateway/response/detect/bedrock-invoke.bin")[0]), ignore)
	if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Kind != fault.UpstreamReset {
		t.Errorf("the one of another API: %v", err)
	}
	for _, path := range recordings.Glob(t, "agentgateway/response/bedrock/*.bin") {
		whole := recordings.Read(t, path)
		ends := map[int]bool{}
		for n := 0; n < len(whole); n++ {
			var got canon.Fold
			err := follow(whole[:n], got.Add)
			if err == nil {
				ends[n] = true
			}
		}
		// Without its last event it still says why it stopped.
		if len(ends) != 1 {
			t.Errorf("%s is whole when cut at %v", filepath.Base(path), ends)
		}
	}
}
