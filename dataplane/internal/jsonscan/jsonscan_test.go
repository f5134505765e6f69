package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

var seeds = []string{
	`{"model":"m","messages":[{"role":"user","content":"h\u00e9\n\"x\""}]}`,
	`[]`, `1e5`, `-0.5E+3`, `01`, `"\ud83d\ude00"`, `"\ud83d"`, `nul`, `{"a":tru}`, "\"\x01\"", `{"a":1,}`, `[1,]`, `{,}`, `{"a"}`, "", " ", `"\x"`, `{"a":[{"b":[[]]}]}`, "\"\xff\"",
	strings.Repeat("[", 300) + strings.Repeat("]", 300),
}

// The scanner accepts exactly what encoding/json accepts.
func FuzzValid(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Scanner
		s.Reset(b)
		_, ok := s.Value()
		if ok = ok && s.End(); ok != json.Valid(b) {
			t.Fatalf("scanner says %t of %q, encoding/json %t", ok, b, !ok)
		}
	})
}

func TestDepthIsThatOfEncodingJSON(t *testing.T) {
	for _, n := range []int{9999, 10000, 10001, 20000} {
		for _, pair := range []string{"[]", `{"a":}`} {
			open, end := pair[:len(pair)-1], pair[len(pair)-1:]
			b := []byte(strings.Repeat(open, n) + "1" + strings.Repeat(end, n))
			var s Scanner
			s.Reset(b)
			_, ok := s.Value()
			if ok = ok && s.End(); ok != json.Valid(b) {
				t.Errorf("%d × %s: scanner %t", n, pair, ok)
			}
		}
	}
}
