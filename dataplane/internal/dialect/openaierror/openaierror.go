// Package openaierror owns errors in OpenAI's shape, which its dialects share:
// writing ours as its SDKs read them, and turning a provider's refusal into
// ours. It must not know requests or answers.
package openaierror

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// Append writes a fault as OpenAI's SDKs read it, with what people need
// to act on it.
func Append(b []byte, f *fault.Fault, requestID string) []byte {
	b = append(b, `{"error":{"message":`...)
	b = canon.AppendQuoted(b, f.Public())
	b = append(b, `,"type":`...)
	b = canon.AppendQuoted(b, f.Kind.Type)
	b = append(b, `,"param":`...)
	if f.Param == "" {
		b = append(b, "null"...)
	} else {
		b = canon.AppendQuoted(b, f.Param)
	}
	b = append(b, `,"code":`...)
	b = canon.AppendQuoted(b, f.PublicCode())
	b = append(b, `,"request_id":`...)
	b = canon.AppendQuoted(b, requestID)
	b = append(b, `,"doc_url":`...)
	b = canon.AppendQuoted(b, fault.DocURL(fault.DocBase, f.Kind.Code))
	b = append(b, `,"fix":`...)
	b = canon.AppendQuoted(b, f.PublicFix())
	return append(b, "}}"...)
}

// providerError is the error object of OpenAI's format; others that follow it
// leave fields out or send numbers as codes.
type providerError struct {
	Message string          `json:"message"`
	Param   json.RawMessage `json:"param"`
	Code    json.RawMessage `json:"code"`
}

// maxMessage bounds what is shown of a provider's message.
const maxMessage = 1000

// maxBody bounds the bodies that are read.
const maxBody = 64 << 10

// Read turns a provider's refusal into ours. Only the message and the
// name of the field leave the provider's body, and only when the refusal is
// about what the caller sent; a body of unknown shape is never shown. The
// secret is taken out wherever the provider repeats it.
func Read(status int, body []byte, secret string) *fault.Fault {
	var e providerError
	known := readProviderError(body, &e)
	message := ""
	if known {
		message = clean(e.Message, secret)
	}
	kind := fault.UpstreamError
	switch {
	case status == 401 || status == 403:
		return fault.New(fault.UpstreamAuth, "", nil)
	case status == 429:
		return fault.New(fault.UpstreamRateLimited, "", nil)
	case status == 408:
		kind = fault.UpstreamTimeout
	case status >= 400 && status < 500:
		kind = fault.UpstreamRejected
	case status >= 300 && status < 400:
		return fault.New(fault.UpstreamGarbage, "The provider answered with a redirect, which is not followed.", nil)
	}
	f := fault.New(kind, "", nil)
	if kind != fault.UpstreamRejected {
		return f
	}
	// The status is the provider's own, so that SDKs raise the right error.
	f.Status = status
	if message != "" {
		f.Detail = "The provider refused the call: " + message
		f.Param = shortName(text(e.Param))
		f.Code = shortName(text(e.Code))
		Hide(f, secret)
	}
	return f
}

// Hide takes a secret out of what callers are shown of a provider's error.
func Hide(f *fault.Fault, secret string) {
	f.Detail = Redact(f.Detail, secret)
	for _, name := range [...]*string{&f.Param, &f.Code} {
		if Redact(*name, secret) != *name {
			*name = ""
		}
	}
}

// statuses are those that an error stands for that has none, since it came
// inside of an answer or a stream.
var statuses = [...]struct {
	name   string
	status int
}{
	{"rate_limit_exceeded", 429}, {"insufficient_quota", 429}, {"rate_limit_error", 429}, {"tokens", 429},
	{"too_many_requests", 429}, {"too_many_requests_error", 429},
	{"invalid_api_key", 401}, {"authentication_error", 401}, {"permission_error", 403},
	{"model_not_found", 404}, {"not_found", 404}, {"not_found_error", 404},
	{"invalid_request", 400}, {"invalid_request_error", 400}, {"invalid_prompt", 400},
	{"context_length_exceeded", 400}, {"content_policy_violation", 400},
}

