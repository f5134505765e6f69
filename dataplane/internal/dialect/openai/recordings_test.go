package openai

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

var (
	_ dialect.Format = Format{}
	_ dialect.Format = Completions{}
)

// recording is a plain answer or, with chunks, a stream of chat completions.
type recording struct {
	name   string
	body   []byte
	chunks [][]byte
}

// isChat tells bodies of this dialect from all others.
func isChat(b []byte) bool {
	var v struct {
		Choices []struct {
			Message, Delta *struct{}
		}
		Object string
	}
	return json.Unmarshal(b, &v) == nil && (strings.HasPrefix(v.Object, "chat.completion") || len(v.Choices) > 0 && (v.Choices[0].Message != nil || v.Choices[0].Delta != nil))
}

// all gives every recording of the dialect.
func all(t testing.TB) (list []recording) {
	root := recordings.Dir(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		list = append(list, recordingsOf(name, data)...)
		return nil
	})
	if err != nil || len(list) < 40 {
		t.Fatalf("%d recordings: %v", len(list), err)
	}
	return list
}

func recordingsOf(name string, data []byte) (list []recording) {
	if strings.HasSuffix(name, ".yaml") {
		for _, body := range cassetteBodies(data) {
			list = append(list, recordingsOf(name+"#", body)...)
		}
		return list
	}
	if isChat(data) {
		return []recording{{name: name, body: data}}
	}
	var mock struct {
		Response struct{ JSONBody json.RawMessage }
	}
	if json.Unmarshal(data, &mock) == nil && isChat(mock.Response.JSONBody) {
		return []recording{{name: name, body: mock.Response.JSONBody}}
	}
	r := recording{name: name}
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data: ")))
		if string(line) == "[DONE]" {
			break
		}
		if isChat(line) || len(r.chunks) > 0 && bytes.HasPrefix(line, []byte("{")) && json.Valid(line) {
			r.chunks = append(r.chunks, bytes.Clone(line))
		}
	}
	if len(r.chunks) > 1 {
		list = append(list, r)
	}
	return list
}

// cassetteBodies finds the bodies in a YAML file: quoted on one line, or as an
// indented block.
func cassetteBodies(data []byte) (bodies [][]byte) {
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		indent, value, ok := strings.Cut(lines[i], "body: ")
		if !ok || strings.TrimSpace(indent) != "" {
			continue
		}
		if strings.HasPrefix(value, "\"") {
			for len(value) > 1 && json.Unmarshal([]byte(value), new(string)) != nil && i+1 < len(lines) {
				i++
				value = strings.TrimSuffix(value, "\\") + strings.TrimPrefix(strings.TrimLeft(lines[i], " "), "\\")
			}
			var s string
			if json.Unmarshal([]byte(value), &s) == nil {
				bodies = append(bodies, []byte(s))
			}
			continue
		}
		if !strings.HasPrefix(value, "|") {
			continue
		}
		var b strings.Builder
		for i+1 < len(lines) && (strings.HasPrefix(lines[i+1], indent+"  ") || strings.TrimSpace(lines[i+1]) == "") {
			i++
			b.WriteString(strings.TrimLeft(strings.TrimPrefix(lines[i], indent), " ") + "\n")
		}
		bodies = append(bodies, []byte(b.String()))
	}
	return bodies
}

// plain is what an answer holds, as encoding/json reads it.
type plain struct {
	text, reasoning, refusal, stop string
	calls                          [][2]string
	in, out                        int64
}

func str(v any) string { s, _ := v.(string); return s }

// read adds a message or delta.
func (p *plain) read(m map[string]any) {
	switch c := m["content"].(type) {
	case string:
		p.text += c
	case []any:
		for _, item := range c {
			part := item.(map[string]any)
			p.text += str(part["text"])
			if thoughts, ok := part["thinking"].([]any); ok {
				for _, th := range thoughts {
					p.reasoning += str(th.(map[string]any)["text"])
				}
			}
		}
	}
	if s := str(m["reasoning_content"]); s != "" {
		p.reasoning += s
	} else {
		p.reasoning += str(m["reasoning"])
	}
	p.refusal += str(m["refusal"])
	list, _ := m["tool_calls"].([]any)
	for _, item := range list {
		call := item.(map[string]any)
		f := call["function"].(map[string]any)
		i := len(p.calls)
		if n, ok := call["index"].(float64); ok && m["role"] == nil {
			i = int(n)
		}
		for len(p.calls) <= i {
			p.calls = append(p.calls, [2]string{})
		}
		p.calls[i][0] += str(f["name"])
		p.calls[i][1] += str(f["arguments"])
	}
}

func (p *plain) body(t *testing.T, body []byte) {
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	choices, _ := v["choices"].([]any)
	for _, item := range choices {
		c := item.(map[string]any)
		if n, _ := c["index"].(float64); n != 0 {
			continue
		}
		for _, field := range []string{"message", "delta"} {
			if m, ok := c[field].(map[string]any); ok {
				p.read(m)
			}
		}
		if s := str(c["finish_reason"]); s != "" {
			p.stop = s
		}
	}
	if u, ok := v["usage"].(map[string]any); ok {
		in, _ := u["prompt_tokens"].(float64)
		out, _ := u["completion_tokens"].(float64)
		total, _ := u["total_tokens"].(float64)
		if total > in+out && strings.Contains(string(body), "cost_in_usd_ticks") {
			out = total - in // xAI
		}
		p.in, p.out = int64(in), int64(out)
	}
}

