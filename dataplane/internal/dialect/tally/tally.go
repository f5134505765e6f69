package tally

import "bytes"

// Reader finds the members in an answer of JSON, or in the data of each event
// of a stream, where the last word counts.
type Reader struct {
	Scanner
	// Events says that the answer is a stream of events.
	Events bool
	// line is the beginning of the line that is open; data says that it is one
	// of data.
	line []byte
	data bool
	// told says that the event has data.
	told bool
	// Ended says that an event came after which no other is to be expected.
	Ended bool
	// Images is how many events brought an image that is done, Parts how many
	// there were of any kind but for the mark of the end.
	Images, Parts int
}

// Reset readies the reader for another answer.
func (r *Reader) Reset(events bool) {
	r.Scanner.Reset()
	*r = Reader{Scanner: r.Scanner, Events: events, line: r.line[:0]}
}

// Feed takes the next piece.
func (r *Reader) Feed(p []byte) {
	if !r.Events {
		r.Scanner.Feed(p)
		return
	}
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			r.part(p)
			return
		}
		r.part(p[:n])
		r.end()
		p = p[n+1:]
	}
}

const field = "data:"

// part takes a piece of a line.
func (r *Reader) part(p []byte) {
	// Lines that are not data are names and comments: short, or nothing to us.
	const keep = 64
	n := min(len(p), keep-len(r.line))
	r.line = append(r.line, p[:n]...)
	if r.data {
		r.Scanner.Feed(p)
		return
	}
	if len(r.line) < len(field) || string(r.line[:len(field)]) != field {
		return
	}
	// Now it is known to be data; what came of it so far is fed at once.
	if !r.told {
		r.Scanner.next()
	}
	r.data, r.told = true, true
	r.Scanner.Feed(r.line[len(field):])
	r.Scanner.Feed(p[n:])
}

// end is called at the end of a line.
func (r *Reader) end() {
	line := bytes.TrimSuffix(r.line, []byte{'\r'})
	switch {
	case r.data:
		if string(bytes.TrimSpace(line[len(field):])) == "[DONE]" {
			r.Ended, r.told = true, false
		}
	case len(line) == 0:
		if r.told {
			r.Parts++
			r.Ended = r.Ended || ends(r.Type())
			if t := r.Type(); string(t) == "image_edit.completed" || string(t) == "image_generation.completed" {
				r.Images++
			}
		}
		r.told = false
	}
	r.line, r.data = r.line[:0], false
}

// ends says whether a stream ends with events of this type.
func ends(name []byte) bool {
	switch string(name) {
	case "message_stop", "response.completed", "response.failed", "response.incomplete", "response.cancelled", "response.done", "transcript.text.done",
		"speech.audio.done", "image_edit.completed":
		return true
	}
	return false
}

// Usage is the last report, as it stands in the answer; nil when there was
// none. Start is the one that a stream of messages begins with.
func (s *Scanner) Usage() []byte { return object(s.found[wantUsage]) }

// Start is the report within the message or response of a stream's event.
func (s *Scanner) Start() []byte { return object(s.found[wantStart]) }

// Model is the name that the body gives, as it stands in JSON, with quotes.
func (s *Scanner) Model() []byte { return s.found[wantModel] }

// Type is what the last text says to be, without quotes.
func (s *Scanner) Type() []byte { return bytes.Trim(s.found[wantType], `"`) }

// Tier is the service tier that the body names, as it stands in JSON.
func (s *Scanner) Tier() []byte { return s.found[wantTier] }

// Duration is a number of seconds as it stands in the answer.
func (s *Scanner) Duration() []byte { return bytes.Trim(s.found[wantDuration], `"`) }

func object(b []byte) []byte {
	if len(b) == 0 || b[0] != '{' {
		return nil
	}
	return b
}
