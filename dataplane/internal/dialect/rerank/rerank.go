// Package rerank owns the forms in which documents are sent to be ordered by
// how well they answer a query: Cohere's, which callers speak, Jina's and
// Voyage's near to it, and those of Bedrock and Vertex AI. It must not know
// routes, credentials or connections, nor where a provider has the operation.
package rerank

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// Request is what is to be ordered, between forms. Its texts lie in the body
// that it was read from.
type Request struct {
	Query     canon.Text
	Documents []Document
	// Top is how many results are wanted; 0 when all.
	Top int64
	// TopK says that the bound was named as Voyage names it.
	TopK bool
	// Return says that results should hold their documents.
	Return canon.Flag
	// Others are the fields that have no name here.
	Others []canon.Field
}

// Document is one of them: its text, and the value that it came as.
type Document struct {
	Text canon.Text
	Raw  canon.Raw
}

// Result is a document's place in the answer.
type Result struct {
	Index int
	// Score as the provider wrote it.
	Score canon.Raw
	// Document as the provider gave it back; nil when it did not.
	Document canon.Raw
}

// Answer is what comes back, the best first.
type Answer struct {
	ID      canon.Text
	Results []Result
	Usage   Usage
}

// Usage is what a provider counted.
type Usage struct {
	// Tokens when Told, search Units when UnitsTold.
	Tokens, Units   int64
	Told, UnitsTold bool
}

// unitDocuments are how many documents make a search unit, of those who charge
// by it.
const unitDocuments = 100

// UnitsOf are the search units of a request for a provider that does not say.
func (r *Request) UnitsOf() int64 {
	return int64(max(1, (len(r.Documents)+unitDocuments-1)/unitDocuments))
}

// Target is what a request is written for.
type Target struct {
	// Model is the provider's name of it, Region where it is.
	Model, Region string
}

// Form writes requests for a kind of provider and reads its answers.
type Form struct {
	Append func(b []byte, r *Request, to Target, lost *canon.Losses) []byte
	Read   func(body []byte, a *Answer) bool
	// Charges says that the provider charges by search units.
	Charges bool
}

// FormOf finds a form of package providerkind; nil when there is none.
func FormOf(name string) *Form {
	switch name {
	case providerkind.CohereForm:
		return &cohereForm
	case providerkind.JinaForm:
		return &jinaForm
	case providerkind.VoyageForm:
		return &voyageForm
	case providerkind.FireworksForm:
		return &fireworksForm
	case providerkind.BedrockForm:
		return &bedrockForm
	case providerkind.VertexForm:
		return &vertexForm
	}
	return nil
}

// Read reads a caller's body.
func Read(body []byte, r *Request) *fault.Fault {
	*r = Request{}
	var s jsonscan.Scanner
	s.Reset(body)
	var bad *fault.Fault
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		bad = r.field(&s, string(name))
		return bad == nil
	})
	switch {
	case bad != nil:
		return bad
	case !ok || !s.End():
		return fault.New(fault.MalformedJSON, "", nil)
	case r.Query == nil:
		return fault.New(fault.MissingField, "The body has no query.", nil).WithParam("query")
	case len(r.Documents) == 0:
		return fault.New(fault.BadRequest, "documents must hold at least one document.", nil).WithParam("documents")
	}
	return nil
}

func (r *Request) field(s *jsonscan.Scanner, name string) *fault.Fault {
	if name == "documents" && s.Peek() == '[' {
		return r.documents(s)
	}
	var raw canon.Raw
	if !s.Raw((*[]byte)(&raw)) {
		return fault.New(fault.MalformedJSON, "", nil)
	}
	c := raw[0]
	switch name {
	case "model":
	case "query":
		if c != '"' {
			return fault.New(fault.WrongType, "query must be a string.", nil).WithParam(name)
		}
		r.Query = canon.Text(raw)
	case "documents":
		return fault.New(fault.WrongType, "documents must be an array.", nil).WithParam(name)
	case "top_n", "top_k":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if c != 'n' && (err != nil || n <= 0) {
			return fault.Newf(fault.WrongType, "%s must be a whole number above 0.", name).WithParam(name)
		}
		if n > 0 {
			r.Top, r.TopK = n, name == "top_k"
		}
	case "return_documents":
		if c == 't' || c == 'f' {
			r.Return = canon.FlagOf(c == 't')
		}
	default:
		if c != 'n' {
			r.Others = append(r.Others, canon.Field{Name: name, Value: raw})
		}
	}
	return nil
}

// documents takes texts and objects with a text.
func (r *Request) documents(s *jsonscan.Scanner) *fault.Fault {
	wrong := -1
	ok := s.Array(func(i int) bool {
		d := Document{}
		switch s.Peek() {
		case '"':
			if !s.Raw((*[]byte)(&d.Raw)) {
				return false
			}
			d.Text = canon.Text(d.Raw)
		case '{':
			start := s.Pos()
			ok := s.Object(func(name []byte) bool {
				if string(name) == "text" && s.Peek() == '"' {
					return s.Raw((*[]byte)(&d.Text))
				}
				return s.Skip()
			})
			if !ok {
				return false
			}
			d.Raw = s.Text()[start:s.Pos()]
		default:
			if !s.Skip() {
				return false
			}
		}
		if d.Text == nil && wrong < 0 {
			wrong = i
		}
		r.Documents = append(r.Documents, d)
		return true
	})
	if !ok {
		return fault.New(fault.MalformedJSON, "", nil)
	}
	if wrong >= 0 {
		at := "documents[" + strconv.Itoa(wrong) + "]"
		return fault.Newf(fault.WrongType, "%s must be a text or an object with a text.", at).WithParam(at)
	}
	return nil
}

// AppendAnswer writes the answer in Cohere's form, with usage where those near
// to it have it. Documents that the caller wants and the provider did not give
// back are taken from the request. It reports false when a result is of no
// document.
func AppendAnswer(b []byte, r *Request, a *Answer) ([]byte, bool) {
	b = append(append(b, `{"id":`...), a.ID...)
	b = append(b, `,"results":[`...)
	for i := range a.Results {
		v := &a.Results[i]
		if v.Index < 0 || v.Index >= len(r.Documents) {
			return b, false
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(v.Index), 10)
		b = append(append(b, `,"relevance_score":`...), v.Score...)
		if r.Return == canon.Yes {
			b = append(b, `,"document":`...)
			if d := r.Documents[v.Index]; d.Raw[0] == '{' {
				b = append(b, d.Raw...)
			} else {
				b = append(append(append(b, `{"text":`...), d.Text...), '}')
			}
		}
		b = append(b, '}')
	}
	b = append(b, `],"meta":{"api_version":{"version":"2"}`...)
	if a.Usage.UnitsTold {
		b = strconv.AppendInt(append(b, `,"billed_units":{"search_units":`...), a.Usage.Units, 10)
		b = append(b, '}')
	}
	if a.Usage.Told {
		b = strconv.AppendInt(append(b, `,"tokens":{"input_tokens":`...), a.Usage.Tokens, 10)
		b = strconv.AppendInt(append(b, `}},"usage":{"total_tokens":`...), a.Usage.Tokens, 10)
	}
	return append(b, "}}"...), true
}
