package meter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// journal is a small mapped file that stands before the segments. A record is
// copied into it, which needs no system call and survives the death of the
// process; the keeper writes what has gathered to the segment with one
// write(2) and syncs that. The pages of the journal are used again and again,
// so that neither page faults nor write-back of mapped pages are paid for each
// record, which costs more than all the rest.
//
//	magic
//	slots   one for each open admission: segment, offset of its admit record,
//	        progress word
//	halves  segment and offset, then an image of the segment from there on;
//	        one is filled while the other is written out
//
// Everything in it may be stale: a frame is only valid where its CRC says that
// it belongs, and to write it there again changes nothing.
type journal struct {
	file   *os.File
	mem    []byte
	halves [2]half
	cur    int
	// free slots, the last one is taken first: few pages are touched.
	free []uint32
	// open admissions by slot.
	open []*Admission
}

// half is one image under way.
type half struct {
	at   int // in the journal
	seg  *segment
	base int64
	n    int64
}

const (
	journalMagic = "TGJRNL1\n"
	slotsAt      = 4096
	slotBytes    = 32
	slotCount    = 16384
	halvesAt     = slotsAt + slotCount*slotBytes
	halfHeader   = 64
	halfBytes    = 1 << 20
	journalBytes = halvesAt + 2*(halfHeader+halfBytes)
)

func journalPath(dir string) string { return filepath.Join(dir, "journal") }

