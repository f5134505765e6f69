package tenantconfig

import (
	"context"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// maxRefusals is how many refusals one acknowledgement carries.
	maxRefusals = 100
	// maxWaiting is how many refusals wait while NATS is away; what is beyond
	// stands in the log.
	maxWaiting = 10_000
)

// ackQueue gathers what the next acknowledgement says.
type ackQueue struct {
	signal  chan struct{}
	mu      sync.Mutex
	refused []*statusv1.Refusal
}

func newAckQueue() ackQueue { return ackQueue{signal: make(chan struct{}, 1)} }

// wake asks for an acknowledgement soon.
func (q *ackQueue) wake() {
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

func (q *ackQueue) refuse(r *statusv1.Refusal) {
	q.mu.Lock()
	if len(q.refused) < maxWaiting {
		q.refused = append(q.refused, r)
	}
	q.mu.Unlock()
	q.wake()
}

// some takes refusals for one acknowledgement and says whether more wait.
func (q *ackQueue) some() (refused []*statusv1.Refusal, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.refused), maxRefusals)
	refused, q.refused = q.refused[:n:n], q.refused[n:]
	return refused, len(q.refused) > 0
}

func (q *ackQueue) putBack(refused []*statusv1.Refusal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = append(refused, q.refused...)
}

// runStatus sends acknowledgements as they are due and heartbeats on time.
func (s *Store) runStatus(ctx context.Context) error {
	beat := time.NewTicker(s.cfg.HeartbeatEvery)
	defer beat.Stop()
	s.heartbeat(false)
	wasUp := s.cfg.NATS.IsConnected()
	for {
		select {
		case <-ctx.Done():
			s.heartbeat(true)
			// Whoever closes the connection need not know of this.
			if s.cfg.NATS.IsConnected() {
				_ = s.cfg.NATS.FlushTimeout(time.Second)
			}
			return nil
		case <-s.acks.signal:
			s.acknowledge()
		case <-beat.C:
			s.heartbeat(false)
			// What was said while NATS was away was lost.
			if up := s.cfg.NATS.IsConnected(); up && !wasUp {
				s.acknowledge()
				wasUp = up
			} else {
				wasUp = up
			}
		}
	}
}

func (s *Store) acknowledge() {
	if !s.Loaded() || !s.cfg.NATS.IsConnected() {
		return
	}
	for {
		refused, more := s.acks.some()
		ack := &statusv1.Ack{DataPlaneId: s.cfg.DataPlaneID, Epoch: s.cfg.Epoch, Revision: s.Revision(), Refused: refused}
		if err := s.publish(subject.Ack(s.cfg.DataPlaneID), ack); err != nil {
			s.acks.putBack(refused)
			s.log.Warn("config acknowledgement cannot be sent", "error", err)
			return
		}
		if !more {
			return
		}
	}
}

func (s *Store) heartbeat(stopping bool) {
	if !s.cfg.NATS.IsConnected() {
		return
	}
	h := &statusv1.Heartbeat{
		DataPlaneId: s.cfg.DataPlaneID, Epoch: s.cfg.Epoch, Version: s.cfg.Version,
		StartedAtUnixNano: s.start.UnixNano(), Revision: s.Revision(), Stopping: stopping,
	}
	h.Tenants, h.ApiKeys = s.Counts()
	if s.cfg.Address != nil {
		h.Address = s.cfg.Address()
	}
	if s.cfg.Numbers != nil {
		n := s.cfg.Numbers()
		h.InFlight, h.SpoolBytes, h.SpoolUnconfirmed = n.InFlight, n.SpoolBytes, n.SpoolUnconfirmed
		h.UsageLost, h.LastSeq = n.UsageLost, n.LastSeq
	}
	if err := s.publish(subject.Heartbeat(s.cfg.DataPlaneID), h); err != nil {
		s.log.Warn("heartbeat cannot be sent", "error", err)
	}
}

func (s *Store) publish(subj string, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return s.cfg.NATS.Publish(subj, b)
}
