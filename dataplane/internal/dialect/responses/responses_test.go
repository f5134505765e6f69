package responses_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

var _ dialect.Format = responses.Format{}

var format responses.Format

var plainFiles = []string{
	"vercel-ai/*/src/responses/__fixtures__/*.json", "vercel-ai/azure/src/__fixtures__/*.json", "agentgateway/response/responses/*.json",
}

var streamFiles = []string{
	"vercel-ai/*/src/responses/__fixtures__/*.chunks.txt", "vercel-ai/azure/src/__fixtures__/*.chunks.txt", "agentgateway/response/responses/stream*.json",
}

func short(path string) string {
	_, rest, _ := strings.Cut(path, "providers/")
	return strings.NewReplacer("src/", "", "__fixtures__/", "", "responses/responses/", "").Replace(rest)
}

// payloads gives the data of a stream's events.
func payloads(t testing.TB, body []byte) [][]byte {
	t.Helper()
	var all [][]byte
	if body[0] == '{' {
		for line := range bytes.Lines(body) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				all = append(all, line)
			}
		}
		return all
	}
	var s sse.Splitter
	err := s.Feed(append(bytes.Clone(body), "\n\n"...), func(ev []byte) error {
		if _, data, ok := sse.Parse(ev); ok {
			all = append(all, bytes.Clone(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// essence is what must not be lost, told by the test's own plain reading or
// by what was read into canon.
type essence struct {
	ID, Model, Text, Refusal, Thoughts string
	Proofs, Cites                      []string
	Calls                              []string
	Others                             []string
	Status                             string
	Usage                              [5]int64
	LogProbs                           int
}

// plainly reads a response object with nothing but encoding/json.
func plainly(t testing.TB, body []byte) essence {
	t.Helper()
	var v struct {
		ID, Model, Status string
		IncompleteDetails struct{ Reason string } `json:"incomplete_details"`
		Output            []struct {
			Type, Name, Arguments, Input string
			CallID                       string  `json:"call_id"`
			Encrypted                    *string `json:"encrypted_content"`
			Summary                      []struct{ Text string }
			Content                      []struct {
				Type, Text, Refusal string
				Annotations         []struct{ Type, URL, Filename string }
				Logprobs            []json.RawMessage
			}
		}
		Usage struct {
			In int64 `json:"input_tokens"`
			D  struct {
				Cached int64 `json:"cached_tokens"`
				Write  int64 `json:"cache_write_tokens"`
			} `json:"input_tokens_details"`
			Out int64 `json:"output_tokens"`
			O   struct {
				Reasoning int64 `json:"reasoning_tokens"`
			} `json:"output_tokens_details"`
		}
	}
	// Some items have arguments that are objects.
	var loose map[string]any
	if err := json.Unmarshal(body, &loose); err != nil {
		t.Fatal(err)
	}
	for _, o := range loose["output"].([]any) {
		m := o.(map[string]any)
		for _, k := range []string{"arguments", "input", "content", "summary"} {
			if _, is := m[k].(map[string]any); is {
				delete(m, k)
			}
		}
	}
	body, _ = json.Marshal(loose)
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	e := essence{ID: v.ID, Model: v.Model}
	called, refused := false, false
	for _, o := range v.Output {
		switch o.Type {
		case "message":
			for _, c := range o.Content {
				if c.Type == "refusal" {
					refused = true
					e.Refusal += c.Refusal
				} else {
					e.Text += c.Text
				}
				for _, a := range c.Annotations {
					e.Cites = append(e.Cites, a.URL+a.Filename)
				}
				e.LogProbs += len(c.Logprobs)
			}
		case "reasoning":
			for _, c := range o.Content {
				e.Thoughts += c.Text
			}
			for i, s := range o.Summary {
				if i > 0 {
					e.Thoughts += "\n\n"
				}
				e.Thoughts += s.Text
			}
			if o.Encrypted != nil {
				e.Proofs = append(e.Proofs, *o.Encrypted)
			}
		case "function_call":
			called = true
			e.Calls = append(e.Calls, o.CallID+" "+o.Name+" "+o.Arguments)
		case "custom_tool_call":
			called = true
			e.Calls = append(e.Calls, o.CallID+" "+o.Name+" "+o.Input)
		default:
			e.Others = append(e.Others, o.Type)
		}
	}
	u := v.Usage
	e.Usage = [5]int64{u.In - u.D.Cached - u.D.Write, u.D.Cached, u.D.Write, u.Out, min(u.O.Reasoning, u.Out)}
	switch {
	case v.Status == "incomplete":
		e.Status = "incomplete"
	case called:
		e.Status = "tools"
	case refused:
		e.Status = "refusal"
	default:
		e.Status = "end"
	}
	return e
}

var statuses = map[canon.Stop]string{canon.StopEnd: "end", canon.StopTools: "tools", canon.StopRefusal: "refusal", canon.StopLength: "incomplete", canon.StopFilter: "incomplete"}

// essenceOf tells the same of what was read.
func essenceOf(a *canon.Answer) essence {
	e := essence{ID: a.ID.String(), Model: a.Model.String()}
	c := a.Choices[0]
	for _, p := range c.Parts {
		switch p.Kind {
		case canon.TextPart:
			e.Text += p.Text.String()
			for _, q := range p.Citations {
				name := q.URL.String()
				if name == "" {
					name = q.Title.String()
				}
				e.Cites = append(e.Cites, name)
			}
		case canon.RefusalPart:
			e.Refusal += p.Text.String()
		case canon.ReasoningPart:
			e.Thoughts += p.Text.String()
			if p.Signature != nil {
				e.Proofs = append(e.Proofs, p.Signature.String())
			}
			if p.Redacted != nil {
				e.Proofs = append(e.Proofs, p.Redacted.String())
			}
		case canon.ToolCallPart:
			args := string(p.Args)
			if p.Custom {
				args = canon.Text(p.Args).String()
			}
			e.Calls = append(e.Calls, p.ID.String()+" "+p.Name.String()+" "+args)
		default:
			e.Others = append(e.Others, p.Name.String())
		}
	}
	if c.LogProbs != nil {
		var l struct{ Content []json.RawMessage }
		if json.Unmarshal(c.LogProbs, &l) == nil {
			e.LogProbs = len(l.Content)
		}
	}
	u := a.Usage
	e.Usage = [5]int64{u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning}
	e.Status = statuses[c.Stop]
	return e
}

func same(t *testing.T, what string, want, got essence) {
	t.Helper()
	if !reflect.DeepEqual(want, got) {
		a, _ := json.MarshalIndent(want, "", " ")
		b, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("%s:\nwant %.3000s\ngot %.3000s", what, a, b)
	}
}

func TestRecordedAnswers(t *testing.T) {
	read0, errors := 0, 0
	for _, path := range recordings.Glob(t, plainFiles...) {
		body := recordings.Read(t, path)
		if body[0] != '{' {
			continue // a stream
		}
		var a canon.Answer
		f := format.ReadAnswer(body, &a)
		switch {
		case !json.Valid(body):
			if f == nil || f.Kind != fault.UpstreamGarbage {
				t.Errorf("%s is broken, and gave %v", short(path), f)
			}
			errors++
			continue
		case bytes.HasPrefix(bytes.TrimSpace(body[1:]), []byte(`"error"`)):
			if f == nil {
				t.Errorf("%s is an error, and gave none", short(path))
			}
			errors++
			continue
		case bytes.Contains(body, []byte(`"choices"`)):
			continue // of another dialect
		case f != nil:
			t.Errorf("%s: %v", short(path), f)
			continue
		}
		read0++
		want := plainly(t, body)
		same(t, short(path), want, essenceOf(&a))
		again := format.AppendAnswer(nil, &a)
		if !json.Valid(again) {
			t.Fatalf("%s became no JSON: %s", short(path), again)
		}
		same(t, short(path)+" written", want, plainly(t, again))
		var b canon.Answer
		if f := format.ReadAnswer(again, &b); f != nil {
			t.Fatalf("%s written: %v", short(path), f)
		}
		same(t, short(path)+" again", want, essenceOf(&b))
		sameItems(t, short(path), body, again)
	}
	if read0 < 20 {
		t.Errorf("%d recordings were read", read0)
	}
	t.Logf("%d answers, %d errors", read0, errors)
}

// sameItems compares the items of two responses, but for what has a default.
func sameItems(t *testing.T, what string, one, other []byte) {
	t.Helper()
	items := func(b []byte) []map[string]any {
		var v struct{ Output []map[string]any }
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		for _, o := range v.Output {
			delete(o, "status")
			for k, x := range o {
				if x == nil {
					delete(o, k)
				}
			}
			for _, field := range []string{"content", "summary"} {
				list, _ := o[field].([]any)
				if field == "content" && len(list) == 0 {
					delete(o, field)
				}
				for _, c := range list {
					m, _ := c.(map[string]any)
					for _, k := range []string{"annotations", "logprobs"} {
						if l, _ := m[k].([]any); len(l) == 0 {
							delete(m, k)
						}
					}
				}
			}
		}
		return v.Output
	}
	a, b := items(one), items(other)
	if !reflect.DeepEqual(a, b) {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		t.Errorf("%s: items\nwere %.2000s\nare %.2000s", what, x, y)
	}
}
