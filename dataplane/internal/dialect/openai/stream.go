package openai

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/dataplane/internal/digest"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// Stream follows a stream of chat chunks: it passes on complete events as
// they are, reads usage, holds back the end, and hides the usage chunk from a
// caller who did not ask for it. Data is in the buffer of the caller's read
// and is not copied, unless an event is torn over two reads. An event that is
// larger than sse.MaxEvent passes in pieces as it arrives; its digest is read.
type Stream struct {
	// Hide says that the usage chunk is ours alone.
	Hide bool
	// Answer sums up what was seen.
	Answer Answer
	// Done says that the provider ended the stream in the agreed way.
	Done bool

	pending []byte
	tail    []byte
	// large is the event that passes in pieces.
	large *digest.Event
	// unread says that nothing is known of such an event.
	unread bool
}

// keepRoom is the room that stays between events, and between streams.
const keepRoom = 16 << 10

// Reset makes the stream ready for another one, keeping its memory if that is
// small.
func (st *Stream) Reset(hide bool, text *[]byte) {
	*st = Stream{Hide: hide, Answer: Answer{Text: text}, pending: little(st.pending), tail: little(st.tail)}
}

func little(b []byte) []byte {
	if cap(b) > keepRoom {
		return nil
	}
	return b[:0]
}

// Tail is the end that was held back until the request is settled.
func (st *Stream) Tail() []byte { return st.tail }

// Torn says that what was passed on ends within an event.
func (st *Stream) Torn() bool { return st.large != nil }

// Feed takes what arrived and calls out with what the caller may have, in as
// few pieces as can be. It costs a scan of the bytes and nothing else.
func (st *Stream) Feed(p []byte, out func([]byte) error) error {
	if st.Done {
		return nil
	}
	data, from := p, 0
	if len(st.pending) > 0 {
		// The end of an event may lie on the seam.
		from = max(0, len(st.pending)-sse.Seam)
		st.pending = buffer.Append(st.pending, p, sse.MaxEvent)
		data = st.pending
	}
	start, pass := 0, 0
	for {
		end := sse.EventEnd(data, from)
		if end < 0 {
			break
		}
		keep, err := st.complete(data[start:end])
		if err != nil || !keep {
			if start > pass {
				if err := out(data[pass:start]); err != nil {
					return err
				}
			}
			pass = end
		}
		if err != nil {
			return err
		}
		start, from = end, end
		if st.Done {
			return nil
		}
	}
	start += st.open(data[start:])
	if start > pass {
		if err := out(data[pass:start]); err != nil {
			return err
		}
	}
	rest := data[start:]
	if cap(st.pending) > keepRoom && len(rest) < cap(st.pending)/4 {
		st.pending = nil
	}
	st.pending = append(st.pending[:0], rest...)
	return nil
}

// open takes the beginning of an event, and says how much of it may pass:
// nothing, unless it is too large to be held.
func (st *Stream) open(p []byte) int {
	if st.large == nil && len(p) > sse.MaxEvent {
		st.large = new(digest.Event)
	}
	if st.large == nil || len(p) <= sse.Seam {
		return 0
	}
	n := len(p) - sse.Seam
	st.large.Feed(p[:n])
	return n
}

// complete takes the end of an event.
func (st *Stream) complete(ev []byte) (keep bool, err error) {
	d := st.large
	if d == nil {
		return st.event(ev)
	}
	d.Feed(ev)
	st.large = nil
	_, payload, ok := d.Result()
	if !ok {
		st.unread = true
		return true, nil
	}
	// Its beginning has passed: it is neither held back nor hidden.
	_, err = st.chunk(payload)
	st.Answer.TextBytes += d.Text
	return err == nil, err
}

var doneMark = []byte("[DONE]")

// event reads one event; keep says whether the caller gets it now.
func (st *Stream) event(ev []byte) (keep bool, err error) {
	_, payload, ok := sse.Parse(ev)
	if !ok {
		// Comments keep connections alive; other fields mean nothing here.
		return true, nil
	}
	if bytes.Equal(payload, doneMark) {
		st.Done = true
		st.tail = append(st.tail[:0], ev...)
		return false, nil
	}
	return st.chunk(payload)
}

// chunk reads the data of an event.
func (st *Stream) chunk(payload []byte) (keep bool, err error) {
	a := &st.Answer
	a.hasChoices, a.empty, a.failed, a.told = false, false, false, false
	if err := a.read(payload); err != nil {
		return false, fault.New(fault.UpstreamGarbage, "", errors.New("an event of the stream is not a JSON object"))
	}
	if a.failed {
		return false, openaierror.Inside(payload)
	}
	return !(st.Hide && a.told && a.empty), nil
}

// End says what a stream means that ended without [DONE]: cut off, unless its
// choices had all said why they ended.
func (st *Stream) End() error {
	if st.Done {
		return nil
	}
	if len(bytes.TrimSpace(st.pending)) == 0 && !st.Torn() && (st.Answer.finished || st.unread) {
		return nil
	}
	return fault.New(fault.UpstreamReset, "", errors.New("the stream ended without its last event"))
}
