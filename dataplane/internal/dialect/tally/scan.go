// Package tally owns finding, in bodies that pass by in pieces and whose size
// nobody knows, the few members that say what a call used: the usage report,
// the model, the length of what was heard, the number of images. It holds
// those members and nothing else. It must not know where a body came from.
package tally

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// maxMember bounds what is kept of one member.
const maxMember = 16 << 10

// want is a member that is looked for.
type want uint8

const (
	none want = iota
	wantUsage
	wantStart // the usage that stands within message or response
	wantModel
	wantType
	wantDuration
	wantTier
	wantItems // elements of data are counted
	wantInner // message and response are looked into
	wants
)

func outer(key []byte) want {
	switch string(key) {
	case "usage", "usageMetadata":
		return wantUsage
	case "model", "modelVersion":
		return wantModel
	case "type":
		return wantType
	case "duration":
		return wantDuration
	case "service_tier":
		return wantTier
	case "data":
		return wantItems
	case "message", "response":
		return wantInner
	}
	return none
}

func inner(key []byte) want {
	switch string(key) {
	case "usage":
		return wantStart
	case "model":
		return wantModel
	case "service_tier":
		return wantTier
	}
	return none
}

// Scanner reads JSON in pieces. It does not check what it reads: what is no
// JSON gives members that nobody can read, or none. About 1 ns a byte, less in
// long strings.
type Scanner struct {
	found [wants][]byte
	// Items is how many elements the last array "data" had.
	Items int
	// Asked says that the text is what a caller sends: the model is what a
	// member of that very name says, and of no other.
	Asked bool

	depth int
	// base is 1 within an array of answers, as Gemini streams them.
	base int
	// arrays says of the first levels whether they are arrays.
	arrays [4]bool

	inString, escaped bool
	// expectKey is set where the next string is a key that matters.
	expectKey bool
	inKey     bool
	key       []byte
	under     want // the member of the outer object that is open
	pending   want // the key whose value comes next

	capture  want
	capDepth int
	begun    bool
	// fresh says that an element of data may begin.
	fresh bool
}

// Reset readies the scanner for another text and forgets what was found.
func (s *Scanner) Reset() { *s = Scanner{key: s.key[:0]} }

// next readies it for another text of the same stream.
func (s *Scanner) next() {
	s.depth, s.base, s.inString, s.escaped, s.expectKey, s.inKey = 0, 0, false, false, false, false
	s.under, s.pending, s.capture, s.begun, s.fresh = none, none, none, false, false
}

// Feed takes the next piece.
func (s *Scanner) Feed(p []byte) {
	for i := 0; i < len(p); {
		if s.inString {
			i += s.text(p[i:])
			continue
		}
		s.byte(p[i])
		i++
	}
}

// text takes a part of a string and gives how much it took.
func (s *Scanner) text(p []byte) int {
	if s.escaped {
		s.escaped = false
		s.add(p[:1])
		return 1
	}
	n := bytes.IndexByte(p, '"')
	if n < 0 {
		n = len(p)
	}
	if e := bytes.IndexByte(p[:n], '\\'); e >= 0 {
		s.escaped = true
		s.add(p[:e+1])
		return e + 1
	}
	if n == len(p) {
		s.add(p)
		return n
	}
	s.inString = false
	if s.inKey {
		s.add(p[:n])
		s.inKey = false
		s.pending = s.named()
	} else {
		s.add(p[:n+1])
	}
	return n + 1
}

// named is what the key that ends here means.
func (s *Scanner) named() want {
	if bytes.IndexByte(s.key, '\\') >= 0 {
		s.key = append(s.key[:0], jsonscan.Unescape(nil, s.key)...)
	}
	switch {
	case s.Asked && string(s.key) == "model":
		return wantModel
	case s.Asked:
		return none
	case s.depth == s.base+1:
		return outer(s.key)
	}
	return inner(s.key)
}

// add keeps what belongs to a key or to a member that is looked for.
func (s *Scanner) add(p []byte) {
	switch {
	case s.inKey:
		const longest = 32
		if len(s.key)+len(p) > longest {
			s.key = append(s.key[:0], '?') // none of ours
			return
		}
		s.key = append(s.key, p...)
	case s.capture != none:
		f := &s.found[s.capture]
		if len(*f)+len(p) > maxMember {
			*f, s.capture = nil, none
			return
		}
		*f = append(*f, p...)
	}
}

func (s *Scanner) byte(c byte) {
	switch c {
	case ' ', '\t', '\r', '\n':
		return
	case ':':
		s.expectKey = false
		if s.capture != none {
			s.add([]byte{c})
		}
		return
	case ',':
		s.comma()
		return
	case '}', ']':
		s.close(c)
		return
	}
	if s.expectKey && c == '"' {
		s.inString, s.inKey, s.key = true, true, s.key[:0]
		return
	}
	s.value()
	if s.capture != none {
		s.add([]byte{c})
	}
	switch c {
	case '"':
		s.inString = true
	case '{', '[':
		s.open(c == '[')
	}
}

// value notes that a value begins, or goes on when it is a number.
func (s *Scanner) value() {
	if s.fresh && s.depth == s.base+2 {
		s.Items++
		s.fresh = false
	}
	if s.pending == none || s.capture != none {
		return
	}
	switch p := s.pending; {
	case p == wantItems, p == wantInner:
		s.under = p
	case p == wantStart && s.under != wantInner:
	default:
		s.capture, s.capDepth = p, s.depth
		s.found[p] = s.found[p][:0]
	}
	s.pending = none
}

func (s *Scanner) open(array bool) {
	if s.depth == 0 && array {
		s.base = 1
	}
	s.depth++
	if s.depth < len(s.arrays) {
		s.arrays[s.depth] = array
	}
	s.expectKey = !array && s.keyed()
	if array && s.under == wantItems && s.depth == s.base+2 {
		s.Items, s.fresh = 0, true
	}
}

// keyed says whether the keys of the object at this depth matter.
func (s *Scanner) keyed() bool {
	return s.depth == s.base+1 || s.depth == s.base+2 && s.under == wantInner
}

func (s *Scanner) comma() {
	if s.capture != none {
		if s.depth == s.capDepth {
			s.capture = none
		} else {
			s.add([]byte{','})
		}
	}
	s.pending = none
	if s.depth < len(s.arrays) && !s.arrays[s.depth] && s.keyed() {
		s.expectKey = true
	}
	if s.depth == s.base+1 {
		s.under = none
	}
	if s.under == wantItems && s.depth == s.base+2 && s.arrays[s.depth] {
		s.fresh = true
	}
}

func (s *Scanner) close(c byte) {
	if s.capture != none {
		if s.depth == s.capDepth {
			s.capture = none
		} else {
			s.add([]byte{c})
		}
	}
	s.depth = max(0, s.depth-1)
	s.expectKey, s.pending = false, none
	if s.capture != none && s.depth == s.capDepth {
		s.capture = none
	}
	if s.depth <= s.base+1 {
		s.fresh = false
	}
	if s.depth <= s.base {
		s.under = none
	}
}
