package usage_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/controlplane/internal/usage"
)

// TestTheWatermarkPromisesWhatIsHeld delivers numbers in any order, some
// twice, and compares the marks with the set of what has arrived.
func TestTheWatermarkPromisesWhatIsHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := map[int64]bool{}
		var w usage.Watermark
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(1, 40), 0, 8), 1, 30).Draw(t, "batches") {
			before := maps.Clone(held)
			var fresh []int64
			for _, s := range batch {
				switch w.Knows(s) {
				case usage.Held:
					if !before[s] {
						t.Fatalf("%d is said to be held and is not: %+v", s, w)
					}
				case usage.New:
					if before[s] {
						t.Fatalf("%d is said to be new and is held: %+v", s, w)
					}
				}
				if !held[s] {
					held[s] = true
					fresh = append(fresh, s)
				}
			}
			var ask bool
			if w, ask = w.Advance(fresh); ask {
				for held[w.Contiguous+1] {
					w.Contiguous++
				}
			}
			var contiguous, highest int64
			for held[contiguous+1] {
				contiguous++
			}
			for s := range held {
				highest = max(highest, s)
			}
			if w.Contiguous != contiguous || w.Highest != highest {
				t.Fatalf("marks %d and %d, want %d and %d", w.Contiguous, w.Highest, contiguous, highest)
			}
		}
	})
}
