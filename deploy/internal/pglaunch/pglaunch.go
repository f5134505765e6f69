// Package pglaunch owns the private Postgres of a single-machine installation:
// it finds or fetches the server's binaries, makes the cluster once, starts it
// on a loopback port, starts it again when it dies, and stops it cleanly. It
// must not know the schema, SQL beyond the two statements that make the owner
// role and the database, or any program of Tollgate.
package pglaunch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// Owner is the role that owns the database. It may create roles, so that
	// migrations can make the application's role; it is no superuser and does
	// not bypass row-level security.
	Owner = "tollgate"
	// Database is the name of the one database.
	Database = "tollgate"

	passwordFile = "password"
	clusterDir   = "data"
	logFile      = "postgres.log"
)

// Config says where the private Postgres lives.
type Config struct {
	// Dir holds the cluster, its log and its password. It is made when missing.
	Dir string
	// CacheDir holds fetched binaries; empty means DefaultCacheDir.
	CacheDir string
	// Finders are the routes to the binaries, in order; nil means Routes.
	Finders []Finder
	// Progress is told what takes long (fetching, first initialisation); may be nil.
	Progress func(string)
	// Logger may be nil.
	Logger *slog.Logger
}

// Server is a running private Postgres.
type Server struct {
	cfg      Config
	bin      Binaries
	owner    *account
	port     int
	password string
	cancel   context.CancelFunc
	done     chan struct{}
}

// Start finds the binaries, makes the cluster if there is none, and returns
// when Postgres accepts connections. Cancelling ctx aborts the start only;
// Stop ends the server.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg.setDefaults()
	abs, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start private Postgres: %w", err)
	}
	cfg.Dir = abs
	owner, err := serverAccount(filepath.Join(abs, clusterDir))
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, owner: owner, done: make(chan struct{})}
	if err := s.prepareDir(); err != nil {
		return nil, err
	}
	kept, err := keptMajor(s.clusterPath())
	if err != nil {
		return nil, err
	}
	if s.bin, err = Find(ctx, cfg.Finders, kept); err != nil {
		return nil, err
	}
	if kept == 0 {
		cfg.Progress("preparing a private Postgres (first start only)")
		if err := s.initCluster(ctx); err != nil {
			return nil, err
		}
	} else if err := s.stopLeftover(ctx); err != nil {
		return nil, err
	}
	if s.password, err = s.readPassword(); err != nil {
		return nil, err
	}
	first, err := s.launch(ctx)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.supervise(run, first)
	return s, nil
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	if c.CacheDir == "" {
		c.CacheDir = DefaultCacheDir()
	}
	if c.Finders == nil {
		l := SystemLookups()
		l.Progress = c.Progress
		c.Finders = Routes(l, c.CacheDir)
	}
}

// URL is the connection string of the owner role. It holds the password.
func (s *Server) URL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(Owner, s.password),
		Host:     fmt.Sprintf("127.0.0.1:%d", s.port),
		Path:     "/" + Database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Binaries says which binaries are in use and how they were found.
func (s *Server) Binaries() Binaries { return s.bin }

// Stop shuts Postgres down: fast, and by force when that takes longer than
// three seconds. It returns when the process has gone.
func (s *Server) Stop() {
	s.cancel()
	<-s.done
}

// supervise keeps the server running until ctx ends: a killed Postgres comes
// back on the same port, so that nobody has to be told a new address.
func (s *Server) supervise(ctx context.Context, p *process) {
	defer close(s.done)
	backoff := 100 * time.Millisecond
	for {
		if p != nil {
			select {
			case <-ctx.Done():
				p.stop()
				return
			case <-p.exited:
				s.cfg.Logger.Warn("private Postgres ended unexpectedly; starting it again", "error", p.err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		var err error
		if p, err = s.startOn(ctx, s.port); err != nil {
			s.cfg.Logger.Error("private Postgres does not start", "error", err)
			backoff = min(2*backoff, 5*time.Second)
			continue
		}
		backoff = 100 * time.Millisecond
	}
}

func (s *Server) clusterPath() string { return filepath.Join(s.cfg.Dir, clusterDir) }

// prepareDir makes the directory and checks that the account which runs
// Postgres can reach it: a root-only home above it is the usual surprise.
func (s *Server) prepareDir() error {
	// The account that runs Postgres needs to pass through, not to list.
	if err := os.MkdirAll(s.cfg.Dir, 0o711); err != nil {
		return fmt.Errorf("make the directory of the private Postgres: %w", err)
	}
	return s.owner.canReach(s.cfg.Dir)
}

// readPassword reads the owner's password, made with the cluster.
func (s *Server) readPassword() (string, error) {
	b, err := os.ReadFile(filepath.Join(s.cfg.Dir, passwordFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s has a cluster but no file %q: put the file back, or move the directory away to begin anew",
			s.cfg.Dir, passwordFile)
	}
	if err != nil {
		return "", fmt.Errorf("read the password of the private Postgres: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func (s *Server) newPassword() (string, error) {
	p := rand.Text()
	name := filepath.Join(s.cfg.Dir, passwordFile)
	if err := os.WriteFile(name, []byte(p+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("store the password of the private Postgres: %w", err)
	}
	return p, nil
}
