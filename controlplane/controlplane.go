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
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/credential"
	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/httpapi"
	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/controlplane/internal/ingest"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/metrics"
	"github.com/tollgate/tollgate/controlplane/internal/operator"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/postgres"
	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/controlplane/internal/publish"
	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/network"
	transport "github.com/tollgate/tollgate/proto/seal"
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

	// DrainDelay is how long calls are still accepted after readiness went off,
	// DrainTime how long those in flight may take after that, 10 s when zero:
	// TOLLGATE_DRAIN_DELAY (5s) and TOLLGATE_DRAIN_TIME (10s) in FromEnv.
	DrainDelay, DrainTime time.Duration

	// DataDir keeps the newest config snapshot for those who ask for it over
	// HTTP; a new temporary directory, removed at the end, when empty.
	DataDir string
	// MasterKeyFile holds the key-encryption key: 32 bytes in base64, mode 0600.
	MasterKeyFile string
	// DataPlanePublicKeyFile holds the key that credentials are sealed to.
	DataPlanePublicKeyFile string
	// AllowedNetworks are those that providers' addresses may lie in though
	// they are private or loopback; http is allowed to them as well.
	AllowedNetworks network.List
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies network.List
	// PortalKey is a secret that the portal has as well: what it says of its
	// visitors' addresses is believed wherever it stands.
	PortalKey string

	// SignUpClosed leaves making tenants and accounts to operators:
	// TOLLGATE_SIGNUP.
	SignUpClosed bool

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
	// housekeeping is how often what has ended is forgotten.
	housekeeping = time.Hour
	// pruneTime bounds one turn of it.
	pruneTime = 2 * time.Minute
	// asideKeep is how long what the ledger could not take is kept.
	asideKeep = 30 * 24 * time.Hour
	// checkup is how often the invariants are asked.
	checkup = time.Hour
)

// program is the control plane while it runs.
type program struct {
	cfg       Config
	log       *slog.Logger
	key       *seal.Local
	dataPlane *transport.PublicKey
	registry  *metrics.Registry
	db        *postgres.DB
	nats      *nats.Conn
	publisher *publish.Publisher
	ingester  *ingest.Ingester
	catalog   *catalog.Service
	api       *httpapi.Server
	// broken counts invariants that did not hold when last looked at.
	broken atomic.Int64
	// temporary is a directory to remove at the end.
	temporary string
}

// Migrate brings a database to this version and returns how many steps that
// took. A database from a newer version is left alone.
func Migrate(ctx context.Context, databaseURL string) (int, error) {
	return postgres.Migrate(ctx, databaseURL)
}

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
	if cfg.DrainTime == 0 {
		cfg.DrainTime = defaultDrainTime
	}
	// Ports first: a clash is the commonest mistake, and quick to tell.
	listeners, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer listeners.close()
	p := &program{cfg: cfg, log: cfg.Logger, registry: metrics.New()}
	if err := p.open(ctx); err != nil {
		return err
	}
	defer p.close()
	if err := p.join(); err != nil {
		return err
	}
	if err := p.bootstrap(ctx); err != nil {
		return err
	}
	return p.serve(ctx, listeners)
}

// open reads the keys and reaches for the database and NATS. NATS may come
// later: until then changes wait in the outbox.
func (p *program) open(ctx context.Context) (err error) {
	if p.key, err = seal.LoadKeyFile(p.cfg.MasterKeyFile); err != nil {
		return err
	}
	text, err := os.ReadFile(p.cfg.DataPlanePublicKeyFile)
	if err != nil {
		return fmt.Errorf("data planes' public key: %w", err)
	}
	if p.dataPlane, err = transport.ParsePublic(string(text)); err != nil {
		return fmt.Errorf("%s: %w", p.cfg.DataPlanePublicKeyFile, err)
	}
	if err := p.openDatabase(ctx); err != nil {
		return err
	}
	if p.nats, err = p.connectNATS(); err != nil {
		p.db.Close()
		return err
	}
	return nil
}

func (p *program) close() {
	p.nats.Close()
	p.db.Close()
	if p.temporary != "" {
		os.RemoveAll(p.temporary)
	}
}

