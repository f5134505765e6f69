package dialogue

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// refusal is an error answer.
type refusal struct {
	dialect Dialect
	status  int
	message string
}

// Refuse is the answer to a request that fails before it is read.
func Refuse(d Dialect, status int, message string) Answer {
	return refusalFor(d, status, message).answer()
}

func refusalFor(d Dialect, status int, message string) *refusal {
	if message == "" {
		message = fmt.Sprintf("fake failure %d", status)
	}
	return &refusal{d, status, message}
}

// bad refuses a request for what stands in it.
func (d Dialect) bad(format string, args ...any) *refusal {
	return &refusal{d, 400, fmt.Sprintf(format, args...)}
}

// kinds of errors by status: Anthropic's and Google's names.
var kinds = map[int][2]string{
	400: {"invalid_request_error", "INVALID_ARGUMENT"},
	401: {"authentication_error", "UNAUTHENTICATED"},
	403: {"permission_error", "PERMISSION_DENIED"},
	404: {"not_found_error", "NOT_FOUND"},
	413: {"request_too_large", "INVALID_ARGUMENT"},
	429: {"rate_limit_error", "RESOURCE_EXHAUSTED"},
	500: {"api_error", "INTERNAL"},
	503: {"api_error", "UNAVAILABLE"},
	529: {"overloaded_error", "UNAVAILABLE"},
}

func (r *refusal) body() any {
	names, ok := kinds[r.status]
	if !ok {
		names = kinds[500]
	}
	switch r.dialect {
	case Messages:
		return object{"type": "error", "error": object{"type": names[0], "message": r.message}, "request_id": "req_fake"}
	case Gemini:
		return object{"error": object{"code": r.status, "message": r.message, "status": names[1]}}
	}
	kind, code := "invalid_request_error", any(nil)
	switch {
	case r.status == 429:
		kind, code = "requests", "rate_limit_exceeded"
	case r.status >= 500:
		kind = "server_error"
	case r.status == 401:
		code = "invalid_api_key"
	}
	return object{"error": object{"message": r.message, "type": kind, "param": nil, "code": code}}
}

func (r *refusal) answer() Answer {
	a := Answer{Status: r.status, Type: "application/json", Parts: [][]byte{[]byte(encode(r.body()))}, Content: []int{0}}
	if r.dialect == Messages {
		a.Header = "Request-Id: req_fake\r\n"
	}
	if r.status == 429 || r.status == 503 || r.status == 529 {
		a.Header += "Retry-After: 1\r\nRetry-After-Ms: 20\r\n"
	}
	return a
}

// broken is the event of a failure in mid-stream.
func broken(d Dialect) []byte {
	r := refusalFor(d, 529, "fake failure in the stream")
	if d == Chat {
		r.status = 500
	}
	event := "data: " + encode(r.body()) + "\n\n"
	if d == Messages {
		event = "event: error\n" + event
	}
	return []byte(event)
}

// strict decodes a body whose fields must all be known.
func strict(d Dialect, raw []byte, into any) *refusal {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return d.bad("more than one JSON value")
	}
	return d.bad("%s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindOf tells strings from lists in fields that may be both.
func kindOf(raw json.RawMessage) byte {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return 0
	}
	return raw[0]
}

func unquote(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// sign makes what proves that a thought is ours.
func sign(what string) string {
	sum := sha256.Sum256([]byte("fake provider\x00" + what))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// canonical writes arguments in one way, whoever wrote them.
func canonical(args string) string {
	var v any
	if json.Unmarshal([]byte(args), &v) != nil {
		return args
	}
	return encode(v)
}

var (
	chatToolName    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	messageToolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	messageToolID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	geminiToolName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$`)
)

// size is how many bytes base64 stands for; -1 when it is none.
func size(data string) int {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(raw) == 0 {
		return -1
	}
	return len(raw)
}

// dataURL reads data:image/png;base64,….
func dataURL(url string) (mime string, n int) {
	rest, ok := strings.CutPrefix(url, "data:")
	mime, data, cut := strings.Cut(rest, ";base64,")
	if !ok || !cut {
		return "", -1
	}
	return mime, size(data)
}