// of is the same of what was read into canon.
func (p *plain) of(a *canon.Answer) {
	for _, c := range a.Choices {
		if c.Index != 0 {
			continue
		}
		p.stop = c.StopRaw.String()
		for i := range c.Parts {
			switch part := &c.Parts[i]; part.Kind {
			case canon.TextPart:
				p.text += part.Text.String()
			case canon.ReasoningPart:
				p.reasoning += part.Text.String()
			case canon.RefusalPart:
				p.refusal += part.Text.String()
			case canon.ToolCallPart:
				p.calls = append(p.calls, [2]string{part.Name.String(), string(part.Args)})
			}
		}
	}
	p.in, p.out = a.Usage.Prompt(), a.Usage.Completion()
}

func (p *plain) json() string {
	p.calls = slices.DeleteFunc(p.calls, func(c [2]string) bool { return c[0] == "" })
	b, _ := json.Marshal([]any{p.text, p.reasoning, p.refusal, p.stop, p.calls, p.in, p.out})
	return string(b)
}

// essence is what two forms of an answer must share.
func essence(a *canon.Answer) string {
	var out []any
	for _, c := range a.Choices {
		out = append(out, c.Index, c.Stop, c.StopText.String())
		for i := range c.Parts {
			p := &c.Parts[i]
			out = append(out, p.Kind, p.Text.String(), p.ID.String(), p.Name.String(), string(p.Args), p.Custom, p.Signature.String(), p.Redacted.String(), p.Media.URL.String(), p.Media.Data.String(), len(p.Citations))
			for _, c := range p.Citations {
				out = append(out, c.URL.String(), c.Title.String(), c.Quote.String(), c.Start, c.End)
			}
			if p.Kind == canon.OpaquePart {
				out = append(out, string(p.Raw), p.From)
			}
		}
	}
	u := a.Usage
	out = append(out, a.ID.String(), a.Model.String(), a.Created, u.Input, u.CacheRead, u.CacheWrite, u.CacheWriteHour, u.Output, u.Reasoning, u.AudioInput, u.AudioOutput, u.ImageInput, u.ImageOutput, u.Searches, string(u.Cost))
	b, _ := json.Marshal(out)
	return string(b)
}

func readStream(f dialect.Format, chunks [][]byte) (*canon.Answer, error) {
	var fold canon.Fold
	r := f.NewReader()
	for _, c := range chunks {
		if err := r.Read(nil, bytes.Clone(c), fold.Add); err != nil {
			return nil, err
		}
	}
	if err := r.Read(nil, []byte("[DONE]"), fold.Add); err != nil {
		return nil, err
	}
	err := r.End(fold.Add)
	return &fold.Answer, err
}

// rewrite writes a stream anew and gives its events' data.
func rewrite(t *testing.T, f dialect.Format, chunks [][]byte) (out [][]byte) {
	w := f.NewWriter(&canon.Request{IncludeUsage: true})
	r := f.NewReader()
	var wire []byte
	emit := func(ev *canon.Event) error { wire = w.Append(wire, ev); return nil }
	for _, c := range append(chunks, []byte("[DONE]")) {
		if err := r.Read(nil, c, emit); err != nil {
			t.Fatal(err)
		}
	}
	return dataOf(t, wire)
}

// dataOf checks that what was written is a stream of JSON and gives it.
func dataOf(t *testing.T, wire []byte) (out [][]byte) {
	var s sse.Splitter
	err := s.Feed(wire, func(ev []byte) error {
		if bytes.Count(ev, []byte("\n")) != 2 || !bytes.HasPrefix(ev, []byte("data: ")) {
			t.Fatalf("not one event: %q", ev)
		}
		_, data, _ := sse.Parse(ev)
		if string(data) == "[DONE]" {
			return nil
		}
		if !json.Valid(data) {
			t.Fatalf("not JSON: %s", data)
		}
		out = append(out, bytes.Clone(data))
		return nil
	})
	if err != nil || len(s.Rest()) > 0 {
		t.Fatalf("%v, rest %q", err, s.Rest())
	}
	return out
}

func TestRecordings(t *testing.T) {
	plains, streams := 0, 0
	for _, rec := range all(t) {
		var want, got plain
		var a canon.Answer
		if rec.chunks == nil {
			plains++
			if f := (Format{}).ReadAnswer(rec.body, &a); f != nil {
				t.Errorf("%s: %v", rec.name, f)
				continue
			}
			want.body(t, rec.body)
		} else {
			streams++
			folded, err := readStream(Format{}, rec.chunks)
			if err != nil {
				t.Errorf("%s: %v", rec.name, err)
				continue
			}
			a = *folded
			for _, c := range rec.chunks {
				want.body(t, c)
			}
			again, err := readStream(Format{}, rewrite(t, Format{}, rec.chunks))
			if err != nil || essence(again) != essence(&a) {
				t.Errorf("%s: written anew, %v\n%s\n%s", rec.name, err, essence(again), essence(&a))
			}
		}
		if got.of(&a); got.json() != want.json() {
			t.Errorf("%s:\n got %s\nwant %s", rec.name, got.json(), want.json())
		}
		var again canon.Answer
		b := Format{}.AppendAnswer(nil, &a)
		if !json.Valid(b) {
			t.Fatalf("%s: %s", rec.name, b)
		}
		if f := (Format{}).ReadAnswer(b, &again); f != nil || essence(&again) != essence(&a) {
			t.Errorf("%s: written anew, %v\n got %s\nwant %s", rec.name, f, essence(&again), essence(&a))
		}
	}
	t.Logf("%d plain answers, %d streams", plains, streams)
}
