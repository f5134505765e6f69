package controlplane_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/controlplane/internal/postgres/postgrestest"
	"github.com/tollgate/tollgate/migrations"
	"github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/proto/subject"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// config is a complete one, over a real Postgres and a real NATS.
func config(t *testing.T) controlplane.Config {
	t.Helper()
	dir := t.TempDir()
	master, public := filepath.Join(dir, "master.key"), filepath.Join(dir, "dataplane.pub")
	if err := os.WriteFile(master, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(public, []byte(key.Public().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS did not start")
	}
	return controlplane.Config{
		DatabaseURL: postgrestest.URL(t), NATSOptions: []nats.Option{nats.InProcessServer(srv)}, Addr: "127.0.0.1:0", DataDir: dir,
		MasterKeyFile: master, DataPlanePublicKeyFile: public,
		AdminEmail: "admin@example.com", AdminPassword: "correct horse battery", ManagementKey: secretkey.New(secretkey.Management),
	}
}

// start runs the program; stop ends it and returns its error.
func start(t *testing.T, cfg controlplane.Config) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	cfg.OnReady = func(addr string) { ready <- addr }
	go func() { done <- controlplane.Run(ctx, cfg) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("the program did not stop")
		}
	}
	select {
	case addr := <-ready:
		t.Cleanup(func() { _ = stop() })
		return "http://" + addr, stop
	case err := <-done:
		cancel()
		t.Fatalf("Run = %v", err)
	case <-time.After(30 * time.Second):
		cancel()
		t.Fatal("the program did not become ready")
	}
	return "", nil
}

func call(t *testing.T, method, url, token, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	// Metrics are no JSON.
	if json.Unmarshal(raw, &out) != nil {
		out = map[string]any{"raw": string(raw)}
	}
	return resp.StatusCode, out
}

func TestTheProgramStartsServesAndStops(t *testing.T) {
	cfg := config(t)
	url, stop := start(t, cfg)
	status, in := call(t, "POST", url+"/v1/sessions", "", `{"email":"admin@example.com","password":"correct horse battery"}`)
	if status != 201 {
		t.Fatalf("the administrator signs in: %d %v", status, in)
	}
	if _, me := call(t, "GET", url+"/v1/me", in["token"].(string), ""); me["operator"] != true {
		t.Errorf("the administrator is %v", me)
	}
	if status, me := call(t, "GET", url+"/v1/me", cfg.ManagementKey, ""); status != 200 || me["operator"] != true {
		t.Errorf("the management key is %d %v", status, me)
	}
	status, up := call(t, "POST", url+"/v1/signup", "", `{"tenant_name":"Acme","email":"a@example.com","password":"correct horse battery"}`)
	if status != 201 {
		t.Fatalf("sign-up: %d %v", status, up)
	}
	published(t, cfg, up["tenant"].(map[string]any)["id"].(string), up["api_key"].(map[string]any)["id"].(string))
	if _, m := call(t, "GET", url+"/metrics", "", ""); !strings.Contains(m["raw"].(string), "tollgate_config_publisher 1") {
		t.Error("the metrics do not name the publisher")
	}
	status, doctor := call(t, "GET", url+"/v1/operator/doctor", cfg.ManagementKey, "")
	if status != 200 || doctor["ok"] != true {
		t.Errorf("doctor: %d %v", status, doctor)
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}

	// A second start finds everything, and a new key follows the old one.
	old := cfg.ManagementKey
	cfg.ManagementKey = secretkey.New(secretkey.Management)
	url, _ = start(t, cfg)
	if status, _ := call(t, "GET", url+"/v1/me", cfg.ManagementKey, ""); status != 200 {
		t.Errorf("the new key: %d", status)
	}
	if status, _ := call(t, "GET", url+"/v1/me", old, ""); status != 401 {
		t.Errorf("the old key: %d", status)
	}
	if status, _ := call(t, "GET", url+"/v1/me", in["token"].(string), ""); status != 200 {
		t.Error("a restart ended the administrator's session")
	}
}

