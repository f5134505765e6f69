package anthropic

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// parse reads an event of the wire.
func (r *reader) parse(data []byte) bool {
	w, e := &r.w, &r.wire
	e.reset()
	w.head, w.bad, w.depth = "content", nil, 0
	w.s.Reset(data)
	return w.s.Peek() == '{' && w.members(r.member) && w.s.End()
}

// reset clears what the last event left. Most left little.
func (e *wireEvent) reset() {
	if e.hasMessage {
		e.message = message{}
	}
	if e.hasOurs {
		e.ours = extension{}
	}
	e.typ, e.index, e.extra = nil, 0, nil
	e.hasMessage, e.hasBlock, e.hasDelta, e.hasUsage, e.hasError, e.hasOurs = false, false, false, false, false, false
}

// member reads a member of an event.
func (r *reader) member(name []byte) bool {
	w, e := &r.w, &r.wire
	object := isObject(&w.s)
	switch string(name) {
	case "type":
		_, ok := w.text(&e.typ)
		return ok
	case "index":
		return w.number(&e.index)
	case "delta":
		if e.hasDelta = object; object {
			e.delta = delta{}
			return r.delta()
		}
	case "content_block":
		if e.hasBlock = object; object {
			// Parts that were given out are not written over.
			clear(w.lists[:])
			return w.block(&e.block)
		}
	case "message":
		if e.hasMessage = object; object {
			clear(w.lists[:])
			e.message = message{report: r.report}
			if !w.message1(&e.message) {
				return false
			}
			r.report = e.message.report
			return true
		}
	case "usage":
		e.hasUsage = object
		return r.report.read(&w.s)
	case "error":
		e.hasError = e.hasError || object
		return w.s.Skip()
	case "tollgate":
		e.hasOurs = true
		return w.extension(&e.ours)
	default:
		return w.keepField(name, &e.extra)
	}
	return w.s.Skip()
}

func (r *reader) delta() bool {
	w, d := &r.w, &r.wire.delta
	return w.members(func(name []byte) bool {
		var into *canon.Text
		switch string(name) {
		case "type":
			into = &d.typ
		case "text":
			into = &d.text
		case "thinking":
			into = &d.thinking
		case "partial_json":
			into = &d.partialJSON
		case "signature":
			into = &d.signature
		case "stop_reason":
			into = &d.stopReason
		case "stop_sequence":
			into = &d.stopSequence
		case "content":
			into = &d.content
		case "citation":
			var right, ok bool
			right, ok = w.citation(&d.citation)
			d.hasCitation = right
			return ok
		case "logprobs":
			return w.raw(&d.logProbs)
		default:
			return w.keepField(name, &d.extra)
		}
		_, ok := w.text(into)
		return ok
	})
}

// complete makes the part of a block that was held back.
func (r *reader) complete(o *openBlock, p *canon.Part) bool {
	raw := o.raw
	if len(o.held) > 0 {
		raw = r.joined(o)
	}
	w := &r.w
	w.bad, w.depth = nil, 0
	w.s.Reset(raw)
	var b block
	return w.block(&b) && w.s.End() && w.build(&b, p)
}

// joined puts what followed into the block as it began: the input of a server's
// tool, which came in pieces of JSON, or the text of a summary.
func (r *reader) joined(o *openBlock) []byte {
	name, value := "input", canon.Raw(nil)
	text := append(append(canon.Text{'"'}, o.held...), '"')
	if memberOf(o.raw, "input") == nil {
		name, value = "content", canon.Raw(text)
	} else if value = canon.Raw(text.String()); !isJSON(value) {
		value = canon.Raw(text)
	}
	out := append(make([]byte, 0, len(o.raw)+len(value)+16), '{')
	s := &r.w.sub
	s.Reset(o.raw)
	s.Object(func(n []byte) bool {
		same := string(n) == name
		key := string(n)
		span, ok := s.Value()
		if !same && ok {
			out = appendMember(out, key, span.Of(o.raw))
		}
		return ok
	})
	return append(appendMember(out, name, value), '}')
}

func appendMember(b []byte, name string, value []byte) []byte {
	b = canon.AppendQuoted(comma(b), name)
	b = append(b, ':')
	return append(b, value...)
}

// ping may carry parts that no block can hold.
func (r *reader) ping(emit canon.Emit) error {
	for i := range r.wire.ours.parts {
		if r.state != inMessage {
			return garbage(errOrder)
		}
		if err := r.whole(&r.wire.ours.parts[i].part, emit); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) messageDelta(emit canon.Emit) error {
	if r.state != inMessage && r.state != finished {
		return garbage(errOrder)
	}
	e, d := &r.wire, &r.wire.delta
	// A delta without a reason only tells of the usage so far.
	if e.hasDelta && d.stopReason != nil && r.state == inMessage {
		for len(r.open) > 0 {
			if err := r.end(0, emit); err != nil {
				return err
			}
		}
		r.state = finished
		c := canon.Choice{Stop: stopOf(d.stopReason), StopRaw: d.stopReason, StopText: d.stopSequence}
		e.ours.applyTo(&c)
		ev := r.event(canon.FinishEvent, 0)
		ev.Stop, ev.StopRaw, ev.StopText = c.Stop, c.StopRaw, c.StopText
		ev.Extra = append(d.extra, e.extra...)
		if err := emit(ev); err != nil {
			return err
		}
	}
	if !e.hasUsage {
		return nil
	}
	ev := r.event(canon.UsageEvent, 0)
	ev.Usage = r.report.usage()
	ev.ServiceTier = r.report.tier
	r.report.tier, r.report.raw, r.report.cost = nil, nil, nil
	if !ev.Usage.Reported {
		return nil
	}
	return emit(ev)
}

func (r *reader) messageStop(emit canon.Emit) error {
	if r.state == inMessage {
		// Some providers do not say why they stop.
		for len(r.open) > 0 {
			if err := r.end(0, emit); err != nil {
				return err
			}
		}
		if err := emit(r.event(canon.FinishEvent, 0)); err != nil {
			return err
		}
	} else if r.state != finished {
		return garbage(errOrder)
	}
	r.state = done
	return emit(r.event(canon.DoneEvent, 0))
}
