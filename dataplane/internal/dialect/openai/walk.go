package openai

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// walk reads chat completions' JSON into canonical values: one pass over the
// body, texts as they stand in it. Its methods report false where the text is
// not JSON or, with bad set, where a value is not what it must be.
type walk struct {
	s jsonscan.Scanner
	// sub and deep are for values inside of a value that s passed over.
	sub, deep jsonscan.Scanner
	// lax leaves out what has the wrong type, as answers of providers may hold.
	lax bool
	// quick leaves out fields that have no name in canon: for streams.
	quick bool
	bad   *fault.Fault
	at    place
	// extra are the fields without a name in canon, by their paths; mine are
	// those of the objects that are open, by their names.
	extra, mine []canon.Field
	parts       []canon.Part // room for parts, cut off as messages fill it
	notes       []note       // one for each part of the message that is being read
	room        int          // how many parts room was last made for
	args        []byte       // room for the arguments of tool calls
	buf         [64]byte
}

// note is what a part's place in its message is made of.
type note struct {
	rank uint8
	// index numbers the tool call in a stream's delta; -1 when the provider does
	// not say.
	index int
}

// Ranks of parts in a message, whatever order its fields have.
const (
	rankReasoning = iota
	rankContent
	rankRefusal
	rankMedia
	rankCall
	rankOpaque
)

// maxExtra bounds the fields without a name in canon, because those who look
// for one of them search them all.
const maxExtra = 1024

// place is where in the body the walk is, for faults and for the names of
// fields that have none in canon.
type place struct {
	list string
	i    int
	mid  string
	sub  string
	j    int
	leaf string
}

// path gives the path of a field at the place.
func (p *place) path(field string) string {
	b := p.append(make([]byte, 0, 64))
	if len(b) > 0 && field != "" {
		b = append(b, '.')
	}
	return string(append(b, field...))
}

func (p *place) append(b []byte) []byte {
	if p.list == "" {
		return append(b, p.leaf...)
	}
	b = strconv.AppendInt(append(append(b, p.list...), '['), int64(p.i), 10)
	b = append(append(b, ']'), p.mid...)
	if p.sub != "" {
		b = append(append(append(b, '.'), p.sub...), '[')
		b = append(strconv.AppendInt(b, int64(p.j), 10), ']')
	}
	if p.leaf != "" {
		b = append(append(b, '.'), p.leaf...)
	}
	return b
}

// member gives the next name of the object that is open; it is valid until
// the next one is read.
func (w *walk) member(first bool) (name []byte, more, ok bool) {
	key, escaped, more, ok := w.s.Member(first)
	if !ok || !more {
		return nil, false, ok
	}
	return w.s.Name(key, escaped, &w.buf), true, true
}

// wrong notes that a field is not what it must be. In lax mode it passes over
// the value instead.
func (w *walk) wrong(field, want string) bool {
	if w.lax {
		return w.s.Skip()
	}
	if !w.s.Skip() {
		return false
	}
	w.bad = wrongType(w.at.path(field), want)
	return false
}

// refuse notes what else is wrong with a field.
func (w *walk) refuse(field, text string) bool {
	w.bad = fault.New(fault.BadRequest, text, nil).WithParam(w.at.path(field))
	return false
}

func (w *walk) text(into *canon.Text, field string) bool {
	switch w.s.Peek() {
	case '"':
		p, _, ok := w.s.Str()
		*into = canon.Text(p.Of(w.s.Text()))
		return ok
	case 'n':
		*into = nil
		return w.s.Skip()
	}
	return w.wrong(field, "a string")
}

func (w *walk) number(into *canon.Raw, field string) bool {
	c := w.s.Peek()
	if c != '-' && c != 'n' && (c < '0' || c > '9') {
		return w.wrong(field, "a number")
	}
	return w.raw(into)
}

func (w *walk) flag(into *canon.Flag, field string) bool {
	switch w.s.Peek() {
	case 't':
		*into = canon.Yes
	case 'f':
		*into = canon.No
	case 'n':
	default:
		return w.wrong(field, "true or false")
	}
	return w.s.Skip()
}

// raw takes any value but null.
func (w *walk) raw(into *canon.Raw) bool {
	p, ok := w.s.Value()
	if ok {
		*into = notNull(p.Of(w.s.Text()))
	}
	return ok
}

// object takes the text of an object; anything else but null is wrong.
func (w *walk) object(into *canon.Raw, field string) bool {
	if c := w.s.Peek(); c != '{' && c != 'n' {
		return w.wrong(field, "an object")
	}
	return w.raw(into)
}

func notNull(b []byte) canon.Raw {
	if string(b) == "null" {
		return nil
	}
	return b
}

// asText gives a value that is a string as one.
func asText(r canon.Raw) canon.Text {
	if len(r) > 1 && r[0] == '"' {
		return canon.Text(r)
	}
	return nil
}

