package loadgen_test

import (
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/scripts/fakeprovider"
	"github.com/tollgate/tollgate/scripts/loadgen"
)

func provider(t *testing.T, directive string) *fakeprovider.Server {
	t.Helper()
	s, err := fakeprovider.Start(t.Context(), fakeprovider.Options{Default: directive})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func load(t *testing.T, o loadgen.Options) *loadgen.Result {
	t.Helper()
	r, err := loadgen.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mix(stream bool) loadgen.Request {
	return loadgen.Request{Name: map[bool]string{true: "stream", false: "plain"}[stream], Stream: stream,
		Body: loadgen.ChatBody("m", "", stream, 500)}
}

// records waits until the provider has n requests on record.
func records(t *testing.T, s *fakeprovider.Server, n int) []fakeprovider.Record {
	t.Helper()
	log, err := s.Wait(t.Context(), func(log []fakeprovider.Record) bool { return len(log) >= n })
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// TestClosedLoopAgreesWithTheProvider compares both logs, request by request.
func TestClosedLoopAgreesWithTheProvider(t *testing.T) {
	s := provider(t, "events=7,size=300")
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{mix(false), mix(true)},
		Conns: 4, Count: 200, Seed: 42, Records: true})
	if r.Requests != 200 || r.OK != 200 || r.Kinds["plain"].OK != 100 || r.Kinds["stream"].OK != 100 {
		t.Fatalf("result %+v", r.Kinds)
	}
	if p := r.Kinds["stream"].Latency; p.P50 <= 0 || p.P50 > p.P99 || p.P99 > p.Max {
		t.Errorf("latency %+v", p)
	}
	if got := r.Kinds["stream"].Events; got != 100*(7+3) { // role, finish, [DONE]
		t.Errorf("%d events", got)
	}
	served := map[string]bool{}
	for _, rec := range records(t, s, 200) {
		served[rec.RequestID] = rec.Stream
	}
	if len(served) != 200 {
		t.Errorf("the provider saw %d ids, want 200", len(served))
	}
	for _, rec := range r.Records {
		if stream, ok := served[rec.ID]; !ok || stream != (rec.Name == "stream") {
			t.Errorf("request %s %s is unknown to the provider", rec.ID, rec.Name)
		}
	}
}

// TestTheBodyNamesTheRequest: a gateway between the two need not pass the
// header on.
func TestTheBodyNamesTheRequest(t *testing.T) {
	s, err := fakeprovider.Start(t.Context(), fakeprovider.Options{KeepBodies: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{mix(false)}, Conns: 1, Count: 3, Seed: 7, Records: true})
	for i, rec := range records(t, s, 3) {
		if want := `"user":"` + r.Records[i].ID + `"`; !strings.Contains(string(rec.Body), want) {
			t.Errorf("body %s lacks %s", rec.Body, want)
		}
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	s := provider(t, "delay=20ms")
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{mix(false)}, Conns: 50, RPS: 200, Count: 100})
	if r.OK != 100 || r.Seconds < 0.45 {
		t.Errorf("%d answers in %.2f s, want 100 in 0.5 s or more", r.OK, r.Seconds)
	}
	if p := r.Kinds["plain"].Latency; p.P50 < 20_000 {
		t.Errorf("median %d µs is less than the provider's delay", p.P50)
	}
}

// TestOpenLoopCountsFromTheSchedule: one connection that needs 20 ms for each
// request cannot carry 200 a second; the wait must show.
func TestOpenLoopCountsFromTheSchedule(t *testing.T) {
	s := provider(t, "delay=20ms")
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{mix(false)}, Conns: 1, RPS: 200, Count: 30})
	if r.Requests+r.Unsent != 30 || r.Unsent == 0 {
		t.Errorf("%d sent, %d unsent, want 30 together and some unsent", r.Requests, r.Unsent)
	}
	if p := r.Kinds["plain"].Latency; p.Max < 50_000 {
		t.Errorf("longest %d µs does not hold the time in the queue", p.Max)
	}
}

