package meter

import (
	"sync"

	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// inbox keeps the newest watermark of each line until the shipper has time for
// it. A queue would have to drop some when it is full, and for the events of
// an earlier boot no other watermark may ever follow.
type inbox struct {
	mu     sync.Mutex
	newest map[lineKey]*usagev1.Watermark
	// wake has a value when something waits.
	wake chan struct{}
}

func newInbox() *inbox {
	return &inbox{newest: map[lineKey]*usagev1.Watermark{}, wake: make(chan struct{}, 1)}
}

func (b *inbox) put(w *usagev1.Watermark) {
	b.mu.Lock()
	b.newest[lineKey{w.GetDataPlaneId(), w.GetEpoch()}] = w
	b.mu.Unlock()
	wake(b.wake)
}

// take empties the inbox.
func (b *inbox) take() map[lineKey]*usagev1.Watermark {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.newest
	b.newest = map[lineKey]*usagev1.Watermark{}
	return all
}
