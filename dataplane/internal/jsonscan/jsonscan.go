// Package jsonscan owns walking over JSON: a scanner that checks every byte,
// allocates nothing and hands out spans of the text. It must not know what any
// field means.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values may nest: the same as in encoding/json.
const maxDepth = 10000

// Scanner walks over JSON and checks every byte of it, without allocating. It
// accepts exactly what encoding/json accepts; a fuzz test holds it to that.
type Scanner struct {
	b []byte
	i int
	// depth counts open objects and arrays; the bit of each says "object".
	depth int
	kinds [maxDepth/64 + 1]uint64
}

// Masks for looking at eight bytes at once.
const (
	ones    = 0x0101010101010101
	highs   = 0x8080808080808080
	twos    = 2 * ones
	slashes = '\\' * ones
	// afterBlank is the first byte after the blank.
	afterBlank = 0x21 * ones
)

// Reset points the scanner at the start of b.
func (s *Scanner) Reset(b []byte) { s.b, s.i, s.depth = b, 0, 0 }

// Pos is how far the scanner came: where the text is wrong after a failure.
func (s *Scanner) Pos() int { return s.i }

// Text is what is scanned.
func (s *Scanner) Text() []byte { return s.b }

// Span is a piece of the text, b[start:end]. A string's includes its quotes.
type Span struct{ Start, End int }

// Of gives the piece of b.
func (p Span) Of(b []byte) []byte { return b[p.Start:p.End] }

// Peek passes over white space and gives the byte after it, 0 at the end.
func (s *Scanner) Peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// Str passes over a string that starts here.
func (s *Scanner) Str() (p Span, escaped, ok bool) {
	b, i := s.b, s.i+1
	start := s.i
	for {
		for plain := 0; i+8 <= len(b); plain++ {
			if plain == 4 {
				// Where there was nothing for a while there may be nothing for long.
				i = ordinary(b, i)
				if i+8 > len(b) {
					break
				}
			}
			x := binary.LittleEndian.Uint64(b[i:])
			if m := special(x) & highs; m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = i
			return Span{}, false, false
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return Span{start, s.i}, escaped, true
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				s.i = i
				return Span{}, false, false
			}
			escaped = true
			i += n
		case c < ' ':
			s.i = i
			return Span{}, false, false
		default:
			i++
		}
	}
}

// special sets the high bit of a byte that is a quote, a backslash or a control
// character. Borrows can set false ones, but only above a true one. Flipping
// the second bit puts the quote, and nothing else, beside the control
// characters, so that one subtraction finds them all.
func special(x uint64) uint64 {
	return (((x ^ twos) - afterBlank) | ((x ^ slashes) - ones)) &^ x
}

// ordinary passes over blocks of text without special characters.
func ordinary(b []byte, i int) int {
	for i+32 <= len(b) {
		w := b[i : i+32 : i+32]
		if (special(binary.LittleEndian.Uint64(w))|special(binary.LittleEndian.Uint64(w[8:]))|
			special(binary.LittleEndian.Uint64(w[16:]))|special(binary.LittleEndian.Uint64(w[24:])))&highs != 0 {
			break
		}
		i += 32
	}
	return i
}

// escapeLen is the length of the escape that b starts with, 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number passes over a number that starts here.
func (s *Scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *Scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *Scanner) literal(want string) bool {
	if len(s.b)-s.i < len(want) || string(s.b[s.i:s.i+len(want)]) != want {
		return false
	}
	s.i += len(want)
	return true
}

func (s *Scanner) push(object bool) bool {
	if s.depth++; s.depth > maxDepth {
		return false
	}
	bit := uint64(1) << (s.depth & 63)
	if object {
		s.kinds[s.depth>>6] |= bit
	} else {
		s.kinds[s.depth>>6] &^= bit
	}
	return true
}

func (s *Scanner) inObject() bool { return s.kinds[s.depth>>6]>>(s.depth&63)&1 == 1 }

// key passes over a name and its colon.
func (s *Scanner) key() (p Span, escaped, ok bool) {
	if s.Peek() != '"' {
		return Span{}, false, false
	}
	p, escaped, ok = s.Str()
	if !ok || s.Peek() != ':' {
		return Span{}, false, false
	}
	s.i++
	return p, escaped, true
}

