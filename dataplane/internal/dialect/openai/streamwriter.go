package openai

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// streamWriter turns events into chunks.
type streamWriter struct {
	// front is what each chunk starts with, up to the index of its choice.
	front, head []byte
	wantUsage   bool
	own         bool
	usage       canon.Usage
	choices     []writtenChoice
}

// writtenChoice is what is known of a choice that is under way.
type writtenChoice struct {
	index   int
	told    bool // its role
	calls   int
	thought int
	images  int
	refused bool
	// length is how much text there was, in characters.
	length int
	open   []writtenPart
}

// writtenPart is a part that is open.
type writtenPart struct {
	index, call int
	kind        canon.Kind
	custom      bool
	filled      bool
	from        canon.Dialect
	// shift is how much text stands before it.
	shift int
}

// NewWriter writes a stream for the caller who sent req.
func (Format) NewWriter(req *canon.Request) canon.Writer {
	w := &streamWriter{wantUsage: req.IncludeUsage}
	w.start(&canon.Event{})
	return w
}

// Append writes what the event means on the wire.
func (w *streamWriter) Append(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.HeadEvent:
		w.start(ev)
		w.keepUsage(ev)
		return w.role(b, w.choice(0))
	case canon.UsageEvent:
		w.keepUsage(ev)
	case canon.DoneEvent:
		if w.wantUsage && w.usage.Reported {
			b = append(append(b, w.head...), `"choices":[],"usage":`...)
			b = append(appendReport(b, &w.usage), "}\n\n"...)
		}
		return append(b, "data: [DONE]\n\n"...)
	case canon.FailEvent:
		return AppendFaultEvent(b, ev.Fault, "")
	default:
		return w.part(b, ev)
	}
	return b
}

// start makes what all chunks have in common.
func (w *streamWriter) start(ev *canon.Event) {
	w.own = ev.From == canon.OpenAIChat
	b := append([]byte(`data: {"id":`), orEmpty(ev.ID)...)
	b = append(b, `,"object":"chat.completion.chunk"`...)
	b = appendCount(b, `,"created":`, ev.Created)
	b = append(append(b, `,"model":`...), orEmpty(ev.Model)...)
	if ev.ServiceTier != nil {
		b = appendField(b, "service_tier", ev.ServiceTier)
	}
	if ev.Fingerprint != nil {
		b = appendField(b, "system_fingerprint", ev.Fingerprint)
	}
	w.head = append(b, ',')
	w.front = append(bytes.Clone(w.head), `"choices":[{"index":`...)
}

func (w *streamWriter) keepUsage(ev *canon.Event) {
	if ev.Usage.Reported {
		w.usage = ev.Usage
		w.usage.Raw, w.usage.Cost = bytes.Clone(ev.Usage.Raw), bytes.Clone(ev.Usage.Cost)
	}
}

func (w *streamWriter) choice(index int) *writtenChoice {
	for i := range w.choices {
		if w.choices[i].index == index {
			return &w.choices[i]
		}
	}
	w.choices = append(w.choices, writtenChoice{index: index})
	return &w.choices[len(w.choices)-1]
}

// open starts a chunk, up to the inside of its delta; shut ends it.
func (w *streamWriter) open(b []byte, c *writtenChoice) []byte {
	b = appendInt(append(b, w.front...), c.index)
	return append(b, `,"delta":{`...)
}

func shut(b []byte) []byte { return append(b, `},"finish_reason":null}]}`+"\n\n"...) }

func (w *streamWriter) role(b []byte, c *writtenChoice) []byte {
	if c.told {
		return b
	}
	c.told = true
	return shut(append(w.open(b, c), `"role":"assistant","content":""`...))
}

// part writes an event of a choice.
func (w *streamWriter) part(b []byte, ev *canon.Event) []byte {
	c := w.choice(ev.Choice)
	b = w.role(b, c)
	p := c.find(ev.Index)
	switch ev.Kind {
	case canon.BeginEvent:
		return w.begin(b, c, ev)
	case canon.FinishEvent:
		b = append(w.open(b, c), '}')
		b = appendFinish(b, ev.Stop, ev.StopRaw, ev.StopText, w.own, c.refused)
		return append(b, "}]}\n\n"...)
	case canon.LogProbsEvent:
		b = append(w.open(b, c), '}')
		return append(appendLogProbs(b, ev.Raw), `,"finish_reason":null}]}`+"\n\n"...)
	}
	if p == nil {
		return b
	}
	switch ev.Kind {
	case canon.DeltaEvent:
		return w.delta(b, c, p, ev)
	case canon.SignatureEvent:
		return w.signature(b, c, p, ev)
	case canon.CitationEvent:
		return w.citations(b, c, p, ev.Part.Citations)
	case canon.EndEvent:
		if p.kind == canon.ToolCallPart && !p.filled && !p.custom {
			b = w.arguments(b, c, p, canon.Text(`"{}"`))
		}
		c.drop(p)
	}
	return b
}

