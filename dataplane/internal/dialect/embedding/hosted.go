package embedding

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// vertexForm is that of Vertex AI's predict.
var vertexForm = Form{
	Append: func(b []byte, r *Request, _ Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.lose(lost, true, true)
		task := "RETRIEVAL_QUERY"
		if r.Purpose != nil {
			task = r.Purpose.gemini
		}
		b = append(b, `{"instances":[`...)
		for i := range r.Inputs {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, `{"content":`...), r.Inputs[i].Text...)
			b = canon.AppendQuoted(append(b, `,"task_type":`...), task)
			if r.Title != nil {
				b = append(append(b, `,"title":`...), r.Title...)
			}
			b = append(b, '}')
		}
		b = append(b, ']')
		if r.Dimensions > 0 || r.Truncate != canon.Unset {
			b = append(b, `,"parameters":{`...)
			if r.Truncate != canon.Unset {
				b = strconv.AppendBool(append(b, `"autoTruncate":`...), r.Truncate == canon.Yes)
			}
			if r.Dimensions > 0 {
				if r.Truncate != canon.Unset {
					b = append(b, ',')
				}
				b = strconv.AppendInt(append(b, `"outputDimensionality":`...), r.Dimensions, 10)
			}
			b = append(b, '}')
		}
		return append(b, '}'), nil
	},
	Read: readVertex,
}

// readVertex reads an answer, in which each text has its own count.
func readVertex(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	whole := true
	prediction := func(int) bool {
		var v []byte
		ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
			if string(name) != "embeddings" || s.Peek() != '{' {
				return s.Skip()
			}
			return s.Object(func(name []byte) bool {
				switch {
				case string(name) == "values" && s.Peek() == '[':
					return s.Raw(&v)
				case string(name) == "statistics" && s.Peek() == '{':
					return a.statistics(&s)
				}
				return s.Skip()
			})
		})
		whole = whole && v != nil
		a.Vectors = append(a.Vectors, v)
		return ok
	}
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		if string(name) == "predictions" && s.Peek() == '[' {
			return s.Array(prediction)
		}
		return s.Skip()
	})
	return ok && s.End() && whole && len(a.Vectors) > 0
}

func (a *Answer) statistics(s *jsonscan.Scanner) bool {
	return s.Object(func(name []byte) bool {
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		if n, ok := countOf(raw); ok && string(name) == "token_count" {
			a.Tokens, a.Reported = a.Tokens+n, true
		}
		return true
	})
}

// titanForm is that of Amazon's Titan models, which take one text.
var titanForm = Form{
	Append: func(b []byte, r *Request, _ Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.onlyOne(); f != nil {
			return b, f
		}
		r.lose(lost, false, false)
		r.losePurpose(lost)
		b = append(append(b, `{"inputText":`...), r.Inputs[0].Text...)
		if r.Dimensions > 0 {
			b = strconv.AppendInt(append(b, `,"dimensions":`...), r.Dimensions, 10)
		}
		return append(b, '}'), nil
	},
	Read: func(body []byte, a *Answer) bool {
		var s jsonscan.Scanner
		s.Reset(body)
		ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
			var raw []byte
			if !s.Raw(&raw) {
				return false
			}
			switch string(name) {
			case "embedding":
				if raw[0] == '[' {
					a.Vectors = append(a.Vectors, raw)
				}
			case "inputTextTokenCount":
				a.Tokens, a.Reported = countOf(raw)
			}
			return true
		})
		return ok && s.End() && len(a.Vectors) == 1
	},
}

// novaForm is that of Amazon's Nova models.
var novaForm = Form{
	Append: func(b []byte, r *Request, _ Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.onlyOne(); f != nil {
			return b, f
		}
		r.lose(lost, false, true)
		purpose := "GENERIC_INDEX"
		if r.Purpose != nil {
			switch r.Purpose.gemini {
			case "CLASSIFICATION", "CLUSTERING":
				purpose = r.Purpose.gemini
			case "RETRIEVAL_DOCUMENT":
			default:
				purpose = "GENERIC_RETRIEVAL"
			}
		}
		mode := "END"
		if r.Truncate == canon.No {
			mode = "NONE"
		}
		b = append(b, `{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":`...)
		b = canon.AppendQuoted(b, purpose)
		if r.Dimensions > 0 {
			b = strconv.AppendInt(append(b, `,"embeddingDimension":`...), r.Dimensions, 10)
		}
		b = canon.AppendQuoted(append(b, `,"text":{"truncationMode":`...), mode)
		b = append(append(b, `,"value":`...), r.Inputs[0].Text...)
		return append(b, "}}}"...), nil
	},
	Read: func(body []byte, a *Answer) bool {
		var s jsonscan.Scanner
		s.Reset(body)
		ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
			if string(name) != "embeddings" || s.Peek() != '[' {
				return s.Skip()
			}
			placed := true
			return s.Array(func(i int) bool { return a.item(&s, i, &placed) && placed })
		})
		return ok && s.End() && len(a.Vectors) == 1
	},
}

func (r *Request) losePurpose(lost *canon.Losses) {
	if r.Purpose != nil {
		lost.Add("task_type")
	}
}
