package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// Reader reads one snapshot. What it returned is only to be trusted once Next
// has answered io.EOF: the checksum stands at the end.
type Reader struct {
	r      *bufio.Reader
	sum    hash.Hash
	header *configv1.SnapshotHeader
	read   uint64
	entry  int64
	off    int64
	buf    []byte
	err    error
}

// NewReader checks the magic and reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	sr := &Reader{r: bufio.NewReaderSize(r, 256<<10), sum: sha256.New(), entry: -1}
	magic, err := sr.take(len(Magic))
	if err != nil {
		if errors.Is(err, ErrTruncated) {
			return nil, sr.fail(ErrMagic)
		}
		return nil, err
	}
	if string(magic) != Magic {
		return nil, sr.fail(ErrMagic)
	}
	b, err := sr.delimited(MaxHeader)
	if err != nil {
		return nil, err
	}
	sr.header = &configv1.SnapshotHeader{}
	if err := proto.Unmarshal(b, sr.header); err != nil {
		return nil, sr.fail(fmt.Errorf("%w: header: %w", ErrMalformed, err))
	}
	sr.entry = 0
	return sr, nil
}

// Header is what the file says of itself.
func (r *Reader) Header() *configv1.SnapshotHeader { return r.header }

// Next gives the next serialised envelope, valid until the call after. It
// returns io.EOF once all are read, the checksum matches and nothing follows.
func (r *Reader) Next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.read == r.header.GetCount() {
		return nil, r.finish()
	}
	b, err := r.delimited(MaxEnvelope)
	if err != nil {
		return nil, err
	}
	r.read++
	r.entry++
	return b, nil
}

// NextEnvelope is Next, parsed.
func (r *Reader) NextEnvelope() (*configv1.Envelope, error) {
	b, err := r.Next()
	if err != nil {
		return nil, err
	}
	env := &configv1.Envelope{}
	if err := proto.Unmarshal(b, env); err != nil {
		return nil, r.fail(fmt.Errorf("%w: envelope: %w", ErrMalformed, err))
	}
	return env, nil
}

// Verify reads a whole snapshot and returns its header when all is well.
func Verify(r io.Reader) (*configv1.SnapshotHeader, error) {
	sr, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	for {
		if _, err := sr.Next(); errors.Is(err, io.EOF) {
			return sr.Header(), nil
		} else if err != nil {
			return nil, err
		}
	}
}

func (r *Reader) finish() error {
	want := r.sum.Sum(nil)
	var got [sha256.Size]byte
	n, err := io.ReadFull(r.r, got[:])
	r.off += int64(n)
	if err != nil {
		return r.failRead(err)
	}
	if !bytes.Equal(want, got[:]) {
		return r.fail(ErrChecksum)
	}
	if _, err := r.r.ReadByte(); err == nil {
		return r.fail(fmt.Errorf("%w: bytes after the end", ErrCount))
	} else if !errors.Is(err, io.EOF) {
		return r.fail(err)
	}
	r.err = io.EOF
	return io.EOF
}

// delimited reads a length and that many bytes. The length is checked before
// anything is allocated for it.
func (r *Reader) delimited(limit uint64) ([]byte, error) {
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, r.fail(fmt.Errorf("%w: %d bytes", ErrTooLarge, n))
	}
	return r.take(int(n))
}

func (r *Reader) length() (uint64, error) {
	var raw [binary.MaxVarintLen64]byte
	for i := range raw {
		c, err := r.r.ReadByte()
		if err != nil {
			return 0, r.failRead(err)
		}
		r.off++
		raw[i] = c
		if c < 0x80 {
			v, n := binary.Uvarint(raw[:i+1])
			if n != i+1 {
				return 0, r.fail(fmt.Errorf("%w: length", ErrMalformed))
			}
			r.sum.Write(raw[:n])
			return v, nil
		}
	}
	return 0, r.fail(fmt.Errorf("%w: length", ErrMalformed))
}

func (r *Reader) take(n int) ([]byte, error) {
	if cap(r.buf) < n {
		r.buf = make([]byte, n, max(n, 4<<10))
	}
	b := r.buf[:n]
	got, err := io.ReadFull(r.r, b)
	r.off += int64(got)
	if err != nil {
		return nil, r.failRead(err)
	}
	r.sum.Write(b)
	return b, nil
}

func (r *Reader) failRead(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrTruncated
	}
	return r.fail(err)
}

func (r *Reader) fail(err error) error {
	r.err = &Error{Offset: r.off, Entry: r.entry, Err: err}
	return r.err
}
