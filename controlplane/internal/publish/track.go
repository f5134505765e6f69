package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
)

// queueGroup shares the words of data planes among control planes: one writes
// each down.
const queueGroup = "controlplane"

const (
	// maxWaiting bounds what waits while the database is away; the oldest
	// acknowledgements go first, since newer ones say more.
	maxWaiting = 20_000
	maxText    = 500
	maxID      = 64
)

// inbox holds what data planes said and the database does not have yet.
type inbox struct {
	mu    sync.Mutex
	acks  []heard[rollout.Ack]
	beats map[string]heard[rollout.DataPlane]
	wake  chan struct{}
}

type heard[T any] struct {
	at   time.Time
	what T
}

// track writes down acknowledgements and heartbeats until ctx ends.
func (p *Publisher) track(ctx context.Context) error {
	in := &inbox{beats: map[string]heard[rollout.DataPlane]{}, wake: make(chan struct{}, 1)}
	for subj, take := range map[string]func(*inbox, *nats.Msg) error{subject.AckAll(): p.takeAck, subject.HeartbeatAll(): takeHeartbeat} {
		sub, err := p.cfg.NATS.QueueSubscribe(subj, queueGroup, func(m *nats.Msg) {
			if err := take(in, m); err != nil {
				p.metrics.dropped.Inc()
				p.log.Warn("a data plane's message cannot be read", "subject", m.Subject, "error", err)
			}
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", subj, err)
		}
		defer sub.Unsubscribe()
	}
	var again seldom
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-in.wake:
		}
		if err := p.write(ctx, in); err != nil && ctx.Err() == nil {
			if again.may() {
				p.log.Warn("cannot write down what data planes said; trying again", "error", err)
			}
			sleep(ctx, p.cfg.Poll)
			in.rouse()
		}
	}
}

func (in *inbox) rouse() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// keep makes acks the ones that wait, but for the oldest beyond maxWaiting, and
// returns how many those were. The caller holds mu.
func (in *inbox) keep(acks []heard[rollout.Ack]) (dropped int) {
	dropped = max(0, len(acks)-maxWaiting)
	in.acks = acks[dropped:]
	return dropped
}

// write saves what has come in. What the database could not take now goes back;
// what it will never take is dropped.
func (p *Publisher) write(ctx context.Context, in *inbox) error {
	in.mu.Lock()
	acks, beats := in.acks, in.beats
	in.acks, in.beats = nil, map[string]heard[rollout.DataPlane]{}
	in.mu.Unlock()
	if err := p.saveAcks(ctx, acks); err != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		p.metrics.dropped.Add(float64(in.keep(append(acks, in.acks...))))
		for id, b := range beats {
			if _, newer := in.beats[id]; !newer {
				in.beats[id] = b
			}
		}
		return err
	}
	if len(beats) == 0 {
		return nil
	}
	list := make([]rollout.DataPlane, 0, len(beats))
	for _, b := range beats {
		b.what.Age = time.Since(b.at)
		list = append(list, b.what)
	}
	// The next heartbeat comes in 5 s: a lost one needs no second try.
	return p.attempt(ctx, func(ctx context.Context) error { return p.cfg.DB.SaveHeartbeats(ctx, list) })
}

func (p *Publisher) saveAcks(ctx context.Context, acks []heard[rollout.Ack]) error {
	if len(acks) == 0 {
		return nil
	}
	aged := func(from []heard[rollout.Ack]) []rollout.Ack {
		out := make([]rollout.Ack, len(from))
		for i, a := range from {
			out[i] = a.what
			out[i].Age = time.Since(a.at)
		}
		return out
	}
	save := func(acks []heard[rollout.Ack]) error {
		return p.attempt(ctx, func(ctx context.Context) error { return p.cfg.DB.SaveAcks(ctx, aged(acks)) })
	}
	err := save(acks)
	if !p.cfg.DB.Unacceptable(err) {
		return err
	}
	// One of them is at fault; the others must not suffer. Writing one twice
	// changes nothing.
	for _, a := range acks {
		err := save([]heard[rollout.Ack]{a})
		if err == nil {
			continue
		}
		if !p.cfg.DB.Unacceptable(err) {
			return err
		}
		p.metrics.dropped.Inc()
		p.log.Error("an acknowledgement cannot be kept", "data_plane", a.what.DataPlaneID, "revision", a.what.Revision, "error", err)
	}
	return nil
}

