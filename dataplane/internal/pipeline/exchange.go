package pipeline

import (
	"errors"
	"sync"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openaierror"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/peek"
	"github.com/tollgate/tollgate/dataplane/internal/parameters"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// upstream is an answer of a provider, over the network or built in.
type upstream interface {
	Status() int
	Content() provider.Content
	RetryAfter() (seconds, milliseconds string)
	Next() ([]byte, error)
	ReadAll(limit int) ([]byte, error)
	Close()
}

// exchange is one request on its way through the steps. Exchanges are reused:
// what they hold inside is not allocated for each request.
type exchange struct {
	p      *Pipeline
	req    *Request
	caller Caller
	i      int

	// fault is what the caller is told; gone says that there is no caller left
	// to tell.
	fault *fault.Fault
	gone  bool
	begun bool

	key    tenantconfig.Key
	config *tenantconfig.Compiled

	body []byte
	peek peek.Request
	// ruled is what rules did to the call.
	ruled parameters.Outcome
	// from is the caller's dialect, to the target's.
	from, to  *wire
	rt        *tenantconfig.Route
	target    *tenantconfig.Target
	suffix    string
	costPrice *configv1.Price
	sellPrice *configv1.Price
	admission Admission

	call     provider.Call
	response provider.Response
	answer   upstream
	quoted   []byte
	// job is set for calls beside chat whose bodies are JSON.
	job *job
	// carried is set for calls whose bodies pass as they arrive.
	carried *carried
	pieces  [8][]byte
	// sent says that the provider was called, answered that it accepted.
	sent     bool
	answered bool
	streamed bool
	plain    []byte
	// Of answers that pass as chat completions, by far the most: read without
	// taking them apart.
	summary openai.Answer
	stream  openai.Stream
	// Of all others.
	translation translation
	follow      *follower
	text        []byte
	wrote       bool
	scratch     []byte
	// out is forward as a function value, made once.
	out func([]byte) error
	// pass is flush as a function value.
	pass func() error

	called    time.Time
	firstByte time.Duration
	first     time.Duration
	took      time.Duration

	event  usagev1.Event
	tokens usagev1.Tokens
	// said is what the provider said; ownCost that the cost price was set for
	// the very model that is called.
	said     said
	ownCost  bool
	attempt  usagev1.Attempt
	attempts [1]*usagev1.Attempt
	metered  bool

	shard      *openShard
	prev, next *exchange
}

// start readies the exchange for a request.
func (x *exchange) start(p *Pipeline, req *Request, c Caller) {
	x.p, x.req, x.caller = p, req, c
	if x.out == nil {
		x.out, x.pass = x.forward, x.flush
	}
}

// keepText bounds the memory that a resting exchange holds.
const keepText = 16 << 10

// reset forgets the request but keeps small buffers.
func (x *exchange) reset() {
	x.p, x.req, x.caller, x.i = nil, nil, nil, 0
	x.fault, x.gone, x.begun = nil, false, false
	x.key, x.config = tenantconfig.Key{}, nil
	x.body, x.peek, x.from, x.to = nil, peek.Request{}, nil, nil
	x.ruled = parameters.Outcome{}
	x.translation.reset()
	x.follow = nil
	x.rt, x.target, x.suffix, x.costPrice, x.sellPrice, x.admission = nil, nil, "", nil, nil, nil
	x.call, x.answer, x.carried, x.job = provider.Call{}, nil, nil, nil
	clear(x.pieces[:])
	x.sent, x.answered, x.streamed, x.wrote, x.metered = false, false, false, false, false
	x.plain, x.summary = nil, openai.Answer{}
	// Not only when the next one is watched: a report must never be read that
	// another request left. It clears some hundred bytes.
	x.stream.Reset(false, nil)
	x.called, x.firstByte, x.first, x.took = time.Time{}, 0, 0, 0
	x.event.Reset()
	x.tokens.Reset()
	x.said, x.ownCost = said{}, false
	x.attempt.Reset()
	x.quoted, x.scratch, x.text = x.quoted[:0], x.scratch[:0], x.text[:0]
	if cap(x.text) > keepText {
		x.text = nil
	}
	if cap(x.scratch) > keepText {
		x.scratch = nil
	}
}

// close lets go of everything that others hold for this request.
func (x *exchange) close() {
	if x.answer != nil {
		x.answer.Close()
	}
	x.p.open.remove(x)
}

// at names the step a panic came from.
func (x *exchange) at() string {
	if x.i < len(x.p.steps) {
		return x.p.steps[x.i].name
	}
	return ""
}

// failed notes why the request ends. The first reason counts.
func (x *exchange) failed(err error) {
	if cause := x.req.Cancel.Cause(); cause != nil {
		// Whatever broke, it broke because the request was ended from outside.
		err = cause
	}
	if errors.Is(err, ErrCallerLeft) {
		x.gone = true
		return
	}
	if x.fault != nil {
		return
	}
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		f = fault.From(err)
	}
	if f.Kind == fault.Internal {
		x.p.Logger.Error("request failed", "request_id", x.req.ID, "error", err)
	}
	if f.Kind == fault.UpstreamRejected {
		// Who reads an answer or a stream does not know the secret that an
		// error in it may repeat.
		openaierror.Hide(f, x.call.Secret)
	}
	x.fault = f
}

// open holds the requests under way, so that they can be cut. It is split in
// shards, because every request enters and leaves.
type open struct {
	shards [16]openShard
}

type openShard struct {
	mu   sync.Mutex
	list *exchange
	_    [48]byte // keeps shards apart in the processor's cache
}

func (o *open) add(x *exchange, by uint64) {
	s := &o.shards[by%uint64(len(o.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	x.shard, x.prev, x.next = s, nil, s.list
	if s.list != nil {
		s.list.prev = x
	}
	s.list = x
}

func (o *open) remove(x *exchange) {
	s := x.shard
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		s.list = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.shard, x.prev, x.next = nil, nil, nil
}

// each visits all open requests; none of them can end meanwhile.
func (o *open) each(visit func(*exchange)) {
	for i := range o.shards {
		s := &o.shards[i]
		s.mu.Lock()
		for x := s.list; x != nil; x = x.next {
			visit(x)
		}
		s.mu.Unlock()
	}
}
