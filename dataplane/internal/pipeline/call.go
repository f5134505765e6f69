package pipeline

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/provider/demo"
	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

type routeOf = tenantconfig.Route

// Limits of what a provider may answer.
const (
	maxAnswer  = 64 << 20
	maxRefusal = 64 << 10
)

// provider calls the target and passes on what it answers.
func (x *exchange) provider() error {
	if cause := x.req.Cancel.Cause(); cause != nil {
		return cause
	}
	// What cannot be told to the provider is refused before anybody is called.
	body, err := x.outgoing()
	if err != nil {
		return err
	}
	x.req.Facts.Attempts++
	x.sent = true
	x.admission.Sent()
	x.called = time.Now()
	err = x.send(body)
	if err == nil {
		x.firstByte = time.Since(x.called)
		err = x.receive()
	}
	if err != nil && !x.begun && x.req.Cancel.Cause() == nil {
		// It failed by itself before the caller had anything: no charge.
		x.answered = false
	}
	x.endAttempt(err)
	return err
}

// send makes the call, up to the head of the answer.
func (x *exchange) send(body [][]byte) error {
	if x.carried != nil {
		return x.sendCarry()
	}
	t := x.target
	if t.Provider == demo.Name {
		x.call.Sent = true
		r, err := demo.Do(&demo.Call{
			Operation: string(x.req.Operation), Body: bytes.Join(body, nil), Suffix: x.suffix, Header: x.req.Demo, Cancel: &x.req.Cancel,
		})
		if err == nil {
			x.answer = r
		}
		return err
	}
	endpoint, err := x.p.Client.Endpoint(x.config.ID, x.base())
	if err != nil {
		return err
	}
	x.call = provider.Call{
		Endpoint:    endpoint,
		Path:        x.path(),
		Headers:     x.to.headers(x) + t.Headers,
		Traceparent: x.req.Traceparent,
		Body:        body,
		Stream:      x.streamed,
		Cancel:      &x.req.Cancel,
	}
	x.patience()
	if x.streamed && x.to.framed {
		x.call.Accept = "application/vnd.amazon.eventstream"
	}
	if err := x.authorize(); err != nil {
		return err
	}
	if err := x.p.Client.Do(&x.call, &x.response); err != nil {
		return err
	}
	x.answer = &x.response
	return nil
}

// patience sets how long the call may wait, as its credential says.
func (x *exchange) patience() {
	t := x.target
	x.call.Connect = time.Duration(t.ConnectTimeoutMs) * time.Millisecond
	x.call.FirstByte = time.Duration(t.FirstByteTimeoutMs) * time.Millisecond
	x.call.Idle = time.Duration(t.IdleTimeoutMs) * time.Millisecond
}

// path is where the chat of this request is at its provider.
func (x *exchange) path() string {
	if x.job != nil {
		return x.jobPath()
	}
	call := tenantconfig.ChatCall
	if x.streamed {
		call = tenantconfig.StreamCall
	}
	t := x.target
	return t.Path(x.to.name, call, x.to.path(t.Way.Model, x.streamed))
}

// authorize puts the secret where the provider wants it. A token that is
// fetched costs a look at a map, and a wait only when there is none yet.
func (x *exchange) authorize() error {
	t := x.target
	switch t.AuthStyle {
	case configv1.AuthStyle_AUTH_STYLE_NONE:
	case configv1.AuthStyle_AUTH_STYLE_HEADER:
		x.call.AuthName, x.call.Secret = t.AuthHeader, t.Secret.Reveal()
	case configv1.AuthStyle_AUTH_STYLE_AWS:
		x.sign()
	case configv1.AuthStyle_AUTH_STYLE_GOOGLE:
		token, err := x.p.Tokens.Token(&x.req.Cancel, x.config.ID, t.CredentialID, t.Secret.Reveal(), t.BaseURL)
		if err != nil {
			return err
		}
		x.call.AuthName, x.call.AuthScheme, x.call.Secret = "Authorization", "Bearer ", token
	default:
		x.call.AuthName, x.call.AuthScheme, x.call.Secret = "Authorization", "Bearer ", t.Secret.Reveal()
	}
	return nil
}

// sign adds the headers that sign the call; see sigv4.AppendHeaders for what it
// costs.
func (x *exchange) sign() {
	e := x.call.Endpoint
	path, query, _ := strings.Cut(x.call.Path, "?")
	signed := x.target.Signer.AppendHeaders([]byte(x.call.Headers), &sigv4.Request{
		Method: "POST", Host: e.Host(), Path: e.BasePath() + path, Query: query, ContentType: e.ContentType(), Body: x.call.Body,
	}, time.Now())
	x.call.Headers = string(signed)
}

