package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	segmentMagic  = "TGSPOOL1"
	segmentHeader = 128
	segmentPrefix = "segment-"
	maxPlaneID    = 64
)

// segment is one file of the spool. Its fields belong to Meter.mu but for the
// atomic ones.
type segment struct {
	number uint64
	path   string
	// planeID and epoch of the boot that wrote it.
	planeID string
	epoch   uint64
	// file and mem are there while the segment can be written to, or an
	// admission in it is open; mem is mapped or, elsewhere, written through.
	file   *os.File
	mem    []byte
	mapped bool
	// size on disk, and how much of it is written.
	size, used int64
	// aheadFrom is where pages were readied last; the keeper's alone.
	aheadFrom int64
	// synced is how much is known to be on the disk.
	synced atomic.Int64
	// touched says that a word was changed in place since the last sync.
	touched bool
	// open counts admissions in it that are not settled.
	open              int
	firstSeq, lastSeq uint64
	// sealedAt is when the last record came; zero while it is being written.
	sealedAt time.Time
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%016x", segmentPrefix, number))
}

// segmentNumber reads the number out of a file's name.
func segmentNumber(name string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	_, err := fmt.Sscanf(digits, "%016x", &n)
	return n, err == nil
}

// newSegment allocates an empty segment, ready to be written.
func newSegment(dir string, number uint64, size int64, direct bool) (*segment, error) {
	path := segmentPath(dir, number)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = allocate(f, size)
	if err == nil {
		var s *segment
		if s, err = mapSegment(f, number, size, direct); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, f.Close(), os.Remove(path))
}

// openSpare takes over an empty segment of an earlier boot.
func openSpare(dir string, number uint64, size int64, direct bool) (*segment, error) {
	f, err := os.OpenFile(segmentPath(dir, number), os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A kill can have come between making the file and its allocation.
	if err := allocate(f, size); err != nil {
		f.Close()
		return nil, err
	}
	s, err := mapSegment(f, number, size, direct)
	if err != nil {
		f.Close()
	}
	return s, err
}

// mapSegment makes a file writable. Direct asks for write(2) instead of a map.
func mapSegment(f *os.File, number uint64, size int64, direct bool) (*segment, error) {
	s := &segment{number: number, path: f.Name(), file: f, size: size}
	if direct {
		s.mem = make([]byte, size)
		return s, nil
	}
	var err error
	s.mem, s.mapped, err = mapFile(f, int(size))
	if s.mapped {
		populate(s.mem[:min(size, minAhead)])
	}
	return s, err
}

// Pages that are populated ahead of the records, in bytes.
const (
	pageSize = 4096
	minAhead = 64 << 10
	maxAhead = 1 << 20
)

// ahead readies the pages that the next records will touch: those behind were
// made read-only by the sync, and a page fault for each would cost more than
// all the rest of a record. It takes as much as was written since last time,
// twice.
func (s *segment) ahead(used int64) {
	if !s.mapped {
		return
	}
	want := min(max(2*(used-s.aheadFrom), pageSize), maxAhead)
	s.aheadFrom = used
	from := used &^ (pageSize - 1)
	if to := min(used+want, s.size); to > from {
		populate(s.mem[from:to])
	}
}

// begin writes the header: from here on the segment is part of the spool.
func (s *segment) begin(planeID string, epoch uint64, now time.Time) {
	s.planeID, s.epoch, s.used = planeID, epoch, segmentHeader
	h := s.mem[:segmentHeader]
	binary.LittleEndian.PutUint64(h[8:], s.number)
	binary.LittleEndian.PutUint64(h[16:], epoch)
	binary.LittleEndian.PutUint64(h[24:], uint64(now.UnixNano()))
	copy(h[32:32+maxPlaneID], planeID)
	binary.LittleEndian.PutUint32(h[124:], crc32.Checksum(h[8:124], castagnoli))
	copy(h, segmentMagic)
	s.wrote(0, segmentHeader)
}

// parseHeader reads what begin wrote.
func parseHeader(h []byte) (number, epoch uint64, planeID string, ok bool) {
	if len(h) < segmentHeader || string(h[:8]) != segmentMagic ||
		crc32.Checksum(h[8:124], castagnoli) != binary.LittleEndian.Uint32(h[124:]) {
		return 0, 0, "", false
	}
	return binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:]), strings.TrimRight(string(h[32:32+maxPlaneID]), "\x00"), true
}

// wrote passes bytes on to the file where memory is not mapped. The blocks are
// there already, so only a broken disk can fail; the event then lives on in
// memory and is shipped from there.
func (s *segment) wrote(off, n int64) error {
	if s.mapped {
		return nil
	}
	_, err := s.file.WriteAt(s.mem[off:off+n], off)
	return err
}

// room is how much can still be written.
func (s *segment) room() int64 { return s.size - s.used }

// setWord changes an admission's progress word in place: eight aligned bytes,
// which no crash tears.
func (s *segment) setWord(frameOff int64, word uint64) error {
	binary.LittleEndian.PutUint64(s.mem[frameOff+admitWord:], word)
	return s.wrote(frameOff+admitWord, 8)
}

// release unmaps and closes a segment that nobody writes to any more.
func (s *segment) release() error {
	if s.file == nil {
		return nil
	}
	var err error
	if s.mapped {
		err = unmapFile(s.mem)
	}
	s.mem = nil
	err = errors.Join(err, s.file.Close())
	s.file = nil
	return err
}

// writeZeros fills a file where blocks cannot be reserved otherwise.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
