package anthropic

import (
	"slices"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// streamWriter writes a stream for a caller. Blocks of the API follow each
// other, and SDKs count on it.
type streamWriter struct {
	from    canon.Dialect
	started bool
	// next numbers the blocks.
	next  int
	parts canon.Sequence
	// live are the parts that are being written: one, unless too much waits.
	live []livePart

	refused     bool
	stop        canon.Choice
	extra       []canon.Field
	usage       canon.Usage
	created     int64
	fingerprint canon.Text
}

// livePart is a part whose block is being written.
type livePart struct {
	index, wire int
	kind        canon.Kind
	from        canon.Dialect
	id          canon.Text
	custom      bool
	// begun says that the block's start is written, signed that its signature
	// is, beside that no block can hold it.
	begun, signed, beside bool
}

// NewWriter writes a stream for the caller who sent req.
func (Format) NewWriter(*canon.Request) canon.Writer { return new(streamWriter) }

// Append writes what the event means on the wire. Of several answers only the
// first can be told.
func (w *streamWriter) Append(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.HeadEvent:
		return w.head(b, ev)
	case canon.UsageEvent:
		w.usage = ev.Usage
		w.usage.Raw, w.usage.Cost = slices.Clone(ev.Usage.Raw), slices.Clone(ev.Usage.Cost)
	case canon.FailEvent:
		return Format{}.AppendFaultEvent(b, ev.Fault, "")
	case canon.DoneEvent:
		return w.done(b)
	}
	if ev.Choice != 0 {
		return b
	}
	switch ev.Kind {
	case canon.FinishEvent:
		w.stop = canon.Choice{Stop: ev.Stop, StopText: slices.Clone(ev.StopText), StopRaw: slices.Clone(ev.StopRaw)}
		for _, f := range ev.Extra {
			w.extra = append(w.extra, canon.Field{Name: f.Name, Value: slices.Clone(f.Value)})
		}
	case canon.BeginEvent, canon.DeltaEvent, canon.SignatureEvent, canon.CitationEvent, canon.EndEvent, canon.LogProbsEvent:
		return w.parts.Append(w.ready(b), ev, w)
	}
	return b
}

// Held is how much memory the parts take that wait.
func (w *streamWriter) Held() int { return w.parts.Held() }

// ready starts a stream whose head did not come.
func (w *streamWriter) ready(b []byte) []byte {
	if w.started {
		return b
	}
	return w.head(b, &canon.Event{})
}

