package dataplane_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/subject"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// tinyDisk tells a child where to mount its disk.
	tinyDisk = "TOLLGATE_TEST_TINY_DISK"
	// cannotMount is how a child ends that may not.
	cannotMount = 3
)

// TestAFullDiskRefusesBillableCallsAndNothingElse puts a data plane on a disk of
// a few megabytes, which a child mounts in a namespace of its own: any user may
// do that on most systems. Where nobody may, the spool's cap takes the place of
// the disk.
func TestAFullDiskRefusesBillableCallsAndNothingElse(t *testing.T) {
	if dir := os.Getenv(tinyDisk); dir != "" {
		err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""), syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"))
		if err != nil {
			fmt.Println(err)
			os.Exit(cannotMount)
		}
		fullSpool(t, room{dir: dir, maxBytes: 4 << 20, ballast: filepath.Join(dir, "ballast")})
		return
	}
	for _, namespaces := range []uintptr{syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, syscall.CLONE_NEWNS} {
		out, err := inNamespaces(t, namespaces)
		if exit, ok := errors.AsType[*exec.ExitError](err); err == nil || ok && exit.ExitCode() != cannotMount {
			if t.Logf("%s", out); err != nil {
				t.Error(err)
			}
			return
		}
		t.Logf("no disk by namespaces %#x: %v %s", namespaces, err, out)
	}
	fullSpool(t, room{dir: t.TempDir(), maxBytes: 1 << 20})
}

// inNamespaces runs the test that calls it in a child.
func inNamespaces(t *testing.T, flags uintptr) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), tinyDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// room is what the spool has. Without ballast it is the spool's own cap that
// is met, and room is made by the ledger's word that it has the events.
type room struct {
	dir      string
	maxBytes int64
	ballast  string
}