func TestFailuresAreTold(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()
	for _, c := range []struct {
		directive string
		stream    bool
		failure   string
		status    int
		code      string
	}{
		{"status=503", false, "", 503, "fake_503"},
		{"mode=cut", false, loadgen.Cut, 200, ""},
		{"mode=cut,size=4000", true, loadgen.Cut, 200, ""},
		{"mode=short", false, loadgen.Cut, 200, ""},
		{"mode=hang", false, loadgen.TimedOut, 0, ""},
		{"mode=stall", true, loadgen.TimedOut, 200, ""},
		{"mode=eventerror", true, loadgen.Unended, 200, "fake_stream"},
		{"", false, loadgen.Refused, 0, ""},
	} {
		t.Run(c.directive, func(t *testing.T) {
			target := nobody
			if c.directive != "" {
				target = provider(t, c.directive).Addr()
			}
			r := load(t, loadgen.Options{Targets: []string{target}, Requests: []loadgen.Request{mix(c.stream)},
				Conns: 1, Count: 1, Records: true, Timeout: 100 * time.Millisecond})
			got := r.Records[0]
			if r.OK != 0 || got.Failure != c.failure || got.Status != c.status || got.Code != c.code {
				t.Errorf("record %+v, want failure %q status %d code %q", got, c.failure, c.status, c.code)
			}
		})
	}
}

func TestLeavingIsSeenByTheProvider(t *testing.T) {
	s := provider(t, "events=100,gap=5ms")
	q := mix(true)
	q.Leave = true
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{q}, Conns: 2, Count: 4})
	if k := r.Kinds["stream"]; k.Left != 4 || len(k.Failures) != 0 {
		t.Errorf("%+v", k)
	}
	records, err := s.Wait(t.Context(), func(r []fakeprovider.Record) bool { return len(r) == 4 })
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		if !rec.Cancelled {
			t.Errorf("record %+v", rec)
		}
	}
}

// TestADeadTargetIsPassedOver: with one of two targets dead, few requests fail.
func TestADeadTargetIsPassedOver(t *testing.T) {
	alive, dead := provider(t, ""), provider(t, "")
	dead.Close()
	r := load(t, loadgen.Options{Targets: []string{dead.Addr(), alive.Addr()}, Requests: []loadgen.Request{mix(false)},
		Conns: 2, Count: 200, Rest: time.Minute})
	if bad := r.Requests - r.OK; bad < 1 || bad > 2 {
		t.Errorf("%d of %d failed", bad, r.Requests)
	}
}

// TestAnIdleConnectionThatWasClosedIsNotUsed: a gateway that restarts between
// two requests costs none.
func TestAnIdleConnectionThatWasClosedIsNotUsed(t *testing.T) {
	s := provider(t, "")
	restarted := make(chan struct{})
	var once sync.Once
	r := load(t, loadgen.Options{Targets: []string{s.Addr()}, Requests: []loadgen.Request{mix(false)}, Conns: 1, RPS: 4, Count: 2,
		Skip: func(target string) bool {
			if s.Stats().Requests == 1 {
				once.Do(func() {
					s.Close()
					again, err := fakeprovider.Start(t.Context(), fakeprovider.Options{Addr: target})
					if err != nil {
						t.Error(err)
					}
					t.Cleanup(func() { again.Close() })
					close(restarted)
				})
			}
			return false
		}})
	select {
	case <-restarted:
	default:
		t.Fatal("the provider was not restarted")
	}
	if r.OK != 2 {
		t.Errorf("%d of 2 requests went well: %+v", r.OK, r.Kinds)
	}
}

func TestSkippedTargetsGetNothing(t *testing.T) {
	a, b := provider(t, ""), provider(t, "")
	r := load(t, loadgen.Options{Targets: []string{a.Addr(), b.Addr()}, Requests: []loadgen.Request{mix(false)}, Conns: 2, Count: 50,
		Skip: func(target string) bool { return target == a.Addr() }})
	if r.OK != 50 || a.Stats().Requests != 0 {
		t.Errorf("%d went well, %d of them at a target to be skipped", r.OK, a.Stats().Requests)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := loadgen.Options{Targets: []string{"127.0.0.1:1"}, Requests: []loadgen.Request{mix(false)}, Conns: 1, Count: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*loadgen.Options){
		"not loopback": func(o *loadgen.Options) { o.Targets = []string{"192.0.2.1:80"} },
		"a name":       func(o *loadgen.Options) { o.Targets = []string{"example.com:80"} },
		"unbounded":    func(o *loadgen.Options) { o.Count = 0 },
		"too long":     func(o *loadgen.Options) { o.Duration = 2 * time.Hour },
		"no conns":     func(o *loadgen.Options) { o.Conns = 0 },
	} {
		o := good
		spoil(&o)
		if o.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestChatBody(t *testing.T) {
	for _, size := range []int{0, 1000, 30_000} {
		body := loadgen.ChatBody("a/b", "size=9", true, size)
		if !json.Valid(body) || size > 0 && len(body) != size {
			t.Errorf("size %d gives %d bytes: %.100s", size, len(body), body)
		}
	}
}