// Inside turns an error that came inside of an answer or a stream into ours: its
// code or type tells what its status would have been, and some write that. Who
// knows the secret takes it out, with Hide.
func Inside(body []byte) *fault.Fault {
	var e struct {
		Error json.RawMessage `json:"error"`
		errorNames
	}
	if len(body) > maxBody || json.Unmarshal(body, &e) != nil {
		return Read(500, nil, "")
	}
	var names errorNames
	if json.Unmarshal(e.Error, &names) != nil {
		names = e.errorNames
	}
	return Read(names.status(), body, "")
}

// errorNames are the names that an error has.
type errorNames struct {
	Code json.RawMessage `json:"code"`
	Type json.RawMessage `json:"type"`
}

func (n *errorNames) status() int {
	code, kind := text(n.Code), text(n.Type)
	for _, s := range statuses {
		if code == s.name || kind == s.name {
			return s.status
		}
	}
	if code == "" {
		code = string(n.Code)
	}
	if status, err := strconv.Atoi(code); err == nil && status >= 400 && status < 600 {
		return status
	}
	return 500
}

// shortName lets through what names a field or code, and nothing else.
func shortName(s string) string {
	if len(s) > 64 {
		return ""
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-', c == '[', c == ']':
		default:
			return ""
		}
	}
	return s
}

// flatError is the error of those who follow the format but for an object
// "error": xAI has a text there, Mistral and Cerebras have its fields at the
// top, Voyage and what is built with FastAPI have a detail.
type flatError struct {
	Error   json.RawMessage `json:"error"`
	Message json.RawMessage `json:"message"`
	Detail  json.RawMessage `json:"detail"`
	Param   json.RawMessage `json:"param"`
	Code    json.RawMessage `json:"code"`
}

func readProviderError(body []byte, e *providerError) bool {
	var outer flatError
	if len(body) > maxBody || json.Unmarshal(body, &outer) != nil {
		return false
	}
	if json.Unmarshal(outer.Error, e) == nil && e.Message != "" {
		return true
	}
	*e = providerError{Param: outer.Param, Code: outer.Code}
	for _, raw := range []json.RawMessage{outer.Error, outer.Message, outer.Detail} {
		if e.Message = text(raw); e.Message != "" {
			return true
		}
	}
	var within struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(outer.Message, &within) == nil && within.Detail != nil {
		outer.Detail = within.Detail
	}
	e.Message = complaints(outer.Detail)
	return e.Message != ""
}

// complaints joins what a list says is wrong with the fields of a request, each
// with the place of the field.
func complaints(detail json.RawMessage) string {
	var list []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(detail, &list) != nil {
		return ""
	}
	var b strings.Builder
	for i, c := range list {
		if c.Msg == "" || i == maxComplaints {
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		for k, at := range c.Loc {
			if k > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, at)
		}
		if len(c.Loc) > 0 {
			b.WriteString(": ")
		}
		b.WriteString(c.Msg)
	}
	return b.String()
}

// maxComplaints bounds what is shown of such a list.
const maxComplaints = 5

// text gives a JSON string's text and nothing for other values.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// clean makes a provider's text fit to be shown: no secret, no control
// characters, not long.
func clean(s, secret string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	s = Redact(s, secret)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}

// Redact takes a secret out of a provider's text. Keys are also found by their
// form, because providers repeat them shortened in the middle.
func Redact(s, secret string) string {
	if secret != "" {
		s = strings.ReplaceAll(s, secret, "[redacted]")
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		if looksSecret(w, secret) {
			words[i] = "[redacted]"
		}
	}
	return strings.Join(words, " ")
}

// looksSecret finds what providers make of a key when they repeat it, such as
// sk-proj-****abcd.
func looksSecret(word, secret string) bool {
	w := strings.Trim(word, `"'.,:;()[]{}<>`+"`")
	if strings.HasPrefix(w, "sk-") || strings.Contains(w, "***") {
		return true
	}
	const least = 8
	return len(secret) >= 2*least && (strings.Contains(w, secret[:least]) || strings.Contains(w, secret[len(secret)-least:]))
}