func (p *Publisher) takeAck(in *inbox, m *nats.Msg) error {
	var a statusv1.Ack
	if err := proto.Unmarshal(m.Data, &a); err != nil {
		return err
	}
	if err := checkSender(a.DataPlaneId, subject.Ack(a.DataPlaneId), m, a.Epoch, a.Revision); err != nil {
		return err
	}
	ack := rollout.Ack{DataPlaneID: a.DataPlaneId, Epoch: int64(a.Epoch), Revision: int64(a.Revision)}
	for _, r := range a.Refused {
		p.metrics.refusals.WithLabelValues(configcheck.Reason(r.Path)).Inc()
		p.log.Warn("a data plane refused a resource", "data_plane", a.DataPlaneId, "tenant", r.TenantId, "kind", r.Kind, "resource", r.Id,
			"revision", r.Revision, "path", r.Path, "message", r.Message)
		ack.Refused = append(ack.Refused, rollout.Refusal{
			TenantID: text(r.TenantId), Kind: r.Kind, ResourceID: text(r.Id), Revision: int64(min(r.Revision, math.MaxInt64)),
			Path: text(r.Path), Message: text(r.Message),
		})
	}
	in.mu.Lock()
	dropped := in.keep(append(in.acks, heard[rollout.Ack]{time.Now(), ack}))
	in.mu.Unlock()
	p.metrics.dropped.Add(float64(dropped))
	in.rouse()
	return nil
}

func takeHeartbeat(in *inbox, m *nats.Msg) error {
	var h statusv1.Heartbeat
	if err := proto.Unmarshal(m.Data, &h); err != nil {
		return err
	}
	if err := checkSender(h.DataPlaneId, subject.Heartbeat(h.DataPlaneId), m, h.Epoch, h.Revision, h.Tenants, h.ApiKeys, h.InFlight,
		h.SpoolBytes, h.SpoolUnconfirmed, h.UsageLost, h.LastSeq); err != nil {
		return err
	}
	d := rollout.DataPlane{
		ID: h.DataPlaneId, Epoch: int64(h.Epoch), Version: text(h.Version), Address: text(h.Address), StartedAt: time.Unix(0, h.StartedAtUnixNano),
		Revision: int64(h.Revision), Tenants: int64(h.Tenants), APIKeys: int64(h.ApiKeys), InFlight: int64(h.InFlight),
		SpoolBytes: int64(h.SpoolBytes), SpoolUnconfirmed: int64(h.SpoolUnconfirmed), UsageLost: int64(h.UsageLost),
		LastSeq: int64(h.LastSeq), Stopping: h.Stopping,
	}
	in.mu.Lock()
	if before, ok := in.beats[d.ID]; !ok || before.what.Epoch <= d.Epoch {
		in.beats[d.ID] = heard[rollout.DataPlane]{time.Now(), d}
	}
	in.mu.Unlock()
	in.rouse()
	return nil
}

// checkSender sees to it that a data plane speaks for itself, on its own
// subject, in numbers that the database has room for.
func checkSender(id, on string, m *nats.Msg, numbers ...uint64) error {
	if id == "" || len(id) > maxID || text(id) != id || m.Subject != on {
		return errors.New("the data plane's id does not fit the subject")
	}
	for _, n := range numbers {
		if n > math.MaxInt64 {
			return errors.New("a number is out of range")
		}
	}
	return nil
}

// text makes what a data plane wrote fit for Postgres and for people.
func text(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
