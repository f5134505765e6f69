package publish

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// world is a database and a NATS server of a test's own.
type world struct {
	t    *testing.T
	db   *postgres.DB
	port int
	dir  string
	srv  *natsserver.Server
	js   jetstream.JetStream
	url  string
}

// stream is the config stream as a stranger sees it.
func (w *world) stream() (jetstream.Stream, error) {
	if w.js == nil {
		js, err := jetstream.New(w.connect())
		if err != nil {
			return nil, err
		}
		w.js = js
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return w.js.Stream(ctx, subject.ConfigStream)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, url: postgrestest.URL(t), dir: t.TempDir(), port: freePort(t)}
	var err error
	if w.db, err = postgres.Open(context.Background(), w.url, 8); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	w.startNATS()
	t.Cleanup(func() { w.stopNATS() })
	return w
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (w *world) startNATS() {
	w.t.Helper()
	srv, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: w.port, JetStream: true, StoreDir: w.dir, NoLog: true, NoSigs: true})
	if err != nil {
		w.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		w.t.Fatal("NATS does not start")
	}
	w.srv = srv
}

func (w *world) stopNATS() {
	w.srv.Shutdown()
	w.srv.WaitForShutdown()
}

func (w *world) connect() *nats.Conn {
	w.t.Helper()
	nc, err := nats.Connect("nats://127.0.0.1:"+strconv.Itoa(w.port), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func (w *world) publisher() *Publisher {
	w.t.Helper()
	p, err := New(Config{
		Logger: slog.New(slog.DiscardHandler), DB: w.db, NATS: w.connect(), Metrics: prometheus.NewRegistry(),
		Snapshots: NewSnapshots(w.db, w.t.TempDir()), StreamMaxBytes: 64 << 20, Poll: 100 * time.Millisecond, SnapshotEvery: 50,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// run starts a publisher; the function stops it and waits for its end.
func (w *world) run(p *Publisher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("publisher: %v", err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// commit makes one change of a resource; an empty payload removes it.
func (w *world) commit(tenantID, resourceID, payload string, urgent bool) int64 {
	w.t.Helper()
	var body []byte
	if payload != "" {
		body = []byte(payload)
	}
	id, err := w.db.Change(context.Background(), tenantID, change.System("test"), func(_ postgres.Tx, r *postgres.Recorder) error {
		return r.Publish(context.Background(), change.Resource{Kind: configv1.Kind_KIND_ROUTE, ID: resourceID, Payload: body, Urgent: urgent})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	err := w.db.InSystem(context.Background(), func(tx postgres.Tx) error {
		_, err := tx.Exec(context.Background(), sql, args...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	err := w.db.InSystem(context.Background(), func(tx postgres.Tx) error {
		return tx.QueryRow(context.Background(), sql, args...).Scan(&n)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// cut ends every session of the database, as a restart of Postgres does.
func (w *world) cut() {
	w.t.Helper()
	admin, err := sql.Open("pgx", w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer admin.Close()
	_, err = admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		w.t.Fatal(err)
	}
}

// published waits until n changes are marked as published.
func (w *world) published(n int64) {
	w.t.Helper()
	eventually(w.t, func() error {
		if have := w.count(`SELECT count(*) FROM config_outbox WHERE published_at IS NOT NULL`); have != n {
			return fmt.Errorf("%d changes are published, want %d", have, n)
		}
		return nil
	})
}

// messages reads all that the stream has, oldest first.
func (w *world) messages(from uint64) (out []*configv1.Envelope) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := w.stream()
	if err != nil {
		w.t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	for seq := max(from, s.CachedInfo().State.FirstSeq); seq <= last && seq > 0; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			continue // Replaced by a newer one of the same subject.
		}
		env := &configv1.Envelope{}
		if err := proto.Unmarshal(m.Data, env); err != nil {
			w.t.Fatal(err)
		}
		if m.Subject != subject.Config(env.TenantId, env.Kind, env.Id) {
			w.t.Errorf("%s is on subject %s", env.Id, m.Subject)
		}
		out = append(out, env)
	}
	return out
}

func (w *world) streamInfo() *jetstream.StreamInfo {
	w.t.Helper()
	s, err := w.stream()
	if err != nil {
		w.t.Fatal(err)
	}
	return s.CachedInfo()
}

// eventually polls until check is content, for thirty seconds at most.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