// Value passes over any value. It keeps its own stack, so that deep nesting
// costs bits and not stack frames.
func (s *Scanner) Value() (Span, bool) {
	c := s.Peek()
	p := Span{Start: s.i}
	base := s.depth
	for {
		opened := false
		switch c {
		case '{', '[':
			if !s.push(c == '{') {
				return p, false
			}
			s.i++
			opened = true
		default:
			if !s.scalar(c) {
				return p, false
			}
		}
		if !s.closeAll(base, opened) {
			return p, false
		}
		if s.depth == base {
			p.End = s.i
			return p, true
		}
		c = s.Peek()
	}
}

// Skip passes over a value of which nothing is wanted.
func (s *Scanner) Skip() bool {
	_, ok := s.Value()
	return ok
}

func (s *Scanner) scalar(c byte) bool {
	switch c {
	case '"':
		_, _, ok := s.Str()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	return false
}

// closeAll goes on after a value or an opening bracket: it closes what ends
// here, and stops where the next value starts or base is reached.
func (s *Scanner) closeAll(base int, opened bool) bool {
	for s.depth > base {
		object := s.inObject()
		c := s.Peek()
		switch {
		case object && c == '}', !object && c == ']':
			s.i++
			s.depth--
			opened = false
			continue
		case opened:
		case c == ',':
			s.i++
		default:
			return false
		}
		if object {
			_, _, ok := s.key()
			return ok
		}
		return true
	}
	return true
}

// Member walks an object from the inside: call it with first set after the
// opening brace, read the value, and call it again until more is false.
func (s *Scanner) Member(first bool) (key Span, escaped, more, ok bool) {
	c := s.Peek()
	if c == '}' {
		s.i++
		s.depth--
		return Span{}, false, false, true
	}
	if !first {
		if c != ',' {
			return Span{}, false, false, false
		}
		s.i++
	}
	key, escaped, ok = s.key()
	return key, escaped, ok, ok
}

// Element walks an array as Member walks an object.
func (s *Scanner) Element(first bool) (more, ok bool) {
	c := s.Peek()
	if c == ']' {
		s.i++
		s.depth--
		return false, true
	}
	if first {
		return true, true
	}
	if c != ',' {
		return false, false
	}
	s.i++
	return true, true
}

// Open enters an object or array that starts here.
func (s *Scanner) Open(c byte) bool {
	if s.Peek() != c || !s.push(c == '{') {
		return false
	}
	s.i++
	return true
}

// End reports whether only white space is left.
func (s *Scanner) End() bool { s.Peek(); return s.i == len(s.b) }

// Unescape appends the text of a string's inside as encoding/json reads it,
// invalid UTF-8 aside, which stays as it is.
func Unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' || i+1 >= len(raw) {
			dst = append(dst, c)
			i++
			continue
		}
		if raw[i+1] != 'u' {
			dst = append(dst, unescaped(raw[i+1]))
			i += 2
			continue
		}
		r, ok := hex4(raw[i+2:])
		if !ok {
			return dst
		}
		i += 6
		if utf16.IsSurrogate(r) {
			second := rune(utf8.RuneError)
			if i+1 < len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
				second, _ = hex4(raw[i+2:])
			}
			if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// Name gives a key's text; buf is room for keys with escapes. Keys too long
// for it cannot be one of ours and come back as they are.
func (s *Scanner) Name(p Span, escaped bool, buf *[64]byte) []byte {
	raw := s.b[p.Start+1 : p.End-1]
	if !escaped || len(raw) > 6*len(buf) {
		return raw
	}
	var big [6 * len(buf)]byte
	n := copy(buf[:], Unescape(big[:0], raw))
	return buf[:n]
}

// Object walks the object that starts here: each is called in front of every
// value and must pass over it. Both report false where the text is not JSON.
func (s *Scanner) Object(each func(name []byte) bool) bool {
	if !s.Open('{') {
		return false
	}
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok || !more {
			return ok
		}
		if !each(s.Name(key, escaped, &buf)) {
			return false
		}
	}
}

// Array walks the array that starts here as Object walks an object.
func (s *Scanner) Array(each func(i int) bool) bool {
	if !s.Open('[') {
		return false
	}
	for i := 0; ; i++ {
		more, ok := s.Element(i == 0)
		if !ok || !more {
			return ok
		}
		if !each(i) {
			return false
		}
	}
}

// Raw passes over any value and gives its text.
func (s *Scanner) Raw(into *[]byte) bool {
	p, ok := s.Value()
	if ok {
		*into = p.Of(s.b)
	}
	return ok
}
