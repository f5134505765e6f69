package openai

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// call takes a piece of a tool call.
func (r *streamReader) call(c *streamChoice, p *canon.Part, n *note) bool {
	t := c.callOf(p, n)
	if t == nil {
		if len(c.calls) >= maxCalls {
			r.err = fault.New(fault.UpstreamTooLarge, "", nil)
			return false
		}
		wire := n.index
		if wire < 0 {
			wire = len(c.calls)
		}
		c.calls = append(c.calls, streamCall{wire: wire, id: bytes.Clone(p.ID), custom: p.Custom})
		t = &c.calls[len(c.calls)-1]
		c.ids += len(p.ID)
	}
	args := p.Text
	if p.Args != nil {
		r.scratch = appendArguments(r.scratch[:0], p.Args)
		args = r.scratch
	}
	if !t.begun {
		// A call begins with its name; some send its id first.
		if p.Name.Empty() && args.Empty() {
			return true
		}
		if !r.beginCall(c, t, p) {
			return false
		}
	}
	if p.Signature != nil {
		ev := r.make(c, canon.SignatureEvent, t.part)
		ev.Text, ev.Part.From = p.Signature, p.From
		r.out()
	}
	if !args.Empty() && !t.ended {
		t.nest.read(args)
		r.make(c, canon.DeltaEvent, t.part).Text = args
		r.out()
	}
	return r.err == nil
}

// callOf finds the call that a piece belongs to: the last one with its number,
// unless the piece begins another. Gemini's compatible endpoint numbers all 0,
// Mistral numbers none, and some give each piece an id of its own, but only the
// first a name.
func (c *streamChoice) callOf(p *canon.Part, n *note) *streamCall {
	for i := len(c.calls) - 1; i >= 0; i-- {
		t := &c.calls[i]
		switch {
		case n.index >= 0 && t.wire != n.index:
			continue
		case p.ID.Empty():
			if n.index >= 0 && t.nest.complete() && !p.Name.Empty() && (p.Args != nil || !p.Text.Empty()) {
				return nil
			}
			return t
		case bytes.Equal(p.ID, t.id):
			return t
		case t.id.Empty() && !t.begun:
			t.id = bytes.Clone(p.ID)
			c.ids += len(p.ID)
			return t
		case n.index >= 0 && !p.Name.Empty():
			return nil
		case n.index >= 0:
			return t
		}
	}
	return nil
}

func (r *streamReader) beginCall(c *streamChoice, t *streamCall, p *canon.Part) bool {
	r.close(c)
	r.endCalls(c, false)
	t.begun, t.part = true, c.next
	c.next++
	ev := r.make(c, canon.BeginEvent, t.part)
	part := &ev.Part
	part.Kind, part.ID, part.Name, part.Custom, part.From = canon.ToolCallPart, t.id, p.Name, t.custom || p.Custom, p.From
	nameCall(part, r.created, t.part)
	return r.out()
}

// endCalls ends the calls that are complete, or all.
func (r *streamReader) endCalls(c *streamChoice, all bool) {
	for i := range c.calls {
		t := &c.calls[i]
		if t.begun && !t.ended && (all || t.nest.complete()) {
			t.ended = true
			r.send(c, canon.EndEvent, t.part)
		}
	}
}

// nesting tells when the arguments of a call are one whole JSON object, so
// that the call can be ended before the next one begins. It follows them in
// the escaped form that they have inside of a string.
type nesting struct {
	depth           int
	begun           bool
	inside, escaped bool
}

func (n *nesting) complete() bool { return n.begun && n.depth == 0 && !n.inside }

func (n *nesting) read(t canon.Text) {
	for i := 1; i < len(t)-1; i++ {
		c := t[i]
		if c == '\\' {
			// Only quotes and backslashes matter of what is escaped.
			i++
			if c = t[i]; c != '"' && c != '\\' {
				n.escaped = false
				continue
			}
		}
		switch {
		case n.escaped:
			n.escaped = false
		case n.inside && c == '\\':
			n.escaped = true
		case c == '"':
			n.inside = !n.inside
			n.begun = true
		case n.inside:
		case c == '{' || c == '[':
			n.depth++
			n.begun = true
		case c == '}' || c == ']':
			n.depth--
		}
	}
}
