package gemini

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/proto/fault"
)

// statuses are the names that Google's errors have beside the HTTP status.
var statuses = []struct {
	code int
	name string
}{
	{400, "INVALID_ARGUMENT"}, {401, "UNAUTHENTICATED"}, {403, "PERMISSION_DENIED"}, {404, "NOT_FOUND"}, {405, "UNIMPLEMENTED"},
	{408, "DEADLINE_EXCEEDED"}, {409, "ABORTED"}, {412, "FAILED_PRECONDITION"}, {429, "RESOURCE_EXHAUSTED"}, {499, "CANCELLED"},
	{500, "INTERNAL"}, {501, "UNIMPLEMENTED"}, {502, "UNAVAILABLE"}, {503, "UNAVAILABLE"}, {504, "DEADLINE_EXCEEDED"},
}

func statusName(code int) string {
	for _, s := range statuses {
		if s.code == code {
			return s.name
		}
	}
	if code < 500 {
		return "INVALID_ARGUMENT"
	}
	return "UNKNOWN"
}

// statusCode is the HTTP status of a name, 0 for unknown ones.
func statusCode(name string) int {
	for _, s := range statuses {
		if s.name == name {
			return s.code
		}
	}
	return 0
}

// AppendFault writes an error as Google's SDKs read it. Our code and what to do
// about it stand in the details.
func (Format) AppendFault(b []byte, f *fault.Fault, requestID string) []byte {
	status := f.HTTPStatus()
	b = append(b, `{"error":{"code":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = canon.AppendQuoted(append(b, `,"message":`...), f.Public())
	b = canon.AppendQuoted(append(b, `,"status":`...), statusName(status))
	b = append(b, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
	b = canon.AppendQuoted(b, strings.ToUpper(f.Kind.Code))
	b = append(b, `,"domain":"tollgate","metadata":{"code":`...)
	b = canon.AppendQuoted(b, f.PublicCode())
	b = canon.AppendQuoted(append(b, `,"request_id":`...), requestID)
	b = canon.AppendQuoted(append(b, `,"doc_url":`...), fault.DocURL(fault.DocBase, f.Kind.Code))
	b = canon.AppendQuoted(append(b, `,"fix":`...), f.PublicFix())
	if f.Param != "" {
		b = canon.AppendQuoted(append(b, `,"param":`...), f.Param)
	}
	b = append(b, "}}"...)
	if f.Param != "" {
		b = append(b, `,{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...)
		b = canon.AppendQuoted(b, f.Param)
		b = canon.AppendQuoted(append(b, `,"description":`...), f.Public())
		b = append(b, "}]}"...)
	}
	return append(b, "]}}"...)
}

// AppendFaultEvent writes an error into a stream that has begun. Google sends
// it bare, without "data:": its SDKs raise an error on what is not data, and
// take an error inside of data for an answer without candidates. In an array
// it is the last element.
func (f Format) AppendFaultEvent(b []byte, bad *fault.Fault, requestID string) []byte {
	if f.Array {
		return append(f.AppendFault(append(b, ",\n"...), bad, requestID), "\n]"...)
	}
	return append(f.AppendFault(b, bad, requestID), '\n')
}

// refusal is the error object of Google's APIs.
type refusal struct {
	Code    json.Number `json:"code"`
	Message string      `json:"message"`
	Status  string      `json:"status"`
	Details []struct {
		Reason string `json:"reason"`
	} `json:"details"`
}

// maxRefusal bounds what is looked at of an error's body.
const maxRefusal = 64 << 10

// ReadRefusal turns a provider's error into ours. Of the provider's text the
// caller gets what openaierror.Read lets through.
func (Format) ReadRefusal(status int, body []byte, secret string) *fault.Fault {
	var outer struct {
		Error refusal `json:"error"`
	}
	body = bytes.TrimSpace(body)
	known := false
	if len(body) <= maxRefusal {
		if bytes.HasPrefix(body, []byte{'['}) {
			// A stream that is an array holds its error as an element.
			var list []json.RawMessage
			if json.Unmarshal(body, &list) == nil && len(list) > 0 {
				body = list[len(list)-1]
			}
		}
		known = json.Unmarshal(body, &outer) == nil
	}
	e := &outer.Error
	if !known {
		return openaierror.Read(status, nil, secret)
	}
	if status < 300 {
		// An error inside of an answer says its status itself.
		status = 502
		if n, err := e.Code.Int64(); err == nil && n >= 400 && n < 600 {
			status = int(n)
		} else if n := statusCode(e.Status); n != 0 {
			status = n
		}
	}
	for _, d := range e.Details {
		if status == 400 && strings.HasPrefix(d.Reason, "API_KEY_") {
			// Google answers 400 to a key that it does not know.
			status = 401
		}
	}
	if status == 499 {
		status = 502
	}
	same := append([]byte(`{"error":{"message":`), canon.Quote(e.Message)...)
	same = append(append(append(same, `,"code":`...), canon.Quote(e.Status)...), "}}"...)
	return openaierror.Read(status, same, secret)
}
