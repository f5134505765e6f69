package anthropic

import (
	"slices"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// write writes what happens to a part that is live.
func (w *streamWriter) write(b []byte, at int, ev *canon.Event) []byte {
	l := &w.live[at]
	switch ev.Kind {
	case canon.DeltaEvent:
		if l.beside {
			if ev.Text.Empty() {
				return b
			}
			return appendBesideEvent(b, l.index, &canon.Part{Kind: l.kind, Text: ev.Text, From: l.from})
		}
		return w.text(b, at, ev.Text)
	case canon.SignatureEvent:
		return w.sign(b, at, ev.Text, &ev.Part)
	case canon.CitationEvent:
		return w.cite(b, at, ev.Part.Citations)
	case canon.LogProbsEvent:
		b = w.piece(b, at, "text_delta", "text")
		from := len(b)
		b = append(append(b, `"","logprobs":`...), ev.Raw...)
		return append(flat(b, from), "}}\n\n"...)
	case canon.EndEvent:
		return w.end(b, at)
	}
	return b
}

// pieces are the kinds of deltas that the text of a part comes in.
var pieces = [...]struct {
	kind      canon.Kind
	typ, name string
}{
	{canon.TextPart, "text_delta", "text"},
	{canon.RefusalPart, "text_delta", "text"},
	{canon.ReasoningPart, "thinking_delta", "thinking"},
	{canon.ToolCallPart, "input_json_delta", "partial_json"},
}

// text writes more of a part's text.
func (w *streamWriter) text(b []byte, at int, t canon.Text) []byte {
	l := &w.live[at]
	if t.Empty() || l.beside || l.kind == canon.OpaquePart {
		return b
	}
	if l.custom {
		// The text stands in a JSON string that is a piece of JSON itself.
		t = canon.Quote(string(t[1 : len(t)-1]))
	}
	for i := range pieces {
		if pieces[i].kind == l.kind {
			return w.delta(b, at, pieces[i].typ, pieces[i].name, t)
		}
	}
	return b
}

func (w *streamWriter) delta(b []byte, at int, typ, name string, t canon.Text) []byte {
	b = w.piece(b, at, typ, name)
	b = append(b, t...)
	return append(b, "}}\n\n"...)
}

// piece writes a delta up to its value.
func (w *streamWriter) piece(b []byte, at int, typ, name string) []byte {
	if !w.live[at].begun {
		b = w.open(b, at, &canon.Part{})
	}
	b = append(b, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	b = strconv.AppendInt(b, int64(w.live[at].wire), 10)
	b = append(append(b, `,"delta":{"type":"`...), typ...)
	return append(append(append(b, `","`...), name...), `":`...)
}

// sign writes a signature. SDKs look for it at thoughts alone and pass over it
// elsewhere.
func (w *streamWriter) sign(b []byte, at int, t canon.Text, p *canon.Part) []byte {
	l := &w.live[at]
	if l.beside || l.kind == canon.OpaquePart {
		return b
	}
	l.signed = true
	from, id := l.from, l.id
	if p.From != "" {
		from = p.From
	}
	if p.ID != nil {
		id = p.ID
	}
	if l.kind != canon.ReasoningPart {
		id = nil
	}
	b = w.piece(b, at, "signature_delta", "signature")
	b = appendTagged(b, t, id, from)
	return append(b, "}}\n\n"...)
}

func (w *streamWriter) cite(b []byte, at int, citations []canon.Citation) []byte {
	l := &w.live[at]
	if l.kind != canon.TextPart && l.kind != canon.RefusalPart {
		return b
	}
	for i := range citations {
		b = w.piece(b, at, "citations_delta", "citation")
		from := len(b)
		b = appendCitation(b, &citations[i])
		b = append(flat(b, from), "}}\n\n"...)
	}
	return b
}

// end writes the end of a block, and before it what is still missing.
func (w *streamWriter) end(b []byte, at int) []byte {
	l := &w.live[at]
	if l.begun && l.custom {
		b = w.delta(b, at, "input_json_delta", "partial_json", canon.Text(`"\"}"`))
	}
	if l.begun && l.kind == canon.ReasoningPart && !l.signed && !l.id.Empty() {
		b = w.sign(b, at, nil, &canon.Part{})
	}
	if l.begun {
		b = append(b, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
		b = strconv.AppendInt(b, int64(l.wire), 10)
		b = append(b, "}\n\n"...)
	}
	w.live = slices.Delete(w.live, at, at+1)
	return b
}

// done writes the end of the stream: why it stopped and what it took, which
// others tell in any order.
func (w *streamWriter) done(b []byte) []byte {
	b = w.parts.End(w.ready(b), w)
	c := &w.stop
	if w.refused {
		c.Parts = []canon.Part{{Kind: canon.RefusalPart}}
	}
	b = append(b, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"...)
	from := len(b)
	b = append(b, reasonOf(c, w.from)...)
	b = append(b, `,"stop_sequence":`...)
	if c.StopText == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, c.StopText...)
	}
	b = w.fields(b, true)
	b = append(b, `},"usage":`...)
	b = appendUsage(b, &w.usage, nil)
	b = w.fields(b, false)
	a := canon.Answer{From: w.from, Created: w.created, Fingerprint: w.fingerprint, Choices: []canon.Choice{*c}}
	b = appendExtension(b, &a)
	return append(flat(b, from), "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// fields writes what else the API said at the end: some of it in the delta,
// some beside.
func (w *streamWriter) fields(b []byte, inDelta bool) []byte {
	if w.from != canon.Anthropic {
		return b
	}
	for _, f := range w.extra {
		if oneOf(f.Name, "container", "stop_details") == inDelta {
			b = appendField(b, f)
		}
	}
	return b
}
