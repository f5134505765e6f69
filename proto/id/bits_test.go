package id_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/id"
)

func TestBitsAndFormatAreInverse(t *testing.T) {
	for range 2000 {
		s := id.New(id.APIKey)
		bits, ok := id.Bits(id.APIKey, s)
		if !ok {
			t.Fatalf("Bits refused %q", s)
		}
		if got := string(id.Format(nil, id.APIKey, bits)); got != s {
			t.Fatalf("Format(Bits(%q)) = %q", s, got)
		}
	}
}

func TestBitsRefusesWhatFormatWouldNotWrite(t *testing.T) {
	good := "key_" + strings.Repeat("0", 26)
	if _, ok := id.Bits(id.APIKey, good); !ok {
		t.Fatalf("refused %q", good)
	}
	for _, s := range []string{
		"", "key_", "key", good[:29], good + "0", "mdl_" + good[4:], "key-" + good[4:],
		good[:29] + "1", // bits beyond 128
		good[:29] + "u", good[:10] + "i" + good[11:], good[:10] + "A" + good[11:], good[:28] + "é",
	} {
		if _, ok := id.Bits(id.APIKey, s); ok {
			t.Errorf("took %q", s)
		}
	}
}
