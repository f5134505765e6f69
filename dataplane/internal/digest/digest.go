// Package digest owns making little of one event of a stream that is too large
// to be held and passes in pieces: an event of the same shape whose long texts
// are cut and whose long lists are short, small enough to be read. It must not
// know what the event means.
package digest

import "bytes"

// Event is the digest of one event. The zero value is ready.
type Event struct {
	// Text and Delta count the bytes that were cut from texts that a model
	// writes: Delta from members of that name, Text from others.
	Text, Delta int
	// Dropped says that elements of lists were left out.
	Dropped bool

	// field is what came of the name of the line's field.
	field []byte
	line  line
	name  []byte
	json  pruner
	// told says that there was a line of data.
	told bool
}

// line is what is known of the line that is open.
type line uint8

const (
	unknown line = iota
	// dataBegun and nameBegun are lines before the first byte of their value,
	// which may be a space that does not count.
	dataBegun
	nameBegun
	inData
	inName
	nothing
)

// maxName bounds the name of an event; nobody's are as long.
const maxName = 128

// Feed takes the next piece of the event.
func (e *Event) Feed(p []byte) {
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			e.part(p)
			return
		}
		e.part(p[:n])
		if e.line == inData {
			e.json.byte('\n')
		}
		e.line, e.field = unknown, e.field[:0]
		p = p[n+1:]
	}
}

// part takes a piece of a line.
func (e *Event) part(p []byte) {
	for len(p) > 0 {
		switch e.line {
		case unknown:
			e.open(p[0])
			p = p[1:]
		case dataBegun, nameBegun:
			if e.line += inData - dataBegun; p[0] == ' ' {
				p = p[1:]
			}
		case inData:
			e.json.feed(p)
			return
		case inName:
			if len(e.name)+len(p) <= maxName {
				e.name = append(e.name, p...)
			}
			return
		default:
			return
		}
	}
}

// open takes a byte of a field's name.
func (e *Event) open(c byte) {
	if c != ':' {
		if e.field = append(e.field, c); len(e.field) > len("event") {
			e.line = nothing
		}
		return
	}
	switch string(e.field) {
	case "data":
		e.line, e.told = dataBegun, true
	case "event":
		e.line, e.name = nameBegun, e.name[:0]
	default:
		e.line = nothing
	}
}

// Result gives the name and the data; ok is false when there were no data, or
// nothing little could be made of them.
func (e *Event) Result() (name, data []byte, ok bool) {
	e.Text, e.Delta, e.Dropped = e.json.text, e.json.delta, e.json.dropped
	return bytes.TrimSpace(e.name), e.json.out, e.told && !e.json.broken && len(e.json.out) > 0
}
