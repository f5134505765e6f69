package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/googletoken"
	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/dataplane/internal/metrics"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
)

// ledger is the far end of the meter: it keeps what was recorded, in order.
type ledger struct {
	mu   sync.Mutex
	full bool
	// broken makes admissions panic.
	broken bool
	events []*usagev1.Event
	grown  chan struct{}
	// settled is called in the middle of each settlement.
	settled func(*usagev1.Event)
}

func newLedger() *ledger { return &ledger{grown: make(chan struct{}, 1)} }

func (l *ledger) Admit(meter.AdmitInfo) (pipeline.Admission, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		panic("secret text of a panic")
	}
	if l.full {
		return nil, fault.New(fault.UsageSpoolFull, "", nil)
	}
	return &admission{l: l}, nil
}

func (l *ledger) Record(ev *usagev1.Event) error {
	if l.settled != nil {
		l.settled(ev)
	}
	l.mu.Lock()
	l.events = append(l.events, proto.CloneOf(ev))
	l.mu.Unlock()
	select {
	case l.grown <- struct{}{}:
	default:
	}
	return nil
}

type admission struct {
	l    *ledger
	once sync.Once
}

func (a *admission) Sent()          {}
func (a *admission) Progress(int64) {}
func (a *admission) Settle(ev *usagev1.Event) error {
	settled := false
	a.once.Do(func() { settled = true; a.l.Record(ev) })
	if !settled {
		panic("settled twice")
	}
	return nil
}

// wait gives the n-th event once it is there.
func (l *ledger) wait(t testing.TB, n int) *usagev1.Event {
	t.Helper()
	limit := time.After(5 * time.Second)
	for {
		l.mu.Lock()
		if len(l.events) > n {
			defer l.mu.Unlock()
			return l.events[n]
		}
		l.mu.Unlock()
		select {
		case <-l.grown:
		case <-limit:
			t.Fatalf("event %d did not come", n)
		}
	}
}

// gateway is a front with pipeline and real config over a test's world.
type gateway struct {
	t        testing.TB
	url      string
	addr     string
	ledger   *ledger
	pipeline *pipeline.Pipeline
	config   *completeness
	logs     *lockedBuffer
	server   *httpapi.Server
	stop     context.CancelFunc
	done     chan error
}

// completeness decides what a link to the stream would.
type completeness struct {
	*tenantconfig.Store
	complete bool
}

func (c *completeness) Complete() bool { return c.complete }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t testing.TB, w *testconfig.World, change func(*httpapi.Config)) *gateway {
	t.Helper()
	g := &gateway{t: t, ledger: newLedger(), logs: new(lockedBuffer), done: make(chan error, 1)}
	g.config = &completeness{w.Open(nil), true}
	reg := metrics.NewRegistry()
	m, err := metrics.New(reg)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(g.logs, nil))
	client := provider.New(provider.Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	g.pipeline = pipeline.New(pipeline.Deps{Logger: log, Config: g.config, Meter: g.ledger, Client: client, Metrics: m,
		Tokens: googletoken.New(googletoken.Config{Client: client})})
	cfg := httpapi.Config{
		Logger: log, Pipeline: g.pipeline, Ready: g.config.Loaded, Revision: g.config.Revision,
		Metrics: reg.Handler(), DrainTime: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	g.server = httpapi.New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	g.url = "http://" + g.addr
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() { g.done <- g.server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-g.done; err != nil {
			t.Error("server:", err)
		}
		g.done <- nil
		client.Run(ctx)
	})
	return g
}

// answer is what a caller got.
type answer struct {
	*http.Response
	body string
}

// oaError is OpenAI's error as SDKs read it.
type oaError struct {
	Error struct {
		Message   string  `json:"message"`
		Type      string  `json:"type"`
		Param     *string `json:"param"`
		Code      string  `json:"code"`
		RequestID string  `json:"request_id"`
		DocURL    string  `json:"doc_url"`
		Fix       string  `json:"fix"`
	} `json:"error"`
}

func (a *answer) fault(t testing.TB) oaError {
	t.Helper()
	var e oaError
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("status %d, body is not an error: %q", a.StatusCode, a.body)
	}
	if e.Error.Code == "" || e.Error.Message == "" || e.Error.Fix == "" || e.Error.DocURL == "" || e.Error.RequestID != a.Header.Get("X-Request-Id") {
		t.Errorf("error lacks something: %s", a.body)
	}
	return e
}

func (g *gateway) do(method, path, key, body string, headers ...string) *answer {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return &answer{resp, string(b)}
}

func (g *gateway) chat(key, body string, headers ...string) *answer {
	g.t.Helper()
	return g.do("POST", "/v1/chat/completions", key, body, headers...)
}

// wantFault checks a refusal.
func (g *gateway) wantFault(a *answer, k *fault.Kind, param string) oaError {
	g.t.Helper()
	e := a.fault(g.t)
	got := ""
	if e.Error.Param != nil {
		got = *e.Error.Param
	}
	if a.StatusCode != k.Status || e.Error.Code != k.Code || got != param {
		g.t.Errorf("got %d %s param %q, want %d %s param %q: %s", a.StatusCode, e.Error.Code, got, k.Status, k.Code, param, a.body)
	}
	if want := map[bool]string{true: "true", false: "false"}[k.Retry]; a.Header.Get("X-Should-Retry") != want {
		g.t.Errorf("%s: x-should-retry is %q, want %s", k.Code, a.Header.Get("X-Should-Retry"), want)
	}
	return e
}

const hello = `{"model":"demo","messages":[{"role":"user","content":"Hello"}]}`
