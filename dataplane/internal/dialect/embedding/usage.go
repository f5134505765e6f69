package embedding

import (
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// ReadUsage reads what an answer that passes says of its tokens; false when it
// is no object.
func ReadUsage(body []byte, a *Answer) bool {
	var s jsonscan.Scanner
	s.Reset(body)
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		switch {
		case s.Peek() != '{':
		case string(name) == "usage":
			return a.usage(&s)
		case string(name) == "usageMetadata":
			return a.metadata(&s)
		}
		return s.Skip()
	})
	return ok && s.End()
}

// metadata reads Gemini's count.
func (a *Answer) metadata(s *jsonscan.Scanner) bool {
	return s.Object(func(name []byte) bool {
		prompt := string(name) == "promptTokenCount"
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		if n, ok := countOf(raw); ok && prompt {
			a.Tokens, a.Reported = n, true
		}
		return true
	})
}

// CountTokens counts the tokens of an input that is made of them already: an
// array of numbers, or an array of those.
func CountTokens(input []byte) (n int64) {
	var s jsonscan.Scanner
	s.Reset(input)
	if s.Peek() != '[' {
		return 0
	}
	s.Array(func(int) bool {
		if s.Peek() == '[' {
			return s.Array(func(int) bool { return count(&s, &n) })
		}
		return count(&s, &n)
	})
	return n
}

func count(s *jsonscan.Scanner, n *int64) bool {
	if c := s.Peek(); c >= '0' && c <= '9' {
		*n++
	}
	return s.Skip()
}

// Texts gives the text of an input that is one string or an array of strings,
// and how long it is.
func Texts(input []byte) (text []byte, size int) {
	var s jsonscan.Scanner
	s.Reset(input)
	one := func() bool {
		c := s.Peek()
		var raw []byte
		if !s.Raw(&raw) {
			return false
		}
		if c == '"' {
			if len(text) > 0 {
				text = append(text, ' ')
			}
			text = jsonscan.Unescape(text, raw[1:len(raw)-1])
		}
		return true
	}
	if s.Peek() == '[' {
		s.Array(func(int) bool { return one() })
	} else {
		one()
	}
	return text, len(text)
}
