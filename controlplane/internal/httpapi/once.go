package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/proto/fault"
)

const (
	idempotencyKey = "Idempotency-Key"
	replayed       = "Idempotent-Replayed"
)

// once carries a request with an Idempotency-Key out one time and answers
// repeats from what was kept.
func (s *Server) once(c echo.Context, raw []byte, next echo.HandlerFunc) error {
	r := c.Request()
	key := r.Header.Get(idempotencyKey)
	if key == "" || r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return next(c)
	}
	ctx := r.Context()
	claim := idempotency.Claim{Scope: scope(current(ctx)), Key: key, Fingerprint: fingerprint(r, raw)}
	kept, err := s.cfg.Idempotency.Begin(ctx, claim)
	if err != nil {
		return err
	}
	if kept != nil {
		return replay(c, kept)
	}
	record := &recording{ResponseWriter: c.Response().Writer}
	c.Response().Writer = record
	err = next(c)
	// What follows must not end with the caller's patience.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err != nil {
		if outcomeUnknown(err) {
			// The claim stays without an answer: repeats are told that nobody
			// knows, instead of doing it again or failing alike for a day.
			return err
		}
		if didNothing(err) {
			if err := s.cfg.Idempotency.Release(ctx, claim); err != nil {
				s.cfg.Logger.WarnContext(ctx, "release idempotency key", "error", err, "request_id", current(ctx).requestID)
			}
			return err
		}
		c.Error(err)
	}
	answer := idempotency.Answer{Status: c.Response().Status, Header: keptHeader(c.Response().Header()), Body: record.body.Bytes()}
	if err := s.cfg.Idempotency.Finish(ctx, claim, answer); err != nil {
		s.cfg.Logger.WarnContext(ctx, "keep answer for Idempotency-Key", "error", err, "request_id", current(ctx).requestID)
	}
	return nil
}

// didNothing tells errors after which the same request may be sent again:
// refused input, and a database or program that was too busy to begin.
func didNothing(err error) bool {
	switch fault.From(err).Kind {
	case fault.ValidationFailed, fault.BadRequest, fault.WrongType, fault.TooManyAttempts, fault.ConfigRefused,
		fault.DatabaseDown, fault.Overloaded:
		return true
	}
	return false
}

// outcomeUnknown asks the cause whether the change may have been made.
func outcomeUnknown(err error) bool {
	var u interface{ OutcomeUnknown() bool }
	return errors.As(err, &u) && u.OutcomeUnknown()
}

// scope is who sent the key: two callers may use the same.
func scope(c *call) string {
	if c.principal.ID != "" {
		return c.principal.ID
	}
	return "address:" + c.clientIP
}

func fingerprint(r *http.Request, raw []byte) []byte {
	h := sha256.New()
	h.Write([]byte(r.Method + "\x00" + r.URL.Path + "\x00" + r.Header.Get("If-Match") + "\x00"))
	h.Write(raw)
	return h.Sum(nil)
}

func keptHeader(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Content-Type", "Etag", "Retry-After"} {
		if v := h.Values(name); len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

func replay(c echo.Context, a *idempotency.Answer) error {
	h := c.Response().Header()
	for name, values := range a.Header {
		h[name] = values
	}
	h.Set(replayed, "true")
	return c.Blob(a.Status, h.Get(echo.HeaderContentType), a.Body)
}
