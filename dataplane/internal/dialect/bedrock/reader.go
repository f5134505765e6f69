package bedrock

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

var (
	errNoEvent    = errors.New("an event of the stream is not a JSON object")
	errOrder      = errors.New("an event of the stream stands where it may not")
	errUnfinished = errors.New("the stream ended without its last event")
)

// state is how far a stream came.
type state uint8

const (
	beforeHead state = iota
	inMessage
	finished
	done
)

// reader reads a provider's stream. Blocks follow each other: one that begins
// ends the one before. It holds nothing but the event that it reads.
type reader struct {
	state state
	// told says that the usage was told.
	told bool
	// block is the number of the block that is open on the wire, part that of
	// its part; open and kind say what part of it is open.
	block, part int
	open        bool
	kind        canon.Kind
	// said says that a call's arguments have begun.
	said bool
	ev   canon.Event
	wire wireEvent
}

// wireEvent is what was read of an event of the wire.
type wireEvent struct {
	index      int64
	tool       canon.Part
	image      canon.Text
	isTool     bool
	isImage    bool
	hasDelta   bool
	text       canon.Text
	input      canon.Text
	thought    canon.Part
	isThought  bool
	imageData  canon.Text
	citation   canon.Citation
	isCitation bool
	stop       canon.Text
	stopText   canon.Text
	usage      canon.Usage
	tier       canon.Text
	extra      []canon.Field
}

// NewReader reads a provider's stream. Its events come with their names, or,
// without, as an object with one member of that name.
func (Format) NewReader() canon.Reader { return &reader{block: -1} }

func garbage(err error) error { return fault.New(fault.UpstreamGarbage, "", err) }

// events says what each event of the wire means.
var events = [...]struct {
	name string
	take func(r *reader, emit canon.Emit) error
}{
	{"contentBlockDelta", (*reader).blockDelta},
	{"contentBlockStart", (*reader).blockStart},
	{"contentBlockStop", (*reader).blockStop},
	{"messageStart", (*reader).head},
	{"messageStop", (*reader).messageStop},
	{"metadata", (*reader).metadata},
}

// ErrorEvent is the name under which an error without one is given to Read.
const ErrorEvent = "error"

// Read takes one event of the wire. Names that are not known mean nothing,
// except those of errors.
func (r *reader) Read(name, data []byte, emit canon.Emit) error {
	if r.state == done {
		return nil
	}
	if len(name) == 0 {
		var ok bool
		if name, data, ok = unwrap(data); !ok {
			return garbage(errNoEvent)
		}
	}
	if string(name) == ErrorEvent || bytes.HasSuffix(name, []byte("Exception")) {
		return Format{}.ReadRefusal(statusOf(string(name)), data, "")
	}
	for i := range events {
		if string(name) == events[i].name {
			if !r.parse(data) {
				return garbage(errNoEvent)
			}
			return events[i].take(r, emit)
		}
	}
	return nil
}

// unwrap takes an event out of the object that names it.
func unwrap(data []byte) (name, inner []byte, ok bool) {
	var s scanner
	s.Reset(data)
	ok = s.Peek() == '{' && s.object(func(n []byte) bool {
		name = []byte(string(n))
		var raw canon.Raw
		got := s.raw(&raw)
		inner = raw
		return got
	}) && s.End()
	return name, inner, ok && name != nil
}

// parse reads the members of any event: their names do not clash.
func (r *reader) parse(data []byte) bool {
	var s scanner
	s.Reset(data)
	e := &r.wire
	*e = wireEvent{}
	return s.Peek() == '{' && s.object(func(name []byte) bool {
		switch string(name) {
		case "contentBlockIndex":
			return s.count(&e.index)
		case "start":
			return s.start(e)
		case "delta":
			e.hasDelta = s.Peek() == '{'
			return s.delta(e)
		case "stopReason":
			return s.text(&e.stop)
		case "additionalModelResponseFields":
			return s.additional(name, &e.stopText, &e.extra)
		case "usage":
			return s.usage(&e.usage)
		case "serviceTier":
			return s.tier(&e.tier)
		case "p", "role":
			// Padding, which hides the lengths of texts from who listens.
			return s.Skip()
		}
		return s.field(name, &e.extra)
	}) && s.End()
}

