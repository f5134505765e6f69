package anthropic

import (
	"encoding/json"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/proto/fault"
)

// errorTypes pairs the API's types of errors with HTTP statuses; the first of
// a status stands for it.
var errorTypes = [...]struct {
	name   string
	status int
}{
	{"invalid_request_error", 400},
	{"authentication_error", 401},
	{"billing_error", 402},
	{"permission_error", 403},
	{"not_found_error", 404},
	{"timeout_error", 408},
	{"request_too_large", 413},
	{"rate_limit_error", 429},
	{"api_error", 500},
	{"overloaded_error", 503},
	{"timeout_error", 504},
	{"overloaded_error", 529},
}

func typeOf(status int) string {
	for _, t := range errorTypes {
		if t.status == status {
			return t.name
		}
	}
	if status >= 400 && status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}

// appendFault writes a fault as Anthropic's SDKs read it, with what people
// need to act on it.
func appendFault(b []byte, f *fault.Fault, requestID string) []byte {
	b = append(b, `{"type":"error","error":{"type":"`...)
	b = append(b, typeOf(f.HTTPStatus())...)
	b = append(b, `","message":`...)
	b = canon.AppendQuoted(b, f.Public())
	b = append(b, `,"details":{"error_code":`...)
	b = canon.AppendQuoted(b, f.PublicCode())
	b = append(b, `},"code":`...)
	b = canon.AppendQuoted(b, f.PublicCode())
	if f.Param != "" {
		b = append(b, `,"param":`...)
		b = canon.AppendQuoted(b, f.Param)
	}
	b = append(b, `,"doc_url":`...)
	b = canon.AppendQuoted(b, fault.DocURL(fault.DocBase, f.Kind.Code))
	b = append(b, `,"fix":`...)
	b = canon.AppendQuoted(b, f.PublicFix())
	b = append(b, `},"request_id":`...)
	b = canon.AppendQuoted(b, requestID)
	return append(b, '}')
}

// readRefusal turns a provider's refusal into ours. Errors inside of an answer
// with status 200, or of a stream, bear their status in their type.
func readRefusal(status int, body []byte, secret string) *fault.Fault {
	var e struct {
		Error struct {
			Type    string `json:"type"`
			Details struct {
				Code string `json:"error_code"`
			} `json:"details"`
		} `json:"error"`
	}
	const most = 64 << 10
	known := len(body) <= most && json.Unmarshal(body, &e) == nil
	if known && status < 300 {
		status = 500
		for _, t := range errorTypes {
			if t.name == e.Error.Type {
				status = t.status
				break
			}
		}
	}
	f := openai.ProviderFault(status, body, secret)
	if known && f.Kind == fault.UpstreamRejected && f.Detail != "" && f.Code == "" {
		f.Code = shortName(e.Error.Details.Code)
	}
	return f
}

// shortName lets through what names a code, and nothing else.
func shortName(s string) string {
	const most = 64
	if len(s) > most {
		return ""
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return ""
		}
	}
	return s
}
