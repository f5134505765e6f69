package openai

import (
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// Answer is what was read from a plain answer or from one chunk of a stream.
type Answer struct {
	// Usage is the last report that could be read.
	Usage Usage
	// told says that the object at hand held one.
	told bool
	// tier is the service tier, as it stands in JSON. Names that are longer
	// than anybody's are left out.
	tier    [24]byte
	tierLen uint8
	// hasChoices says that there was a list of choices, empty that it held
	// nothing.
	hasChoices, empty bool
	// failed says that the provider put an error into it.
	failed bool
	// finished says that a choice told why it ended.
	finished bool
	// Text is appended to: the pieces of text that the model wrote, as they
	// stand in the JSON. Nil leaves them out.
	Text *[]byte
	// TextBytes is how much of that there was.
	TextBytes int

	s jsonscan.Scanner
}

// maxText bounds what is kept of an answer's text for counting tokens; the
// rest is counted by its length.
const maxText = 128 << 10

var errNotJSON = errors.New("body is not a JSON object")

// read reads one JSON object. It has no closures, and its scanner lies in a,
// so that a chunk of a stream costs no allocation.
func (a *Answer) read(body []byte) error {
	s := &a.s
	s.Reset(body)
	if !s.Open('{') {
		return errNotJSON
	}
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok {
			return errNotJSON
		}
		if !more {
			break
		}
		switch string(s.Name(key, escaped, &buf)) {
		case "usage":
			ok = a.usage(s)
		case "service_tier":
			ok = a.serviceTier(s)
		case "choices":
			ok = a.choices(s)
		case "error":
			c := s.Peek()
			a.failed = a.failed || c == '{' || c == '"'
			ok = s.Skip()
		default:
			ok = s.Skip()
		}
		if !ok {
			return errNotJSON
		}
	}
	if !s.End() {
		return errNotJSON
	}
	return nil
}

func (a *Answer) usage(s *jsonscan.Scanner) bool {
	if s.Peek() != '{' {
		return s.Skip()
	}
	told, ok := a.Usage.read(s)
	a.told = a.told || told
	return ok
}

// serviceTier keeps a copy, because a stream's chunk does not stay.
func (a *Answer) serviceTier(s *jsonscan.Scanner) bool {
	p, ok := s.Value()
	if b := p.Of(s.Text()); ok && len(b) <= len(a.tier) {
		a.tierLen = uint8(copy(a.tier[:], b))
	}
	return ok
}

// Tier is the service tier as it stands in JSON; empty when none was named.
func (a *Answer) Tier() []byte { return a.tier[:a.tierLen] }

func (a *Answer) choices(s *jsonscan.Scanner) bool {
	if s.Peek() != '[' {
		return s.Skip()
	}
	a.hasChoices, a.empty = true, true
	s.Open('[')
	for first := true; ; first = false {
		more, ok := s.Element(first)
		if !ok || !more {
			return ok
		}
		a.empty = false
		if s.Peek() != '{' {
			ok = s.Skip()
		} else {
			ok = a.choice(s)
		}
		if !ok {
			return false
		}
	}
}

func (a *Answer) choice(s *jsonscan.Scanner) bool {
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok || !more {
			return ok
		}
		switch string(s.Name(key, escaped, &buf)) {
		case "finish_reason":
			a.finished = a.finished || s.Peek() == '"'
			ok = s.Skip()
		case "delta", "message":
			ok = a.texts(s, maxTextDepth)
		case "text":
			ok = a.text(s)
		default:
			ok = s.Skip()
		}
		if !ok {
			return false
		}
	}
}

// maxTextDepth is how deep texts are looked for inside a message.
const maxTextDepth = 8

// texts collects what the model wrote inside a message or delta: content,
// reasoning and the arguments of tool calls.
func (a *Answer) texts(s *jsonscan.Scanner, levels int) bool {
	c := s.Peek()
	if levels == 0 || c != '{' && c != '[' {
		return s.Skip()
	}
	s.Open(c)
	var buf [64]byte
	for first := true; ; first = false {
		more, ok, isWritten := false, false, false
		if c == '[' {
			more, ok = s.Element(first)
		} else {
			var key jsonscan.Span
			var escaped bool
			key, escaped, more, ok = s.Member(first)
			isWritten = more && isText(s.Name(key, escaped, &buf))
		}
		if !ok || !more {
			return ok
		}
		if isWritten && s.Peek() == '"' {
			ok = a.text(s)
		} else {
			ok = a.texts(s, levels-1)
		}
		if !ok {
			return false
		}
	}
}

func isText(name []byte) bool {
	switch string(name) {
	case "content", "text", "reasoning_content", "reasoning", "thinking", "refusal", "transcript", "arguments", "name", "description":
		return true
	}
	return false
}

func (a *Answer) text(s *jsonscan.Scanner) bool {
	if s.Peek() != '"' {
		return s.Skip()
	}
	p, _, ok := s.Str()
	if !ok {
		return false
	}
	raw := s.Text()[p.Start+1 : p.End-1]
	a.TextBytes += len(raw)
	if a.Text != nil {
		*a.Text = Keep(*a.Text, raw)
	}
	return true
}

// Keep appends what there is room for of a piece of an answer's text, as it
// stands in JSON, to what is kept for counting tokens.
func Keep(text, raw []byte) []byte {
	if len(text) >= maxText {
		return text
	}
	return buffer.Append(text, raw[:min(len(raw), maxText-len(text))], maxText)
}

// ReadPlain reads a plain answer: it must be a JSON object with choices.
func (a *Answer) ReadPlain(body []byte) error {
	*a = Answer{Text: a.Text}
	if err := a.read(body); err != nil {
		return fault.New(fault.UpstreamGarbage, "", err)
	}
	if a.failed && !a.hasChoices {
		return openaierror.Inside(body)
	}
	if !a.hasChoices {
		return fault.New(fault.UpstreamGarbage, "", errors.New("body has no choices"))
	}
	return nil
}

// PromptText gives the text of the messages and how long it all is, for
// counting tokens where a provider does not. It ignores what is not text.
func PromptText(messages []byte) (text []byte, size int) {
	a := Answer{Text: &text}
	a.s.Reset(messages)
	a.texts(&a.s, maxTextDepth)
	return Plain(text), a.TextBytes
}

// Plain takes the escapes out of text that was collected from JSON.
func Plain(raw []byte) []byte { return jsonscan.Unescape(make([]byte, 0, len(raw)), raw) }
