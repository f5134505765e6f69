package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/tollgate/tollgate/dataplane/internal/auth"
	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// call is one request at the front, and the pipeline's Caller. It is reused.
type call struct {
	s   *Server
	req pipeline.Request
	// wire is the HTTP below: net, or a connection of the fast path.
	wire wire
	net  netWire
	// length of the request's body, -1 when it is not known.
	length int64

	body     *buffer.Buffer
	reserved int64
	begun    bool
	stream   bool
	// oversized says that the head is larger than it may be.
	oversized bool
	// broken says that the answer cannot be ended as it should.
	broken bool
	// reading is set from the first read of the body on, until the whole body
	// is there: net/http ends the request's context at any error of a read,
	// and what that error means Body knows better.
	reading atomic.Bool
	// head is what the answer's head will say; fields backs it.
	head   []http1.Field
	fields [20]http1.Field
}

// Headers of a request that the front itself reads.
const (
	requestID = iota
	authorization
	apiKey
	googleKey
	anthropicVersion
	anthropicBeta
	userAgent
	traceparent
	demoHeader
	forwardedFor
	headers
)

var headerNames = [headers]string{
	"X-Request-Id", "Authorization", "X-Api-Key", "X-Goog-Api-Key", "Anthropic-Version", "Anthropic-Beta",
	"User-Agent", "Traceparent", "X-Tollgate-Demo", "X-Forwarded-For",
}

// asked is what the head of a request says, from whatever HTTP it came.
type asked struct {
	tenant string
	// rest is what stands for the * of the route's path.
	rest  string
	query string
	// values are those of headerNames, the first of each.
	values []string
	// forwarded are all values of X-Forwarded-For.
	forwarded []string
	remote    string
}

// newCall takes a call from those that are done.
func (s *Server) newCall() *call {
	c, _ := s.calls.Get().(*call)
	if c == nil {
		c = new(call)
	}
	c.s = s
	c.head = c.fields[:0]
	return c
}

// handle makes the handler of an operation.
func (s *Server) handle(op pipeline.Operation, d canon.Dialect) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c := s.newCall()
		r := ec.Request()
		c.net.open(s, ec.Response().Writer, r)
		c.wire, c.length = &c.net, r.ContentLength
		var values [headers]string
		for i, name := range headerNames {
			values[i] = first(r.Header, name)
		}
		c.fill(op, d, &asked{
			tenant: ec.Param("tenant"), rest: ec.Param("*"), query: r.URL.RawQuery,
			values: values[:], forwarded: r.Header["X-Forwarded-For"], remote: r.RemoteAddr,
		})
		if carries(op) {
			c.fillPass(ec)
		}
		c.oversized = headerSize(r) > s.limits.Headers
		clean := c.serve()
		broken := c.broken
		c.linger()
		c.release()
		if clean {
			*c = call{}
			s.calls.Put(c)
		}
		if broken {
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}

// fill takes from the head of the request what the pipeline needs.
func (c *call) fill(op pipeline.Operation, d canon.Dialect, a *asked) {
	req := &c.req
	req.Started = time.Now()
	req.Operation, req.Dialect = op, d
	req.ID = id.OfRequest(a.values[requestID])
	req.TenantSlug = a.tenant
	req.Secret = auth.Secret(a.values[authorization], a.values[apiKey], a.values[googleKey])
	switch {
	case d == canon.Gemini:
		c.fillGemini(a)
	case op == pipeline.Model:
		req.ModelID = a.rest
	}
	if version := a.values[anthropicVersion]; version != "" {
		// The paths of model lists are the same in both dialects.
		req.Version, req.Beta, req.Dialect = version, a.values[anthropicBeta], messagesIfShared(op, d)
	}
	req.ClientIP = c.s.cfg.TrustedProxies.Client(a.remote, a.forwarded)
	req.UserAgent = short(a.values[userAgent])
	req.Traceparent = a.values[traceparent]
	req.Demo = a.values[demoHeader]
}