func (s *scanner) start(e *wireEvent) bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "toolUse":
			e.isTool = true
			e.tool.Kind = canon.OpaquePart
			ok := s.toolUse(&e.tool)
			e.isTool = e.tool.Kind == canon.ToolCallPart
			return ok
		case "image":
			e.isImage = true
			return s.object(func(name []byte) bool {
				if string(name) == "format" {
					return s.text(&e.image)
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
}

func (s *scanner) delta(e *wireEvent) bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "text":
			return s.text(&e.text)
		case "toolUse":
			return s.object(func(name []byte) bool {
				if string(name) == "input" {
					return s.text(&e.input)
				}
				return s.Skip()
			})
		case "reasoningContent":
			e.isThought = true
			return s.object(func(name []byte) bool {
				switch string(name) {
				case "text":
					return s.text(&e.thought.Text)
				case "signature":
					return s.text(&e.thought.Signature)
				case "redactedContent":
					return s.text(&e.thought.Redacted)
				}
				return s.Skip()
			})
		case "image":
			var p canon.Part
			ok := s.media(&p, canon.ImagePart)
			e.imageData = p.Media.Data
			return ok
		case "citation":
			e.isCitation = true
			return s.citation(&e.citation)
		}
		return s.Skip()
	})
}

// End is called when the connection ended. A stream that told why it stopped
// is whole, though its last event is missing.
func (r *reader) End(emit canon.Emit) error {
	switch r.state {
	case done:
		return nil
	case finished:
		return r.close(emit)
	}
	return fault.New(fault.UpstreamReset, "", errUnfinished)
}

func (r *reader) close(emit canon.Emit) error {
	r.state = done
	return emit(r.event(canon.DoneEvent))
}

// event readies an event to emit. Of most there is little to clear: events are
// large, and deltas many.
func (r *reader) event(kind canon.EventKind) *canon.Event {
	switch ev := &r.ev; ev.Kind {
	case canon.DeltaEvent, canon.EndEvent:
		ev.Kind, ev.Index, ev.Text = kind, r.part, nil
		ev.Part.Media.Data = nil
	default:
		*ev = canon.Event{Kind: kind, Index: r.part}
	}
	return &r.ev
}

// head starts the answer. A second start means that somebody put two streams
// together: what was said before cannot be taken back.
func (r *reader) head(emit canon.Emit) error {
	if r.state != beforeHead {
		return garbage(errOrder)
	}
	return r.started(emit)
}

// started starts an answer whose head did not come.
func (r *reader) started(emit canon.Emit) error {
	if r.state > inMessage {
		return garbage(errOrder)
	}
	if r.state == inMessage {
		return nil
	}
	r.state, r.part = inMessage, -1
	ev := r.event(canon.HeadEvent)
	ev.Index, ev.From = 0, canon.Bedrock
	return emit(ev)
}

// begin starts a part.
func (r *reader) begin(p *canon.Part, emit canon.Emit) error {
	if err := r.end(emit); err != nil {
		return err
	}
	r.part++
	r.open, r.kind, r.said = true, p.Kind, false
	ev := r.event(canon.BeginEvent)
	ev.Part = *p
	return emit(ev)
}

// end ends the part that is open. A call without arguments gets an empty
// object, as whole answers have it.
func (r *reader) end(emit canon.Emit) error {
	if !r.open {
		return nil
	}
	r.open = false
	if r.kind == canon.ToolCallPart && !r.said {
		ev := r.event(canon.DeltaEvent)
		ev.Text = canon.Text(`"{}"`)
		if err := emit(ev); err != nil {
			return err
		}
	}
	return emit(r.event(canon.EndEvent))
}

// enter goes to a block: forward only.
func (r *reader) enter(emit canon.Emit) error {
	if err := r.started(emit); err != nil {
		return err
	}
	index := int(r.wire.index)
	if index < r.block {
		return garbage(errOrder)
	}
	if index == r.block {
		return nil
	}
	r.block = index
	return r.end(emit)
}

func (r *reader) blockStart(emit canon.Emit) error {
	if err := r.enter(emit); err != nil {
		return err
	}
	e := &r.wire
	switch {
	case e.isTool:
		p := canon.Part{Kind: canon.ToolCallPart, ID: e.tool.ID, Name: e.tool.Name}
		return r.begin(&p, emit)
	case e.isImage:
		p := canon.Part{Kind: canon.ImagePart}
		p.Media.Type = typeOf(canon.ImagePart, e.image)
		return r.begin(&p, emit)
	}
	return nil // texts and thoughts begin with their first piece
}

