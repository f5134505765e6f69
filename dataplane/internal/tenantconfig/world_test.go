package tenantconfig_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tollgate/tollgate/dataplane/internal/link"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/snapshot"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	statusv1 "github.com/tollgate/tollgate/proto/tollgate/status/v1"
	"google.golang.org/protobuf/proto"
)

// world is what a control plane knows: the newest envelope of each resource.
type world struct {
	t        testing.TB
	key      *seal.PrivateKey
	revision uint64
	all      map[string]*configv1.Envelope
	// publish, when set, sends each change on its way and gives its place in
	// the stream.
	publish func(*configv1.Envelope) uint64
	created int64
	seq     uint64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	k, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, key: k, all: map[string]*configv1.Envelope{}}
}

// envelope makes the next revision of a resource without making it known.
func (w *world) envelope(tenant string, m proto.Message) *configv1.Envelope {
	w.t.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.revision++
	env := &configv1.Envelope{
		Revision: w.revision, TenantId: tenant, Id: m.(interface{ GetId() string }).GetId(),
		CommittedAtUnixNano: time.Now().UnixNano(), PublisherEpoch: 1, Payload: payload,
	}
	switch m.(type) {
	case *configv1.Tenant:
		env.Kind = configv1.Kind_KIND_TENANT
	case *configv1.ApiKey:
		env.Kind = configv1.Kind_KIND_API_KEY
	case *configv1.Credential:
		env.Kind = configv1.Kind_KIND_CREDENTIAL
	case *configv1.Model:
		env.Kind = configv1.Kind_KIND_MODEL
	case *configv1.Route:
		env.Kind = configv1.Kind_KIND_ROUTE
	case *configv1.CatalogModel:
		env.Kind = configv1.Kind_KIND_CATALOG_MODEL
	case *configv1.Project:
		env.Kind = configv1.Kind_KIND_PROJECT
	}
	return env
}

func (w *world) put(tenant string, m proto.Message) *configv1.Envelope {
	w.t.Helper()
	return w.send(w.envelope(tenant, m))
}

func (w *world) send(env *configv1.Envelope) *configv1.Envelope {
	subj := subject.Config(env.TenantId, env.Kind, env.Id)
	if env.Deleted {
		delete(w.all, subj)
	} else {
		w.all[subj] = env
	}
	if w.publish != nil {
		w.seq = w.publish(env)
	}
	return env
}

func (w *world) remove(tenant string, kind configv1.Kind, id string) *configv1.Envelope {
	w.revision++
	return w.send(&configv1.Envelope{Revision: w.revision, TenantId: tenant, Kind: kind, Id: id, Deleted: true, CommittedAtUnixNano: 1})
}

