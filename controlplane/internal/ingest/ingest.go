// Package ingest brings usage events from NATS into the ledger, each exactly
// once, and tells data planes how far it has come. It owns the usage stream
// and everything that can go wrong between it and Postgres: repeats, gaps,
// reordering, unreadable messages, a database that is away, a commit whose
// answer was lost. It knows no SQL.
//
// The way of an event: message → decode → one transaction (ledger, rollups,
// watermark) → acknowledge → watermark to the data plane. If anything fails
// before the acknowledgement, the message comes again, and the watermark, which
// moved in the same transaction, tells that its events are there.
package ingest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Ledger is where events go.
type Ledger interface {
	// RecordUsage adds the events that are not there yet, in one transaction.
	RecordUsage(ctx context.Context, batches []usage.Batch) (usage.Recorded, error)
	// Unacceptable reports whether err will meet the same events for ever.
	Unacceptable(err error) bool
	UsageWatermarks(ctx context.Context, dataPlaneID string) ([]usage.Watermark, error)
	UsageGaps(ctx context.Context, age time.Duration, most int) ([]usage.Gap, error)
	SetAside(ctx context.Context, a usage.Aside) error
	EnsureUsageDays(ctx context.Context, first, last time.Time) error
}

// Config is what an Ingester needs.
type Config struct {
	Conn   *nats.Conn
	Ledger Ledger
	Logger *slog.Logger
}

// Stats are counters since the start, for metrics.
type Stats struct {
	Events     atomic.Int64 // new in the ledger
	Duplicates atomic.Int64 // arrived again, and added nothing
	Messages   atomic.Int64
	Asides     atomic.Int64 // messages, and events without a number, that could only be set aside
	Refused    atomic.Int64 // events that are in the ledger without their measurements
	Retries    atomic.Int64 // transactions that had to be repeated
	Gaps       atomic.Int64 // places where an event had been missing for a minute
}

// Ingester moves usage from NATS to the ledger.
type Ingester struct {
	cfg        Config
	log        *slog.Logger
	stats      Stats
	messages   chan message
	heartbeats chan *nats.Msg

	// Of the writer alone: days that have a partition, and since when it knows.
	days      map[int64]bool
	daysSince time.Time
	// gaps are those that stood open when they were last counted.
	gaps map[usage.Gap]bool
	// gapsFailed says that the last look for them failed.
	gapsFailed bool
}

// message is one message of the stream, decoded.
type message struct {
	msg   jetstream.Msg
	batch usage.Batch
	err   error // why it cannot be read
}

const (
	// maxEvents bounds a transaction: large enough to be efficient, short
	// enough that watermarks stay fresh.
	maxEvents = 10_000

	// gapAge is how long a missing event may still be on its way.
	gapAge = time.Minute
	// maxGaps is how many are looked at; beyond that many, one more tells nothing.
	maxGaps = 1000

	daysAhead = 7

	// attemptTimeout is far above the longest transaction.
	attemptTimeout = 20 * time.Second
)

// New makes an Ingester; Run starts it.
func New(cfg Config) *Ingester {
	return &Ingester{cfg: cfg, log: cfg.Logger.With("part", "ingest"), messages: make(chan message, prefetch),
		heartbeats: make(chan *nats.Msg, 1024), days: map[int64]bool{}}
}

// Stats gives the live counters.
func (in *Ingester) Stats() *Stats { return &in.stats }

// Run ingests until ctx ends.
func (in *Ingester) Run(ctx context.Context) error {
	// Of several control planes, one answers a heartbeat.
	sub, err := in.cfg.Conn.ChanQueueSubscribe(subject.HeartbeatAll(), "ledger", in.heartbeats)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return in.read(ctx) })
	g.Go(func() error { return in.write(ctx) })
	return g.Wait()
}

func (in *Ingester) arrived(msg jetstream.Msg) message {
	in.stats.Messages.Add(1)
	received := time.Now()
	if meta, err := msg.Metadata(); err == nil {
		received = meta.Timestamp
	}
	b, err := Decode(msg.Subject(), msg.Data(), received)
	return message{msg: msg, batch: b, err: err}
}

