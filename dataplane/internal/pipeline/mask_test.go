package pipeline

import (
	"strings"
	"testing"
)

// A secret with signs in it is found as JSON and URLs write it, however the
// body is torn, and beginnings of it are given back.
func TestMaskFindsEscapedSecrets(t *testing.T) {
	const secret = "ABSKa/b+c=="
	for body, hidden := range map[string]bool{
		`{"a":"Bearer ABSKa\/b+c=="}`:                    true,
		`{"a":"ABSKa/b\u002bc\u003d\u003D"}`:             true,
		`a=ABSKa%2Fb%2bc%3d%3D&b`:                        true,
		`ABSKa/b+c=`:                                     false,
		`ABSKa\/b\u002`:                                  false,
		`ABSKa\/b\u002x`:                                 false,
		`ABSKABSKa%2Fb+c%3d=`:                            true,
		strings.Repeat("ABSKa", 9) + `/b+c=` + "\\u003d": true,
	} {
		for size := 1; size <= len(body); size++ {
			m := newMask(secret)
			var out []byte
			for rest := []byte(body); len(rest) > 0; {
				n := min(size, len(rest))
				out = m.append(out, rest[:n])
				rest = rest[n:]
			}
			out = m.end(out)
			if hidden == (string(out) == body) || len(out) != len(body) || hidden && m.shows(string(out)) {
				t.Errorf("%s in pieces of %d: %s", body, size, out)
			}
		}
	}
}

// FuzzMask: however a body is torn, the secret does not come out, and nothing
// else changes.
func FuzzMask(f *testing.F) {
	f.Add("a sk-secret-1 b sk-secret- sk-sk-secret-1", "sk-secret-1", 1)
	f.Add("aaaaaaaaaaaaaaa", "aaaaaaaa", 3)
	f.Add("abababababababx", "abababax", 4)
	f.Fuzz(func(t *testing.T, body, secret string, size int) {
		if len(secret) < minMasked || strings.ContainsAny(secret, `*\%`) || strings.ContainsAny(body, `\%`) {
			return
		}
		size = min(max(size, 1), len(body)+1)
		m := newMask(secret)
		var out []byte
		for rest := []byte(body); len(rest) > 0; {
			n := min(size, len(rest))
			out = m.append(out, rest[:n])
			rest = rest[n:]
		}
		out = m.end(out)
		if want := strings.ReplaceAll(body, secret, strings.Repeat("*", len(secret))); string(out) != want {
			t.Fatalf("%q without %q in pieces of %d: %q, want %q", body, secret, size, out, want)
		}
	})
}
