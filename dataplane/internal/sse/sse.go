// Package sse owns server-sent events as model providers send them: cutting a
// stream of bytes into events, and finding the name and data of one. It must
// not know what the data means. Source: the event stream format of the HTML
// standard, §9.2.
package sse

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// MaxEvent bounds what is held of one event, in bytes: half of what the answer
// of one stream may make the data plane hold.
const MaxEvent = 512 << 10

// ErrTooLarge is returned for an event larger than its splitter may hold.
var ErrTooLarge = errors.New("an event of the stream is too large to be held")

// Splitter cuts a stream into events. It copies only events that are torn
// over two reads.
type Splitter struct {
	// Most bounds an event; 0 stands for MaxEvent.
	Most int
	// Large, if it is set, gets an event that is larger in pieces as they
	// arrive; last says that the event ends with this one. Without it such
	// events are an error.
	Large func(p []byte, last bool) error

	pending []byte
	large   bool
}

// keep is the room that stays between events.
const keep = 16 << 10

// Seam is how many bytes of what was looked through must be looked at again
// with what follows, to find the end of an event.
const Seam = 3

// Reset readies the splitter for another stream, keeping its memory if that is
// small.
func (s *Splitter) Reset() {
	s.pending, s.large = s.pending[:0], false
	if cap(s.pending) > keep {
		s.pending = nil
	}
}

// Feed takes what arrived and calls event for each event that is complete.
func (s *Splitter) Feed(p []byte, event func([]byte) error) error {
	most := s.Most
	if most == 0 {
		most = MaxEvent
	}
	data, from := p, 0
	if len(s.pending) > 0 {
		// The end of an event may lie on the seam.
		from = max(0, len(s.pending)-Seam)
		s.pending = buffer.Append(s.pending, p, most)
		data = s.pending
	}
	start := 0
	for {
		end := EventEnd(data, from)
		if end < 0 {
			break
		}
		if err := s.give(data[start:end], event); err != nil {
			return err
		}
		start, from = end, end
	}
	rest := data[start:]
	if len(rest) > most && s.Large == nil {
		return ErrTooLarge
	}
	if s.large = s.large || len(rest) > most; s.large && len(rest) > Seam {
		n := len(rest) - Seam
		if err := s.Large(rest[:n], false); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if cap(s.pending) > keep && len(rest) < cap(s.pending)/4 {
		s.pending = nil
	}
	s.pending = append(s.pending[:0], rest...)
	return nil
}

func (s *Splitter) give(ev []byte, event func([]byte) error) error {
	if s.large {
		s.large = false
		return s.Large(ev, true)
	}
	return event(ev)
}

// Rest is what came after the last complete event, but for the pieces of a large
// one that were given out.
func (s *Splitter) Rest() []byte { return s.pending }

// Held is how much memory the splitter takes.
func (s *Splitter) Held() int { return cap(s.pending) }

// EventEnd finds where the event ends that is open at from: after an empty
// line; -1 when it is not all there.
func EventEnd(b []byte, from int) int {
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

// Parse gives the name and the data of an event. One line of data, as everybody
// sends it, is not copied; more lines are joined as the standard says. ok is
// false for events without data, such as comments.
func Parse(ev []byte) (name, data []byte, ok bool) {
	lines := 0
	joined := false
	for rest := ev; len(rest) > 0; {
		line := rest
		if n := bytes.IndexByte(rest, '\n'); n >= 0 {
			line, rest = rest[:n], rest[n+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if v, found := bytes.CutPrefix(line, []byte("event:")); found {
			name = bytes.TrimSpace(v)
			continue
		}
		v, found := bytes.CutPrefix(line, []byte("data:"))
		if !found {
			continue
		}
		v = bytes.TrimPrefix(v, []byte{' '})
		if lines++; lines == 1 {
			data = v
			continue
		}
		if !joined {
			// Room for all lines at once: an event may be made of many.
			data, joined = append(make([]byte, 0, len(ev)), data...), true
		}
		data = append(append(data, '\n'), v...)
	}
	data = bytes.TrimSpace(data)
	return name, data, lines > 0 && len(data) > 0
}
