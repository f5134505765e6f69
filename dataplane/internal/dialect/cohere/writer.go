package cohere

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// AppendAnswer writes a whole answer. The API gives one: others of a caller who
// asked for more are left out.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	b = append(append(b, `{"id":`...), orEmpty(a.ID)...)
	if a.Model != nil {
		b = append(append(b, `,"model":`...), a.Model...)
	}
	var c canon.Choice
	for i := range a.Choices {
		if i == 0 || a.Choices[i].Index < c.Index {
			c = a.Choices[i]
		}
	}
	b = append(b, `,"message":{"role":"assistant","content":[`...)
	mark := len(b)
	calls := 0
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Kind == canon.ToolCallPart {
			calls++
			continue
		}
		if !inContent(p) {
			continue
		}
		if len(b) > mark {
			b = append(b, ',')
		}
		b = appendContent(b, p, true)
	}
	b = append(b, ']')
	for i := range c.Parts {
		if p := &c.Parts[i]; p.Kind == canon.ToolCallPart {
			if b = append(b, ','); calls > 0 {
				b, calls = append(b, `"tool_calls":[`...), 0
			}
			b = appendCall(b, p)
		}
	}
	if hasCalls(c.Parts) {
		b = append(b, ']')
	}
	b = appendCitations(b, c.Parts)
	b = append(append(b, `},"finish_reason":`...), reasonOf(c.Stop)...)
	b = appendUsage(b, &a.Usage)
	return append(b, '}')
}

func hasCalls(parts []canon.Part) bool {
	for i := range parts {
		if parts[i].Kind == canon.ToolCallPart {
			return true
		}
	}
	return false
}

// inContent reports whether a part has a place in the content.
func inContent(p *canon.Part) bool {
	return p.Kind == canon.TextPart || p.Kind == canon.RefusalPart || p.Kind == canon.ReasoningPart
}

// appendContent writes a text or a thought; with full, all that it has.
func appendContent(b []byte, p *canon.Part, full bool) []byte {
	text := canon.Text(`""`)
	if full && p.Text != nil {
		text = p.Text
	}
	if p.Kind != canon.ReasoningPart {
		return append(append(append(b, `{"type":"text","text":`...), text...), '}')
	}
	b = append(append(b, `{"type":"thinking","thinking":`...), text...)
	if full && p.Signature != nil {
		b = append(append(b, `,"signature":`...), p.Signature...)
	}
	if p.Redacted != nil {
		b = append(append(b, `,"data":`...), p.Redacted...)
	}
	return append(b, '}')
}

func appendCitations(b []byte, parts []canon.Part) []byte {
	content, first := 0, true
	for i := range parts {
		p := &parts[i]
		for k := range p.Citations {
			if first {
				b = append(b, `,"citations":[`...)
			} else {
				b = append(b, ',')
			}
			first = false
			b = appendCitation(b, &p.Citations[k], content)
		}
		if inContent(p) {
			content++
		}
	}
	if !first {
		b = append(b, ']')
	}
	return b
}

func appendCitation(b []byte, q *canon.Citation, content int) []byte {
	if q.From == canon.Cohere && q.Raw != nil {
		return append(b, q.Raw...)
	}
	b = strconv.AppendInt(append(b, `{"start":`...), int64(q.Start), 10)
	b = strconv.AppendInt(append(b, `,"end":`...), int64(q.End), 10)
	b = append(append(b, `,"text":`...), orEmpty(q.Quote)...)
	b = strconv.AppendInt(append(b, `,"content_index":`...), int64(content), 10)
	b = append(append(b, `,"type":"TEXT_CONTENT","sources":[{"type":"document","document":{"title":`...), orEmpty(q.Title)...)
	return append(append(append(b, `,"url":`...), orEmpty(q.URL)...), "}}]}"...)
}

func appendUsage(b []byte, u *canon.Usage) []byte {
	if !u.Reported {
		return b
	}
	in, out := u.Prompt(), u.Completion()
	b = strconv.AppendInt(append(b, `,"usage":{"billed_units":{"input_tokens":`...), in, 10)
	b = strconv.AppendInt(append(b, `,"output_tokens":`...), out, 10)
	b = strconv.AppendInt(append(b, `},"tokens":{"input_tokens":`...), in, 10)
	b = strconv.AppendInt(append(b, `,"output_tokens":`...), out, 10)
	b = strconv.AppendInt(append(b, `},"cached_tokens":`...), u.CacheRead, 10)
	return append(b, '}')
}

// NewWriter writes a stream.
func (Format) NewWriter(*canon.Request) canon.Writer { return new(writer) }

