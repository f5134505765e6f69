package meter

import (
	"context"
	"os"
	"time"
)

const (
	// housekeepingEvery is how often room, age and notes are looked after.
	housekeepingEvery = 500 * time.Millisecond
	notesEvery        = 5 * time.Second
)

// runKeeper syncs records to the disk and keeps room ahead.
func (m *Meter) runKeeper(ctx context.Context) error {
	tick := time.NewTicker(housekeepingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.syncAll()
			return nil
		case <-m.syncWake:
			// What comes meanwhile goes along.
			t := time.NewTimer(m.cfg.SyncAfter)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
			m.syncAll()
			m.prepare()
			wake(m.shipWake)
		case <-tick.C:
			m.mu.Lock()
			m.payDebts()
			m.mu.Unlock()
			m.prepare()
		}
	}
}

// syncAll brings everything written so far to the disk.
func (m *Meter) syncAll() {
	m.syncMu.Lock()
	defer m.syncMu.Unlock()
	m.mu.Lock()
	m.syncAsked.Store(false)
	m.mu.Unlock()
	if m.journal != nil {
		m.emptyJournal()
	}
	type part struct {
		seg  *segment
		used int64
	}
	var dirty []part
	late := map[*segment][]uint32{}
	m.mu.Lock()
	for _, s := range m.segments {
		used := s.used
		if m.journal != nil {
			used = m.journal.waits(s, used)
		}
		if s.file != nil && used > s.synced.Load() {
			dirty = append(dirty, part{s, used})
		}
		if len(s.late) > 0 {
			late[s], s.late = s.late, nil
		}
	}
	m.mu.Unlock()
	for _, p := range dirty {
		if err := datasync(p.seg.file); err != nil {
			m.log.Error("usage segment cannot be synced to disk", "segment", p.seg.number, "error", err)
			continue
		}
		p.seg.synced.Store(p.used)
	}
	m.markLate(late)
}

// emptyJournal writes out the half that was left behind, if the disk did not
// take it before, and then the one being filled. The caller holds syncMu.
func (m *Meter) emptyJournal() {
	j := m.journal
	for range 2 {
		m.mu.Lock()
		out := &j.halves[1-j.cur]
		if out.n == 0 && j.halves[j.cur].n > 0 {
			out, j.cur = &j.halves[j.cur], 1-j.cur
			j.ready(out.n)
		}
		m.mu.Unlock()
		// Nobody adds to the half that is not being filled.
		err := j.write(out)
		m.mu.Lock()
		if err != nil {
			m.broken(err)
			m.mu.Unlock()
			return
		}
		out.n = 0
		again := m.unwritten
		if again {
			m.unwritten = false
			m.log.Info("the disk takes usage records again")
		}
		m.mu.Unlock()
		if !again {
			return
		}
	}
}

// markLate marks admissions that were settled in another segment.
func (m *Meter) markLate(late map[*segment][]uint32) {
	for s, offs := range late {
		if err := s.markLate(offs); err != nil {
			m.log.Error("settled usage admissions cannot be marked", "segment", s.number, "error", err)
			m.mu.Lock()
			s.late = append(s.late, offs...)
			m.mu.Unlock()
		}
	}
}

