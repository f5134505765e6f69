// Package pipeline owns what happens to a request, as one ordered list of
// steps: read Steps first. It works on its own Request and on a Caller that
// the HTTP front implements, so that the stack in front can change. It must
// not know net/http, NATS, Postgres or how config got here; everything it
// reads is in memory, and the only system calls of a request that it causes
// are those to the provider and to the caller.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tollgate/tollgate/dataplane/internal/count"
	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/dataplane/internal/metrics"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Config is what is read of the tenants' config.
type Config interface {
	LookupKey(hash *[32]byte) (tenantconfig.Key, bool)
	Complete() bool
	Revision() uint64
}

// Admission is an admitted request's place in the spool.
type Admission interface {
	// Sent says that the provider is about to be called: from here on an
	// interrupted request may have cost something.
	Sent()
	// Progress says how many bytes of output the caller has in all.
	Progress(bytes int64)
	// Settle records the event; exactly once.
	Settle(ev *usagev1.Event) error
}

// Meter records usage. It must not keep the events that it is given.
type Meter interface {
	// Admit makes room for a billable request; a fault when there is none.
	Admit(info meter.AdmitInfo) (Admission, error)
	// Record keeps the event of a request that was not admitted.
	Record(ev *usagev1.Event) error
}

// Tokens are access tokens of credentials whose secret is not itself what is
// sent.
type Tokens interface {
	// Token gives the one of a credential, whose secret may have changed. It
	// waits for a new one until cancel ends. The token is for baseURL.
	Token(cancel *provider.Cancel, tenantID, credentialID, secret, baseURL string) (string, error)
	// Forget drops one that a provider has refused.
	Forget(tenantID, credentialID string)
}

// Deps are what a pipeline works with.
type Deps struct {
	Logger  *slog.Logger
	Config  Config
	Meter   Meter
	Client  *provider.Client
	Tokens  Tokens
	Metrics *metrics.Metrics
}

// Pipeline runs requests. It is safe for concurrent use.
type Pipeline struct {
	Deps
	steps   []step
	open    open
	cuts    atomic.Uint64
	counter count.Counter
	pool    sync.Pool
}

// New makes a pipeline.
func New(d Deps) *Pipeline {
	return &Pipeline{Deps: d, steps: steps()}
}

// step is one thing that happens to a request.
type step struct {
	name string
	run  func(*exchange) error
	// always says that the step runs also after another one failed.
	always bool
	// only names the operations the step is for; nil means all.
	only []Operation
}

// steps is the life of a request, in order. The first error ends it, but for
// the steps that always run.
func steps() []step {
	lists := []Operation{Models, Model}
	counts := []Operation{CountTokens}
	calls := []Operation{Chat, Completions}
	bodies := []Operation{Chat, Completions, CountTokens}
	jobs := []Operation{Embeddings, Moderations, Rerank}
	// Carried calls have steps of their own; all others pay for them one look
	// at a short list each, some nanoseconds.
	carried, owned := []Operation{Speech, Transcription, Translation, Images, ImageEdit, ImageVariation}, []Operation{Files, Batches, Stored, Proxy}
	return []step{
		// First of all who asks: nothing else is done for strangers, not even
		// reading their body.
		{name: "authenticate", run: (*exchange).authenticate},
		// Then the tenant's config of this moment, for the whole life of the
		// request: no change while it runs can mix two configs.
		{name: "pin", run: (*exchange).pin},
		// The list of models needs no more than that.
		{name: "list", run: (*exchange).list, only: lists},
		// Reading comes before admission, since only the body says what is
		// asked for and about how large it is.
		{name: "read", run: (*exchange).read, only: bodies},
		{name: "read", run: (*exchange).readJob, only: jobs},
		// Of a body that passes as it arrives only its beginning is read.
		{name: "open", run: (*exchange).open, only: carried},
		// Which provider and at what price: before admission too, because the
		// spool's record must tell what an interrupted request costs.
		{name: "route", run: (*exchange).route, only: slices.Concat(bodies, jobs, carried)},
		// Calls without a model go to a credential.
		{name: "owner", run: (*exchange).owner, only: owned},
		// What rules of route, project and key do to the call, before anything
		// else reads its body.
		{name: "parameters", run: (*exchange).parameters, only: calls},
		{name: "parameters", run: (*exchange).otherParameters, only: jobs},
		// What the model cannot do, as it is asked for after the rules.
		{name: "abilities", run: (*exchange).abilities, only: calls},
		// Counting a prompt's tokens costs nothing, at providers that can do it
		// neither.
		{name: "count", run: (*exchange).countPrompt, only: counts},
		// From here on the request is on record: whatever happens now, even the
		// death of the process, an event leaves.
		{name: "admit", run: (*exchange).admit, only: slices.Concat(calls, jobs, carried, owned)},
		// The call, streamed to the caller as it arrives, but for its end.
		{name: "provider", run: (*exchange).provider, only: slices.Concat(calls, jobs, carried, owned)},
		// Tokens and money, from what the provider reported or from a count.
		{name: "settle", run: (*exchange).settle, always: true},
		// The event goes to the spool before the last byte goes to the caller:
		// who has the whole answer can be sure that it was recorded.
		{name: "meter", run: (*exchange).meter, always: true},
		// Last, the end of the answer, or all of it when it is plain; of a
		// stream that failed, the error event.
		{name: "reply", run: (*exchange).reply, always: true},
	}
}

