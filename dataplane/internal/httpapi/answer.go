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
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// firstRead is how much room a body of unknown size gets; more follows what
// arrives, never what is announced.
const firstRead = 16 << 10

// largeBody is from where on the memory of a body counts towards the limit of
// all.
const largeBody = 1 << 20

// Body reads the request's body.
func (c *call) Body() ([]byte, error) {
	limit := c.s.limits.Body
	length := c.r.ContentLength
	if length > int64(limit) {
		return nil, fault.New(fault.BodyTooLarge, "", nil)
	}
	rc := http.NewResponseController(c.w)
	if len(c.r.Header["Expect"]) > 0 {
		// net/http writes "100 Continue" at the first read, under whatever
		// write deadline the request before left behind.
		rc.SetWriteDeadline(time.Now().Add(c.s.limits.WriteStall))
	}
	room := firstRead
	if length >= 0 {
		room = int(min(length, 64<<10)) + 1
	}
	pool := c.s.cfg.Buffers
	c.body = pool.Get(room)
	c.reading.Store(true)
	var pace pace
	for {
		b := c.body
		if len(b.B) == cap(b.B) {
			if err := c.reserve(2 * cap(b.B)); err != nil {
				return nil, err
			}
			c.body = pool.Grow(b, cap(b.B))
			b = c.body
		}
		n, err := c.r.Body.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		switch {
		case len(b.B) > limit:
			return nil, fault.New(fault.BodyTooLarge, "", nil)
		case err == io.EOF || err == nil && int64(len(b.B)) == length:
			// From here on a read deadline would look like a caller who left.
			rc.SetReadDeadline(time.Time{})
			c.reading.Store(false)
			if c.r.Context().Err() != nil {
				return nil, pipeline.ErrCallerLeft
			}
			return b.B, nil
		case err != nil:
			return nil, readFault(err)
		}
		if until, ok := pace.more(n, c.s.limits.BodyStall); ok {
			rc.SetReadDeadline(until)
		}
	}
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

// set sets a header without allocating its value's slice.
func (c *call) set(h http.Header, name, value string) {
	if value == "" || c.used == len(c.values) {
		return
	}
	c.values[c.used] = value
	h[name] = c.values[c.used : c.used+1 : c.used+1]
	c.used++
}

// facts sets the headers that every answer has.
func (c *call) facts(h http.Header) {
	f := &c.req.Facts
	c.set(h, "X-Request-Id", c.req.ID)
	if printable(f.Route) {
		c.set(h, "X-Tollgate-Route", f.Route)
	}
	c.set(h, "X-Tollgate-Provider", f.Provider)
	c.set(h, "X-Tollgate-Model", f.Model)
	if f.Attempts == 1 {
		c.set(h, "X-Tollgate-Attempts", "1")
	} else {
		c.set(h, "X-Tollgate-Attempts", strconv.Itoa(f.Attempts))
	}
	if f.CostKnown {
		c.set(h, "X-Tollgate-Cost", f.Cost.String())
	}
	if f.Revision > 0 {
		c.set(h, "X-Tollgate-Revision", c.s.revisionText(f.Revision))
	}
	if f.PriceUnknown {
		c.set(h, "X-Tollgate-Warning", "price_unknown")
	}
	c.set(h, "X-Tollgate-Parameters", f.Parameters)
	if len(f.Lost) > 0 {
		c.set(h, "X-Tollgate-Dropped", dropped(f.Lost))
	}
	if c.req.Dialect == canon.Anthropic {
		c.set(h, "Request-Id", c.req.ID)
	}
	if c.s.draining.Load() {
		c.set(h, "Connection", "close")
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
	c.begun = true
	h := c.w.Header()
	c.facts(h)
	c.set(h, "Content-Type", contentType)
	if length < 0 {
		c.set(h, "Cache-Control", "no-cache")
	}
	c.open(h, status, int64(length), true)
}

// open sends the head that is ready.
func (c *call) open(h http.Header, status int, length int64, body bool) {
	switch {
	case !body:
	case length >= 0:
		c.set(h, "Content-Length", strconv.FormatInt(length, 10))
	default:
		c.stream = true
		c.set(h, "X-Accel-Buffering", "no")
		c.set(h, "Trailer", trailerCost)
	}
	c.until = time.Now().Add(c.s.limits.WriteStall)
	http.NewResponseController(c.w).SetWriteDeadline(c.until)
	c.w.WriteHeader(status)
}

// extend moves the write deadline on, when half of it is gone: a caller that
// takes nothing is cut after at least half the time and at most all of it.
func (c *call) extend() {
	now := time.Now()
	if c.until.Sub(now) < c.s.limits.WriteStall/2 {
		c.until = now.Add(c.s.limits.WriteStall)
		http.NewResponseController(c.w).SetWriteDeadline(c.until)
	}
}

// Write sends a piece of the body; large ones in parts, so that a slow caller
// of a large answer is not taken for one that takes nothing.
func (c *call) Write(p []byte) error {
	const part = 256 << 10
	if c.stream || len(p) > inOnePiece && len(p) < heldWrites-inOnePiece {
		c.hold()
	}
	for len(p) > part {
		if _, err := c.w.Write(p[:part]); err != nil {
			return err
		}
		c.extend()
		p = p[part:]
	}
	_, err := c.w.Write(p)
	if err == nil && c.conn != nil && !c.stream {
		return c.flush()
	}
	return err
}

// Sizes for holding writes back: net/http sends less than inOnePiece in one
// piece by itself.
const (
	inOnePiece = 3 << 10
	heldWrites = 16 << 10
)

// hold makes what net/http writes wait until Flush or the end of the call.
func (c *call) hold() {
	if c.conn != nil {
		return
	}
	conn, ok := c.r.Context().Value(connKey{}).(*limitedConn)
	if !ok {
		return
	}
	c.conn = conn
	conn.hold(c.s.cfg.Buffers.Get(heldWrites))
}

// unhold sends what waits in the connection.
func (c *call) unhold() error {
	if c.conn == nil {
		return nil
	}
	b, err := c.conn.send()
	c.s.cfg.Buffers.Put(b)
	c.conn = nil
	return err
}

// Flush sends what waits.
func (c *call) Flush() error {
	c.extend()
	return c.flush()
}

func (c *call) flush() error {
	var err error
	if f, ok := c.w.(interface{ FlushError() error }); ok {
		err = f.FlushError()
	} else {
		err = http.NewResponseController(c.w).Flush()
	}
	return errors.Join(err, c.unhold())
}

func (c *call) trailer() {
	if c.req.Facts.CostKnown {
		// Read by net/http after the handler: not from memory that is reused.
		c.w.Header()[trailerCost] = []string{c.req.Facts.Cost.String()}
	}
}

// refuse answers with a fault.
func (c *call) refuse(f *fault.Fault) {
	h := c.w.Header()
	c.facts(h)
	c.set(h, "Content-Type", pipeline.JSON)
	setRetry(h, f, c.req.Facts.RetryAfter, c.req.Facts.RetryAfterMS)
	switch f.Kind {
	case fault.BodyTooLarge, fault.RequestTimeout, fault.HeadersTooLarge:
		// What is left of the request is not read.
		h.Set("Connection", "close")
	}
	if c.reading.Load() {
		h.Set("Connection", "close")
	}
	body := render(c.req.Dialect, f, c.req.ID)
	c.set(h, "Content-Length", strconv.Itoa(len(body)))
	http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.s.limits.WriteStall))
	c.w.WriteHeader(f.HTTPStatus())
	c.w.Write(body)
}

// render writes a fault for people who see its message alone.
func render(d canon.Dialect, f *fault.Fault, requestID string) []byte {
	spoken := *f
	spoken.Detail = f.Spoken()
	return pipeline.AppendFault(d, nil, &spoken, requestID)
}

// setRetry tells SDKs whether to come back, and when: not all at once.
func setRetry(h http.Header, f *fault.Fault, after, afterMS string) {
	h["X-Should-Retry"] = []string{strconv.FormatBool(f.Kind.Retry)}
	status := f.HTTPStatus()
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if after == "" && afterMS == "" {
		ms := 500 + rand.IntN(1500)
		after, afterMS = strconv.Itoa((ms+999)/1000), strconv.Itoa(ms)
	}
	if after != "" {
		h["Retry-After"] = []string{after}
	}
	if afterMS != "" {
		h["Retry-After-Ms"] = []string{afterMS}
	}
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
	setRetry(h, f, "", "")
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
