package openai

import (
	"errors"

	"github.com/tollgate/tollgate/proto/fault"
)

// Answer is what was read from a plain answer or from one chunk of a stream.
type Answer struct {
	Usage Usage
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
}

// maxText bounds what is kept of an answer's text for counting tokens; the
// rest is counted by its length.
const maxText = 256 << 10

var errNotJSON = errors.New("body is not a JSON object")

// read reads one JSON object.
func (a *Answer) read(body []byte) error {
	var s scanner
	s.b = body
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "usage":
			return s.usage(&a.Usage)
		case "choices":
			return a.choices(&s)
		case "error":
			c := s.ws()
			a.failed = a.failed || c == '{' || c == '"'
		}
		_, ok := s.value()
		return ok
	})
	if !ok || !s.end() {
		return errNotJSON
	}
	return nil
}

func (a *Answer) choices(s *scanner) bool {
	if s.ws() != '[' {
		_, ok := s.value()
		return ok
	}
	a.hasChoices, a.empty = true, true
	return s.array(func() bool {
		a.empty = false
		if s.ws() != '{' {
			_, ok := s.value()
			return ok
		}
		return s.object(func(name []byte) bool {
			switch string(name) {
			case "finish_reason":
				a.finished = a.finished || s.ws() == '"'
			case "delta", "message":
				return a.texts(s)
			case "text":
				return a.text(s)
			}
			_, ok := s.value()
			return ok
		})
	})
}

// maxTextDepth is how deep texts are looked for inside a message.
const maxTextDepth = 8

// texts collects what the model wrote inside a message or delta: content,
// reasoning and the arguments of tool calls.
func (a *Answer) texts(s *scanner) bool {
	switch c := s.ws(); {
	case s.depth > maxTextDepth+4:
	case c == '{':
		return s.object(func(name []byte) bool {
			if isText(name) && s.ws() == '"' {
				return a.text(s)
			}
			return a.texts(s)
		})
	case c == '[':
		return s.array(func() bool { return a.texts(s) })
	}
	_, ok := s.value()
	return ok
}

func isText(name []byte) bool {
	switch string(name) {
	case "content", "text", "reasoning_content", "reasoning", "thinking", "refusal", "transcript", "arguments", "name", "description":
		return true
	}
	return false
}

func (a *Answer) text(s *scanner) bool {
	if s.ws() != '"' {
		_, ok := s.value()
		return ok
	}
	p, _, ok := s.str()
	if !ok {
		return false
	}
	raw := s.b[p.start+1 : p.end-1]
	a.TextBytes += len(raw)
	if a.Text != nil && len(*a.Text) < maxText {
		*a.Text = append(*a.Text, raw...)
	}
	return true
}

// ReadPlain reads a plain answer: it must be a JSON object with choices.
func (a *Answer) ReadPlain(body []byte) error {
	*a = Answer{Text: a.Text}
	if err := a.read(body); err != nil {
		return fault.New(fault.UpstreamGarbage, "", err)
	}
	if a.failed && !a.hasChoices {
		return ProviderFault(200, body, "")
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
	s := scanner{b: messages}
	a.texts(&s)
	return Plain(text), a.TextBytes
}

// Plain takes the escapes out of text that was collected from JSON.
func Plain(raw []byte) []byte { return unescape(make([]byte, 0, len(raw)), raw) }