// snapshot is what the publisher would build now.
func (w *world) snapshot() []byte {
	w.t.Helper()
	var buf bytes.Buffer
	sw, err := snapshot.NewWriter(&buf, &configv1.SnapshotHeader{
		Revision: w.revision, StreamCreatedUnixNano: w.created, StreamSequence: w.seq,
		BuiltAtUnixNano: time.Now().UnixNano(), Count: uint64(len(w.all)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, env := range w.all {
		if err := sw.Write(env); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := sw.Close(); err != nil {
		w.t.Fatal(err)
	}
	return buf.Bytes()
}

func (w *world) snapshotFile() string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "config.tgs")
	if err := os.WriteFile(path, w.snapshot(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// account is one tenant with one of everything.
type account struct {
	w                                          *world
	tenant, project, credential, model, route_ string
}

func (w *world) account(slug string) *account {
	a := &account{w, id.New(id.Tenant), id.New(id.Project), id.New(id.Credential), id.New(id.Model), id.New(id.Route)}
	w.put(a.tenant, &configv1.Tenant{Id: a.tenant, Slug: slug, Status: configv1.TenantStatus_TENANT_STATUS_ACTIVE})
	a.putCredential("https://api.openai.com/v1/", "sk-secret-"+slug)
	w.put(a.tenant, a.modelResource())
	a.putRoute("gpt")
	return a
}

func (a *account) modelResource() *configv1.Model {
	return &configv1.Model{
		Id: a.model, CredentialId: a.credential, ProviderModel: "gpt-4o", CatalogId: "openai/gpt-4o", UnknownPrice: configv1.UnknownPrice_UNKNOWN_PRICE_BLOCK,
	}
}

func (a *account) credentialResource(url, secret string) *configv1.Credential {
	a.w.t.Helper()
	sealed, err := a.w.key.Public().Seal(a.tenant, a.credential, []byte(secret))
	if err != nil {
		a.w.t.Fatal(err)
	}
	return &configv1.Credential{
		Id: a.credential, Provider: "openai", BaseUrl: url, AuthStyle: configv1.AuthStyle_AUTH_STYLE_BEARER, SealedSecret: sealed, ConnectTimeoutMs: 7,
	}
}

func (a *account) putCredential(url, secret string) *configv1.Envelope {
	return a.w.put(a.tenant, a.credentialResource(url, secret))
}

func (a *account) putRoute(name string) *configv1.Envelope {
	return a.w.put(a.tenant, &configv1.Route{Id: a.route_, Name: name, Targets: []*configv1.Target{{ModelId: a.model}}})
}

func (a *account) putStatus(status configv1.TenantStatus) *configv1.Envelope {
	return a.w.put(a.tenant, &configv1.Tenant{Id: a.tenant, Slug: "acme", Status: status})
}

func hash(secret string) *[32]byte {
	h := sha256.Sum256([]byte(secret))
	return &h
}

// key makes an API key resource for a secret.
func (a *account) key(secret string) *configv1.ApiKey {
	return &configv1.ApiKey{Id: id.New(id.APIKey), ProjectId: a.project, SecretSha256: hash(secret)[:]}
}

func (w *world) catalogModel(name string, builtIn bool, input int64) *configv1.Envelope {
	return w.put("", &configv1.CatalogModel{
		Id: "openai/" + name, Provider: "openai", ProviderModel: name, BuiltIn: builtIn,
		CostPrices: []*configv1.Price{{Id: "prc_" + name, Input: input, Output: 2 * input}},
	})
}

// cuts records OnCut.
type cuts struct {
	mu   sync.Mutex
	list []string
}

func (c *cuts) add(tenant, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, tenant+"/"+key)
}

func (c *cuts) has(tenant, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.list, tenant+"/"+key)
}

func (c *cuts) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.list)
}

// openStore opens a store with short times.
func openStore(t testing.TB, w *world, edit func(*tenantconfig.Config)) *tenantconfig.Store {
	t.Helper()
	cfg := tenantconfig.Config{
		DataPlaneID: "dpl_test", Epoch: 3, PrivateKey: w.key, Version: "test",
		HeartbeatEvery: 50 * time.Millisecond, CheckEvery: 50 * time.Millisecond, LinkGrace: 200 * time.Millisecond,
		RetryMin: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
	edit(&cfg)
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := tenantconfig.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func runStore(t testing.TB, s *tenantconfig.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
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

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// broker is a NATS server in this process and a publisher beside it.
type broker struct {
	t    testing.TB
	srv  *server.Server
	dir  string
	port int
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir(), port: server.RANDOM_PORT}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) start() {
	b.t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: b.port, JetStream: true, StoreDir: b.dir, NoLog: true, NoSigs: true})
	if err != nil {
		b.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		b.t.Fatal("NATS did not start")
	}
	b.srv, b.port = srv, srv.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

func (b *broker) connect() *nats.Conn {
	b.t.Helper()
	nc, err := link.Connect(fmt.Sprintf("nats://127.0.0.1:%d", b.port), "test", slog.New(slog.DiscardHandler),
		nats.CustomReconnectDelay(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	return nc
}

// serve makes the stream anew and lets the world publish to it.
func (b *broker) serve(w *world) {
	b.t.Helper()
	js, err := jetstream.New(b.connect())
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = js.DeleteStream(ctx, subject.ConfigStream) // There may be none.
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: subject.ConfigStream, Subjects: []string{subject.ConfigAll()}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew})
	if err != nil {
		b.t.Fatal(err)
	}
	w.created, w.seq = stream.CachedInfo().Created.UnixNano(), 0
	w.publish = func(env *configv1.Envelope) uint64 {
		b.t.Helper()
		raw, err := proto.Marshal(env)
		if err != nil {
			b.t.Fatal(err)
		}
		var ack *jetstream.PubAck
		// The broker may be on its way back.
		eventually(b.t, "published", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			ack, err = js.Publish(ctx, subject.Config(env.TenantId, env.Kind, env.Id), raw)
			return err == nil
		})
		return ack.Sequence
	}
	b.store(w)
}

// store puts a snapshot into the object store and announces it.
func (b *broker) store(w *world) {
	b.t.Helper()
	nc := b.connect()
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	bucket, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.SnapshotBucket})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := bucket.PutBytes(ctx, subject.SnapshotObject, w.snapshot()); err != nil {
		b.t.Fatal(err)
	}
	if err := nc.Publish(subject.SnapshotReady(), nil); err != nil {
		b.t.Fatal(err)
	}
}

// listen gathers what a data plane says of itself.
func listen[M proto.Message](b *broker, subj string, fresh func() M) func() []M {
	b.t.Helper()
	var mu sync.Mutex
	var got []M
	if _, err := b.connect().Subscribe(subj, func(msg *nats.Msg) {
		m := fresh()
		if err := proto.Unmarshal(msg.Data, m); err != nil {
			b.t.Errorf("%s: %v", msg.Subject, err)
			return
		}
		mu.Lock()
		got = append(got, m)
		mu.Unlock()
	}); err != nil {
		b.t.Fatal(err)
	}
	return func() []M {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}
}

func newAck() *statusv1.Ack             { return &statusv1.Ack{} }
func newHeartbeat() *statusv1.Heartbeat { return &statusv1.Heartbeat{} }
