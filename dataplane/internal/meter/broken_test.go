package meter

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// breakDisk makes every write to the active segment fail until it is mended.
func breakDisk(t *testing.T, m *Meter) (mend func()) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.active
	whole := s.file
	readOnly, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.file = readOnly
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		s.file = whole
		readOnly.Close()
	}
}

func admitOne(t *testing.T, m *Meter, n int) *Admission {
	t.Helper()
	a, err := m.Admit(AdmitInfo{TenantID: "ten_a", RequestID: fmt.Sprintf("req_%d", n)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func eventOf(n int) *usagev1.Event {
	return &usagev1.Event{TenantId: "ten_a", RequestId: fmt.Sprintf("req_%d", n), StartedAtUnixNano: time.Now().UnixNano()}
}

// shippable is the newest event of the line with events that the shipper finds,
// all before it included.
func shippable(t *testing.T, m *Meter) (newest uint64) {
	t.Helper()
	for k, l := range m.lines {
		last := l.shipped
		batches, _, err := (&shipper{Meter: m}).collect(k)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range batches {
			if b.first != last+1 {
				t.Errorf("a batch begins with %d after %d", b.first, last)
			}
			last = b.last
		}
		newest = max(newest, last)
	}
	return newest
}

func openBroken(t *testing.T, dir string) *Meter {
	t.Helper()
	m, err := Open(Config{Dir: dir, DataPlaneID: "dpl_a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if m.journal == nil {
		t.Fatal("there is no journal here")
	}
	return m
}

// Records that the disk does not take wait in the journal, are not shipped and
// not lost; nothing more is admitted meanwhile, and what is open settles.
func TestABrokenDiskLosesNothing(t *testing.T) {
	m := openBroken(t, t.TempDir())
	for n := range 100 {
		if err := admitOne(t, m, n).Settle(eventOf(n)); err != nil {
			t.Fatal(err)
		}
	}
	m.syncAll()
	late, later := admitOne(t, m, 100), admitOne(t, m, 101)
	mend := breakDisk(t, m)
	if err := late.Settle(eventOf(100)); err != nil {
		t.Fatal(err)
	}
	m.syncAll()
	if last := shippable(t, m); last != 100 {
		t.Errorf("events up to %d are shipped, of 100 on the disk", last)
	}
	if _, err := m.Admit(AdmitInfo{TenantID: "ten_a"}); fault.From(err).Kind != fault.UsageSpoolFull {
		t.Errorf("admitted on a broken disk: %v", err)
	}
	if err := later.Settle(eventOf(101)); err != nil {
		t.Errorf("an open request does not settle: %v", err)
	}
	m.syncAll()
	m.trim()
	mend()
	m.syncAll()
	if last := shippable(t, m); last != 102 {
		t.Errorf("events up to %d are shipped, of 102", last)
	}
	if st := m.Stats(); st.Lost != 0 || st.Full {
		t.Errorf("after the mend: %d lost, full %t", st.Lost, st.Full)
	}
	admitOne(t, m, 102)
}

// Only when both halves of the journal wait is anything lost, and that is
// counted event by event and leaves no gap.
func TestAJournalFullOfWaitingRecords(t *testing.T) {
	m := openBroken(t, t.TempDir())
	var open []*Admission
	const requests = 10_000
	for n := range requests {
		open = append(open, admitOne(t, m, n))
	}
	m.syncAll()
	mend := breakDisk(t, m)
	var kept, lost uint64
	for n, a := range open {
		if n == requests/2 {
			m.syncAll()
		}
		ev := eventOf(n)
		ev.Route = string(make([]byte, 400))
		switch err := a.Settle(ev); {
		case err == nil:
			kept++
		case errors.Is(err, ErrSettled):
			t.Fatal(err)
		default:
			lost++
		}
	}
	if lost == 0 {
		t.Fatal("the journal took everything: the test shows nothing")
	}
	if st := m.Stats(); st.Lost != lost || st.LastSeq != kept {
		t.Errorf("%d lost and %d kept are counted as %d and %d", lost, kept, st.Lost, st.LastSeq)
	}
	mend()
	m.syncAll()
	l := m.lines[lineKey{"dpl_a", m.epoch}]
	for l.shipped < kept {
		last := shippable(t, m)
		if last == l.shipped {
			t.Fatalf("the shipper stops after %d of %d events", last, kept)
		}
		l.shipped, l.cursor = last, cursor{}
	}
}

// What still waits in the journal when the program ends is there at the next
// start.
func TestABrokenDiskAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	m := openBroken(t, dir)
	a := admitOne(t, m, 0)
	m.syncAll()
	breakDisk(t, m)
	if err := a.Settle(eventOf(0)); err != nil {
		t.Fatal(err)
	}
	m.syncAll()
	m.Close() // it cannot tell of success
	m = openBroken(t, dir)
	m.syncAll()
	if last := shippable(t, m); last != 1 {
		t.Errorf("events up to %d are there, want 1", last)
	}
	if st := m.Stats(); st.Unsettled != 0 {
		t.Errorf("%d requests are to be settled again", st.Unsettled)
	}
}
