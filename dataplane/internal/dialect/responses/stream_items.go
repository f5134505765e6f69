package responses

import (
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// itemAdded reads the start of an item. Thoughts begin when their text does,
// since only then it is known that there is one.
func (s *streamReader) itemAdded(emit canon.Emit) error {
	it := &s.r.it
	if ok := s.parseItem(it); !ok {
		return garbage("an item of the stream is not a JSON object")
	}
	k := it.place()
	if k == nil || s.item(s.ev.item) != nil {
		return nil
	}
	if it.kind.Is("function_call") || it.kind.Is("custom_tool_call") {
		s.sum.calls = true
		p := &s.out.Part
		p.Kind, p.ID, p.Name, p.Custom = canon.ToolCallPart, it.callID, it.name, it.kind.Is("custom_tool_call")
		s.r.extras(it, p)
		_, err := s.start(s.ev.item, 0, emit)
		return err
	}
	if len(s.items) >= maxOpenParts {
		return garbage("too many items of the stream are open at a time")
	}
	open := openItem{number: s.ev.item}
	if !s.watched {
		open.id = slices.Clone(it.id)
	}
	for _, e := range it.extra {
		if s.watched {
			break
		}
		open.extra = append(open.extra, canon.Field{Name: e.Name, Value: slices.Clone(e.Value)})
	}
	s.items = append(s.items, open)
	return nil
}

func (s *streamReader) parseItem(it *item) bool {
	s.r.s.Reset(s.ev.whole)
	s.r.parts.buf = nil
	return s.ev.whole != nil && s.r.s.Peek() == '{' && s.r.item(it)
}

// said finds the part of a message that an event belongs to, and begins it if
// nothing came of it before.
func (s *streamReader) said(kind canon.Kind, emit canon.Emit) (*openPart, error) {
	if p := s.find(s.ev.item, s.ev.content); p != nil {
		return p, nil
	}
	s.sum.refused = s.sum.refused || kind == canon.RefusalPart
	part := &s.out.Part
	part.Kind = kind
	it := s.item(s.ev.item)
	if it == nil {
		// The item was never announced.
		if len(s.items) >= maxOpenParts {
			return nil, garbage("too many items of the stream are open at a time")
		}
		s.items = append(s.items, openItem{number: s.ev.item})
		it = &s.items[len(s.items)-1]
	}
	it.given = max(it.given, s.ev.content+1)
	part.ID = it.id
	if len(it.extra) > 0 {
		part.Extra, part.From = it.extra, canon.Responses
	}
	return s.start(s.ev.item, s.ev.content, emit)
}

// more gives out more text of a part.
func (s *streamReader) more(p *openPart, text canon.Text, emit canon.Emit) error {
	if len(text) <= 2 {
		return nil
	}
	p.told = true
	s.out.Text = text
	return s.emit(emit, canon.DeltaEvent, p.index)
}

func (s *streamReader) textDelta(emit canon.Emit) error {
	p, err := s.said(canon.TextPart, emit)
	if err != nil {
		return err
	}
	if err := s.more(p, s.ev.delta, emit); err != nil || len(s.ev.logprobs) <= 2 || s.ev.logprobs[0] != '[' {
		return err
	}
	s.out.Raw = wrapLogProbs([]canon.Raw{s.ev.logprobs})
	return s.emit(emit, canon.LogProbsEvent, p.index)
}

func (s *streamReader) refusalDelta(emit canon.Emit) error {
	p, err := s.said(canon.RefusalPart, emit)
	if err != nil {
		return err
	}
	return s.more(p, s.ev.delta, emit)
}

// textDone gives out the whole text if nothing of it came before.
func (s *streamReader) textDone(emit canon.Emit) error {
	return s.filled(canon.TextPart, s.ev.text, emit)
}

func (s *streamReader) refusalDone(emit canon.Emit) error {
	return s.filled(canon.RefusalPart, s.ev.refusal, emit)
}

func (s *streamReader) filled(kind canon.Kind, text canon.Text, emit canon.Emit) error {
	p, err := s.said(kind, emit)
	if err != nil || p.told {
		return err
	}
	return s.more(p, text, emit)
}

func (s *streamReader) annotation(emit canon.Emit) error {
	p, err := s.said(canon.TextPart, emit)
	if err != nil || len(s.ev.annotation) == 0 || s.ev.annotation[0] != '{' {
		return err
	}
	p.cited++
	s.out.Part.Citations = []canon.Citation{citationOf(s.ev.annotation)}
	return s.emit(emit, canon.CitationEvent, p.index)
}

// partDone notes what a content part holds that was not told before; the part
// ends with its item.
func (s *streamReader) partDone(emit canon.Emit) error {
	p := s.find(s.ev.item, s.ev.content)
	if p == nil || p.thoughts {
		return nil
	}
	f := fieldsOf(s.ev.whole, "annotations")
	if err := s.cite(p, s.r.citations(f[0]), emit); err != nil {
		return err
	}
	return s.close(p, emit)
}

// cite gives out the citations beyond those that were told.
func (s *streamReader) cite(p *openPart, all []canon.Citation, emit canon.Emit) error {
	if len(all) <= p.cited {
		return nil
	}
	s.out.Part.Citations = all[p.cited:]
	p.cited = len(all)
	return s.emit(emit, canon.CitationEvent, p.index)
}

func (s *streamReader) callDelta(emit canon.Emit) error {
	if p := s.find(s.ev.item, 0); p != nil {
		return s.more(p, s.ev.delta, emit)
	}
	return nil
}

func (s *streamReader) callDone(emit canon.Emit) error {
	p := s.find(s.ev.item, 0)
	if p == nil || p.told {
		return nil
	}
	text := s.ev.arguments
	if text == nil {
		text = s.ev.input
	}
	return s.more(p, text, emit)
}

// thoughtPlace is where thoughts stand that are no summary, beside whatever
// contents there are.
const thoughtPlace = -1

func (s *streamReader) thoughtDelta(emit canon.Emit) error {
	return s.thought(thoughtPlace, rawThoughts, 0, emit)
}

func (s *streamReader) summaryDelta(emit canon.Emit) error {
	return s.thought(0, nil, s.ev.summary, emit)
}

var paragraph = canon.Text(`"\n\n"`)

// thought gives out more of a text of thoughts. The parts of a summary become
// paragraphs of one text.
func (s *streamReader) thought(place int, name canon.Text, summary int, emit canon.Emit) error {
	p := s.find(s.ev.item, place)
	if p == nil {
		part := &s.out.Part
		part.Kind, part.Name, part.From = canon.ReasoningPart, name, canon.Responses
		if it := s.item(s.ev.item); it != nil {
			part.ID, part.Extra = it.id, it.extra
		}
		var err error
		if p, err = s.start(s.ev.item, place, emit); err != nil {
			return err
		}
		p.thoughts = true
	}
	if summary != p.summary && p.told {
		if err := s.more(p, paragraph, emit); err != nil {
			return err
		}
	}
	p.summary = summary
	return s.more(p, s.ev.delta, emit)
}

// itemDone reads a whole item: what came of it before is ended, the rest is
// given out.
func (s *streamReader) itemDone(emit canon.Emit) error {
	it := &s.r.it
	if !s.parseItem(it) {
		return garbage("an item of the stream is not a JSON object")
	}
	return s.tell(it, s.ev.item, emit)
}

// tell gives out what an item holds beyond what came of it before.
func (s *streamReader) tell(it *item, number int, emit canon.Emit) error {
	s.ev.item = number
	parts := s.r.answered(&s.sum, it, nil)
	var err error
	switch {
	case it.kind.Is("reasoning"):
		err = s.tellThoughts(it, parts, emit)
	case it.kind.Is("message"):
		err = s.tellMessage(parts, emit)
	default:
		err = s.tellOther(it, parts, emit)
	}
	for i := 0; err == nil && i < len(s.open); {
		if s.open[i].item != number {
			i++
			continue
		}
		err = s.close(&s.open[i], emit)
	}
	s.items = slices.DeleteFunc(s.items, func(i openItem) bool { return i.number == number })
	return err
}

func (s *streamReader) tellMessage(parts []canon.Part, emit canon.Emit) error {
	given := 0
	if it := s.item(s.ev.item); it != nil {
		given = it.given
	}
	for i := range parts {
		var err error
		if p := s.find(s.ev.item, i); p != nil {
			if !p.told {
				err = s.more(p, parts[i].Text, emit)
			}
			if err == nil {
				err = s.cite(p, parts[i].Citations, emit)
			}
		} else if i >= given {
			err = s.give(&parts[i], parts[i].Text, i, emit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *streamReader) tellThoughts(it *item, parts []canon.Part, emit canon.Emit) error {
	if from, kind, payload := unwrap(it.encrypted); kind == sealedForLast {
		if s.next == 0 {
			return nil
		}
		s.out.Text, s.out.Part.From = payload, from
		return s.emit(emit, canon.SignatureEvent, s.next-1)
	}
	for i := range parts {
		part := &parts[i]
		place := 0
		if part.Name != nil {
			place = thoughtPlace
		}
		var err error
		if p := s.find(s.ev.item, place); p == nil {
			err = s.give(part, part.Text, place, emit)
		} else if proof := proofOf(part); proof != nil {
			s.out.Text, s.out.Part.From = proof, part.From
			err = s.emit(emit, canon.SignatureEvent, p.index)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// proofOf is what proves thoughts whose text came before: without the text, the
// item at the end looks as if all of it were redacted.
func proofOf(p *canon.Part) canon.Text {
	if p.Signature == nil {
		return p.Redacted
	}
	return p.Signature
}

func (s *streamReader) tellOther(it *item, parts []canon.Part, emit canon.Emit) error {
	text := it.arguments
	if it.input != nil {
		text = it.input
	}
	if p := s.find(s.ev.item, 0); p != nil {
		if p.told {
			return nil
		}
		return s.more(p, text, emit)
	}
	for i := range parts {
		if parts[i].Kind != canon.ToolCallPart {
			text = nil
		}
		if err := s.give(&parts[i], text, i, emit); err != nil {
			return err
		}
	}
	return nil
}

// give gives out a part that came whole.
func (s *streamReader) give(p *canon.Part, text canon.Text, place int, emit canon.Emit) error {
	s.out.Part = *p
	part := &s.out.Part
	part.Citations, part.Args, part.Signature = nil, nil, nil
	if p.Kind == canon.AudioPart {
		text = nil
	} else {
		part.Text = nil
	}
	o, err := s.start(s.ev.item, place, emit)
	if err == nil {
		err = s.more(o, text, emit)
	}
	if err == nil {
		err = s.cite(o, p.Citations, emit)
	}
	if err == nil && p.Signature != nil {
		s.out.Text, s.out.Part.From = p.Signature, p.From
		err = s.emit(emit, canon.SignatureEvent, o.index)
	}
	if err == nil {
		err = s.close(o, emit)
	}
	return err
}
