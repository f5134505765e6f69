package pipeline

import (
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/embedding"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/metrics"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/money"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// settle finds what the request used and what that costs.
func (x *exchange) settle() error {
	if x.first == 0 && x.answered && !x.streamed {
		x.first = x.called.Sub(x.req.Started) + x.firstByte
	}
	x.took = time.Since(x.req.Started)
	ev := &x.event
	ev.Outcome = x.outcome()
	ev.Estimated = x.count()
	if x.billable() {
		// A request that the provider never took has no cost, nor the price of
		// a request.
		if x.carried != nil {
			x.unitsOf()
		}
		x.charge()
	}
	if x.sent {
		x.req.Facts.Cost, x.req.Facts.CostKnown = money.Nano(ev.PriceNano), true
	}
	return nil
}

// outcome says what ended the request.
func (x *exchange) outcome() usagev1.Outcome {
	cause, cut := x.req.Cancel.Cause().(*fault.Fault)
	switch {
	case x.gone:
		return usagev1.Outcome_OUTCOME_CLIENT_CLOSED
	case cut && x.fault != nil && x.fault.Kind == cause.Kind && x.sent:
		return usagev1.Outcome_OUTCOME_CUT
	case x.fault == nil && x.carried != nil && x.carried.status >= 400:
		return usagev1.Outcome_OUTCOME_UPSTREAM_ERROR
	case x.fault == nil:
		return usagev1.Outcome_OUTCOME_OK
	case x.sent && !ours(x.fault.Kind):
		return usagev1.Outcome_OUTCOME_UPSTREAM_ERROR
	default:
		return usagev1.Outcome_OUTCOME_REFUSED
	}
}

// ours are the faults that are found while calling, before anything is sent.
func ours(k *fault.Kind) bool {
	return k == fault.TargetBlocked || k == fault.CredentialUnusable || k == fault.BadRequest || k == fault.Internal
}

// billable says whether the provider charges for the call: it accepted it, or
// it was working on it when the call was broken off from our side.
func (x *exchange) billable() bool {
	return x.answered || x.call.Sent && x.attempt.Status == 0 && x.req.Cancel.Cause() != nil
}

// count fills in the tokens; it says whether they are an estimate. What the
// provider reported counts. Where it did not, or could not any more, the text
// is counted: a rare path, up to some milliseconds for long texts.
func (x *exchange) count() (estimated bool) {
	if !x.billable() {
		return false
	}
	if x.carried != nil {
		return x.countCarry()
	}
	if x.job != nil {
		return x.countJob()
	}
	if x.reported() {
		return false
	}
	x.tokens.Input = x.promptTokens()
	if x.answered {
		text, size := x.answerText()
		x.tokens.Output = x.p.counter.Tokens(openai.Plain(text), size)
	}
	return true
}

func (x *exchange) promptTokens() int64 {
	prompt, size := openai.PromptText(x.peek.Prompt())
	if size == 0 {
		prompt, size = embedding.Texts(x.peek.Prompt())
	}
	n := x.p.counter.Tokens(prompt, size)
	if context := x.peek.Context(); len(context) > 0 {
		prompt, size = openai.PromptText(context)
		n += x.p.counter.Tokens(prompt, size)
	}
	return n
}

// meter hands the event to the spool. Strangers have no tenant to record for.
func (x *exchange) meter() error {
	if x.key.Tenant == nil || x.metered {
		return nil
	}
	x.metered = true
	x.fill()
	var err error
	if x.admission != nil {
		err = x.admission.Settle(&x.event)
	} else if err = x.p.Meter.Record(&x.event); err != nil && fault.From(err).Kind == fault.UsageSpoolFull {
		// A refusal costs nothing; the meter counts it.
		return nil
	}
	if err != nil {
		// Nothing the caller could do about it: operators are told.
		x.p.Metrics.SettleError()
		x.p.Logger.Error("usage event not kept", "request_id", x.req.ID, "tenant", x.key.Tenant.ID, "error", err)
	}
	return nil
}

// fill completes the event.
func (x *exchange) fill() {
	ev, req := &x.event, x.req
	ev.TenantId, ev.ProjectId, ev.ApiKeyId = x.key.Tenant.ID, x.key.ProjectID, x.key.ID
	ev.RequestId, ev.Route, ev.Operation = req.ID, req.Facts.Route, string(req.Operation)
	if req.Operation == Model {
		ev.Operation = string(Models)
	}
	ev.StartedAtUnixNano = req.Started.UnixNano()
	ev.DurationNs = int64(x.took)
	ev.TimeToFirstTokenNs = int64(x.first)
	ev.Streamed = x.streamed
	ev.ConfigRevision = req.Facts.Revision
	ev.ClientIp, ev.UserAgent = req.ClientIP, req.UserAgent
	ev.Provider, ev.ProviderModel = req.Facts.Provider, req.Facts.Model
	ev.Tokens = &x.tokens
	ev.HttpStatus = int32(x.status())
	if x.fault != nil {
		ev.ErrorCode = x.fault.Kind.Code
	} else if x.carried != nil {
		ev.ErrorCode = x.attempt.ErrorCode
	}
}

// observe counts the request for operators, strangers' too.
func (x *exchange) observe() {
	req := x.req
	m := metrics.Request{
		Operation: string(req.Operation), Provider: req.Facts.Provider, Status: x.status(),
		Duration: x.took, TimeToFirstToken: x.first, Streamed: x.streamed,
		Input: money.InputTokens(&x.tokens), Output: money.OutputTokens(&x.tokens),
	}
	if x.fault != nil {
		m.Code = x.fault.Kind.Code
	}
	req.Facts.Status, req.Facts.Code, req.Facts.Took = m.Status, m.Code, x.took
	x.p.Metrics.Request(&m)
	if x.sent {
		x.p.Metrics.Attempt(metrics.Attempt{Provider: m.Provider, Code: x.attempt.ErrorCode})
	}
}

// status is what the caller gets, 0 when it left before anything was sent.
func (x *exchange) status() int {
	switch {
	case x.carried != nil && x.carried.status != 0 && (x.begun || x.fault == nil && !x.gone):
		return x.carried.status
	case x.begun:
		return 200
	case x.gone:
		return 0
	case x.fault != nil:
		return x.fault.HTTPStatus()
	}
	return 200
}

// reply sends the end of the answer. It comes after the spool has the event.
// A fault before the first byte is left to the front.
func (x *exchange) reply() error {
	switch {
	case x.gone || x.fault != nil && !x.begun:
		return nil
	case x.carried != nil:
		return x.replyCarry()
	case x.fault != nil && x.torn() && x.to.framed && !x.translates():
		// No message can follow half of one.
		x.caller.Break()
		return nil
	case x.fault != nil:
		x.scratch = x.scratch[:0]
		if x.torn() {
			// An event within another would be lost with it.
			x.scratch = append(x.scratch, "\n\n"...)
		}
		x.scratch = x.callerFormat().AppendFaultEvent(x.scratch, x.fault, x.req.ID)
		if x.caller.Write(x.scratch) != nil {
			x.gone = true
		}
		return nil
	case x.streamed:
		return x.replyStream()
	}
	x.begun = true
	x.caller.Begin(200, JSON, len(x.plain))
	if err := x.caller.Write(x.plain); err != nil {
		x.gone = true
	}
	return nil
}

func (x *exchange) replyStream() error {
	if tail := x.tail(); len(tail) > 0 {
		if err := x.forward(tail); err != nil {
			return err
		}
	}
	if !x.begun {
		x.begun = true
		x.caller.Begin(200, x.streamType(), -1)
	}
	if x.answer == upstream(&x.response) && !x.response.EndAtHand() {
		// The provider's last chunk is on its way: the caller has its answer
		// while we wait, and the connection can be used again.
		if err := x.flush(); err != nil {
			return err
		}
	}
	x.drain()
	return nil
}

// maxDrain is how long the end of a stream's body is waited for.
const maxDrain = 20 * time.Millisecond

func (x *exchange) drain() {
	if x.answer == upstream(&x.response) {
		x.response.Drain(maxDrain)
	}
}