// writer writes the first choice of a stream.
type writer struct {
	kinds map[int]canon.Kind
	// custom calls are those of free text, which the API has none of.
	custom map[int]bool
	stop   canon.Stop
	usage  canon.Usage
}

// Append writes what an event means on the wire.
func (w *writer) Append(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.HeadEvent:
		w.kinds, w.custom = map[int]canon.Kind{}, map[int]bool{}
		w.used(ev)
		b = start(b, "message-start")
		b = append(append(b, `,"id":`...), orEmpty(ev.ID)...)
		return stop(append(b, `,"delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}`...))
	case canon.UsageEvent:
		w.used(ev)
	case canon.FinishEvent:
		if ev.Choice == 0 {
			w.stop = ev.Stop
		}
	case canon.DoneEvent:
		b = append(append(start(b, "message-end"), `,"delta":{"finish_reason":`...), reasonOf(w.stop)...)
		return stop(append(appendUsage(b, &w.usage), '}'))
	case canon.FailEvent:
		return Format{}.AppendFaultEvent(b, ev.Fault, "")
	default:
		if ev.Choice == 0 && w.kinds != nil {
			return w.part(b, ev)
		}
	}
	return b
}

func (w *writer) used(ev *canon.Event) {
	if ev.Usage.Reported {
		w.usage = ev.Usage
	}
}

// part writes what happens to a part.
func (w *writer) part(b []byte, ev *canon.Event) []byte {
	if ev.Kind == canon.BeginEvent {
		w.kinds[ev.Index] = ev.Part.Kind
		if ev.Part.Custom {
			w.custom[ev.Index] = true
		}
	}
	kind := w.kinds[ev.Index]
	if kind == canon.ToolCallPart {
		return w.call(b, ev)
	}
	if !inContent(&canon.Part{Kind: kind}) {
		return b
	}
	switch ev.Kind {
	case canon.BeginEvent:
		b = append(indexed(b, "content-start", ev.Index), `,"delta":{"message":{"content":`...)
		return stop(append(appendContent(b, &ev.Part, false), "}}"...))
	case canon.DeltaEvent, canon.SignatureEvent:
		b = append(indexed(b, "content-delta", ev.Index), `,"delta":{"message":{"content":{"`...)
		switch {
		case ev.Kind == canon.SignatureEvent:
			b = append(b, `thinking":"","signature":`...)
		case kind == canon.ReasoningPart:
			b = append(b, `thinking":`...)
		default:
			b = append(b, `text":`...)
		}
		return stop(append(append(b, orEmpty(ev.Text)...), "}}}"...))
	case canon.CitationEvent:
		for i := range ev.Part.Citations {
			b = append(indexed(b, "citation-start", i), `,"delta":{"message":{"citations":`...)
			b = stop(append(appendCitation(b, &ev.Part.Citations[i], ev.Index), "}}"...))
		}
	case canon.EndEvent:
		return stop(indexed(b, "content-end", ev.Index))
	}
	return b
}

func (w *writer) call(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.BeginEvent:
		b = append(append(indexed(b, "tool-call-start", ev.Index), `,"delta":{"message":{"tool_calls":{"id":`...), orEmpty(ev.Part.ID)...)
		b = append(append(b, `,"type":"function","function":{"name":`...), orEmpty(ev.Part.Name)...)
		b = append(b, `,"arguments":""}}}}`...)
		if b = stop(b); w.custom[ev.Index] {
			b = callDelta(b, ev.Index, canon.Text(`"{\"input\":\""`))
		}
	case canon.DeltaEvent:
		text := ev.Text
		if w.custom[ev.Index] {
			// The text stands as a string within the text of an object.
			text = canon.Quote(string(text.Append(nil)))
		}
		return callDelta(b, ev.Index, text)
	case canon.EndEvent:
		if w.custom[ev.Index] {
			b = callDelta(b, ev.Index, canon.Text(`"\"}"`))
		}
		return stop(indexed(b, "tool-call-end", ev.Index))
	}
	return b
}

func callDelta(b []byte, index int, text canon.Text) []byte {
	b = append(indexed(b, "tool-call-delta", index), `,"delta":{"message":{"tool_calls":{"function":{"arguments":`...)
	return stop(append(append(b, orEmpty(text)...), "}}}}"...))
}

// start begins an event, stop ends it.
func start(b []byte, kind string) []byte {
	b = append(append(b, "event: "...), kind...)
	return append(append(append(b, "\ndata: {\"type\":\""...), kind...), '"')
}

func indexed(b []byte, kind string, index int) []byte {
	return strconv.AppendInt(append(start(b, kind), `,"index":`...), int64(index), 10)
}

func stop(b []byte) []byte { return append(b, "}\n\n"...) }
