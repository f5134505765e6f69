package gemini

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// NewWriter writes a stream for the caller who sent req.
func (f Format) NewWriter(*canon.Request) canon.Writer { return &writer{format: f} }

// maxHeld bounds what a writer holds: arguments of open calls, citations.
const maxHeld = 384 << 10

// writer writes a stream. Deltas of text go out at once; a call goes out when
// it is whole, for Gemini has no other; why candidates ended and the usage go
// out last, together, as Google does.
type writer struct {
	format Format
	// tail is what names the answer, in each chunk.
	tail    []byte
	own     bool
	tier    canon.Text
	usage   canon.Usage
	choices []written
	open    []held
	size    int
	dead    bool
}

// written is a candidate that is being written.
type written struct {
	index         int
	stop          canon.Stop
	stopText, raw canon.Text
	cites         citations
	// grounding and blocked are what Gemini itself said.
	grounding, blocked canon.Raw
}

// held is an open part that is not written yet, or whose signature is not.
type held struct {
	choice, index int
	part          canon.Part
	args          canon.Text
}

// heldSize is what an open part costs besides its text.
const heldSize = 512

// Held is about how much memory the writer takes: arguments have room for more.
func (w *writer) Held() int { return w.size + w.size/4 }

// Append writes what an event means.
func (w *writer) Append(b []byte, ev *canon.Event) []byte {
	if w.dead {
		return b
	}
	switch ev.Kind {
	case canon.HeadEvent:
		return w.begin(b, ev)
	case canon.BeginEvent:
		return w.beginPart(b, ev)
	case canon.DeltaEvent:
		return w.delta(b, ev)
	case canon.SignatureEvent:
		if h := w.find(ev); h != nil {
			w.size += len(ev.Text)
			h.part.Signature = bytes.Clone(ev.Text)
		}
	case canon.CitationEvent:
		w.cite(ev)
	case canon.EndEvent:
		return w.endPart(b, ev)
	case canon.LogProbsEvent:
		return w.logProbs(b, ev)
	case canon.FinishEvent:
		w.finish(ev)
	case canon.UsageEvent:
		w.report(ev)
	case canon.DoneEvent:
		return w.done(b)
	case canon.FailEvent:
		return w.fail(b, ev.Fault)
	}
	if w.size > maxHeld {
		return w.fail(b, fault.New(fault.UpstreamTooLarge, "", errors.New("more than 384 KiB of a stream must be held")))
	}
	return b
}

func (w *writer) fail(b []byte, f *fault.Fault) []byte {
	w.dead = true
	if f == nil {
		f = fault.New(fault.Internal, "", nil)
	}
	return w.format.AppendFaultEvent(b, f, "")
}

func (w *writer) begin(b []byte, ev *canon.Event) []byte {
	w.tail = appendHead(nil, ev.Model, ev.ID, ev.Created)
	w.own = ev.From == canon.Gemini
	w.report(ev)
	if !w.format.Array {
		return b
	}
	// An array opens with an element of its own, so that whatever comes next,
	// an error too, goes after a comma.
	b = append(b, '[')
	return w.close(append(b, '{'))
}

func (w *writer) report(ev *canon.Event) {
	if ev.ServiceTier != nil {
		w.tier = bytes.Clone(ev.ServiceTier)
	}
	if ev.Usage.Reported {
		w.usage = ev.Usage
		w.usage.Raw, w.usage.Cost = bytes.Clone(ev.Usage.Raw), nil
	}
}

func (w *writer) choice(index int) *written {
	for i := range w.choices {
		if w.choices[i].index == index {
			return &w.choices[i]
		}
	}
	w.choices = append(w.choices, written{index: index})
	return &w.choices[len(w.choices)-1]
}

func (w *writer) find(ev *canon.Event) *held {
	for i := range w.open {
		if h := &w.open[i]; h.choice == ev.Choice && h.index == ev.Index {
			return h
		}
	}
	return nil
}

// start begins a chunk of one candidate, up to its parts.
func (w *writer) start(b []byte) []byte {
	if w.format.Array {
		b = append(b, ",\n"...)
	} else {
		b = append(b, "data: "...)
	}
	return append(b, `{"candidates":[{"content":{"parts":[`...)
}