func (w *streamWriter) head(b []byte, ev *canon.Event) []byte {
	if w.started {
		return b
	}
	w.started, w.from, w.created = true, ev.From, ev.Created
	w.fingerprint = slices.Clone(ev.Fingerprint)
	w.usage = ev.Usage
	w.usage.Raw, w.usage.Cost = nil, slices.Clone(ev.Usage.Cost)
	b = append(b, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"...)
	from := len(b)
	b = appendText(b, ev.ID)
	b = append(b, `,"type":"message","role":"assistant","model":`...)
	b = appendText(b, ev.Model)
	b = append(b, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	b = appendUsage(b, &ev.Usage, ev.ServiceTier)
	if w.from == canon.Anthropic {
		for _, f := range ev.Extra {
			b = appendField(b, f)
		}
	}
	return append(flat(b, from), "}}\n\n"...)
}

// flat makes one line of what was written since from: values that stand as
// they came may have been spread over lines, which mean nothing in JSON and
// the end of the data in an event.
func flat(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	return b
}

// Part writes what happens to a part that is live, or that is from now on.
func (w *streamWriter) Part(b []byte, ev *canon.Event) []byte {
	if ev.Kind == canon.BeginEvent {
		return w.begin(b, ev)
	}
	return w.write(b, w.find(ev.Index), ev)
}

func (w *streamWriter) find(index int) int {
	for i := range w.live {
		if w.live[i].index == index {
			return i
		}
	}
	return -1
}

// begin starts a part. The block of a text starts with its first piece, so that
// empty ones, which the API takes back from nobody, are left out.
func (w *streamWriter) begin(b []byte, ev *canon.Event) []byte {
	p := &ev.Part
	l := livePart{index: ev.Index, kind: p.Kind, from: origin(p, w.from), id: slices.Clone(p.ID), custom: p.Custom}
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		w.refused = w.refused || p.Kind == canon.RefusalPart
	default:
		l.beside = beside(p, w.from)
	}
	w.live = append(w.live, l)
	at := len(w.live) - 1
	switch {
	case l.beside:
		return appendBesideEvent(b, ev.Index, p)
	case p.Kind == canon.OpaquePart:
		return w.opaque(b, at, p)
	case p.Kind != canon.TextPart && p.Kind != canon.RefusalPart || w.from == canon.Anthropic:
		b = w.open(b, at, p)
	}
	switch {
	case p.Kind == canon.ToolCallPart && len(p.Args) > 0 && p.Custom:
		b = w.text(b, at, canon.Text(p.Args))
	case p.Kind == canon.ToolCallPart && len(p.Args) > 0:
		b = w.text(b, at, canon.Quote(string(p.Args)))
	case p.Kind != canon.ToolCallPart && p.Redacted == nil:
		b = w.text(b, at, p.Text)
	}
	if !p.Signature.Empty() {
		b = w.sign(b, at, p.Signature, p)
	}
	return b
}

func appendBesideEvent(b []byte, index int, p *canon.Part) []byte {
	b = append(b, "event: ping\ndata: {\"type\":\"ping\",\"tollgate\":{\"parts\":["...)
	from := len(b)
	b = appendBesidePart(b, index, p)
	return append(flat(b, from), "]}}\n\n"...)
}

// open writes the start of a block.
func (w *streamWriter) open(b []byte, at int, p *canon.Part) []byte {
	l := &w.live[at]
	b = w.start(b, at)
	from := len(b)
	switch {
	case l.kind == canon.ToolCallPart:
		b = append(b, `{"type":"tool_use","id":`...)
		b = appendCallID(b, p.ID)
		b = append(b, `,"name":`...)
		b = appendText(b, p.Name)
		b = append(b, `,"input":{}`...)
		if l.custom {
			b = append(b, `,"custom":true`...)
		}
	case l.kind == canon.ReasoningPart && p.Redacted != nil:
		b = append(b, `{"type":"redacted_thinking","data":`...)
		b = appendTagged(b, p.Redacted, p.ID, l.from)
		l.signed = true
	case l.kind == canon.ReasoningPart:
		b = append(b, `{"type":"thinking","thinking":"","signature":""`...)
	case l.kind == canon.RefusalPart:
		b = append(b, `{"type":"text","text":"","refusal":true`...)
	default:
		b = append(b, `{"type":"text","text":""`...)
	}
	if w.from == canon.Anthropic {
		for _, f := range p.Extra {
			b = appendField(b, f)
		}
	}
	b = append(b, '}')
	if l.kind == canon.ReasoningPart && (!ours(l.from) || !l.id.Empty()) {
		b = canon.AppendQuoted(append(b, `,"tollgate":{"from":`...), string(l.from))
		if l.id != nil {
			b = append(append(b, `,"id":`...), l.id...)
		}
		b = append(b, '}')
	}
	b = append(flat(b, from), "}\n\n"...)
	if l.custom {
		b = w.delta(b, at, "input_json_delta", "partial_json", canon.Text(`"{\"input\":\""`))
	}
	return b
}

// start writes the event around a block's start.
func (w *streamWriter) start(b []byte, at int) []byte {
	l := &w.live[at]
	l.begun, l.wire = true, w.next
	w.next++
	b = append(b, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	b = strconv.AppendInt(b, int64(l.wire), 10)
	return append(b, `,"content_block":`...)
}

// opaque writes a block of the API's own: a server's tool gets its input in a
// piece of its own, as does a summary its text, because SDKs look there.
func (w *streamWriter) opaque(b []byte, at int, p *canon.Part) []byte {
	b = w.start(b, at)
	start := len(b)
	kind, name, empty := "input_json_delta", "partial_json", "{}"
	value := memberOf(p.Raw, "input")
	text := canon.Text(nil)
	if len(value) > 0 && value[0] == '{' && string(value) != "{}" {
		text = canon.Quote(string(value))
	} else if canon.Text(memberOf(p.Raw, "type")).Is("compaction") {
		kind, name, empty = "compaction_delta", "content", "null"
		if value = memberOf(p.Raw, "content"); len(value) > 0 && value[0] == '"' {
			text = canon.Text(value)
		}
	}
	if text == nil {
		b = append(b, p.Raw...)
		return append(flat(b, start), "}\n\n"...)
	}
	// The value is a slice of the raw text: cut it out.
	from := cap(p.Raw) - cap(value)
	b = append(b, p.Raw[:from]...)
	b = append(b, empty...)
	b = append(b, p.Raw[from+len(value):]...)
	b = append(flat(b, start), "}\n\n"...)
	return w.delta(b, at, kind, name, text)
}
