package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
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
	// file is open while the segment is written to.
	file *os.File
	// size on disk, and how much of it is written.
	size, used int64
	// synced is how much is known to be on the disk.
	synced atomic.Int64
	// late are offsets of admissions that a record of another segment settled;
	// they are marked in the file before that other segment may go.
	late []uint32
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
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil
}

// newSegment allocates an empty segment, ready to be written.
func newSegment(dir string, number uint64, size int64) (*segment, error) {
	path := segmentPath(dir, number)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := allocate(f, size); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return &segment{number: number, path: path, file: f, size: size}, nil
}

// openSpare takes over an empty segment of an earlier boot.
func openSpare(dir string, number uint64, size int64) (*segment, error) {
	path := segmentPath(dir, number)
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A kill can have come between making the file and its allocation.
	if err := allocate(f, size); err != nil {
		f.Close()
		return nil, err
	}
	return &segment{number: number, path: path, file: f, size: size}, nil
}

// begin writes the header: from here on the segment is part of the spool.
func (s *segment) begin(planeID string, epoch uint64, now time.Time) error {
	s.planeID, s.epoch, s.used = planeID, epoch, segmentHeader
	h := make([]byte, segmentHeader)
	binary.LittleEndian.PutUint64(h[8:], s.number)
	binary.LittleEndian.PutUint64(h[16:], epoch)
	binary.LittleEndian.PutUint64(h[24:], uint64(now.UnixNano()))
	copy(h[32:32+maxPlaneID], planeID)
	binary.LittleEndian.PutUint32(h[124:], crc32.Checksum(h[8:124], castagnoli))
	copy(h, segmentMagic)
	_, err := s.file.WriteAt(h, 0)
	return err
}

// parseHeader reads what begin wrote.
func parseHeader(h []byte) (number, epoch uint64, planeID string, ok bool) {
	if len(h) < segmentHeader || string(h[:8]) != segmentMagic ||
		crc32.Checksum(h[8:124], castagnoli) != binary.LittleEndian.Uint32(h[124:]) {
		return 0, 0, "", false
	}
	return binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:]), strings.TrimRight(string(h[32:32+maxPlaneID]), "\x00"), true
}

// room is how much can still be written.
func (s *segment) room() int64 { return s.size - s.used }

// setWord changes an admission's progress word in the file: eight aligned
// bytes, which no crash tears.
func (s *segment) setWord(frameOff int64, word uint64) error {
	_, err := s.file.WriteAt(binary.LittleEndian.AppendUint64(nil, word), frameOff+admitWord)
	return err
}

// markLate marks admissions as settled in the file.
func (s *segment) markLate(offs []uint32) (err error) {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	settled := binary.LittleEndian.AppendUint64(nil, wordSettled)
	for _, off := range offs {
		if _, err := f.WriteAt(settled, int64(off)+admitWord); err != nil {
			return err
		}
	}
	return datasync(f)
}

// release closes a segment that nobody writes to any more.
func (s *segment) release() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
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