// stop ends it.
func (w *writer) stop(b []byte, from, index int) []byte {
	b = append(b, `],"role":"model"}`...)
	b = append(appendIndex(b, index), "}]"...)
	return w.finishChunk(b, from)
}

// close ends a chunk that has members, or, after an opening brace, none.
func (w *writer) close(b []byte) []byte {
	tail := w.tail
	if b[len(b)-1] == '{' && len(tail) > 0 {
		tail = tail[1:]
	}
	return append(append(b, tail...), '}')
}

// finishChunk ends a chunk that began at from. JSON values from elsewhere may
// hold line ends between their tokens, which would end a line of the stream.
func (w *writer) finishChunk(b []byte, from int) []byte {
	b = w.close(b)
	if w.format.Array {
		return b
	}
	for _, end := range []byte("\n\r") {
		for chunk := b[from:]; ; {
			i := bytes.IndexByte(chunk, end)
			if i < 0 {
				break
			}
			chunk[i] = ' '
			chunk = chunk[i:]
		}
	}
	return append(b, "\n\n"...)
}

func (w *writer) beginPart(b []byte, ev *canon.Event) []byte {
	h := held{choice: ev.Choice, index: ev.Index}
	p := &ev.Part
	switch p.Kind {
	case canon.TextPart, canon.ReasoningPart, canon.RefusalPart:
		h.part = canon.Part{Kind: p.Kind, Signature: bytes.Clone(p.Signature)}
		if p.Redacted != nil || p.Kind == canon.ReasoningPart && p.ID != nil {
			b = w.whole(b, ev.Choice, &canon.Part{Kind: p.Kind, ID: p.ID, Redacted: p.Redacted})
		}
		w.hold(h)
		if !p.Text.Empty() {
			return w.piece(b, &w.open[len(w.open)-1], p.Text)
		}
	case canon.ToolCallPart:
		h.part = canon.Part{Kind: p.Kind, ID: bytes.Clone(p.ID), Name: bytes.Clone(p.Name), Custom: p.Custom, Signature: bytes.Clone(p.Signature), Args: bytes.Clone(p.Args)}
		w.hold(h)
		w.size += len(h.part.Args) + len(h.part.Name) + len(h.part.ID)
	case canon.AudioPart:
		if p.Media.Data == nil && p.Media.URL == nil && p.Media.FileID == nil {
			// It comes in deltas, each of which is a part of its own here.
			h.part = canon.Part{Kind: p.Kind, ID: bytes.Clone(p.ID), Media: canon.Media{Type: bytes.Clone(p.Media.Type)}}
			w.hold(h)
			return b
		}
		return w.whole(b, ev.Choice, p)
	default:
		return w.whole(b, ev.Choice, p)
	}
	return b
}

func (w *writer) hold(h held) {
	w.open = append(w.open, h)
	w.size += heldSize
}

// whole writes a part that has no deltas.
func (w *writer) whole(b []byte, choice int, p *canon.Part) []byte {
	from := len(b)
	b = appendPart(w.start(b), p, true)
	return w.stop(b, from, choice)
}

func (w *writer) delta(b []byte, ev *canon.Event) []byte {
	h := w.find(ev)
	if h == nil {
		return b
	}
	if h.part.Kind == canon.AudioPart {
		p := h.part
		p.Text, p.Media.Data = ev.Text, orEmpty(ev.Part.Media.Data)
		return w.whole(b, ev.Choice, &p)
	}
	if h.part.Kind == canon.ToolCallPart {
		w.size += len(ev.Text)
		if w.size > maxHeld {
			return w.fail(b, fault.New(fault.UpstreamTooLarge, "", errors.New("the arguments of a call are larger than 384 KiB")))
		}
		if h.args == nil {
			h.args = append(make(canon.Text, 0, len(ev.Text)+64), '"')
		}
		h.args = ev.Text.Append(h.args)
		return b
	}
	if ev.Text.Empty() {
		return b
	}
	return w.piece(b, h, ev.Text)
}