// write is the one loop that touches the ledger. Messages and heartbeats take
// turns in it, so that a watermark that was read before a transaction is never
// sent after the one which that transaction moved.
func (in *Ingester) write(ctx context.Context) error {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	in.prepare(ctx, time.Now())
	for {
		select {
		case m := <-in.messages:
			in.store(ctx, in.gather(m))
		case hb := <-in.heartbeats:
			in.answer(ctx, hb)
		case now := <-tick.C:
			in.prepare(ctx, now)
			in.countGaps(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// gather takes what has arrived meanwhile, up to a transaction's worth. While
// one transaction runs the next fills by itself, so nothing waits for company.
func (in *Ingester) gather(first message) []message {
	group, events := []message{first}, len(first.batch.Events)
	for events < maxEvents {
		select {
		case m := <-in.messages:
			group, events = append(group, m), events+len(m.batch.Events)
		default:
			return group
		}
	}
	return group
}

// store records messages, acknowledges them and sends the watermarks. It
// returns when that is done or ctx ends, however long the database is away.
func (in *Ingester) store(ctx context.Context, group []message) {
	var good []message
	for _, m := range group {
		if m.err != nil {
			in.setAside(ctx, m, m.err)
			continue
		}
		good = append(good, m)
	}
	if len(good) == 0 {
		return
	}
	in.partitions(ctx, good)
	batches := make([]usage.Batch, len(good))
	for i, m := range good {
		batches[i] = m.batch
	}
	err := in.record(ctx, batches, good...)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && len(good) > 1:
		// One of them is not acceptable: halve until it stands alone.
		in.store(ctx, good[:len(good)/2])
		in.store(ctx, good[len(good)/2:])
		return
	case err != nil && !in.divide(ctx, good[0], good[0].batch, err):
		return
	}
	for _, m := range good {
		in.ack(m)
	}
}

// record repeats the transaction until it is through, ctx ends, or the data
// itself is refused. Then it counts, and sends the watermarks: their events are
// in the ledger, whatever becomes of the messages.
func (in *Ingester) record(ctx context.Context, batches []usage.Batch, from ...message) error {
	var rec usage.Recorded
	err := in.insist(ctx, "record usage", func(ctx context.Context) (err error) {
		rec, err = in.cfg.Ledger.RecordUsage(ctx, batches)
		return err
	}, from...)
	if err != nil {
		return err
	}
	in.stats.Events.Add(int64(rec.Events))
	in.stats.Duplicates.Add(int64(rec.Duplicates))
	in.stats.Refused.Add(int64(rec.Refused))
	for _, b := range batches {
		in.stats.Asides.Add(int64(len(b.Strays)))
	}
	for _, w := range rec.Watermarks {
		in.send(w)
	}
	return nil
}

// insist repeats fn with growing pauses until it succeeds, ctx ends, or the
// failure is one that stays. Meanwhile it tells the stream that the messages
// are being worked on, so that they are not sent again.
func (in *Ingester) insist(ctx context.Context, what string, fn func(context.Context) error, group ...message) error {
	pause := backoff{}
	for {
		err := in.attempt(ctx, fn)
		if err == nil || ctx.Err() != nil || in.cfg.Ledger.Unacceptable(err) {
			return err
		}
		in.stats.Retries.Add(1)
		if !errors.Is(err, fault.New(fault.Conflict, "", nil)) {
			in.log.Warn("the ledger cannot be written; trying again", "operation", what, "error", err)
		}
		for _, m := range group {
			_ = m.msg.InProgress() // at worst it comes again
		}
		pause.wait(ctx)
	}
}

// attempt bounds one try: a database that has stopped without a word, or sits
// behind a dead network, would hold the connection for many minutes.
func (in *Ingester) attempt(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return fn(ctx)
}

// setAside keeps a message that cannot be taken, and lets the others pass.
func (in *Ingester) setAside(ctx context.Context, m message, cause error) {
	if in.keepAside(ctx, m, m.msg.Data(), cause) {
		in.ack(m)
	}
}

// keepAside keeps a message, or a part of it, that nothing else can be made of;
// false when ctx ended before.
func (in *Ingester) keepAside(ctx context.Context, m message, payload []byte, cause error) bool {
	err := in.insist(ctx, "set aside", func(ctx context.Context) error {
		return in.cfg.Ledger.SetAside(ctx, usage.Aside{Subject: m.msg.Subject(), Reason: clean(cause.Error()), Payload: payload})
	}, m)
	if ctx.Err() != nil {
		return false
	}
	in.stats.Asides.Add(1)
	in.log.Error("a usage message cannot be taken and was set aside", "subject", m.msg.Subject(), "bytes", len(payload), "cause", cause, "error", err)
	return true
}

// ack may fail: the message then comes again and adds nothing.
func (in *Ingester) ack(m message) {
	if err := m.msg.Ack(); err != nil {
		in.log.Warn("acknowledge usage message", "subject", m.msg.Subject(), "error", err)
	}
}

// answer tells a data plane what the ledger holds of its epochs. An epoch that
// the ledger has never heard of stands at 0: after the ledger was restored to
// an earlier state, that is how a data plane learns to send again.
func (in *Ingester) answer(ctx context.Context, msg *nats.Msg) {
	var hb statusv1.Heartbeat
	if err := proto.Unmarshal(msg.Data, &hb); err != nil || hb.DataPlaneId == "" {
		return // package publish reports heartbeats that cannot be read
	}
	var marks []usage.Watermark
	err := in.attempt(ctx, func(ctx context.Context) (err error) {
		marks, err = in.cfg.Ledger.UsageWatermarks(ctx, hb.DataPlaneId)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			in.log.Warn("read watermarks", "data_plane", hb.DataPlaneId, "error", err)
		}
		return
	}
	known := false
	for _, w := range marks {
		known = known || w.Epoch == int64(hb.Epoch)
		in.send(w)
	}
	if !known {
		in.send(usage.Watermark{DataPlaneID: hb.DataPlaneId, Epoch: int64(hb.Epoch)})
	}
}

func (in *Ingester) send(w usage.Watermark) {
	b, err := proto.Marshal(&usagev1.Watermark{DataPlaneId: w.DataPlaneID, Epoch: uint64(w.Epoch), Seq: uint64(w.Contiguous)})
	if err == nil {
		err = in.cfg.Conn.Publish(subject.Watermark(w.DataPlaneID), b)
	}
	if err != nil {
		// The next heartbeat is answered with it.
		in.log.Warn("send watermark", "data_plane", w.DataPlaneID, "error", err)
	}
}

// countGaps looks for events that have been missing for too long, and counts
// each place once.
func (in *Ingester) countGaps(ctx context.Context) {
	var found []usage.Gap
	err := in.attempt(ctx, func(ctx context.Context) (err error) {
		found, err = in.cfg.Ledger.UsageGaps(ctx, gapAge, maxGaps)
		return err
	})
	if err != nil {
		// While the database is away the writer says so; what fails again is told.
		if in.gapsFailed && ctx.Err() == nil {
			in.log.Warn("missing usage events cannot be looked for; trying again", "error", err)
		}
		in.gapsFailed = true
		return
	}
	in.gapsFailed = false
	open := make(map[usage.Gap]bool, len(found))
	for _, g := range found {
		open[g] = true
		if !in.gaps[g] {
			in.stats.Gaps.Add(1)
			in.log.Error("usage events are missing", "data_plane", g.DataPlaneID, "epoch", g.Epoch, "after", g.After)
		}
	}
	in.gaps = open
}

// backoff waits longer each time, up to two seconds, and not in step with
// others.
type backoff struct{ d time.Duration }

func (b *backoff) reset() { b.d = 0 }

func (b *backoff) wait(ctx context.Context) {
	b.d = min(max(2*b.d, 50*time.Millisecond), 2*time.Second)
	t := time.NewTimer(b.d/2 + rand.N(b.d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
