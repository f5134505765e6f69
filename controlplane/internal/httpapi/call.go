package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
)

// call is what is known of the call in progress. It is made at the door and
// filled in on the way to the handler.
type call struct {
	operation string
	requestID string
	clientIP  string
	principal access.Principal
	place     access.Place
	header    http.Header // of the answer
	code      string      // of the fault, for the log
}

type callKey struct{}

// current is the call that ctx belongs to. Every request of this server has
// one, so a missing one is a mistake of ours.
func current(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// principal is who makes the call.
func principal(ctx context.Context) access.Principal { return current(ctx).principal }

// role is the principal's role in the tenant of the call; operators count as
// owners.
func role(ctx context.Context) access.Role {
	c := current(ctx)
	if c.principal.Operator {
		return access.Owner
	}
	return c.place.Role
}

// actor is the principal for the audit trail.
func actor(ctx context.Context) change.Actor {
	c := current(ctx)
	return c.principal.Actor(c.requestID, c.clientIP)
}

// setETag sends a resource's version, to come back as If-Match.
func setETag(ctx context.Context, version int64) {
	current(ctx).header.Set("ETag", strconv.Quote(strconv.FormatInt(version, 10)))
}

// ifVersion reads If-Match: the version that the change is meant for, 0 for
// any.
func ifVersion(ifMatch *string) (int64, error) {
	if ifMatch == nil || strings.TrimSpace(*ifMatch) == "*" {
		return 0, nil
	}
	// Weak and strong make no difference here: a version is one representation.
	tag := strings.TrimPrefix(strings.TrimSpace(*ifMatch), "W/")
	if unquoted, err := strconv.Unquote(tag); err == nil {
		tag = unquoted
	}
	v, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || v < 1 {
		return 0, fault.New(fault.ValidationFailed, "If-Match does not hold an ETag of this API.", nil).
			WithField("header.If-Match", "is not an ETag of this API", `Send the ETag of the resource, such as "3".`)
	}
	return v, nil
}

// some is a pointer to v, nil for the zero value: for optional fields of
// answers.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// value is what p points at, or the zero value.
func value[T any](p *T) T {
	var v T
	if p != nil {
		v = *p
	}
	return v
}

// convert applies f to each element; the answer is never null in JSON.
func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
