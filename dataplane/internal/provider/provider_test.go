package provider

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// get makes one call and reads all of the answer.
func get(c *Client, baseURL string, change func(*Call)) (int, string, error) {
	e, err := c.Endpoint("ten_1", baseURL)
	if err != nil {
		return 0, "", err
	}
	call := &Call{Endpoint: e, Path: "/x", Body: [][]byte{[]byte("{"), []byte("}")}, Cancel: new(Cancel)}
	if change != nil {
		change(call)
	}
	var r Response
	if err := c.Do(call, &r); err != nil {
		return 0, "", err
	}
	defer r.Close()
	b, err := r.ReadAll(64 << 20)
	return r.Status(), string(b), err
}

// The name is resolved once and the address that passed is the one dialled.
func TestRebindingChangesNothing(t *testing.T) {
	lookups := 0
	c := New(Config{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		lookups++
		return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}, nil
	}})
	_, _, err := get(c, "https://innocent.example/v1", nil)
	if !errors.Is(err, fault.New(fault.TargetBlocked, "", nil)) || lookups != 1 {
		t.Errorf("%d lookups, %v", lookups, err)
	}
}

func TestEndpointRefusals(t *testing.T) {
	c := New(Config{})
	for _, u := range []string{"", "ftp://x", "https://", "https://user:pw@x/v1", "https://x/v1?k=v", "https://x/v1#f", "https://x:0/", "https://x:99999/", "https://x/\r\nHost: y", "https://x y/", "//x"} {
		if _, err := c.Endpoint("ten_1", u); !errors.Is(err, fault.New(fault.TargetBlocked, "", nil)) {
			t.Errorf("%q: %v", u, err)
		}
	}
	a, _ := c.Endpoint("ten_1", "https://x/v1")
	b, _ := c.Endpoint("ten_2", "https://x/v1")
	if same, _ := c.Endpoint("ten_1", "https://x/v1"); a == b || a != same {
		t.Error("tenants share an endpoint, or one has two")
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int32
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	}))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	up.Start()
	defer up.Close()
	c := New(Config{Allowed: loopback()})
	large := strings.Repeat("x", 300<<10)
	for range 5 {
		if s, b, err := get(c, up.URL, nil); s != 200 || b != "{}" || err != nil {
			t.Fatalf("%d %q %v", s, b, err)
		}
		if s, b, err := get(c, up.URL, func(c *Call) { c.Body = [][]byte{[]byte(large), nil, []byte("y")} }); s != 200 || b != large+"y" || err != nil {
			t.Fatalf("%d, %d bytes, %v", s, len(b), err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
}

// A provider that closed a resting connection costs a second try and nothing
// else.
func TestStaleConnectionIsReplaced(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer up.Close()
	c := New(Config{Allowed: loopback()})
	for range 3 {
		if s, b, err := get(c, up.URL, nil); s != 200 || b != "{}" || err != nil {
			t.Fatalf("%d %q %v", s, b, err)
		}
		up.CloseClientConnections()
	}
}

func TestTLS(t *testing.T) {
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer up.Close()
	roots := x509.NewCertPool()
	roots.AddCert(up.Certificate())
	c := New(Config{Allowed: loopback(), RootCAs: roots})
	for range 3 {
		if s, b, err := get(c, up.URL, nil); s != 200 || b != "{}" || err != nil {
			t.Fatalf("%d %q %v", s, b, err)
		}
	}
	_, _, err := get(New(Config{Allowed: loopback()}), up.URL, nil)
	if !errors.Is(err, fault.New(fault.UpstreamUnreachable, "", nil)) {
		t.Errorf("unknown certificate: %v", err)
	}
}

func TestSecretCannotAddHeaders(t *testing.T) {
	c := New(Config{Allowed: loopback()})
	for _, secret := range []string{"a\r\nX: y", "a\nb", "a\x00"} {
		_, _, err := get(c, "http://127.0.0.1:1", func(c *Call) { c.AuthName, c.Secret = "Authorization", secret })
		if !errors.Is(err, fault.New(fault.CredentialUnusable, "", nil)) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestCancelEndsEveryWait(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			accepted <- nc
		}
	}()
	why := errors.New("why not")
	cancel := new(Cancel)
	go func() {
		nc := <-accepted
		io.ReadFull(nc, make([]byte, 10))
		cancel.Cancel(why)
	}()
	begin := time.Now()
	_, _, err = get(New(Config{Allowed: loopback()}), "http://"+ln.Addr().String(), func(c *Call) { c.Cancel = cancel })
	if !errors.Is(err, why) || time.Since(begin) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	// Cancelled before: nothing is sent at all.
	if _, _, err = get(New(Config{Allowed: loopback()}), "http://127.0.0.1:1", func(c *Call) { c.Cancel = cancel }); !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer up.Close()
	c := New(Config{Allowed: loopback()})
	get(c, up.URL, nil)
	c.sweep(time.Now())
	if len(c.endpoints) != 1 {
		t.Fatal("an endpoint in use was forgotten")
	}
	c.sweep(time.Now().Add(time.Hour))
	if len(c.endpoints) != 0 {
		t.Error("an endpoint out of use is kept")
	}
}
