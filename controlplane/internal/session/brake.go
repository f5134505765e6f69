package session

import (
	"fmt"
	"sync"
	"time"
)

// brake allows each name a burst of tries and one more per interval after
// that. Only names with recent tries take memory. Each control plane counts
// by itself: with n of them a guesser has n times the tries, which is still
// few.
type brake struct {
	now      func() time.Time
	burst    time.Duration // how far ahead of the clock a name may run
	interval time.Duration

	mu sync.Mutex
	// next is when the name's tries will all be paid for.
	next  map[string]time.Time
	sweep int // size at which the paid-up ones are dropped
}

const smallestSweep = 1024

func newBrake(now func() time.Time, burst int, interval time.Duration) *brake {
	return &brake{now: now, burst: time.Duration(burst) * interval, interval: interval, next: map[string]time.Time{}, sweep: smallestSweep}
}

// try counts one try; it returns how long to wait when there have been too
// many, and does not count that one.
func (b *brake) try(name string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.forget(now)
	next := b.next[name]
	if next.Before(now) {
		next = now
	}
	next = next.Add(b.interval)
	if over := next.Sub(now) - b.burst; over > 0 {
		return over
	}
	b.next[name] = next
	return 0
}

// release takes one try back.
func (b *brake) release(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if next, ok := b.next[name]; ok {
		b.next[name] = next.Add(-b.interval)
	}
}

// forget drops names that owe nothing, each time that the table has doubled.
func (b *brake) forget(now time.Time) {
	if len(b.next) < b.sweep {
		return
	}
	for name, next := range b.next {
		if !next.After(now) {
			delete(b.next, name)
		}
	}
	b.sweep = max(smallestSweep, 2*len(b.next))
}

// throttled is the private cause of too_many_attempts; the API reads from it
// when to come again.
type throttled struct{ wait time.Duration }

func (t *throttled) Error() string             { return fmt.Sprintf("too many tries, wait %s", t.wait) }
func (t *throttled) RetryAfter() time.Duration { return t.wait }
