package count

import (
	"strings"
	"testing"
	"time"
)

func TestCountsLikeTheVocabulary(t *testing.T) {
	var c Counter
	for text, want := range map[string]int64{
		"":                    0,
		"Hello, world!":       4,
		"The quick brown fox": 4,
	} {
		if got := c.Tokens([]byte(text), len(text)); got != want {
			t.Errorf("Tokens(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestLongTextIsExtrapolated(t *testing.T) {
	var c Counter
	text := []byte(strings.Repeat("The quick brown fox jumps over it. ", 20000))
	got, tenth := c.Tokens(text, len(text)), c.Tokens(text[:len(text)/10], len(text)/10)
	if got < tenth*9 || got > tenth*11 {
		t.Errorf("ten times the text has %d tokens, a tenth %d", got, tenth)
	}
	if part := c.Tokens(text[:1000], len(text)); part < got*8/10 || part > got*12/10 {
		t.Errorf("from a part: %d, from the whole: %d", part, got)
	}
}

func TestHostileTextTakesBoundedTime(t *testing.T) {
	var c Counter
	c.Tokens([]byte("load"), 4)
	for _, s := range []string{"a", " ", "é", "\xff", "ab1"} {
		text := []byte(strings.Repeat(s, 1<<20))
		start := time.Now()
		c.Tokens(text, len(text))
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("1 MiB of %q took %v", s, d)
		}
	}
}
