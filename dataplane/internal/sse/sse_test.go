package sse_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

func TestParse(t *testing.T) {
	for ev, want := range map[string]struct {
		name, data string
		ok         bool
	}{
		"data: {}\n\n":                             {"", "{}", true},
		"event: ping\ndata:{}\n\n":                 {"ping", "{}", true},
		"event:a\r\ndata: 1\r\n\r\n":               {"a", "1", true},
		"data: {\ndata: \"a\":1\ndata: }\n\n":      {"", "{\n\"a\":1\n}", true},
		": a comment\n\n":                          {"", "", false},
		"data:\n\n":                                {"", "", false},
		"id: 7\nretry: 1\nevent: x\n\n":            {"x", "", false},
		"data: " + strings.Repeat("x", 9) + "\n\n": {"", strings.Repeat("x", 9), true},
	} {
		name, data, ok := sse.Parse([]byte(ev))
		if string(name) != want.name || string(data) != want.data || ok != want.ok {
			t.Errorf("%q: %q %q %t", ev, name, data, ok)
		}
	}
}

// FuzzSplitter: however a stream is torn into reads, the events are the same
// bytes in the same order.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\r\n\r\n: c\n\nrest"), uint8(1))
	f.Add([]byte("\n\n\n\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole, rest := split(t, b, len(b)+1)
		torn, tornRest := split(t, b, int(size)+1)
		if !bytes.Equal(whole, torn) || !bytes.Equal(rest, tornRest) {
			t.Fatalf("%q whole, %q torn", whole, torn)
		}
		if !bytes.Equal(append(bytes.ReplaceAll(whole, []byte{0xff}, nil), rest...), b) && !bytes.Contains(b, []byte{0xff}) {
			t.Fatalf("%q came out as %q and %q", b, whole, rest)
		}
	})
}

// split gives the events, each after a byte that marks its start, and the rest.
func split(t *testing.T, b []byte, size int) (events, rest []byte) {
	var s sse.Splitter
	for len(b) > 0 {
		n := min(size, len(b))
		if err := s.Feed(b[:n], func(ev []byte) error {
			events = append(append(events, 0xff), ev...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	return events, bytes.Clone(s.Rest())
}

func TestAnEventWithoutEndIsTooLarge(t *testing.T) {
	var s sse.Splitter
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for range 64 {
		if err := s.Feed(piece, func([]byte) error { return nil }); err != nil {
			if !errors.Is(err, sse.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Error("4 MiB without an end were taken")
}
