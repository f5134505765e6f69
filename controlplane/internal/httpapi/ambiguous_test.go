package httpapi_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
)

// cutter stands between the program and Postgres. When armed, it lets the
// next commit of the tenants' role through and drops the connection in place
// of the answer: the change is made, and nobody is told.
type cutter struct {
	target string
	armed  atomic.Bool
}

func (c *cutter) serve(l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { c.relay(client) })
	}
}

func (c *cutter) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || cut.Load() {
				client.Close()
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	tenants := false
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		tenants = tenants || bytes.Contains(buf[:n], []byte("SET ROLE tollgate_app"))
		if tenants && bytes.Contains(buf[:n], []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
			cut.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			break
		}
	}
	server.Close()
	<-done
}

// TestACommitOfUnknownOutcomeIsNotMadeTwice repeats a request whose commit
// went through while its answer was lost.
func TestACommitOfUnknownOutcomeIsNotMadeTwice(t *testing.T) {
	direct, err := url.Parse(postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{target: direct.Host}
	served := make(chan struct{})
	go func() { defer close(served); c.serve(l) }()
	proxied := *direct
	proxied.Host = l.Addr().String()
	db, err := postgres.Open(context.Background(), proxied.String()+"?sslmode=disable", 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		l.Close()
		<-served
	})
	s := stageOn(t, db, 0)
	acc := s.signUp("Acme")
	send := func() answer {
		return s.call("POST", acc.path("/api-keys"), acc.owner, m{"name": "once"}, "Idempotency-Key", "k")
	}
	c.armed.Store(true)
	if a := send(); a.str("code") != "database_unavailable" {
		t.Fatalf("the cut commit: %d %s", a.status, a.raw)
	}
	if c.armed.Load() {
		t.Fatal("no commit was cut")
	}
	if a := send(); a.str("code") != "idempotency_in_progress" {
		t.Errorf("the repeat: %d %s", a.status, a.raw)
	}
	made := 0
	for _, k := range s.want(200, "GET", acc.path("/api-keys"), acc.owner, nil).rows() {
		if k["name"] == "once" {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made, want 1", made)
	}
}
