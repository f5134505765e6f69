package canon

import "slices"

// PartWriter writes what happens to a part.
type PartWriter interface {
	Part(b []byte, ev *Event) []byte
}

// Sequence puts the parts of one choice behind each other, for writers whose
// blocks may not overlap: a part that begins before another ended waits until
// that is told. An event of the part that is written costs one look at its
// number.
type Sequence struct {
	// live are the parts that are being written: one, unless too much waits.
	live    []int
	waiting []Event
	waits   int
}

// maxWaiting bounds what waits, in bytes.
const maxWaiting = 192 << 10

// Held is how much memory the parts take that wait: texts that are joined have
// room for more.
func (s *Sequence) Held() int { return s.waits + s.waits/4 }

// Append gives w the event of a part, or lets it wait.
func (s *Sequence) Append(b []byte, ev *Event, w PartWriter) []byte {
	if slices.Contains(s.live, ev.Index) {
		if b = s.write(b, ev, w); ev.Kind == EndEvent && len(s.live) == 0 {
			return s.resume(b, w)
		}
		return b
	}
	if ev.Kind == BeginEvent && len(s.live) == 0 {
		return s.write(b, ev, w)
	}
	if ev.Kind != BeginEvent && len(s.waiting) == 0 {
		return b
	}
	s.wait(ev)
	if s.waits > maxWaiting {
		return s.flood(b, w)
	}
	return b
}

// write gives w an event of a part that is live, or that is from now on.
func (s *Sequence) write(b []byte, ev *Event, w PartWriter) []byte {
	at := slices.Index(s.live, ev.Index)
	switch {
	case ev.Kind == BeginEvent && at < 0:
		s.live = append(s.live, ev.Index)
	case at < 0:
		return b
	case ev.Kind == EndEvent:
		s.live = slices.Delete(s.live, at, at+1)
	}
	return w.Part(b, ev)
}

// End ends the parts that nobody ended, at the end of the stream.
func (s *Sequence) End(b []byte, w PartWriter) []byte {
	for len(s.live) > 0 || len(s.waiting) > 0 {
		if len(s.live) > 0 {
			b = s.write(b, &Event{Kind: EndEvent, Index: s.live[0]}, w)
		}
		waited := len(s.waiting)
		if b = s.resume(b, w); len(s.live) == 0 && len(s.waiting) == waited {
			break
		}
	}
	return b
}

// wait keeps an event. Deltas of a part are joined.
func (s *Sequence) wait(ev *Event) {
	s.waits += len(ev.Text) + len(ev.Raw)
	if ev.Kind == DeltaEvent {
		for i := len(s.waiting) - 1; i >= 0; i-- {
			last := &s.waiting[i]
			if last.Index != ev.Index {
				continue
			}
			if last.Kind == DeltaEvent && ev.Part.Media.Data == nil {
				last.Text = append(ev.Text.Append(last.Text[:len(last.Text)-1]), '"')
				return
			}
			break
		}
	}
	s.waits += partSize + ev.Part.Size()
	kept := Event{Kind: ev.Kind, Index: ev.Index, Text: slices.Clone(ev.Text), Raw: slices.Clone(ev.Raw), Part: ev.Part.Clone()}
	if ev.Kind == DeltaEvent && len(kept.Text) < 2 {
		kept.Text = Text(`""`)
	}
	s.waiting = append(s.waiting, kept)
}

// resume writes the parts that waited, up to one that has not ended.
func (s *Sequence) resume(b []byte, w PartWriter) []byte {
	for len(s.waiting) > 0 && len(s.live) == 0 {
		index := s.waiting[0].Index
		rest := s.waiting[:0:0]
		for i := range s.waiting {
			if ev := &s.waiting[i]; ev.Index != index {
				rest = append(rest, *ev)
			} else {
				b = s.write(b, ev, w)
			}
		}
		s.waiting = rest
	}
	if len(s.waiting) == 0 {
		s.waits = 0
	}
	return b
}

// flood writes all that waits, part among part: better than to hold too much.
func (s *Sequence) flood(b []byte, w PartWriter) []byte {
	for i := range s.waiting {
		b = s.write(b, &s.waiting[i], w)
	}
	s.waiting, s.waits = nil, 0
	return b
}

// Clone copies a part out of a reader's buffer, but for the contents of a
// tool's result, which answers do not have.
func (p *Part) Clone() Part {
	out := *p
	for _, t := range [...]*Text{
		&out.Text, &out.ID, &out.Name, &out.Signature, &out.Redacted,
		&out.Media.Data, &out.Media.Type, &out.Media.URL, &out.Media.FileID, &out.Media.Name,
	} {
		*t = slices.Clone(*t)
	}
	out.Args, out.Raw = slices.Clone(p.Args), slices.Clone(p.Raw)
	out.Citations = slices.Clone(p.Citations)
	for i := range out.Citations {
		c := &out.Citations[i]
		c.URL, c.Title, c.Quote, c.Raw = slices.Clone(c.URL), slices.Clone(c.Title), slices.Clone(c.Quote), slices.Clone(c.Raw)
	}
	out.Extra = slices.Clone(p.Extra)
	for i := range out.Extra {
		out.Extra[i].Value = slices.Clone(out.Extra[i].Value)
	}
	return out
}
