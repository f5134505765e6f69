package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/static"
)

// Options is what the pages need from outside.
type Options struct {
	Control    *control.Plane
	GatewayURL string
	// PublicURL is the portal's own address, or empty.
	PublicURL string
	Logger    *slog.Logger
	// Stopping ends when the portal stops: live pages end with it.
	Stopping context.Context
}

// Server serves the pages.
type Server struct {
	control    *control.Plane
	gatewayURL string
	// behindTLS is the host that people reach by https, when a proxy in front
	// of the portal does that.
	behindTLS string
	log       *slog.Logger
	stopping  context.Context
	files     *static.Files
	origin    *http.CrossOriginProtection
}

// maxForm bounds what a form may send.
const maxForm = 256 << 10

// New makes the handler of the whole portal.
func New(o Options) (http.Handler, error) {
	files, err := static.Load()
	if err != nil {
		return nil, err
	}
	s := &Server{
		control: o.Control, gatewayURL: o.GatewayURL, log: o.Logger, stopping: o.Stopping,
		files: files, origin: http.NewCrossOriginProtection(),
	}
	if u, err := url.Parse(o.PublicURL); err == nil && u.Scheme == "https" {
		s.behindTLS = u.Host
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.renderError
	e.IPExtractor = echo.ExtractIPFromXFFHeader()
	// The order matters: the id is known before anything is logged, the log
	// sees what recovery made of a panic, and headers stand on every answer.
	e.Use(s.identify, s.accessLog, securityHeaders, s.recoverPanics)
	e.Use(middleware.GzipWithConfig(middleware.GzipConfig{
		Level:     5,
		MinLength: 512,
		Skipper: func(c echo.Context) bool {
			p := c.Request().URL.Path
			return strings.HasPrefix(p, static.Prefix) || strings.HasSuffix(p, "/events")
		},
	}))
	s.register(e)
	return e, nil
}

func (s *Server) register(e *echo.Echo) {
	alive := func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }
	e.GET("/livez", alive)
	// Ready means that pages can be served; without the control plane they say
	// so, which is better than no answer at all.
	e.GET("/readyz", alive)
	e.GET(static.Prefix+"*", echo.WrapHandler(s.files))
	e.GET("/favicon.ico", func(c echo.Context) error {
		return c.Redirect(http.StatusMovedPermanently, s.files.URL("icon.svg"))
	})

	e.GET("/", s.public(s.home))
	e.POST("/signin", s.public(s.signIn))
	e.POST("/signout", s.public(s.signOut))
	e.GET("/signup", s.public(s.signUpPage))
	e.POST("/signup", s.public(s.signUp))
	e.POST("/theme", s.public(s.setTheme))

	s.registerTenant(e.Group("/t/:slug"))
	s.registerAdmin(e.Group("/admin"))
	e.RouteNotFound("/*", s.public(func(*visit) error { return errNotFound }))
}

func (s *Server) registerTenant(g *echo.Group) {
	get := func(path string, h handler) { g.GET(path, s.tenant(h)) }
	_ = func(path string, h handler) { g.POST(path, s.tenant(h)) }

	get("", s.overview)
	get("/live", s.overviewLive)
	get("/start", s.start)
	get("/start/check", s.startCheck)
	get("/start/events", s.startEvents)
	get("/usage", s.usage)
	get("/requests", s.requests)
	get("/requests/:id", s.request)
	get("/find", s.find)
	get("/changes/:id", s.change)
}

func (s *Server) registerAdmin(g *echo.Group) {
}
