package meter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
)

// admissionKey names an admission over all boots.
type admissionKey struct{ epoch, number uint64 }

// debt is an admission of an earlier boot that has to be settled.
type debt struct {
	key  admissionKey
	seg  *segment
	off  int64
	word uint64
	info AdmitInfo
}

// remains is what a scan finds.
type remains struct {
	// epoch is the highest that anything was written under.
	epoch uint64
	debts []debt
}

// scan reads all segments of earlier boots: their events become lines to be
// shipped, their admissions without a settlement debts. It is repeatable: a
// kill during or after it changes nothing but that some debts are paid, and
// those are found to be.
func (m *Meter) scan(notes notes) (remains, error) {
	numbers, err := segmentNumbers(m.cfg.Dir)
	if err != nil {
		return remains{}, err
	}
	var found remains
	open := map[admissionKey]debt{}
	for _, n := range numbers {
		m.next = max(m.next, n+1)
		if err := m.scanSegment(n, &found, open); err != nil {
			return remains{}, fmt.Errorf("segment %d: %w", n, err)
		}
	}
	for _, d := range open {
		d.seg.open++
		found.debts = append(found.debts, d)
	}
	slices.SortFunc(found.debts, func(a, b debt) int {
		return cmp.Or(cmp.Compare(a.key.epoch, b.key.epoch), cmp.Compare(a.key.number, b.key.number))
	})
	for k, l := range m.lines {
		l.confirmed = min(max(notes.Confirmed[k.String()], l.first-1), l.last)
		// Whether the rest was shipped is not known.
		l.shipped, l.reached = l.confirmed, l.last
	}
	return found, nil
}

func segmentNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		if n, ok := segmentNumber(e.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (m *Meter) scanSegment(number uint64, found *remains, open map[admissionKey]debt) error {
	path := segmentPath(m.cfg.Dir, number)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	held, epoch, planeID, ok := parseHeader(data)
	if !ok || held != number {
		return m.takeUnused(path, number, data)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	found.epoch = max(found.epoch, epoch)
	s := &segment{number: number, path: path, planeID: planeID, epoch: epoch, sealedAt: info.ModTime()}
	used := scanFrames(data, number, func(f frame) {
		switch f.kind {
		case kindAdmit:
			word := f.u64(admitWord)
			if word&wordSettled != 0 {
				return
			}
			a, ok := parseAdmit(f.data[admitBody:])
			if !ok {
				m.log.Error("usage admission cannot be read", "segment", number, "offset", f.off)
				m.lost.Add(1)
				return
			}
			k := admissionKey{epoch, f.u64(admitNumber)}
			open[k] = debt{key: k, seg: s, off: int64(f.off), word: word, info: a}
		case kindSettle:
			k := admissionKey{f.u64(settleEpoch), f.u64(settleNumber)}
			if d, ok := open[k]; ok {
				delete(open, k)
				if d.seg != s {
					d.seg.late = append(d.seg.late, uint32(d.off))
				}
			}
			s.lastSeq = f.u64(settleSeq)
			if s.firstSeq == 0 {
				s.firstSeq = s.lastSeq
			}
		}
	})
	s.used, s.size = int64(used), int64(used)
	s.synced.Store(s.used)
	if rest := data[used:]; len(rest) > 0 {
		m.cutTail(s, rest)
	}
	m.addFound(s)
	return nil
}

// scanFrames calls f for each valid frame from the start and gives the end of
// the last one.
func scanFrames(data []byte, number uint64, f func(frame)) (end int) {
	off := segmentHeader
	for {
		fr, next, ok := nextFrame(data, off, place{segment: number})
		if !ok {
			return off
		}
		if next > len(data) {
			// The padding was cut off; the frame itself is whole.
			f(fr)
			return len(data)
		}
		f(fr)
		off = next
	}
}

// cutTail gives back what follows the last valid frame: zeros that were
// allocated ahead, or what a crash tore.
func (m *Meter) cutTail(s *segment, rest []byte) {
	if slices.ContainsFunc(rest, func(c byte) bool { return c != 0 }) {
		m.log.Warn("usage segment has a torn tail; it is cut off", "segment", s.number, "offset", s.used)
	}
	if err := os.Truncate(s.path, s.used); err != nil {
		m.log.Warn("usage segment cannot be cut to size", "segment", s.number, "error", err)
		s.size += int64(len(rest))
	}
}

// takeUnused deals with a file without a valid header: an allocated spare, or
// one that a kill caught before its header was written.
func (m *Meter) takeUnused(path string, number uint64, data []byte) error {
	if slices.ContainsFunc(data, func(c byte) bool { return c != 0 }) {
		m.log.Error("usage segment has no valid header; it is put aside", "segment", number)
		if slices.ContainsFunc(data[min(len(data), segmentHeader):], func(c byte) bool { return c != 0 }) {
			// There were records: how many cannot be known.
			m.lost.Add(1)
		}
		return os.Rename(path, path+".bad")
	}
	s, err := openSpare(m.cfg.Dir, number, m.cfg.SegmentBytes)
	if err != nil {
		m.log.Warn("usage segment cannot be used again", "segment", number, "error", err)
		return os.Remove(path)
	}
	m.bytes += s.size
	m.spares = append(m.spares, s)
	return nil
}

// addFound files a segment of an earlier boot.
func (m *Meter) addFound(s *segment) {
	m.bytes += s.size
	m.segments = append(m.segments, s)
	if s.lastSeq == 0 {
		return
	}
	k := lineKey{s.planeID, s.epoch}
	l := m.lines[k]
	if l == nil {
		l = &line{first: s.firstSeq, pendingSince: s.sealedAt.UnixNano()}
		m.lines[k] = l
	}
	l.last = max(l.last, s.lastSeq)
}

// payDebts settles admissions of earlier boots as interrupted, as far as there
// is room. The settle record names the admission, so that however often this
// is cut short, each is settled once.
func (m *Meter) payDebts() {
	for len(m.debts) > 0 {
		d := &m.debts[0]
		f := m.encode(make([]byte, 0, maxFrame), interrupted(&d.info, d.word))
		if err := m.makeRoom(int64(padded(len(f))), false); err != nil {
			m.log.Error("interrupted requests cannot be settled yet", "waiting", len(m.debts), "error", err)
			return
		}
		binary.LittleEndian.PutUint64(f[settleEpoch:], d.key.epoch)
		binary.LittleEndian.PutUint64(f[settleNumber:], d.key.number)
		if _, _, err := m.settle(f); err != nil {
			return // It is still open, and tried again.
		}
		d.seg.open--
		if err := markSettled(d); err != nil {
			// The settle record says the same as long as its segment lives; the
			// older segment must not outlive it.
			m.log.Error("interrupted request cannot be marked as settled", "segment", d.seg.number, "error", err)
			d.seg.open++
		}
		m.debts = m.debts[1:]
	}
	m.debts = nil
}

// markSettled sets the settled bit in the file of an earlier boot.
func markSettled(d *debt) error {
	f, err := os.OpenFile(d.seg.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, d.word|wordSettled), d.off+admitWord)
	return err
}
