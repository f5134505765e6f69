package anthropic

import (
	"errors"
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Bounds of a reader's memory: of blocks that are open at once, and of what is
// held of a block that can only be told whole.
const (
	maxOpen = 64
	maxHeld = 384 << 10
)

var (
	errNoEvent    = errors.New("an event of the stream is not a JSON object")
	errOrder      = errors.New("an event of the stream stands where it may not")
	errTooOpen    = errors.New("too many blocks of the stream are open at once")
	errTooLarge   = errors.New("a block of the stream is larger than 384 KiB")
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

// reader reads a provider's stream.
type reader struct {
	w      walk
	state  state
	report report
	// open are the blocks that have not ended; next numbers the parts.
	open []openBlock
	next int
	ev   canon.Event
	wire wireEvent
	// watched says that nobody wants what can only be told whole.
	watched bool
}

// openBlock is a block that has begun.
type openBlock struct {
	wire, index int
	kind        canon.Kind
	// whole says that the part is told at its end, because only then is it all
	// there: raw is the block as it began and held what followed.
	whole     bool
	raw, held []byte
	// said says that a call's arguments have begun.
	said bool
}

// wireEvent is what was read of an event of the wire.
type wireEvent struct {
	typ     canon.Text
	index   int64
	message message
	block   block
	delta   delta
	// has are the members that stood there.
	hasMessage, hasBlock, hasDelta, hasUsage, hasError, hasOurs bool
	extra                                                       []canon.Field
	ours                                                        extension
}

// delta is what an event adds.
type delta struct {
	typ, text, thinking, partialJSON, signature, content canon.Text
	stopReason, stopSequence                             canon.Text
	citation                                             canon.Citation
	hasCitation                                          bool
	logProbs                                             canon.Raw
	extra                                                []canon.Field
}

// NewReader reads a provider's stream.
func (Format) NewReader() canon.Reader { return new(reader) }

func garbage(err error) error { return fault.New(fault.UpstreamGarbage, "", err) }

// events says what each event of the wire means. Others mean nothing, as the
// API asks of its clients.
var events = [...]struct {
	name string
	take func(r *reader, emit canon.Emit) error
}{
	{"content_block_delta", (*reader).blockDelta},
	{"content_block_start", (*reader).blockStart},
	{"content_block_stop", (*reader).blockStop},
	{"message_start", (*reader).messageStart},
	{"message_delta", (*reader).messageDelta},
	{"message_stop", (*reader).messageStop},
	{"ping", (*reader).ping},
}

// Read takes one event of the wire.
func (r *reader) Read(name, data []byte, emit canon.Emit) error {
	if r.state == done || len(name) == 0 && string(data) == "[DONE]" {
		return nil
	}
	if !r.parse(data) {
		if r.w.bad != nil {
			return garbage(r.w.bad)
		}
		return garbage(errNoEvent)
	}
	e := &r.wire
	if e.hasError || e.typ.Is("error") {
		return readRefusal(200, data, "")
	}
	for i := range events {
		if e.typ.Is(events[i].name) || e.typ == nil && string(name) == events[i].name {
			return events[i].take(r, emit)
		}
	}
	return nil
}

// End is called when the connection ended. A stream that told why it stopped
// and how much it took is whole, though its last event is missing.
func (r *reader) End(emit canon.Emit) error {
	switch r.state {
	case done:
		return nil
	case finished:
		return r.messageStop(emit)
	}
	return fault.New(fault.UpstreamReset, "", errUnfinished)
}

// event readies an event to emit. Of most there is little to clear: events are
// large, and deltas many.
func (r *reader) event(kind canon.EventKind, index int) *canon.Event {
	switch ev := &r.ev; ev.Kind {
	case canon.DeltaEvent, canon.EndEvent:
		ev.Kind, ev.Index, ev.Text = kind, index, nil
	default:
		*ev = canon.Event{Kind: kind, Index: index}
	}
	return &r.ev
}

func (r *reader) messageStart(emit canon.Emit) error {
	m := &r.wire.message
	if r.state != beforeHead || !r.wire.hasMessage {
		// A second start means that somebody put two streams together: what was
		// said before cannot be taken back.
		return garbage(errOrder)
	}
	r.state = inMessage
	ev := r.event(canon.HeadEvent, 0)
	ev.From, ev.ID, ev.Model, ev.Extra = canon.Anthropic, m.id, m.model, m.extra
	ev.Usage, ev.ServiceTier = r.report.usage(), r.report.tier
	r.report.tier, r.report.raw, r.report.cost = nil, nil, nil
	if err := emit(ev); err != nil {
		return err
	}
	// Parts that are there already are told like others.
	for i := range m.parts {
		if err := r.whole(&m.parts[i], emit); err != nil {
			return err
		}
	}
	return nil
}

// whole emits a part that is all there.
func (r *reader) whole(p *canon.Part, emit canon.Emit) error {
	index := r.next
	r.next++
	ev := r.event(canon.BeginEvent, index)
	ev.Part = *p
	text := p.Text
	if p.Kind == canon.ToolCallPart {
		if text = canon.Text(p.Args); !p.Custom {
			text = canon.Quote(string(p.Args))
		}
		ev.Part.Args = nil
	} else if p.Kind == canon.TextPart || p.Kind == canon.RefusalPart || p.Kind == canon.ReasoningPart {
		ev.Part.Text = nil
	} else {
		text = nil
	}
	ev.Part.Signature, ev.Part.Citations = nil, nil
	if err := emit(ev); err != nil {
		return err
	}
	if !text.Empty() {
		ev = r.event(canon.DeltaEvent, index)
		ev.Text = text
		if err := emit(ev); err != nil {
			return err
		}
	}
	if err := r.marks(p, index, emit); err != nil {
		return err
	}
	return emit(r.event(canon.EndEvent, index))
}

// marks emits a part's signature and citations.
func (r *reader) marks(p *canon.Part, index int, emit canon.Emit) error {
	if !p.Signature.Empty() {
		ev := r.event(canon.SignatureEvent, index)
		ev.Text = p.Signature
		ev.Part.ID, ev.Part.From = p.ID, p.From
		if err := emit(ev); err != nil {
			return err
		}
	}
	if len(p.Citations) > 0 {
		ev := r.event(canon.CitationEvent, index)
		ev.Part.Citations = p.Citations
		return emit(ev)
	}
	return nil
}

func (r *reader) blockStart(emit canon.Emit) error {
	if r.state != inMessage || !r.wire.hasBlock {
		return garbage(errOrder)
	}
	wire := int(r.wire.index)
	if at := r.find(wire); at >= 0 {
		// Some providers leave out the end of a block.
		if err := r.end(at, emit); err != nil {
			return err
		}
	}
	if len(r.open) == maxOpen {
		return garbage(errTooOpen)
	}
	var p canon.Part
	if !r.w.build(&r.wire.block, &p) {
		return garbage(r.w.bad)
	}
	if e := &r.wire.ours; p.Kind == canon.ReasoningPart && e.from != nil {
		p.ID, p.From = e.id, originOf([]byte(e.from.String()))
	}
	o := openBlock{wire: wire, kind: p.Kind}
	b := &r.wire.block
	// Of a server's tool the input is still to come, of a summary its content.
	o.whole = p.Custom || p.Kind == canon.OpaquePart && (b.seen&fieldInput != 0 || string(b.content) == "null")
	o.whole = o.whole && !r.watched
	if o.whole || !r.watched && p.Kind == canon.ToolCallPart && !noArgs(p.Args) {
		if r.held()+len(b.raw) > maxHeld {
			return fault.New(fault.UpstreamTooLarge, "", errTooLarge)
		}
		o.raw = slices.Clone(b.raw)
	}
	if o.whole {
		r.open = append(r.open, o)
		return nil
	}
	o.index = r.next
	r.next++
	r.open = append(r.open, o)
	ev := r.event(canon.BeginEvent, o.index)
	text := p.Text
	ev.Part = p
	ev.Part.Text, ev.Part.Args, ev.Part.Signature, ev.Part.Citations = nil, nil, nil, nil
	if err := emit(ev); err != nil {
		return err
	}
	if !text.Empty() {
		ev = r.event(canon.DeltaEvent, o.index)
		ev.Text = text
		if err := emit(ev); err != nil {
			return err
		}
	}
	return r.marks(&p, o.index, emit)
}

// noArgs says that a call's arguments are still to come.
func noArgs(args canon.Raw) bool { return len(args) == 0 || string(args) == "{}" }

func (r *reader) find(wire int) int {
	for i := range r.open {
		if r.open[i].wire == wire {
			return i
		}
	}
	return -1
}

// held is how much is held of all blocks.
func (r *reader) held() (n int) {
	for i := range r.open {
		n += len(r.open[i].raw) + len(r.open[i].held)
	}
	return n
}

// Held is how much memory that takes.
func (r *reader) Held() (n int) {
	for i := range r.open {
		n += cap(r.open[i].raw) + cap(r.open[i].held)
	}
	return n
}

// Watch makes the reader hold nothing.
func (r *reader) Watch() { r.watched = true }

func (r *reader) blockDelta(emit canon.Emit) error {
	at := r.find(int(r.wire.index))
	if at < 0 || !r.wire.hasDelta {
		return garbage(errOrder)
	}
	o, d := &r.open[at], &r.wire.delta
	if o.whole {
		more := d.partialJSON
		if more == nil {
			more = d.content
		}
		if r.held()+len(more) > maxHeld {
			return fault.New(fault.UpstreamTooLarge, "", errTooLarge)
		}
		if len(more) > 2 {
			o.held = buffer.Append(o.held, more[1:len(more)-1], maxHeld)
		}
		return nil
	}
	for _, t := range [...]canon.Text{d.text, d.thinking, d.partialJSON} {
		if t.Empty() {
			continue
		}
		o.said = true
		ev := r.event(canon.DeltaEvent, o.index)
		ev.Text = t
		if err := emit(ev); err != nil {
			return err
		}
	}
	if d.logProbs != nil {
		ev := r.event(canon.LogProbsEvent, o.index)
		ev.Raw = d.logProbs
		if err := emit(ev); err != nil {
			return err
		}
	}
	if d.signature == nil && !d.hasCitation {
		return nil
	}
	var p canon.Part
	p.Signature, p.ID, p.From = untag(d.signature)
	if d.hasCitation {
		p.Citations = append(p.Citations, d.citation)
	}
	return r.marks(&p, o.index, emit)
}

func (r *reader) blockStop(emit canon.Emit) error {
	at := r.find(int(r.wire.index))
	if at < 0 {
		return garbage(errOrder)
	}
	return r.end(at, emit)
}

// end ends a block.
func (r *reader) end(at int, emit canon.Emit) error {
	o := r.open[at]
	r.open = slices.Delete(r.open, at, at+1)
	if o.whole {
		var p canon.Part
		if !r.complete(&o, &p) {
			return garbage(errNoEvent)
		}
		return r.whole(&p, emit)
	}
	if o.kind == canon.ToolCallPart && !o.said {
		// What came with the start, if anything; a whole answer has {} here too.
		args := member(&r.w.sub, o.raw, "input")
		if len(args) == 0 {
			args = canon.Raw("{}")
		}
		ev := r.event(canon.DeltaEvent, o.index)
		ev.Text = canon.Quote(string(args))
		if err := emit(ev); err != nil {
			return err
		}
	}
	return emit(r.event(canon.EndEvent, o.index))
}
