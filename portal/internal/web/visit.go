package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// handler makes a page of a visit, or says why not.
type handler func(*visit) error

// visitKey is where the error page finds the visit, so that it can keep the
// navigation.
const visitKey = "visit"

// visit is one request with what was found out about who makes it.
type visit struct {
	s       *Server
	c       echo.Context
	ctx     context.Context
	session string
	before  string
	api     *apiclient.ClientWithResponses
	me      *apiclient.Me
	slug    string
	page    view.Page
}

// public is for pages that need no sign-in.
func (s *Server) public(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := s.newVisit(c)
		if err != nil {
			return err
		}
		c.Set(visitKey, v)
		if err := v.checkForm(); err != nil {
			return err
		}
		return h(v)
	}
}

// signedIn is for pages of a person.
func (s *Server) signedIn(h handler) echo.HandlerFunc {
	return s.public(func(v *visit) error {
		if v.session == "" {
			if c := v.c; c.Request().Header.Get("HX-Request") == "true" {
				c.Response().Header().Set("HX-Redirect", "/")
				return c.NoContent(http.StatusNoContent)
			}
			return v.toSignIn("")
		}
		if err := v.identify(); err != nil {
			return err
		}
		return h(v)
	})
}

// tenant is for pages of a tenant: its members, and operators.
func (s *Server) tenant(h handler) echo.HandlerFunc {
	return s.signedIn(func(v *visit) error {
		if err := v.enterTenant(v.c.Param("slug")); err != nil {
			return err
		}
		return h(v)
	})
}

// operator is for pages of those who run Tollgate.
func (s *Server) operator(h handler) echo.HandlerFunc {
	return s.signedIn(func(v *visit) error {
		if !v.me.Operator {
			return errNotFound
		}
		return h(v)
	})
}

func (s *Server) newVisit(c echo.Context) (*visit, error) {
	r := c.Request()
	v := &visit{s: s, c: c, ctx: r.Context()}
	v.session, v.before = v.cookie(sessionCookie), v.cookie(beforeCookie)
	v.page = view.Page{Theme: theme(v.cookie(themeCookie)), Path: r.URL.RequestURI(), Asset: s.files.URL}
	if r.Method != http.MethodGet {
		v.page.Path = "/"
	}
	api, err := s.control.For(control.Caller{Session: v.session, RequestID: requestID(c), ClientIP: c.RealIP()})
	v.api = api
	return v, err
}

// checkForm refuses a form that another site sent, or that is too old.
func (v *visit) checkForm() error {
	r := v.c.Request()
	if r.Method != http.MethodPost {
		return nil
	}
	r.Body = http.MaxBytesReader(v.c.Response(), r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("web: read form: %w", errors.Join(errBadForm, err))
	}
	if err := v.s.origin.Check(r); err != nil {
		return errCSRF
	}
	if !validFormToken(v.formSecret(), r.PostForm.Get("csrf")) {
		return errCSRF
	}
	return nil
}

// identify asks the control plane whose session this is.
func (v *visit) identify() error {
	me, err := control.OK(v.api.GetMeWithResponse(v.ctx))
	if err != nil {
		return err
	}
	v.me = me
	u := &view.User{Name: me.Name, Operator: me.Operator}
	if me.Email != nil {
		u.Email = *me.Email
	}
	for _, m := range me.Memberships {
		u.Tenants = append(u.Tenants, view.TenantLink{Slug: m.Slug, Name: m.Name, Role: string(m.Role)})
	}
	v.page.User = u
	return nil
}

// enterTenant finds what the person is in this tenant.
func (v *visit) enterTenant(slug string) error {
	for _, m := range v.me.Memberships {
		if m.Slug == slug {
			v.slug = slug
			v.page.Tenant = &view.Tenant{
				Slug: slug, Name: m.Name, Role: string(m.Role),
				Suspended: m.Status == apiclient.TenantStatusSuspended, Can: abilities(m.Role),
			}
			return nil
		}
	}
	if !v.me.Operator {
		return errNotFound
	}
	t, err := control.OK(v.api.GetTenantWithResponse(v.ctx, slug))
	if err != nil {
		return err
	}
	v.slug = t.Slug
	v.page.Tenant = &view.Tenant{
		Slug: t.Slug, Name: t.Name, Role: "operator",
		Suspended: t.Status == apiclient.TenantStatusSuspended, Can: view.Can{Read: true, Build: true, Manage: true},
	}
	return nil
}