// enter opens a list or object; anything else but null is wrong.
func (w *walk) enter(c byte, field string) (entered, ok bool) {
	switch w.s.Peek() {
	case c:
		return true, w.s.Open(c)
	case 'n':
		return false, w.s.Skip()
	}
	want := "an array"
	if c == '{' {
		want = "an object"
	}
	return false, w.wrong(field, want)
}

// unknown keeps a field that has no name in canon.
func (w *walk) unknown(name []byte) bool {
	if w.quick {
		return w.s.Skip()
	}
	own := string(name)
	var v canon.Raw
	if !w.raw(&v) {
		return false
	}
	return w.keep(own, w.at.path(own), v)
}

// taken gives the fields without a name that came after the first n of mine,
// and closes their object.
func (w *walk) taken(n int) []canon.Field {
	if len(w.mine) == n {
		return nil
	}
	f := slices.Clone(w.mine[n:])
	w.mine = w.mine[:n]
	return f
}

func (w *walk) keep(name, path string, v canon.Raw) bool {
	if v == nil || w.quick {
		return true
	}
	switch {
	case strings.ContainsAny(name, ".[]\\\"") || name == "":
		// Paths could not be told from such names.
		if !w.lax {
			return w.refuse("", "The name of a field holds a character that names of fields do not have.")
		}
	case len(w.extra) < maxExtra:
		w.extra = append(w.extra, canon.Field{Name: path, Value: v, Needed: needed(path)})
		if w.at.list != "" {
			if w.at.leaf != "" {
				name = w.at.leaf + "." + name
			}
			w.mine = append(w.mine, canon.Field{Name: name, Value: v})
		}
	case !w.lax:
		return w.refuse("", "There are more than 1,024 fields that are not known here.")
	}
	return true
}

// quiet is the leaf of objects whose other fields mean nothing.
const quiet = "-"

// needed says which fields ask for something else than text: who asks for
// speech is not served without it.
func needed(path string) bool { return path == "audio" }

// pick gives the values of an object's fields by their names; the others are
// kept as unknown below leaf.
func (w *walk) pick(object canon.Raw, leaf string, names ...string) (v [8]canon.Raw, ok bool) {
	s := &w.sub
	s.Reset(object)
	if !s.Open('{') {
		return v, false
	}
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, good := s.Member(first)
		if !good || !more {
			return v, good
		}
		name := s.Name(key, escaped, &buf)
		i := 0
		for i < len(names) && string(name) != names[i] {
			i++
		}
		p, good := s.Value()
		if !good {
			return v, false
		}
		value := notNull(p.Of(object))
		if i < len(names) {
			v[i] = value
		} else if value != nil && !w.quick && leaf != quiet {
			outer := w.at.leaf
			w.at.leaf = leaf
			own := string(name)
			good = w.keep(own, w.at.path(own), value)
			w.at.leaf = outer
			if !good {
				return v, false
			}
		}
	}
}

// begin readies the walk for another message's parts and says where they
// start.
func (w *walk) begin() {
	w.parts = w.parts[len(w.parts):]
	w.notes = w.notes[len(w.notes):]
}

// add makes room for another part of the message. It is valid until the next
// one is added.
func (w *walk) add(kind canon.Kind, rank uint8) *canon.Part {
	if len(w.parts) == cap(w.parts) {
		// Messages that are done keep the room they have.
		w.room = min(max(4, 2*w.room), 32)
		grown := make([]canon.Part, len(w.parts), max(w.room, 2*len(w.parts)))
		copy(grown, w.parts)
		w.parts = grown
	}
	w.parts = w.parts[:len(w.parts)+1]
	p := &w.parts[len(w.parts)-1]
	if w.quick {
		// A stream uses its room again; other room is new.
		*p = canon.Part{}
	}
	p.Kind = kind
	if len(w.notes) == cap(w.notes) {
		w.notes = append(make([]note, 0, max(64, 2*len(w.notes))), w.notes...)
	}
	w.notes = append(w.notes, note{rank: rank, index: -1})
	return p
}

// end gives the message's parts in the order of their ranks.
func (w *walk) end() []canon.Part {
	p, n := w.parts, w.notes
	for i := 1; i < len(n); i++ {
		if n[i-1].rank > n[i].rank {
			return w.sorted()
		}
	}
	return p[:len(p):len(p)]
}

// sorted puts parts into order. It goes over them once for each rank, because
// there are few ranks and there may be many parts.
func (w *walk) sorted() []canon.Part {
	p := make([]canon.Part, 0, len(w.parts))
	n := make([]note, 0, len(w.notes))
	for rank := uint8(0); rank <= rankOpaque; rank++ {
		for i := range w.parts {
			if w.notes[i].rank == rank {
				p, n = append(p, w.parts[i]), append(n, w.notes[i])
			}
		}
	}
	w.notes = n
	return p
}
