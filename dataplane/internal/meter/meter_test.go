package meter_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
)

func TestEventsReachTheLedgerInOrderWithoutGaps(t *testing.T) {
	for _, through := range []bool{false, true} {
		t.Run(fmt.Sprintf("write_through=%v", through), func(t *testing.T) {
			b := startBroker(t)
			l := startLedger(t, b)
			m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t), WriteThrough: through, SegmentBytes: 256 << 10})
			run(t, m)
			const n = 3000
			for i := range n {
				settle(t, m, i)
			}
			eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
			if got := l.mark(m); got != n {
				t.Fatalf("watermark %d, want %d", got, n)
			}
			got := l.byRequest()
			for i := range n {
				if e := got[fmt.Sprintf("req_%d", i)]; e == nil || e.Seq != uint64(i+1) || e.Tokens.Input != int64(i) {
					t.Fatalf("event %d = %v", i, e)
				}
			}
			st := m.Stats()
			if st.Lost != 0 || st.Unsettled != 0 || st.LastSeq != n || st.OldestUnconfirmed != 0 {
				t.Fatalf("stats = %+v", st)
			}
		})
	}
}

func TestEventSurvivesAsProtobufSeesIt(t *testing.T) {
	b := startBroker(t)
	l := startLedger(t, b)
	m := open(t, meter.Config{Dir: t.TempDir(), NATS: b.connect(t)})
	run(t, m)
	want := event(1)
	want.Route, want.UserAgent = "r\xff", strings.Repeat("x", 300)
	if err := m.Record(want); err != nil {
		t.Fatal(err)
	}
	huge := event(2)
	huge.UserAgent = strings.Repeat("é", 100_000)
	for range 50 {
		huge.Attempts = append(huge.Attempts, &usagev1.Attempt{Provider: strings.Repeat("p", 5000), Status: 500})
	}
	huge.Attempts[50].Status = 204
	if err := m.Record(huge); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	got := l.byRequest()
	want.Route = "r\uFFFD"
	if !proto.Equal(got["req_1"], want) {
		t.Fatalf("got  %v\nwant %v", got["req_1"], want)
	}
	h := got["req_2"]
	if h.CostNano != huge.CostNano || !proto.Equal(h.Tokens, huge.Tokens) || h.Attempts[len(h.Attempts)-1].Status != 204 {
		t.Fatalf("cut event = %v", h)
	}
}

func TestSettleOnce(t *testing.T) {
	m := open(t, meter.Config{Dir: t.TempDir()})
	a, err := m.Admit(info(1))
	if err != nil {
		t.Fatal(err)
	}
	ev := event(1)
	if err := a.Settle(ev); err != nil || ev.Seq != 1 {
		t.Fatalf("settle: %v, seq %d", err, ev.Seq)
	}
	a.Progress(1 << 20) // Must do nothing, not even touch the spool.
	if err := a.Settle(event(1)); !errors.Is(err, meter.ErrSettled) {
		t.Fatalf("second settle: %v", err)
	}
	if st := m.Stats(); st.LastSeq != 1 || st.Unsettled != 0 {
		t.Fatalf("stats = %+v", st)
	}
}

