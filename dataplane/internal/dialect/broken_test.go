package dialect_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// TestBrokenJSONIsRefused breaks made-up requests and answers in a place and
// in a way of many: what is no JSON any more is refused, whichever field the
// place is in.
func TestBrokenJSONIsRefused(t *testing.T) {
	const bodies, places = 600, 12
	tried := 0
	for seed := range uint64(bodies) {
		r := rand.New(rand.NewPCG(seed, 3))
		input := make([]byte, 20+r.IntN(400))
		for i := range input {
			input[i] = byte(r.Uint32())
		}
		f := callers[seed%uint64(len(callers))]
		asked := &asker{input: input, as: f.Name(), model: f.Name()}
		request, bad := f.AppendRequest(nil, asked.request(), &canon.Target{Model: "m"}, new(canon.Losses))
		if bad != nil {
			t.Fatal(bad)
		}
		g := formats[seed%uint64(len(formats))]
		answer := g.AppendAnswer(nil, (&maker{input: input}).answer())
		for range places {
			if b := breakAnywhere(r, request); !json.Valid(b) {
				tried++
				if bad := f.ReadRequest(b, new(canon.Request)); bad == nil {
					t.Errorf("%s took %s", f.Name(), b)
				}
			}
			if b := breakAnywhere(r, answer); !json.Valid(b) {
				tried++
				if err := readCut(g, b); err == nil {
					t.Errorf("%s took the answer %s", g.Name(), b)
				}
			}
		}
	}
	t.Logf("%d broken bodies", tried)
}

// breakAnywhere makes one change to a body. Most are where a value begins.
func breakAnywhere(r *rand.Rand, body []byte) []byte {
	at := r.IntN(len(body))
	if n := slices.Index(body[at:], ':'); n >= 0 && r.IntN(3) > 0 {
		at += n + 1
	}
	at = min(at, len(body)-1)
	switch r.IntN(4) {
	case 0:
		return slices.Delete(slices.Clone(body), at, at+1)
	case 1:
		return slices.Insert(slices.Clone(body), at, []byte("[{]},:\"0\\nt")[r.IntN(11)])
	case 2:
		// The value becomes an array that does not begin.
		end := at + valueEnd(body[at:])
		return slices.Concat(body[:at], []byte("["), body[end:])
	}
	return slices.Concat(body[:at], body[min(len(body), at+1+r.IntN(8)):])
}

// valueEnd is where the value ends that b begins with; 0 where none does.
func valueEnd(b []byte) int {
	for n := 1; n <= len(b); n++ {
		if json.Valid(b[:n]) && (n == len(b) || b[n] == ',' || b[n] == '}' || b[n] == ']') {
			return n
		}
	}
	return 0
}
