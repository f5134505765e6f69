// Package httpapi owns the data plane's HTTP front: the fast path of package
// http1, echo on net/http behind it, limits on what a connection may cost, and
// the way from a request to the pipeline and back. It turns faults into HTTP,
// here and nowhere else. It must not know tenants' config, providers or usage.
package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/proto/network"
	"golang.org/x/sync/errgroup"
)

// Limits of the front. Zero values mean the defaults.
type Limits struct {
	// Headers and Body in bytes: 32 KiB and 32 MiB.
	Headers int
	Body    int
	// Upload is how large a body may be that passes as it arrives: 512 MiB.
	Upload int64
	// Buffered is how much of large bodies is held in memory at once: 1 GiB.
	Buffered int64
	// Connections and InFlight requests: 20,000 and 10,000. Beyond them
	// callers get 503 overloaded.
	Connections int
	InFlight    int
	// HeaderTime is how long a head may take (10 s); BodyStall how long a body
	// may take for each 16 KiB (20 s); WriteStall how long a caller may take
	// none of its answer (30 s); Rest how long a connection may be unused (2 min).
	HeaderTime, BodyStall, WriteStall, Rest time.Duration
}

func (l Limits) withDefaults() Limits {
	l.Headers = cmp.Or(l.Headers, 32<<10)
	l.Body = cmp.Or(l.Body, 32<<20)
	l.Upload = cmp.Or(l.Upload, 512<<20)
	l.Buffered = cmp.Or(l.Buffered, 1<<30)
	l.Connections = cmp.Or(l.Connections, 20_000)
	l.InFlight = cmp.Or(l.InFlight, 10_000)
	l.HeaderTime = cmp.Or(l.HeaderTime, 10*time.Second)
	l.BodyStall = cmp.Or(l.BodyStall, 20*time.Second)
	l.WriteStall = cmp.Or(l.WriteStall, 30*time.Second)
	l.Rest = cmp.Or(l.Rest, 2*time.Minute)
	return l
}

// Config of a Server.
type Config struct {
	Logger *slog.Logger
	// AccessLog takes the access lines; nil means through Logger.
	AccessLog io.Writer
	Pipeline  *pipeline.Pipeline
	// Ready says whether there is valid config.
	Ready func() bool
	// Revision is that of the config that is live; /readyz tells it.
	Revision func() uint64
	// Metrics is served at /metrics; nil leaves it out.
	Metrics http.Handler
	Buffers *buffer.Pool
	Limits  Limits
	// NoFastPath leaves all connections to net/http.
	NoFastPath bool
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies network.List
	// DrainDelay is how long connections are still accepted after readiness
	// went off, DrainTime how long open requests may take after that.
	DrainDelay, DrainTime time.Duration
}

// Server is the front.
type Server struct {
	cfg      Config
	limits   Limits
	echo     *echo.Echo
	calls    sync.Pool
	inFlight atomic.Int64
	buffered atomic.Int64
	draining atomic.Bool
	revision atomic.Pointer[numberText]
	// fastPaths are the routes of the fast path.
	fastPaths map[string]route
}

// New makes a server.
func New(cfg Config) *Server {
	if cfg.Buffers == nil {
		cfg.Buffers = new(buffer.Pool)
	}
	s := &Server{cfg: cfg, limits: cfg.Limits.withDefaults(), echo: echo.New(), fastPaths: fastRoutes()}
	s.routes()
	return s
}

func (s *Server) routes() {
	e := s.echo
	e.HTTPErrorHandler = s.fail
	methods := map[string][]string{}
	for _, base := range []string{"", "/t/:tenant"} {
		for _, r := range routes {
			e.Add(r.method, base+r.path, s.handle(r.operation, r.dialect))
			methods[base+r.path] = append(methods[base+r.path], r.method)
		}
	}
	s.carried(methods)
	for path, m := range methods {
		e.OPTIONS(path, s.noBrowsers(strings.Join(m, ", ")))
	}
	e.GET("/livez", func(c echo.Context) error { return health(c, true, "") })
	e.GET("/readyz", func(c echo.Context) error {
		switch {
		case s.draining.Load():
			return health(c, false, "draining")
		case !s.cfg.Ready():
			return health(c, false, "no valid config yet")
		}
		return c.JSON(http.StatusOK, ready{"ok", s.cfg.Revision()})
	})
	e.GET("/startupz", func(c echo.Context) error { return health(c, s.cfg.Ready(), "no valid config yet") })
	if s.cfg.Metrics != nil {
		e.GET("/metrics", echo.WrapHandler(s.cfg.Metrics))
	}
}

