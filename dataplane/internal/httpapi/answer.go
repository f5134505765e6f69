package httpapi

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// largeBody is from where on the memory of a body counts towards the limit of
// all.
const largeBody = 1 << 20

// Body reads the request's body.
func (c *call) Body() ([]byte, error) {
	limit := c.s.limits.Body
	if c.length > int64(limit) {
		return nil, fault.New(fault.BodyTooLarge, "", nil)
	}
	c.reading.Store(true)
	var from int
	c.body, from = c.wire.Body()
	var pace pace
	for int64(len(c.body.B)-from) != c.length {
		b := c.body
		if len(b.B) == cap(b.B) {
			if err := c.reserve(2 * cap(b.B)); err != nil {
				return nil, err
			}
			c.body = c.s.cfg.Buffers.Grow(b, cap(b.B))
			b = c.body
		}
		n, err := c.wire.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		if len(b.B)-from > limit {
			return nil, fault.New(fault.BodyTooLarge, "", nil)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, readFault(err)
		}
		if until, ok := pace.more(n, c.s.limits.BodyStall); ok {
			c.wire.SetReadDeadline(until)
		}
	}
	c.reading.Store(false)
	if c.wire.Gone() {
		return nil, pipeline.ErrCallerLeft
	}
	return c.body.B[from:], nil
}

// pace lets a body take its time as long as it moves on.
type pace struct {
	since time.Time
	bytes int
}

// more counts what was read; when enough came it gives a new deadline.
func (p *pace) more(n int, stall time.Duration) (until time.Time, ok bool) {
	const enough = 16 << 10
	if p.bytes += n; p.bytes < enough {
		return time.Time{}, false
	}
	now := time.Now()
	if now.Sub(p.since) < time.Second {
		return time.Time{}, false
	}
	p.since, p.bytes = now, 0
	return now.Add(stall), true
}

func readFault(err error) error {
	ne, network := errors.AsType[net.Error](err)
	switch {
	case network && ne.Timeout():
		return fault.New(fault.RequestTimeout, "", err)
	case network, errors.Is(err, io.ErrUnexpectedEOF):
		return pipeline.ErrCallerLeft
	}
	return fault.New(fault.BadRequest, "The body is not in valid chunks.", err)
}

// reserve takes room for a large body from what all may use.
func (c *call) reserve(size int) error {
	if size < largeBody {
		return nil
	}
	more := int64(size) - c.reserved
	if c.s.buffered.Add(more) > c.s.limits.Buffered {
		c.s.buffered.Add(-more)
		return fault.New(fault.Overloaded, "", errors.New("too many large bodies at once"))
	}
	c.reserved += more
	return nil
}

// set adds a field to the head of the answer.
func (c *call) set(name, value string) {
	if value != "" {
		c.head = append(c.head, http1.Field{Name: name, Value: value})
	}
}

// facts sets the headers that every answer has.
func (c *call) facts() {
	f := &c.req.Facts
	c.set("X-Request-Id", c.req.ID)
	if printable(f.Route) {
		c.set("X-Tollgate-Route", f.Route)
	}
	c.set("X-Tollgate-Provider", f.Provider)
	c.set("X-Tollgate-Model", f.Model)
	if f.Attempts == 1 {
		c.set("X-Tollgate-Attempts", "1")
	} else {
		c.set("X-Tollgate-Attempts", strconv.Itoa(f.Attempts))
	}
	if f.CostKnown {
		c.set("X-Tollgate-Cost", f.Cost.String())
	}
	if f.Revision > 0 {
		c.set("X-Tollgate-Revision", c.s.revisionText(f.Revision))
	}
	if f.PriceUnknown {
		c.set("X-Tollgate-Warning", "price_unknown")
	}
	c.set("X-Tollgate-Parameters", f.Parameters)
	if len(f.Lost) > 0 {
		c.set("X-Tollgate-Dropped", dropped(f.Lost))
	}
	if c.req.Dialect == canon.Anthropic {
		c.set("Request-Id", c.req.ID)
	}
	if c.s.draining.Load() {
		c.set("Connection", "close")
	}
}

// dropped names fields for a header: those whose names can stand in one, as
// many as fit.
func dropped(names []string) string {
	const most = 1 << 10
	var b strings.Builder
	for _, n := range names {
		switch {
		case b.Len()+len(n) > most:
			return b.String() + ", ..."
		case !printable(n):
			continue
		case b.Len() > 0:
			b.WriteString(", ")
		}
		b.WriteString(n)
	}
	return b.String()
}

// printable holds back what a caller wrote in place of a route and a header
// cannot hold.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// trailerCost announces the cost of a stream, which is known at its end.
const trailerCost = "X-Tollgate-Cost"

// Begin sends the head of an answer.
func (c *call) Begin(status int, contentType string, length int) {
	c.facts()
	c.set("Content-Type", contentType)
	if length < 0 {
		c.set("Cache-Control", "no-cache")
	}
	c.open(status, length)
}

