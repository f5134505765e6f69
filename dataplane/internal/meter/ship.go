package meter

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tollgate/tollgate/proto/subject"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	// maxBatch is the size of one message on the usage stream.
	maxBatch = 64 << 10
	// window is how many messages are on their way at once.
	window = 16
)

// shipper is what runShipper holds.
type shipper struct {
	*Meter
	js jetstream.JetStream
	// data is what is read of a segment.
	data      []byte
	backoff   time.Duration
	notBefore time.Time
}

// runShipper ships events, takes watermarks and trims the spool.
func (m *Meter) runShipper(ctx context.Context) error {
	s := &shipper{Meter: m}
	watermarks := newInbox()
	if m.cfg.NATS != nil {
		// Timeouts are ours: acknowledgements are waited for below.
		js, err := jetstream.New(m.cfg.NATS, jetstream.WithPublishAsyncMaxPending(4*window), jetstream.WithPublishAsyncTimeout(m.cfg.AckTimeout))
		if err != nil {
			return fmt.Errorf("use JetStream: %w", err)
		}
		s.js = js
		unsubscribe, err := m.subscribe(watermarks)
		if err != nil {
			return err
		}
		defer unsubscribe()
	}
	house, notes := time.NewTicker(housekeepingEvery), time.NewTicker(notesEvery)
	defer house.Stop()
	defer notes.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			s.flush()
			return nil
		case <-watermarks.wake:
			for _, w := range watermarks.take() {
				m.confirm(w)
			}
		case <-m.shipWake:
			next.Reset(s.pause())
		case <-next.C:
			s.cycle(ctx)
		case <-house.C:
			m.reshipStalled()
			m.trim()
			if s.behind() {
				next.Reset(s.pause())
			}
		case <-notes.C:
			if err := m.writeNotes(); err != nil {
				m.log.Warn("usage spool notes cannot be written", "error", err)
			}
		}
	}
}

// subscribe listens for the watermarks of all ids in the spool.
func (m *Meter) subscribe(in *inbox) (func(), error) {
	m.mu.Lock()
	ids := map[string]bool{m.planeID: true}
	for k := range m.lines {
		ids[k.planeID] = true
	}
	m.mu.Unlock()
	var subs []*nats.Subscription
	unsubscribe := func() {
		for _, s := range subs {
			// It fails when the connection is closed, and is not needed then.
			_ = s.Unsubscribe()
		}
	}
	for planeID := range ids {
		sub, err := m.cfg.NATS.Subscribe(subject.Watermark(planeID), func(msg *nats.Msg) {
			w := &usagev1.Watermark{}
			if err := proto.Unmarshal(msg.Data, w); err != nil || w.GetDataPlaneId() != planeID {
				m.log.Error("watermark cannot be read", "subject", msg.Subject)
				return
			}
			in.put(w)
		})
		if err != nil {
			unsubscribe()
			return nil, fmt.Errorf("subscribe to watermarks: %w", err)
		}
		subs = append(subs, sub)
	}
	return unsubscribe, nil
}

// pause is how long to wait before shipping: not at all when a batch is full.
func (s *shipper) pause() time.Duration {
	wait := time.Until(s.notBefore)
	if s.backoff == 0 && s.unshipped.Load() >= maxBatch {
		return 0
	}
	return max(0, wait)
}

// cycle ships all that is synced, and backs off when it cannot.
func (s *shipper) cycle(ctx context.Context) {
	err := s.shipAll(ctx)
	if err == nil {
		s.backoff, s.notBefore = 0, time.Now().Add(s.cfg.ShipEvery)
		return
	}
	s.backoff = min(max(2*s.backoff, s.cfg.RetryMin), s.cfg.RetryMax)
	s.notBefore = time.Now().Add(rand.N(s.backoff))
	if ctx.Err() == nil {
		s.log.Warn("usage events cannot be shipped; they wait in the spool", "error", err)
	}
}

// behind reports whether anything waits to be shipped.
func (s *shipper) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.shipped < l.last {
			return true
		}
	}
	return false
}

// flush is the last shipment before the process ends.
func (s *shipper) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.FlushTimeout)
	defer cancel()
	for ctx.Err() == nil {
		s.syncAll()
		if err := s.shipAll(ctx); err != nil {
			s.log.Warn("usage events stay in the spool until the next start", "error", err)
			return
		}
		if !s.behind() {
			return
		}
	}
}

var errAway = errors.New("NATS is not connected")

