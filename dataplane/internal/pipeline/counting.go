package pipeline

import (
	"bytes"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
)

// counting is how providers of a dialect count the tokens of a prompt.
type counting struct {
	path    func(model string) string
	request func([]byte, *canon.Request, *canon.Target, *canon.Losses) ([]byte, *fault.Fault)
	answer  func([]byte) (int64, *fault.Fault)
}

// countTime bounds the wait for a provider's count: our own is at hand.
const countTime = 5 * time.Second

// countPrompt answers how many tokens a prompt has: by the provider's count
// where that has one and gives it, else by our own.
func (x *exchange) countPrompt() error {
	n, ok := x.askCount()
	if err := x.req.Cancel.Cause(); err != nil {
		return err
	}
	if !ok {
		n = x.promptTokens()
	}
	x.plain = x.from.tokens(nil, n)
	return nil
}

// askCount asks the provider, which costs nothing there.
func (x *exchange) askCount() (n int64, ok bool) {
	t, c := x.target, x.to.counting
	if c == nil || t.Fault != nil || !t.Kind.Counts {
		return 0, false
	}
	pieces := x.countBody(c)
	if pieces == nil {
		return 0, false
	}
	if v := t.BodyVersion(x.to.name); v != "" {
		pieces = append(x.pieces[:0], anthropic.AppendHosted(nil, bytes.Join(pieces, nil), v, t.Way.Model))
	}
	endpoint, err := x.p.Client.Endpoint(x.config.ID, t.BaseURL)
	if err != nil {
		return 0, false
	}
	x.call = provider.Call{
		Endpoint:    endpoint,
		Path:        t.Path(x.to.name, tenantconfig.CountCall, c.path(t.Way.Model)),
		Headers:     x.to.headers(x) + t.Headers,
		Traceparent: x.req.Traceparent,
		Body:        pieces,
		Connect:     countTime, FirstByte: countTime, Idle: countTime,
		Cancel: &x.req.Cancel,
	}
	// What is asked here is no call that could be charged.
	defer func() { x.call = provider.Call{} }()
	if x.authorize() != nil || x.p.Client.Do(&x.call, &x.response) != nil {
		return 0, false
	}
	defer x.response.Close()
	body, err := x.response.ReadAll(maxRefusal)
	if err != nil || x.response.Status() != 200 || x.response.Content() != provider.JSON {
		x.p.Logger.Debug("provider does not count", "request_id", x.req.ID, "provider", t.Provider, "model", t.ProviderModel, "status", x.response.Status())
		return 0, false
	}
	n, f := c.answer(body)
	return n, f == nil
}

// countBody is what the provider is sent; nil when it cannot be told.
func (x *exchange) countBody(c *counting) [][]byte {
	if x.from == x.to {
		x.quoted = canon.AppendQuoted(x.quoted, x.target.ProviderModel)
		return x.peek.Pieces(x.pieces[:0], x.quoted)
	}
	t := &x.translation
	if x.from.format.ReadRequest(x.body, &t.request) != nil || t.request.Unsupported(x.to.name) != nil {
		return nil
	}
	t.request.NameCalls()
	var lost canon.Losses
	body, f := c.request(t.body[:0], t.request.FunctionsOnly(&lost), &canon.Target{Model: x.target.ProviderModel}, &lost)
	if f != nil {
		return nil
	}
	t.body = body
	return append(x.pieces[:0], body)
}
