package pipeline

import (
	"strings"
	"testing"
)

// FuzzMask: however a body is torn, the secret does not come out, and nothing
// else changes.
func FuzzMask(f *testing.F) {
	f.Add("a sk-secret-1 b sk-secret- sk-sk-secret-1", "sk-secret-1", 1)
	f.Add("aaaaaaaaaaaaaaa", "aaaaaaaa", 3)
	f.Add("abababababababx", "abababax", 4)
	f.Fuzz(func(t *testing.T, body, secret string, size int) {
		if len(secret) < minMasked || strings.Contains(secret, "*") {
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