// TestAStopTurnsReadinessOffFirst: balancers learn of it while calls are still
// answered.
func TestAStopTurnsReadinessOffFirst(t *testing.T) {
	cfg := config(t)
	cfg.DrainDelay = 2 * time.Second
	url, stop := start(t, cfg)
	if status, _ := call(t, "GET", url+"/readyz", "", ""); status != 200 {
		t.Fatalf("ready: %d", status)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for status := 200; status != 503; {
		if status, _ = call(t, "GET", url+"/readyz", "", ""); status != 200 && status != 503 {
			t.Fatalf("ready: %d", status)
		}
	}
	if status, _ := call(t, "GET", url+"/v1/me", cfg.ManagementKey, ""); status != 200 {
		t.Errorf("a call while draining: %d", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if _, err := http.Get(url + "/livez"); err == nil {
		t.Error("it still listens")
	}
}

// published waits until tenant and key are in the config stream.
func published(t *testing.T, cfg controlplane.Config, tenantID, keyID string) {
	t.Helper()
	conn, err := nats.Connect("", cfg.NATSOptions...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for kind, id := range map[configv1.Kind]string{configv1.Kind_KIND_TENANT: tenantID, configv1.Kind_KIND_API_KEY: keyID} {
		for {
			stream, err := js.Stream(ctx, subject.ConfigStream)
			if err == nil {
				var msg *jetstream.RawStreamMsg
				if msg, err = stream.GetLastMsgForSubject(ctx, subject.Config(tenantID, kind, id)); err == nil {
					env := &configv1.Envelope{}
					if err := proto.Unmarshal(msg.Data, env); err != nil || env.Id != id {
						t.Fatalf("the stream holds %v, %v", env, err)
					}
					break
				}
			}
			if ctx.Err() != nil {
				t.Fatalf("%s %s was not published: %v", kind, id, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func TestWhatKeepsTheProgramFromStarting(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	open := filepath.Join(t.TempDir(), "open.key")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	good := config(t)
	for name, c := range map[string]struct {
		change func(*controlplane.Config)
		says   string
	}{
		"port in use":       {func(c *controlplane.Config) { c.Addr = busy.Addr().String() }, "TOLLGATE_API_ADDR"},
		"ops port in use":   {func(c *controlplane.Config) { c.OpsAddr = busy.Addr().String() }, "TOLLGATE_OPS_ADDR"},
		"no master key":     {func(c *controlplane.Config) { c.MasterKeyFile = "/nowhere" }, "master key file"},
		"open master key":   {func(c *controlplane.Config) { c.MasterKeyFile = open }, "chmod 600"},
		"not a public key":  {func(c *controlplane.Config) { c.DataPlanePublicKeyFile = open }, "tgdp_public_"},
		"not a URL":         {func(c *controlplane.Config) { c.DatabaseURL = "://hunter2" }, "postgres://user:password@"},
		"not migrated":      {func(c *controlplane.Config) { c.DatabaseURL = postgres(t, c.DatabaseURL) }, "tollgate migrate"},
		"newer database":    {func(c *controlplane.Config) { c.DatabaseURL = newer(t) }, "newer version"},
		"newer and migrate": {func(c *controlplane.Config) { c.DatabaseURL, c.Migrate = newer(t), true }, "newer version"},
		"bad admin address": {func(c *controlplane.Config) { c.AdminEmail = "nobody" }, "administrator"},
	} {
		cfg := good
		c.change(&cfg)
		err := controlplane.Run(context.Background(), cfg)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: Run = %v, want one that says %q", name, err, c.says)
		}
	}
	if err := controlplane.Run(context.Background(), controlplane.Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	good.DatabaseURL = "postgres://nobody@" + busy.Addr().String() + "/x"
	if err := controlplane.Run(ctx, good); err == nil || !strings.Contains(err.Error(), "no answer from Postgres") {
		t.Errorf("no Postgres: Run = %v", err)
	}
}

// postgres is the URL of the maintenance database, which nobody migrated.
func postgres(t *testing.T, url string) string {
	t.Helper()
	return url[:strings.LastIndexByte(url, '/')] + "/postgres"
}

// newer is a database that a later version migrated.
func newer(t *testing.T) string {
	t.Helper()
	url := postgrestest.URL(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)", latest+1); err != nil {
		t.Fatal(err)
	}
	return url
}

// Without a directory of its own the program makes one, that nobody can have
// made before, and takes it away at the end.
func TestSnapshotsWithoutADataDirectory(t *testing.T) {
	cfg, tmp := config(t), t.TempDir()
	t.Setenv("TMPDIR", tmp) // Postgres has its own by now
	if err := os.WriteFile(filepath.Join(tmp, "controlplane"), []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = ""
	url, stop := start(t, cfg)
	if status, out := call(t, "GET", url+"/v1/operator/config/snapshot", cfg.ManagementKey, ""); status != 200 {
		t.Errorf("GET snapshot: %d %v", status, out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
