package openai

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/sse"
	"github.com/tollgate/tollgate/proto/fault"
)

// Stream follows a stream of chat chunks: it passes on complete events as
// they are, reads usage, holds back the end, and hides the usage chunk from a
// caller who did not ask for it. Data is in the buffer of the caller's read
// and is not copied, unless an event is torn over two reads.
type Stream struct {
	// Hide says that the usage chunk is ours alone.
	Hide bool
	// Answer sums up what was seen.
	Answer Answer
	// Done says that the provider ended the stream in the agreed way.
	Done bool

	pending []byte
	tail    []byte
}

// Reset makes the stream ready for another one, keeping its memory if that is
// small.
func (st *Stream) Reset(hide bool, text *[]byte) {
	p, t := st.pending[:0], st.tail[:0]
	if cap(p) > 16<<10 {
		p = nil
	}
	*st = Stream{Hide: hide, Answer: Answer{Text: text}, pending: p, tail: t}
}

// Tail is the end that was held back until the request is settled.
func (st *Stream) Tail() []byte { return st.tail }

// Feed takes what arrived and calls out with what the caller may have, in as
// few pieces as can be. It costs a scan of the bytes and nothing else.
func (st *Stream) Feed(p []byte, out func([]byte) error) error {
	if st.Done {
		return nil
	}
	data, from := p, 0
	if len(st.pending) > 0 {
		// The end of an event may lie on the seam.
		from = max(0, len(st.pending)-3)
		st.pending = append(st.pending, p...)
		data = st.pending
	}
	start, pass := 0, 0
	for {
		end := sse.EventEnd(data, from)
		if end < 0 {
			break
		}
		keep, err := st.event(data[start:end])
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
	if start > pass {
		if err := out(data[pass:start]); err != nil {
			return err
		}
	}
	st.pending = append(st.pending[:0], data[start:]...)
	if len(st.pending) > sse.MaxEvent {
		return fault.New(fault.UpstreamTooLarge, "", sse.ErrTooLarge)
	}
	return nil
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
	a := &st.Answer
	a.hasChoices, a.empty, a.failed, a.told = false, false, false, false
	if err := a.read(payload); err != nil {
		return false, fault.New(fault.UpstreamGarbage, "", errors.New("an event of the stream is not a JSON object"))
	}
	if a.failed {
		return false, ProviderFault(200, payload, "")
	}
	return !(st.Hide && a.told && a.empty), nil
}

// End says what a stream means that ended without [DONE]: cut off, unless its
// choices had all said why they ended.
func (st *Stream) End() error {
	if st.Done {
		return nil
	}
	if len(bytes.TrimSpace(st.pending)) == 0 && st.Answer.finished {
		return nil
	}
	return fault.New(fault.UpstreamReset, "", errors.New("the stream ended without its last event"))
}
