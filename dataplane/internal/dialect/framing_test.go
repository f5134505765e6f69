package dialect_test

import (
	"bytes"
	"fmt"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/eventstream"
	"github.com/tollgate/tollgate/dataplane/internal/sse"
)

// payloadsOf takes the events out of a stream in a format's framing.
func payloadsOf(f dialect.Format, b []byte) ([][]byte, error) {
	if f.Name() == canon.Bedrock {
		return unframed(b)
	}
	var payloads [][]byte
	var s sse.Splitter
	err := s.Feed(b, func(ev []byte) error {
		if _, data, ok := sse.Parse(ev); ok && string(data) != "[DONE]" {
			payloads = append(payloads, bytes.Clone(data))
		}
		return nil
	})
	if err != nil || len(bytes.TrimSpace(s.Rest())) > 0 {
		return nil, fmt.Errorf("not a stream of events: %v, rest %q", err, s.Rest())
	}
	return payloads, nil
}

// unframed takes the events out of AWS's framing; each becomes an object with
// one member of the event's name.
func unframed(b []byte) ([][]byte, error) {
	var payloads [][]byte
	var s eventstream.Splitter
	err := s.Feed(b, func(frame []byte) error {
		m, err := eventstream.Parse(frame)
		payloads = append(payloads, fmt.Appendf(nil, "{%q:%s}", m.Name, m.Payload))
		return err
	})
	if err == nil && len(s.Rest()) > 0 {
		err = fmt.Errorf("not a stream of frames, rest %q", s.Rest())
	}
	return payloads, err
}
