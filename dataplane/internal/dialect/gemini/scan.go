package gemini

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// reader walks over a body. After a failure bad is set and every walk ends, so
// that callers look at it once.
type reader struct {
	s   jsonscan.Scanner
	bad *fault.Fault
	// strict refuses what two parsers would read differently: for requests.
	strict bool
	path   [8]step
	depth  int
	// field is the field that is being read, for errors.
	field string
	buf   [64]byte
	camel [64]byte
	// parts is where the parts of all messages lie.
	parts []canon.Part
	// kinds says more of the parts of a candidate.
	kinds []part
	// joined is one more than the index of the part whose text was joined of
	// others, 0 when there is none.
	joined int
	// extra takes fields that have no name in canon; nil when nobody wants them.
	extra *[]canon.Field
}

// readers are used again: making one costs more than a short text takes to
// read. Nothing that was read lies in one.
var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(text []byte) *reader {
	r := readers.Get().(*reader)
	r.s.Reset(text)
	return r
}

// done gives the reader back.
func (r *reader) done() {
	*r = reader{}
	readers.Put(r)
}

// step is one step of the path to what is being read.
type step struct {
	name  string
	index int
}

// reset readies the reader for another body, keeping its memory.
func (r *reader) reset(b []byte) {
	r.s.Reset(b)
	r.bad, r.depth, r.field, r.parts, r.kinds = nil, 0, "", r.parts[:0], r.kinds[:0]
}

func (r *reader) push(name string, index int) {
	if r.depth < len(r.path) {
		r.path[r.depth] = step{name, index}
	}
	r.depth++
	r.field = ""
}

func (r *reader) pop() { r.depth-- }

// at is the path of a field here, as Google's documentation writes it.
func (r *reader) at(field string) string {
	var b []byte
	for _, p := range r.path[:min(r.depth, len(r.path))] {
		b = append(b, p.name...)
		if p.index >= 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(p.index), 10)
			b = append(b, ']')
		}
		b = append(b, '.')
	}
	if field == "" && len(b) > 0 {
		return string(b[:len(b)-1])
	}
	return string(append(b, field...))
}

func (r *reader) fail(f *fault.Fault) {
	if r.bad == nil {
		r.bad = f
	}
}

func (r *reader) malformed() {
	if r.s.Pos() >= len(r.s.Text()) {
		r.fail(fault.Newf(fault.MalformedJSON, "The body is not valid JSON: it ends after %d bytes in the middle of a value.", len(r.s.Text())))
		return
	}
	r.fail(fault.Newf(fault.MalformedJSON, "The body is not valid JSON at byte %d.", r.s.Pos()))
}

func (r *reader) wrong(want string) {
	at := r.at(r.field)
	r.fail(fault.Newf(fault.WrongType, "%s must be %s.", at, want).WithParam(at))
}

func (r *reader) refuse(field, format string) {
	at := r.at(field)
	param := at
	if at == "" {
		at = "The body"
	}
	r.fail(fault.Newf(fault.BadRequest, format, at).WithParam(param))
}

// object is a walk over the members of an object.
type object struct {
	begun, done bool
	seen        uint32
	// field is the index of the member's name in the table, -1 when it is not
	// there; key is its text in the spelling of the table.
	field int
	key   []byte
}

// object enters the object that starts here; null is an object without
// members, as everywhere in Google's JSON.
func (r *reader) object() object {
	switch r.s.Peek() {
	case '{':
		if !r.s.Open('{') {
			r.malformed()
		}
		return object{}
	case 'n':
		r.skip()
	default:
		if r.skip(); r.bad == nil {
			r.wrong("an object")
		}
	}
	return object{done: true}
}

// next goes to the next member and finds its name in the table.
func (r *reader) next(o *object, names []string) bool {
	if r.bad != nil || o.done {
		return false
	}
	key, escaped, more, ok := r.s.Member(!o.begun)
	o.begun = true
	if !ok {
		r.malformed()
		return false
	}
	if !more {
		o.done = true
		return false
	}
	o.key = r.plain(r.s.Name(key, escaped, &r.buf))
	o.field = -1
	for i, n := range names {
		if string(o.key) == n {
			o.field = i
			break
		}
	}
	if o.field < 0 {
		r.field = ""
		if r.strict {
			r.lookalike(o.key, names)
		}
		return r.bad == nil
	}
	r.field = names[o.field]
	bit := uint32(1) << o.field
	if o.seen&bit != 0 && r.strict {
		r.refuse(r.field, "%s is given twice; providers read that differently.")
		return false
	}
	o.seen |= bit
	return true
}

