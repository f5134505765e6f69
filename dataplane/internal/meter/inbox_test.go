package meter

import (
	"testing"

	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// The last watermark of an earlier boot is the last there will be: none may be
// lost while the shipper is busy, however many lines there are.
func TestTheNewestWatermarkOfEachLineWaits(t *testing.T) {
	b := newInbox()
	const lines = 1000
	for seq := range uint64(3) {
		for epoch := range uint64(lines) {
			b.put(&usagev1.Watermark{DataPlaneId: "dpl_a", Epoch: epoch, Seq: seq})
		}
	}
	<-b.wake
	got := b.take()
	if len(got) != lines {
		t.Fatalf("%d watermarks wait, want %d", len(got), lines)
	}
	for k, w := range got {
		if w.GetSeq() != 2 {
			t.Fatalf("line %v waits with %d, want the newest, 2", k, w.GetSeq())
		}
	}
	if len(b.take()) != 0 {
		t.Fatal("what was taken is still there")
	}
}
