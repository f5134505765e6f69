package httpapi

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/network"
)

const (
	// maxBody bounds request bodies, maxLargeBody those of operations that are
	// sent whole lists.
	maxBody      = 1 << 20
	maxLargeBody = 16 << 20
	// version dates the API; the OpenAPI document carries it as well.
	version       = "2026-11-22"
	versionHeader = "Tollgate-Version"
	requestID     = "X-Request-Id"
)

// observe stands outermost: it names the call, sends the headers that every
// answer has, and leaves one line in the log and one sample in the metrics.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		req, h := c.Request(), c.Response().Header()
		call := &call{requestID: id.OfRequest(req.Header.Get(requestID)), clientIP: c.RealIP(), header: h}
		c.SetRequest(req.WithContext(context.WithValue(req.Context(), callKey{}, call)))
		h.Set(requestID, call.requestID)
		h.Set(versionHeader, version)
		secure(h)
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := time.Since(start)
		status := c.Response().Status
		if call.operation != "" {
			s.duration.WithLabelValues(call.operation, strconv.Itoa(status)).Observe(took.Seconds())
		}
		// The path holds ids only; the query may hold what people search for.
		s.cfg.Logger.InfoContext(req.Context(), "call", "method", req.Method, "path", req.URL.Path, "operation", call.operation,
			"status", status, "code", call.code, "ms", float64(took.Microseconds())/1000, "bytes", c.Response().Size,
			"tenant", call.place.TenantID, "principal", call.principal.ID, "client_ip", call.clientIP, "request_id", call.requestID)
		return nil
	}
}

// secure sets what keeps browsers from doing anything with an answer but read
// it, and caches from keeping it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// clientIP is who calls: brakes count by it and the audit trail keeps it, so
// nobody may choose it freely. The portal proves itself by its key, because
// other programs may share its address.
func (s *Server) clientIP(r *http.Request) string {
	proxies, forwarded := s.cfg.TrustedProxies, r.Header.Values(echo.HeaderXForwardedFor)
	if given := r.Header.Get(network.PortalKey); given != "" {
		if s.cfg.PortalKey != "" && subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.PortalKey)) == 1 {
			return proxies.Behind(r.RemoteAddr, forwarded)
		}
		s.wrongKeys.Inc()
	}
	return proxies.Client(r.RemoteAddr, forwarded)
}

// recoverPanic turns a panic into internal_error. The stack goes to the log.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if r == http.ErrAbortHandler {
				panic(r)
			}
			s.panics.Inc()
			ctx := c.Request().Context()
			s.cfg.Logger.ErrorContext(ctx, "panic in a call", "panic", fmt.Sprint(r), "stack", string(debug.Stack()), "request_id", current(ctx).requestID)
			err = fault.New(fault.Internal, "", fmt.Errorf("panic: %v", r))
		}()
		return next(c)
	}
}

// limitBody cuts a body that is too long for its operation, whatever its
// headers say.
func limitBody(c echo.Context, op *operation) error {
	limit := int64(maxBody)
	if op.rule.large {
		limit = maxLargeBody
	}
	r := c.Request()
	if r.ContentLength > limit {
		return tooLarge(limit)
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
	return nil
}

// checkVersion refuses calls that were written for a version which this
// program does not speak.
func checkVersion(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if v := c.Request().Header.Get(versionHeader); v != "" && v != version {
			return fault.Newf(fault.BadRequest, "This server speaks version %s of the API only.", version).
				WithField("header."+versionHeader, "is not a version that this server speaks", "Leave it out, or send "+version+".")
		}
		return next(c)
	}
}

// recording keeps a copy of what is written, to be sent again later.
type recording struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (r *recording) Write(p []byte) (int, error) {
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the writer below.
func (r *recording) Unwrap() http.ResponseWriter { return r.ResponseWriter }
