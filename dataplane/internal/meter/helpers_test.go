package meter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tollgate/tollgate/dataplane/internal/link"
	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
)

func info(n int) meter.AdmitInfo {
	return meter.AdmitInfo{
		TenantID: "ten_a", ProjectID: "prj_a", APIKeyID: "key_a", RequestID: fmt.Sprintf("req_%d", n),
		Route: "gpt", Operation: "chat", Provider: "openai", ProviderModel: "gpt-4o", CredentialID: "crd_a", ModelID: "mdl_a",
		Cost:        &configv1.Price{Id: "prc_cost", Input: 1_000_000, Output: 2_000_000, PerRequest: 5},
		Sell:        &configv1.Price{Id: "prc_sell", Input: 3_000_000, Output: 4_000_000},
		InputTokens: 100, StartedAtUnixNano: 1_700_000_000_000_000_000, ConfigRevision: 7, Streamed: true,
	}
}

func event(n int) *usagev1.Event {
	return &usagev1.Event{
		TenantId: "ten_a", ProjectId: "prj_a", ApiKeyId: "key_a", RequestId: fmt.Sprintf("req_%d", n), Route: "gpt", Operation: "chat",
		StartedAtUnixNano: time.Now().UnixNano(), DurationNs: 1000, Outcome: usagev1.Outcome_OUTCOME_OK, HttpStatus: 200,
		Tokens: &usagev1.Tokens{Input: int64(n), Output: 2}, CostNano: 3, PriceNano: 4,
		Attempts: []*usagev1.Attempt{{Provider: "openai", Status: 200, DurationNs: 5}}, Provider: "openai", ProviderModel: "gpt-4o",
	}
}

func open(t testing.TB, cfg meter.Config) *meter.Meter {
	t.Helper()
	m, err := meter.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// run starts m.Run and gives a stop that waits for its end.
func run(t testing.TB, m *meter.Meter) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func settle(t testing.TB, m *meter.Meter, n int) {
	t.Helper()
	a, err := m.Admit(info(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Settle(event(n)); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until ok or a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// broker is a NATS server in this process, with a ledger beside it.
type broker struct {
	srv  *server.Server
	dir  string
	port int
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{dir: t.TempDir(), port: server.RANDOM_PORT}
	b.start(t)
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *broker) start(t testing.TB) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: b.port, JetStream: true, StoreDir: b.dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS did not start")
	}
	b.srv = srv
	b.port = srv.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

func (b *broker) connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := link.Connect(fmt.Sprintf("nats://127.0.0.1:%d", b.port), "test", slog.New(slog.DiscardHandler),
		append(opts, nats.CustomReconnectDelay(func(int) time.Duration { return 20 * time.Millisecond }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ledger reads the usage stream and answers with watermarks, as ingest does.
type ledger struct {
	t  testing.TB
	nc *nats.Conn

	mu     sync.Mutex
	events map[string]*usagev1.Event // "plane/epoch/seq"
	marks  map[string]uint64
	copies map[string]int
	// deaf makes it keep its watermarks to itself.
	deaf bool
}

func startLedger(t testing.TB, b *broker) *ledger {
	t.Helper()
	// Without heartbeats to answer, it says each watermark once.
	l := &ledger{t: t, nc: b.connect(t, nats.ReconnectBufSize(nats.DefaultReconnectBufSize)), events: map[string]*usagev1.Event{}, marks: map[string]uint64{}, copies: map[string]int{}}
	js, err := jetstream.New(l.nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: subject.UsageStream, Subjects: []string{subject.UsageAll()}})
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: subject.UsageConsumer, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		l.take(msg.Data())
		msg.Ack()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		consuming.Stop()
		<-consuming.Closed()
	})
	return l
}

func (l *ledger) take(data []byte) {
	batch := &usagev1.Batch{}
	if err := proto.Unmarshal(data, batch); err != nil {
		l.t.Errorf("batch does not parse: %v", err)
		return
	}
	if len(data) > 64<<10 {
		l.t.Errorf("batch of %d bytes", len(data))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%s/%d", batch.DataPlaneId, batch.Epoch)
	for _, e := range batch.Events {
		k := fmt.Sprintf("%s/%d", line, e.Seq)
		if old := l.events[k]; old != nil && !proto.Equal(old, e) {
			l.t.Errorf("event %s came twice and differs:\n%v\n%v", k, old, e)
		}
		l.events[k] = e
		l.copies[k]++
	}
	for l.events[fmt.Sprintf("%s/%d", line, l.marks[line]+1)] != nil {
		l.marks[line]++
	}
	if !l.deaf {
		l.sayLocked(batch.DataPlaneId, batch.Epoch, l.marks[line])
	}
}

func (l *ledger) sayLocked(planeID string, epoch, seq uint64) {
	b, _ := proto.Marshal(&usagev1.Watermark{DataPlaneId: planeID, Epoch: epoch, Seq: seq})
	// At the end of a test the last batch may still be on its way.
	if err := l.nc.Publish(subject.Watermark(planeID), b); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		l.t.Errorf("publish watermark: %v", err)
	}
}

// say publishes a watermark that a test made up.
func (l *ledger) say(planeID string, epoch, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sayLocked(planeID, epoch, seq)
}

func (l *ledger) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *ledger) mark(m *meter.Meter) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[fmt.Sprintf("%s/%d", m.DataPlaneID(), m.Epoch())]
}

// byRequest gives all events by request id; two events of one request are an
// error.
func (l *ledger) byRequest() map[string]*usagev1.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]*usagev1.Event{}
	for _, e := range l.events {
		if out[e.RequestId] != nil {
			l.t.Errorf("request %s is charged twice", e.RequestId)
		}
		out[e.RequestId] = e
	}
	return out
}

// clock is a clock that a test moves.
type clock struct{ ahead atomic.Int64 }

func newClock() *clock { return &clock{} }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