// prepare allocates the next segment before it is needed, outside the lock.
func (m *Meter) prepare() {
	m.mu.Lock()
	if m.closed || m.free() >= m.cfg.SegmentBytes/2+int64(m.open)*maxFrame || m.cfg.Now().Before(m.retryAt) {
		m.mu.Unlock()
		return
	}
	if m.bytes+m.cfg.SegmentBytes > m.cfg.MaxBytes {
		m.mu.Unlock()
		return
	}
	number := m.next
	m.next++
	m.bytes += m.cfg.SegmentBytes
	m.mu.Unlock()

	s, err := newSegment(m.cfg.Dir, number, m.cfg.SegmentBytes)
	if err == nil {
		if err := syncDir(m.cfg.Dir); err != nil {
			m.log.Warn("usage spool directory cannot be synced", "error", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.bytes -= m.cfg.SegmentBytes
		m.retryAt = m.cfg.Now().Add(housekeepingEvery)
		m.log.Error("allocate usage segment ahead", "error", err)
		return
	}
	m.addSpare(s)
}

// addSpare takes in a segment that was allocated outside the lock. When a
// request could not wait and allocated the next one meanwhile, this one is let
// go: the next boot takes segments by number, so they must be filled by number.
func (m *Meter) addSpare(s *segment) {
	if s.number+1 != m.next {
		m.bytes -= m.cfg.SegmentBytes
		m.letGo(s)
		if err := os.Remove(s.path); err != nil {
			m.log.Error("usage segment cannot be removed", "segment", s.number, "error", err)
		}
		return
	}
	m.spares = append(m.spares, s)
	m.warn()
	m.setFull(false, nil)
}

// warn tells once that the spool comes near its cap, while there is time to do
// something.
func (m *Meter) warn() {
	near := m.bytes >= m.cfg.MaxBytes/5*4
	if near && !m.near {
		m.log.Warn("usage spool is nearly full", "bytes", m.bytes, "max_bytes", m.cfg.MaxBytes, "retain", m.cfg.Retain.String())
	}
	m.near = near
}

// trim removes segments that are confirmed, settled and old enough, and closes
// those that nobody writes to any more. It is the only way out of the spool:
// at the cap, too, confirmed events stay for their time, because a ledger that
// is restored to an earlier moment has nobody else to ask.
func (m *Meter) trim() {
	m.syncAll()
	m.syncMu.Lock()
	defer m.syncMu.Unlock()
	gone, done := m.trimmed()
	// Files are closed and removed outside the lock that every request needs.
	var freed int64
	for _, s := range gone {
		m.letGo(s)
		if err := os.Remove(s.path); err != nil {
			m.log.Error("usage segment cannot be removed", "segment", s.number, "error", err)
		}
		freed += s.size
	}
	for _, s := range done {
		m.letGo(s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes -= freed
	m.warn()
}

// trimmed takes the segments out of the spool that may go, and tells which
// others nobody writes to any more. The caller holds syncMu, and with it the
// right to close files.
func (m *Meter) trimmed() (gone, done []*segment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.cfg.Now().Add(-m.cfg.Retain)
	var kept []*segment
	for _, s := range m.segments {
		quiet := s != m.active && s.open == 0 && len(s.late) == 0 && s.synced.Load() == s.used
		switch {
		case quiet && m.confirmed(s) && !s.sealedAt.After(before):
			gone = append(gone, s)
			continue
		case quiet && s.file != nil:
			done = append(done, s)
		}
		kept = append(kept, s)
	}
	m.segments = kept
	m.forgetLines()
	return gone, done
}

func (m *Meter) letGo(s *segment) {
	if err := s.release(); err != nil {
		m.log.Warn("usage segment cannot be closed", "segment", s.number, "error", err)
	}
}

// confirmed reports whether the ledger has all events of a segment.
func (m *Meter) confirmed(s *segment) bool {
	l := m.lines[lineKey{s.planeID, s.epoch}]
	return s.lastSeq == 0 || l == nil || s.lastSeq <= l.confirmed
}

// forgetLines brings the lines in step with the segments that are left.
func (m *Meter) forgetLines() {
	first := map[lineKey]uint64{}
	for _, s := range m.segments {
		k := lineKey{s.planeID, s.epoch}
		if s.firstSeq != 0 && (first[k] == 0 || s.firstSeq < first[k]) {
			first[k] = s.firstSeq
		}
	}
	current := lineKey{m.planeID, m.epoch}
	for k, l := range m.lines {
		switch n := first[k]; {
		case n != 0:
			l.first = n
		case k == current:
			l.first = l.last + 1
		default:
			delete(m.lines, k)
		}
	}
}
