package meter

import (
	"fmt"
	"time"

	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// lineKey names a sequence of events: those of one boot of one data plane.
type lineKey struct {
	planeID string
	epoch   uint64
}

func (k lineKey) String() string { return fmt.Sprintf("%s/%d", k.planeID, k.epoch) }

// line is how far the events of one boot have come. Always
// confirmed ≤ shipped ≤ last. Its fields belong to Meter.mu.
type line struct {
	// first is the oldest event in the spool, last the newest.
	first, last uint64
	// shipped events are in the stream, confirmed ones in the ledger.
	shipped, confirmed uint64
	// reached is the newest event that was ever handed to NATS: a watermark
	// beyond it is not believed.
	reached uint64
	// generation tells shipments of one event apart: the stream would drop a
	// message that it has seen.
	generation uint64
	// movedAt is when events were shipped or confirmed last; stalls counts how
	// often in a row they had to be shipped again.
	movedAt time.Time
	stalls  int
	// missing is the highest event that the ledger asked for and that was
	// gone.
	missing uint64
	// pendingSince is when the oldest event that is not shipped was settled;
	// marks are the same for shipped ones.
	pendingSince int64
	marks        []mark
	cursor       cursor
}

// mark says when the first event of a shipment was settled.
type mark struct {
	last uint64
	at   int64
}

// maxMarks bounds what is remembered while the ledger is away; beyond it, the
// age of the oldest is still right.
const maxMarks = 4096

// cursor is where the event after seq lies.
type cursor struct {
	segment, seq uint64
	off          int64
}

func (l *line) unconfirmed() uint64 { return l.last - min(l.last, max(l.confirmed, l.first-1)) }

func (l *line) waitingSince() int64 {
	if l.unconfirmed() == 0 {
		return 0
	}
	if len(l.marks) > 0 {
		return l.marks[0].at
	}
	return l.pendingSince
}

// ship notes that events up to last are in the stream.
func (l *line) ship(last uint64, at int64, now time.Time) {
	l.shipped, l.movedAt = max(l.shipped, last), now
	if len(l.marks) < maxMarks {
		l.marks = append(l.marks, mark{last, at})
	} else {
		l.marks[maxMarks-1].last = last
	}
	if l.shipped == l.last {
		l.pendingSince = 0
	}
}

// rewind makes everything after the watermark be shipped again.
func (l *line) rewind(now time.Time) (events uint64) {
	events = l.shipped - l.confirmed
	if since := l.waitingSince(); since != 0 {
		l.pendingSince = since
	}
	l.shipped, l.marks, l.cursor, l.movedAt = l.confirmed, nil, cursor{}, now
	l.generation++
	return events
}

// confirm takes a watermark.
func (m *Meter) confirm(w *usagev1.Watermark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := lineKey{w.GetDataPlaneId(), w.GetEpoch()}
	l := m.lines[k]
	if l == nil {
		return
	}
	now := m.cfg.Now()
	// A torn tail can have taken events that the ledger has.
	seq := min(w.GetSeq(), l.reached)
	switch {
	case seq > l.confirmed:
		l.confirmed, l.movedAt, l.stalls = seq, now, 0
		if l.shipped < seq {
			l.shipped, l.cursor = seq, cursor{}
		}
	case seq < l.confirmed:
		m.regress(k, l, seq, now)
	}
	n := 0
	for n < len(l.marks) && l.marks[n].last <= l.confirmed {
		n++
	}
	l.marks = l.marks[n:]
}

// regress follows a ledger that was set back: what it forgot is shipped again,
// as far as it is still here.
func (m *Meter) regress(k lineKey, l *line, seq uint64, now time.Time) {
	m.log.Warn("the ledger went back; events are shipped again", "data_plane", k.planeID, "epoch", k.epoch, "from", l.confirmed, "to", seq)
	if gone := l.first - 1; gone > max(seq, l.missing) {
		m.log.Error("the ledger lacks events that are trimmed here", "data_plane", k.planeID, "epoch", k.epoch, "first", seq+1, "last", gone)
		m.lost.Add(gone - max(seq, l.missing))
		l.missing = gone
	}
	l.confirmed = seq
	m.reshipped.Add(l.rewind(now))
	wake(m.shipWake)
}

// reshipStalled ships again what the ledger did not confirm in time. Each time
// in vain doubles the wait, so that a ledger that is down is not buried.
func (m *Meter) reshipStalled() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Now()
	for k, l := range m.lines {
		if l.shipped == l.confirmed || l.movedAt.IsZero() {
			continue
		}
		if now.Sub(l.movedAt) < m.cfg.ReshipAfter<<min(l.stalls, 5) {
			continue
		}
		l.stalls++
		m.log.Warn("the ledger does not confirm; events are shipped again", "data_plane", k.planeID, "epoch", k.epoch,
			"confirmed", l.confirmed, "shipped", l.shipped)
		m.reshipped.Add(l.rewind(now))
	}
}