// outgoing is the body for the provider: the caller's own with a few edits, or
// a translation.
func (x *exchange) outgoing() ([][]byte, error) {
	switch {
	case x.carried != nil:
		return nil, x.readyCarry()
	case x.job != nil:
		return x.jobBody()
	}
	var pieces [][]byte
	var err error
	if x.from != x.to {
		pieces, err = x.translate()
	} else {
		x.quoted = canon.AppendQuoted(x.quoted, x.target.ProviderModel)
		pieces = x.peek.Pieces(x.pieces[:0], x.quoted)
	}
	if v := x.target.BodyVersion(x.to.name); v != "" && err == nil {
		pieces = append(x.pieces[:0], anthropic.AppendHosted(nil, bytes.Join(pieces, nil), v, ""))
	}
	return pieces, err
}

// receive looks at the head of the answer and takes in the body.
func (x *exchange) receive() error {
	if x.carried != nil {
		return x.receiveCarry()
	}
	status := x.answer.Status()
	x.attempt.Status = int32(status)
	if status < 200 || status > 299 {
		return x.refused(status)
	}
	x.answered = true
	switch content := x.answer.Content(); {
	case content == provider.EventStream && x.streamed:
		return x.relay()
	case content == provider.EventStream && x.job == nil:
		return x.asWhole()
	case content == provider.JSON && x.streamed:
		return x.asStream()
	case content == provider.JSON:
		return x.whole()
	case content == provider.AWSEventStream && x.streamed && x.to.framed:
		return x.relay()
	default:
		x.answered = false
		return fault.New(fault.UpstreamGarbage, "", errors.New("content type is not what was asked for"))
	}
}

// refused reads a provider's refusal. Its connection is kept for reuse when
// the body is short, as they are.
func (x *exchange) refused(status int) error {
	body, err := x.answer.ReadAll(maxRefusal)
	if err != nil {
		body = nil
	}
	if status == 401 && x.target.AuthStyle == configv1.AuthStyle_AUTH_STYLE_GOOGLE {
		x.p.Tokens.Forget(x.config.ID, x.target.CredentialID)
	}
	f := x.to.format.ReadRefusal(status, body, x.call.Secret)
	if f.HTTPStatus() == 429 || f.HTTPStatus() == 503 {
		x.req.Facts.RetryAfter, x.req.Facts.RetryAfterMS = x.answer.RetryAfter()
	}
	return f
}

// whole takes in a plain answer. It is held until it is settled, because its
// cost stands in its head.
func (x *exchange) whole() error {
	x.streamed = false
	body, err := x.answer.ReadAll(maxAnswer)
	if err != nil {
		return err
	}
	if x.plain, err = x.readWhole(body); err != nil {
		x.answered = false
	}
	return err
}

// relay passes a stream on as it arrives: what was read together is written
// together, and nothing waits for more.
func (x *exchange) relay() error {
	feed, end := x.watch()
	network := x.answer == upstream(&x.response)
	if network {
		x.call.BeforeWait = x.pass
	}
	for {
		p, err := x.answer.Next()
		if err == io.EOF {
			return end()
		}
		if err != nil {
			return err
		}
		err = feed(p)
		if err == nil && !network {
			err = x.flush()
		}
		if err != nil || x.done() {
			return err
		}
	}
}

// flush sends what was written to the caller and not sent yet. On a stream
// from the network it runs when there is nothing more to read at once.
func (x *exchange) flush() error {
	if !x.wrote {
		return nil
	}
	x.wrote = false
	x.admission.Progress(int64(x.textBytes()))
	if err := x.caller.Flush(); err != nil {
		return x.left(err)
	}
	return nil
}

// forward sends a piece of a stream to the caller, after the head when it is
// the first: until then another answer is still possible.
func (x *exchange) forward(p []byte) error {
	if !x.begun {
		x.first = time.Since(x.req.Started)
		x.begun = true
		x.caller.Begin(200, x.streamType(), -1)
	}
	x.wrote = true
	if err := x.caller.Write(p); err != nil {
		return x.left(err)
	}
	return nil
}

// left notes that the caller cannot be reached.
func (x *exchange) left(error) error {
	x.req.Cancel.Cancel(ErrCallerLeft)
	return ErrCallerLeft
}

// endAttempt notes how the call went.
func (x *exchange) endAttempt(err error) {
	a, t := &x.attempt, x.target
	a.Provider, a.CredentialId = t.Provider, t.CredentialID
	a.ModelId, a.ProviderModel = t.ModelID, t.ProviderModel
	a.StartedAtUnixNano = x.called.UnixNano()
	a.DurationNs = int64(time.Since(x.called))
	a.TimeToFirstByteNs = int64(x.firstByte)
	if err != nil && x.req.Cancel.Cause() == nil {
		a.ErrorCode = fault.From(err).Kind.Code
	}
	x.attempts[0] = a
	x.event.Attempts = x.attempts[:]
}