// open sends the head that is ready.
func (c *call) open(status, length int) {
	c.begun = true
	if length == unknownLength {
		c.stream = true
		c.set("X-Accel-Buffering", "no")
		c.set("Trailer", trailerCost)
	}
	c.wire.Begin(status, c.head, length)
}

// Write sends a piece of the body.
func (c *call) Write(p []byte) error { return c.wire.Write(p) }

// Flush sends what waits.
func (c *call) Flush() error { return c.wire.Flush() }

func (c *call) trailer() {
	if c.req.Facts.CostKnown {
		c.wire.Trailer(http1.Field{Name: trailerCost, Value: c.req.Facts.Cost.String()})
	}
}

// refuse answers with a fault.
func (c *call) refuse(f *fault.Fault) {
	c.facts()
	c.set("Content-Type", pipeline.JSON)
	for _, field := range retry(f, c.req.Facts.RetryAfter, c.req.Facts.RetryAfterMS) {
		c.set(field.Name, field.Value)
	}
	switch {
	case f.Kind == fault.BodyTooLarge, f.Kind == fault.RequestTimeout, f.Kind == fault.HeadersTooLarge, c.reading.Load():
		// What is left of the request is not read.
		c.set("Connection", "close")
	}
	body := render(c.req.Dialect, f, c.req.ID)
	c.wire.Begin(f.HTTPStatus(), c.head, len(body))
	c.wire.Write(body)
}

// render writes a fault for people who see its message alone.
func render(d canon.Dialect, f *fault.Fault, requestID string) []byte {
	spoken := *f
	spoken.Detail = f.Spoken()
	return pipeline.AppendFault(d, nil, &spoken, requestID)
}

// retry tells SDKs whether to come back, and when: not all at once.
func retry(f *fault.Fault, after, afterMS string) [3]http1.Field {
	fields := [3]http1.Field{{Name: "X-Should-Retry", Value: strconv.FormatBool(f.Kind.Retry)}}
	status := f.HTTPStatus()
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return fields
	}
	if after == "" && afterMS == "" {
		ms := 500 + rand.IntN(1500)
		after, afterMS = strconv.Itoa((ms+999)/1000), strconv.Itoa(ms)
	}
	fields[1] = http1.Field{Name: "Retry-After", Value: after}
	fields[2] = http1.Field{Name: "Retry-After-Ms", Value: afterMS}
	return fields
}

// fail answers what echo itself refuses.
func (s *Server) fail(err error, ec echo.Context) {
	f := fault.New(fault.Internal, "", err)
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch he.Code {
		case http.StatusNotFound:
			f = fault.New(fault.UnknownPath, "", nil)
		case http.StatusMethodNotAllowed:
			f = fault.New(fault.MethodNotAllowed, "", nil)
			// The router found out what it takes.
			if allowed := ec.Response().Header().Get(echo.HeaderAllow); allowed != "" {
				f = f.WithFix("It takes " + allowed + ".")
			}
		default:
			f = fault.New(fault.BadRequest, "", nil)
		}
	}
	if rid := s.answer(ec, f); f.Kind == fault.Internal {
		s.cfg.Logger.Error("front failed", "request_id", rid, "error", err)
	}
}

// answer sends a fault that the pipeline has nothing to do with.
func (s *Server) answer(ec echo.Context, f *fault.Fault) (requestID string) {
	h := ec.Response().Header()
	rid := id.OfRequest(first(ec.Request().Header, "X-Request-Id"))
	h.Set("X-Request-Id", rid)
	for _, field := range retry(f, "", "") {
		if field.Value != "" {
			h.Set(field.Name, field.Value)
		}
	}
	ec.Blob(f.HTTPStatus(), pipeline.JSON, render(canon.OpenAIChat, f, rid))
	return rid
}

// noBrowsers answers the question that browsers ask before they let a page
// call: a page that may call has a key that everybody can read.
func (s *Server) noBrowsers(methods string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		ec.Response().Header().Set(echo.HeaderAllow, methods)
		f := fault.New(fault.MethodNotAllowed, "Pages in a browser cannot call this gateway.", nil)
		s.answer(ec, f.WithFix("Call it from a server: a key in a page can be read by everybody."))
		return nil
	}
}

// rawRefusal is a whole HTTP answer for a connection that is not served.
func rawRefusal(f *fault.Fault) []byte {
	body := render(canon.OpenAIChat, f, id.New(id.Request))
	head := "HTTP/1.1 " + strconv.Itoa(f.HTTPStatus()) + " " + http.StatusText(f.HTTPStatus()) +
		"\r\nContent-Type: application/json\r\nConnection: close\r\nX-Should-Retry: true\r\nRetry-After: 1\r\nRetry-After-Ms: 1000" +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...)
}
