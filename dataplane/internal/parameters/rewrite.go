package parameters

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// edits are what becomes of the places of a body.
type edits struct {
	any bool
	// with holds new values, dropped the places that go.
	with    [64][]byte
	dropped [64]bool
}

func (e *edits) drop(i int) { e.any, e.dropped[i], e.with[i] = true, true, nil }

func (e *edits) replace(i int, with []byte) { e.any, e.dropped[i], e.with[i] = true, false, with }

// express puts what rules set into the body, where that passes to the
// provider: in the places that the caller used if all dialects write the value
// alike, else where the provider's own format has it.
func (r *run) express() *fault.Fault {
	r.sets()
	if r.call.Format == nil || len(r.out.sets) == 0 {
		return nil
	}
	var rest []set
	for _, s := range r.out.sets {
		if !scalar(s.param) || !r.reuse(&s) {
			rest = append(rest, s)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return r.borrow(rest)
}

// sets keeps what stands in include beside the word for log-probabilities.
func (r *run) sets() {
	for i := range r.places {
		if r.places[i].kind != included || !r.edit.dropped[i] {
			continue
		}
		kept := []byte{'['}
		r.words(r.raw(i), func(w string) bool {
			if w != logProbsWord {
				kept = canon.AppendQuoted(separate(kept), w)
			}
			return true
		})
		if len(kept) > 1 {
			r.edit.replace(i, append(kept, ']'))
		}
	}
}

// separate sets a comma behind a member or an element.
func separate(b []byte) []byte {
	if c := b[len(b)-1]; c != '{' && c != '[' {
		b = append(b, ',')
	}
	return b
}

// reuse gives the places that the caller used the value; false when there are
// none that the provider is sure to read.
func (r *run) reuse(s *set) bool {
	used := false
	for i := range r.places {
		if r.places[i].param == s.param && r.present(i) && r.heeded(i) {
			r.edit.replace(i, s.raw)
			used = true
		}
	}
	return used
}

// heeded says whether the provider of a call that passes reads a place. One
// that it passes over would leave the parameter without its value or bound.
func (r *run) heeded(i int) bool {
	p := &r.places[i]
	f, ok := r.call.Format.(openai.Format)
	switch {
	case p.param == seed:
		return (ok && f.Quirks.RandomSeed) == (p.name == "random_seed")
	case p.name == "max_completion_tokens":
		return ok && !f.Quirks.MaxTokens
	}
	return !p.rare
}

// borrow has the provider's format write a request with the values, and takes
// over what it wrote in the places of the parameters.
func (r *run) borrow(sets []set) *fault.Fault {
	req := canon.Request{
		From: canon.OpenAIChat, Model: canon.Text(`"m"`), Stream: true,
		Messages: []canon.Message{{Role: canon.User, Parts: []canon.Part{{Text: canon.Text(`"-"`)}}}},
	}
	var about bits
	for i := range sets {
		about |= 1 << sets[i].param
	}
	if about.has(toolChoice) {
		req.Tools = []canon.Tool{{Name: canon.Text(`"t"`), Schema: canon.Raw(`{"type":"object","properties":{}}`)}}
	}
	if bound := r.bound(); bound != nil {
		req.MaxTokens = bound
	}
	for i := range sets {
		sets[i].apply(&req)
	}
	var lost canon.Losses
	body, f := r.call.Format.AppendRequest(nil, &req, &canon.Target{Model: r.call.Model}, &lost)
	if f != nil {
		return f
	}
	var d doc
	if f := d.read(body, r.table, about); f != nil {
		return f
	}
	for i := range sets {
		if !r.copy(&d, sets[i].param) && !nothing(&sets[i]) {
			r.out.Lost.Add(names[sets[i].param])
		}
	}
	return nil
}

// nothing says that a value asks for what is so without it.
func nothing(s *set) bool {
	var q canon.Request
	s.apply(&q)
	return s.param == logProbs && q.LogProbs == canon.No || s.param == responseFormat && q.Format.Kind == canon.FormatText
}

// bound is the bound on output that the call will have, which the amount of
// reasoning may depend on.
func (r *run) bound() canon.Raw {
	for i := range r.places {
		if r.places[i].param != maxTokens {
			continue
		}
		if with := r.edit.with[i]; with != nil {
			return with
		}
	}
	// The parameter may not be one that rules are about.
	var d doc
	if d.read(r.body, r.table, 1<<maxTokens) != nil {
		return nil
	}
	for i := range d.places {
		if d.places[i].param == maxTokens && d.present(i) && !r.edit.dropped[i] {
			return d.raw(i)
		}
	}
	return nil
}

// copy takes over the places of a parameter from another body.
func (r *run) copy(from *doc, p param) (found bool) {
	for i := range from.places {
		if from.places[i].param != p || !from.present(i) {
			continue
		}
		with := append([]byte(nil), from.raw(i)...)
		switch from.places[i].kind {
		case included:
			with = r.include(i)
		case keepsShow:
			with = r.keepShow(i, with)
		}
		r.edit.replace(i, with)
		found = true
	}
	return found
}

// keepShow leaves it to the caller whether thoughts are shown.
func (r *run) keepShow(i int, with []byte) []byte {
	const show = "includeThoughts"
	b := []byte{'{'}
	members := func(object []byte, wanted bool) {
		var s jsonscan.Scanner
		s.Reset(object)
		s.Object(func(key []byte) bool {
			var raw []byte
			ok := s.Raw(&raw)
			if ok && like(key, show) == wanted {
				b = append(append(canon.AppendQuoted(separate(b), string(key)), ':'), raw...)
			}
			return ok
		})
	}
	members(with, false)
	if r.present(i) {
		members(r.raw(i), true)
	}
	return append(b, '}')
}

// include adds the word for log-probabilities to what stands there.
func (r *run) include(i int) []byte {
	b := []byte{'['}
	if with := r.edit.with[i]; with != nil {
		b = append(b, with[1:len(with)-1]...)
	} else if r.present(i) && !r.edit.dropped[i] {
		inside := r.raw(i)
		b = append(b, inside[1:len(inside)-1]...)
	}
	return append(canon.AppendQuoted(separate(b), logProbsWord), ']')
}

// rewrite writes the body anew with the edits; all other members keep every
// byte.
func (r *run) rewrite() []byte {
	r.s.Reset(r.body)
	b := make([]byte, 0, len(r.body)+256)
	return r.write(b, 0)
}

// write writes an object. The body was read before, so it is JSON.
func (r *run) write(b []byte, object int) []byte {
	b = append(b, '{')
	r.s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := r.s.Member(first)
		if !ok || !more {
			break
		}
		name := r.s.Name(key, escaped, &buf)
		if in := r.inner(object, name); in != 0 {
			from := len(b)
			b = append(append(separate(b), key.Of(r.body)...), ':')
			inside := len(b)
			if r.s.Peek() == '{' {
				b = r.write(b, in)
			} else {
				r.s.Skip()
				b = r.insert(append(b, '{'), in)
				b = append(b, '}')
			}
			if len(b)-inside == 2 {
				// Nothing is left in it.
				b = b[:from]
			}
			continue
		}
		r.s.Peek()
		value, _ := r.s.Value()
		i := r.placed(object, name)
		switch {
		case i < 0 || !r.edit.dropped[i] && r.edit.with[i] == nil:
			b = append(append(append(separate(b), key.Of(r.body)...), ':'), value.Of(r.body)...)
		case r.edit.with[i] != nil:
			b = append(append(append(separate(b), key.Of(r.body)...), ':'), r.edit.with[i]...)
		}
	}
	return append(r.insert(b, object), '}')
}

// insert writes the places of an object that the body has not.
func (r *run) insert(b []byte, object int) []byte {
	for i := range r.places {
		if p := &r.places[i]; p.in == object && r.edit.with[i] != nil && r.at[i] == (jsonscan.Span{}) {
			b = append(canon.AppendQuoted(separate(b), p.name), ':')
			b = append(b, r.edit.with[i]...)
		}
	}
	if object != 0 {
		return b
	}
	for in := 1; in < len(r.table.objects); in++ {
		if r.doc.objects[in].End != 0 || !r.edits(in) {
			continue
		}
		b = append(canon.AppendQuoted(separate(b), r.table.objects[in]), ':', '{')
		b = append(r.insert(b, in), '}')
	}
	return b
}

// edits says whether anything in an object is edited.
func (r *run) edits(in int) bool {
	for i := range r.places {
		if r.places[i].in == in && (r.edit.with[i] != nil || r.edit.dropped[i]) {
			return true
		}
	}
	return false
}

// inner finds the object that a key of the body names and that is edited.
func (r *run) inner(object int, key []byte) int {
	if object != 0 {
		return 0
	}
	for in := 1; in < len(r.table.objects); in++ {
		if same, _ := r.match(key, r.table.objects[in]); same && r.edits(in) {
			return in
		}
	}
	return 0
}

// placed finds the place that a key is, -1 for none that is edited.
func (r *run) placed(object int, key []byte) int {
	for i := range r.places {
		if p := &r.places[i]; p.in == object && r.about.has(p.param) {
			if same, _ := r.match(key, p.name); same {
				return i
			}
		}
	}
	return -1
}