// inside makes sure that a part of this kind is open. Calls and images begin
// with an event of their own.
func (r *reader) inside(kind canon.Kind, emit canon.Emit) error {
	if r.open && r.kind == kind {
		return nil
	}
	p := canon.Part{Kind: kind}
	if kind == canon.ReasoningPart {
		p.From = canon.Bedrock
	}
	return r.begin(&p, emit)
}

func (r *reader) blockDelta(emit canon.Emit) error {
	if !r.wire.hasDelta {
		return garbage(errOrder)
	}
	if err := r.enter(emit); err != nil {
		return err
	}
	e := &r.wire
	switch {
	case e.input != nil:
		if !r.open || r.kind != canon.ToolCallPart {
			return nil // of a tool that the provider runs itself
		}
		return r.more(canon.ToolCallPart, e.input, emit)
	case e.isThought:
		return r.thought(emit)
	case e.imageData != nil:
		if err := r.inside(canon.ImagePart, emit); err != nil {
			return err
		}
		ev := r.event(canon.DeltaEvent)
		ev.Part.Media.Data = e.imageData
		return emit(ev)
	}
	if e.text != nil {
		if err := r.more(canon.TextPart, e.text, emit); err != nil {
			return err
		}
	}
	if !e.isCitation {
		return nil
	}
	if err := r.inside(canon.TextPart, emit); err != nil {
		return err
	}
	ev := r.event(canon.CitationEvent)
	ev.Part.Citations = []canon.Citation{e.citation}
	return emit(ev)
}

// more gives a piece of text.
func (r *reader) more(kind canon.Kind, t canon.Text, emit canon.Emit) error {
	if err := r.inside(kind, emit); err != nil || t.Empty() {
		return err
	}
	r.said = true
	ev := r.event(canon.DeltaEvent)
	ev.Text = t
	return emit(ev)
}

// thought gives a piece of a thought, its signature, or one that is hidden,
// which comes whole.
func (r *reader) thought(emit canon.Emit) error {
	p := &r.wire.thought
	if p.Redacted != nil {
		hidden := canon.Part{Kind: canon.ReasoningPart, Redacted: p.Redacted, From: canon.Bedrock}
		if err := r.begin(&hidden, emit); err != nil {
			return err
		}
		return r.end(emit)
	}
	if err := r.more(canon.ReasoningPart, p.Text, emit); err != nil || p.Signature.Empty() {
		return err
	}
	ev := r.event(canon.SignatureEvent)
	ev.Text, ev.Part.From = p.Signature, canon.Bedrock
	return emit(ev)
}

func (r *reader) blockStop(emit canon.Emit) error {
	if err := r.enter(emit); err != nil {
		return err
	}
	return r.end(emit)
}

func (r *reader) messageStop(emit canon.Emit) error {
	if err := r.started(emit); err != nil {
		return err
	}
	if err := r.end(emit); err != nil {
		return err
	}
	e := &r.wire
	r.state = finished
	ev := r.event(canon.FinishEvent)
	ev.Index = 0
	ev.Stop, ev.StopRaw, ev.StopText, ev.Extra = stopOf(e.stop), e.stop, e.stopText, e.extra
	if err := emit(ev); err != nil || !r.told {
		return err
	}
	return r.close(emit)
}

// metadata tells the usage. It is the last event, but some send it before the
// one that says why the model stopped.
func (r *reader) metadata(emit canon.Emit) error {
	if r.state == beforeHead {
		if err := r.started(emit); err != nil {
			return err
		}
	}
	e := &r.wire
	r.told = true
	if e.usage.Reported || e.tier != nil {
		ev := r.event(canon.UsageEvent)
		ev.Index = 0
		ev.Usage, ev.ServiceTier = e.usage, e.tier
		if err := emit(ev); err != nil {
			return err
		}
	}
	if r.state == finished {
		return r.close(emit)
	}
	return nil
}

// AppendError writes what the framing says of an error that has no name, as
// Read takes it.
func AppendError(b, code, text []byte) []byte {
	b = canon.AppendQuoted(append(b, `{"__type":`...), strings.ToValidUTF8(string(code), ""))
	return append(canon.AppendQuoted(append(b, `,"message":`...), strings.ToValidUTF8(string(text), "")), '}')
}
