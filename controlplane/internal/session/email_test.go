package session_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/session"
)

func TestCheckEmail(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com": "ada@example.com", " Ada@Example.COM ": "ada@example.com", "a+b@sub.example.org": "a+b@sub.example.org",
	} {
		if got, err := session.CheckEmail(in); err != nil || got != want {
			t.Errorf("CheckEmail(%q) = %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "ada", "@", "ada@", "@example.com", "a b@example.com", `"a b"@example.com`,
		"Ada <ada@example.com>", "ada@example.com, eve@example.com", "ada@example.com\nBcc: eve@example.com", strings.Repeat("a", 250) + "@example.com"} {
		if got, err := session.CheckEmail(bad); err == nil {
			t.Errorf("CheckEmail(%q) = %q, want an error", bad, got)
		}
	}
}

func FuzzCheckEmail(f *testing.F) {
	f.Add("ada@example.com")
	f.Add("a\x00@b")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := session.CheckEmail(s)
		if err != nil {
			return
		}
		if again, err := session.CheckEmail(got); err != nil || again != got {
			t.Errorf("CheckEmail(%q) = %q, which is %q, %v the second time", s, got, again, err)
		}
		if strings.ContainsAny(got, " \r\n\x00") {
			t.Errorf("CheckEmail(%q) = %q", s, got)
		}
	})
}
