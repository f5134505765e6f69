package responses

import (
	"errors"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// reader walks over a body. Its methods report false where the text is not
// JSON or, with bad set, where a value is not what it must be.
type reader struct {
	s jsonscan.Scanner
	// lax leaves out what has the wrong type: for answers, which people should
	// get even if a provider is careless.
	lax bool
	bad *fault.Fault
	// list, i and j say where in the body the reader is, for faults.
	list, sub string
	i, j      int
	// extra are the fields of items and parts that have no name in canon.
	extra []canon.Field
	parts arena
	it    item // the item that is read
	// room is where texts are unescaped to.
	room     []byte
	logprobs []canon.Raw
	buf      [64]byte
}

// maxExtra bounds the fields that have no name in canon.
const maxExtra = 1024

// arena hands out parts from a few large pieces of memory.
type arena struct{ buf []canon.Part }

// add makes list one part longer and gives that part.
func (a *arena) add(list []canon.Part) ([]canon.Part, *canon.Part) {
	n := len(list)
	last := n == 0 || len(a.buf) > 0 && &list[n-1] == &a.buf[len(a.buf)-1]
	if !last || len(a.buf) == cap(a.buf) {
		const least, most = 4, 32
		a.buf = make([]canon.Part, 0, max(min(max(2*cap(a.buf), least), most), 2*n))
		a.buf = append(a.buf, list...)
	}
	end := len(a.buf) + 1
	a.buf = a.buf[:end]
	return a.buf[end-n-1 : end : end], &a.buf[end-1]
}

func wrongType(param, want string) *fault.Fault {
	return fault.Newf(fault.WrongType, "%s must be %s.", param, want).WithParam(param)
}

// malformed says where the text stops being JSON.
func malformed(s *jsonscan.Scanner) *fault.Fault {
	if s.Pos() >= len(s.Text()) {
		return fault.Newf(fault.MalformedJSON, "The body is not valid JSON: it ends after %d bytes in the middle of a value.", len(s.Text()))
	}
	return fault.Newf(fault.MalformedJSON, "The body is not valid JSON at byte %d.", s.Pos())
}

func garbage(why string) *fault.Fault {
	return fault.New(fault.UpstreamGarbage, "", errors.New(why))
}

// path is where the reader is, with a field.
func (r *reader) path(field string) string {
	if r.list == "" {
		return field
	}
	p := r.list + "[" + strconv.Itoa(r.i) + "]"
	if r.j >= 0 {
		p += "." + r.sub + "[" + strconv.Itoa(r.j) + "]"
	}
	if field != "" {
		p += "." + field
	}
	return p
}

// wrong passes over a value that is not what it must be and, unless the
// reader is lax, notes that.
func (r *reader) wrong(field, want string) bool {
	if !r.s.Skip() {
		return false
	}
	if r.lax {
		return true
	}
	r.bad = wrongType(r.path(field), want)
	return false
}

// text reads a string; null is none.
func (r *reader) text(into *canon.Text, field string) bool {
	switch r.s.Peek() {
	case '"':
		p, _, ok := r.s.Str()
		*into = canon.Text(p.Of(r.s.Text()))
		return ok
	case 'n':
		return r.s.Skip()
	}
	return r.wrong(field, "a string")
}

// raw reads any value; null is none.
func (r *reader) raw(into *canon.Raw) bool {
	p, ok := r.s.Value()
	if ok {
		if v := p.Of(r.s.Text()); string(v) != "null" {
			*into = v
		}
	}
	return ok
}

func (r *reader) number(into *canon.Raw, field string) bool {
	if c := r.s.Peek(); c != '-' && c != 'n' && (c < '0' || c > '9') {
		return r.wrong(field, "a number")
	}
	return r.raw(into)
}

func (r *reader) flag(into *canon.Flag, field string) bool {
	switch r.s.Peek() {
	case 't':
		*into = canon.Yes
	case 'f':
		*into = canon.No
	case 'n':
	default:
		return r.wrong(field, "true or false")
	}
	return r.s.Skip()
}

// enter opens a list or an object; anything else but null is wrong.
func (r *reader) enter(c byte, field string) (entered, ok bool) {
	switch r.s.Peek() {
	case c:
		return true, r.s.Open(c)
	case 'n':
		return false, r.s.Skip()
	}
	want := "an array"
	if c == '{' {
		want = "an object"
	}
	return false, r.wrong(field, want)
}

// member gives the next name of the object that is open; it is valid until
// the next one is read.
func (r *reader) member(first bool) (name []byte, more, ok bool) {
	key, escaped, more, ok := r.s.Member(first)
	if !ok || !more {
		return nil, false, ok
	}
	return r.s.Name(key, escaped, &r.buf), true, true
}

// known are names of fields that need no memory of their own.
var known = [...]string{"id", "phase", "namespace", "caller", "status", "defer_loading", "allowed_callers", "agent", "created_by"}

func nameOf(b []byte) string {
	for _, k := range known {
		if string(b) == k {
			return k
		}
	}
	return string(b)
}

// keep adds a field without a name in canon to a list.
func (r *reader) keep(list *[]canon.Field, name []byte) bool {
	n := nameOf(name)
	var v canon.Raw
	if !r.raw(&v) {
		return false
	}
	if v == nil {
		return true
	}
	if len(r.extra)+len(*list) >= maxExtra {
		if !r.lax {
			r.bad = fault.New(fault.BadRequest, "There are more than 1,024 fields that are not known here.", nil)
		}
		return r.lax
	}
	*list = append(*list, canon.Field{Name: n, Value: v})
	return true
}

// tell names fields for writers of other dialects.
func (r *reader) tell(list []canon.Field, where string) {
	for _, f := range list {
		name := where + f.Name
		told := false
		for i := range r.extra {
			told = told || r.extra[i].Name == name
		}
		if !told {
			r.extra = append(r.extra, canon.Field{Name: name, Value: f.Value})
		}
	}
}

// unescape takes the text out of a string.
func (r *reader) unescape(t canon.Text) []byte {
	if len(t) < 2 {
		return nil
	}
	if cap(r.room)-len(r.room) < len(t) {
		r.room = make([]byte, 0, max(len(t), 1024))
	}
	start := len(r.room)
	r.room = jsonscan.Unescape(r.room, t[1:len(t)-1])
	return r.room[start:len(r.room):len(r.room)]
}
