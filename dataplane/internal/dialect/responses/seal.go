package responses

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// What only another dialect can read goes through callers in the field
// encrypted_content of a reasoning item, because that is what every SDK and
// agent sends back as it came: "tollgate:", the dialect, what it is, and the
// text itself. What has no such head is a provider's own.
const sealMark = `"tollgate:`

// Kinds of sealed text.
const (
	sealedSignature = 's'
	sealedRedacted  = 'r'
	sealedOpaque    = 'o'
	// sealedForLast is the signature of the part before.
	sealedForLast = 'p'
)

// appendSealed writes a text with the dialect that can read it.
func appendSealed(b []byte, from canon.Dialect, kind byte, payload canon.Text) []byte {
	if from == canon.Responses && (kind == sealedSignature || kind == sealedRedacted) {
		return append(b, payload...)
	}
	b = append(b, sealMark...)
	b = append(b, from...)
	b = append(b, ':', kind, ':')
	b = payload.Append(b)
	return append(b, '"')
}

// unwrap tells what a sealed text is; kind is 0 for a provider's own.
func unwrap(t canon.Text) (from canon.Dialect, kind byte, payload canon.Text) {
	rest, ok := bytes.CutPrefix(t, []byte(sealMark))
	if !ok {
		return canon.Responses, 0, t
	}
	name, rest, ok := bytes.Cut(rest, []byte{':'})
	if !ok || len(rest) < 3 || rest[1] != ':' || len(name) > 32 {
		return canon.Responses, 0, t
	}
	payload = append(append(make(canon.Text, 0, len(rest)), '"'), rest[2:]...)
	return canon.Dialect(name), rest[0], payload
}
