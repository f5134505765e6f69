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
	a.seg, a.off = m.write(body, kindAdmit)
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
// about half a microsecond.
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
	a.done = true
	var seg *segment
	ev.Seq, seg = m.settle(f)
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
	ev.Seq, _ = m.settle(f)
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

// settle numbers an event and writes it.
func (m *Meter) settle(f []byte) (seq uint64, seg *segment) {
	m.seq++
	binary.LittleEndian.PutUint64(f[settleSeq:], m.seq)
	seg, _ = m.write(f, kindSettle)
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
	return m.seq, seg
}

// write adds a frame to the active segment, or to the next one when it does
// not fit; the caller has made room. From here on a kill of the process does
// not take it away.
func (m *Meter) write(f []byte, kind byte) (seg *segment, off int64) {
	n := int64(padded(len(f)))
	if m.active == nil || m.active.room() < n {
		m.turn()
	}
	seg, off = m.active, m.active.used
	sealFrame(f, kind, place{seg.number, off})
	switch {
	case m.journal == nil:
		if _, err := seg.file.WriteAt(f, off); err != nil {
			m.lose(err)
		}
	case !m.journal.append(seg, off, f):
		m.spill()
		m.journal.append(seg, off, f)
	}
	seg.used += n
	if !m.syncAsked.Swap(true) {
		wake(m.syncWake)
	}
	return seg, off
}

// spill writes the half being filled to its segment, ahead of the keeper.
func (m *Meter) spill() {
	h := &m.journal.halves[m.journal.cur]
	if err := m.journal.write(h); err != nil {
		m.lose(err)
	}
	h.n = 0
}

// lose counts what a broken disk took: the blocks were there, so this is not a
// lack of room.
func (m *Meter) lose(err error) {
	m.lost.Add(1)
	m.log.Error("usage records cannot be written to disk", "error", err)
}

// turn seals the active segment and makes a spare the active one.
func (m *Meter) turn() {
	now := m.cfg.Now()
	if m.journal != nil {
		m.spill()
	}
	if m.active != nil {
		m.active.sealedAt = now
	}
	m.active, m.spares = m.spares[0], m.spares[1:]
	if err := m.active.begin(m.planeID, m.epoch, now); err != nil {
		m.lose(err)
	}
	m.segments = append(m.segments, m.active)
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
