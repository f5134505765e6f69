package meter

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Admission is one billable request between its two records. Its methods may
// be called from any goroutine.
type Admission struct {
	m      *Meter
	seg    *segment
	off    int64
	number uint64
	slot   uint32
	mu     sync.Mutex
	// word is the progress as it is, written the progress as it is on disk
	// where there is no journal.
	word, written uint64
	done          bool
	// abandoned says that the meter was closed over it.
	abandoned bool
}

// Admit writes the admit record of a request and reserves the room of its
// settle record. It fails with fault.UsageSpoolFull when there is none. It
// costs about 0.2 µs and one allocation.
func (m *Meter) Admit(info AdmitInfo) (*Admission, error) {
	buf := m.buffers.Get().(*[]byte)
	defer m.buffers.Put(buf)
	body := appendAdmit((*buf)[:admitBody], &info)
	*buf = body
	clear(body[:admitBody])
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.makeRoom(int64(padded(len(body)))+maxFrame, true); err != nil {
		return nil, err
	}
	if m.journal != nil && len(m.journal.free) == 0 {
		return nil, fault.New(fault.Overloaded, "", nil)
	}
	m.admitted++
	binary.LittleEndian.PutUint64(body[admitNumber:], m.admitted)
	a := &Admission{m: m, number: m.admitted}
	var err error
	if a.seg, a.off, err = m.write(body, kindAdmit); err != nil {
		return nil, fault.New(fault.UsageSpoolFull, "", err)
	}
	if m.journal != nil {
		a.slot, _ = m.journal.take(a)
	}
	a.seg.open++
	m.open++
	return a, nil
}

// Sent marks that the provider is about to be called: from here on an
// interrupted request costs its input.
func (a *Admission) Sent() { a.note(wordSent, 0) }

// Progress says how many bytes of the answer were passed on so far, in all;
// what an interrupted request is charged for is estimated from it. It costs
// some nanoseconds and may be called for every chunk.
func (a *Admission) Progress(total int64) {
	if total > 0 {
		a.note(wordSent, uint64(total)&wordBytes)
	}
}

// progressStep is how far progress may run ahead of the disk where there is no
// journal.
const progressStep = 16 << 10

func (a *Admission) note(flags, bytes uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// After Settle the slot may be another's.
	if a.done || a.abandoned || a.word&wordBytes > bytes {
		return
	}
	word := flags | bytes | a.word&wordSent
	if word == a.word {
		return
	}
	a.word = word
	if a.m.journal != nil {
		a.m.journal.setWord(a.slot, word)
		return
	}
	if (word^a.written)&wordSent != 0 || word-a.written >= progressStep {
		a.written = word
		a.m.mu.Lock()
		defer a.m.mu.Unlock()
		if err := a.seg.setWord(a.off, word); err != nil {
			a.m.log.Error("usage progress cannot be written", "error", err)
		}
	}
}

// Settle writes the request's event, once; a second call answers ErrSettled.
// It sets ev.Seq. An event that does not fit a record loses text and early
// attempts, never tokens or money. It does not fail for lack of room and costs
// about half a microsecond. When a broken disk has filled the journal it does
// fail, the event counts as lost, and the next boot settles the admission as
// interrupted.
func (a *Admission) Settle(ev *usagev1.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return ErrSettled
	}
	if a.abandoned {
		// The next boot finds the admission open and settles it.
		return errClosed
	}
	m := a.m
	buf := m.buffers.Get().(*[]byte)
	defer m.buffers.Put(buf)
	f := m.encode((*buf)[:0], ev)
	*buf = f
	binary.LittleEndian.PutUint64(f[settleEpoch:], m.epoch)
	binary.LittleEndian.PutUint64(f[settleNumber:], a.number)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	seq, seg, err := m.settle(f)
	if err != nil {
		return err
	}
	a.done, ev.Seq = true, seq
	// Whoever finds neither the settle record nor the mark settles again.
	if seg != a.seg {
		a.seg.late = append(a.seg.late, uint32(a.off))
	}
	if m.journal != nil {
		m.journal.give(a.slot)
	}
	a.seg.open--
	m.open--
	return nil
}

// Record writes an event that needs no admission: a refusal of a caller whose
// key is known. It fails with fault.UsageSpoolFull when there is no room, and
// the event, which costs nothing, is counted as unrecorded.
func (m *Meter) Record(ev *usagev1.Event) error {
	buf := m.buffers.Get().(*[]byte)
	defer m.buffers.Put(buf)
	f := m.encode((*buf)[:0], ev)
	*buf = f
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.makeRoom(int64(padded(len(f))), true); err != nil {
		m.unrecorded.Add(1)
		return err
	}
	seq, _, err := m.settle(f)
	if err != nil {
		return err
	}
	ev.Seq = seq
	return nil
}

// encode makes a settle frame but for what is only known under the lock.
func (m *Meter) encode(b []byte, ev *usagev1.Event) []byte {
	head := len(b) + settleEvent
	b = appendEvent(b[:head], ev)
	if len(b) > maxFrame {
		b = appendEvent(b[:head], fit(ev))
	}
	clear(b[:settleEvent])
	at := ev.GetStartedAtUnixNano() + ev.GetDurationNs()
	if ev.GetDurationNs() == 0 {
		at = m.cfg.Now().UnixNano()
	}
	binary.LittleEndian.PutUint64(b[settleTime:], uint64(at))
	return b
}

