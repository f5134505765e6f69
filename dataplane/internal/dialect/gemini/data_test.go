package gemini

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

var _ dialect.Format = Format{}

func decode(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// payloads are the events of a recorded stream, in either of its two forms.
func payloads(raw []byte) (out [][]byte) {
	if bytes.HasPrefix(raw, []byte("data:")) {
		var s sse.Splitter
		s.Feed(append(raw, "\n\n"...), func(ev []byte) error {
			if _, data, ok := sse.Parse(ev); ok {
				out = append(out, bytes.Clone(data))
			}
			return nil
		})
		return out
	}
	for _, line := range bytes.Split(raw, []byte("\n")) {
		if len(bytes.TrimSpace(line)) > 0 {
			out = append(out, line)
		}
	}
	return out
}

// fold reads a stream and gives it whole.
func fold(events [][]byte) (*canon.Fold, error) {
	f := new(canon.Fold)
	r := Format{}.NewReader()
	for _, ev := range events {
		if err := r.Read(nil, ev, f.Add); err != nil {
			return f, err
		}
	}
	return f, r.End(f.Add)
}

// essence is what must not change on the way through a dialect.
type essence struct {
	Kind      canon.Kind
	Text      string
	ID, Name  string
	Args      any
	Signature string
	Redacted  string
	Media     string
	Raw       string
	Citations []canon.Citation
}

func essenceOf(parts []canon.Part) (out []essence) {
	for _, p := range parts {
		e := essence{Kind: p.Kind, Text: p.Text.String(), ID: p.ID.String(), Name: p.Name.String(), Signature: p.Signature.String(),
			Redacted: p.Redacted.String(), Media: p.Media.Type.String() + p.Media.Data.String() + p.Media.URL.String(), Raw: string(p.Raw)}
		if p.Kind == canon.ToolResultPart {
			e.Raw = ""
		}
		if p.Args != nil && json.Unmarshal(p.Args, &e.Args) != nil {
			e.Args = string(p.Args)
		}
		if p.Kind == canon.ToolCallPart && p.Args == nil {
			e.Args = map[string]any{}
		}
		for _, c := range p.Citations {
			c.Raw = nil
			e.Citations = append(e.Citations, c)
		}
		out = append(out, e)
	}
	return out
}

// same compares answers.
func same(t *testing.T, name string, a, b *canon.Answer) {
	t.Helper()
	if !bytes.Equal(a.ID, b.ID) || !bytes.Equal(a.Model, b.Model) || a.Created != b.Created {
		t.Errorf("%s: head %s %s %d became %s %s %d", name, a.ID, a.Model, a.Created, b.ID, b.Model, b.Created)
	}
	ua, ub := a.Usage, b.Usage
	ua.Raw, ub.Raw, ua.From, ub.From = nil, nil, "", ""
	if !reflect.DeepEqual(ua, ub) {
		t.Errorf("%s: usage %+v became %+v", name, ua, ub)
	}
	if len(a.Choices) != len(b.Choices) {
		t.Fatalf("%s: %d choices became %d", name, len(a.Choices), len(b.Choices))
	}
	for i := range a.Choices {
		x, y := a.Choices[i], b.Choices[i]
		if x.Index != y.Index || x.Stop != y.Stop || x.StopRaw.String() != y.StopRaw.String() || x.StopText.String() != y.StopText.String() {
			t.Errorf("%s: end %d %s %s became %d %s %s", name, x.Stop, x.StopRaw, x.StopText, y.Stop, y.StopRaw, y.StopText)
		}
		if ex, ey := essenceOf(x.Parts), essenceOf(y.Parts); !reflect.DeepEqual(ex, ey) {
			t.Errorf("%s: parts\n%+v\nbecame\n%+v", name, ex, ey)
		}
	}
}
