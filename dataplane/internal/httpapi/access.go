package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tollgate/tollgate/proto/fault"
)

// accessLine is what is logged of each request: who, what, how it ended, how
// long it took. No prompt, no key, no secret.
type accessLine struct {
	at                                  time.Time
	requestID, tenant, key, route, code string
	status                              int
	took                                time.Duration
}

// log writes the access line, and the private cause of a refusal.
func (c *call) log(f *fault.Fault) {
	facts := &c.req.Facts
	l := accessLine{at: c.req.Started, requestID: c.req.ID, tenant: facts.TenantID, key: facts.KeyID, route: facts.Route,
		code: facts.Code, status: facts.Status, took: facts.Took}
	if f != nil {
		l.status, l.code = f.HTTPStatus(), f.Kind.Code
	}
	if l.took == 0 {
		l.took = time.Since(c.req.Started)
	}
	l.at = l.at.Add(l.took)
	if w := c.s.cfg.AccessLog; w != nil {
		l.write(w)
	} else {
		l.log(c.s.cfg.Logger)
	}
	if f == nil {
		return
	}
	if cause := errors.Unwrap(f); cause != nil {
		c.s.cfg.Logger.Warn("request refused", "request_id", l.requestID, "code", l.code, "error", cause.Error())
	}
}

func (l *accessLine) log(to *slog.Logger) {
	attrs := [...]slog.Attr{
		slog.String("request_id", l.requestID),
		slog.String("tenant", l.tenant),
		slog.String("key", l.key),
		slog.String("route", l.route),
		slog.Int("status", l.status),
		slog.Int64("duration_us", l.took.Microseconds()),
		slog.String("code", l.code),
	}
	n := len(attrs)
	if l.code == "" {
		n--
	}
	to.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs[:n]...)
}

var lines = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// write appends the line as slog's JSON handler would, at a quarter of its
// cost: it is written for every request.
func (l *accessLine) write(w io.Writer) {
	p := lines.Get().(*[]byte)
	b := append((*p)[:0], `{"time":"`...)
	b = l.at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(b, `","level":"INFO","msg":"request"`...)
	b = appendText(b, `,"request_id":`, l.requestID)
	b = appendText(b, `,"tenant":`, l.tenant)
	b = appendText(b, `,"key":`, l.key)
	b = appendText(b, `,"route":`, l.route)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(l.status), 10)
	b = strconv.AppendInt(append(b, `,"duration_us":`...), l.took.Microseconds(), 10)
	if l.code != "" {
		b = appendText(b, `,"code":`, l.code)
	}
	b = append(b, "}\n"...)
	_, _ = w.Write(b) // there is nowhere to log that the log fails
	*p = b
	lines.Put(p)
}

// appendText appends a field whose text callers may have chosen: a JSON string
// that cannot end early or break the line.
func appendText(b []byte, name, s string) []byte {
	b = append(append(b, name...), '"')
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // U+FFFD for what is not UTF-8
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}
