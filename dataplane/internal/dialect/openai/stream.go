package openai

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/proto/fault"
)

// maxEvent bounds one event of a stream.
const maxEvent = 1 << 20

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
		end := eventEnd(data, from)
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
	if len(st.pending) > maxEvent {
		return fault.New(fault.UpstreamTooLarge, "", fmt.Errorf("an event is larger than %d bytes", maxEvent))
	}
	return nil
}

// eventEnd finds where the event ends that is open at from: after an empty
// line.
func eventEnd(b []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

var (
	dataField = []byte("data:")
	doneMark  = []byte("[DONE]")
)

// event reads one event; keep says whether the caller gets it now.
func (st *Stream) event(ev []byte) (keep bool, err error) {
	payload, ok := payloadOf(ev)
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
	a.hasChoices, a.empty, a.failed = false, false, false
	before := a.Usage
	a.Usage.Reported = false
	if err := a.read(payload); err != nil {
		return false, fault.New(fault.UpstreamGarbage, "", errors.New("an event of the stream is not a JSON object"))
	}
	if a.failed {
		return false, ProviderFault(200, payload, "")
	}
	reported := a.Usage.Reported
	if !reported {
		a.Usage = before
	}
	return !(st.Hide && reported && a.empty), nil
}

// payloadOf gives the data of an event. One line of data, as everybody sends
// it, is not copied; more lines are joined as the standard says.
func payloadOf(ev []byte) (payload []byte, ok bool) {
	lines := 0
	for rest := ev; len(rest) > 0; {
		line := rest
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			line, rest = rest[:n], rest[n+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		v, found := bytes.CutPrefix(line, dataField)
		if !found {
			continue
		}
		v = bytes.TrimPrefix(v, []byte{' '})
		if lines++; lines == 1 {
			payload = v
		} else {
			payload = append(append(append([]byte(nil), payload...), '\n'), v...)
		}
	}
	payload = bytes.TrimSpace(payload)
	return payload, lines > 0 && len(payload) > 0
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
