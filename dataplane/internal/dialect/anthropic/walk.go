package anthropic

import (
	"strconv"
	"sync"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// maxNest is how deep lists of blocks nest: the content of a message, of a
// tool's result in it, and of a document in that.
const maxNest = 3

// maxReported bounds the fields without a name in canon that are reported one
// by one, because losses are kept as a list.
const maxReported = 1024

// walk reads the API's JSON into canonical values: one pass, texts as they
// stand. Its methods report false where the text is not JSON or, with bad set,
// where a value is not what it must be.
type walk struct {
	s jsonscan.Scanner
	// sub is for values that s has passed over.
	sub jsonscan.Scanner
	buf [64]byte
	bad *fault.Fault

	// req takes the names of fields that canon has none for; nil in answers.
	req *canon.Request
	// head names the list that is being read, "messages" or "system", for the
	// paths of fields; message counts in it and at counts in its lists of blocks.
	head    string
	message int
	at      [maxNest]int
	depth   int

	lists  [maxNest]list
	blocks [maxNest]*block // made when they are needed: they are large
}

// walks are used again, with their blocks: making them costs more than a short
// text takes to read. Nothing that was read lies in one.
var walks = sync.Pool{New: func() any { return new(walk) }}

func newWalk(text []byte) *walk {
	w := walks.Get().(*walk)
	w.s.Reset(text)
	return w
}

// done gives the walk back.
func (w *walk) done() {
	for _, b := range w.blocks {
		if b != nil {
			*b = block{}
		}
	}
	*w = walk{blocks: w.blocks}
	walks.Put(w)
}

// list makes slices of parts that lie one behind another, so that a request
// costs few allocations.
type list struct {
	room  []canon.Part
	start int
}

func (l *list) begin() { l.start = len(l.room) }

// add gives a part that is empty.
func (l *list) add() *canon.Part {
	if len(l.room) == cap(l.room) {
		// Only the open slice moves; the others stay in the old room.
		open := l.room[l.start:]
		l.room = append(make([]canon.Part, 0, max(4, min(2*cap(l.room), 256), 2*len(open))), open...)
		l.start = 0
	}
	l.room = l.room[:len(l.room)+1]
	return &l.room[len(l.room)-1]
}

func (l *list) take() []canon.Part { return l.room[l.start:len(l.room):len(l.room)] }

// path names the field at the place that is being read.
func (w *walk) path(field string) string {
	b := make([]byte, 0, 64)
	b = append(b, w.head...)
	if w.head == "messages" || w.head == "tools" {
		b = strconv.AppendInt(append(b, '['), int64(w.message), 10)
		b = append(b, ']')
	}
	for d := range w.depth {
		if d > 0 || w.head != "system" && w.head != "content" {
			b = append(b, ".content"...)
		}
		b = strconv.AppendInt(append(b, '['), int64(w.at[d]), 10)
		b = append(b, ']')
	}
	if field != "" && len(b) > 0 {
		b = append(b, '.')
	}
	return string(append(b, field...))
}

// wrong notes that the field is not what it must be.
func (w *walk) wrong(field, want string) bool {
	p := w.path(field)
	w.bad = fault.Newf(fault.WrongType, "%s must be %s.", p, want).WithParam(p)
	return false
}

// missing notes that a field is not there. Providers may leave out what is
// empty.
func (w *walk) missing(field string) bool {
	if w.req == nil && field != "type" {
		return true
	}
	p := w.path(field)
	w.bad = fault.Newf(fault.MissingField, "%s is missing.", p).WithParam(p)
	return false
}

// report names a field that canon has no name for, for writers of other
// dialects.
func (w *walk) report(field string, value canon.Raw) {
	switch {
	case w.req == nil:
	case len(w.req.Extra) < maxReported:
		w.req.Extra = append(w.req.Extra, canon.Field{Name: w.path(field), Value: value})
	case len(w.req.Extra) == maxReported:
		w.req.Extra = append(w.req.Extra, canon.Field{Name: w.path("(more)"), Value: value})
	}
}

// text reads a string, or null as none; right is false for other values, which
// are passed over.
func (w *walk) text(into *canon.Text) (right, ok bool) {
	switch w.s.Peek() {
	case '"':
		p, _, ok := w.s.Str()
		*into = p.Of(w.s.Text())
		return true, ok
	case 'n':
		return true, w.s.Skip()
	}
	return false, w.s.Skip()
}

func (w *walk) flag(into *canon.Flag) (right, ok bool) {
	c := w.s.Peek()
	switch c {
	case 't', 'f':
		*into = canon.FlagOf(c == 't')
		return true, w.s.Skip()
	case 'n':
		return true, w.s.Skip()
	}
	return false, w.s.Skip()
}

func (w *walk) raw(into *canon.Raw) bool {
	p, ok := w.s.Value()
	if ok {
		*into = p.Of(w.s.Text())
	}
	return ok
}

// members walks an object: each is called in front of every value, with what
// is kept until the next call, and must pass over it.
func (w *walk) members(each func(name []byte) bool) bool {
	if !w.s.Open('{') {
		return false
	}
	for first := true; ; first = false {
		key, escaped, more, ok := w.s.Member(first)
		if !ok || !more {
			return ok
		}
		if !each(w.s.Name(key, escaped, &w.buf)) {
			return false
		}
	}
}

// parts reads a list of blocks.
func (w *walk) parts() ([]canon.Part, bool) {
	l := &w.lists[w.depth]
	if w.blocks[w.depth] == nil {
		w.blocks[w.depth] = new(block)
	}
	b := w.blocks[w.depth]
	l.begin()
	w.depth++
	if !w.s.Open('[') {
		return nil, false
	}
	for i := 0; ; i++ {
		more, ok := w.s.Element(i == 0)
		if !ok {
			return nil, false
		}
		if !more {
			break
		}
		w.at[w.depth-1] = i
		if !w.block(b) || !w.build(b, l.add()) {
			return nil, false
		}
	}
	w.depth--
	return l.take(), true
}

// one makes the parts of a content that is a string.
func (w *walk) one(t canon.Text) []canon.Part {
	l := &w.lists[w.depth]
	l.begin()
	l.add().Text = t
	return l.take()
}

// content reads what is either a string or a list of blocks; right is false
// for other values.
func (w *walk) content(into *[]canon.Part) (right, ok bool) {
	switch w.s.Peek() {
	case '"':
		p, _, ok := w.s.Str()
		if ok {
			*into = w.one(p.Of(w.s.Text()))
		}
		return true, ok
	case '[':
		*into, ok = w.parts()
		return true, ok
	}
	return false, w.s.Skip()
}

// again reads a content that s has passed over. What nests too deep is not
// read.
func (w *walk) again(raw canon.Raw, into *[]canon.Part) (right, ok bool) {
	if w.depth == maxNest {
		return false, true
	}
	before := w.s
	w.s.Reset(raw)
	right, ok = w.content(into)
	w.s = before
	return right, ok
}

// malformed says where the text stops being JSON.
func malformed(s *jsonscan.Scanner) *fault.Fault {
	if s.Pos() >= len(s.Text()) {
		return fault.Newf(fault.MalformedJSON, "The body is not valid JSON: it ends after %d bytes in the middle of a value.", len(s.Text()))
	}
	return fault.Newf(fault.MalformedJSON, "The body is not valid JSON at byte %d.", s.Pos())
}
