package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// home is the sign-in page, or the way to where the person belongs.
func (s *Server) home(v *visit) error {
	if v.session != "" {
		if err := v.identify(); err != nil {
			return err
		}
		return v.redirect(v.landing(v.c.QueryParam("next")))
	}
	notice := ""
	switch v.c.QueryParam("notice") {
	case "ended":
		notice = "Your session has ended. Sign in again to go on."
	case "out":
		notice = "You are signed out."
	}
	return v.signInPage(http.StatusOK, v.newForm("/signin", nil), v.c.QueryParam("next"), notice)
}

func (v *visit) signInPage(status int, f view.Form, next, notice string) error {
	v.page.Title = "Sign in"
	m := view.SignIn{Form: f, Next: safeNext(next), Notice: notice, NeedsTLS: v.plainHTTP(), Closed: v.signUpClosed()}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.SignInPage(p, m) })
}

// landing is where a person starts.
func (v *visit) landing(next string) string {
	if n := safeNext(next); n != "" {
		return n
	}
	if len(v.me.Memberships) > 0 && !v.me.Operator {
		t := view.Tenant{Slug: v.me.Memberships[0].Slug}
		return t.URL()
	}
	if v.me.Operator {
		return "/admin"
	}
	return "/signup"
}

// safeNext keeps an address only when it is a page of ours: an open redirect
// would lend our name to others.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || len(next) > 1000 {
		return ""
	}
	return next
}

func (s *Server) signIn(v *visit) error {
	f := v.sentForm("/signin", "password")
	// A person who signs in is nobody yet, whatever an old cookie says.
	session, err := control.Created(v.api.SignInWithResponse(v.ctx, apiclient.SignIn{
		Email: v.field("email"), Password: v.c.FormValue("password"),
	}))
	if err != nil {
		return v.again(f, err, func(status int, f view.Form) error {
			return v.signInPage(status, f, v.c.FormValue("next"), "")
		})
	}
	if err := v.begin(session); err != nil {
		return err
	}
	if err := v.identify(); err != nil {
		return err
	}
	return v.redirect(v.landing(v.c.FormValue("next")))
}

// begin keeps a new session in the browser and acts with it from here on.
func (v *visit) begin(session *apiclient.Session) error {
	v.session = session.Token
	v.setCookie(sessionCookie, session.Token, time.Until(session.ExpiresAt))
	v.dropCookie(beforeCookie)
	api, err := v.s.control.For(control.Caller{Session: v.session, RequestID: requestID(v.c), ClientIP: v.c.RealIP()})
	v.api = api
	return err
}

func (s *Server) signOut(v *visit) error {
	if v.session != "" {
		// The cookie goes whether the control plane hears of it or not; the
		// session ends by itself later.
		if err := control.Done(v.api.SignOutWithResponse(v.ctx)); err != nil {
			s.log.Warn("sign-out did not reach the control plane", "request_id", requestID(v.c), "error", err.Error())
		}
	}
	v.dropCookie(sessionCookie)
	v.dropCookie(flashCookie)
	return v.redirect("/?notice=out")
}

func (s *Server) signUpPage(v *visit) error {
	if v.session != "" {
		// Who has an organisation, or runs all of them, has no need of this page.
		err := v.identify()
		if err == nil && v.landing("") != "/signup" {
			return v.redirect(v.landing(""))
		}
		if p, ok := problemOf(err); err != nil && (!ok || p.Status != http.StatusUnauthorized) {
			return err
		}
	}
	return v.signUpForm(http.StatusOK, v.newForm("/signup", nil))
}

func (v *visit) signUpForm(status int, f view.Form) error {
	v.page.Title = "Create your organisation"
	m := view.SignUp{Form: f, NeedsTLS: v.plainHTTP()}
	m.Closed = v.signUpClosed()
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.SignUpPage(p, m) })
}

// signUpClosed says whether operators alone make accounts. Where the control
// plane does not say, the way to sign up does no harm.
func (v *visit) signUpClosed() bool {
	policy, err := control.OK(v.api.GetSignUpPolicyWithResponse(v.ctx))
	return err == nil && !policy.Open
}

func (s *Server) passwordPage(v *visit) error {
	return v.passwordForm(http.StatusOK, v.newForm("/password", nil))
}

func (v *visit) passwordForm(status int, f view.Form) error {
	v.page.Title = "Your password"
	m := view.Password{Form: f, Back: v.landing("")}
	if v.me.Email != nil {
		m.Email = *v.me.Email
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.PasswordPage(p, m) })
}

func (s *Server) passwordChange(v *visit) error {
	err := control.Done(v.api.ChangePasswordWithResponse(v.ctx, apiclient.PasswordChange{
		Current: v.c.FormValue("current"), New: v.c.FormValue("new"),
	}))
	if err != nil {
		return v.again(v.sentForm("/password", "current", "new"), err, v.passwordForm)
	}
	return v.doneWith(v.landing(""), view.Flash{Kind: "ok", Text: "Your password is changed; your other sessions have ended."}, nil)
}

func (s *Server) signUp(v *visit) error {
	f := v.sentForm("/signup", "password")
	made, err := control.Created(v.api.SignUpWithResponse(v.ctx,
		&apiclient.SignUpParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.SignUp{TenantName: v.field("tenant_name"), Email: v.field("email"), Password: v.c.FormValue("password")},
	))
	if err != nil {
		return v.again(f, err, v.signUpForm)
	}
	if err := v.begin(&made.Session); err != nil {
		return err
	}
	t := view.Tenant{Slug: made.Tenant.Slug}
	return v.doneWith(t.URL("start"), view.Flash{
		Kind: "ok", Text: "Welcome. " + made.Tenant.Name + " is ready.",
		Secret: &view.Secret{Label: "Your API key", Value: made.ApiKey.Secret, For: "start"},
	}, made.ApiKey.ChangeId)
}

func (s *Server) setTheme(v *visit) error {
	v.c.SetCookie(&http.Cookie{
		Name: themeCookie, Value: theme(v.c.FormValue("theme")), Path: "/",
		MaxAge: int((365 * 24 * time.Hour) / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	back := safeNext(v.c.FormValue("back"))
	if back == "" {
		back = "/"
	}
	return v.redirect(back)
}