// route is what a path asks for.
type route struct {
	method, path string
	operation    pipeline.Operation
	dialect      canon.Dialect
}

// routes are what callers may call, each also below /t/{tenant}.
var routes = []route{
	{"POST", "/v1/chat/completions", pipeline.Chat, canon.OpenAIChat},
	{"POST", "/v1/responses", pipeline.Chat, canon.Responses},
	{"POST", "/v1/messages", pipeline.Chat, canon.Anthropic},
	{"POST", "/v1/messages/count_tokens", pipeline.CountTokens, canon.Anthropic},
	{"POST", "/v1beta/models/*", pipeline.Chat, canon.Gemini},
	{"POST", "/v1/completions", pipeline.Completions, pipeline.TextCompletions},
	{"POST", "/v1/embeddings", pipeline.Embeddings, canon.OpenAIChat},
	{"POST", "/v1/moderations", pipeline.Moderations, canon.OpenAIChat},
	{"POST", "/v1/rerank", pipeline.Rerank, canon.OpenAIChat},
	{"POST", "/v2/rerank", pipeline.Rerank, canon.Cohere},
	{"GET", "/v1/models", pipeline.Models, canon.OpenAIChat},
	{"GET", "/v1/models/*", pipeline.Model, canon.OpenAIChat},
	{"GET", "/v1beta/models", pipeline.Models, canon.Gemini},
	{"GET", "/v1beta/models/*", pipeline.Model, canon.Gemini},
}

// ready is what /readyz says of a data plane that serves.
type ready struct {
	Status         string `json:"status"`
	ConfigRevision uint64 `json:"config_revision"`
}

func health(c echo.Context, ok bool, why string) error {
	if ok {
		return c.JSONBlob(http.StatusOK, []byte(`{"status":"ok"}`))
	}
	return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": why})
}

// InFlight is how many requests are being answered.
func (s *Server) InFlight() int64 { return s.inFlight.Load() }

// Handler is the front without its listener.
func (s *Server) Handler() http.Handler { return s.echo }

// ErrPartFailed is the cause to end Run's context with when another part of the
// data plane has failed.
var ErrPartFailed = errors.New("another part failed")

// Run serves ln until ctx ends, and then drains: readiness goes off, so that
// balancers look elsewhere; after DrainDelay nothing new is accepted; after
// DrainTime what is still open is cut. There is no delay when ln or another part
// has failed: callers that come meanwhile could not be served well.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: s.limits.HeaderTime,
		// A deadline for the body too; reading moves it on while there is
		// progress and takes it away at the end.
		ReadTimeout:    s.limits.HeaderTime + s.limits.BodyStall,
		IdleTimeout:    s.limits.Rest,
		MaxHeaderBytes: 2 * s.limits.Headers,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	asked := ctx
	g, ctx := errgroup.WithContext(ctx)
	serve := func(ln net.Listener, serve func(net.Listener) error) {
		g.Go(func() error {
			if err := serve(ln); err != nil && !s.draining.Load() {
				return fmt.Errorf("serve callers: %w", err)
			}
			return nil
		})
	}
	stop := []func(context.Context) error{srv.Shutdown}
	if s.cfg.NoFastPath || !http1.Supported {
		serve(s.limit(ln), srv.Serve)
	} else {
		other := newHanded(ln.Addr())
		fast, err := s.fast(other)
		if err != nil {
			return err
		}
		defer fast.Close()
		stop = append(stop, fast.Shutdown)
		serve(s.limit(ln), fast.Serve)
		serve(other, srv.Serve)
	}
	g.Go(func() error {
		<-ctx.Done()
		s.draining.Store(true)
		if asked.Err() != nil && !errors.Is(context.Cause(asked), ErrPartFailed) {
			time.Sleep(s.cfg.DrainDelay)
		}
		ln.Close()
		if !s.drain(stop) {
			return srv.Close()
		}
		return nil
	})
	return g.Wait()
}

// lastWords is how long cut requests get to say why.
const lastWords = 2 * time.Second

// drain waits for open requests; it says whether all have ended.
func (s *Server) drain(stop []func(context.Context) error) bool {
	for i, wait := range []time.Duration{s.cfg.DrainTime, lastWords} {
		if i > 0 {
			s.cfg.Pipeline.CutAll()
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		var g errgroup.Group
		for _, f := range stop {
			g.Go(func() error { return f(ctx) })
		}
		err := g.Wait()
		cancel()
		if err == nil {
			return true
		}
	}
	s.cfg.Logger.Warn("requests were still open at the end of the drain", "in_flight", s.InFlight())
	return false
}