// fill leaves not a byte on the disk.
func (r room) fill(t *testing.T) {
	if r.ballast == "" {
		return
	}
	f, err := os.Create(r.ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func (r room) free(t *testing.T, l *books) {
	if r.ballast == "" {
		l.confirming.Store(true)
	} else if err := os.Remove(r.ballast); err != nil {
		t.Fatal(err)
	}
}

// books are the ledger of one data plane in one epoch.
type books struct {
	confirming atomic.Bool
	mu         sync.Mutex
	events     map[uint64]*usagev1.Event
	mark       uint64
}

// keepBooks takes what comes and, when confirming, answers with the watermark.
func keepBooks(t *testing.T, nc *nats.Conn) *books {
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: subject.UsageStream, Subjects: []string{subject.UsageAll()}}); err != nil {
		t.Fatal(err)
	}
	l := &books{events: map[uint64]*usagev1.Event{}}
	_, err = js.Subscribe(subject.UsageAll(), func(m *nats.Msg) {
		var b usagev1.Batch
		if err := proto.Unmarshal(m.Data, &b); err != nil {
			t.Errorf("batch: %v", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range b.Events {
			if old := l.events[e.Seq]; old != nil && !proto.Equal(old, e) {
				t.Errorf("event %d came as %v and as %v", e.Seq, old, e)
			}
			l.events[e.Seq] = e
		}
		for l.events[l.mark+1] != nil {
			l.mark++
		}
		if l.confirming.Load() {
			w, _ := proto.Marshal(&usagev1.Watermark{DataPlaneId: b.DataPlaneId, Epoch: b.Epoch, Seq: l.mark})
			if err := nc.Publish(subject.Watermark(b.DataPlaneId), w); err != nil {
				t.Errorf("watermark: %v", err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// charged gives how often each request was charged.
func (l *books) charged() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for _, e := range l.events {
		if e.CostNano > 0 {
			out[e.RequestId]++
		}
	}
	return out
}

// upstream is a provider that counts its calls and holds streams open.
type upstream struct {
	*httptest.Server
	calls   atomic.Int64
	release chan struct{}
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{release: make(chan struct{})}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		const usage = `"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}`
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],`+usage+`}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := func(choices, more string) {
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[%s]%s}\n\n", choices, more)
			w.(http.Flusher).Flush()
		}
		chunk(`{"index":0,"delta":{"role":"assistant","content":"Hel"}}`, "")
		select {
		case <-u.release:
		case <-r.Context().Done():
			return
		}
		chunk(`{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}`, "")
		chunk("", ","+usage)
		io.WriteString(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(u.Close)
	return u
}

func fullSpool(t *testing.T, space room) {
	ns, up := natsServer(t), newUpstream(t)
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	books := keepBooks(t, nc)
	books.confirming.Store(space.ballast != "")
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, _ := w.Key(acme, nil)
	w.Route(acme, "gpt", "gpt-4o", up.URL, "sk-x", nil)
	local, err := network.Parse("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	retain := time.Hour
	if space.ballast == "" {
		retain = 1
	}
	r := run(t, dataplane.Config{NATSURL: ns.ClientURL(), DataDir: space.dir, PrivateKey: w.Private, Snapshot: w.Snapshot(),
		AllowedNetworks: local, SpoolMaxBytes: space.maxBytes, SpoolRetain: retain})
	c := &caller{t: t, url: r.url, key: key, answered: map[string]bool{}}
	var streams []*http.Response
	for i := range 5 {
		streams = append(streams, c.open(fmt.Sprintf("stream-%d", i), true))
	}
	space.fill(t)
	refused := 0
	for i := 0; refused < 20; i++ {
		if i > 20_000 {
			t.Fatal("the spool does not fill")
		}
		before := up.calls.Load()
		if status, body := c.call(fmt.Sprintf("call-%d", i)); status == 200 {
			continue
		} else if status != 503 || !strings.Contains(body, "usage_spool_full") {
			t.Fatalf("%d %s", status, body)
		}
		refused++
		if up.calls.Load() != before {
			t.Fatal("the provider was called for a request that was refused")
		}
	}
	if len(c.answered) < 100 {
		t.Fatalf("full after %d calls", len(c.answered))
	}
	r.await(t, "/livez", 200)
	r.await(t, "/readyz", 200)
	close(up.release)
	for i, s := range streams {
		body, err := io.ReadAll(s.Body)
		s.Body.Close()
		if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
			t.Errorf("stream %d: %v %q", i, err, body)
		}
		c.answered[fmt.Sprintf("stream-%d", i)] = true
	}
	space.free(t, books)
	if space.ballast == "" {
		c.call("nudge") // takes the room of the streams: what it ships is answered
	}
	c.recovers(t)
	c.settled(t, books, up)
	figures := c.get("/metrics")
	for _, line := range []string{"tollgate_usage_lost_total 0", "tollgate_usage_settle_errors_total 0", "tollgate_usage_unsettled 0", "tollgate_usage_spool_full 0"} {
		if !strings.Contains(figures, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// caller remembers which of its requests were answered.
type caller struct {
	t        *testing.T
	url, key string
	answered map[string]bool
}

func (c *caller) open(id string, stream bool) *http.Response {
	c.t.Helper()
	body := fmt.Sprintf(`{"model":"gpt","stream":%t,"messages":[{"role":"user","content":"Hello"}]}`, stream)
	req, err := http.NewRequest("POST", c.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("X-Request-Id", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

func (c *caller) call(id string) (int, string) {
	c.t.Helper()
	resp := c.open(id, false)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode == 200 {
		c.answered[id] = true
	}
	return resp.StatusCode, string(b)
}

func (c *caller) get(path string) string {
	c.t.Helper()
	resp, err := http.Get(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// recovers waits until calls are served again, without a restart, more of them
// than the streams left room for.
func (c *caller) recovers(t *testing.T) {
	t.Helper()
	served := 0
	deadline := time.Now().Add(time.Minute)
	for i := 0; served < 200; i++ {
		if status, _ := c.call(fmt.Sprintf("again-%d", i)); status == 200 {
			served++
			continue
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls were served again", served)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settled waits for the books to hold every answered request, and holds them to
// hold it once and nothing else.
func (c *caller) settled(t *testing.T, l *books, up *upstream) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	charged := l.charged()
	for ; len(charged) < len(c.answered); charged = l.charged() {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests charged, %d answered", len(charged), len(c.answered))
		}
		time.Sleep(10 * time.Millisecond)
	}
	for id, times := range charged {
		if !c.answered[id] || times != 1 {
			t.Errorf("%s: charged %d times, answered: %t", id, times, c.answered[id])
		}
	}
	if n := up.calls.Load(); n != int64(len(c.answered)) {
		t.Errorf("the provider was called %d times for %d answers", n, len(c.answered))
	}
}
