package usage

import "slices"

// Watermark says how far the ledger holds the events of one epoch of a data
// plane: everything up to Contiguous, nothing above Highest, and between the
// two some. It moves in the transaction that writes the events.
type Watermark struct {
	DataPlaneID string
	Epoch       int64
	Contiguous  int64
	Highest     int64
}

// Gap is a place in the sequence of a data plane's epoch: events after After
// are missing, while later ones are there.
type Gap struct {
	DataPlaneID string
	Epoch       int64
	After       int64
}

// Knowledge is what a watermark alone says of an event.
type Knowledge int

// What a watermark can know.
const (
	New    Knowledge = iota // not in the ledger
	Held                    // in the ledger
	Unsure                  // between the marks: ask the ledger
)

// Knows tells whether the ledger holds the event numbered seq.
func (w Watermark) Knows(seq int64) Knowledge {
	switch {
	case seq > w.Highest:
		return New
	case seq <= w.Contiguous:
		return Held
	}
	return Unsure
}

// Advance moves the marks over events that were just added. seqs is sorted in
// place. When ask is true, a gap that stood before may have been closed: events
// above Contiguous that the ledger held already may continue it, and only the
// ledger can say how far.
func (w Watermark) Advance(seqs []int64) (next Watermark, ask bool) {
	gap := w.Contiguous < w.Highest
	next = w
	slices.Sort(seqs)
	for _, s := range seqs {
		if s == next.Contiguous+1 {
			next.Contiguous = s
		}
	}
	if len(seqs) > 0 {
		next.Highest = max(w.Highest, seqs[len(seqs)-1])
	}
	return next, gap && next.Contiguous > w.Contiguous && next.Contiguous < next.Highest
}
