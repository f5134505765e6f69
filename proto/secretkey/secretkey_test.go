package secretkey_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/secretkey"
)

func TestSecretsAreWellFormedAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := secretkey.New(secretkey.API)
		if seen[s] {
			t.Fatal("the same secret twice")
		}
		seen[s] = true
		if !secretkey.WellFormed(secretkey.API, s) {
			t.Fatalf("%q is not well formed", s)
		}
		if secretkey.WellFormed(secretkey.Management, s) {
			t.Fatal("a caller's key passes for a management key")
		}
		if hint := secretkey.Hint(s); len(hint) > 20 || strings.Contains(hint, s[8:len(s)-4]) {
			t.Fatalf("hint %q gives the secret away", hint)
		}
	}
}

func TestATypingErrorIsSeen(t *testing.T) {
	s := secretkey.New(secretkey.API)
	for i := range s {
		c := byte('x')
		if s[i] == c {
			c = 'y'
		}
		if bad := s[:i] + string(c) + s[i+1:]; secretkey.WellFormed(secretkey.API, bad) {
			t.Errorf("%q passes with character %d changed", bad, i)
		}
	}
	for _, bad := range []string{"", "tgk_", s[:len(s)-1], s + "x"} {
		if secretkey.WellFormed(secretkey.API, bad) {
			t.Errorf("%q passes", bad)
		}
	}
}
