package anthropic

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

var _ dialect.Format = Format{}

// answers are the whole answers among the recordings.
func answers(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, p := range recordings.Glob(t, "vercel-ai/anthropic/src/__fixtures__/*.json", "agentgateway/response/anthropic/*.json") {
		b := recordings.Read(t, p)
		if json.Valid(b) && !strings.Contains(p, "count_tokens") {
			out[filepath.Base(p)] = b
		}
	}
	for _, p := range recordings.Glob(t, "*/anthropic/messages_success.json") {
		var mock struct {
			Response struct {
				JSONBody json.RawMessage `json:"jsonBody"`
			} `json:"response"`
		}
		if err := json.Unmarshal(recordings.Read(t, p), &mock); err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = mock.Response.JSONBody
	}
	return out
}

// streams are the streams among the recordings, as the wire has them.
func streams(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, p := range recordings.Glob(t, "vercel-ai/anthropic/src/__fixtures__/*.chunks.txt") {
		// Some files hold the answers of several calls, one behind another.
		var b []byte
		name := filepath.Base(p)
		for _, line := range bytes.Split(recordings.Read(t, p), []byte{'\n'}) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			var e struct{ Type string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			if e.Type == "message_start" && bytes.Contains(b, []byte(`"message_stop"`)) {
				out[name] = b
				b, name = nil, name+"+"
			}
			b = append(b, "event: "+e.Type+"\ndata: "+string(line)+"\n\n"...)
		}
		out[name] = b
	}
	for _, p := range recordings.Glob(t, "agentgateway/response/anthropic/stream*.json") {
		out[filepath.Base(p)] = recordings.Read(t, p)
	}
	return out
}

// follow reads a stream in pieces of the given size.
func follow(wire []byte, size int, emit canon.Emit) error {
	r := Format{}.NewReader()
	var split sse.Splitter
	for len(wire) > 0 {
		n := min(size, len(wire))
		piece := bytes.Clone(wire[:n])
		wire = wire[n:]
		err := split.Feed(piece, func(ev []byte) error {
			name, payload, ok := sse.Parse(ev)
			if !ok {
				return nil
			}
			return r.Read(name, payload, emit)
		})
		if err != nil {
			return err
		}
		for i := range piece {
			piece[i] = '#'
		}
	}
	return r.End(emit)
}

func fold(wire []byte) (*canon.Fold, error) {
	f := new(canon.Fold)
	err := follow(wire, len(wire)+1, f.Add)
	return f, err
}

// shown is an answer in a form that two can be compared in: what it means,
// whatever spaces or escapes it was written with.
func shown(a *canon.Answer, withUsage bool) string {
	var b strings.Builder
	put := func(name string, v any) {
		s, _ := json.Marshal(v)
		if string(s) != `""` && string(s) != "null" && string(s) != "0" && string(s) != "false" {
			b.WriteString(" " + name + "=" + string(s))
		}
	}
	put("id", a.ID.String())
	put("model", a.Model.String())
	for _, c := range a.Choices {
		b.WriteString("\nchoice")
		put("index", c.Index)
		put("stop", c.Stop)
		put("raw", c.StopRaw.String())
		put("text", c.StopText.String())
		for i := range c.Parts {
			p := &c.Parts[i]
			b.WriteString("\n  part")
			put("kind", p.Kind)
			put("text", p.Text.String())
			put("id", p.ID.String())
			put("name", p.Name.String())
			put("args", compact(p.Args))
			put("signature", p.Signature.String())
			put("redacted", p.Redacted.String())
			put("custom", p.Custom)
			put("raw", sorted(p.Raw))
			put("media", string(p.Media.Data)+string(p.Media.URL))
			for _, c := range p.Citations {
				put("cite", c.URL.String()+"|"+c.Title.String()+"|"+c.Quote.String()+"|"+sorted(c.Raw))
			}
			for _, e := range p.Extra {
				put(e.Name, compact(e.Value))
			}
		}
	}
	for _, e := range a.Extra {
		b.WriteString("\nextra")
		put(e.Name, compact(e.Value))
	}
	if withUsage {
		u := a.Usage
		u.Raw, u.From, u.Cost = nil, "", nil
		s, _ := json.Marshal(u)
		b.WriteString("\n" + string(s))
	}
	return b.String()
}

func compact(raw canon.Raw) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// sorted is a JSON value with its members in order.
func sorted(raw []byte) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	s, _ := json.Marshal(v)
	return string(s)
}

// written is what a stream's writer makes of events.
type written struct {
	w   canon.Writer
	out []byte
}

func (w *written) add(ev *canon.Event) error {
	w.out = w.w.Append(w.out, ev)
	return nil
}
