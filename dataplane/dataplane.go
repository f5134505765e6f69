// Package dataplane is the request path of Tollgate: it answers callers from
// config in memory, calls providers, and records usage in a spool on local
// disk. It owns how its parts are joined, started and stopped; the life of a
// request is in internal/pipeline. It must not know Postgres or the control
// plane's API.
package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/googletoken"
	"github.com/tollgate/tollgate/dataplane/internal/httpapi"
	"github.com/tollgate/tollgate/dataplane/internal/link"
	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/dataplane/internal/metrics"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/configcheck"
	"golang.org/x/sync/errgroup"
)

// plane is a data plane whose parts are joined.
type plane struct {
	cfg      Config
	log      *slog.Logger
	nats     *nats.Conn
	meter    *meter.Meter
	store    *tenantconfig.Store
	client   *provider.Client
	pipeline *pipeline.Pipeline
	front    *httpapi.Server
	registry *metrics.Registry
	metrics  *metrics.Metrics
	listener net.Listener
	ops      net.Listener
}

// Run serves callers until ctx ends, then drains, ships what the spool holds,
// and returns. An error means that it could not start, or had to stop.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Addr == "" {
		cfg.Addr = defaultAddr
	}
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("data plane config: %w", err)
	}
	p := &plane{cfg: cfg, log: cfg.Logger}
	err := p.assemble()
	if err == nil {
		err = p.serve(ctx)
	}
	return errors.Join(err, p.close())
}

// assemble makes the parts, in the order in which they need each other.
func (p *plane) assemble() error {
	key, err := p.cfg.privateKey()
	if err != nil {
		return err
	}
	// Ports first: a second instance must not touch the first one's files.
	if p.listener, err = listen(p.cfg.Addr, "TOLLGATE_GATEWAY_ADDR"); err != nil {
		return err
	}
	if p.cfg.OpsAddr != "" {
		if p.ops, err = listen(p.cfg.OpsAddr, "TOLLGATE_OPS_ADDR"); err != nil {
			return err
		}
	}
	if err := p.connect(); err != nil {
		return err
	}
	p.meter, err = meter.Open(meter.Config{
		Logger: p.log, Dir: filepath.Join(p.cfg.DataDir, "spool"), DataPlaneID: p.cfg.ID, NATS: p.nats,
		MaxBytes: p.cfg.SpoolMaxBytes, Retain: p.cfg.SpoolRetain,
	})
	if errors.Is(err, meter.ErrLocked) {
		return fmt.Errorf("another data plane uses %s: give each its own TOLLGATE_DATA_DIR: %w", p.cfg.DataDir, err)
	}
	if err != nil {
		return err
	}
	p.store, err = tenantconfig.Open(tenantconfig.Config{
		Logger: p.log, Dir: filepath.Join(p.cfg.DataDir, "config"),
		DataPlaneID: p.meter.DataPlaneID(), Epoch: p.meter.Epoch(), PrivateKey: key, NATS: p.nats,
		Snapshot: p.cfg.Snapshot, SnapshotToken: p.cfg.SnapshotToken,
		OnCut:        func(tenantID, keyID string) { p.pipeline.Cut(tenantID, keyID) },
		OnRevocation: func(lag time.Duration) { p.metrics.Revocation(lag) },
		Numbers:      p.numbers, Version: p.cfg.Version, Address: p.address,
	})
	if err != nil {
		return err
	}
	return p.join()
}

// join makes the request path.
func (p *plane) join() error {
	p.registry = metrics.NewRegistry()
	p.gauges()
	m, err := metrics.New(p.registry)
	if err = errors.Join(err, p.registry.Err()); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	p.metrics = m
	buffers := new(buffer.Pool)
	p.client = provider.New(provider.Config{Allowed: p.cfg.AllowedNetworks, Buffers: buffers})
	p.pipeline = pipeline.New(pipeline.Deps{
		Logger: p.log, Config: p.store, Meter: spool{p.meter}, Client: p.client, Metrics: m,
		Tokens: googletoken.New(googletoken.Config{Client: p.client, Machine: p.cfg.MachineIdentity}),
	})
	front := httpapi.Config{
		Logger: p.log, AccessLog: p.cfg.AccessLog, Pipeline: p.pipeline, Ready: p.store.Loaded, Revision: p.store.Revision, Buffers: buffers,
		Limits:     httpapi.Limits{Connections: p.cfg.MaxConnections, InFlight: p.cfg.MaxInFlight, Upload: p.cfg.MaxUploadBytes},
		DrainDelay: p.cfg.DrainDelay, DrainTime: p.cfg.DrainTime, TrustedProxies: p.cfg.TrustedProxies,
	}
	if p.ops == nil {
		front.Metrics = p.registry.Handler()
	}
	p.front = httpapi.New(front)
	return nil
}

// serve runs the parts until ctx ends, and stops them in order: callers and
// their requests, then usage and config, then the connection to NATS.
func (p *plane) serve(ctx context.Context) error {
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	// Config of this machine comes before the first caller: a restarted data
	// plane answers no one with "no config yet". Callers wait in the listener's
	// queue. Without config here, store.Run says so and goes on looking.
	if err := p.store.Load(ctx); err != nil && ctx.Err() != nil {
		return nil
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return p.front.Run(ctx, p.listener)
	})
	parts := []func(context.Context) error{p.store.Run, p.meter.Run, p.client.Run}
	if p.ops != nil {
		parts = append(parts, p.serveOps)
	}
	for _, run := range parts {
		g.Go(func() error {
			err := run(behind)
			if err != nil {
				end(httpapi.ErrPartFailed)
			}
			return err
		})
	}
	p.log.Info("data plane listens", "address", p.listener.Addr().String(), "data_plane", p.meter.DataPlaneID(), "epoch", p.meter.Epoch())
	if p.cfg.OnReady != nil {
		p.cfg.OnReady(p.listener.Addr().String())
	}
	return g.Wait()
}