// ErrCallerLeft is the cause that the front cancels a request with when its
// caller has gone.
var ErrCallerLeft = errors.New("the caller left")

// Serve runs a request. When it returns a fault nothing was sent to the
// caller, and the front shows the fault; after a nil the answer is complete,
// though it may have been cut short.
func (p *Pipeline) Serve(req *Request, c Caller) *fault.Fault {
	x, _ := p.pool.Get().(*exchange)
	if x == nil {
		x = new(exchange)
	}
	x.start(p, req, c)
	x.run(0)
	x.observe()
	x.close()
	f := x.fault
	if x.begun {
		f = nil
	}
	x.reset()
	p.pool.Put(x)
	return f
}

// run goes through the list from step i. A panic is a fault like any other:
// the steps that always run still run.
func (x *exchange) run(i int) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		x.p.Metrics.Panic()
		x.p.Logger.Error("request panicked", "request_id", x.req.ID, "tenant", x.req.Facts.TenantID,
			"step", x.at(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		x.failed(fault.New(fault.Internal, "", nil))
		if x.i+1 < len(x.p.steps) {
			x.run(x.i + 1)
		}
	}()
	for x.i = i; x.i < len(x.p.steps); x.i++ {
		s := &x.p.steps[x.i]
		if (x.fault != nil || x.gone) && !s.always || s.only != nil && !slices.Contains(s.only, x.req.Operation) {
			continue
		}
		if err := s.run(x); err != nil {
			x.failed(err)
		}
	}
}

// Cut ends the open requests of a key, or of a whole tenant when keyID is
// empty: the key was revoked, or the tenant suspended.
func (p *Pipeline) Cut(tenantID, keyID string) {
	kind := fault.KeyRevoked
	if keyID == "" {
		kind = fault.TenantSuspended
	}
	p.cuts.Add(1)
	p.open.each(func(x *exchange) {
		if x.key.Tenant != nil && x.key.Tenant.ID == tenantID && (keyID == "" || x.key.ID == keyID) {
			x.req.Cancel.Cancel(fault.New(kind, "", nil))
		}
	})
}

// CutAll ends all open requests, when the server cannot wait any longer.
func (p *Pipeline) CutAll() {
	p.open.each(func(x *exchange) { x.req.Cancel.Cancel(fault.New(fault.ServerDraining, "", nil)) })
}

// Run gives back what the pipeline holds when ctx ends.
func (p *Pipeline) Run(ctx context.Context) error { return p.Client.Run(ctx) }
