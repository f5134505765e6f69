package bedrock

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/proto/fault"
)

// streamWriter writes a stream in the API's framing, of one choice.
type streamWriter struct {
	parts    canon.Sequence
	from     canon.Dialect
	usage    canon.Usage
	payload  []byte
	stop     []byte
	kinds    map[int]canon.Kind
	customs  map[int]bool
	finished bool
}

// NewWriter writes a stream for the caller who sent req.
func (Format) NewWriter(*canon.Request) canon.Writer {
	return &streamWriter{kinds: map[int]canon.Kind{}, customs: map[int]bool{}}
}

// AppendFaultEvent writes an error as the last event of a stream.
func (f Format) AppendFaultEvent(b []byte, bad *fault.Fault, requestID string) []byte {
	name := "internalServerException"
	for i := range refusals {
		if refusals[i].status == bad.HTTPStatus() {
			name = refusals[i].name
			break
		}
	}
	return eventstream.Append(b, &eventstream.Message{Kind: eventstream.Exception, Name: []byte(name), Payload: f.AppendFault(nil, bad, requestID)})
}

func (w *streamWriter) send(b []byte, name string) []byte {
	b = eventstream.Append(b, &eventstream.Message{Name: []byte(name), Payload: w.payload})
	if cap(w.payload) > 16<<10 {
		w.payload = nil
	}
	return b
}

// Held is how much room the writer has, with the parts that wait.
func (w *streamWriter) Held() int { return cap(w.payload) + w.parts.Held() }

// Append writes what the event means on the wire. Of several answers only the
// first can be told.
func (w *streamWriter) Append(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.HeadEvent:
		w.from = ev.From
		w.keep(&ev.Usage)
		w.payload = append(w.payload[:0], `{"role":"assistant"}`...)
		return w.send(b, "messageStart")
	case canon.UsageEvent:
		w.keep(&ev.Usage)
		return b
	case canon.FailEvent:
		return Format{}.AppendFaultEvent(b, ev.Fault, "")
	case canon.DoneEvent:
		return w.done(w.parts.End(b, w))
	}
	if ev.Choice != 0 {
		return b
	}
	switch ev.Kind {
	case canon.FinishEvent:
		w.finish(ev)
		return b
	case canon.LogProbsEvent:
		return b
	}
	return w.parts.Append(b, ev, w)
}

// finish keeps why the model stopped.
func (w *streamWriter) finish(ev *canon.Event) {
	w.stop = append(append(w.stop[:0], `{"stopReason":`...), reasonOf(ev.Stop, ev.StopRaw, w.from)...)
	if ev.StopText != nil {
		w.stop = append(append(append(w.stop, `,"additionalModelResponseFields":{"delta":{"stop_sequence":`...), ev.StopText...), "}}"...)
	}
	w.stop = append(w.stop, '}')
}

// Part writes what happens to a part.
func (w *streamWriter) Part(b []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.BeginEvent:
		return w.begin(b, ev)
	case canon.EndEvent:
		if w.customs[ev.Index] {
			b = w.delta(b, ev.Index, `{"toolUse":{"input":`, canon.Text(`"\"}"`), "}}")
		}
		return w.numbered(b, "contentBlockStop", ev.Index, "")
	case canon.DeltaEvent:
		return w.more(b, ev.Index, ev.Text, ev.Part.Media.Data)
	case canon.SignatureEvent:
		if w.kinds[ev.Index] == canon.ReasoningPart {
			return w.delta(b, ev.Index, `{"reasoningContent":{"signature":`, ev.Text, "}}")
		}
	case canon.CitationEvent:
		for i := range ev.Part.Citations {
			b = w.delta(b, ev.Index, `{"citation":`, appendCitation(nil, &ev.Part.Citations[i]), "}")
		}
	}
	return b
}

func (w *streamWriter) keep(u *canon.Usage) {
	if u.Reported {
		w.usage = *u
		w.usage.Raw, w.usage.Cost = bytes.Clone(u.Raw), nil
	}
}

