package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// waiter is a cause that knows when to come again.
type waiter interface{ RetryAfter() time.Duration }

// renderError is the one place where errors become answers. What is not a
// fault is internal: its text goes to the log alone.
func (s *Server) renderError(err error, c echo.Context) {
	ctx := c.Request().Context()
	f := s.publicFault(ctx, err)
	call := current(ctx)
	call.code = f.Kind.Code
	s.logFault(ctx, call, f)
	if c.Response().Committed {
		return
	}
	h := c.Response().Header()
	h.Del("ETag")
	if allowed := h.Get(echo.HeaderAllow); f.Kind == fault.MethodNotAllowed && allowed != "" {
		f = f.WithFix("It takes " + allowed + ".")
	}
	if f.Kind.Retry {
		h.Set("Retry-After", retryAfter(f))
	}
	if f.Kind.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="tollgate"`)
	}
	body, err := json.Marshal(problem(f, call.requestID))
	if err != nil {
		s.cfg.Logger.ErrorContext(ctx, "encode problem", "error", err, "request_id", call.requestID)
		return
	}
	if err := c.Blob(f.Kind.Status, "application/problem+json", body); err != nil {
		s.cfg.Logger.DebugContext(ctx, "send problem", "error", err, "request_id", call.requestID)
	}
}

// publicFault finds the fault in err; echo's own errors are the router's and
// the binder's.
func (s *Server) publicFault(ctx context.Context, err error) *fault.Fault {
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.DatabaseDown, "", err)
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch he.Code {
		case http.StatusNotFound:
			return fault.New(fault.UnknownPath, "", nil).WithFix("GET /v1/openapi.json lists the addresses that exist.")
		case http.StatusMethodNotAllowed:
			return fault.New(fault.MethodNotAllowed, "", nil)
		case http.StatusRequestEntityTooLarge:
			return tooLarge(maxBody)
		case http.StatusUnsupportedMediaType:
			return fault.New(fault.UnsupportedMedia, "", nil)
		case http.StatusBadRequest:
			// The document took a spelling that Go does not: 1e3 for 1000.
			if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
				return fault.New(fault.WrongType, "", nil).WithField("body."+te.Field, "is not written as "+te.Type.String()+" is", "Write numbers with digits alone.")
			}
			return fault.New(fault.BadRequest, "", err)
		}
	}
	if ctx.Err() != nil {
		// Nobody reads the answer; the log should not cry about it.
		return fault.New(fault.Internal, "", errors.Join(errClientLeft, err))
	}
	return fault.From(err)
}

func tooLarge(limit int64) *fault.Fault {
	return fault.Newf(fault.BodyTooLarge, "The body is larger than %d KiB.", limit>>10)
}

func (s *Server) logFault(ctx context.Context, c *call, f *fault.Fault) {
	level := slog.LevelDebug
	switch {
	case errors.Is(f, errClientLeft):
	case f.Kind == fault.Internal:
		level = slog.LevelError
	case f.Kind.Status >= 500:
		level = slog.LevelWarn
	}
	s.cfg.Logger.Log(ctx, level, "call failed", "error", f.Error(), "operation", c.operation,
		"tenant", c.place.TenantID, "request_id", c.requestID)
}

// retryAfter is in whole seconds, rounded up, because zero would ask for a
// stampede.
func retryAfter(f *fault.Fault) string {
	wait := time.Second
	var w waiter
	if errors.As(f, &w) {
		wait = w.RetryAfter()
	}
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}

func problem(f *fault.Fault, requestID string) apiserver.Problem {
	p := apiserver.Problem{
		Type:      fault.DocURL(fault.DocBase, f.Kind.Code),
		Title:     f.Kind.Text,
		Status:    f.Kind.Status,
		Code:      f.Kind.Code,
		Fix:       f.PublicFix(),
		RequestId: requestID,
		Detail:    some(f.Detail),
	}
	if len(f.Fields) > 0 {
		errs := convert(f.Fields, func(x fault.Field) apiserver.FieldError {
			return apiserver.FieldError{Location: x.Location, Message: x.Message, Fix: some(x.Fix)}
		})
		p.Errors = &errs
	} else if f.Param != "" {
		p.Errors = &[]apiserver.FieldError{{Location: f.Param, Message: f.Public(), Fix: some(f.PublicFix())}}
	}
	return p
}
