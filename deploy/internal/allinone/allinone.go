// Package allinone owns the whole product in one process: private Postgres,
// embedded NATS, the three programs, the secrets they share, a demo tenant, and
// the order in which all of it starts and stops. It knows the programs by their
// Config, Run and FromEnv alone, and the control plane's data by its API alone.
package allinone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/tollgate/tollgate/deploy/internal/database"
	"github.com/tollgate/tollgate/deploy/internal/natsembed"
	"github.com/tollgate/tollgate/deploy/internal/pglaunch"
)

// Config says how to run. The zero value and an environment are enough.
type Config struct {
	// Getenv reads the environment; the variables are in docs/operations.md.
	Getenv func(string) string
	// Version is shown to operators.
	Version string
	// DataDir keeps everything between runs.
	DataDir string
	// Logger takes what the programs log.
	Logger *slog.Logger
	// Progress is told what takes long; may be nil.
	Progress func(string)
	// OnReady is called once when the first model call can be made.
	OnReady func(Info)
}

// Info is what a newcomer needs to begin.
type Info struct {
	GatewayURL    string
	APIURL        string
	PortalURL     string
	Tenant        string
	APIKey        string
	ManagementKey string
	DemoEmail     string
	DemoPassword  string
	AdminEmail    string
	AdminPassword string
	// EnvFile holds all of the above for scripts.
	EnvFile string
	// Database says where the rows are: "private Postgres 15.18" or "your own".
	Database string
}

// ErrInUse says that something else holds what this run needs; ErrConfig that
// a variable is missing or has a value that cannot be. Both are told apart by
// errors.Is and add nothing to the text.
var (
	ErrInUse  = errors.New("in use")
	ErrConfig = errors.New("configuration")
)

// sorted is an error with its sort.
type sorted struct{ err, sort error }

func (s sorted) Error() string        { return s.err.Error() }
func (s sorted) Is(target error) bool { return target == s.sort }
func (s sorted) Unwrap() error        { return s.err }

// BadConfig joins what is wrong with a configuration into one ErrConfig; nil
// when nothing is. What was said before is not said again.
func BadConfig(errs ...error) error {
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return sorted{errors.New(strings.Join(lines, "\n")), ErrConfig}
}

// DefaultDataDir is where the data goes when nobody says otherwise.
func DefaultDataDir() string {
	if os.Geteuid() == 0 {
		// The account that runs Postgres for root could not reach a checkout
		// below root's home.
		return "/var/lib/tollgate"
	}
	return ".tollgate"
}

// Run starts everything, calls OnReady, and stops everything in order when ctx
// ends or a part fails.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	cfg.DataDir = dir
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	addrs, err := readAddresses(cfg.Getenv)
	if err != nil {
		return err
	}
	secrets, err := loadSecrets(dir, cfg.Getenv)
	if err != nil {
		return err
	}
	if err := checkConfig(cfg, addrs, secrets); err != nil {
		return err
	}
	base, err := startBase(ctx, cfg)
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // whatever was cut short
	}
	if err != nil {
		return err
	}
	defer base.stop()
	return runPrograms(ctx, cfg, addrs, secrets, base)
}

// base is what the programs stand on.
type base struct {
	databaseURL string
	database    string
	natsOption  nats.Option
	postgres    *pglaunch.Server
	nats        *natsembed.Server
	urlFile     string
}

// startBase starts the database and NATS and brings the schema up to date.
func startBase(ctx context.Context, cfg Config) (*base, error) {
	b := &base{urlFile: filepath.Join(cfg.DataDir, databaseURLFile)}
	if b.databaseURL = cfg.Getenv("TOLLGATE_DATABASE_URL"); b.databaseURL != "" {
		b.database = "your own Postgres"
	} else {
		pg, err := pglaunch.Start(ctx, pglaunch.Config{
			Dir: filepath.Join(cfg.DataDir, "postgres"), Progress: cfg.Progress, Logger: cfg.Logger})
		if err != nil {
			return nil, err
		}
		b.postgres, b.databaseURL = pg, pg.URL()
		b.database = "private Postgres " + pg.Binaries().Version
	}
	if err := os.WriteFile(b.urlFile, []byte(b.databaseURL+"\n"), 0o600); err != nil {
		b.stop()
		return nil, fmt.Errorf("write the database's address: %w", err)
	}
	n, err := database.Migrate(ctx, b.databaseURL)
	if err != nil {
		b.stop()
		return nil, err
	}
	if n > 0 {
		cfg.Logger.Info("schema brought up to date", "migrations", n)
	}
	if b.nats, err = natsembed.Start(natsembed.Config{
		StoreDir: filepath.Join(cfg.DataDir, "nats"), Logger: cfg.Logger}); err != nil {
		b.stop()
		return nil, err
	}
	b.natsOption = b.nats.Option()
	return b, nil
}

// databaseURLFile lets doctor reach the database of a running installation.
const databaseURLFile = "database.url"

// DatabaseURL reads where a running installation has its database.
func DatabaseURL(dataDir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, databaseURLFile))
	if err != nil {
		return "", fmt.Errorf("no running installation in %s (%w): set TOLLGATE_DATABASE_URL, or start `tollgate up`", dataDir, cause(err))
	}
	return strings.TrimSpace(string(b)), nil
}

// stop ends NATS before the database: nothing writes after it.
func (b *base) stop() {
	if b.nats != nil {
		b.nats.Stop()
	}
	if b.postgres != nil {
		b.postgres.Stop()
	}
	// Its absence says that nothing runs.
	_ = os.Remove(b.urlFile)
}

// addresses are where the programs listen.
type addresses struct{ gateway, api, portal string }

func readAddresses(getenv func(string) string) (addresses, error) {
	var a addresses
	for _, p := range []struct {
		to                      *string
		variable, other, normal string
	}{
		{&a.gateway, "TOLLGATE_GATEWAY_ADDR", "the gateway", "127.0.0.1:8080"},
		{&a.api, "TOLLGATE_API_ADDR", "the control plane", "127.0.0.1:8081"},
		{&a.portal, "TOLLGATE_PORTAL_ADDR", "the portal", "127.0.0.1:8082"},
	} {
		*p.to = p.normal
		if v := strings.TrimSpace(getenv(p.variable)); v != "" {
			*p.to = v
		}
		// Better to learn it now than after the database has started.
		l, err := net.Listen("tcp", *p.to)
		if err != nil {
			sort := ErrInUse
			if _, _, malformed := net.SplitHostPort(*p.to); malformed != nil {
				sort = ErrConfig
			}
			return a, sorted{fmt.Errorf("%s cannot listen on %s (%w): set %s to another address, for example %s=127.0.0.1:18080",
				p.other, *p.to, cause(err), p.variable, p.variable), sort}
		}
		if err := l.Close(); err != nil {
			return a, fmt.Errorf("try %s: %w", *p.to, err)
		}
	}
	return a, nil
}

func cause(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}
