package meter_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/proto/fault"
)

// Watermarks get lost: what was shipped is shipped again until one comes.
func TestShipsAgainWhenTheLedgerStaysSilent(t *testing.T) {
	b := startBroker(t)
	l := startLedger(t, b)
	l.set(func() { l.deaf = true })
	m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t), ReshipAfter: 50 * time.Millisecond})
	run(t, m)
	for i := range 10 {
		settle(t, m, i)
	}
	first := fmt.Sprintf("%s/%d/1", m.DataPlaneID(), m.Epoch())
	eventually(t, "a second copy", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.copies[first] >= 2
	})
	if st := m.Stats(); st.Unconfirmed != 10 || st.OldestUnconfirmed <= 0 || st.Reshipped == 0 {
		t.Fatalf("stats = %+v", st)
	}
	l.set(func() { l.deaf = false })
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
}

// The ledger is restored to an earlier moment and forgets events.
func TestShipsAgainWhenTheWatermarkGoesBack(t *testing.T) {
	b := startBroker(t)
	l := startLedger(t, b)
	m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t), SegmentBytes: 64 << 10})
	run(t, m)
	const n = 2000
	for i := range n {
		settle(t, m, i)
	}
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	line := fmt.Sprintf("%s/%d", m.DataPlaneID(), m.Epoch())
	l.set(func() {
		for seq := 501; seq <= n; seq++ {
			delete(l.events, fmt.Sprintf("%s/%d", line, seq))
		}
		l.marks[line] = 500
	})
	l.say(m.DataPlaneID(), m.Epoch(), 500)
	eventually(t, "the ledger whole again", func() bool { return l.mark(m) == n })
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	if st := m.Stats(); st.Lost != 0 || st.Reshipped < n-500 {
		t.Fatalf("stats = %+v", st)
	}
	// Watermarks of boots and planes that are not ours, and of the future.
	l.say(m.DataPlaneID(), m.Epoch()+1, 7)
	l.say(m.DataPlaneID(), m.Epoch(), 1<<40)
	settle(t, m, n)
	eventually(t, "the next one confirmed", func() bool { return l.mark(m) == n+1 })
}

// Confirmed segments stay for Retain, then go; what is asked for after that is
// counted as lost.
func TestTrimsOnlyWhatIsConfirmedAndOld(t *testing.T) {
	b := startBroker(t)
	l := startLedger(t, b)
	clock := newClock()
	m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t), SegmentBytes: 64 << 10, Now: clock.now})
	run(t, m)
	held, err := m.Admit(info(9999))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		settle(t, m, i)
	}
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	before := m.Stats().Segments
	if before < 5 {
		t.Fatalf("%d segments", before)
	}
	clock.advance(14 * time.Minute)
	settle(t, m, 1000)
	eventually(t, "confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	if got := m.Stats().Segments; got != before {
		t.Fatalf("%d segments of %d left before their time", got, before)
	}
	clock.advance(2 * time.Minute)
	// The first holds an open admission, the last is being written.
	eventually(t, "two segments left", func() bool { return m.Stats().Segments == 2 })
	if err := held.Settle(event(9999)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one segment left", func() bool { return m.Stats().Segments == 1 })
	eventually(t, "confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	l.say(m.DataPlaneID(), m.Epoch(), 10)
	eventually(t, "losses counted", func() bool { return m.Stats().Lost > 500 })
}

// At the cap, confirmed events stay for their time though requests are refused:
// a ledger that is set back meanwhile gets all of them again.
func TestConfirmedEventsStayForTheirTimeAtTheCap(t *testing.T) {
	b := startBroker(t)
	l := startLedger(t, b)
	clock := newClock()
	m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t), SegmentBytes: 64 << 10, MaxBytes: 256 << 10, Now: clock.now})
	run(t, m)
	n := 0
	for ; ; n++ {
		a, err := m.Admit(info(n))
		if err != nil {
			if f := fault.From(err); f.Kind != fault.UsageSpoolFull {
				t.Fatalf("full spool: %v", err)
			}
			break
		}
		if err := a.Settle(event(n)); err != nil {
			t.Fatal(err)
		}
	}
	if n < 100 {
		t.Fatalf("full after %d", n)
	}
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	clock.advance(14 * time.Minute)
	l.set(func() { clear(l.events); clear(l.marks); l.copies = map[string]int{} })
	l.say(m.DataPlaneID(), m.Epoch(), 0)
	eventually(t, "all confirmed again", func() bool { return l.mark(m) == uint64(n) && m.Stats().Unconfirmed == 0 })
	if st := m.Stats(); st.Lost != 0 || !st.Full || st.Bytes > 256<<10 {
		t.Fatalf("stats = %+v", st)
	}
	if got := l.byRequest(); len(got) != n {
		t.Fatalf("%d events came again, want %d", len(got), n)
	}
	if _, err := m.Admit(info(n)); err == nil {
		t.Fatal("room was made before its time")
	}
	clock.advance(2 * time.Minute)
	eventually(t, "admitted", func() bool {
		a, err := m.Admit(info(n))
		return err == nil && a.Settle(event(n)) == nil
	})
	eventually(t, "the next one confirmed", func() bool { return l.mark(m) == uint64(n+1) })
	if st := m.Stats(); st.Lost != 0 || st.Full {
		t.Fatalf("stats = %+v", st)
	}
}

// NATS goes and comes, with its disk and without, the process too; every event
// arrives, numbered without gaps.
func TestEveryEventArrivesWhateverHappens(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			b := startBroker(t)
			l := startLedger(t, b)
			dir := t.TempDir()
			cfg := meter.Config{Dir: dir, SegmentBytes: 128 << 10, ReshipAfter: 200 * time.Millisecond, AckTimeout: 300 * time.Millisecond, FlushTimeout: 100 * time.Millisecond}
			cfg.NATS = b.connect(t)
			m := open(t, cfg)
			stop := run(t, m)
			n := 0
			for range 12 {
				for range r.IntN(400) {
					settle(t, m, n)
					n++
				}
				switch r.IntN(4) {
				case 0:
					b.stop()
					b.start(t)
				case 1:
					stop()
					m.Close()
					m = open(t, cfg)
					stop = run(t, m)
				case 2:
					l.say(m.DataPlaneID(), m.Epoch(), r.Uint64N(m.Stats().LastSeq+1))
				case 3:
					deaf := r.IntN(2) == 0
					l.set(func() { l.deaf = deaf })
				}
			}
			l.set(func() { l.deaf = false })
			eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
			if got := l.byRequest(); len(got) != n {
				t.Fatalf("%d events, want %d", len(got), n)
			}
			checkGaps(t, l)
		})
	}
}

// checkGaps checks that every line holds 1, 2, 3 … without a hole.
func checkGaps(t *testing.T, l *ledger) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	total := uint64(0)
	for _, mark := range l.marks {
		total += mark
	}
	if total != uint64(len(l.events)) {
		t.Fatalf("%d events, %d of them without a gap before", len(l.events), total)
	}
}
