package anthropic

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// AppendHosted writes a request as clouds want it that host these models: they
// have the model's name in the path and the version of the API in the body,
// and refuse a model beside it; but a count of tokens has its model in the
// body. All else stays as it was, byte for byte. One copy of the body.
func AppendHosted(b, body []byte, version, model string) []byte {
	b = append(b, `{"anthropic_version":"`...)
	b = append(b, version...)
	b = append(b, '"')
	if model != "" {
		b = canon.AppendQuoted(append(b, `,"model":`...), model)
	}
	var s jsonscan.Scanner
	var buf [64]byte
	s.Reset(body)
	if !s.Open('{') {
		return body
	}
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok {
			// What is no JSON is for the API to refuse.
			return body
		}
		if !more {
			return append(b, '}')
		}
		value, ok := s.Value()
		if !ok {
			return body
		}
		switch string(s.Name(key, escaped, &buf)) {
		case "model", "anthropic_version":
		default:
			b = append(b, ',')
			b = append(b, key.Of(body)...)
			b = append(b, ':')
			b = append(b, value.Of(body)...)
		}
	}
}
