// Package stand puts up the whole product as it runs in real life, every part
// a process of its own: Postgres, NATS, the control plane, data planes, and a
// fake provider for them to call. Benchmarks, chaos runs and tests stand on
// it. It knows the parts by their command lines, environment and HTTP
// addresses only.
package stand

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/seal"
	"github.com/tollgate/tollgate/proto/secretkey"
	"github.com/tollgate/tollgate/scripts/fakeprovider"
	"github.com/tollgate/tollgate/scripts/internal/proc"
)

// Config of a stand.
type Config struct {
	// Dir holds state and logs, but for Postgres's data.
	Dir string
	// Binaries from Build.
	Binaries Binaries
	// DataPlanes is how many to start.
	DataPlanes int
	// GatewayCPU pins the data planes, RestCPU all other processes; "" leaves
	// them free.
	GatewayCPU, RestCPU string
	// Provider is the base URL of a provider; when empty, a fake one is started
	// in this process.
	Provider string
	// Durable lets Postgres sync to disk, as in production. Without it the data
	// still survives the death of the process.
	Durable bool
}

// Stand is a running product.
type Stand struct {
	cfg      Config
	Postgres *proc.Process
	NATS     *proc.Process
	Control  *proc.Process
	Planes   []*Plane
	// Fake is the provider when Config.Provider was empty.
	Fake *fakeprovider.Server

	DatabaseURL  string // superuser
	NATSURL      string
	API          *API // as operator
	providerURL  string
	postgresHome string
	appURL       string
}

// Plane is one data plane.
type Plane struct {
	*proc.Process
	ID string
	// Addr serves calls, OpsAddr metrics and profiles.
	Addr, OpsAddr string
}

// Binaries are the programs that a stand runs.
type Binaries struct{ Tollgate, NATSD string }

// Build makes the binaries from this checkout.
func Build(ctx context.Context, dir string) (Binaries, error) {
	b := Binaries{Tollgate: filepath.Join(dir, "tollgate"), NATSD: filepath.Join(dir, "natsd")}
	for pkg, out := range map[string]string{"deploy/tollgate": b.Tollgate, "scripts/natsd": b.NATSD} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "github.com/tollgate/tollgate/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return b, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return b, nil
}

// startLimit is far more than a start takes, so that what hangs is found.
const startLimit = time.Minute

