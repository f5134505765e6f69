package pipeline

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// headed is an answer with the parts of its head that carrying needs.
type headed interface {
	upstream
	Fields() []provider.Field
	Length() int64
}

// smallAnswer is up to where an answer of known length is held whole: it is
// settled first, and its cost stands in its head.
const smallAnswer = 64 << 10

// receiveCarry looks at the head of the answer and passes on the body.
func (x *exchange) receiveCarry() error {
	if x.answer == upstream(&x.response) {
		defer x.response.EndSending()
	}
	c := x.carried
	answer, ok := x.answer.(headed)
	if !ok {
		return fault.New(fault.Internal, "", errNoHead)
	}
	c.status = answer.Status()
	x.attempt.Status = int32(c.status)
	good := c.status >= 200 && c.status <= 299
	if !good && x.req.Operation != Proxy {
		return x.refused(c.status)
	}
	x.answered = good
	if !good {
		x.attempt.ErrorCode = statusKind(c.status).Code
		if c.status == http.StatusUnauthorized && x.target.AuthStyle == configv1.AuthStyle_AUTH_STYLE_GOOGLE {
			x.p.Tokens.Forget(x.config.ID, x.target.CredentialID)
		}
	}
	x.req.Facts.RetryAfter, x.req.Facts.RetryAfterMS = answer.RetryAfter()
	content := answer.Content()
	events := content == provider.EventStream
	c.readable = events || content == provider.JSON
	c.tally.Reset(events)
	c.mask = newMask(x.call.Secret)
	c.fields = x.answerFields(answer.Fields())
	c.size = answer.Length()
	x.streamed = events
	if !events && c.size >= 0 && c.size <= smallAnswer || x.req.Pass.Method == http.MethodHead {
		body, err := x.answer.ReadAll(smallAnswer)
		if err != nil {
			return err
		}
		c.see(body)
		c.held = c.mask.end(c.mask.append(nil, body))
		c.whole = true
		return nil
	}
	return x.pour()
}

// statusKind is what a status says that passes as it is.
func statusKind(status int) *fault.Kind {
	switch {
	case status == 401 || status == 403:
		return fault.UpstreamAuth
	case status == 429:
		return fault.UpstreamRateLimited
	case status >= 500:
		return fault.UpstreamError
	}
	return fault.UpstreamRejected
}

// answerFields are the headers for the caller. The provider's own id of the
// request gets another name, since ours stands there; what holds the secret is
// left out.
func (x *exchange) answerFields(all []provider.Field) []provider.Field {
	out := all[:0]
	for _, f := range all {
		switch name := strings.ToLower(f.Name); {
		case x.carried.mask.shows(f.Value) || len(x.call.Secret) > 0 && strings.Contains(f.Value, x.call.Secret):
			continue
		case name == "x-request-id" || name == "request-id":
			f.Name = "X-Tollgate-Upstream-Request-Id"
		}
		out = append(out, f)
	}
	return out
}

// see looks for usage in what passes.
func (c *carried) see(p []byte) {
	c.seen += int64(len(p))
	if c.readable {
		c.tally.Feed(p)
	}
}

// pour passes a body on as it arrives. The end of what came waits for more or
// for the wait for more, so that a body that ends at once is settled before
// its last byte leaves.
func (x *exchange) pour() error {
	c := x.carried
	network := x.answer == upstream(&x.response)
	if network {
		x.call.BeforeWait = x.beforeWait
	}
	for {
		p, err := x.answer.Next()
		if err == io.EOF {
			c.held = c.mask.end(c.held)
			return nil
		}
		if err != nil {
			return err
		}
		if len(p) == 0 {
			continue
		}
		c.see(p)
		if err := x.release(); err != nil {
			return err
		}
		c.held = c.mask.append(c.held, p)
		if !network {
			if err := x.beforeWait(); err != nil {
				return err
			}
		}
	}
}

// beforeWait runs before a wait for the network: what came is sent, but for an
// event after which no other is to be expected.
func (x *exchange) beforeWait() error {
	if x.carried.tally.Ended {
		return nil
	}
	if err := x.release(); err != nil || !x.wrote {
		return err
	}
	x.wrote = false
	if err := x.caller.Flush(); err != nil {
		return x.left(err)
	}
	return nil
}

// release sends what waits.
func (x *exchange) release() error {
	c := x.carried
	if len(c.held) == 0 {
		return nil
	}
	x.beginCarry(c.size)
	x.wrote = true
	err := x.caller.Write(c.held)
	if c.held = c.held[:0]; cap(c.held) > 128<<10 {
		c.held = nil
	}
	if err != nil {
		return x.left(err)
	}
	return nil
}

func (x *exchange) beginCarry(length int64) {
	if x.begun {
		return
	}
	x.begun = true
	x.first = time.Since(x.req.Started)
	x.caller.Pass(x.carried.status, x.carried.fields, length)
}

// replyCarry sends the end of a carried answer, or ends it in a way that
// nobody takes for a good end.
func (x *exchange) replyCarry() error {
	c := x.carried
	switch {
	case x.gone:
		return nil
	case x.fault != nil && x.streamed && x.req.Operation != Proxy:
		x.scratch = x.from.format.AppendFaultEvent(x.scratch[:0], x.fault, x.req.ID)
		if x.caller.Write(x.scratch) != nil {
			x.gone = true
		}
		return nil
	case x.fault != nil:
		x.caller.Break()
		return nil
	}
	length := c.size
	if c.whole && x.req.Pass.Method != http.MethodHead {
		length = int64(len(c.held))
	}
	x.beginCarry(length)
	if len(c.held) > 0 {
		if err := x.caller.Write(c.held); err != nil {
			x.gone = true
		}
	}
	return nil
}
