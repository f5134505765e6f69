// Package portal is the program that people see: server-rendered pages over
// the control plane's API. It owns configuration, start and stop. It knows the
// control plane by its public API alone, holds no data but the browser's
// session cookie, and is never in the way of a model call.
package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/web"
	"github.com/tollgate/tollgate/proto/network"
)

// Config is all that the portal needs to run.
type Config struct {
	// Addr is where to listen, host:port. Port 0 takes a free one.
	Addr string
	// APIURL is where the portal reaches the control plane.
	APIURL string
	// GatewayURL is the address of the data planes as callers see it; it
	// stands in the snippets.
	GatewayURL string
	// PublicURL is the address of the portal as people see it. Empty means
	// that it is reached at Addr directly.
	PublicURL string
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies network.List
	// PortalKey is a secret that the control plane has as well, so that it
	// believes what the portal says of its visitors' addresses.
	PortalKey string
	// Logger takes the access log and what goes wrong. Nil means slog.Default.
	Logger *slog.Logger
	// OnReady is called once with the real address, when the portal listens.
	OnReady func(addr string)
}

// How long a stop waits for pages that are being written.
const drainTime = 5 * time.Second

// FromEnv reads the configuration from environment variables.
func FromEnv(getenv func(string) string) (Config, error) {
	or := func(name, fallback string) string {
		if v := strings.TrimSpace(getenv(name)); v != "" {
			return v
		}
		return fallback
	}
	c := Config{
		Addr:       or("TOLLGATE_PORTAL_ADDR", "127.0.0.1:8082"),
		APIURL:     or("TOLLGATE_API_URL", "http://127.0.0.1:8081"),
		GatewayURL: or("TOLLGATE_GATEWAY_URL", "http://127.0.0.1:8080"),
		PublicURL:  or("TOLLGATE_PORTAL_URL", ""),
		PortalKey:  getenv("TOLLGATE_PORTAL_KEY"),
	}
	var err error
	if c.TrustedProxies, err = network.Parse(getenv("TOLLGATE_TRUSTED_PROXIES")); err != nil {
		err = fmt.Errorf("TOLLGATE_TRUSTED_PROXIES: %w", err)
	}
	return c, errors.Join(err, c.Validate())
}

// Validate says what is wrong with the configuration and how to mend it.
func (c Config) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		errs = append(errs, fmt.Errorf("portal address %q: want host:port, such as 127.0.0.1:8082 (TOLLGATE_PORTAL_ADDR)", c.Addr))
	}
	check := func(name, value string, required bool) {
		if value == "" && !required {
			return
		}
		u, err := url.Parse(value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			errs = append(errs, fmt.Errorf("%s %q: want a URL such as https://tollgate.example.com", name, value))
		}
	}
	check("TOLLGATE_API_URL", c.APIURL, true)
	check("TOLLGATE_GATEWAY_URL", c.GatewayURL, true)
	check("TOLLGATE_PORTAL_URL", c.PublicURL, false)
	if c.PortalKey != "" && !network.ValidPortalKey(c.PortalKey) {
		errs = append(errs, errors.New("TOLLGATE_PORTAL_KEY needs 16 characters or more, letters and digits alone"))
	}
	return errors.Join(errs...)
}

// Run serves the portal until ctx ends, then lets open pages finish.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	// Live pages hang on their request's context: it ends when a stop begins,
	// so that an open browser tab cannot hold the process.
	live, stopLive := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLive()

	handler, err := web.New(web.Options{
		Control:    control.New(strings.TrimRight(c.APIURL, "/"), c.PortalKey),
		GatewayURL: strings.TrimRight(c.GatewayURL, "/"),
		PublicURL:  strings.TrimRight(c.PublicURL, "/"),
		Proxies:    c.TrustedProxies,
		Logger:     c.Logger,
		Stopping:   live,
	})
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("portal: listen on %s (set TOLLGATE_PORTAL_ADDR to another port if this one is taken): %w", c.Addr, err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("portal: serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-gctx.Done()
		stopLive()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			server.Close()
		}
		return nil
	})
	c.Logger.Info("portal is listening", "addr", listener.Addr().String())
	if c.OnReady != nil {
		c.OnReady(listener.Addr().String())
	}
	return group.Wait()
}
