package embedding

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// appendOthers writes the fields that have no name here, for providers that
// may know them.
func appendOthers(b []byte, r *Request, not string) []byte {
	for i := range r.Others {
		if f := &r.Others[i]; f.Name != not {
			b = append(canon.AppendQuoted(append(b, ','), f.Name), ':')
			b = append(b, f.Value...)
		}
	}
	return b
}

// dropUser notes that a provider cannot be told who the user is.
func (r *Request) dropUser(lost *canon.Losses) {
	for i := range r.Others {
		if r.Others[i].Name == "user" {
			lost.Add("user")
		}
	}
	if r.Title != nil {
		lost.Add("title")
	}
}

// purpose writes a purpose in the word that the form has, if any.
func appendPurpose(b []byte, field, word string, r *Request, lost *canon.Losses) []byte {
	if r.Purpose == nil {
		return b
	}
	if word == "" {
		lost.Add("task_type")
		return b
	}
	return canon.AppendQuoted(append(append(append(b, `,"`...), field...), `":`...), word)
}

var voyageForm = Form{
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.dropUser(lost)
		b = appendNear(b, r, to, "output_dimension")
		if p := r.Purpose; p != nil {
			b = appendPurpose(b, "input_type", p.voyage, r, lost)
		}
		if r.Truncate != canon.Unset {
			b = strconv.AppendBool(append(b, `,"truncation":`...), r.Truncate == canon.Yes)
		}
		return append(appendOthers(b, r, "user"), '}'), nil
	},
	Read: readOpenAI,
}

var jinaForm = Form{
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.dropUser(lost)
		one := *r
		one.List, one.Base64 = true, false
		b = appendNear(b, &one, to, "dimensions")
		if r.Base64 {
			b = append(b, `,"embedding_type":"base64"`...)
		}
		if p := r.Purpose; p != nil {
			b = appendPurpose(b, "task", p.jina, r, lost)
		}
		if r.Truncate != canon.Unset {
			b = strconv.AppendBool(append(b, `,"truncate":`...), r.Truncate == canon.Yes)
		}
		return append(appendOthers(b, r, "user"), '}'), nil
	},
	Read: readOpenAI,
}

// cohereText writes what Cohere's own API and its models on Bedrock share. The
// purpose must be given; without one the texts count as queries.
func cohereText(b []byte, r *Request, lost *canon.Losses) []byte {
	word := "search_query"
	if r.Purpose != nil {
		if word = r.Purpose.cohere; word == "" {
			lost.Add("task_type")
			word = "clustering"
		}
	}
	b = appendList(b, "texts", r.Inputs)
	return canon.AppendQuoted(append(b, `,"input_type":`...), word)
}

var cohereForm = Form{
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.dropUser(lost)
		b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
		b = append(cohereText(append(b, ','), r, lost), `,"embedding_types":["float"]`...)
		if r.Dimensions > 0 {
			b = strconv.AppendInt(append(b, `,"output_dimension":`...), r.Dimensions, 10)
		}
		if r.Truncate != canon.Unset {
			b = canon.AppendQuoted(append(b, `,"truncate":`...), map[canon.Flag]string{canon.Yes: "END", canon.No: "NONE"}[r.Truncate])
		}
		return append(appendOthers(b, r, "user"), '}'), nil
	},
	Read: readCohere,
}

var bedrockCohereForm = Form{
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		if f := r.noTokens(); f != nil {
			return b, f
		}
		r.lose(lost, false, false)
		b = cohereText(append(b, '{'), r, lost)
		if r.Dimensions > 0 && !strings.Contains(to.Model, "-v3") && strings.Contains(to.Model, "cohere.embed-v") {
			b = strconv.AppendInt(append(b, `,"output_dimension":`...), r.Dimensions, 10)
		} else if r.Dimensions > 0 {
			lost.Add("dimensions")
		}
		return append(b, '}'), nil
	},
	Read: readCohere,
}

// readCohere reads {"embeddings": [[…]]} and {"embeddings": {"float": [[…]]}}.
func readCohere(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	vectors := func() bool {
		return s.Array(func(int) bool {
			var v []byte
			if s.Peek() != '[' || !s.Raw(&v) {
				return false
			}
			a.Vectors = append(a.Vectors, v)
			return true
		})
	}
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		c := s.Peek()
		switch {
		case string(name) == "embeddings" && c == '[':
			return vectors()
		case string(name) == "embeddings" && c == '{':
			return s.Object(func(kind []byte) bool {
				if string(kind) == "float" && s.Peek() == '[' {
					return vectors()
				}
				return s.Skip()
			})
		case string(name) == "meta" && c == '{':
			return a.billed(&s)
		}
		return s.Skip()
	})
	return ok && s.End() && len(a.Vectors) > 0
}

// billed reads Cohere's count.
func (a *Answer) billed(s *jsonscan.Scanner) bool {
	return s.Object(func(name []byte) bool {
		if string(name) != "billed_units" || s.Peek() != '{' {
			return s.Skip()
		}
		return s.Object(func(unit []byte) bool {
			var raw []byte
			if !s.Raw(&raw) {
				return false
			}
			if n, ok := countOf(raw); ok && string(unit) == "input_tokens" {
				a.Tokens, a.Reported = n, true
			}
			return true
		})
	})
}