// openJournal makes or takes over the journal, empty; what an earlier process
// left in it was replayed before.
func openJournal(dir string) (*journal, error) {
	f, err := os.OpenFile(journalPath(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := allocate(f, journalBytes); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	mem, mapped, err := mapFile(f, journalBytes)
	if err != nil || !mapped {
		return nil, errors.Join(errNoMap, err, f.Close())
	}
	populate(mem)
	clear(mem)
	copy(mem, journalMagic)
	j := &journal{file: f, mem: mem, open: make([]*Admission, slotCount)}
	for i := range j.halves {
		j.halves[i].at = halvesAt + i*(halfHeader+halfBytes)
	}
	for i := range uint32(slotCount) {
		j.free = append(j.free, slotCount-1-i)
	}
	return j, nil
}

var errNoMap = errors.New("files cannot be mapped here")

// close leaves to the next boot the progress of admissions that are still open,
// and records that a broken disk did not take.
func (j *journal) close() error {
	if len(j.free) == slotCount && j.halves[0].n == 0 && j.halves[1].n == 0 {
		clear(j.mem[:len(journalMagic)])
	}
	return errors.Join(unmapFile(j.mem), j.file.Close())
}

// append copies a sealed frame; false when the half has no room for it.
func (j *journal) append(seg *segment, off int64, f []byte) bool {
	h, n := &j.halves[j.cur], int64(padded(len(f)))
	if h.n == 0 {
		h.seg, h.base = seg, off
		binary.LittleEndian.PutUint64(j.mem[h.at:], seg.number)
		binary.LittleEndian.PutUint64(j.mem[h.at+8:], uint64(off))
	} else if h.seg != seg || h.n+n > halfBytes {
		return false
	}
	dst := j.mem[int64(h.at+halfHeader)+h.n:][:n]
	// The head last: a kill in between leaves no valid frame.
	copy(dst[frameHead:], f[frameHead:])
	clear(dst[len(f):])
	copy(dst[:frameHead], f[:frameHead])
	h.n += n
	return true
}

// image is what a half holds.
func (j *journal) image(h *half) []byte { return j.mem[h.at+halfHeader:][:h.n] }

// write brings a half to its segment.
func (j *journal) write(h *half) error {
	if h.n == 0 {
		return nil
	}
	_, err := h.seg.file.WriteAt(j.image(h), h.base)
	return err
}

// waits tells from where on records of a segment are in the journal alone; most
// when none is.
func (j *journal) waits(seg *segment, most int64) int64 {
	for i := range j.halves {
		if h := &j.halves[i]; h.n > 0 && h.seg == seg {
			most = min(most, h.base)
		}
	}
	return most
}

// ready makes the pages that the next records will touch writable again, in
// case the system wrote them back.
func (j *journal) ready(n int64) {
	h := &j.halves[j.cur]
	from := (h.at + halfHeader) &^ 4095
	populate(j.mem[from:min(from+int(2*n)+8192, len(j.mem))])
}

// take gives an admission a slot.
func (j *journal) take(a *Admission) (slot uint32, ok bool) {
	if len(j.free) == 0 {
		return 0, false
	}
	slot = j.free[len(j.free)-1]
	j.free = j.free[:len(j.free)-1]
	j.open[slot] = a
	b := j.mem[slotsAt+slot*slotBytes:]
	binary.LittleEndian.PutUint64(b[16:], 0)
	binary.LittleEndian.PutUint64(b[8:], uint64(a.off))
	binary.LittleEndian.PutUint64(b, a.seg.number)
	return slot, true
}

func (j *journal) give(slot uint32) {
	binary.LittleEndian.PutUint64(j.mem[slotsAt+slot*slotBytes:], 0)
	j.open[slot] = nil
	j.free = append(j.free, slot)
}

// setWord notes an admission's progress: one aligned store.
func (j *journal) setWord(slot uint32, word uint64) {
	binary.LittleEndian.PutUint64(j.mem[slotsAt+slot*slotBytes+16:], word)
}

// replayJournal writes what a killed process left in the journal into the
// segments. It may be cut short and repeated.
func (m *Meter) replayJournal() error {
	data, err := os.ReadFile(journalPath(m.cfg.Dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(data) != journalBytes || string(data[:len(journalMagic)]) != journalMagic {
		return nil // Killed while it was made, before anything was in it.
	}
	for i := range 2 {
		h := data[halvesAt+i*(halfHeader+halfBytes):][:halfHeader+halfBytes]
		if err := m.replayHalf(h); err != nil {
			return fmt.Errorf("replay usage journal: %w", err)
		}
	}
	for i := range slotCount {
		s := data[slotsAt+i*slotBytes:][:slotBytes]
		number, off, word := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[8:]), binary.LittleEndian.Uint64(s[16:])
		if number == 0 || word == 0 || off > uint64(m.cfg.SegmentBytes) {
			continue
		}
		if err := m.replayWord(number, int64(off), word&^wordSettled); err != nil {
			return fmt.Errorf("replay usage journal: %w", err)
		}
	}
	return nil
}

// replayHalf writes the frames of a half that are not in their segment yet.
func (m *Meter) replayHalf(h []byte) error {
	number, base := binary.LittleEndian.Uint64(h), binary.LittleEndian.Uint64(h[8:])
	image := h[halfHeader:]
	n := 0
	for {
		_, next, ok := nextFrame(image, n, place{number, int64(base)})
		if !ok || next > len(image) {
			break
		}
		n = next
	}
	f, err := m.segmentFile(number)
	if n == 0 || f == nil || err != nil {
		return err
	}
	defer f.Close()
	there := make([]byte, n)
	if got, _ := f.ReadAt(there, int64(base)); bytes.Equal(maskWords(there[:got]), maskWords(image[:n])) {
		return nil
	}
	if _, err := f.WriteAt(image[:n], int64(base)); err != nil {
		return err
	}
	return f.Sync()
}

// maskWords is here for the comparison above: progress words may be ahead in
// the file, and must not be set back.
func maskWords(b []byte) []byte {
	b = bytes.Clone(b)
	for off := 0; off+admitBody <= len(b); {
		head := binary.LittleEndian.Uint32(b[off+4:])
		if byte(head) == kindAdmit {
			binary.LittleEndian.PutUint64(b[off+admitWord:], 0)
		}
		off += padded(frameHead + int(head>>8))
	}
	return b
}

// replayWord brings the progress of an open admission to its record.
func (m *Meter) replayWord(number uint64, off int64, word uint64) error {
	f, err := m.segmentFile(number)
	if f == nil || err != nil {
		return err
	}
	defer f.Close()
	record := make([]byte, maxFrame)
	n, _ := f.ReadAt(record, off) // Short at the end of the file.
	fr, _, ok := nextFrame(record[:n], 0, place{number, off})
	if !ok || fr.kind != kindAdmit {
		return nil
	}
	held := fr.u64(admitWord)
	merged := (held|word)&^wordBytes | max(held&wordBytes, word&wordBytes)
	if merged == held {
		return nil
	}
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, merged), off+admitWord)
	return err
}

// segmentFile opens a segment of an earlier boot; nil when it is trimmed.
func (m *Meter) segmentFile(number uint64) (*os.File, error) {
	f, err := os.OpenFile(segmentPath(m.cfg.Dir, number), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return f, err
}
