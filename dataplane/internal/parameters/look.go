package parameters

import (
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// doc is a body with the places found in it. It notes only places of the
// parameters that rules are about, so its size does not depend on the body's.
type doc struct {
	*table
	body  []byte
	about bits
	s     jsonscan.Scanner
	// at is the value of each place, objects that of each object; an End of 0
	// says that it is not there.
	at      [64]jsonscan.Span
	objects [4]jsonscan.Span
	bad     *fault.Fault
}

// read finds the places in a body that is a JSON object. One pass, about
// 0.5 µs for 1 KB.
func (d *doc) read(body []byte, t *table, about bits) *fault.Fault {
	d.table, d.body, d.about, d.bad = t, body, about, nil
	clear(d.at[:])
	clear(d.objects[:])
	d.s.Reset(body)
	if d.s.Peek() != '{' {
		return fault.New(fault.WrongType, "The body must be a JSON object.", nil)
	}
	if ok := d.walk(0) && d.s.End(); !ok && d.bad == nil {
		return fault.New(fault.MalformedJSON, "The body is not valid JSON.", nil)
	}
	return d.bad
}

// walk reads the members of an object.
func (d *doc) walk(object int) bool {
	start := d.s.Pos()
	ok := d.s.Object(func(key []byte) bool {
		if object == 0 {
			if in := d.object(key); in != 0 || d.bad != nil {
				return d.bad == nil && d.enter(in)
			}
			if string(key) == hidden && d.about&^(1<<stream) != 0 {
				return d.search()
			}
		}
		if i := d.place(object, key); i >= 0 || d.bad != nil {
			return d.bad == nil && d.take(i)
		}
		return d.s.Skip()
	})
	d.objects[object] = jsonscan.Span{Start: start, End: d.s.Pos()}
	return ok
}

// object finds the object that a key of the body names, 0 for none that
// matters.
func (d *doc) object(key []byte) int {
	almost := 0
	for in := 1; in < len(d.table.objects); in++ {
		if !d.holds(in) {
			continue
		}
		same, lookalike := d.match(key, d.table.objects[in])
		switch {
		case same && d.objects[in].End != 0:
			d.refuse(d.table.objects[in], givenTwice)
			return 0
		case same:
			return in
		case lookalike:
			almost = in
		}
	}
	if almost != 0 {
		d.refuse(d.table.objects[almost], spelledAlmost)
	}
	return 0
}

// Why a body is refused that two providers would read in two ways.
const (
	givenTwice    = "%s is given twice; providers read that differently."
	spelledAlmost = "A field is spelled almost like %s; providers read that differently."
)

// holds says whether an object has a place that rules are about.
func (d *doc) holds(in int) bool {
	for i := range d.places {
		if d.places[i].in == in && d.about.has(d.places[i].param) {
			return true
		}
	}
	return false
}

func (d *doc) enter(in int) bool {
	switch d.s.Peek() {
	case '{':
		return d.walk(in)
	case 'n':
		start := d.s.Pos()
		ok := d.s.Skip()
		d.objects[in] = jsonscan.Span{Start: start, End: d.s.Pos()}
		return ok
	}
	d.bad = fault.Newf(fault.WrongType, "%s must be an object.", d.table.objects[in]).WithParam(d.table.objects[in])
	return false
}

// place finds the place that a key of an object is, -1 for none that matters.
func (d *doc) place(object int, key []byte) int {
	almost := -1
	for i := range d.places {
		p := &d.places[i]
		if p.in != object || !d.about.has(p.param) {
			continue
		}
		same, lookalike := d.match(key, p.name)
		switch {
		case same && d.at[i].End != 0:
			d.refuse(p.name, givenTwice)
			return -1
		case same:
			return i
		case lookalike:
			almost = i
		}
	}
	if almost >= 0 {
		d.refuse(d.places[almost].name, spelledAlmost)
	}
	return -1
}

func (d *doc) take(i int) bool {
	p, ok := d.s.Value()
	d.at[i] = p
	return ok
}

func (d *doc) refuse(name, format string) {
	d.bad = fault.Newf(fault.BadRequest, format, name).WithParam(name)
}

// maxSearch is how deep a parameter is looked for in fields that some
// providers merge into the body; what is deeper counts as found.
const maxSearch = 16

// search refuses a field that some providers merge into the body when it holds
// a parameter that rules are about, wherever in it.
func (d *doc) search() bool {
	ok, found := d.searchIn(0)
	if found && d.bad == nil {
		d.bad = fault.Newf(fault.ParameterForbidden, "%s holds a parameter that rules are about, in a place where they cannot be applied. Put it into the body itself.", hidden).WithParam(hidden)
	}
	return ok && !found
}

func (d *doc) searchIn(depth int) (ok, found bool) {
	if depth == maxSearch {
		return false, true
	}
	inside := func() bool {
		ok, f := d.searchIn(depth + 1)
		found = found || f
		return ok && !found
	}
	switch d.s.Peek() {
	case '{':
		ok = d.s.Object(func(key []byte) bool {
			if found = d.named(key); found {
				return false
			}
			return inside()
		})
	case '[':
		ok = d.s.Array(func(int) bool { return inside() })
	default:
		ok = d.s.Skip()
	}
	return ok, found
}

// named says whether a key could be any of the places that rules are about, in
// this dialect or in Gemini's, which compatible front ends of Google read.
func (d *doc) named(key []byte) bool {
	for _, t := range []*table{d.table, tables[geminiName]} {
		for i := range t.places {
			if !d.about.has(t.places[i].param) {
				continue
			}
			if same, lookalike := t.match(key, t.places[i].name); same || lookalike {
				return true
			}
		}
	}
	return false
}
