package meter

import (
	"os"
	"slices"
	"testing"
)

// A request that cannot wait for the segment being allocated ahead allocates
// the next one: the late one must not be filled after it, or the next boot
// would ship their events out of turn and never to the end.
func TestSegmentsAreFilledByNumber(t *testing.T) {
	m, err := Open(Config{Dir: t.TempDir(), SegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	number, before := m.next, m.bytes
	m.next++
	m.bytes += m.cfg.SegmentBytes
	if err := m.grow(); err != nil {
		t.Fatal(err)
	}
	late, err := newSegment(m.cfg.Dir, number, m.cfg.SegmentBytes)
	if err != nil {
		t.Fatal(err)
	}
	m.addSpare(late)
	if !slices.IsSortedFunc(m.spares, func(a, b *segment) int { return int(a.number) - int(b.number) }) {
		t.Errorf("segment %d waits to be filled after later ones", number)
	}
	if _, err := os.Stat(late.path); !os.IsNotExist(err) {
		t.Errorf("the file of the late segment: %v", err)
	}
	if m.bytes != before+m.cfg.SegmentBytes {
		t.Errorf("%d bytes are counted, want %d", m.bytes, before+m.cfg.SegmentBytes)
	}
}