// serveOps serves metrics, health and profiles on an address of their own.
func (p *plane) serveOps(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", p.registry.Handler())
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		mux.Handle(path, p.front.Handler())
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 2 * time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done()
		return srv.Close()
	})
	g.Go(func() error {
		if err := srv.Serve(p.ops); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve operators: %w", err)
		}
		return nil
	})
	return g.Wait()
}

// close lets go of what assemble took, last first.
func (p *plane) close() error {
	var err error
	if p.meter != nil {
		err = p.meter.Close()
	}
	if p.nats != nil {
		p.nats.Close()
	}
	for _, l := range []net.Listener{p.ops, p.listener} {
		if l != nil {
			l.Close()
		}
	}
	return err
}

func listen(addr, name string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: stop what listens there, or set %s to another address: %w", addr, name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for callers on %s: %w", addr, err)
	}
	return ln, nil
}

// connect reaches NATS. It does not wait for it: a data plane starts and
// serves without.
func (p *plane) connect() error {
	if p.cfg.NATSURL == "" && len(p.cfg.NATSOptions) == 0 {
		p.log.Warn("no NATS is configured: config stays as it is, usage stays in the spool")
		return nil
	}
	nc, err := link.Connect(p.cfg.NATSURL, "tollgate data plane", p.log, p.cfg.NATSOptions...)
	if err != nil {
		return err
	}
	p.nats = nc
	return nil
}

func (p *plane) address() string {
	if p.cfg.PublicURL != "" {
		return p.cfg.PublicURL
	}
	return p.listener.Addr().String()
}

// numbers are what heartbeats tell of the rest of the data plane.
func (p *plane) numbers() tenantconfig.Numbers {
	st := p.meter.Stats()
	return tenantconfig.Numbers{
		InFlight: uint64(max(0, p.front.InFlight())), SpoolBytes: uint64(st.Bytes),
		SpoolUnconfirmed: st.Unconfirmed, UsageLost: st.Lost, LastSeq: st.LastSeq,
	}
}

// gauges registers the figures of config and spool.
func (p *plane) gauges() {
	stat := func(f func(meter.Stats) float64) func() float64 {
		return func() float64 { return f(p.meter.Stats()) }
	}
	gauge, counter := p.registry.Gauge, p.registry.Counter
	gauge("tollgate_config_revision", "Revision of the config that is live.", func() float64 { return float64(p.store.Revision()) })
	gauge("tollgate_config_age_seconds", "Age of the newest change that is live.", func() float64 { return p.store.Age().Seconds() })
	gauge("tollgate_config_complete", "1 when all config there is is known here.", func() float64 {
		if p.store.Complete() {
			return 1
		}
		return 0
	})
	for _, reason := range configcheck.Reasons() {
		p.registry.CounterOf("tollgate_config_nack_total", "Config resources that were refused, by reason.", "reason", reason,
			func() float64 { return float64(p.store.RefusedFor(reason)) })
	}
	gauge("tollgate_requests_in_flight", "Requests being answered.", func() float64 { return float64(p.front.InFlight()) })
	gauge("tollgate_usage_spool_bytes", "Size of the spool on disk.", stat(func(s meter.Stats) float64 { return float64(s.Bytes) }))
	gauge("tollgate_usage_spool_max_bytes", "Size that the spool may have.", stat(func(s meter.Stats) float64 { return float64(s.MaxBytes) }))
	gauge("tollgate_usage_spool_full", "1 while the spool has no room and billable calls are refused.", stat(func(s meter.Stats) float64 {
		if s.Full {
			return 1
		}
		return 0
	}))
	gauge("tollgate_usage_spool_oldest_seconds", "How long the oldest event waits for the ledger.", stat(func(s meter.Stats) float64 { return s.OldestUnconfirmed.Seconds() }))
	gauge("tollgate_usage_unconfirmed", "Events that the ledger has not confirmed.", stat(func(s meter.Stats) float64 { return float64(s.Unconfirmed) }))
	gauge("tollgate_usage_unsettled", "Requests admitted and not settled.", stat(func(s meter.Stats) float64 { return float64(s.Unsettled) }))
	counter("tollgate_usage_unrecorded_total", "Refused requests, which cost nothing, that a full spool had no room to record.", stat(func(s meter.Stats) float64 { return float64(s.Unrecorded) }))
	counter("tollgate_usage_lost_total", "Events that could not be kept. Anything above 0 is an alarm.", stat(func(s meter.Stats) float64 { return float64(s.Lost) }))
}

// spool is the meter as the pipeline sees it.
type spool struct{ *meter.Meter }

// Admit puts a request on record.
func (s spool) Admit(info meter.AdmitInfo) (pipeline.Admission, error) {
	a, err := s.Meter.Admit(info)
	if err != nil {
		return nil, err
	}
	return a, nil
}
