package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// flood is a provider that streams for as long as it is read.
type flood struct {
	*httptest.Server
	sent    atomic.Int64 // bytes
	working atomic.Int64
}

func newFlood(t *testing.T) *flood {
	f := &flood{}
	event := fmt.Sprintf("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n",
		strings.Repeat("word ", 800))
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.working.Add(1)
		defer f.working.Add(-1)
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			n, err := io.WriteString(w, event)
			if err != nil {
				return
			}
			f.sent.Add(int64(n))
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// drip calls and reads the answer a byte a second until ctx ends.
func drip(ctx context.Context, addr, key string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Little is kept for it on its side.
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	const body = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"Hello"}]}`
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		key, len(body), body)
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for one := make([]byte, 1); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		conn.SetReadDeadline(time.Now().Add(time.Second))
		conn.Read(one) // that it was cut is seen at the other end
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never:", what)
		}
	}
}

// heap is what is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestSlowReadersCostLittleAndAreEnded: callers that read a byte a second hold
// back the provider, take a bounded piece of memory, and are ended when nothing
// moved for the time that a write may take.
func TestSlowReadersCostLittleAndAreEnded(t *testing.T) {
	const readers, stall = 20, 3 * time.Second
	up := newFlood(t)
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	w.Route(acme, "fast", "gpt-x", up.URL+"/v1", providerSecret, nil)
	key, _ := w.Key(acme, nil)
	g := start(t, w, func(c *httpapi.Config) { c.Limits.WriteStall = stall })
	before := heap()
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error, readers)
	for range readers {
		go func() { ended <- drip(ctx, g.addr, key) }()
	}
	// Until the provider gets nothing off any more, or the first are ended.
	most, sent := int64(0), int64(-1)
	for g.ledger.count() == 0 && (up.working.Load() < readers || up.sent.Load() != sent) {
		sent = up.sent.Load()
		most = max(most, heap()-before)
		time.Sleep(200 * time.Millisecond)
	}
	most = max(most, heap()-before)
	t.Logf("%d readers: %d KiB of memory each, %d KiB taken from the provider each", readers, most/readers>>10, up.sent.Load()/readers>>10)
	// Provider and callers are in this process, too.
	if most/readers > 2<<20 {
		t.Errorf("%d bytes of memory for each reader", most/readers)
	}
	eventually(t, "all are ended", func() bool { return g.ledger.count() == readers })
	for i := range readers {
		ev := g.ledger.wait(t, i)
		if ev.Outcome != usagev1.Outcome_OUTCOME_CLIENT_CLOSED || !ev.Estimated || ev.Tokens.Output == 0 || !ev.Streamed {
			t.Errorf("event: %v", ev)
		}
		if took := time.Duration(ev.DurationNs); took < stall/2 {
			t.Errorf("ended after %s", took)
		}
	}
	eventually(t, "the provider is left alone", func() bool { return up.working.Load() == 0 })
	leave()
	for range readers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
