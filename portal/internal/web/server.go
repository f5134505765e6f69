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
	"github.com/tollgate/tollgate/proto/network"
)

// Options is what the pages need from outside.
type Options struct {
	Control    *control.Plane
	GatewayURL string
	// PublicURL is the portal's own address, or empty.
	PublicURL string
	// Proxies are those whose X-Forwarded-For is believed.
	Proxies network.List
	Logger  *slog.Logger
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
	e.IPExtractor = func(r *http.Request) string {
		return o.Proxies.Client(r.RemoteAddr, r.Header.Values(echo.HeaderXForwardedFor))
	}
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
	e.GET("/password", s.signedIn(s.passwordPage))
	e.POST("/password", s.signedIn(s.passwordChange))
	e.POST("/theme", s.public(s.setTheme))

	s.registerTenant(e.Group("/t/:slug"))
	s.registerAdmin(e.Group("/admin"))
	e.RouteNotFound("/*", s.public(func(*visit) error { return errNotFound }))
}

func (s *Server) registerTenant(g *echo.Group) {
	get := func(path string, h handler) { g.GET(path, s.tenant(h)) }
	post := func(path string, h handler) { g.POST(path, s.tenant(h)) }

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

	get("/keys", s.keys)
	get("/keys/new", s.keyNew)
	post("/keys", s.keyCreate)
	get("/keys/:id", s.key)
	post("/keys/:id", s.keyUpdate)
	post("/keys/:id/rotate", s.keyRotate)
	post("/keys/:id/revoke", s.keyRevoke)

	get("/credentials", s.credentials)
	get("/credentials/new", s.credentialNew)
	post("/credentials", s.credentialCreate)
	get("/credentials/:id", s.credential)
	post("/credentials/:id", s.credentialUpdate)
	post("/credentials/:id/delete", s.credentialDelete)

	get("/models", s.models)
	get("/models/new", s.modelNew)
	post("/models", s.modelCreate)
	get("/models/:id", s.model)
	post("/models/:id", s.modelUpdate)
	post("/models/:id/prices", s.modelPrice)
	post("/models/:id/delete", s.modelDelete)

	get("/routes", s.routes)
	get("/routes/new", s.routeNew)
	post("/routes", s.routeCreate)
	get("/routes/:id", s.route)
	post("/routes/:id", s.routeUpdate)
	post("/routes/:id/delete", s.routeDelete)

	get("/projects", s.projects)
	post("/projects", s.projectCreate)
	get("/projects/:id", s.project)
	post("/projects/:id", s.projectUpdate)
	post("/projects/:id/delete", s.projectDelete)

	s.registerPeople(get, post)
}

// registerPeople names the pages about who may do what, and did.
func (s *Server) registerPeople(get, post func(path string, h handler)) {
	get("/members", s.members)
	post("/members", s.memberAdd)
	post("/members/:id", s.memberUpdate)
	post("/members/:id/remove", s.memberRemove)
	get("/management-keys", s.managementKeys)
	post("/management-keys", s.managementKeyCreate)
	post("/management-keys/:id/revoke", s.managementKeyRevoke)
	get("/audit", s.audit)
	get("/settings", s.settings)
	post("/settings", s.settingsUpdate)
}

func (s *Server) registerAdmin(g *echo.Group) {
	get := func(path string, h handler) { g.GET(path, s.operator(h)) }
	post := func(path string, h handler) { g.POST(path, s.operator(h)) }

	get("", s.admin)
	get("/live", s.adminLive)
	get("/tenants", s.tenants)
	get("/tenants/:id", s.tenantAdmin)
	post("/tenants/:id/suspend", s.tenantSuspend)
	post("/tenants/:id/resume", s.tenantResume)
	get("/data-planes", s.dataPlanes)
	get("/data-planes/live", s.dataPlanesLive)
	get("/catalog", s.catalogAdmin)
	post("/catalog", s.catalogCreate)
	post("/catalog/pin", s.catalogPin)
	get("/catalog/price", s.operatorPrice)
	post("/catalog/price", s.operatorPriceCreate)
	get("/audit", s.operatorAudit)
	get("/doctor", s.doctor)
}