// Start puts up everything; the caller stops it with Stop.
func Start(ctx context.Context, cfg Config) (_ *Stand, err error) {
	s := &Stand{cfg: cfg}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if err := s.mkdirs(); err != nil {
		return nil, err
	}
	s.providerURL = cfg.Provider
	if cfg.Provider == "" {
		s.Fake, err = fakeprovider.Start(context.WithoutCancel(ctx), fakeprovider.Options{})
		if err != nil {
			return nil, err
		}
		s.providerURL = s.Fake.URL()
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, step := range []func(context.Context) error{s.startPostgres, s.startNATS, s.startControl, s.startPlanes} {
		if err := step(limited); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Stand) mkdirs() error {
	return os.MkdirAll(filepath.Join(s.cfg.Dir, "log"), 0o755)
}

// Stop ends all processes, callers first.
func (s *Stand) Stop() error {
	var errs []error
	stop := func(p *proc.Process) {
		if p != nil {
			errs = append(errs, p.Stop(20*time.Second))
		}
	}
	for _, p := range s.Planes {
		stop(p.Process)
	}
	stop(s.Control)
	stop(s.NATS)
	stop(s.Postgres)
	if s.postgresHome != "" {
		errs = append(errs, os.RemoveAll(s.postgresHome))
	}
	if s.Fake != nil {
		errs = append(errs, s.Fake.Close())
	}
	return errors.Join(errs...)
}

func (s *Stand) spec(name, path string, env map[string]string, args ...string) proc.Spec {
	return proc.Spec{Name: name, Path: path, Args: args, Env: proc.Clean(env), Dir: s.cfg.Dir,
		LogDir: filepath.Join(s.cfg.Dir, "log"), CPU: s.cfg.RestCPU}
}

func (s *Stand) startNATS(ctx context.Context) error {
	addr, err := FreeAddr()
	if err != nil {
		return err
	}
	s.NATSURL = "nats://" + addr
	spec := s.spec("nats", s.cfg.Binaries.NATSD, nil, "-addr", addr, "-store", filepath.Join(s.cfg.Dir, "nats"))
	spec.Ready = func(ctx context.Context) error { return dial(ctx, addr) }
	s.NATS = proc.New(spec)
	return s.NATS.Start(ctx)
}

// secrets makes what an operator would: keys in files of mode 0600.
func (s *Stand) secrets() (env map[string]string, err error) {
	master := make([]byte, 32)
	rand.Read(master)
	pair, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	env = map[string]string{}
	for name, content := range map[string]string{
		"MASTER_KEY_FILE":            base64.StdEncoding.EncodeToString(master),
		"DATAPLANE_PUBLIC_KEY_FILE":  pair.Public().String(),
		"DATAPLANE_PRIVATE_KEY_FILE": pair.String(),
	} {
		path := filepath.Join(s.cfg.Dir, name)
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			return nil, err
		}
		env["TOLLGATE_"+name] = path
	}
	return env, nil
}

func (s *Stand) startControl(ctx context.Context) error {
	addr, err := FreeAddr()
	if err != nil {
		return err
	}
	keys, err := s.secrets()
	if err != nil {
		return fmt.Errorf("make secrets: %w", err)
	}
	s.API = &API{URL: "http://" + addr, Key: secretkey.New(secretkey.Management)}
	env := map[string]string{
		"TOLLGATE_DATABASE_URL":              s.appURL,
		"TOLLGATE_NATS_URL":                  s.NATSURL,
		"TOLLGATE_API_ADDR":                  addr,
		"TOLLGATE_API_URL":                   s.API.URL,
		"TOLLGATE_DATA_DIR":                  filepath.Join(s.cfg.Dir, "control"),
		"TOLLGATE_MASTER_KEY_FILE":           keys["TOLLGATE_MASTER_KEY_FILE"],
		"TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE": keys["TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE"],
		"TOLLGATE_ALLOWED_NETWORKS":          "127.0.0.0/8",
		"TOLLGATE_ADMIN_EMAIL":               "admin@tollgate.test",
		"TOLLGATE_ADMIN_PASSWORD":            "correct horse battery staple",
		"TOLLGATE_MANAGEMENT_KEY":            s.API.Key,
	}
	migrate := exec.CommandContext(ctx, s.cfg.Binaries.Tollgate, "migrate")
	migrate.Env, migrate.Dir = proc.Clean(env), s.cfg.Dir
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	spec := s.spec("control", s.cfg.Binaries.Tollgate, env, "controlplane")
	spec.Ready = func(ctx context.Context) error { return get(ctx, s.API.URL+"/readyz") }
	s.Control = proc.New(spec)
	return s.Control.Start(ctx)
}

func (s *Stand) startPlanes(ctx context.Context) error {
	for range s.cfg.DataPlanes {
		p, err := s.NewPlane(nil)
		if err != nil {
			return err
		}
		s.Planes = append(s.Planes, p)
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// NewPlane makes another data plane without starting it. It is stopped with
// the stand only when it is added to Planes.
func (s *Stand) NewPlane(extra map[string]string) (*Plane, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	ops, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	p := &Plane{ID: id.New(id.DataPlane), Addr: addr, OpsAddr: ops}
	env := map[string]string{
		"TOLLGATE_NATS_URL":                   s.NATSURL,
		"TOLLGATE_GATEWAY_ADDR":               addr,
		"TOLLGATE_OPS_ADDR":                   ops,
		"TOLLGATE_DATA_DIR":                   filepath.Join(s.cfg.Dir, p.ID),
		"TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE": filepath.Join(s.cfg.Dir, "DATAPLANE_PRIVATE_KEY_FILE"),
		"TOLLGATE_DATAPLANE_ID":               p.ID,
		"TOLLGATE_ALLOWED_NETWORKS":           "127.0.0.0/8",
	}
	for k, v := range extra {
		env[k] = v
	}
	spec := s.spec(p.ID, s.cfg.Binaries.Tollgate, env, "dataplane")
	spec.CPU = s.cfg.GatewayCPU
	spec.Ready = func(ctx context.Context) error { return get(ctx, "http://"+addr+"/readyz") }
	p.Process = proc.New(spec)
	return p, nil
}

// Lonely makes a data plane without anything around it but a snapshot: the
// addresses it is told of lead nowhere. It is not started.
func Lonely(cfg Config, snapshot string) (*Plane, error) {
	nowhere, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	s := &Stand{cfg: cfg, NATSURL: "nats://" + nowhere}
	if err := s.mkdirs(); err != nil {
		return nil, err
	}
	if _, err := s.secrets(); err != nil {
		return nil, err
	}
	return s.NewPlane(map[string]string{"TOLLGATE_SNAPSHOT": snapshot})
}

// Addrs are where the data planes serve calls.
func (s *Stand) Addrs() []string {
	var out []string
	for _, p := range s.Planes {
		out = append(out, p.Addr)
	}
	return out
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
