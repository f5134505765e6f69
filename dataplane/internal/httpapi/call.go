package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/tollgate/tollgate/dataplane/internal/auth"
	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// call is one request at the front, and the pipeline's Caller. It is reused.
type call struct {
	s   *Server
	w   http.ResponseWriter
	r   *http.Request
	req pipeline.Request

	body     *buffer.Buffer
	reserved int64
	begun    bool
	stream   bool
	// broken says that the answer cannot be ended as it should.
	broken bool
	// reading is set from the first read of the body on, until the whole body
	// is there: net/http ends the request's context at any error of a read,
	// and what that error means Body knows better.
	reading atomic.Bool
	// conn is set while its writes are held back.
	conn *limitedConn
	// until is when the write deadline strikes.
	until time.Time
	// values back the header values, so that they are not allocated one by one;
	// net/http copies them with the head.
	values [16]string
	used   int
}

// handle makes the handler of an operation.
func (s *Server) handle(op pipeline.Operation, d canon.Dialect) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c, _ := s.calls.Get().(*call)
		if c == nil {
			c = new(call)
		}
		c.s, c.w, c.r = s, ec.Response().Writer, ec.Request()
		c.fill(op, d, ec)
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
func (c *call) fill(op pipeline.Operation, d canon.Dialect, ec echo.Context) {
	h := c.r.Header
	req := &c.req
	req.Started = time.Now()
	req.Operation, req.Dialect = op, d
	req.ID = id.OfRequest(first(h, "X-Request-Id"))
	req.TenantSlug = ec.Param("tenant")
	req.Secret = auth.Secret(first(h, "Authorization"), first(h, "X-Api-Key"), first(h, "X-Goog-Api-Key"))
	switch {
	case carries(op):
		c.fillPass(ec)
	case d == canon.Gemini:
		c.fillGemini(ec)
	case op == pipeline.Model:
		req.ModelID = ec.Param("*")
	}
	if version := first(h, "Anthropic-Version"); version != "" {
		// The paths of model lists are the same in both dialects.
		req.Version, req.Beta, req.Dialect = version, first(h, "Anthropic-Beta"), messagesIfShared(op, d)
	}
	req.ClientIP = c.s.cfg.TrustedProxies.Client(c.r.RemoteAddr, h["X-Forwarded-For"])
	req.UserAgent = short(first(h, "User-Agent"))
	req.Traceparent = first(h, "Traceparent")
	req.Demo = first(h, "X-Tollgate-Demo")
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
func (c *call) fillGemini(ec echo.Context) {
	req := &c.req
	query := c.r.URL.Query()
	if req.Secret == "" {
		req.Secret = query.Get("key")
	}
	name := ec.Param("*")
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

// serve runs the request. It reports whether the call may be used again: not
// when another goroutine might still cancel it.
func (c *call) serve() (clean bool) {
	s := c.s
	open := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	stop := context.AfterFunc(c.r.Context(), func() {
		if !c.reading.Load() {
			c.req.Cancel.Cancel(pipeline.ErrCallerLeft)
		}
	})
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Logger.Error("front panicked", "request_id", c.req.ID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			if c.begun {
				// The answer cannot be saved: the connection must end.
				stop()
				panic(http.ErrAbortHandler)
			}
			c.refuse(fault.New(fault.Internal, "", nil))
		}
		clean = stop()
	}()
	var f *fault.Fault
	switch {
	case open > int64(s.limits.InFlight):
		f = fault.New(fault.Overloaded, "", nil)
	case c.req.Operation == pipeline.Unknown:
		f = fault.New(fault.UnknownPath, "", nil)
	case headerSize(c.r) > s.limits.Headers:
		f = fault.New(fault.HeadersTooLarge, "", nil)
	default:
		f = s.cfg.Pipeline.Serve(&c.req, c)
	}
	if f != nil {
		c.refuse(f)
	} else if c.stream {
		c.trailer()
	} else if !c.begun {
		// The caller left. One that only closed its own side still reads, and
		// would be told 200.
		c.w.Header().Set("Connection", "close")
		c.w.WriteHeader(http.StatusBadRequest)
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
	c.unhold()
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