// settle numbers an event and writes it. One that cannot be written takes no
// number: a gap would hold the watermark for ever.
func (m *Meter) settle(f []byte) (seq uint64, seg *segment, err error) {
	binary.LittleEndian.PutUint64(f[settleSeq:], m.seq+1)
	if seg, _, err = m.write(f, kindSettle); err != nil {
		m.lost.Add(1)
		m.log.Error("a usage event cannot be written and is lost", "error", err)
		return 0, nil, fmt.Errorf("write usage event: %w", err)
	}
	m.seq++
	if seg.firstSeq == 0 {
		seg.firstSeq = m.seq
	}
	seg.lastSeq = m.seq
	l := m.lines[lineKey{m.planeID, m.epoch}]
	l.last = m.seq
	if l.pendingSince == 0 {
		l.pendingSince = int64(binary.LittleEndian.Uint64(f[settleTime:]))
	}
	if m.unshipped.Add(int64(len(f))) >= maxBatch {
		wake(m.shipWake)
	}
	return m.seq, seg, nil
}

// write adds a frame to the active segment, or to the next one when it does
// not fit; the caller has made room. From here on a kill of the process does
// not take it away. It fails when the disk does and the journal is full.
func (m *Meter) write(f []byte, kind byte) (seg *segment, off int64, err error) {
	n := int64(padded(len(f)))
	if m.active == nil || m.active.room() < n {
		if err := m.turn(); err != nil {
			return nil, 0, err
		}
	}
	seg, off = m.active, m.active.used
	sealFrame(f, kind, place{seg.number, off})
	switch {
	case m.journal == nil:
		if _, err := seg.file.WriteAt(f, off); err != nil {
			return nil, 0, err
		}
	case !m.journal.append(seg, off, f):
		if err := m.spill(); err != nil {
			return nil, 0, err
		}
		m.journal.append(seg, off, f)
	}
	seg.used += n
	if !m.syncAsked.Swap(true) {
		wake(m.syncWake)
	}
	return seg, off, nil
}

// spill empties the half being filled into its segment, ahead of the keeper. A
// half that the disk does not take waits for the keeper while the other one is
// filled; only where both wait does it fail.
func (m *Meter) spill() error {
	j := m.journal
	h := &j.halves[j.cur]
	err := j.write(h)
	if err == nil {
		h.n = 0
		return nil
	}
	m.broken(err)
	if j.halves[1-j.cur].n > 0 {
		return err
	}
	j.cur = 1 - j.cur
	return nil
}

// broken notes that the disk does not take what it has room for. Nothing more
// is admitted until it does: what is in the journal is safe from the death of
// this process alone.
func (m *Meter) broken(err error) {
	if m.unwritten {
		return
	}
	m.unwritten = true
	m.log.Error("usage records cannot be written to disk; they wait in the journal, and billable requests are refused", "error", err)
}

// turn seals the active segment and makes a spare the active one.
func (m *Meter) turn() error {
	now := m.cfg.Now()
	if m.journal != nil {
		if err := m.spill(); err != nil {
			return err
		}
	}
	next := m.spares[0]
	if err := next.begin(m.planeID, m.epoch, now); err != nil {
		return fmt.Errorf("begin usage segment: %w", err)
	}
	if m.active != nil {
		m.active.sealedAt = now
	}
	m.active, m.spares = next, m.spares[1:]
	m.segments = append(m.segments, m.active)
	return nil
}

// free is how much can be written for certain, wherever frames fall.
func (m *Meter) free() int64 {
	n := int64(len(m.spares)) * (m.cfg.SegmentBytes - segmentHeader - maxFrame)
	if m.active != nil {
		n += max(0, m.active.room()-maxFrame)
	}
	return n
}

// makeRoom makes sure that n bytes can be written besides what is reserved for
// open admissions.
func (m *Meter) makeRoom(n int64, debtsFirst bool) error {
	if m.closed {
		return errClosed
	}
	if m.unwritten {
		return fault.New(fault.UsageSpoolFull, "", nil)
	}
	need := n + int64(m.open)*maxFrame
	for m.free() < need {
		now := m.cfg.Now()
		if now.Before(m.retryAt) {
			return fault.New(fault.UsageSpoolFull, "", nil)
		}
		if err := m.grow(); err != nil {
			// Asking the disk for each request would cost more than it is worth.
			m.retryAt = now.Add(time.Second / 2)
			m.setFull(true, err)
			return fault.New(fault.UsageSpoolFull, "", err)
		}
	}
	if debtsFirst && len(m.debts) > 0 {
		return fault.New(fault.UsageSpoolFull, "", nil)
	}
	m.setFull(false, nil)
	return nil
}

func (m *Meter) setFull(full bool, why error) {
	if m.full == full {
		return
	}
	m.full = full
	if full {
		m.log.Error("usage spool is full; billable requests are refused", "error", why, "bytes", m.bytes, "max_bytes", m.cfg.MaxBytes)
		wake(m.shipWake)
	} else {
		m.log.Info("usage spool has room again", "bytes", m.bytes)
	}
}

// grow adds a spare segment.
func (m *Meter) grow() error {
	if m.bytes+m.cfg.SegmentBytes > m.cfg.MaxBytes {
		return fmt.Errorf("the spool holds %d of %d bytes", m.bytes, m.cfg.MaxBytes)
	}
	s, err := newSegment(m.cfg.Dir, m.next, m.cfg.SegmentBytes)
	m.next++
	if err != nil {
		return fmt.Errorf("allocate usage segment: %w", err)
	}
	m.bytes += s.size
	m.spares = append(m.spares, s)
	m.warn()
	return nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
