package pipeline

import (
	"errors"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/peek"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/tally"
	"github.com/tollgate/tollgate/dataplane/internal/form"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/provider/demo"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Operations whose bodies are carried: they pass as they arrive, both ways, and
// are never held whole. The first ones name a route.
const (
	Speech         Operation = "speech"
	Transcription  Operation = "transcription"
	Translation    Operation = "translation"
	Images         Operation = providerkind.Images
	ImageEdit      Operation = "image_edit"
	ImageVariation Operation = "image_variation"
	// These belong to a credential.
	Files   Operation = "files"
	Batches Operation = "batches"
	Proxy   Operation = "proxy"
	// Stored is an answer of Responses that its provider keeps.
	Stored Operation = "responses"
)

// Pass is what a carried call asks for beside its body.
type Pass struct {
	Method string
	// Path at the provider, after its base URL, escaped; Query is what the
	// caller had there, without what was for Tollgate.
	Path, Query string
	ContentType string
	// Headers for the provider; the front has let through what may pass.
	Headers []provider.Field
	// Owner is the provider or credential that the caller names; Model a route
	// that is named outside of the body.
	Owner, Model string
	// Upgrade says that the caller wants another protocol.
	Upgrade bool
}

// carried is what an exchange holds of a call whose bodies pass.
type carried struct {
	form   *form.Reader
	body   [][]byte
	length int64
	call   provider.Carry
	// asked finds the model in a body that passes, sent is how much of it did.
	asked tally.Scanner
	sent  int64

	status int
	fields []provider.Field
	mask   mask
	// tally finds what was used, when the answer is of a kind that can say it.
	tally    tally.Reader
	readable bool
	// held is the end of what came; it waits until more comes or the request is
	// settled. whole says that it is all of the answer.
	held  []byte
	whole bool
	size  int64
	// seen is how much of the answer came.
	seen  int64
	units usagev1.Units
}

// smallBody is up to where a body is read first and sent on a connection that
// may be used again; larger ones pass as they arrive.
const smallBody = 256 << 10

// open finds the model of a carried call that names a route: in JSON, in the
// query, or in a form, of which up to 1 MiB is held until it comes.
func (x *exchange) open() error {
	c, pass := &carried{length: -1}, x.req.Pass
	x.carried, x.from = c, wireOf(x.req.Dialect)
	if pass.Upgrade {
		return noUpgrade()
	}
	if shape := x.carriedShape(); shape != nil {
		body, err := x.caller.Body()
		if err != nil {
			return err
		}
		x.body = body
		if f := x.peek.Read(body, shape); f != nil {
			return f
		}
		return nil
	}
	src, length, err := x.caller.Stream()
	if err != nil {
		return err
	}
	if c.form, err = form.New(src, pass.ContentType); err != nil {
		return err
	}
	c.length = length
	if x.req.URL.Model = pass.Model; pass.Model == "" {
		x.req.URL.Model, err = c.form.Model()
	}
	return err
}

// carriedShape is that of a carried body of JSON; nil for all others.
func (x *exchange) carriedShape() *peek.Shape {
	switch {
	case x.req.Operation == Speech:
		return &peek.Speech
	case x.req.Operation == Images:
		return &peek.Image
	case x.req.Operation == ImageEdit && strings.HasPrefix(x.req.Pass.ContentType, JSON):
		return &peek.Named
	}
	return nil
}

func noUpgrade() error {
	return fault.New(fault.BadRequest, "WebSockets and other upgrades are not carried.", nil).
		WithFix("Call the provider's HTTP interface, or connect to the provider itself.")
}

// readyCarry makes the body that is sent, or what gives it.
func (x *exchange) readyCarry() error {
	c, pass := x.carried, x.req.Pass
	c.call = provider.Carry{Method: pass.Method, Keep: keepField}
	if x.rt != nil {
		if !x.target.Speaks(canon.OpenAIChat) {
			return fault.Newf(fault.BadRequest, "The provider of this route, %s, has no calls of this kind.", x.target.Kind.Label).
				WithParam("model").WithFix("Call a route whose provider speaks OpenAI's dialect, or use the proxy path of the provider.")
		}
		if err := x.otherParameters(); err != nil {
			return err
		}
		return x.readyRouted()
	}
	src, length, err := x.caller.Stream()
	if err != nil || length == 0 {
		return err
	}
	// A signature covers the whole body, so it is read first.
	signed := x.target.AuthStyle == configv1.AuthStyle_AUTH_STYLE_AWS
	if signed || length > 0 && length <= smallBody {
		body, err := x.caller.Body()
		if err != nil {
			return err
		}
		x.ask(body)
		c.body = [][]byte{body}
		return nil
	}
	c.call.Source, c.call.Length = src, length
	if x.req.Operation == Proxy && strings.HasPrefix(pass.ContentType, JSON) {
		c.call.Source = &listener{src, x}
	}
	return nil
}

func (x *exchange) readyRouted() error {
	c := x.carried
	if c.form == nil {
		x.quoted = canon.AppendQuoted(x.quoted, x.target.ProviderModel)
		c.body = x.peek.Pieces(x.pieces[:0], x.quoted)
		return nil
	}
	if x.req.Pass.Model != "" {
		c.form.Put(x.target.ProviderModel)
	} else {
		c.form.Write(x.target.ProviderModel)
	}
	c.call.Source, c.call.Length = &listener{c.form, x}, c.form.Length(c.length)
	return nil
}

// listener counts a body that passes, and looks for the model in it.
type listener struct {
	provider.Source
	x *exchange
}

func (l *listener) Next() ([]byte, error) {
	p, err := l.Source.Next()
	l.x.ask(p)
	return p, err
}

func (x *exchange) ask(p []byte) {
	c := x.carried
	c.sent += int64(len(p))
	if x.req.Operation == Proxy {
		c.asked.Asked = true
		c.asked.Feed(p)
	}
}

// sendCarry makes the call, up to the head of the answer.
func (x *exchange) sendCarry() error {
	c, t, pass := x.carried, x.target, x.req.Pass
	if t.Provider == demo.Name {
		x.call.Sent = true
		r, err := demo.Carry(&demo.Carried{
			Operation: string(x.req.Operation), Method: pass.Method, Path: pass.Path, ContentType: pass.ContentType,
			Body: c.body, Source: c.call.Source, Cancel: &x.req.Cancel, Suffix: x.suffix, Header: x.req.Demo,
		})
		if err == nil {
			x.answer = r
		}
		return err
	}
	endpoint, err := x.p.Client.Endpoint(x.config.ID, t.BaseURL)
	if err != nil {
		return err
	}
	x.call = provider.Call{
		Endpoint:    endpoint,
		Path:        x.carryPath(),
		Headers:     x.carryHeaders(),
		Traceparent: x.req.Traceparent,
		Body:        c.body,
		Carry:       &c.call,
		Cancel:      &x.req.Cancel,
	}
	x.patience()
	if t.AuthStyle == configv1.AuthStyle_AUTH_STYLE_AWS {
		x.signCarry()
	} else if err := x.authorize(); err != nil {
		return err
	}
	if err := x.p.Client.Do(&x.call, &x.response); err != nil {
		return err
	}
	x.answer = &x.response
	return nil
}

var errNoHead = errors.New("an answer without a head")
