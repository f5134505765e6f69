// Package cohere owns the dialect of Cohere's chat API, version 2: requests,
// answers, streams and errors. Providers speak it, callers do not; answers are
// written all the same, for what shows that nothing is lost on the way. It must
// not know tenants, routes or connections.
package cohere

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// Format is the dialect.
type Format struct{}

// Name of the dialect.
func (Format) Name() canon.Dialect { return canon.Cohere }

// ReadRequest is for callers, and none speaks this dialect.
func (Format) ReadRequest([]byte, *canon.Request) *fault.Fault {
	return fault.New(fault.BadRequest, "Callers are not served in Cohere's dialect.", nil)
}

// stops pairs the API's reasons with ours; the first of a reason of ours stands
// for it. Those of the second half are no words of the API: they keep what
// answers of others say.
var stops = [...]struct {
	name string
	stop canon.Stop
}{
	{"COMPLETE", canon.StopEnd},
	{"MAX_TOKENS", canon.StopLength},
	{"STOP_SEQUENCE", canon.StopSequence},
	{"TOOL_CALL", canon.StopTools},
	{"ERROR", canon.StopError},
	{"TIMEOUT", canon.StopError},
	{"ERROR_TOXIC", canon.StopFilter},
	{"ERROR_LIMIT", canon.StopContext},
	{"REFUSAL", canon.StopRefusal},
	{"PAUSE", canon.StopPause},
}

func stopOf(reason canon.Text) canon.Stop {
	for i := range stops {
		if reason.Is(stops[i].name) {
			return stops[i].stop
		}
	}
	return canon.StopUnset
}

// reasonOf gives the API's word for why an answer stopped, as JSON.
func reasonOf(stop canon.Stop) string {
	for i := range stops {
		if stops[i].stop == stop {
			return `"` + stops[i].name + `"`
		}
	}
	return "null"
}

// AppendFault writes an error as the API does.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	b = canon.AppendQuoted(append(b, `{"id":`...), requestID)
	b = canon.AppendQuoted(append(b, `,"message":`...), f.Public())
	b = canon.AppendQuoted(append(b, `,"code":`...), f.PublicCode())
	return append(b, '}')
}

// AppendFaultEvent writes an error as the end of a stream.
func (Format) AppendFaultEvent(b []byte, f *fault.Fault, _ string) []byte {
	b = append(b, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":"...)
	b = canon.AppendQuoted(b, f.Public())
	return append(b, "}}\n\n"...)
}

// maxRefusal bounds what is read of a refusal.
const maxRefusal = 64 << 10

// ReadRefusal turns the API's error into ours: its message stands at the top.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	var e struct {
		Message string `json:"message"`
	}
	if len(body) <= maxRefusal && json.Unmarshal(body, &e) == nil && e.Message != "" {
		body = append(canon.AppendQuoted([]byte(`{"error":{"message":`), e.Message), "}}"...)
	}
	if status == 498 {
		// The API's own status for a token that is none.
		status = http.StatusUnauthorized
	}
	return openaierror.Read(status, body, secret)
}

func garbage(why string) *fault.Fault { return fault.New(fault.UpstreamGarbage, "", errors.New(why)) }