// piece writes more of a text. What signs it comes at its end.
func (w *writer) piece(b []byte, h *held, t canon.Text) []byte {
	from := len(b)
	b = appendText(w.start(b), h.part.Kind, t, true)
	return w.stop(append(b, '}'), from, h.choice)
}

func (w *writer) endPart(b []byte, ev *canon.Event) []byte {
	for i := range w.open {
		if w.open[i].choice == ev.Choice && w.open[i].index == ev.Index {
			h := w.open[i]
			w.open = append(w.open[:i], w.open[i+1:]...)
			return w.endHeld(b, &h)
		}
	}
	return b
}

func (w *writer) endHeld(b []byte, h *held) []byte {
	p := &h.part
	w.size -= heldSize
	if p.Kind == canon.ToolCallPart {
		if h.args != nil {
			h.args = append(h.args, '"')
			if p.Custom {
				p.Args = canon.Raw(h.args)
			} else {
				p.Args = jsonscan.Unescape(make([]byte, 0, len(h.args)), h.args[1:len(h.args)-1])
			}
		}
		w.size -= len(h.args) + len(p.Name) + len(p.ID)
		w.size = max(w.size, 0)
		return w.whole(b, h.choice, p)
	}
	if p.Signature == nil {
		return b
	}
	return w.whole(b, h.choice, p)
}

func (w *writer) cite(ev *canon.Event) {
	c := w.choice(ev.Choice)
	for i := range ev.Part.Citations {
		at := &ev.Part.Citations[i]
		before := len(c.cites.chunks) + len(c.cites.supports)
		c.cites.add(at, ev.Index, at.Start, at.End)
		w.size += len(c.cites.chunks) + len(c.cites.supports) - before
	}
}

func (w *writer) finish(ev *canon.Event) {
	c := w.choice(ev.Choice)
	c.stop, c.stopText, c.raw = ev.Stop, bytes.Clone(ev.StopText), bytes.Clone(ev.StopRaw)
	if !w.own {
		return
	}
	for _, e := range ev.Extra {
		switch {
		case e.Name == "promptFeedback":
			c.blocked = bytes.Clone(e.Value)
		case strings.HasSuffix(e.Name, "].groundingMetadata"):
			c.grounding = bytes.Clone(e.Value)
		}
		w.size += len(e.Value)
	}
}

// done writes the last chunk: why each candidate ended, and the usage.
func (w *writer) done(b []byte) []byte {
	w.dead = true
	from := len(b)
	if w.format.Array {
		b = append(b, ",\n"...)
	} else {
		b = append(b, "data: "...)
	}
	b = append(b, '{')
	n := 0
	for i := range w.choices {
		if c := &w.choices[i]; c.blocked == nil {
			if n++; n == 1 {
				b = append(b, `"candidates":[`...)
			} else {
				b = append(b, ',')
			}
			b = w.last(b, c)
		} else {
			b = append(append(append(b, `"promptFeedback":`...), c.blocked...), ',')
		}
	}
	if n > 0 {
		b = append(b, "],"...)
	}
	if w.usage.Reported {
		b = append(appendUsage(b, &w.usage, w.tier), ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	b = w.finishChunk(b, from)
	if w.format.Array {
		b = append(b, "\n]"...)
	}
	return b
}

func (w *writer) last(b []byte, c *written) []byte {
	b = append(b, `{"content":{"parts":[{"text":""}],"role":"model"}`...)
	b = appendFinish(b, c.stop, c.stopText, c.raw, w.own)
	b = appendIndex(b, c.index)
	switch {
	case c.grounding != nil:
		b = append(append(b, `,"groundingMetadata":`...), c.grounding...)
	case c.cites.n > 0:
		b = c.cites.append(append(b, ','))
	}
	return append(b, '}')
}

// logProbs writes the log-probabilities of the delta before.
func (w *writer) logProbs(b []byte, ev *canon.Event) []byte {
	result := appendLogProbs(nil, ev.Raw)
	if result == nil {
		return b
	}
	from := len(b)
	b = append(w.start(b), `{"text":""}],"role":"model"}`...)
	b = append(append(b, result...), appendIndex(nil, ev.Choice)...)
	return w.finishChunk(append(b, "}]"...), from)
}
