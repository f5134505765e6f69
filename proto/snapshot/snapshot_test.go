package snapshot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/tollgate/tollgate/proto/snapshot"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

func envelope(i int) *configv1.Envelope {
	return &configv1.Envelope{
		Revision: uint64(i + 1), TenantId: "ten_x", Kind: configv1.Kind_KIND_ROUTE,
		Id: fmt.Sprintf("rte_%d", i), Payload: bytes.Repeat([]byte{byte(i)}, i*7),
	}
}

func write(t testing.TB, n int) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := snapshot.NewWriter(&buf, &configv1.SnapshotHeader{
		Revision: 9, StreamCreatedUnixNano: 8, StreamSequence: 7, Count: uint64(n),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Write(envelope(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 300} {
		file := write(t, n)
		// One byte at a time, so that no short read is taken for an end.
		r, err := snapshot.NewReader(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(err)
		}
		if h := r.Header(); h.Revision != 9 || h.StreamCreatedUnixNano != 8 || h.StreamSequence != 7 {
			t.Fatalf("header = %v", h)
		}
		for i := range n {
			env, err := r.NextEnvelope()
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(env, envelope(i)) {
				t.Fatalf("entry %d = %v", i, env)
			}
		}
		for range 2 {
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Fatalf("after the last: %v, want io.EOF", err)
			}
		}
	}
}

// Whatever single byte is changed or wherever the file is cut, the reader says
// so.
func TestEveryDamageIsSeen(t *testing.T) {
	file := write(t, 5)
	for i := range file {
		cut := file[:i]
		if _, err := snapshot.Verify(bytes.NewReader(cut)); err == nil {
			t.Fatalf("cut at %d passed", i)
		} else if e := (*snapshot.Error)(nil); !errors.As(err, &e) {
			t.Fatalf("cut at %d: %T is not a *snapshot.Error", i, err)
		}
		bad := bytes.Clone(file)
		bad[i] ^= 0x41
		if _, err := snapshot.Verify(bytes.NewReader(bad)); err == nil {
			t.Fatalf("flip at %d passed", i)
		}
	}
	if _, err := snapshot.Verify(bytes.NewReader(append(bytes.Clone(file), 0))); !errors.Is(err, snapshot.ErrCount) {
		t.Fatalf("trailing byte: %v", err)
	}
}

func TestTypedErrors(t *testing.T) {
	file := write(t, 2)
	huge := binary.AppendUvarint([]byte(snapshot.Magic), 1<<40)
	flipped := bytes.Clone(file)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"empty":     {nil, snapshot.ErrMagic},
		"magic":     {[]byte("TGSNAP2\nxxxx"), snapshot.ErrMagic},
		"truncated": {file[:len(file)-33], snapshot.ErrTruncated},
		"trailer":   {file[:len(file)-1], snapshot.ErrTruncated},
		"length":    {huge, snapshot.ErrTooLarge},
		"varint":    {append([]byte(snapshot.Magic), bytes.Repeat([]byte{0xff}, 11)...), snapshot.ErrMalformed},
		"checksum":  {flipped, snapshot.ErrChecksum},
	} {
		if _, err := snapshot.Verify(bytes.NewReader(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	fail := errors.New("disk on fire")
	if _, err := snapshot.Verify(io.MultiReader(bytes.NewReader(file[:20]), iotest.ErrReader(fail))); !errors.Is(err, fail) {
		t.Errorf("read error: %v", err)
	}
}

func TestWriterKeepsItsPromises(t *testing.T) {
	w, err := snapshot.NewWriter(io.Discard, &configv1.SnapshotHeader{Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, snapshot.ErrCount) {
		t.Errorf("too few: %v", err)
	}
	w, _ = snapshot.NewWriter(io.Discard, &configv1.SnapshotHeader{Count: 1})
	if err := errors.Join(w.Write(envelope(0)), w.Write(envelope(1))); !errors.Is(err, snapshot.ErrCount) {
		t.Errorf("too many: %v", err)
	}
	w, _ = snapshot.NewWriter(io.Discard, &configv1.SnapshotHeader{Count: 1})
	if err := w.Write(&configv1.Envelope{Deleted: true}); !errors.Is(err, snapshot.ErrMalformed) {
		t.Errorf("tombstone: %v", err)
	}
	w, _ = snapshot.NewWriter(io.Discard, &configv1.SnapshotHeader{Count: 1})
	if err := w.WriteRaw(make([]byte, snapshot.MaxEnvelope+1)); !errors.Is(err, snapshot.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(write(f, 3))
	f.Add([]byte(snapshot.Magic))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := snapshot.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		n := uint64(0)
		for {
			b, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if len(b) > snapshot.MaxEnvelope {
				t.Fatal("envelope over the limit")
			}
			n++
		}
		if n != r.Header().GetCount() {
			t.Fatalf("read %d of %d and called it whole", n, r.Header().GetCount())
		}
	})
}

func BenchmarkRead(b *testing.B) {
	file := write(b, 300)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := snapshot.Verify(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}
