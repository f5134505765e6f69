package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// Writer writes one snapshot. It does not buffer: hand it a bufio.Writer, and
// flush that after Close. The first error is final.
type Writer struct {
	w     io.Writer
	sum   hash.Hash
	left  uint64
	count int64
	off   int64
	buf   []byte
	err   error
}

// NewWriter writes magic and header. The header's count is a promise: Close
// fails when another number of envelopes was written.
func NewWriter(w io.Writer, h *configv1.SnapshotHeader) (*Writer, error) {
	sw := &Writer{w: w, sum: sha256.New(), left: h.GetCount(), count: -1}
	b, err := proto.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("marshal snapshot header: %w", err)
	}
	if len(b) > MaxHeader {
		return nil, sw.fail(ErrTooLarge)
	}
	if err := sw.write([]byte(Magic)); err != nil {
		return nil, err
	}
	if err := sw.delimited(b); err != nil {
		return nil, err
	}
	sw.count = 0
	return sw, nil
}

// Write adds an envelope, which must not be a tombstone.
func (w *Writer) Write(env *configv1.Envelope) error {
	if env.GetDeleted() {
		return w.fail(fmt.Errorf("%w: a tombstone does not belong into a snapshot", ErrMalformed))
	}
	b, err := proto.MarshalOptions{}.MarshalAppend(w.buf[:0], env)
	if err != nil {
		return fmt.Errorf("marshal envelope %s: %w", env.GetId(), err)
	}
	w.buf = b
	return w.WriteRaw(b)
}

// WriteRaw adds an envelope that is serialised already.
func (w *Writer) WriteRaw(env []byte) error {
	if w.err != nil {
		return w.err
	}
	if len(env) > MaxEnvelope {
		return w.fail(ErrTooLarge)
	}
	if w.left == 0 {
		return w.fail(fmt.Errorf("%w: more envelopes than the header says", ErrCount))
	}
	if err := w.delimited(env); err != nil {
		return err
	}
	w.left--
	w.count++
	return nil
}

// Close writes the trailer. It does not close the writer below.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.left != 0 {
		return w.fail(fmt.Errorf("%w: %d envelopes are missing", ErrCount, w.left))
	}
	if _, err := w.w.Write(w.sum.Sum(nil)); err != nil {
		return w.fail(err)
	}
	w.err = io.ErrClosedPipe
	return nil
}

func (w *Writer) delimited(b []byte) error {
	var n [binary.MaxVarintLen64]byte
	if err := w.write(binary.AppendUvarint(n[:0], uint64(len(b)))); err != nil {
		return err
	}
	return w.write(b)
}

func (w *Writer) write(b []byte) error {
	w.sum.Write(b)
	n, err := w.w.Write(b)
	w.off += int64(n)
	if err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = &Error{Offset: w.off, Entry: w.count, Err: err}
	return w.err
}
