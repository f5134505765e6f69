package peek

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// HideUsage says that usage is asked of the provider for our sake alone.
func (r *Request) HideUsage() bool {
	return r.Stream && !r.IncludeUsage && r.shape.has(Options)
}

func (s *Shape) has(role Role) bool {
	for i := range s.Fields {
		if s.Fields[i].Role == role {
			return true
		}
	}
	return false
}

const (
	wholeOptions = `"stream_options":{"include_usage":true},`
	onlyOptions  = `{"include_usage":true}`
	firstInclude = `"include_usage":true,`
	onlyInclude  = `"include_usage":true`
	trueValue    = `true`
)

// edit replaces body[at.Start:at.End].
type edit struct {
	at   jsonscan.Span
	with []byte
}

// Pieces gives the body as it is forwarded: the same bytes, but for the
// model's name when the provider knows it by another one, and for the request
// of usage on a stream of OpenAI's. pieces and quoted are room to work in;
// quoted is the provider's name as a JSON string.
func (r *Request) Pieces(pieces [][]byte, quoted []byte) [][]byte {
	var edits [2]edit
	n := 0
	if !r.shape.NoModel && !bytes.Equal(r.model.Of(r.body), quoted) {
		edits[n] = edit{r.model, quoted}
		if r.model.End == 0 {
			edits[n] = r.modelEdit(quoted)
		}
		n++
	}
	if r.HideUsage() {
		edits[n] = r.usageEdit()
		n++
	}
	if n == 2 && edits[1].at.Start < edits[0].at.Start {
		edits[0], edits[1] = edits[1], edits[0]
	}
	from := 0
	for _, e := range edits[:n] {
		pieces = append(pieces, r.body[from:e.at.Start], e.with)
		from = e.at.End
	}
	return append(pieces, r.body[from:])
}

// modelEdit names the model in a body that does not.
func (r *Request) modelEdit(quoted []byte) edit {
	// The body is an object and holds a prompt at least: a comma is right.
	at := bytes.IndexByte(r.body, '{') + 1
	return edit{jsonscan.Span{Start: at, End: at}, append(append([]byte(`"model":`), quoted...), ',')}
}

// usageEdit makes a stream report its usage.
func (r *Request) usageEdit() edit {
	switch {
	case !r.hasOptions:
		// The body is an object and holds model at least: a comma is right.
		at := bytes.IndexByte(r.body, '{') + 1
		return edit{jsonscan.Span{Start: at, End: at}, []byte(wholeOptions)}
	case r.optionsNull:
		return edit{r.options, []byte(onlyOptions)}
	case r.include.End != 0:
		return edit{r.include, []byte(trueValue)}
	case r.optionsEmpty:
		at := r.options.Start + 1
		return edit{jsonscan.Span{Start: at, End: at}, []byte(onlyInclude)}
	default:
		at := r.options.Start + 1
		return edit{jsonscan.Span{Start: at, End: at}, []byte(firstInclude)}
	}
}
