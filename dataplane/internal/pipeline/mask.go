package pipeline

import "bytes"

// minMasked is the length from which on a secret is looked for; a shorter one
// would be found in harmless places.
const minMasked = 8

// mask keeps a secret out of what passes: a provider that shows its callers
// what they sent would show them what is not theirs. It costs a search of
// each piece, about 0.1 ms a MiB.
type mask struct {
	secret []byte
	// rest is an end that may be the beginning of the secret.
	rest []byte
}

func newMask(secret string) mask {
	if len(secret) < minMasked {
		return mask{}
	}
	return mask{secret: []byte(secret)}
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
	for at := from; ; {
		i := bytes.Index(b[at:], m.secret)
		if i < 0 {
			break
		}
		at += i
		for range m.secret {
			b[at] = '*'
			at++
		}
	}
	for n := min(len(m.secret)-1, len(b)-from); n > 0; n-- {
		if bytes.HasSuffix(b, m.secret[:n]) {
			m.rest = append(m.rest, m.secret[:n]...)
			return b[:len(b)-n]
		}
	}
	return b
}

// end adds what was kept.
func (m *mask) end(b []byte) []byte {
	b = append(b, m.rest...)
	m.rest = m.rest[:0]
	return b
}
