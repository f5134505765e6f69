package responses

import (
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// wording is how the events of a kind of part are called.
type wording struct {
	// opened and closed are the events around the text, if there are any.
	opened, delta, done, closed string
	// at is the field with the place of the text in its item.
	at string
	// field holds the whole text in done.
	field string
	// kind is the type of what is opened.
	kind string
}

var (
	textWords = wording{
		"response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done",
		`,"content_index":`, "text", "output_text",
	}
	refusalWords = wording{
		"response.content_part.added", "response.refusal.delta", "response.refusal.done", "response.content_part.done",
		`,"content_index":`, "refusal", "refusal",
	}
	callWords    = wording{"", "response.function_call_arguments.delta", "response.function_call_arguments.done", "", "", "arguments", ""}
	customWords  = wording{"", "response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "", "", "input", ""}
	summaryWords = wording{
		"response.reasoning_summary_part.added", "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done",
		"response.reasoning_summary_part.done", `,"summary_index":`, "text", "summary_text",
	}
	thoughtWords = wording{
		"response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.done", "response.content_part.done",
		`,"content_index":`, "text", "reasoning_text",
	}
)

func wordsOf(p *canon.Part) *wording {
	switch {
	case p.Kind == canon.RefusalPart:
		return &refusalWords
	case p.Kind == canon.ToolCallPart && p.Custom:
		return &customWords
	case p.Kind == canon.ToolCallPart:
		return &callWords
	case p.Kind == canon.ReasoningPart && p.Name.Is("reasoning_text"):
		return &thoughtWords
	case p.Kind == canon.ReasoningPart:
		return &summaryWords
	}
	return &textWords
}

func (w *writer) slot(index int) *slot {
	for i := range w.slots {
		if w.slots[i].index == index {
			return &w.slots[i]
		}
	}
	return nil
}

// event starts an event of a part.
func (w *writer) event(b []byte, name string, s *slot) []byte {
	b = append(append(w.begin(b, name), `,"item_id":`...), s.id...)
	b = appendCount(b, `,"output_index":`, int64(s.output))
	if s.words.at != "" {
		b = appendCount(b, s.words.at, int64(s.content))
	}
	return b
}

func (w *writer) beginPart(b []byte, ev *canon.Event) []byte {
	p := &ev.Part
	text := p.Kind == canon.TextPart || p.Kind == canon.RefusalPart
	s := slot{index: ev.Index, words: wordsOf(p)}
	switch {
	case inMessage(p):
		b = w.openMessage(b, p)
		m := &w.msg
		s.id, s.output, s.content = m.id, m.output, m.parts
		m.parts++
		m.running++
	case p.Kind == canon.ToolCallPart || p.Kind == canon.ReasoningPart:
		b = w.closeMessage(b)
		s.output = w.c.items
	default:
		b = w.closeMessage(b)
		return w.whole(b, func(b []byte) []byte { return w.c.item(b, p) })
	}
	s.part = canon.Part{Kind: p.Kind, From: p.From, Custom: p.Custom}
	s.part.Name, s.part.ID, s.part.Args = slices.Clone(p.Name), slices.Clone(p.ID), slices.Clone(p.Args)
	s.part.Redacted, s.part.Signature = slices.Clone(p.Redacted), slices.Clone(p.Signature)
	if !inMessage(p) {
		b = w.openItem(b, &s, p)
	}
	if inMessage(p) && !text {
		s.part.Text, s.part.Media, s.part.Raw = slices.Clone(p.Text), cloneMedia(&p.Media), slices.Clone(p.Raw)
		w.inOpen += len(p.Raw) + len(p.Media.Data)
		b = append(w.event(b, s.words.opened, &s), `,"part":`...)
		b = w.end(w.c.content(b, p, nil))
	} else if text {
		b = w.opened(b, &s)
	}
	w.slots = append(w.slots, s)
	if text || p.Kind == canon.ReasoningPart {
		if !p.Text.Empty() {
			b = w.delta(b, &canon.Event{Index: ev.Index, Text: p.Text})
		}
	}
	return b
}

// openItem starts an item that is no message.
func (w *writer) openItem(b []byte, s *slot, p *canon.Part) []byte {
	prefix, own := reasoningPrefix, p.ID
	if p.Kind == canon.ToolCallPart {
		if prefix, own = callPrefix, ownID(p); p.Custom {
			prefix = customPrefix
		}
	}
	s.id = w.c.appendID(nil, prefix, own)
	s.fields = w.c.fields(nil, p)
	w.c.items++
	b = w.itemEvent(b, "response.output_item.added", s.output)
	if p.Kind == canon.ReasoningPart {
		b = append(append(append(b, `{"id":`...), s.id...), `,"type":"reasoning","summary":[]}`...)
	} else {
		b = appendCallItem(b, s, "in_progress", nil)
	}
	return w.end(b)
}

func appendCallItem(b []byte, s *slot, status string, text []byte) []byte {
	b = append(append(b, `{"id":`...), s.id...)
	b = append(append(b, `,"type":"`...), callKind(&s.part)...)
	b = append(append(b, `","status":"`...), status...)
	b = append(append(b, `","call_id":`...), orEmpty(s.part.ID)...)
	b = append(append(b, `,"name":`...), orEmpty(s.part.Name)...)
	b = append(append(b, s.fields...), `,"`...)
	b = append(append(b, s.words.field...), `":"`...)
	return append(append(b, text...), `"}`...)
}

// opened writes that a text begins.
func (w *writer) opened(b []byte, s *slot) []byte {
	b = append(w.event(b, s.words.opened, s), `,"part":`...)
	b = appendTextPart(b, s, nil, nil)
	return w.end(b)
}

// appendTextPart writes a text as its item holds it.
func appendTextPart(b []byte, s *slot, text, logs []byte) []byte {
	b = append(append(b, `{"type":"`...), s.words.kind...)
	b = append(append(append(b, `","`...), s.words.field...), `":"`...)
	b = append(append(b, text...), '"')
	if s.words == &textWords {
		b = append(append(b, `,"annotations":[`...), s.notes...)
		b = append(append(b, `],"logprobs":[`...), logs...)
		b = append(b, ']')
	}
	return append(b, '}')
}

func (w *writer) delta(b []byte, ev *canon.Event) []byte {
	s := w.slot(ev.Index)
	if s == nil {
		return b
	}
	if s.part.Kind == canon.AudioPart {
		return w.audio(b, s, ev)
	}
	if !s.begun && s.part.Kind == canon.ReasoningPart {
		b = w.opened(b, s)
	}
	s.begun = true
	b = append(append(w.event(b, s.words.delta, s), `,"delta":`...), orEmpty(ev.Text)...)
	if s.words == &textWords {
		b = append(b, `,"logprobs":[]`...)
	}
	switch inside := len(ev.Text) - 2; {
	case s.cut || inside <= 0:
	case w.inOpen+inside > maxOpen:
		w.inOpen -= len(s.text)
		s.text, s.cut = nil, true
	default:
		w.inOpen += inside
		s.text = buffer.Append(s.text, ev.Text[1:len(ev.Text)-1], maxOpen)
	}
	return w.end(b)
}

// audio writes more of what is spoken.
func (w *writer) audio(b []byte, s *slot, ev *canon.Event) []byte {
	more := func(name string, t canon.Text, all *canon.Text) {
		if len(t) <= 2 {
			return
		}
		b = append(append(w.event(b, name, s), `,"delta":`...), t...)
		b = w.end(b)
		if w.inOpen+len(t) <= maxOpen {
			w.inOpen += len(t)
			*all = canon.Join(orEmpty(*all), t)
		}
	}
	more("response.audio.delta", ev.Part.Media.Data, &s.part.Media.Data)
	more("response.audio.transcript.delta", ev.Text, &s.part.Text)
	return b
}

func cloneMedia(m *canon.Media) canon.Media {
	return canon.Media{
		Type: slices.Clone(m.Type), Data: slices.Clone(m.Data), URL: slices.Clone(m.URL),
		FileID: slices.Clone(m.FileID), Name: slices.Clone(m.Name), Detail: slices.Clone(m.Detail),
	}
}

// logProbs writes log-probabilities with an empty piece of text, because the
// text that they belong to was sent already.
func (w *writer) logProbs(b []byte, ev *canon.Event) []byte {
	s, logs := w.slot(ev.Index), logProbsOf(ev.Raw)
	if s == nil || s.words != &textWords || len(logs) == 0 {
		return b
	}
	if w.inOpen+len(logs) <= maxOpen {
		if len(s.logs) > 0 {
			s.logs = append(s.logs, ',')
		}
		s.logs = append(s.logs, logs...)
		w.inOpen += len(logs) + 1
	}
	b = append(w.event(b, s.words.delta, s), `,"delta":"","logprobs":[`...)
	return w.end(append(append(b, logs...), ']'))
}

func (w *writer) citation(b []byte, ev *canon.Event) []byte {
	s := w.slot(ev.Index)
	if s == nil || s.words != &textWords {
		return b
	}
	for i := range ev.Part.Citations {
		b = appendCount(w.event(b, "response.output_text.annotation.added", s), `,"annotation_index":`, int64(s.noted))
		b = append(b, `,"annotation":`...)
		start := len(b)
		b = appendCitation(b, &ev.Part.Citations[i])
		if note := b[start:]; w.inOpen+len(note) <= maxOpen {
			if len(s.notes) > 0 {
				s.notes = append(s.notes, ',')
			}
			s.notes = append(s.notes, note...)
			w.inOpen += len(note) + 1
		}
		s.noted++
		b = w.end(b)
	}
	return b
}

// signature notes a signature; that of a part that has ended is written at
// once.
func (w *writer) signature(b []byte, ev *canon.Event) []byte {
	if s := w.slot(ev.Index); s != nil {
		s.part.Signature = slices.Clone(ev.Text)
		if ev.Part.From != "" {
			s.part.From = ev.Part.From
		}
		return b
	}
	return w.sealLast(b, &ev.Part, ev.Text)
}

// sealLast writes the signature of the part before.
func (w *writer) sealLast(b []byte, p *canon.Part, t canon.Text) []byte {
	b = w.closeMessage(b)
	return w.whole(b, func(b []byte) []byte { return w.c.sealed(b, w.c.source(p), sealedForLast, t) })
}

func (w *writer) endPart(b []byte, ev *canon.Event) []byte {
	s := w.slot(ev.Index)
	if s == nil {
		return b
	}
	if !s.begun && s.part.Kind == canon.ToolCallPart && s.part.Args != nil {
		text := canon.Text(s.part.Args)
		if !s.part.Custom {
			text = append(appendEscaped(canon.Text{'"'}, s.part.Args), '"')
		}
		b = w.delta(b, &canon.Event{Index: ev.Index, Text: text})
	}
	switch {
	case s.part.Kind == canon.ToolCallPart:
		b = w.endCall(b, s)
	case s.part.Kind == canon.ReasoningPart:
		b = w.endThoughts(b, s)
	default:
		b = w.endContent(b, s)
	}
	w.inOpen = max(0, w.inOpen-len(s.text)-len(s.notes)-len(s.logs)-len(s.part.Media.Data)-len(s.part.Raw)-len(s.part.Text))
	part := s.part
	w.slots = slices.DeleteFunc(w.slots, func(s slot) bool { return s.index == ev.Index })
	if part.Signature != nil && part.Kind != canon.ReasoningPart {
		b = w.sealLast(b, &part, part.Signature)
	}
	return b
}

func (w *writer) endCall(b []byte, s *slot) []byte {
	text := s.text
	if len(text) == 0 && !s.part.Custom && !s.cut {
		text = []byte("{}")
	}
	b = append(append(w.event(b, s.words.done, s), `,"name":`...), orEmpty(s.part.Name)...)
	b = append(append(append(b, `,"`...), s.words.field...), `":"`...)
	b = w.end(append(append(b, text...), '"'))
	b = w.itemEvent(b, "response.output_item.done", s.output)
	start := len(b)
	b = appendCallItem(b, s, "completed", text)
	if !w.remember(s.output, b[start:], false) {
		w.remember(s.output, appendCallItem(nil, s, "completed", nil), true)
	}
	return w.end(b)
}

// closed writes that a text ends.
func (w *writer) closed(b []byte, s *slot) []byte {
	b = append(w.event(b, s.words.done, s), `,"`...)
	b = append(append(b, s.words.field...), `":"`...)
	b = append(append(b, s.text...), '"')
	if s.words == &textWords {
		b = append(append(append(b, `,"logprobs":[`...), s.logs...), ']')
	}
	b = w.end(b)
	b = append(w.event(b, s.words.closed, s), `,"part":`...)
	return w.end(appendTextPart(b, s, s.text, s.logs))
}

func (w *writer) endThoughts(b []byte, s *slot) []byte {
	p := s.part
	if s.begun {
		b = w.closed(b, s)
		p.Text = append(append(canon.Text{'"'}, s.text...), '"')
	}
	item := func(b []byte) []byte {
		b = append(append(append(b, `{"id":`...), s.id...), `,"type":"reasoning"`...)
		return append(append(w.c.thoughts(b, &p), s.fields...), '}')
	}
	b = w.itemEvent(b, "response.output_item.done", s.output)
	start := len(b)
	b = item(b)
	if !w.remember(s.output, b[start:], false) {
		p.Text = nil
		w.remember(s.output, item(nil), true)
	}
	return w.end(b)
}

// endContent ends a part of a message.
func (w *writer) endContent(b []byte, s *slot) []byte {
	m := &w.msg
	m.running--
	used := len(w.out) + len(m.content)
	if len(m.content) > 0 && used < maxOutput+bareRoom {
		m.content = append(m.content, ',')
	}
	if s.part.Kind != canon.TextPart && s.part.Kind != canon.RefusalPart {
		b = append(w.event(b, s.words.closed, s), `,"part":`...)
		start := len(b)
		b = w.c.content(b, &s.part, nil)
		if part := b[start:]; used+len(part) <= maxOutput {
			m.content = buffer.Append(m.content, part, maxOutput)
		} else if used < maxOutput+bareRoom {
			m.content = append(m.content, `{"type":"output_text","text":"","annotations":[]}`...)
		}
		return w.end(b)
	}
	b = w.closed(b, s)
	text, logs := s.text, s.logs
	if used+len(text)+len(logs)+len(s.notes) > maxOutput-256 {
		text, logs, s.notes = nil, nil, nil
	}
	if used < maxOutput+bareRoom {
		m.content = appendTextPart(m.content, s, text, logs)
	}
	return b
}