func abilities(r apiclient.Role) view.Can {
	switch r {
	case apiclient.Owner, apiclient.Admin:
		return view.Can{Read: true, Build: true, Manage: true}
	case apiclient.Developer:
		return view.Can{Read: true, Build: true}
	case apiclient.Viewer:
		return view.Can{Read: true}
	}
	return view.Can{}
}

// at says where in the navigation the page is. The tenant's or the operator's
// start is put in front of the crumbs.
func (v *visit) at(section, title string, crumbs ...view.Crumb) {
	v.page.Section, v.page.Title = section, title
	home := view.Crumb{Name: "Operator", URL: "/admin"}
	if t := v.page.Tenant; t != nil {
		home = view.Crumb{Name: t.Name, URL: t.URL()}
		v.page.Title += " · " + t.Name
	}
	v.page.Crumbs = append([]view.Crumb{home}, crumbs...)
	v.page.Crumbs = append(v.page.Crumbs, view.Crumb{Name: title})
}

// ready fills in what every page shows, just before it is written.
func (v *visit) ready() {
	v.ensureBefore()
	v.page.CSRF = formToken(v.formSecret())
	if v.page.Flash == nil {
		v.page.Flash = v.takeFlash(v.page.Section)
	}
	if id := v.c.QueryParam("change"); id != "" && v.page.Tenant != nil && v.page.Change == nil {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			change := v.changeStatus(n, 0)
			v.page.Change = &change
			v.page.Live = true
		}
	}
}

// render writes a page.
func (v *visit) render(page func(view.Page) templ.Component) error {
	return v.renderStatus(http.StatusOK, page)
}

func (v *visit) renderStatus(status int, page func(view.Page) templ.Component) error {
	v.ready()
	return v.write(status, page(v.page))
}

// write sends a component. It is made whole first: an error in the middle of a
// page would otherwise leave half of it.
func (v *visit) write(status int, component templ.Component) error {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := component.Render(v.ctx, buf); err != nil {
		return fmt.Errorf("web: render %s: %w", v.c.Path(), err)
	}
	return v.c.HTMLBlob(status, buf.Bytes())
}

func (v *visit) redirect(to string) error { return v.c.Redirect(http.StatusSeeOther, to) }

// toSignIn sends people to the sign-in page and back here afterwards.
func (v *visit) toSignIn(notice string) error {
	q := url.Values{}
	if r := v.c.Request(); r.Method == http.MethodGet && r.URL.Path != "/" {
		q.Set("next", r.URL.RequestURI())
	}
	if notice != "" {
		q.Set("notice", notice)
	}
	to := "/"
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return v.redirect(to)
}

// done tells of a change and goes on to a page, which follows the change on
// its way to the data planes.
func (v *visit) done(to, text string, change *int64) error {
	return v.doneWith(to, view.Flash{Kind: "ok", Text: text}, change)
}

func (v *visit) doneWith(to string, f view.Flash, change *int64) error {
	if err := v.setFlash(f); err != nil {
		return fmt.Errorf("web: leave a message: %w", err)
	}
	if change != nil {
		to += "?change=" + strconv.FormatInt(*change, 10)
	}
	return v.redirect(to)
}

// idempotencyKey is the key that the form was rendered with.
func (v *visit) idempotencyKey() *string {
	k := v.c.FormValue("idem")
	if k == "" || len(k) > 255 {
		k = rand.Text()
	}
	return &k
}

// ifMatch is the version that the form was rendered with.
func (v *visit) ifMatch() *string {
	n, err := strconv.ParseInt(v.c.FormValue("version"), 10, 64)
	if err != nil {
		return nil
	}
	tag := `"` + strconv.FormatInt(n, 10) + `"`
	return &tag
}

// newForm is an empty form, or one with values to start from.
func (v *visit) newForm(action string, values url.Values) view.Form {
	v.ensureBefore()
	if values == nil {
		values = url.Values{}
	}
	return view.Form{Action: action, CSRF: formToken(v.formSecret()), Idem: rand.Text(), Values: values}
}

// field is what was typed, without the blanks around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.c.FormValue(name)) }

// optional is the same for a field that may be left out.
func (v *visit) optional(name string) *string {
	if s := v.field(name); s != "" {
		return &s
	}
	return nil
}

// plainHTTP reports whether the browser will refuse our cookies.
func (v *visit) plainHTTP() bool {
	r := v.c.Request()
	if r.TLS != nil || r.Host == v.s.behindTLS || r.Header.Get("X-Forwarded-Proto") == "https" {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}

func theme(s string) string {
	if s == "light" || s == "dark" {
		return s
	}
	return "auto"
}

// now is the moment, in the only time zone we show.
func now() time.Time { return time.Now().UTC() }
