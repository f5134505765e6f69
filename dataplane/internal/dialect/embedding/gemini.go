package embedding

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// ReadGemini reads a caller's body in Gemini's form: of batchEmbedContents when
// batch, else of embedContent.
func ReadGemini(body []byte, batch bool, r *Request) *fault.Fault {
	*r = Request{List: batch}
	var s jsonscan.Scanner
	s.Reset(body)
	var bad *fault.Fault
	var ok bool
	if batch {
		ok = s.Peek() == '{' && s.Object(func(name []byte) bool {
			if string(name) != "requests" {
				return r.other(&s, name)
			}
			return s.Array(func(i int) bool {
				bad = r.content(&s, "requests["+strconv.Itoa(i)+"].")
				return bad == nil
			})
		})
	} else {
		bad = r.content(&s, "")
		ok = bad == nil
	}
	switch {
	case bad != nil:
		return bad
	case !ok || !s.End():
		return fault.New(fault.MalformedJSON, "", nil)
	case len(r.Inputs) == 0:
		return fault.New(fault.BadRequest, "There is nothing to embed.", nil).WithParam("requests")
	}
	return nil
}

func (r *Request) other(s *jsonscan.Scanner, name []byte) bool {
	field := string(name)
	var raw []byte
	if !s.Raw(&raw) {
		return false
	}
	r.Others = append(r.Others, canon.Field{Name: field, Value: raw})
	return true
}

// content reads one request. Purpose and dimensions are of all of them: where
// they differ nothing else can be told.
func (r *Request) content(s *jsonscan.Scanner, at string) *fault.Fault {
	if s.Peek() != '{' {
		return fault.New(fault.WrongType, "Each request must be an object.", nil).WithParam("requests")
	}
	var text canon.Text
	var bad *fault.Fault
	ok := s.Object(func(name []byte) bool {
		switch string(name) {
		case "content":
			text, bad = partsOf(s, at+"content.parts")
			return bad == nil
		case "model":
			return s.Skip()
		case "taskType", "task_type", "title", "outputDimensionality", "output_dimensionality":
			field := map[string]string{"task_type": "taskType", "output_dimensionality": "outputDimensionality"}[string(name)]
			if field == "" {
				field = string(name)
			}
			bad = r.field(s, []byte(field))
			return bad == nil
		}
		return r.other(s, name)
	})
	switch {
	case bad != nil:
		return bad
	case !ok:
		return fault.New(fault.MalformedJSON, "", nil)
	case text == nil:
		return fault.Newf(fault.MissingField, "The body has no %scontent.", at).WithParam(at + "content")
	}
	r.Inputs = append(r.Inputs, Input{Text: text})
	return nil
}

// partsOf joins the texts of a content.
func partsOf(s *jsonscan.Scanner, at string) (canon.Text, *fault.Fault) {
	var texts []canon.Text
	foreign := ""
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		if string(name) != "parts" || s.Peek() != '[' {
			return s.Skip()
		}
		return s.Array(func(i int) bool {
			return s.Peek() == '{' && s.Object(func(name []byte) bool {
				if string(name) == "text" && s.Peek() == '"' {
					var raw []byte
					ok := s.Raw(&raw)
					texts = append(texts, raw)
					return ok
				}
				foreign = string(name)
				return s.Skip()
			})
		})
	})
	switch {
	case !ok:
		return nil, fault.Newf(fault.WrongType, "%s must be an array of parts.", at).WithParam(at)
	case foreign != "":
		return nil, fault.Newf(fault.UnsupportedField, "The provider of this route embeds texts only, not %s.", foreign).WithParam(at)
	case len(texts) == 0:
		return nil, fault.Newf(fault.BadRequest, "%s holds no text.", at).WithParam(at)
	}
	return canon.Join(texts...), nil
}

var geminiForm = Form{
	// Append writes the body of batchEmbedContents.
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.lose(lost, true, false)
		b = append(b, `{"requests":[`...)
		for i := range r.Inputs {
			if i > 0 {
				b = append(b, ',')
			}
			b = canon.AppendQuoted(append(b, `{"model":`...), "models/"+strings.TrimPrefix(to.Model, "models/"))
			b = append(append(b, `,"content":{"parts":[{"text":`...), r.Inputs[i].Text...)
			b = append(b, "}]}"...)
			if r.Purpose != nil {
				b = canon.AppendQuoted(append(b, `,"taskType":`...), r.Purpose.gemini)
			}
			if r.Title != nil {
				b = append(append(b, `,"title":`...), r.Title...)
			}
			if r.Dimensions > 0 {
				b = strconv.AppendInt(append(b, `,"outputDimensionality":`...), r.Dimensions, 10)
			}
			b = append(b, '}')
		}
		return append(b, "]}"...), nil
	},
	Read: readGemini,
}

// readGemini reads the answers of both methods.
func readGemini(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	whole := true
	values := func() bool {
		var v []byte
		ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
			if string(name) == "values" && s.Peek() == '[' {
				return s.Raw(&v)
			}
			return s.Skip()
		})
		whole = whole && v != nil
		a.Vectors = append(a.Vectors, v)
		return ok
	}
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		switch {
		case string(name) == "embedding":
			return values()
		case string(name) == "embeddings" && s.Peek() == '[':
			return s.Array(func(int) bool { return values() })
		case string(name) == "usageMetadata" && s.Peek() == '{':
			return a.metadata(&s)
		}
		return s.Skip()
	})
	return ok && s.End() && whole && len(a.Vectors) > 0
}

// AppendGemini writes the answer for a caller of Gemini's form. It reports
// false when a vector is no vector.
func AppendGemini(b []byte, r *Request, a *Answer) ([]byte, bool) {
	if !r.List {
		b, ok := appendVector(append(b, `{"embedding":{"values":`...), a.Vectors[0], false)
		return append(b, "}}"...), ok
	}
	b = append(b, `{"embeddings":[`...)
	for i, v := range a.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendVector(append(b, `{"values":`...), v, false); !ok {
			return b, false
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), true
}

// Rename gives a body of Gemini's form with another name of the model, and
// nothing else changed. Bodies without a name stay as they are.
func Rename(body []byte, model string) []byte {
	var s jsonscan.Scanner
	s.Reset(body)
	name := canon.Quote("models/" + strings.TrimPrefix(model, "models/"))
	var out []byte
	from := 0
	replace := func() bool {
		p, ok := s.Value()
		if ok {
			out = append(append(out, body[from:p.Start]...), name...)
			from = p.End
		}
		return ok
	}
	one := func() bool {
		return s.Object(func(field []byte) bool {
			if string(field) == "model" {
				return replace()
			}
			return s.Skip()
		})
	}
	ok := s.Object(func(field []byte) bool {
		switch {
		case string(field) == "model":
			return replace()
		case string(field) == "requests" && s.Peek() == '[':
			return s.Array(func(int) bool {
				if s.Peek() == '{' {
					return one()
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
	if !ok || from == 0 {
		return body
	}
	return append(out, body[from:]...)
}
