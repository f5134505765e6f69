// Package eventstream owns AWS's framing of events, which its APIs send as
// application/vnd.amazon.eventstream: cutting a stream of bytes into messages,
// checking them, and finding what kind each is. It must not know what a payload
// means. Source: "Event stream encoding" of the AWS SDKs' documentation (Smithy).
package eventstream

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// MaxMessage bounds what is held of one message, in bytes, as others bound an
// event.
const MaxMessage = 512 << 10

// maxFrame bounds messages that pass without being held; AWS sends none that
// are larger.
const maxFrame = 16 << 20

const (
	preludeSize = 12 // length, length of headers, checksum of both
	tailSize    = 4  // checksum of all before it
	least       = preludeSize + tailSize
)

// ErrTooLarge is returned for a message larger than MaxMessage.
var ErrTooLarge = errors.New("a message of the event stream is larger than 512 KiB")

// Errors of frames that are not what they must be. What follows such a frame
// cannot be found, so that they end a stream.
var (
	ErrLength   = errors.New("a message of the event stream has impossible lengths")
	ErrChecksum = errors.New("a checksum of the event stream is wrong")
	ErrHeader   = errors.New("a header of the event stream is not valid")
)

// Kind is what a message is.
type Kind uint8

// Kinds of messages.
const (
	Event Kind = iota
	// Exception is an error that the API names.
	Exception
	// Error is one that it does not; its text is in Message.Text.
	Error
)

// Message is a message, taken apart. Its slices point into the frame.
type Message struct {
	Kind Kind
	// Name of the event, of the exception, or the code of the error.
	Name    []byte
	Text    []byte
	Payload []byte
}

// Splitter cuts a stream into frames. It copies only frames that are torn over
// two reads.
type Splitter struct {
	// Large, if it is set, gets a frame larger than MaxMessage in pieces as they
	// arrive, unchecked but for its lengths; last says that it ends with this
	// one. Without it such frames are an error.
	Large func(p []byte, last bool) error

	pending []byte
	// left is what is still to come of a large frame.
	left int
}

// keep is the room that stays between frames.
const keep = 16 << 10

// Feed takes what arrived and calls frame for each frame that is complete. The
// lengths are checked before anything is kept for them.
func (s *Splitter) Feed(p []byte, frame func([]byte) error) error {
	data := p
	if len(s.pending) > 0 {
		s.pending = buffer.Append(s.pending, p, MaxMessage)
		data = s.pending
	}
	start := 0
	for start < len(data) {
		size, err := s.next(data[start:], frame)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		start += size
	}
	rest := data[start:]
	if cap(s.pending) > keep && len(rest) < cap(s.pending)/4 {
		s.pending = nil
	}
	s.pending = append(s.pending[:0], rest...)
	return nil
}

// next gives out the frame that starts here, or what is there of a large one,
// and says how much that was; 0 when more must come.
func (s *Splitter) next(data []byte, frame func([]byte) error) (int, error) {
	if s.left == 0 {
		size, err := frameSize(data)
		switch {
		case err == ErrTooLarge && s.Large != nil && size <= maxFrame:
			s.left = size
		case err != nil:
			return 0, err
		case size == 0 || size > len(data):
			return 0, nil
		default:
			return size, frame(data[:size])
		}
	}
	n := min(s.left, len(data))
	s.left -= n
	return n, s.Large(data[:n], s.left == 0)
}

// Rest is what came after the last complete frame.
func (s *Splitter) Rest() []byte { return s.pending }

// Open says that a large frame has not ended.
func (s *Splitter) Open() bool { return s.left > 0 }

// Held is how much memory the splitter takes.
func (s *Splitter) Held() int { return cap(s.pending) }

// frameSize reads the length of the frame that starts here; 0 when its prelude
// is not complete. Of one that is too large it gives the length, too.
func frameSize(b []byte) (int, error) {
	if len(b) < preludeSize {
		return 0, nil
	}
	total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return 0, ErrChecksum
	case total < least || headers > total-least:
		return 0, ErrLength
	case total > MaxMessage:
		return int(total), ErrTooLarge
	}
	return int(total), nil
}

// Parse checks a frame and takes it apart.
func Parse(frame []byte) (m Message, err error) {
	size, err := frameSize(frame)
	if err != nil {
		return m, err
	}
	if size == 0 || size != len(frame) {
		return m, ErrLength
	}
	end := size - tailSize
	if crc32.ChecksumIEEE(frame[:end]) != binary.BigEndian.Uint32(frame[end:]) {
		return m, ErrChecksum
	}
	headers := preludeSize + int(binary.BigEndian.Uint32(frame[4:]))
	m.Payload = frame[headers:end]
	return m, m.headers(frame[preludeSize:headers])
}

// headers reads those that say what the message is.
func (m *Message) headers(b []byte) error {
	typ := []byte("event")
	for len(b) > 0 {
		name, value, rest, err := header(b)
		if err != nil {
			return err
		}
		b = rest
		switch string(name) {
		case ":message-type":
			typ = value
		case ":event-type", ":exception-type", ":error-code":
			m.Name = value
		case ":error-message":
			m.Text = value
		}
	}
	switch string(typ) {
	case "event":
	case "exception":
		m.Kind = Exception
	case "error":
		m.Kind = Error
	default:
		return ErrHeader
	}
	return nil
}

// sizes of the values of headers by their type; text and bytes (6 and 7) say
// their own.
var sizes = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

const textType = 7

// header reads one header; value is nil for those that are not text.
func header(b []byte) (name, value, rest []byte, err error) {
	n := int(b[0])
	if n == 0 || len(b) < n+2 {
		return nil, nil, nil, ErrHeader
	}
	name, typ, b := b[1:1+n], b[1+n], b[2+n:]
	if int(typ) >= len(sizes) {
		return nil, nil, nil, ErrHeader
	}
	size := sizes[typ]
	if size < 0 {
		if len(b) < 2 {
			return nil, nil, nil, ErrHeader
		}
		size, b = int(binary.BigEndian.Uint16(b)), b[2:]
	}
	if len(b) < size {
		return nil, nil, nil, ErrHeader
	}
	if typ == textType {
		value = b[:size]
	}
	return name, value, b[size:], nil
}

// Append writes a message whose payload is JSON.
func Append(b []byte, m *Message) []byte {
	start := len(b)
	b = append(b, make([]byte, preludeSize)...)
	switch m.Kind {
	case Event:
		b = appendHeader(b, ":event-type", m.Name)
		b = appendHeader(b, ":content-type", []byte("application/json"))
		b = appendHeader(b, ":message-type", []byte("event"))
	case Exception:
		b = appendHeader(b, ":exception-type", m.Name)
		b = appendHeader(b, ":content-type", []byte("application/json"))
		b = appendHeader(b, ":message-type", []byte("exception"))
	default:
		b = appendHeader(b, ":error-code", m.Name)
		b = appendHeader(b, ":error-message", m.Text)
		b = appendHeader(b, ":message-type", []byte("error"))
	}
	headers := len(b) - start - preludeSize
	b = append(b, m.Payload...)
	frame := b[start:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+tailSize))
	binary.BigEndian.PutUint32(frame[4:], uint32(headers))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(frame))
}

func appendHeader(b []byte, name string, value []byte) []byte {
	b = append(append(b, byte(len(name))), name...)
	b = append(b, textType)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
