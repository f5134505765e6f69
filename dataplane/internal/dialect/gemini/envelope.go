package gemini

import (
	"bytes"
	"encoding/base64"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// An envelope is a thoughtSignature of ours: base64 of a JSON object that holds
// what the reasoning of other dialects needs to be taken back by its provider
// and Gemini has no field for. SDKs send a thoughtSignature back as it was,
// and drop fields that they do not know; several of them also refuse one that
// is not plain base64.
const envelopeHead = `{"tollgate":` // 12 bytes, so that its base64 is a prefix

var envelopePrefix = []byte(base64.StdEncoding.EncodeToString([]byte(envelopeHead)))

// enveloped says whether what a part needs fits into no plain signature.
func enveloped(p *canon.Part) bool {
	if p.Redacted != nil || p.Kind == canon.ReasoningPart && p.ID != nil {
		return true
	}
	return p.Signature != nil && (!isBase64(p.Signature) || bytes.HasPrefix(p.Signature[1:], envelopePrefix))
}

// isBase64 reports whether a text is base64 as every SDK reads it.
func isBase64(t canon.Text) bool {
	in := t[1 : len(t)-1]
	if len(in)%4 != 0 {
		return false
	}
	in = bytes.TrimSuffix(bytes.TrimSuffix(in, []byte{'='}), []byte{'='})
	for _, c := range in {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// appendSignature writes a part's thoughtSignature as a JSON string; nothing
// when it has none.
func signature(p *canon.Part) canon.Text {
	if !enveloped(p) {
		return p.Signature
	}
	in := append([]byte(envelopeHead), '1')
	for _, f := range []struct {
		name string
		text canon.Text
	}{{"id", p.ID}, {"signature", p.Signature}, {"redacted", p.Redacted}} {
		if f.text != nil && (f.name != "id" || p.Kind == canon.ReasoningPart) {
			in = append(append(append(in, `,"`...), f.name...), `":`...)
			in = append(in, f.text...)
		}
	}
	in = append(in, '}')
	out := make(canon.Text, 1, base64.StdEncoding.EncodedLen(len(in))+2)
	out[0] = '"'
	return append(base64.StdEncoding.AppendEncode(out, in), '"')
}

// unwrap takes an envelope apart; other signatures stay.
func unwrap(p *canon.Part) {
	if len(p.Signature) < 2 || !bytes.HasPrefix(p.Signature[1:], envelopePrefix) {
		return
	}
	raw, err := base64.StdEncoding.AppendDecode(nil, p.Signature[1:len(p.Signature)-1])
	if err != nil {
		return
	}
	var s jsonscan.Scanner
	s.Reset(raw)
	var texts [3]canon.Text
	ok := s.Object(func(name []byte) bool {
		c := s.Peek()
		v, ok := s.Value()
		for i, n := range []string{"id", "signature", "redacted"} {
			if ok && c == '"' && string(name) == n {
				texts[i] = v.Of(raw)
			}
		}
		return ok
	})
	if !ok || !s.End() {
		return
	}
	p.Signature, p.Redacted = texts[1], texts[2]
	if p.Kind == canon.ReasoningPart {
		p.ID = texts[0]
		if p.Redacted != nil && p.Text.Empty() {
			p.Text = nil
		}
	}
}

// standard gives a signature in the alphabet that Google sends: some SDKs send
// it back in the other one.
func standard(t canon.Text) canon.Text {
	if bytes.IndexByte(t, '-') < 0 && bytes.IndexByte(t, '_') < 0 {
		return t
	}
	out := bytes.Clone(t)
	for i, c := range out {
		switch c {
		case '-':
			out[i] = '+'
		case '_':
			out[i] = '/'
		}
	}
	return out
}
