// Package controlplane joins the control plane: it opens the database and
// NATS, starts the API, the publisher of config and the ingest of usage, and
// stops them in order. It owns the program's configuration; rules are in the
// packages below internal.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/controlplane/internal/httpapi"
	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/metrics"
	"github.com/tollgate/tollgate/controlplane/internal/operator"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/fault"
)

// Config is all that the control plane is told from outside.
type Config struct {
	Logger *slog.Logger
	// OnReady is called once, with the address that the API listens on.
	OnReady func(addr string)

	// DatabaseURL of Postgres; its user is a member of the roles that the
	// migrations made, which the user that ran them is.
	DatabaseURL string
	// Migrate brings the database to this version first.
	Migrate bool
	// NATSURL, with options for a connection within the process.
	NATSURL     string
	NATSOptions []nats.Option
	// Addr is where the API listens: "127.0.0.1:8081" when empty.
	Addr string
	// OpsAddr, when set, is where /metrics is served, instead of on Addr.
	OpsAddr string

	// MasterKeyFile holds the key-encryption key: 32 bytes in base64, mode 0600.
	MasterKeyFile string
	// DataPlanePublicKeyFile holds the key that credentials are sealed to.
	DataPlanePublicKeyFile string
	// AllowedNetworks are those that providers' addresses may lie in though
	// they are private or loopback; http is allowed to them as well.
	AllowedNetworks []netip.Prefix

	// AdminEmail and AdminPassword name an operator that must exist.
	AdminEmail, AdminPassword string
	// ManagementKey is an operator's key that must work, "tgm_…".
	ManagementKey string
}

const (
	// poolSize is for each of the two roles.
	poolSize = 12
	// patience is how long a database may take to come up at the start.
	patience = 30 * time.Second
	// drain is how long calls in flight have at the end.
	drain = 10 * time.Second
	// housekeeping is how often what has ended is forgotten.
	housekeeping = time.Hour
)

// program is the control plane while it runs.
type program struct {
	cfg Config
	log *slog.Logger
	key *seal.Local
	db  *postgres.DB
	api *httpapi.Server
}

// Migrate brings a database to this version and returns how many steps that
// took. A database from a newer version is left alone.
func Migrate(ctx context.Context, databaseURL string) (int, error) {
	return postgres.Migrate(ctx, databaseURL)
}

// CreateMasterKey writes a new key-encryption key to a file that must not
// exist.
func CreateMasterKey(path string) error { return seal.CreateKeyFile(path) }

// Run is the control plane, from start to clean stop. It returns nil when ctx
// ended it.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Addr == "" {
		cfg.Addr = DefaultAddr
	}
	// Ports first: a clash is the commonest mistake, and quick to tell.
	listeners, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer listeners.close()
	p := &program{cfg: cfg, log: cfg.Logger}
	if p.key, err = seal.LoadKeyFile(cfg.MasterKeyFile); err != nil {
		return err
	}
	if err := p.openDatabase(ctx); err != nil {
		return err
	}
	defer p.db.Close()
	if err := p.join(); err != nil {
		return err
	}
	if err := p.bootstrap(ctx); err != nil {
		return err
	}
	return p.serve(ctx, listeners)
}

// openDatabase waits for Postgres, brings it to this version or checks that
// it is there, and opens the pools.
func (p *program) openDatabase(ctx context.Context) error {
	url := p.cfg.DatabaseURL
	if err := postgres.Await(ctx, url, patience, p.log); err != nil {
		return err
	}
	if p.cfg.Migrate {
		n, err := postgres.Migrate(ctx, url)
		if err != nil {
			return err
		}
		p.log.InfoContext(ctx, "database is at this version", "migrations", n)
	} else if err := postgres.CheckSchema(ctx, url); err != nil {
		return err
	}
	var err error
	p.db, err = postgres.Open(ctx, url, poolSize)
	return err
}

