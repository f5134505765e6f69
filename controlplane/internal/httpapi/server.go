// Package httpapi owns the control plane's HTTP API: the way in (request ids,
// limits, sign-in, authorisation, validation against the OpenAPI document,
// idempotency), a file of handlers per noun, and the way out (JSON, problems,
// ETags, cursors). A handler decodes, calls a noun package and encodes; rules
// live there, SQL in postgres.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/idempotency"
	"github.com/tollgate/tollgate/controlplane/internal/metrics"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/openapi"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// Config is what the API needs besides the noun packages.
type Config struct {
	Logger  *slog.Logger
	Metrics *prometheus.Registry
	// ServeMetrics puts /metrics on this server; otherwise it has its own.
	ServeMetrics bool
	Access       access.Store
	Idempotency  *idempotency.Keeper
	// CursorKey authenticates cursors, 32 bytes.
	CursorKey []byte
	// TrustedProxies are those whose X-Forwarded-For is believed, and so is who
	// sends PortalKey.
	TrustedProxies network.List
	PortalKey      string
	// SignUpClosed leaves making tenants to operators.
	SignUpClosed bool
	// Timeout ends an ordinary call that waits for the database; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server answers the operations of the OpenAPI document.
type Server struct {
	Services

	cfg        Config
	operations map[string]*operation
	duration   *prometheus.HistogramVec
	panics     prometheus.Counter
	wrongKeys  prometheus.Counter
	draining   atomic.Bool
	// document describes the API, in JSON.
	document []byte
}

var _ apiserver.StrictServerInterface = (*Server)(nil)

// operation is what is known of one operation before it is called.
type operation struct {
	id   string
	rule rule
	// params holds those of the path and of the operation.
	params []*openapi3.Parameter
	body   *openapi3.Schema
}

// New joins the API. It fails when an operation has no row in the table of
// rights, because then nobody decided who may call it.
func New(cfg Config, services Services) (*Server, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	spec, err := apiserver.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	s := &Server{cfg: cfg, Services: services}
	if s.operations, err = readOperations(spec, rules()); err != nil {
		return nil, err
	}
	if s.document, err = describeAPI(); err != nil {
		return nil, err
	}
	s.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tollgate_api_request_duration_seconds", Help: "Time to answer a call of the control plane's API.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"operation", "status"})
	s.panics = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_api_panics_total", Help: "Calls that ended in a panic.",
	})
	s.wrongKeys = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_api_portal_key_refused_total", Help: "Calls with a portal key that is not the control plane's: the portal's visitors then count as one.",
	})
	for _, c := range []prometheus.Collector{s.duration, s.panics, s.wrongKeys} {
		if err := cfg.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return s, nil
}

// describeAPI gives the document as it is written, in JSON: the generator's copy
// has other names.
func describeAPI() ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	b, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return b, nil
}

// readOperations pairs the document with the table of rights, both ways.
func readOperations(spec *openapi3.T, table map[string]rule) (map[string]*operation, error) {
	ops := map[string]*operation{}
	for path, item := range spec.Paths.Map() {
		for method, o := range item.Operations() {
			// The generator writes ids with a capital into the document.
			id := strings.ToLower(o.OperationID[:1]) + o.OperationID[1:]
			r, ok := table[id]
			if !ok {
				return nil, fmt.Errorf("operation %s (%s %s) has no row in the table of rights", id, method, path)
			}
			op := &operation{id: id, rule: r}
			for _, list := range []openapi3.Parameters{item.Parameters, o.Parameters} {
				for _, p := range list {
					op.params = append(op.params, p.Value)
				}
			}
			if o.RequestBody != nil {
				op.body = o.RequestBody.Value.Content.Get("application/json").Schema.Value
			}
			ops[id] = op
		}
	}
	for id := range table {
		if ops[id] == nil {
			return nil, fmt.Errorf("the table of rights has a row for %s, which the document lacks", id)
		}
	}
	return ops, nil
}

// Handler is the whole API as one handler.
func (s *Server) Handler() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(discard{})
	e.HTTPErrorHandler = s.renderError
	e.IPExtractor = s.clientIP
	e.Use(s.observe, s.recoverPanic, checkVersion)
	e.GET("/livez", alive)
	e.GET("/startupz", alive)
	e.GET("/readyz", s.ready)
	if s.cfg.ServeMetrics {
		e.GET("/metrics", echo.WrapHandler(s.MetricsHandler()))
	}
	e.GET("/v1/openapi.yaml", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/yaml", openapi.YAML()) })
	e.GET("/v1/openapi.json", func(c echo.Context) error { return c.JSONBlob(http.StatusOK, s.document) })
	per := map[string][]echo.MiddlewareFunc{}
	for id, op := range s.operations {
		per[id] = []echo.MiddlewareFunc{s.enter(op)}
	}
	apiserver.RegisterHandlersWithOptions(e, apiserver.NewStrictHandler(s, nil), apiserver.RegisterHandlersOptions{OperationMiddlewares: per})
	return e
}

// MetricsHandler serves the metrics in the text format of Prometheus.
func (s *Server) MetricsHandler() http.Handler {
	return metrics.Handler(s.cfg.Metrics)
}

// enter is the way of each call to its handler, in this order: who is it, may
// it, is the request well-formed, was it sent before. Nothing of the body is
// looked at for somebody who may not call.
func (s *Server) enter(op *operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			timeout := s.cfg.Timeout
			if op.rule.slow {
				timeout = slowTimeout
			}
			ctx, cancel := context.WithTimeout(c.Request().Context(), timeout)
			defer cancel()
			c.SetRequest(c.Request().WithContext(ctx))
			current(ctx).operation = op.id
			if err := limitBody(c, op); err != nil {
				return err
			}
			if err := s.authorize(c, op); err != nil {
				return err
			}
			raw, err := validate(c, op)
			if err != nil {
				return err
			}
			return s.once(c, raw, next)
		}
	}
}

// slowTimeout is for the operator's calls that read everything.
const slowTimeout = time.Minute

// alive answers probes.
func alive(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) }

// ready does not ask the database: an outage of it must not take the control
// plane out of rotation, where it answers 503 with a reason.
func (s *Server) ready(c echo.Context) error {
	if s.draining.Load() {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": "draining"})
	}
	return alive(c)
}

// Drain turns readiness off for good, so that balancers look elsewhere; calls
// are still answered.
func (s *Server) Drain() { s.draining.Store(true) }

// NewHTTPServer is an http.Server with limits on slow clients.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// discard drops what echo would print; what matters is logged in observe.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

var errClientLeft = errors.New("the client left")
