package rerank

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// Cohere's form and those near to it.
var (
	cohereForm = Form{Charges: true, Read: readNear, Append: func(b []byte, r *Request, to Target, _ *canon.Losses) []byte {
		return appendNear(b, r, to, "top_n", r.rawDocuments, r.Return)
	}}
	jinaForm = Form{Read: readNear, Append: func(b []byte, r *Request, to Target, _ *canon.Losses) []byte {
		return appendNear(b, r, to, "top_n", r.rawDocuments, returned(r.Return))
	}}
	voyageForm = Form{Read: readNear, Append: func(b []byte, r *Request, to Target, _ *canon.Losses) []byte {
		return appendNear(b, r, to, "top_k", r.texts, returned(r.Return))
	}}
	// fireworksForm takes documents as texts, and answers as Voyage does.
	fireworksForm = Form{Read: readNear, Append: func(b []byte, r *Request, to Target, _ *canon.Losses) []byte {
		return appendNear(b, r, to, "top_n", r.texts, returned(r.Return))
	}}
)

// returned leaves documents out unless they are wanted: these providers send
// them by default, or what we have of them is enough.
func returned(canon.Flag) canon.Flag { return canon.No }

func (r *Request) rawDocuments(b []byte) []byte {
	for i := range r.Documents {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Documents[i].Raw...)
	}
	return b
}

func (r *Request) texts(b []byte) []byte {
	for i := range r.Documents {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Documents[i].Text...)
	}
	return b
}

func appendNear(b []byte, r *Request, to Target, top string, documents func([]byte) []byte, back canon.Flag) []byte {
	b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
	b = append(append(b, `,"query":`...), r.Query...)
	b = append(documents(append(b, `,"documents":[`...)), ']')
	if r.Top > 0 {
		b = append(append(append(b, `,"`...), top...), `":`...)
		b = strconv.AppendInt(b, r.Top, 10)
	}
	if back != canon.Unset {
		b = strconv.AppendBool(append(b, `,"return_documents":`...), back == canon.Yes)
	}
	for i := range r.Others {
		b = append(canon.AppendQuoted(append(b, ','), r.Others[i].Name), ':')
		b = append(b, r.Others[i].Value...)
	}
	return append(b, '}')
}

// readNear reads the answers of them all.
func readNear(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	whole, found := true, false
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		c := s.Peek()
		switch n := string(name); {
		case (n == "results" || n == "data") && c == '[':
			found = true
			return s.Array(func(int) bool { return a.result(&s, "index", "relevance_score", &whole) })
		case n == "id" && c == '"':
			return s.Raw((*[]byte)(&a.ID))
		case n == "usage" && c == '{', n == "meta" && c == '{':
			return a.Usage.read(&s)
		}
		return s.Skip()
	})
	return ok && s.End() && whole && found
}

// ReadUsage reads what an answer that passes says of its usage; false when it
// is no answer.
func ReadUsage(body []byte, u *Usage) bool {
	var a Answer
	ok := readNear(body, &a)
	*u = a.Usage
	return ok
}

// read takes the counts out of usage or meta, however deep they stand.
func (u *Usage) read(s *jsonscan.Scanner) bool {
	return s.Object(func(name []byte) bool {
		if s.Peek() == '{' {
			return u.read(s)
		}
		kind := string(name)
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		const most = 1 << 50
		f, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || !(f >= 0 && f <= most) {
			return true
		}
		switch kind {
		case "search_units":
			u.Units, u.UnitsTold = int64(f), true
		case "input_tokens", "prompt_tokens":
			u.Tokens, u.Told = int64(f), true
		case "total_tokens":
			if !u.Told {
				u.Tokens, u.Told = int64(f), true
			}
		}
		return true
	})
}

// result reads one result.
func (a *Answer) result(s *jsonscan.Scanner, index, score string, whole *bool) bool {
	v := Result{Index: -1}
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		field := string(name)
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		switch field {
		case index:
			if n, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil {
				v.Index = n
			}
		case score:
			if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
				v.Score = raw
			}
		case "document":
			v.Document = raw
		}
		return true
	})
	if v.Score == nil && index == "id" {
		// Ranked without a score: the order says it all.
		v.Score = canon.Raw("1")
	}
	*whole = *whole && v.Index >= 0 && v.Score != nil
	a.Results = append(a.Results, v)
	return ok
}

// bedrockForm is that of Bedrock's agents.
var bedrockForm = Form{
	Charges: true,
	Append: func(b []byte, r *Request, to Target, _ *canon.Losses) []byte {
		b = append(append(b, `{"queries":[{"type":"TEXT","textQuery":{"text":`...), r.Query...)
		b = append(b, `}}],"sources":[`...)
		for i := range r.Documents {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, `{"type":"INLINE","inlineDocumentSource":{"type":"TEXT","textDocument":{"text":`...), r.Documents[i].Text...)
			b = append(b, "}}}"...)
		}
		model := to.Model
		if !strings.HasPrefix(model, "arn:") {
			model = "arn:aws:bedrock:" + to.Region + "::foundation-model/" + model
		}
		b = append(b, `],"rerankingConfiguration":{"type":"BEDROCK_RERANKING_MODEL","bedrockRerankingConfiguration":{"modelConfiguration":{"modelArn":`...)
		b = canon.AppendQuoted(b, model)
		for i := range r.Others {
			if i == 0 {
				b = append(b, `,"additionalModelRequestFields":{`...)
			} else {
				b = append(b, ',')
			}
			b = append(canon.AppendQuoted(b, r.Others[i].Name), ':')
			b = append(b, r.Others[i].Value...)
		}
		if len(r.Others) > 0 {
			b = append(b, '}')
		}
		top := r.Top
		if top == 0 {
			top = int64(len(r.Documents))
		}
		b = strconv.AppendInt(append(b, `},"numberOfResults":`...), top, 10)
		return append(b, "}}}"...)
	},
	Read: func(body []byte, a *Answer) bool { return readList(body, a, "results", "index", "relevanceScore") },
}

// vertexForm is that of Google's ranking API.
var vertexForm = Form{
	Charges: true,
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) []byte {
		b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
		b = append(append(b, `,"query":`...), r.Query...)
		b = append(b, `,"records":[`...)
		for i := range r.Documents {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, `{"id":"`...), int64(i), 10)
			b = append(append(b, `","content":`...), r.Documents[i].Text...)
			b = append(b, '}')
		}
		b = append(b, ']')
		if r.Top > 0 {
			b = strconv.AppendInt(append(b, `,"topN":`...), r.Top, 10)
		}
		for i := range r.Others {
			lost.Add(r.Others[i].Name)
		}
		return append(b, `,"ignoreRecordDetailsInResponse":true}`...)
	},
	Read: func(body []byte, a *Answer) bool { return readList(body, a, "records", "id", "score") },
}

func readList(body []byte, a *Answer, list, index, score string) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	whole, found := true, false
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		if string(name) != list || s.Peek() != '[' {
			return s.Skip()
		}
		found = true
		return s.Array(func(int) bool { return a.result(&s, index, score, &whole) })
	})
	return ok && s.End() && whole && found
}
