package dataplane_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/subject"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/proto"
)

// running is a data plane under test.
type running struct {
	url  string
	stop func() error
}

func run(t *testing.T, cfg dataplane.Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	cfg.Addr = "127.0.0.1:0"
	cfg.OnReady = func(addr string) { ready <- addr }
	cfg.DrainTime = 2 * time.Second
	go func() { done <- dataplane.Run(ctx, cfg) }()
	stopped := false
	r := &running{stop: func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(15 * time.Second):
			return fmt.Errorf("data plane does not stop")
		}
	}}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case addr := <-ready:
		r.url = "http://" + addr
	case err := <-done:
		stopped = true
		t.Fatal("data plane did not start:", err)
	}
	r.await(t, "/readyz", 200)
	return r
}

func (r *running) await(t *testing.T, path string, status int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(r.url + path)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == status {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v %v, want %d", path, resp, err, status)
		}
	}
}

func (r *running) chat(t *testing.T, key, body string) (int, string) {
	t.Helper()
	req, _ := http.NewRequest("POST", r.url+"/v1/chat/completions", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

const hello = `{"model":"demo","messages":[{"role":"user","content":"Hello"}]}`

func natsServer(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func TestEventsReachTheStream(t *testing.T) {
	ns := natsServer(t)
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := nc.JetStream()
	if _, err := js.AddStream(&nats.StreamConfig{Name: subject.UsageStream, Subjects: []string{subject.UsageAll()}}); err != nil {
		t.Fatal(err)
	}
	sub, err := js.SubscribeSync(subject.UsageAll())
	if err != nil {
		t.Fatal(err)
	}
	w := testconfig.New(t)
	acme := w.Tenant("acme")
	key, keyID := w.Key(acme, nil)
	r := run(t, dataplane.Config{NATSURL: ns.ClientURL(), DataDir: t.TempDir(), PrivateKey: w.Private, Snapshot: w.Snapshot()})
	if status, body := r.chat(t, key, hello); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	msg, err := sub.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var b usagev1.Batch
	if err := proto.Unmarshal(msg.Data, &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Events) != 1 || b.Events[0].TenantId != acme || b.Events[0].ApiKeyId != keyID || b.Events[0].Seq != 1 || b.Events[0].CostNano <= 0 {
		t.Errorf("batch: %v", &b)
	}
}

// With everything else dead, a data plane starts from a snapshot, serves, and
// starts again from its own disk.
func TestServesAlone(t *testing.T) {
	w := testconfig.New(t)
	key, _ := w.Key(w.Tenant("acme"), nil)
	cfg := dataplane.Config{DataDir: t.TempDir(), PrivateKey: w.Private, Snapshot: w.Snapshot(), NATSURL: "nats://127.0.0.1:1"}
	for range 2 {
		r := run(t, cfg)
		if status, body := r.chat(t, key, hello); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if status, body := r.chat(t, "tgk_unknown", hello); status != 503 || !strings.Contains(body, "config_unavailable") {
			t.Errorf("unknown key: %d %s", status, body)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		cfg.Snapshot = ""
	}
}

func TestNotReadyWithoutConfig(t *testing.T) {
	w := testconfig.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- dataplane.Run(ctx, dataplane.Config{Addr: "127.0.0.1:0", DataDir: t.TempDir(), PrivateKey: w.Private, OnReady: func(a string) { ready <- a }})
	}()
	r := &running{url: "http://" + <-ready}
	r.await(t, "/readyz", 503)
	r.await(t, "/livez", 200)
	if status, body := r.chat(t, "tgk_any", hello); status != 503 {
		t.Errorf("%d %s", status, body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStartRefusals(t *testing.T) {
	w := testconfig.New(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for want, cfg := range map[string]dataplane.Config{
		"TOLLGATE_GATEWAY_ADDR":               {Addr: ln.Addr().String(), DataDir: t.TempDir(), PrivateKey: w.Private},
		"TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE": {Addr: "127.0.0.1:0", DataDir: t.TempDir()},
		"TOLLGATE_DATA_DIR":                   {Addr: "127.0.0.1:0", PrivateKey: w.Private},
		"is not there":                        {Addr: "127.0.0.1:0", DataDir: t.TempDir(), PrivateKeyFile: filepath.Join(t.TempDir(), "none")},
	} {
		if err := dataplane.Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	dir := t.TempDir()
	run(t, dataplane.Config{DataDir: dir, PrivateKey: w.Private, Snapshot: w.Snapshot()})
	if err := dataplane.Run(context.Background(), dataplane.Config{Addr: "127.0.0.1:0", DataDir: dir, PrivateKey: w.Private}); err == nil || !strings.Contains(err.Error(), "another data plane") {
		t.Errorf("two on one directory: %v", err)
	}
}

func TestFromEnv(t *testing.T) {
	env := map[string]string{
		"TOLLGATE_GATEWAY_ADDR": "127.0.0.1:9", "TOLLGATE_ALLOWED_NETWORKS": "127.0.0.0/8, 10.1.2.3", "TOLLGATE_DRAIN_DELAY": "0s", "TOLLGATE_SPOOL_RETAIN": "2m",
	}
	c, err := dataplane.FromEnv(func(k string) string { return env[k] })
	if err != nil || c.Addr != "127.0.0.1:9" || len(c.AllowedNetworks) != 2 || c.AllowedNetworks[1].Bits() != 32 || c.DrainDelay != 0 || c.DrainTime != 30*time.Second || c.SpoolRetain != 2*time.Minute {
		t.Errorf("%+v %v", c, err)
	}
	for name, value := range map[string]string{
		"TOLLGATE_ALLOWED_NETWORKS": "everything", "TOLLGATE_DRAIN_TIME": "soon", "TOLLGATE_MAX_IN_FLIGHT": "-1", "TOLLGATE_SPOOL_RETAIN": "long",
	} {
		_, err := dataplane.FromEnv(func(k string) string { return map[string]string{name: value}[k] })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestLogWriterKeepsOrderAndLosesNothing(t *testing.T) {
	var b bytes.Buffer
	l := dataplane.NewLogWriter(&b)
	log := slog.New(slog.NewTextHandler(l, nil))
	for i := range 1000 {
		log.Info("line", "n", i)
	}
	l.Close()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 1000 || !strings.HasSuffix(lines[999], "n=999") {
		t.Errorf("%d lines, last %q", len(lines), lines[len(lines)-1])
	}
}
