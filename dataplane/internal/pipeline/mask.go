package pipeline

import (
	"bytes"
	"strings"
)

// minMasked is the length from which on a secret is looked for; a shorter one
// would be found in harmless places.
const minMasked = 8

// mask keeps a secret out of what passes: a provider that shows its callers
// what they sent would show them what is not theirs. It finds it as it is, and
// with its signs escaped as JSON and URLs have them. It costs a search of each
// piece, about 0.1 ms a MiB.
type mask struct {
	secret []byte
	// plain is how much of the secret nobody escapes, from its start.
	plain int
	// rest is an end that may be the beginning of the secret.
	rest []byte
}

func newMask(secret string) mask {
	if len(secret) < minMasked {
		return mask{}
	}
	m := mask{secret: []byte(secret)}
	for m.plain < len(secret) && isPlain(secret[m.plain]) {
		m.plain++
	}
	return m
}

// isPlain says that a byte stands for itself wherever it is written.
func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// append adds what can be shown of p after what came before, the secret
// replaced by as many asterisks.
func (m *mask) append(b, p []byte) []byte {
	if m.secret == nil {
		return append(b, p...)
	}
	from := len(b)
	b = append(append(b, m.rest...), p...)
	m.rest = m.rest[:0]
	for at := from; at < len(b); {
		i := bytes.Index(b[at:], m.secret[:m.plain])
		if i < 0 {
			break
		}
		at += i
		if n, _ := m.match(b[at:]); n > 0 {
			for end := at + n; at < end; at++ {
				b[at] = '*'
			}
			continue
		}
		at++
	}
	const longest = 6 // of an escaped byte
	for at := max(from, len(b)-m.plain-longest*(len(m.secret)-m.plain)); at < len(b); at++ {
		i := bytes.IndexByte(b[at:], m.secret[0])
		if m.plain > 0 && i < 0 {
			break
		}
		if m.plain > 0 {
			at += i
		}
		if _, begun := m.match(b[at:]); begun {
			m.rest = append(m.rest, b[at:]...)
			return b[:at]
		}
	}
	return b
}

// match is how many bytes of b are the secret, 0 when it does not begin b;
// begun says that it may once more comes.
func (m *mask) match(b []byte) (n int, begun bool) {
	for _, c := range m.secret {
		rest := b[n:]
		switch {
		case len(rest) == 0:
			return 0, true
		case rest[0] == c:
			n++
			continue
		case isPlain(c):
			return 0, false
		}
		size, begun := escapes(rest, c)
		if size == 0 {
			return 0, begun
		}
		n += size
	}
	return n, false
}

// escapes is how long the escape of c is that b starts with, 0 for none; begun
// says that it may be one once more comes.
func escapes(b []byte, c byte) (size int, begun bool) {
	const digits = "0123456789abcdef"
	high, low := digits[c>>4:c>>4+1], digits[c&15:c&15+1]
	for _, e := range [...]string{`\` + string(rune(c)), `\u00` + high + low, "%" + high + low} {
		n := min(len(e), len(b))
		if strings.EqualFold(string(b[:n]), e[:n]) {
			if n == len(e) {
				return n, false
			}
			begun = true
		}
	}
	return 0, begun
}

// shows says whether a text holds the secret.
func (m *mask) shows(text string) bool {
	if m.secret == nil {
		return false
	}
	b := []byte(text)
	for i := range b {
		if n, _ := m.match(b[i:]); n > 0 {
			return true
		}
	}
	return false
}

// end adds what was kept.
func (m *mask) end(b []byte) []byte {
	b = append(b, m.rest...)
	m.rest = m.rest[:0]
	return b
}
