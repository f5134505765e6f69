package cohere

import (
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// maxParts bounds the parts of an answer that are followed.
const maxParts = 4096

// NewReader reads a stream.
func (Format) NewReader() canon.Reader { return new(reader) }

// reader follows a stream. The API numbers contents and calls apart; here all
// parts are numbered as they begin.
type reader struct {
	emit   canon.Emit
	headed bool
	done   bool
	err    error
	// parts are those that began, with what they are on the wire.
	parts []openPart
}

// Held is how much memory the reader takes.
func (r *reader) Held() int { return partSize * cap(r.parts) }

const partSize = 40

// kinds of parts on the wire.
const (
	contentWire = iota
	planWire
	callWire
)

type openPart struct {
	wire  int
	index int64
	open  bool
	said  bool
	kind  canon.Kind
}

// event is one of the stream, as it stands.
type event struct {
	kind, id  canon.Text
	index     int64
	text      canon.Text
	thinking  canon.Text
	part      canon.Part
	plan      canon.Text
	call      canon.Part
	args      canon.Text
	citations []citation
	finish    canon.Text
	failed    canon.Text
	usage     canon.Usage
}

// Read takes one event.
func (r *reader) Read(_, data []byte, emit canon.Emit) error {
	if r.err != nil || r.done || string(data) == "[DONE]" {
		return r.err
	}
	var w walk
	var ev event
	w.s.Reset(data)
	if w.s.Peek() != '{' || !w.event(&ev) || !w.s.End() {
		r.err = garbage("an event of the stream is not JSON")
		return r.err
	}
	r.emit = emit
	r.take(&ev)
	r.emit = nil
	return r.err
}

func (r *reader) take(ev *event) {
	if !r.headed {
		r.headed = true
		r.send(&canon.Event{Kind: canon.HeadEvent, ID: ev.id, From: canon.Cohere})
	}
	switch kind := ev.kind.String(); kind {
	case "content-start":
		p := canon.Part{From: canon.Cohere, Redacted: ev.part.Redacted}
		if ev.part.Kind == canon.ReasoningPart {
			p.Kind = canon.ReasoningPart
		}
		r.begin(contentWire, ev.index, p)
		r.content(ev)
	case "content-delta":
		r.content(ev)
	case "content-end":
		r.end(r.find(contentWire, ev.index))
	case "tool-plan-delta":
		at := r.find(planWire, 0)
		if at < 0 {
			at = r.begin(planWire, 0, canon.Part{From: canon.Cohere})
		}
		r.delta(at, ev.plan)
	case "tool-call-start":
		r.end(r.find(planWire, 0))
		ev.call.Args, ev.call.Text = nil, nil
		r.delta(r.begin(callWire, ev.index, ev.call), ev.args)
	case "tool-call-delta":
		r.delta(r.find(callWire, ev.index), ev.args)
	case "tool-call-end":
		r.end(r.find(callWire, ev.index))
	case "citation-start":
		r.cite(ev.citations)
	case "message-end":
		r.finish(ev)
	}
}

func (r *reader) send(ev *canon.Event) {
	if r.err == nil {
		r.err = r.emit(ev)
	}
}

// find gives the number of a part that is open; -1 when there is none.
func (r *reader) find(wire int, index int64) int {
	for i := len(r.parts) - 1; i >= 0; i-- {
		if p := &r.parts[i]; p.open && p.wire == wire && p.index == index {
			return i
		}
	}
	return -1
}

// begin begins a part; one of the same place that was not ended ends.
func (r *reader) begin(wire int, index int64, p canon.Part) int {
	r.end(r.find(wire, index))
	if len(r.parts) == maxParts {
		r.err = fault.New(fault.UpstreamTooLarge, "", errors.New("the answer has too many parts"))
	}
	if r.err != nil {
		return -1
	}
	at := len(r.parts)
	r.parts = append(r.parts, openPart{wire: wire, index: index, open: true, kind: p.Kind})
	r.send(&canon.Event{Kind: canon.BeginEvent, Index: at, Part: p})
	return at
}

func (r *reader) delta(at int, t canon.Text) {
	if at >= 0 && !t.Empty() {
		p := &r.parts[at]
		if p.wire == callWire && !p.said && t.Is("null") {
			// A model that has no arguments to give.
			t = canon.Text(`"{}"`)
		}
		p.said = true
		r.send(&canon.Event{Kind: canon.DeltaEvent, Index: at, Text: t})
	}
}

func (r *reader) end(at int) {
	if at >= 0 && r.parts[at].open {
		r.parts[at].open = false
		r.send(&canon.Event{Kind: canon.EndEvent, Index: at})
	}
}

// content takes more of a text or a thought.
func (r *reader) content(ev *event) {
	at := r.find(contentWire, ev.index)
	if at < 0 {
		p := canon.Part{From: canon.Cohere}
		if ev.thinking != nil {
			p.Kind = canon.ReasoningPart
		}
		at = r.begin(contentWire, ev.index, p)
	}
	r.delta(at, ev.text)
	r.delta(at, ev.thinking)
	if at >= 0 && ev.part.Signature != nil {
		r.send(&canon.Event{Kind: canon.SignatureEvent, Index: at, Text: ev.part.Signature})
	}
}

// cite gives citations to the text that they are of, open or not.
func (r *reader) cite(citations []citation) {
	for i := range citations {
		at := -1
		for k := range r.parts {
			if p := &r.parts[k]; p.kind == canon.TextPart && (at < 0 || p.wire == contentWire && p.index == citations[i].content) {
				at = k
			}
		}
		if at >= 0 {
			r.send(&canon.Event{Kind: canon.CitationEvent, Index: at, Part: canon.Part{Citations: []canon.Citation{citations[i].Citation}}})
		}
	}
}

func (r *reader) finish(ev *event) {
	for i := range r.parts {
		r.end(i)
	}
	if ev.failed != nil && ev.finish.Is("ERROR") {
		// The message is about the model or the provider, not for callers.
		r.send(&canon.Event{Kind: canon.FailEvent, Fault: fault.New(fault.UpstreamError, "", nil)})
		if r.err == nil {
			r.err = fault.New(fault.UpstreamError, "", nil)
		}
		return
	}
	if ev.usage.Reported {
		r.send(&canon.Event{Kind: canon.UsageEvent, Usage: ev.usage})
	}
	r.send(&canon.Event{Kind: canon.FinishEvent, Stop: stopOf(ev.finish), StopRaw: ev.finish})
	r.send(&canon.Event{Kind: canon.DoneEvent})
	r.done = true
}

// End is called when the connection ended.
func (r *reader) End(canon.Emit) error {
	if r.err == nil && !r.done {
		r.err = fault.New(fault.UpstreamReset, "", errors.New("the stream ended before its last event"))
	}
	return r.err
}

// event reads an event.
func (w *walk) event(ev *event) bool {
	return w.s.Object(func(name []byte) bool {
		switch string(name) {
		case "type":
			return w.text(&ev.kind)
		case "id":
			return w.text(&ev.id)
		case "index":
			return w.count(&ev.index)
		case "delta":
			return w.object(func(name []byte) bool {
				switch string(name) {
				case "message":
					return w.messageDelta(ev)
				case "finish_reason":
					return w.text(&ev.finish)
				case "error":
					return w.text(&ev.failed)
				case "usage":
					return w.usage(&ev.usage)
				}
				return w.s.Skip()
			})
		}
		return w.s.Skip()
	})
}

func (w *walk) messageDelta(ev *event) bool {
	return w.object(func(name []byte) bool {
		switch string(name) {
		case "content":
			if w.s.Peek() != '{' {
				return w.s.Skip()
			}
			ok := w.content(&ev.part)
			if ev.part.Kind == canon.ReasoningPart {
				ev.thinking = ev.part.Text
			} else {
				ev.text = ev.part.Text
			}
			return ok
		case "tool_plan":
			return w.text(&ev.plan)
		case "tool_calls":
			if w.s.Peek() != '{' {
				return w.s.Skip()
			}
			ok := w.call(&ev.call)
			// Pieces of arguments are not whole: they stay the text they are.
			ev.args = ev.call.Text
			return ok
		case "citations":
			if w.s.Peek() == '[' {
				return w.s.Skip()
			}
			var q citation
			ok := w.citation(&q)
			ev.citations = append(ev.citations, q)
			return ok
		}
		return w.s.Skip()
	})
}