// messagesIfShared is the dialect of a request that has Anthropic's version
// header.
func messagesIfShared(op pipeline.Operation, d canon.Dialect) canon.Dialect {
	if d == canon.OpenAIChat && (op == pipeline.Models || op == pipeline.Model || op == pipeline.Files) {
		return canon.Anthropic
	}
	return d
}

// fillGemini takes from the URL what Gemini's dialect keeps there:
// models/{model}:{method}, alt=sse, and, of older clients, the key.
func (c *call) fillGemini(a *asked) {
	req := &c.req
	query, _ := url.ParseQuery(a.query) // what can be read of it, as net/http does
	if req.Secret == "" {
		req.Secret = query.Get("key")
	}
	name := a.rest
	if req.Operation != pipeline.Chat {
		req.ModelID = name
		return
	}
	model, method, _ := cutLast(name, ":")
	req.URL.Model = model
	switch method {
	case "generateContent":
	case "streamGenerateContent":
		req.URL.Stream, req.URL.Array = true, query.Get("alt") != "sse"
	case "embedContent", "batchEmbedContents":
		req.Operation, req.URL.Batch = pipeline.Embeddings, method == "batchEmbedContents"
	case "countTokens":
		req.Operation = pipeline.CountTokens
	default:
		req.Operation = pipeline.Unknown
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// first finds a header by its canonical name.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

const maxUserAgent = 256

func short(s string) string {
	if len(s) > maxUserAgent {
		s = s[:maxUserAgent]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// CallerLeft ends the request; it is called from another goroutine.
func (c *call) CallerLeft() {
	if !c.reading.Load() {
		c.req.Cancel.Cancel(pipeline.ErrCallerLeft)
	}
}

// serve runs the request. It reports whether the call may be used again: not
// when another goroutine might still cancel it.
func (c *call) serve() (clean bool) {
	s := c.s
	open := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	c.wire.Watch(c)
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Logger.Error("front panicked", "request_id", c.req.ID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			if c.begun {
				// The answer cannot be saved: the connection must end.
				c.broken = true
			} else {
				c.refuse(fault.New(fault.Internal, "", nil))
			}
		}
		clean = c.wire.Unwatch()
	}()
	var f *fault.Fault
	switch {
	case open > int64(s.limits.InFlight):
		f = fault.New(fault.Overloaded, "", nil)
	case c.req.Operation == pipeline.Unknown:
		f = fault.New(fault.UnknownPath, "", nil)
	case c.oversized:
		f = fault.New(fault.HeadersTooLarge, "", nil)
	default:
		f = s.cfg.Pipeline.Serve(&c.req, c)
	}
	switch {
	case f != nil:
		c.refuse(f)
	case c.stream:
		c.trailer()
	case !c.begun:
		// The caller left. One that only closed its own side still reads, and
		// would be told 200.
		c.set("Connection", "close")
		c.wire.Begin(http.StatusBadRequest, c.head, 0)
	}
	c.log(f)
	return
}

// headerSize is the size of the head but for punctuation.
func headerSize(r *http.Request) int {
	n := len(r.RequestURI)
	for k, vv := range r.Header {
		for _, v := range vv {
			n += len(k) + len(v)
		}
	}
	return n
}

// release gives back the memory of the body.
func (c *call) release() {
	c.net.unhold()
	c.s.cfg.Buffers.Put(c.body)
	if c.reserved > 0 {
		c.s.buffered.Add(-c.reserved)
	}
	c.body, c.reserved = nil, 0
}

// numberText keeps the text of a number that seldom changes.
type numberText struct {
	n    uint64
	text string
}

func (s *Server) revisionText(n uint64) string {
	if t := s.revision.Load(); t != nil && t.n == n {
		return t.text
	}
	t := &numberText{n, strconv.FormatUint(n, 10)}
	s.revision.Store(t)
	return t.text
}
