// Package loadgen sends chat requests to a gateway on this machine and writes
// down what became of each: status, latency, and whether the answer ended as
// it should. Its log is the caller's side of the oracle in chaos runs; its
// latencies are those of benchmarks.
//
// Closed loop keeps a number of connections busy; open loop starts requests at
// fixed times whatever the gateway does, and measures from those times, so
// that a stall shows in the latencies of all requests that it delayed. The
// requests are prebuilt and the answers skimmed on raw connections, because
// the generator shares a core with the fake provider.
//
// It is bounded in count and time, talks to loopback addresses only, and knows
// nothing of what is inside the gateway.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Request is one kind of request in the mix.
type Request struct {
	// Name groups results.
	Name string `json:"name"`
	// Path defaults to /v1/chat/completions.
	Path string `json:"path"`
	Body []byte `json:"-"`
	// Stream says that a good answer ends with the event [DONE].
	Stream bool `json:"stream"`
	// Weight is how often it is sent relative to the others; 0 counts as 1.
	Weight int `json:"weight"`
	// Leave makes the caller hang up after the first bytes of the answer.
	Leave bool `json:"leave"`
}

// Options of a run.
type Options struct {
	// Targets are host:port of gateways, taken in turn.
	Targets []string
	// Key is sent as bearer.
	Key      string
	Requests []Request
	// Conns is how many requests are open at once, at most.
	Conns int
	// RPS starts requests at this rate; 0 means closed loop.
	RPS float64
	// Count and Duration bound the run; one of them must be set.
	Count    int
	Duration time.Duration
	// Timeout of one request; 30 s when 0.
	Timeout time.Duration
	// Seed makes request ids of a run its own.
	Seed uint64
	// Records keeps a record for each request.
	Records bool
	// Rest is for how long a target that refused a connection is passed over
	// while another one is there; 100 ms when 0.
	Rest time.Duration
	// Skip, when set, says that a target must not be sent anything now, as a
	// balancer that checks readiness would know.
	Skip func(target string) bool
}

// maxDuration bounds every run, whatever the options say.
const maxDuration = time.Hour

// Validate reports what makes the options unusable.
func (o Options) Validate() error {
	switch {
	case len(o.Targets) == 0:
		return errors.New("no target")
	case len(o.Requests) == 0:
		return errors.New("no request")
	case o.Conns < 1 || o.Conns > 4096:
		return fmt.Errorf("%d connections: must be 1 to 4096", o.Conns)
	case o.Count <= 0 && o.Duration <= 0:
		return errors.New("neither count nor duration is set")
	case o.Duration > maxDuration:
		return fmt.Errorf("duration %v is more than %v", o.Duration, maxDuration)
	}
	for _, t := range o.Targets {
		host, _, err := net.SplitHostPort(t)
		if err != nil {
			return fmt.Errorf("target %q: %w", t, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("target %q is not a loopback address", t)
		}
	}
	return nil
}

// job is one request to send.
type job struct {
	n     int
	kind  int
	start time.Time
}

// run is the state that workers share.
type run struct {
	o       Options
	order   []int // kinds by weight, taken in turn
	next    atomic.Int64
	turn    atomic.Int64
	unsent  atomic.Int64
	resting []atomic.Int64 // unix nanoseconds until which a target is passed over
}

// Run sends the load and returns when it is done or ctx ends; requests that
// are open at the end are waited for.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Rest == 0 {
		o.Rest = 100 * time.Millisecond
	}
	limit := o.Duration
	if limit == 0 {
		limit = maxDuration
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := &run{o: o, order: weigh(o.Requests), resting: make([]atomic.Int64, len(o.Targets))}
	jobs := r.schedule(ctx)
	workers := make([]*worker, o.Conns)
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range workers {
		workers[i] = newWorker(r)
		wg.Go(func() { workers[i].work(ctx, jobs) })
	}
	wg.Wait()
	return summarise(r, workers, time.Since(begin)), nil
}

// weigh spreads the kinds evenly: a mix of 1 and 1 alternates.
func weigh(requests []Request) []int {
	left := make([]int, len(requests))
	total := 0
	for i, q := range requests {
		left[i] = max(1, q.Weight)
		total += left[i]
	}
	weights := slices.Clone(left)
	credit := make([]int, len(requests))
	var order []int
	for range total {
		best := 0
		for i := range credit {
			credit[i] += weights[i]
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= total
		order = append(order, best)
	}
	return order
}

// take hands out the next request; ok is false when the run is over.
func (r *run) take() (j job, ok bool) {
	n := int(r.next.Add(1) - 1)
	if r.o.Count > 0 && n >= r.o.Count {
		return j, false
	}
	return job{n: n, kind: r.order[n%len(r.order)], start: time.Now()}, true
}

// schedule starts the clock of an open loop; a closed loop has none.
func (r *run) schedule(ctx context.Context) <-chan job {
	if r.o.RPS <= 0 {
		return nil
	}
	// What finds all connections busy waits here; what finds this full was
	// never sent, which the result says.
	jobs := make(chan job, 4*r.o.Conns)
	go func() {
		defer close(jobs)
		begin := time.Now()
		for {
			j, ok := r.take()
			if !ok {
				return
			}
			j.start = begin.Add(time.Duration(float64(j.n) / r.o.RPS * float64(time.Second)))
			if !sleepUntil(ctx, j.start) {
				return
			}
			select {
			case jobs <- j:
			default:
				r.unsent.Add(1)
			}
		}
	}()
	return jobs
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// target picks the next target that is not resting; when all rest, the next.
func (r *run) target() int {
	now := time.Now().UnixNano()
	first := int(r.turn.Add(1)-1) % len(r.o.Targets)
	for i := range r.o.Targets {
		t := (first + i) % len(r.o.Targets)
		if r.resting[t].Load() <= now && (r.o.Skip == nil || !r.o.Skip(r.o.Targets[t])) {
			return t
		}
	}
	return first
}

// rest passes a target over for a while.
func (r *run) rest(target int) {
	r.resting[target].Store(time.Now().Add(r.o.Rest).UnixNano())
}
