package pipeline

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/digest"
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
	hide bool
	// deltas says that the dialect repeats its texts, which are new only in
	// members of that name.
	deltas bool
	kinds  uint16

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
	// sink takes what the caller may have; failed is why it no longer does.
	sink   func([]byte) error
	failed error
	// open are the parts that a writer may hold something of.
	open  openParts
	parts int
	// digest is of the event that is too large to be held; unread says that
	// nothing is known of such an event, torn that the caller has the beginning
	// of one.
	digest       *digest.Event
	unread, torn bool

	// begun and finished are the choices that were seen, a bit each.
	begun, finished uint64
	seen            canon.Emit
	// large is passLarge as a function value.
	large func([]byte, bool) error
}

// start readies the follower for a stream. It may have followed others before,
// whose memory it uses again.
func (f *follower) start(r canon.Reader, w canon.Writer, text *[]byte, sink func([]byte) error) {
	f.reader, f.writer, f.text, f.sink = r, w, text, sink
	if f.seen == nil {
		f.seen, f.large = f.see, f.passLarge
	}
	f.split.Large = f.large
	if watcher, ok := r.(canon.Watcher); ok && w == nil {
		watcher.Watch()
	}
	if emptier, ok := w.(canon.Emptier); ok {
		emptier.Empty(f.emptied)
	}
}

// framed says that the stream has AWS's framing.
func (f *follower) framed() {
	f.frames = new(eventstream.Splitter)
	if f.writer == nil {
		f.frames.Large = f.large
	}
}

// reset forgets the stream but keeps small buffers.
func (f *follower) reset() {
	f.split.Reset()
	*f = follower{
		split: f.split, seen: f.seen, large: f.large,
		held: small(f.held, keepText), out: small(f.out, keepText),
	}
}

// feed takes what arrived, and passes on what the caller may have.
func (f *follower) feed(p []byte) error {
	if f.frames != nil {
		return errors.Join(f.unframe(p), f.pass())
	}
	err := f.split.Feed(p, f.event)
	return errors.Join(f.pass(), err)
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
	f.torn = false
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
	if err := f.bound(ev); err != nil {
		return err
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
	if f.ending() {
		f.held = f.emptied(f.writer.Append(f.held, ev))
	} else {
		f.unhold()
		f.out = f.emptied(f.writer.Append(f.out, ev))
	}
	return f.failed
}

func (f *follower) keep(t canon.Text) {
	if len(t) <= 2 {
		return
	}
	f.textBytes += len(t) - 2
	*f.text = openai.Keep(*f.text, t[1:len(t)-1])
}

// put passes bytes of the provider on, or holds them when they may be the end.
func (f *follower) put(b []byte) error {
	ending := f.ending()
	if !ending || len(f.held)+len(b) > maxHeld {
		f.unhold()
	}
	switch {
	case ending && len(b) <= maxHeld:
		f.held = append(f.held, b...)
	case ending:
		n := len(b) - leastHeld
		f.send(b[:n])
		f.held, f.torn = append(f.held, b[n:]...), true
	case len(b) > maxHeld:
		f.send(b)
	default:
		f.out = append(f.out, b...)
	}
	return f.failed
}

// end says what a stream means whose connection ended.
func (f *follower) end() error {
	if f.done {
		return nil
	}
	if len(f.rest()) > 0 || f.digest != nil || f.frames != nil && f.frames.Open() {
		return fault.New(fault.UpstreamReset, "", errors.New("the stream ended within an event"))
	}
	err := f.reader.End(f.seen)
	if err != nil && f.unread && f.writer == nil && !f.torn {
		// Its end was within what nobody could read.
		f.done, err = true, nil
	}
	return errors.Join(f.pass(), err)
}
