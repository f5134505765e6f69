package eventstream_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// TestKnownFrames are from the published test suite of the encoding: an empty
// message, one with a payload alone, and one of our API's own kind.
func TestKnownFrames(t *testing.T) {
	for _, c := range []struct{ frame, payload string }{
		{"000000100000000005c248eb7d98c8ff", ""},
		{"0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", "{'foo':'bar'}"},
		{"0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1", "{'foo':'bar'}"},
	} {
		frame, err := hex.DecodeString(c.frame)
		if err != nil {
			t.Fatal(err)
		}
		m, err := eventstream.Parse(frame)
		if err != nil || string(m.Payload) != c.payload || m.Kind != eventstream.Event {
			t.Errorf("%s: %v %q", c.frame, err, m.Payload)
		}
		for i := range frame {
			mutant := bytes.Clone(frame)
			mutant[i] ^= 1
			if _, err := eventstream.Parse(mutant); err == nil {
				t.Errorf("%s with byte %d changed was taken", c.frame, i)
			}
		}
	}
}

// TestAllTypesOfHeaders: values of every type are passed over by their size.
func TestAllTypesOfHeaders(t *testing.T) {
	headers := "\x01a\x00" + "\x01b\x01" + "\x01c\x02x" + "\x01d\x03xx" + "\x01e\x04xxxx" + "\x01f\x05xxxxxxxx" +
		"\x01g\x06\x00\x03xxx" + "\x01h\x08xxxxxxxx" + "\x01i\x09xxxxxxxxxxxxxxxx" + "\x0b:event-type\x07\x00\x04last"
	m, err := eventstream.Parse(eventstream.AppendRaw(nil, []byte(headers), []byte("{}")))
	if err != nil || string(m.Name) != "last" || string(m.Payload) != "{}" {
		t.Errorf("%v %q", err, m.Name)
	}
	for cut := 1; cut < len(headers); cut++ {
		// Cut between two headers, it is whole but has no name.
		m, err := eventstream.Parse(eventstream.AppendRaw(nil, []byte(headers[:cut]), []byte("{}")))
		if err != nil && !errors.Is(err, eventstream.ErrHeader) || err == nil && m.Name != nil {
			t.Errorf("headers cut at %d: %v %q", cut, err, m.Name)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, want := range []eventstream.Message{
		{Kind: eventstream.Event, Name: []byte("messageStart"), Payload: []byte(`{"role":"assistant"}`)},
		{Kind: eventstream.Exception, Name: []byte("throttlingException"), Payload: []byte(`{"message":"slow"}`)},
		{Kind: eventstream.Error, Name: []byte("InternalError"), Text: []byte("sorry")},
	} {
		got, err := eventstream.Parse(eventstream.Append([]byte("before"), &want)[len("before"):])
		if err != nil || got.Kind != want.Kind || !bytes.Equal(got.Name, want.Name) || !bytes.Equal(got.Text, want.Text) || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("%v: %+v became %+v", err, want, got)
		}
	}
}

// TestAnAnnouncedSizeIsNotBelieved: nothing is kept for lengths that no message
// has.
func TestAnAnnouncedSizeIsNotBelieved(t *testing.T) {
	none := func([]byte) error { return errors.New("a frame came") }
	for want, lengths := range map[error][2]uint32{
		eventstream.ErrTooLarge: {eventstream.MaxMessage + 1, 0},
		eventstream.ErrLength:   {15, 0},
	} {
		var s eventstream.Splitter
		if err := s.Feed(eventstream.Prelude(lengths[0], lengths[1]), none); !errors.Is(err, want) {
			t.Errorf("%v: %v", lengths, err)
		}
	}
	var s eventstream.Splitter
	if err := s.Feed(eventstream.Prelude(100, 85), none); !errors.Is(err, eventstream.ErrLength) {
		t.Error(err)
	}
	if err := new(eventstream.Splitter).Feed([]byte("event: ping\ndata: {}\n\n"), none); !errors.Is(err, eventstream.ErrChecksum) {
		t.Errorf("server-sent events: %v", err)
	}
}

// FuzzSplitter: however a stream is torn into reads, its frames are the same,
// and all bytes are in a frame, in the rest, or behind an error.
func FuzzSplitter(f *testing.F) {
	m := eventstream.Message{Name: []byte("a"), Payload: []byte("{}")}
	two := eventstream.Append(eventstream.Append(nil, &m), &m)
	f.Add(two, uint8(1))
	f.Add(two[:len(two)-3], uint8(7))
	for _, b := range recordings.Seeds(f, "agentgateway/response/bedrock/*.bin", "agentgateway/response/detect/bedrock-*.bin") {
		f.Add(b, uint8(50))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole, err1 := split(b, len(b)+1)
		torn, err2 := split(b, int(size)+1)
		if !errors.Is(err2, err1) || !bytes.Equal(whole, torn) {
			t.Fatalf("%v %q whole, %v %q torn", err1, whole, err2, torn)
		}
		if !bytes.HasPrefix(b, whole) || err1 == nil && len(whole) != len(b) {
			t.Fatal("bytes are gone")
		}
	})
}

// split gives the frames and, without an error, the rest.
func split(b []byte, size int) (out []byte, err error) {
	var s eventstream.Splitter
	for len(b) > 0 && err == nil {
		n := min(size, len(b))
		err = s.Feed(b[:n], func(frame []byte) error {
			out = append(out, frame...)
			m, err := eventstream.Parse(frame)
			if err == nil && len(m.Payload) > len(frame) {
				panic("payload is larger than its frame")
			}
			return nil
		})
		b = b[n:]
	}
	if err == nil {
		out = append(out, s.Rest()...)
	}
	return out, err
}
