package bedrock

import (
	"encoding/base64"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// scanner reads values into canon's. Its methods report false where the text is
// not JSON; values of another type than awaited are passed over.
type scanner struct{ jsonscan.Scanner }

// object walks an object; other values are passed over.
func (s *scanner) object(each func(name []byte) bool) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	return s.Object(each)
}

// list walks an array; other values are passed over.
func (s *scanner) list(each func(i int) bool) bool {
	if s.Peek() != '[' {
		return s.Skip()
	}
	return s.Array(each)
}

func (s *scanner) text(into *canon.Text) bool {
	if s.Peek() != '"' {
		return s.Skip()
	}
	p, _, ok := s.Str()
	if ok {
		*into = p.Of(s.Text())
	}
	return ok
}

func (s *scanner) raw(into *canon.Raw) bool {
	s.Peek()
	p, ok := s.Value()
	if ok {
		*into = p.Of(s.Text())
	}
	return ok
}

// most bounds counts: sums of them cannot overflow.
const most = 1 << 50

// count reads a number of tokens; what is none, or negative, is 0.
func (s *scanner) count(into *int64) bool {
	var raw canon.Raw
	ok := s.raw(&raw)
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil && n > 0 {
		*into = int64(min(n, most))
	}
	return ok
}

// field keeps a field that canon has no name for; null is as good as none.
func (s *scanner) field(name []byte, extra *[]canon.Field) bool {
	if s.Peek() == 'n' {
		return s.Skip()
	}
	f := canon.Field{Name: string(name)}
	ok := s.raw(&f.Value)
	*extra = append(*extra, f)
	return ok
}

func isJSON(b []byte) bool {
	var s jsonscan.Scanner
	s.Reset(b)
	return s.Skip() && s.End()
}

// comma parts members and elements.
func comma(b []byte) []byte {
	if c := b[len(b)-1]; c == '{' || c == '[' {
		return b
	}
	return append(b, ',')
}

func appendText(b []byte, t canon.Text) []byte {
	if t == nil {
		return append(b, `""`...)
	}
	return append(b, t...)
}

func appendCount(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// base64Of writes a text in clear as base64.
func base64Of(t canon.Text) canon.Text {
	return canon.Quote(base64.StdEncoding.EncodeToString([]byte(t.String())))
}
