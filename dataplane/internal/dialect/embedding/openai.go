package embedding

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// ReadOpenAI reads a caller's body in OpenAI's form. Words of other providers
// for what they can be told beside it are understood too.
func ReadOpenAI(body []byte, r *Request) *fault.Fault {
	*r = Request{}
	var s jsonscan.Scanner
	s.Reset(body)
	var bad *fault.Fault
	ok := s.Object(func(name []byte) bool {
		bad = r.field(&s, name)
		return bad == nil
	})
	switch {
	case bad != nil:
		return bad
	case !ok || !s.End():
		return fault.New(fault.MalformedJSON, "", nil)
	case len(r.Inputs) == 0:
		return fault.New(fault.BadRequest, "input holds nothing to embed.", nil).WithParam("input")
	}
	return nil
}

// field reads one field of the body.
func (r *Request) field(s *jsonscan.Scanner, name []byte) *fault.Fault {
	field := string(name)
	if field == "input" {
		return r.input(s)
	}
	var raw canon.Raw
	if !s.Raw((*[]byte)(&raw)) {
		return fault.New(fault.MalformedJSON, "", nil)
	}
	null := raw[0] == 'n'
	switch field {
	case "model":
	case "dimensions", "output_dimension", "outputDimensionality":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if !null && (err != nil || n <= 0) {
			return fault.Newf(fault.WrongType, "%s must be a whole number above 0.", field).WithParam(field)
		}
		r.Dimensions = n
	case "encoding_format":
		if r.Base64 = canon.Text(raw).Is("base64"); !r.Base64 && !null && !canon.Text(raw).Is("float") {
			return fault.New(fault.BadRequest, "encoding_format must be float or base64.", nil).WithParam(field)
		}
	case "input_type", "task_type", "task", "taskType":
		if p := purposeOf(canon.Text(raw)); p != nil && raw[0] == '"' {
			r.Purpose = p
		} else if !null {
			r.Others = append(r.Others, canon.Field{Name: field, Value: raw})
		}
	case "title":
		if raw[0] == '"' {
			r.Title = canon.Text(raw)
		}
	case "auto_truncate", "truncation", "autoTruncate":
		if raw[0] == 't' || raw[0] == 'f' {
			r.Truncate = canon.FlagOf(raw[0] == 't')
			return nil
		}
		fallthrough
	default:
		if !null {
			r.Others = append(r.Others, canon.Field{Name: field, Value: raw})
		}
	}
	return nil
}

// input takes a text, a list of texts, the tokens of a text or a list of those.
func (r *Request) input(s *jsonscan.Scanner) *fault.Fault {
	switch s.Peek() {
	case '"':
		var raw []byte
		if !s.Raw(&raw) {
			return fault.New(fault.MalformedJSON, "", nil)
		}
		r.Inputs = []Input{{Text: raw}}
		return nil
	case '[':
	default:
		return wrongInput()
	}
	start := s.Pos()
	tokens, wrong := false, false
	ok := s.Array(func(int) bool {
		c := s.Peek()
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		switch {
		case c == '"':
			r.Inputs = append(r.Inputs, Input{Text: raw})
		case c == '[':
			r.Inputs = append(r.Inputs, Input{Tokens: raw})
		case c >= '0' && c <= '9':
			tokens = true
		default:
			wrong = true
		}
		return true
	})
	r.List = true
	switch {
	case !ok:
		return fault.New(fault.MalformedJSON, "", nil)
	case wrong || tokens && len(r.Inputs) > 0:
		return wrongInput()
	case tokens:
		r.List = false
		r.Inputs = []Input{{Tokens: s.Text()[start:s.Pos()]}}
	}
	return nil
}

func wrongInput() *fault.Fault {
	return fault.New(fault.WrongType, "input must be a text, a list of texts, an array of tokens or a list of those.", nil).WithParam("input")
}

var openaiForm = Form{
	Append: func(b []byte, r *Request, to Target, lost *canon.Losses) ([]byte, *fault.Fault) {
		r.lose(lost, false, false)
		if r.Purpose != nil {
			lost.Add("task_type")
		}
		return append(appendNear(b, r, to, "dimensions"), '}'), nil
	},
	Read: readOpenAI,
}

// appendNear writes what OpenAI's form and those near to it share, but for the
// end.
func appendNear(b []byte, r *Request, to Target, dimensions string) []byte {
	b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
	if len(r.Inputs) == 1 && !r.List {
		b = append(append(b, `,"input":`...), r.Inputs[0].raw()...)
	} else {
		b = appendList(append(b, ','), "input", r.Inputs)
	}
	if r.Dimensions > 0 {
		b = append(append(append(b, `,"`...), dimensions...), `":`...)
		b = strconv.AppendInt(b, r.Dimensions, 10)
	}
	if r.Base64 {
		b = append(b, `,"encoding_format":"base64"`...)
	}
	return b
}

