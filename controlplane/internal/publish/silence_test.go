package publish

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/proto/subject"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
)

// deadNetwork stands before Postgres. While it is silent it takes everything
// and passes nothing on, as a network does that drops packets; connections that
// met the silence stay dead.
type deadNetwork struct {
	addr   string
	silent atomic.Bool
}

func (w *world) network() *deadNetwork {
	w.t.Helper()
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	n := &deadNetwork{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go n.pass(c, u.Host)
		}
	}()
	return n
}

func (n *deadNetwork) pass(c net.Conn, to string) {
	defer c.Close()
	if n.silent.Load() {
		return // the library waits long for an answer when it gives up a connection
	}
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	dead := &atomic.Bool{}
	go func() {
		n.copy(c, up, up, dead)
		if !dead.Load() {
			c.Close()
		}
	}()
	n.copy(up, c, up, dead)
}

func (n *deadNetwork) copy(to io.Writer, from io.Reader, up io.Closer, dead *atomic.Bool) {
	buf := make([]byte, 32<<10)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		if n.silent.Load() && dead.CompareAndSwap(false, true) {
			up.Close() // Postgres gives up on the session; it would do so later
		}
		if dead.Load() {
			continue
		}
		if _, err := to.Write(buf[:k]); err != nil {
			return
		}
	}
}

// A Postgres that says nothing any more, without closing a connection, does not
// keep the publisher from going on when it is back.
func TestASilentDatabaseHoldsNobody(t *testing.T) {
	w := newWorld(t)
	network := w.network()
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = network.addr
	db, err := postgres.Open(context.Background(), u.String(), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	p, err := New(Config{
		Logger: slog.New(slog.DiscardHandler), DB: db, NATS: w.connect(), Metrics: prometheus.NewRegistry(),
		Snapshots: NewSnapshots(db, t.TempDir()), StreamMaxBytes: 64 << 20, Poll: 100 * time.Millisecond, DatabaseTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.run(p)
	w.commit("ten_a", "r", "x", false)
	w.published(1)
	leads := func(want float64) {
		t.Helper()
		eventually(t, func() error {
			if have := testutil.ToFloat64(p.metrics.leading); have != want {
				return fmt.Errorf("leading is %v, want %v", have, want)
			}
			return nil
		})
	}
	leads(1)
	network.silent.Store(true)
	leads(0)
	network.silent.Store(false)
	w.commit("ten_a", "r", "y", false)
	w.published(2)
}

// What waits for Postgres is bounded at all times, and what had to go is
// counted.
func TestWaitingAcknowledgementsAreBounded(t *testing.T) {
	w := newWorld(t)
	p, in := w.publisher(), &inbox{beats: map[string]heard[rollout.DataPlane]{}, wake: make(chan struct{}, 1)}
	take := func(n int) {
		for i := range n {
			data, err := proto.Marshal(&statusv1.Ack{DataPlaneId: "dpl_a", Epoch: 1, Revision: uint64(i + 1)})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.takeAck(in, &nats.Msg{Subject: subject.Ack("dpl_a"), Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	dropped := func(want float64) {
		t.Helper()
		if len(in.acks) != maxWaiting {
			t.Errorf("%d wait, want %d", len(in.acks), maxWaiting)
		}
		if have := testutil.ToFloat64(p.metrics.dropped); have != want {
			t.Errorf("%v are counted as dropped, want %v", have, want)
		}
	}
	take(maxWaiting + 10)
	dropped(10)
	if last := in.acks[maxWaiting-1].what.Revision; last != maxWaiting+10 {
		t.Errorf("the newest that waits is %d", last)
	}
	w.db.Close()
	if err := p.write(context.Background(), in); err == nil {
		t.Fatal("written without a database")
	}
	dropped(10)
	take(5)
	if err := p.write(context.Background(), in); err == nil {
		t.Fatal("written without a database")
	}
	dropped(15)
}