// connectNATS returns at once, connected or not, and keeps trying for ever.
func (p *program) connectNATS() (*nats.Conn, error) {
	opts := append([]nats.Option{
		nats.Name("tollgate controlplane"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		// A link that is dead without a word carries no revocation.
		nats.Timeout(2 * time.Second), nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		// What cannot be sent now must fail now: the outbox and the ledger keep it.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				p.log.Warn("lost NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { p.log.Info("NATS is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { p.log.Warn("NATS", "error", err) }),
	}, p.cfg.NATSOptions...)
	conn, err := nats.Connect(p.cfg.NATSURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("NATS at TOLLGATE_NATS_URL: %w", err)
	}
	return conn, nil
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

// join makes the noun packages, the workers, and the API over them.
func (p *program) join() (err error) {
	now := time.Now
	// A name in the common temporary directory that anybody can foresee could be
	// somebody else's already.
	dir := p.cfg.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tollgate-*"); err != nil {
			return fmt.Errorf("make a directory for snapshots: %w", err)
		}
		p.temporary = dir
	}
	dir = filepath.Join(dir, "controlplane")
	snapshots := publish.NewSnapshots(p.db, dir)
	p.publisher, err = publish.New(publish.Config{Logger: p.log, DB: p.db, NATS: p.nats, Metrics: p.registry, Snapshots: snapshots})
	if err != nil {
		return err
	}
	p.ingester = ingest.New(ingest.Config{Conn: p.nats, Ledger: p.db, Logger: p.log})
	if err := p.registerFigures(); err != nil {
		return err
	}
	p.catalog = catalog.NewService(p.db, now)
	// Hashing is dear: one for each core at a time.
	passwords := password.New(password.DefaultCost, runtime.GOMAXPROCS(0))
	sessions := session.NewService(p.db, passwords, now)
	keys := apikey.NewService(p.db, now)
	box := seal.NewBox(p.key)
	p.api, err = httpapi.New(httpapi.Config{
		Logger: p.log, Metrics: p.registry, ServeMetrics: p.cfg.OpsAddr == "",
		Access: p.db, Idempotency: idempotency.New(p.db, box), CursorKey: p.key.Derive("cursors"), Now: now,
		TrustedProxies: p.cfg.TrustedProxies, PortalKey: p.cfg.PortalKey, SignUpClosed: p.cfg.SignUpClosed,
	}, httpapi.Services{
		Signups:        signup.NewService(p.db, passwords, sessions, keys),
		Sessions:       sessions,
		Tenants:        tenant.NewService(p.db),
		Projects:       project.NewService(p.db),
		Members:        member.NewService(p.db, passwords, !p.cfg.SignUpClosed),
		APIKeys:        keys,
		ManagementKeys: managementkey.NewService(p.db, now),
		Audit:          audit.NewService(p.db),
		Credentials:    credential.NewService(p.db, box, p.dataPlane, p.cfg.AllowedNetworks),
		Catalog:        p.catalog,
		Routes:         route.NewService(p.db),
		Rollout:        p.db,
		Snapshots:      snapshots,
		Usage:          usage.NewService(p.db, now),
		Prices:         p.db,
		Doctor:         p.db,
	})
	return err
}

// registerFigures shows what the workers count.
func (p *program) registerFigures() error {
	stats := p.ingester.Stats()
	return metrics.Register(p.registry,
		metrics.Figure{Name: "tollgate_usage_events_total", Help: "Events that the ledger took.", Value: stats.Events.Load},
		metrics.Figure{Name: "tollgate_usage_duplicates_total", Help: "Events that arrived again and added nothing.", Value: stats.Duplicates.Load},
		metrics.Figure{Name: "tollgate_usage_messages_total", Help: "Usage messages received.", Value: stats.Messages.Load},
		metrics.Figure{Name: "tollgate_usage_set_aside_total", Help: "Usage messages, and events without a number, of which nothing reached the ledger and that were set aside. Anything above 0 is a defect.", Value: stats.Asides.Load},
		metrics.Figure{Name: "tollgate_usage_refused_total", Help: "Events that the ledger holds without their measurements. Anything above 0 is a defect.", Value: stats.Refused.Load},
		metrics.Figure{Name: "tollgate_usage_retries_total", Help: "Ledger transactions that had to be repeated.", Value: stats.Retries.Load},
		metrics.Figure{Name: "tollgate_ledger_gap_total", Help: "Places in the sequences of data planes where an event was missing for a minute, counted anew by each start. Anything above 0 is an alarm.", Value: stats.Gaps.Load},
		metrics.Figure{Name: "tollgate_invariants_broken", Help: "Invariants that did not hold when last checked.", Value: p.broken.Load},
	)
}

// bootstrap fills the catalogue, and makes sure that the configured operator
// can get in.
func (p *program) bootstrap(ctx context.Context) error {
	if n, err := p.catalog.Seed(ctx); err != nil {
		return fmt.Errorf("fill the catalogue: %w", err)
	} else if n > 0 {
		p.log.InfoContext(ctx, "catalogue is up to date", "changed", n)
	}
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

// serve runs everything until ctx ends or a part fails: first readiness goes
// off, then the listeners stop, then calls in flight end, then the workers, then the database.
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
	group.Go(func() error { return p.publisher.Run(groupCtx) })
	group.Go(func() error { return p.ingester.Run(groupCtx) })
	group.Go(func() error { return doctor.Watch(groupCtx, p.db, checkup, p.log, &p.broken) })
	group.Go(func() error { return p.keepHouse(groupCtx) })
	group.Go(func() error {
		// A part that fails ends groupCtx, and with it everything.
		select {
		case <-ctx.Done():
		case <-groupCtx.Done():
		}
		p.drain(groupCtx, servers)
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

// drain is the data planes' order too: readiness goes off, so that balancers
// look elsewhere; after DrainDelay nothing new is accepted; after DrainTime
// what is still open is cut. ctx ends when a part has failed: then nothing waits
// for balancers.
func (p *program) drain(ctx context.Context, servers []*http.Server) {
	p.api.Drain()
	select {
	case <-time.After(p.cfg.DrainDelay):
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.DrainTime)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			s.Close()
		}
	}
}

// keepHouse forgets what has ended: sessions, kept answers, and what was set
// aside a month ago.
func (p *program) keepHouse(ctx context.Context) error {
	tick := time.NewTicker(housekeeping)
	defer tick.Stop()
	for {
		err := p.prune(ctx)
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

// prune is one turn, in bounded time: a database that says nothing any more must
// not end the housekeeping.
func (p *program) prune(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pruneTime)
	defer cancel()
	return errors.Join(p.db.PruneSessions(ctx), p.db.PruneIdempotency(ctx, idempotency.Keep), p.db.PruneUsageAside(ctx, asideKeep))
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