func TestOneProcessPerSpool(t *testing.T) {
	dir := t.TempDir()
	m := open(t, meter.Config{Dir: dir})
	if _, err := meter.Open(meter.Config{Dir: dir}); !errors.Is(err, meter.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	id, epoch := m.DataPlaneID(), m.Epoch()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	// A clock that went back must not bring an epoch back.
	m = open(t, meter.Config{Dir: dir, Now: func() time.Time { return time.UnixMilli(1000) }})
	if m.DataPlaneID() != id || m.Epoch() <= epoch {
		t.Fatalf("id %s epoch %d after %s %d", m.DataPlaneID(), m.Epoch(), id, epoch)
	}
}

func TestInterruptedRequestsAreSettledOnce(t *testing.T) {
	dir := t.TempDir()
	m := open(t, meter.Config{Dir: dir})
	admit := func(n int) *meter.Admission {
		a, err := m.Admit(info(n))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	admit(1) // Its provider was never called.
	admit(2).Sent()
	a := admit(3)
	a.Sent()
	a.Progress(400)
	a.Progress(41)
	a.Progress(401)
	settle(t, m, 4)
	m.Close()

	// Boots without NATS must neither forget nor repeat.
	for range 3 {
		m = open(t, meter.Config{Dir: dir})
		m.Close()
	}
	b := startBroker(t)
	l := startLedger(t, b)
	m = open(t, meter.Config{Dir: dir, NATS: b.connect(t)})
	run(t, m)
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	got := l.byRequest()
	if len(got) != 4 || got["req_4"].Outcome != usagev1.Outcome_OUTCOME_OK {
		t.Fatalf("events = %v", got)
	}
	for _, c := range []struct {
		id            string
		input, output int64
		cost, price   int64
		status        int32
	}{
		{"req_1", 0, 0, 0, 0, 0},
		{"req_2", 100, 0, 105, 300, 0},
		{"req_3", 100, 101, 100 + 202 + 5, 300 + 404, 200},
	} {
		e := got[c.id]
		if e.Outcome != usagev1.Outcome_OUTCOME_INTERRUPTED || !e.Estimated || e.Tokens.Input != c.input || e.Tokens.Output != c.output ||
			e.CostNano != c.cost || e.PriceNano != c.price || e.HttpStatus != c.status || e.TenantId != "ten_a" || e.ConfigRevision != 7 || !e.Streamed {
			t.Errorf("%s: %v", c.id, e)
		}
	}
}

func TestFullSpoolRefusesAndRecovers(t *testing.T) {
	b := startBroker(t)
	dir := t.TempDir()
	nc := b.connect(t)
	b.stop()
	// Room for about forty requests: four segments of ten frames.
	m := open(t, meter.Config{Dir: dir, NATS: nc, SegmentBytes: 64 << 10, MaxBytes: 256 << 10})
	run(t, m)
	var open []*meter.Admission
	n := 0
	for ; ; n++ {
		a, err := m.Admit(info(n))
		if err != nil {
			if f := fault.From(err); f.Kind != fault.UsageSpoolFull {
				t.Fatalf("full spool: %v", err)
			}
			break
		}
		open = append(open, a)
		if n > 10_000 {
			t.Fatal("the cap does not hold")
		}
	}
	if !m.Stats().Full || n < 10 {
		t.Fatalf("full after %d: %+v", n, m.Stats())
	}
	// Every admitted request settles, however large its event.
	for i, a := range open {
		ev := event(i)
		ev.UserAgent = strings.Repeat("x", 10_000)
		if err := a.Settle(ev); err != nil {
			t.Fatalf("settle %d: %v", i, err)
		}
	}
	if st := m.Stats(); st.Bytes > 256<<10 || st.LastSeq != uint64(n) {
		t.Fatalf("stats = %+v", st)
	}
	checkDisk(t, dir, 256<<10)
	b.start(t)
	l := startLedger(t, b)
	eventually(t, "requests are taken again", func() bool {
		a, err := m.Admit(info(n))
		if err == nil {
			err = a.Settle(event(n))
		}
		return err == nil
	})
	eventually(t, "all confirmed", func() bool { return m.Stats().Unconfirmed == 0 })
	if got := l.byRequest(); len(got) != n+1 {
		t.Fatalf("%d events, want %d", len(got), n+1)
	}
}

// checkDisk checks that a spool's segments are within the cap.
func checkDisk(t *testing.T, dir string, limit int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "segment-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	sum := int64(0)
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += fi.Size()
	}
	if sum > limit {
		t.Fatalf("%d bytes on disk, more than %d", sum, limit)
	}
}