func (c *writtenChoice) find(index int) *writtenPart {
	for i := range c.open {
		if c.open[i].index == index {
			return &c.open[i]
		}
	}
	return nil
}

func (c *writtenChoice) drop(p *writtenPart) {
	*p = c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
}

func (w *streamWriter) begin(b []byte, c *writtenChoice, ev *canon.Event) []byte {
	p := &ev.Part
	c.open = append(c.open, writtenPart{index: ev.Index, kind: p.Kind, custom: p.Custom, from: p.From, shift: c.length})
	at := &c.open[len(c.open)-1]
	switch p.Kind {
	case canon.ToolCallPart:
		at.call = c.calls
		c.calls++
		whole := *p
		whole.Args = nil
		b = append(w.open(b, c), `"tool_calls":[`...)
		return shut(append(appendCall(b, &whole, at.call, true), "}]"...))
	case canon.ReasoningPart:
		at.call = c.thought
		c.thought++
		if p.Redacted == nil && p.Signature == nil && p.ID == nil {
			return b
		}
		b = append(w.open(b, c), `"reasoning_details":[`...)
		whole := *p
		whole.Text = nil
		return shut(append(appendThought(b, &whole, at.call), ']'))
	case canon.ImagePart:
		b = append(w.open(b, c), `"images":[`...)
		b = appendLink(b, "image_url", &p.Media, "image/png")
		b = appendCount(b, `,"index":`, int64(c.images))
		c.images++
		return shut(append(b, "}]"...))
	case canon.RefusalPart:
		c.refused = true
	case canon.AudioPart:
		if p.ID != nil {
			b = append(append(w.open(b, c), `"audio":{"id":`...), p.ID...)
			return shut(append(b, '}'))
		}
	default:
		if isNative(p.Kind) {
			b = append(w.open(b, c), `"native_parts":[`...)
			return shut(append(appendOpaque(b, p, ""), ']'))
		}
	}
	return b
}

func (w *streamWriter) delta(b []byte, c *writtenChoice, p *writtenPart, ev *canon.Event) []byte {
	field := ""
	switch p.kind {
	case canon.TextPart:
		field = `"content":`
		c.length += length(ev.Text)
	case canon.ReasoningPart:
		field = `"reasoning_content":`
	case canon.RefusalPart:
		field = `"refusal":`
	case canon.ToolCallPart:
		p.filled = true
		return w.arguments(b, c, p, ev.Text)
	case canon.AudioPart:
		b = append(w.open(b, c), `"audio":{`...)
		if ev.Part.Media.Data != nil {
			b = append(append(b, `"data":`...), ev.Part.Media.Data...)
			if ev.Text != nil {
				b = append(b, ',')
			}
		}
		if ev.Text != nil {
			b = append(append(b, `"transcript":`...), ev.Text...)
		}
		return shut(append(b, '}'))
	default:
		return b
	}
	return shut(append(append(w.open(b, c), field...), orEmpty(ev.Text)...))
}

func (w *streamWriter) arguments(b []byte, c *writtenChoice, p *writtenPart, text canon.Text) []byte {
	b = appendCount(append(w.open(b, c), `"tool_calls":[{`...), `"index":`, int64(p.call))
	if p.custom {
		b = append(b, `,"custom":{"input":`...)
	} else {
		b = append(b, `,"function":{"arguments":`...)
	}
	return shut(append(append(b, orEmpty(text)...), "}}]"...))
}

func (w *streamWriter) signature(b []byte, c *writtenChoice, p *writtenPart, ev *canon.Event) []byte {
	from := p.from
	if ev.Part.From != "" {
		from = ev.Part.From
	}
	b = w.open(b, c)
	switch p.kind {
	case canon.ReasoningPart:
		b = appendThought(append(b, `"reasoning_details":[`...), &canon.Part{Signature: ev.Text, From: from}, p.call)
		b = append(b, ']')
	case canon.ToolCallPart:
		b = appendCount(append(b, `"tool_calls":[{`...), `"index":`, int64(p.call))
		b = append(appendSignature(b, ev.Text), "}]"...)
	default:
		b = append(b, appendSignature(nil, ev.Text)[1:]...)
	}
	return shut(b)
}

func (w *streamWriter) citations(b []byte, c *writtenChoice, p *writtenPart, list []canon.Citation) []byte {
	web, other := hasCitations(list)
	if other {
		b = append(w.open(b, c), `"citations":[`...)
		b = shut(append(appendCitations(b, list, p.shift, false), ']'))
	}
	if web {
		b = append(w.open(b, c), `"annotations":[`...)
		b = shut(append(appendCitations(b, list, p.shift, true), ']'))
	}
	return b
}
