// Package canon owns the one form between dialects: what a chat request, an
// answer and the events of a streamed answer mean, whoever's format they came
// in. Dialects read into it and write out of it; none of them knows another.
// It must not know any wire format, tenants, routes or connections.
//
// All dialects are JSON. Text crosses as the JSON string that it was, numbers
// and schemas as the JSON values they were, so that translating costs no
// unescaping and changes no digit. All slices of bytes may point into the body
// or the chunk that they were read from and are valid as long as it is.
package canon

import (
	"bytes"
	"unicode/utf8"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// Text is a JSON string, quotes and escapes included. Nil means that there is
// none, which differs from an empty one.
type Text []byte

// Raw is any JSON value as it stood; nil means that there is none.
type Raw []byte

// Quote makes a Text.
func Quote(s string) Text { return AppendQuoted(make(Text, 0, len(s)+2), s) }

// AppendQuoted writes s as a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendQuoted[B ~[]byte](b B, s string) B {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// String is the text itself.
func (t Text) String() string {
	inside := t.inside()
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	return string(jsonscan.Unescape(make([]byte, 0, len(inside)), inside))
}

// Is reports whether the text is s.
func (t Text) Is(s string) bool {
	if string(t.inside()) == s {
		return t != nil
	}
	return bytes.IndexByte(t, '\\') >= 0 && t.String() == s
}

// Empty reports whether there is nothing in it.
func (t Text) Empty() bool { return len(t) <= 2 }

// inside is what stands between the quotes.
func (t Text) inside() []byte {
	if len(t) < 2 {
		return nil
	}
	return t[1 : len(t)-1]
}

// Append writes the text's inside, still escaped, so that texts can be joined
// inside one pair of quotes.
func (t Text) Append(b []byte) []byte { return append(b, t.inside()...) }

// Join joins texts.
func Join(texts ...Text) Text {
	if len(texts) == 1 {
		return texts[0]
	}
	out := Text{'"'}
	for _, t := range texts {
		out = t.Append(out)
	}
	return append(out, '"')
}

// Flag is a yes or no that may be missing.
type Flag uint8

// Flags.
const (
	Unset Flag = iota
	Yes
	No
)

// FlagOf makes a Flag.
func FlagOf(b bool) Flag {
	if b {
		return Yes
	}
	return No
}

// Dialect names a wire format, for what only its own kind can read.
type Dialect string

// Dialects of chat.
const (
	OpenAIChat Dialect = "openai-chat"
	Responses  Dialect = "openai-responses"
	Anthropic  Dialect = "anthropic-messages"
	Gemini     Dialect = "gemini"
	Bedrock    Dialect = "bedrock-converse"
	Cohere     Dialect = "cohere-v2"
)

// Field is a field that has no name here.
type Field struct {
	// Name is the path of the field as its own dialect's documentation has it,
	// for example "logit_bias" or "messages[3].name".
	Name  string
	Value Raw
	// Needed says that the request asks for something else without the field,
	// such as one that names an earlier answer to go on from. It cannot be
	// dropped: see Request.Unsupported.
	Needed bool
}