// shipAll ships what is synced of every line, older boots first.
func (s *shipper) shipAll(ctx context.Context) error {
	if s.js == nil {
		return nil
	}
	if !s.cfg.NATS.IsConnected() {
		return errAway
	}
	s.unshipped.Store(0)
	s.mu.Lock()
	keys := make([]lineKey, 0, len(s.lines))
	for k, l := range s.lines {
		if l.shipped < l.last {
			keys = append(keys, k)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(keys, func(a, b lineKey) int { return cmp.Compare(a.epoch, b.epoch) })
	for _, k := range keys {
		for {
			more, err := s.shipLine(ctx, k)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return nil
}

// batch is one message to be.
type batch struct {
	data        []byte
	first, last uint64
	// at is when its first event was settled.
	at  int64
	end cursor
}

// shipLine ships a window of a line's batches and waits for the stream to have
// them; more says that there may be others.
func (s *shipper) shipLine(ctx context.Context, k lineKey) (more bool, err error) {
	batches, generation, err := s.collect(k)
	if err != nil || len(batches) == 0 {
		return false, err
	}
	s.mu.Lock()
	if l := s.lines[k]; l != nil {
		l.reached = max(l.reached, batches[len(batches)-1].last)
	}
	s.mu.Unlock()
	acks := make([]jetstream.PubAckFuture, 0, len(batches))
	var failed error
	for _, b := range batches {
		id := fmt.Sprintf("%s-%d-%d-%d-%d", k.planeID, k.epoch, b.first, b.last, generation)
		ack, err := s.js.PublishAsync(subject.Usage(k.planeID), b.data, jetstream.WithMsgID(id), jetstream.WithExpectStream(subject.UsageStream))
		if err != nil {
			failed = err
			break
		}
		acks = append(acks, ack)
	}
	timeout := time.NewTimer(s.cfg.AckTimeout)
	defer timeout.Stop()
	for i, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return false, fmt.Errorf("publish usage batch: %w", err)
		case <-timeout.C:
			return false, errors.New("publish usage batch: no acknowledgement in time")
		case <-ctx.Done():
			return false, ctx.Err()
		}
		s.mu.Lock()
		// Watermarks are taken by this goroutine, so nothing was rewound.
		if l := s.lines[k]; l != nil {
			l.ship(batches[i].last, batches[i].at, s.cfg.Now())
			l.cursor = batches[i].end
		}
		s.mu.Unlock()
	}
	return len(batches) == window, failed
}

// source is a segment as the shipper reads it.
type source struct {
	number uint64
	path   string
	synced int64
	first  uint64
}

// collect gathers the next window of batches of a line.
func (s *shipper) collect(k lineKey) (batches []batch, generation uint64, err error) {
	s.mu.Lock()
	l := s.lines[k]
	if l == nil {
		s.mu.Unlock()
		return nil, 0, nil
	}
	at, from := l.cursor, l.shipped
	generation = l.generation
	var sources []source
	for _, seg := range s.segments {
		if seg.planeID == k.planeID && seg.epoch == k.epoch && seg.lastSeq > from {
			sources = append(sources, source{seg.number, seg.path, seg.synced.Load(), seg.firstSeq})
		}
	}
	s.mu.Unlock()
	// By what they hold: an earlier version could fill segments out of turn.
	slices.SortFunc(sources, func(a, b source) int { return cmp.Compare(a.first, b.first) })
	c := collector{key: k, from: from}
	for _, src := range sources {
		off := int64(segmentHeader)
		if at.segment == src.number && at.seq == from {
			off = at.off
		}
		full, err := s.collectFrom(&c, src, off)
		if err != nil {
			return nil, 0, err
		}
		if full {
			break
		}
	}
	c.close()
	return c.batches, generation, nil
}

// readBytes is how much of a segment is read at once.
const readBytes = 256 << 10

// collectFrom takes the synced records of one segment from off on.
func (s *shipper) collectFrom(c *collector, src source, off int64) (full bool, err error) {
	f, err := os.Open(src.path)
	if err != nil {
		return false, fmt.Errorf("read usage segment: %w", err)
	}
	defer f.Close()
	if s.data == nil {
		s.data = make([]byte, readBytes)
	}
	for off < src.synced {
		n, err := f.ReadAt(s.data[:min(readBytes, src.synced-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read usage segment: %w", err)
		}
		next, full := c.scan(s.data[:n], place{src.number, off})
		if full || next == off {
			return full, nil
		}
		off = next
	}
	return false, nil
}

// collector puts settle records into batches.
type collector struct {
	key     lineKey
	from    uint64
	batches []batch
	cur     batch
}

// scan takes the records of a part of a segment and tells where the next one
// begins; full says that the window is.
func (c *collector) scan(data []byte, at place) (end int64, full bool) {
	off := 0
	for {
		f, next, ok := nextFrame(data, off, at)
		if !ok {
			return at.off + int64(off), false
		}
		if f.kind == kindSettle && f.u64(settleSeq) > c.from {
			event := f.data[settleEvent:]
			if len(c.cur.data)+len(event)+24 > maxBatch {
				c.close()
				if len(c.batches) == window {
					return at.off + int64(off), true
				}
			}
			c.add(f.u64(settleSeq), event, int64(f.u64(settleTime)))
			c.cur.end = cursor{at.segment, f.u64(settleSeq), at.off + int64(next)}
		}
		off = next
	}
}

func (c *collector) add(seq uint64, event []byte, at int64) {
	b := c.cur.data
	if c.cur.first == 0 {
		c.cur.first, c.cur.at = seq, at
		b = make([]byte, 0, maxBatch)
		b = protowire.AppendString(protowire.AppendTag(b, fieldBatchDP, protowire.BytesType), c.key.planeID)
		b = protowire.AppendVarint(protowire.AppendTag(b, fieldBatchEpoch, protowire.VarintType), c.key.epoch)
	}
	var field [1 + binary.MaxVarintLen64]byte
	number := protowire.AppendVarint(protowire.AppendTag(field[:0], fieldSeq, protowire.VarintType), seq)
	b = protowire.AppendTag(b, fieldBatchEvents, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(number)+len(event)))
	c.cur.data = append(append(b, number...), event...)
	c.cur.last, c.from = seq, seq
}

func (c *collector) close() {
	if c.cur.first != 0 {
		c.batches = append(c.batches, c.cur)
		c.cur = batch{}
	}
}