// lookalike refuses a name that differs from a known one only in case or
// underscores: it is a field to some parsers and none to others.
func (r *reader) lookalike(key []byte, names []string) {
	var folded [64]byte
	if len(key) > len(folded) {
		return
	}
	short := folded[:0]
	for _, c := range key {
		if c != '_' {
			short = append(short, c)
		}
	}
	for _, n := range names {
		if len(short) >= len(n) && bytes.EqualFold(short, []byte(n)) {
			r.refuse(n, "A field is spelled almost like %s; providers read that differently.")
			return
		}
	}
}

// plain gives the camelCase spelling of a name in snake_case: Google takes
// both.
func (r *reader) plain(key []byte) []byte {
	if bytes.IndexByte(key, '_') < 0 || len(key) > len(r.camel) {
		return key
	}
	out := r.camel[:0]
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c != '_' {
			out = append(out, c)
			continue
		}
		if i == 0 || i+1 == len(key) || key[i+1] < 'a' || key[i+1] > 'z' {
			return key
		}
		i++
		out = append(out, key[i]-'a'+'A')
	}
	return out
}

// array is a walk over the elements of an array.
type array struct {
	begun, single, done bool
	i                   int
}

// array enters the array that starts here. An object in its place is an array
// of one, as Google reads it; null is an empty one.
func (r *reader) array() array {
	switch r.s.Peek() {
	case '[':
		if !r.s.Open('[') {
			r.malformed()
		}
		return array{i: -1}
	case '{':
		return array{i: -1, single: true}
	case 'n':
		r.skip()
	default:
		if r.skip(); r.bad == nil {
			r.wrong("an array")
		}
	}
	return array{done: true}
}

func (r *reader) element(a *array) bool {
	if r.bad != nil || a.done {
		return false
	}
	a.i++
	if a.single {
		a.done = a.i > 0
		return !a.done
	}
	more, ok := r.s.Element(!a.begun)
	a.begun = true
	if !ok {
		r.malformed()
		return false
	}
	a.done = !more
	return more
}

// value passes over any value and gives its text.
func (r *reader) value() []byte {
	p, ok := r.s.Value()
	if !ok {
		r.malformed()
		return nil
	}
	return p.Of(r.s.Text())
}

func (r *reader) skip() { r.value() }

// null passes over null, if that stands here.
func (r *reader) null() bool {
	if r.s.Peek() != 'n' {
		return false
	}
	r.skip()
	return true
}

func (r *reader) text(into *canon.Text) {
	if r.null() {
		return
	}
	c := r.s.Peek()
	v := r.value()
	if r.bad != nil {
		return
	}
	if c != '"' {
		r.wrong("a string")
		return
	}
	*into = v
}

// number reads a number; Google takes those in quotes too.
func (r *reader) number(into *canon.Raw) {
	if r.null() {
		return
	}
	c := r.s.Peek()
	v := r.value()
	if r.bad != nil {
		return
	}
	if c == '"' && len(v) > 2 {
		v = v[1 : len(v)-1]
		c = v[0]
		if !isNumber(v) {
			c = '"'
		}
	}
	if c != '-' && (c < '0' || c > '9') {
		r.wrong("a number")
		return
	}
	*into = v
}

func isNumber(b []byte) bool {
	var s jsonscan.Scanner
	s.Reset(b)
	_, ok := s.Value()
	return ok && s.Pos() == len(b) && b[0] != ' '
}

func (r *reader) flag(into *canon.Flag) {
	if r.null() {
		return
	}
	c := r.s.Peek()
	if r.skip(); r.bad != nil {
		return
	}
	if c != 't' && c != 'f' {
		r.wrong("true or false")
		return
	}
	*into = canon.FlagOf(c == 't')
}

// texts reads an array of strings.
func (r *reader) texts(into *[]canon.Text) {
	for a := r.array(); r.element(&a); {
		var t canon.Text
		if r.text(&t); t != nil {
			*into = append(*into, t)
		}
	}
}

// keep puts a field that has no name in canon where writers of this dialect
// find it again.
func (r *reader) keep(name []byte) {
	at := ""
	if r.extra != nil {
		if !isName(string(name)) {
			// Paths are made of names: this one could pass for another field.
			r.refuse("", "%s has a field whose name is none.")
			return
		}
		at = r.at(string(name))
	}
	if v := r.value(); r.bad == nil && r.extra != nil {
		r.unnamed(at, v)
	}
}

func isName(name string) bool {
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '$', c == '@':
		default:
			return false
		}
	}
	return len(name) > 0
}

// maxUnnamed bounds the fields that have no name in canon: others must name
// each as lost.
const maxUnnamed = 4096

func (r *reader) unnamed(at string, v []byte) {
	if len(*r.extra) >= maxUnnamed {
		r.fail(fault.Newf(fault.BadRequest, "The body has more than %d fields that are not known here.", maxUnnamed).WithParam(at))
		return
	}
	*r.extra = append(*r.extra, canon.Field{Name: at, Value: v})
}
