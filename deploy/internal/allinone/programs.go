package allinone

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tollgate/tollgate/controlplane"
	"github.com/tollgate/tollgate/dataplane"
	"github.com/tollgate/tollgate/portal"
)

// A stop takes five seconds at most; NATS and Postgres take the rest.
const (
	drainTime   = 1500 * time.Millisecond
	frontStop   = 2 * time.Second
	controlStop = time.Second
)

// program is one of the three, running.
type program struct {
	name   string
	cancel context.CancelFunc
	ready  chan string // its address, once
	done   chan struct{}
	err    error // valid after done
}

// launch runs one program until its own stop. Its context does not end with
// the caller's, because the programs stop one after another.
func launch(name string, run func(context.Context, func(addr string)) error) *program {
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{name: name, cancel: cancel, ready: make(chan string, 1), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if err := run(ctx, func(addr string) { p.ready <- addr }); err != nil && !errors.Is(err, context.Canceled) {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	return p
}

// wait returns the program's URL once it listens.
func (p *program) wait(ctx context.Context) (string, error) {
	select {
	case addr := <-p.ready:
		return "http://" + reachable(addr), nil
	case <-p.done:
		if p.err != nil {
			return "", p.err
		}
		return "", fmt.Errorf("%s ended at once", p.name)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// reachable turns an address that means every interface into one to call.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// stop ends the programs together and waits at most d for them.
func stop(d time.Duration, programs ...*program) {
	for _, p := range programs {
		if p != nil {
			p.cancel()
		}
	}
	deadline := time.Now().Add(d)
	for _, p := range programs {
		if p != nil {
			select {
			case <-p.done:
			case <-time.After(time.Until(deadline)):
			}
		}
	}
}

// runner joins the programs: they share one environment and one NATS.
type runner struct {
	Config
	addrs   addresses
	secrets *secrets
	base    *base
	// portalKey lasts as long as the programs that share it.
	portalKey string

	control, gateway, pages *program
	info                    Info
}

func runPrograms(ctx context.Context, cfg Config, a addresses, s *secrets, b *base) error {
	r := &runner{Config: cfg, addrs: a, secrets: s, base: b, portalKey: rand.Text()}
	// The fronts stop before the control plane, so that the last usage events
	// still reach the ledger.
	defer func() {
		stop(frontStop, r.pages, r.gateway)
		stop(controlStop, r.control)
	}()
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if cfg.OnReady != nil {
		cfg.OnReady(r.info)
	}
	var failed *program
	select {
	case <-ctx.Done():
		return nil
	case <-r.control.done:
		failed = r.control
	case <-r.gateway.done:
		failed = r.gateway
	case <-r.pages.done:
		failed = r.pages
	}
	if failed.err != nil {
		return failed.err
	}
	return fmt.Errorf("%s ended", failed.name)
}

// start brings the programs up, the one that others ask first.
func (r *runner) start(ctx context.Context) error {
	var err error
	r.control = launch("control plane", r.runControl)
	if r.info.APIURL, err = r.control.wait(ctx); err != nil {
		return err
	}
	r.gateway = launch("data plane", r.runGateway)
	if r.info.GatewayURL, err = r.gateway.wait(ctx); err != nil {
		return err
	}
	r.pages = launch("portal", r.runPortal)
	if r.info.PortalURL, err = r.pages.wait(ctx); err != nil {
		return err
	}
	if err := ensureDemo(ctx, r.info.APIURL, r.secrets); err != nil {
		return err
	}
	// Before public addresses replace the local ones: those may not lead here.
	if err := waitUntilLive(ctx, r.info.APIURL, r.info.GatewayURL, r.secrets); err != nil {
		return err
	}
	k := r.secrets.kept
	r.info.Tenant, r.info.APIKey, r.info.ManagementKey = DemoTenant, k.DemoAPIKey, k.ManagementKey
	r.info.DemoEmail, r.info.DemoPassword = k.DemoEmail, k.DemoPassword
	r.info.AdminEmail, r.info.AdminPassword = k.AdminEmail, k.AdminPassword
	r.info.Database = r.base.database
	for _, u := range []struct {
		to       *string
		variable string
	}{{&r.info.GatewayURL, "TOLLGATE_GATEWAY_URL"}, {&r.info.APIURL, "TOLLGATE_API_URL"}, {&r.info.PortalURL, "TOLLGATE_PORTAL_URL"}} {
		if v := r.Getenv(u.variable); v != "" {
			*u.to = v
		}
	}
	return writeEnv(r.DataDir, &r.info)
}

// env is the environment that a program sees: the caller's, with what this
// installation knows better.
func (r *runner) env(program string, over map[string]string) func(string) string {
	all := map[string]string{
		"TOLLGATE_DATABASE_URL":               r.base.databaseURL,
		"TOLLGATE_NATS_URL":                   "nats://in-process:4222",
		"TOLLGATE_GATEWAY_ADDR":               r.addrs.gateway,
		"TOLLGATE_API_ADDR":                   r.addrs.api,
		"TOLLGATE_PORTAL_ADDR":                r.addrs.portal,
		"TOLLGATE_DATA_DIR":                   filepath.Join(r.DataDir, program),
		"TOLLGATE_MASTER_KEY_FILE":            r.secrets.keys.Master,
		"TOLLGATE_DATAPLANE_PUBLIC_KEY_FILE":  r.secrets.keys.Public,
		"TOLLGATE_DATAPLANE_PRIVATE_KEY_FILE": r.secrets.keys.Private,
		"TOLLGATE_DATAPLANE_ID":               r.secrets.kept.DataPlaneID,
		"TOLLGATE_ADMIN_EMAIL":                r.secrets.kept.AdminEmail,
		"TOLLGATE_ADMIN_PASSWORD":             r.secrets.kept.AdminPassword,
		"TOLLGATE_MANAGEMENT_KEY":             r.secrets.kept.ManagementKey,
		// Other programs share loopback: the portal is known by this key.
		"TOLLGATE_PORTAL_KEY":  cmp.Or(r.Getenv("TOLLGATE_PORTAL_KEY"), r.portalKey),
		"TOLLGATE_DRAIN_DELAY": "0s", // nobody balances in front of this one
		"TOLLGATE_DRAIN_TIME":  drainTime.String(),
	}
	for k, v := range over {
		all[k] = v
	}
	// A model server on the same machine is what people try first; elsewhere
	// than here, loopback stays closed to addresses that tenants choose.
	if r.Getenv("TOLLGATE_ALLOWED_NETWORKS") == "" {
		all["TOLLGATE_ALLOWED_NETWORKS"] = "127.0.0.0/8,::1/128"
	}
	return func(name string) string {
		if v, ok := all[name]; ok {
			return v
		}
		return r.Getenv(name)
	}
}

// checkConfig reads the programs' variables before anything is started: a
// mistake in one should be told at once.
func checkConfig(cfg Config, a addresses, s *secrets) error {
	// What is not known yet cannot be wrong.
	r := &runner{Config: cfg, addrs: a, secrets: s, base: &base{databaseURL: "postgres://later"}, portalKey: rand.Text()}
	control, err := r.controlConfig()
	gateway, gatewayErr := r.gatewayConfig()
	r.info.APIURL, r.info.GatewayURL = "http://later", "http://later"
	_, portalErr := r.portalConfig()
	return BadConfig(err, control.Validate(), gatewayErr, gateway.Validate(), portalErr)
}

func (r *runner) controlConfig() (controlplane.Config, error) {
	return controlplane.FromEnv(r.env("controlplane", map[string]string{
		// One address serves one program: that of operations is the data plane's.
		"TOLLGATE_OPS_ADDR": ""}))
}

func (r *runner) runControl(ctx context.Context, ready func(string)) error {
	cfg, err := r.controlConfig()
	if err != nil {
		return err
	}
	cfg.Logger, cfg.OnReady = r.Logger.With("program", "controlplane"), ready
	cfg.NATSOptions = append(cfg.NATSOptions, r.base.natsOption, nats.Name("controlplane"))
	return controlplane.Run(ctx, cfg)
}

func (r *runner) gatewayConfig() (dataplane.Config, error) {
	return dataplane.FromEnv(r.env("dataplane", nil))
}

func (r *runner) runGateway(ctx context.Context, ready func(string)) error {
	cfg, err := r.gatewayConfig()
	if err != nil {
		return err
	}
	cfg.Logger, cfg.OnReady = r.Logger.With("program", "dataplane"), ready
	cfg.Version = r.Version
	cfg.NATSOptions = append(cfg.NATSOptions, r.base.natsOption, nats.Name("dataplane"))
	return dataplane.Run(ctx, cfg)
}

func (r *runner) portalConfig() (portal.Config, error) {
	// The portal calls the control plane directly, whatever its public address.
	over := map[string]string{"TOLLGATE_API_URL": r.info.APIURL}
	if r.Getenv("TOLLGATE_GATEWAY_URL") == "" {
		over["TOLLGATE_GATEWAY_URL"] = r.info.GatewayURL
	}
	return portal.FromEnv(r.env("portal", over))
}

func (r *runner) runPortal(ctx context.Context, ready func(string)) error {
	cfg, err := r.portalConfig()
	if err != nil {
		return err
	}
	cfg.Logger, cfg.OnReady = r.Logger.With("program", "portal"), ready
	return portal.Run(ctx, cfg)
}