// numbered writes an event about a block.
func (w *streamWriter) numbered(b []byte, name string, index int, rest string) []byte {
	w.payload = appendCount(w.payload[:0], `{"contentBlockIndex":`, int64(index))
	w.payload = append(append(w.payload, rest...), '}')
	return w.send(b, name)
}

func (w *streamWriter) delta(b []byte, index int, start string, value []byte, end string) []byte {
	w.payload = appendCount(w.payload[:0], `{"contentBlockIndex":`, int64(index))
	w.payload = append(append(w.payload, `,"delta":`...), start...)
	w.payload = append(append(append(w.payload, value...), end...), '}')
	return w.send(b, "contentBlockDelta")
}

func (w *streamWriter) begin(b []byte, ev *canon.Event) []byte {
	p := &ev.Part
	w.kinds[ev.Index] = p.Kind
	switch p.Kind {
	case canon.ToolCallPart:
		start := appendText([]byte(`,"start":{"toolUse":{"toolUseId":`), p.ID)
		start = append(appendText(append(start, `,"name":`...), p.Name), "}}"...)
		b = w.numbered(b, "contentBlockStart", ev.Index, string(start))
		if p.Custom {
			w.customs[ev.Index] = true
			b = w.delta(b, ev.Index, `{"toolUse":{"input":`, canon.Text(`"{\"input\":\""`), "}}")
		}
		if args := canon.Text(p.Args); len(args) > 0 {
			if !p.Custom {
				args = canon.Quote(string(p.Args))
			}
			b = w.more(b, ev.Index, args, nil)
		}
	case canon.ReasoningPart:
		if p.Redacted != nil {
			return w.delta(b, ev.Index, `{"reasoningContent":{"redactedContent":`, p.Redacted, "}}")
		}
	case canon.ImagePart:
		start := canon.AppendQuoted([]byte(`,"start":{"image":{"format":`), formatOf(p.Kind, &p.Media))
		b = w.numbered(b, "contentBlockStart", ev.Index, string(append(start, "}}"...)))
		b = w.more(b, ev.Index, nil, p.Media.Data)
	}
	if p.Kind != canon.ToolCallPart {
		b = w.more(b, ev.Index, p.Text, nil)
	}
	if !p.Signature.Empty() && p.Kind == canon.ReasoningPart {
		b = w.delta(b, ev.Index, `{"reasoningContent":{"signature":`, p.Signature, "}}")
	}
	return b
}

// more writes a piece of a part.
func (w *streamWriter) more(b []byte, index int, t, data canon.Text) []byte {
	if data != nil && w.kinds[index] == canon.ImagePart {
		return w.delta(b, index, `{"image":{"source":{"bytes":`, data, "}}}")
	}
	if t.Empty() {
		return b
	}
	switch w.kinds[index] {
	case canon.TextPart, canon.RefusalPart:
		return w.delta(b, index, `{"text":`, t, "}")
	case canon.ReasoningPart:
		return w.delta(b, index, `{"reasoningContent":{"text":`, t, "}}")
	case canon.ToolCallPart:
		if w.customs[index] {
			// The text stands in a string of a piece of JSON that is a string itself.
			t = canon.Quote(string(t[1 : len(t)-1]))
		}
		return w.delta(b, index, `{"toolUse":{"input":`, t, "}}")
	}
	return b
}

// done writes why the model stopped and what it took, which others tell in any
// order.
func (w *streamWriter) done(b []byte) []byte {
	if w.finished {
		return b
	}
	w.finished = true
	if w.stop == nil {
		w.stop = []byte(`{"stopReason":null}`)
	}
	w.payload = append(w.payload[:0], w.stop...)
	b = w.send(b, "messageStop")
	w.payload = append(appendUsage(append(w.payload[:0], `{"usage":`...), &w.usage), '}')
	return w.send(b, "metadata")
}
