package pipeline

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// follower watches a stream event by event, for its usage and its text, and
// holds back its end until the request is settled. With a writer it also
// translates; without one the caller gets the provider's bytes.
type follower struct {
	split sse.Splitter
	// frames is set for streams in AWS's framing, which split does not see.
	frames *eventstream.Splitter
	reader canon.Reader
	writer canon.Writer
	custom customCalls
	naming naming
	// hide keeps events from the caller that tell of usage alone, which was
	// asked for our sake; kinds are those that the event on the wire held.
	hide  bool
	kinds uint16

	usage canon.Usage
	// tier is the service tier that was named last, in our words.
	tier      string
	text      *[]byte
	textBytes int
	// done says that the provider ended the stream in the agreed way.
	done bool
	// held is the end of the stream.
	held []byte
	out  []byte

	// begun and finished are the choices that were seen, a bit each.
	begun, finished uint64
	scratch         []byte
	seen            canon.Emit
}

// Bounds of a follower's memory: of the text that is kept for counting, and of
// the end that is held back.
const (
	maxFollowedText = 256 << 10
	maxHeld         = 2 << 20
)

// start readies the follower for a stream. It may have followed others before,
// whose memory it uses again.
func (f *follower) start(r canon.Reader, w canon.Writer, text *[]byte) {
	f.reader, f.writer, f.text = r, w, text
	if f.seen == nil {
		f.seen = f.see
	}
}

// reset forgets the stream but keeps small buffers.
func (f *follower) reset() {
	f.split.Reset()
	*f = follower{
		split: f.split, seen: f.seen,
		held: small(f.held, keepText), out: small(f.out, keepText), scratch: small(f.scratch, keepText),
	}
}

// feed takes what arrived and calls out with what the caller may have.
func (f *follower) feed(p []byte, out func([]byte) error) error {
	if f.frames != nil {
		return errors.Join(f.unframe(p), f.pass(out))
	}
	err := f.split.Feed(p, f.event)
	if errors.Is(err, sse.ErrTooLarge) {
		err = fault.New(fault.UpstreamTooLarge, "", err)
	}
	return errors.Join(f.pass(out), err)
}

// unframe takes what arrived of AWS's framing.
func (f *follower) unframe(p []byte) error {
	err := f.frames.Feed(p, f.frame)
	if _, told := errors.AsType[*fault.Fault](err); err == nil || told {
		return err
	}
	if errors.Is(err, eventstream.ErrTooLarge) {
		return fault.New(fault.UpstreamTooLarge, "", err)
	}
	return fault.New(fault.UpstreamGarbage, "", err)
}

// frame takes one message. The reader gets its name and payload as it gets
// those of other events; an error that the API has no name for gets one.
func (f *follower) frame(frame []byte) error {
	if f.done {
		return nil
	}
	m, err := eventstream.Parse(frame)
	if err != nil {
		return err
	}
	name, data := m.Name, m.Payload
	switch {
	case m.Kind == eventstream.Error:
		name, data = []byte(bedrock.ErrorEvent), bedrock.AppendError(nil, m.Name, m.Text)
	case m.Kind == eventstream.Exception && !bytes.HasSuffix(name, []byte("Exception")):
		name = []byte(bedrock.ErrorEvent)
	}
	if err := f.reader.Read(name, data, f.seen); err != nil {
		return err
	}
	if f.writer == nil {
		return f.put(frame)
	}
	return nil
}

// rest is what came after the last whole event.
func (f *follower) rest() []byte {
	if f.frames != nil {
		return f.frames.Rest()
	}
	return bytes.TrimSpace(f.split.Rest())
}

func (f *follower) pass(out func([]byte) error) error {
	if len(f.out) == 0 {
		return nil
	}
	err := out(f.out)
	f.out = f.out[:0]
	return err
}

// event takes one event of the wire.
func (f *follower) event(ev []byte) error {
	if f.done {
		return nil
	}
	name, data, ok := sse.Parse(ev)
	f.kinds = 0
	if ok {
		if err := f.reader.Read(name, data, f.seen); err != nil {
			return err
		}
	}
	if f.writer == nil && !(f.hide && f.kinds == 1<<canon.UsageEvent) {
		return f.put(ev)
	}
	return nil
}

// see takes one event of ours.
func (f *follower) see(ev *canon.Event) error {
	f.kinds |= 1 << ev.Kind
	if ev.ServiceTier != nil {
		f.tier = tierName(ev.ServiceTier)
	}
	switch ev.Kind {
	case canon.BeginEvent:
		f.begun |= 1 << (ev.Choice & 63)
		f.finished &^= 1 << (ev.Choice & 63)
		f.keep(ev.Part.Name)
	case canon.DeltaEvent:
		f.keep(ev.Text)
	case canon.FinishEvent:
		f.begun |= 1 << (ev.Choice & 63)
		f.finished |= 1 << (ev.Choice & 63)
	case canon.HeadEvent, canon.UsageEvent:
		if ev.Usage.Reported {
			f.usage = ev.Usage
			f.usage.Raw, f.usage.Cost = nil, bytes.Clone(f.usage.Cost)
		}
	case canon.DoneEvent:
		f.done = true
	case canon.FailEvent:
		return ev.Fault
	}
	if f.writer == nil {
		return nil
	}
	if ev.Kind == canon.HeadEvent {
		f.naming.name(&ev.ID, &ev.Model, &ev.Created)
	}
	if ev.Kind == canon.BeginEvent && ev.Part.Kind == canon.ToolCallPart && ev.Part.ID.Empty() {
		ev.Part.ID = newCallID()
	}
	if f.custom.names != nil {
		if pass, err := f.custom.turn(ev, f.write); err != nil || !pass {
			return err
		}
	}
	return f.write(ev)
}

// write gives an event to the caller, in the caller's dialect.
func (f *follower) write(ev *canon.Event) error {
	f.scratch = f.writer.Append(f.scratch[:0], ev)
	return f.put(f.scratch)
}

func (f *follower) keep(t canon.Text) {
	if len(t) <= 2 {
		return
	}
	f.textBytes += len(t) - 2
	if len(*f.text) < maxFollowedText {
		*f.text = t.Append(*f.text)
	}
}

// put passes bytes on, or holds them when they may be the end: from when all
// choices are finished until something else comes.
func (f *follower) put(b []byte) error {
	if f.done || f.begun != 0 && f.begun == f.finished {
		if len(f.held)+len(b) > maxHeld {
			return fault.New(fault.UpstreamTooLarge, "", errors.New("the end of the stream is too large"))
		}
		f.held = append(f.held, b...)
		return nil
	}
	if len(f.held) > 0 {
		f.out = append(f.out, f.held...)
		f.held = f.held[:0]
	}
	f.out = append(f.out, b...)
	return nil
}

// end says what a stream means whose connection ended.
func (f *follower) end(out func([]byte) error) error {
	if f.done {
		return nil
	}
	if len(f.rest()) > 0 {
		return fault.New(fault.UpstreamReset, "", errors.New("the stream ended within an event"))
	}
	err := f.reader.End(f.seen)
	return errors.Join(f.pass(out), err)
}
