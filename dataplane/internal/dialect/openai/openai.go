// Package openai owns the wire format of OpenAI's chat completions, which many
// providers share: translating requests, answers and streams from and to
// canon, watching the usage of those that pass as they are, and writing errors
// and lists. It must not know other dialects, tenants, routes, connections or
// net/http.
package openai

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

func wrongType(param, want string) *fault.Fault {
	return fault.Newf(fault.WrongType, "%s must be %s.", param, want).WithParam(param)
}

// malformed says where the text stops being JSON.
func malformed(s *jsonscan.Scanner) *fault.Fault {
	if s.Pos() >= len(s.Text()) {
		return fault.Newf(fault.MalformedJSON, "The body is not valid JSON: it ends after %d bytes in the middle of a value.", len(s.Text()))
	}
	return fault.Newf(fault.MalformedJSON, "The body is not valid JSON at byte %d.", s.Pos())
}

// integer reads a whole number; ok is false for anything else.
func integer(b []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