// join makes the noun packages and the API over them.
func (p *program) join() error {
	now, registry := time.Now, metrics.New()
	// Hashing is dear: one for each core at a time.
	passwords := password.New(password.DefaultCost, runtime.GOMAXPROCS(0))
	sessions := session.NewService(p.db, passwords, now)
	keys := apikey.NewService(p.db, now)
	api, err := httpapi.New(httpapi.Config{
		Logger: p.log, Metrics: registry, ServeMetrics: p.cfg.OpsAddr == "",
		Access: p.db, Idempotency: idempotency.New(p.db, seal.NewBox(p.key)), CursorKey: p.key.Derive("cursors"), Now: now,
	}, httpapi.Services{
		Signups:        signup.NewService(p.db, passwords, sessions, keys),
		Sessions:       sessions,
		Tenants:        tenant.NewService(p.db),
		Projects:       project.NewService(p.db),
		Members:        member.NewService(p.db),
		APIKeys:        keys,
		ManagementKeys: managementkey.NewService(p.db, now),
		Audit:          audit.NewService(p.db),
		Usage:          usage.NewService(p.db, now),
	})
	p.api = api
	return err
}

// bootstrap makes sure that the configured operator can get in.
func (p *program) bootstrap(ctx context.Context) error {
	if p.cfg.AdminEmail != "" {
		err := operator.EnsureAdmin(ctx, p.db, password.New(password.DefaultCost, 1), p.cfg.AdminEmail, p.cfg.AdminPassword)
		if err != nil {
			return err
		}
	}
	if p.cfg.ManagementKey != "" {
		return operator.EnsureKey(ctx, p.db, p.cfg.ManagementKey)
	}
	return nil
}

// serve runs everything until ctx ends or a part fails: first the listeners
// stop, then calls in flight end, then the workers, then the database.
func (p *program) serve(ctx context.Context, l *listeners) error {
	workers, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	group, groupCtx := errgroup.WithContext(workers)
	servers := []*http.Server{httpapi.NewHTTPServer(p.api.Handler(), p.log)}
	if l.ops != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", p.api.MetricsHandler())
		servers = append(servers, httpapi.NewHTTPServer(mux, p.log))
	}
	for i, listener := range l.all() {
		group.Go(func() error {
			if err := servers[i].Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error { return p.keepHouse(groupCtx) })
	group.Go(func() error {
		// A part that fails ends groupCtx, and with it everything.
		select {
		case <-ctx.Done():
		case <-groupCtx.Done():
		}
		shutdown(ctx, servers)
		stopWorkers()
		return nil
	})
	p.log.InfoContext(ctx, "control plane is ready", "addr", l.api.Addr().String())
	if p.cfg.OnReady != nil {
		p.cfg.OnReady(l.api.Addr().String())
	}
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func shutdown(ctx context.Context, servers []*http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			s.Close()
		}
	}
}

// keepHouse forgets what has ended: sessions and kept answers.
func (p *program) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		err := errors.Join(p.db.PruneSessions(ctx), p.db.PruneIdempotency(ctx, idempotency.Keep))
		if err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "housekeeping", "error", err, "code", fault.From(err).Kind.Code)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// listeners are the ports of the program.
type listeners struct{ api, ops net.Listener }

func listen(ctx context.Context, cfg Config) (*listeners, error) {
	l := &listeners{}
	var err error
	var lc net.ListenConfig
	if l.api, err = lc.Listen(ctx, "tcp", cfg.Addr); err != nil {
		return nil, fmt.Errorf("listen for the API: %w; is another program there? Set TOLLGATE_API_ADDR", err)
	}
	if cfg.OpsAddr == "" {
		return l, nil
	}
	if l.ops, err = lc.Listen(ctx, "tcp", cfg.OpsAddr); err != nil {
		l.close()
		return nil, fmt.Errorf("listen for metrics: %w; is another program there? Set TOLLGATE_OPS_ADDR", err)
	}
	return l, nil
}

func (l *listeners) all() []net.Listener {
	if l.ops == nil {
		return []net.Listener{l.api}
	}
	return []net.Listener{l.api, l.ops}
}

func (l *listeners) close() {
	for _, x := range l.all() {
		x.Close()
	}
}