// readOpenAI reads an answer of the form, or of one near to it.
func readOpenAI(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	placed := true
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		switch {
		case string(name) == "data" && s.Peek() == '[':
			return s.Array(func(i int) bool { return a.item(&s, i, &placed) })
		case string(name) == "usage" && s.Peek() == '{':
			return a.usage(&s)
		case string(name) == "model" && s.Peek() == '"':
			return s.Raw((*[]byte)(&a.Model))
		}
		return s.Skip()
	})
	if !ok || !s.End() || !placed {
		return false
	}
	for _, v := range a.Vectors {
		if v == nil {
			return false
		}
	}
	return len(a.Vectors) > 0
}

// maxVectors bounds the index that an answer may name.
const maxVectors = 1 << 16

// item reads one vector; it says where it belongs, which need not be where it
// stands.
func (a *Answer) item(s *jsonscan.Scanner, at int, placed *bool) bool {
	if s.Peek() != '{' {
		*placed = false
		return s.Skip()
	}
	var vector []byte
	ok := s.Object(func(name []byte) bool {
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		switch string(name) {
		case "embedding":
			vector = raw
		case "index":
			if n, err := strconv.Atoi(string(raw)); err == nil {
				at = n
			}
		}
		return true
	})
	if at < 0 || at >= maxVectors || vector == nil || vector[0] != '[' && vector[0] != '"' {
		*placed = false
		return ok
	}
	for len(a.Vectors) <= at {
		a.Vectors = append(a.Vectors, nil)
	}
	a.Vectors[at] = vector
	return ok
}

// usage reads prompt_tokens, or total_tokens where there is no other count.
func (a *Answer) usage(s *jsonscan.Scanner) bool {
	total := int64(-1)
	ok := s.Object(func(name []byte) bool {
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		n, ok := countOf(raw)
		switch {
		case !ok:
		case string(name) == "prompt_tokens":
			a.Tokens, a.Reported = n, true
		case string(name) == "total_tokens":
			total = n
		}
		return true
	})
	if !a.Reported && total >= 0 {
		a.Tokens, a.Reported = total, true
	}
	return ok
}

// countOf reads a count, which some write as 214.0.
func countOf(raw []byte) (int64, bool) {
	const most = 1 << 50
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f >= 0 && f <= most) {
		return 0, false
	}
	return int64(f), true
}

// AppendOpenAI writes the answer for a caller of OpenAI's form, in the
// encoding that was asked for. It reports false when a vector is no vector.
func AppendOpenAI(b []byte, r *Request, a *Answer) ([]byte, bool) {
	b = append(b, `{"object":"list","data":[`...)
	for i, v := range a.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = append(strconv.AppendInt(b, int64(i), 10), `,"embedding":`...)
		var ok bool
		if b, ok = appendVector(b, v, r.Base64); !ok {
			return b, false
		}
		b = append(b, '}')
	}
	b = append(append(b, `],"model":`...), a.Model...)
	b = strconv.AppendInt(append(b, `,"usage":{"prompt_tokens":`...), a.Tokens, 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), a.Tokens, 10)
	return append(b, "}}"...), true
}

// appendVector writes a vector as numbers or as base64 of 32-bit floats, lowest
// byte first. Numbers keep the digits that they came with.
func appendVector(b []byte, v canon.Raw, encoded bool) ([]byte, bool) {
	if encoded == (v[0] == '"') {
		return append(b, v...), true
	}
	if encoded {
		var floats []byte
		var s jsonscan.Scanner
		s.Reset(v)
		ok := s.Array(func(int) bool {
			var raw []byte
			if !s.Raw(&raw) {
				return false
			}
			f, err := strconv.ParseFloat(string(raw), 32)
			floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(f)))
			return err == nil
		})
		b = base64.StdEncoding.AppendEncode(append(b, '"'), floats)
		return append(b, '"'), ok
	}
	floats, err := base64.StdEncoding.DecodeString(canon.Text(v).String())
	if err != nil || len(floats)%4 != 0 {
		return b, false
	}
	b = append(b, '[')
	for i := 0; i < len(floats); i += 4 {
		if i > 0 {
			b = append(b, ',')
		}
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(floats[i:])))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return b, false
		}
		b = strconv.AppendFloat(b, f, 'g', -1, 32)
	}
	return append(b, ']'), true
}
