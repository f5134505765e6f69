package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/fault"
)

// Errors of our own. They are values, not types: each has one page.
var (
	errNotFound = errors.New("no such page")
	errCSRF     = errors.New("the form's token does not fit")
	errBadForm  = errors.New("the form cannot be read")
	errInternal = errors.New("a page panicked")
)

// renderError is the one place where an error becomes a page.
func (s *Server) renderError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		c.Response().WriteHeader(499)
		return
	}
	if c.Request().Header.Get("HX-Request") == "true" && c.Request().Method == http.MethodGet {
		s.renderStale(err, c)
		return
	}
	v, ok := c.Get(visitKey).(*visit)
	if !ok {
		var verr error
		if v, verr = s.newVisit(c); verr != nil {
			c.Response().WriteHeader(http.StatusInternalServerError)
			return
		}
	}
	if p, ok := problemOf(err); ok && p.Status == http.StatusUnauthorized {
		v.dropCookie(sessionCookie)
		v.dropCookie(flashCookie)
		if err := v.toSignIn("ended"); err == nil {
			return
		}
	}
	f := failureOf(err)
	f.ID = requestID(c)
	if f.Status >= 500 {
		s.log.Error("page failed", "request_id", f.ID, "path", c.Request().URL.Path, "code", f.Code, "error", err.Error())
	}
	f.HomeURL, f.HomeName = "/", "Go to the start page"
	if f.Status == http.StatusServiceUnavailable {
		c.Response().Header().Set("Retry-After", "5")
		f.HomeURL, f.HomeName = v.page.Path, "Try again"
	}
	v.at("", f.Title)
	if err := v.renderStatus(f.Status, func(p view.Page) templ.Component { return view.FailurePage(p, f) }); err != nil {
		s.log.Error("error page failed", "request_id", f.ID, "error", err.Error())
	}
}

// renderStale answers a live part of a page: the last figures stay, marked as
// old, and a session that ended leads to the sign-in page.
func (s *Server) renderStale(err error, c echo.Context) {
	s.log.Warn("live part failed", "request_id", requestID(c), "path", c.Request().URL.Path, "error", err.Error())
	h := c.Response().Header()
	if p, ok := problemOf(err); ok && p.Status == http.StatusUnauthorized {
		h.Set("HX-Redirect", "/?notice=ended")
	} else {
		h.Set("HX-Trigger", "stale")
	}
	c.Response().WriteHeader(http.StatusNoContent)
}

// failureOf gives an error its public face. What it does not know is an
// internal error, whatever its text says.
func failureOf(err error) view.Failure {
	of := func(k *fault.Kind, title string) view.Failure {
		return view.Failure{Status: k.Status, Title: title, Text: k.Text, Fix: k.Fix, Code: k.Code}
	}
	if p, ok := problemOf(err); ok {
		f := view.Failure{Status: p.Status, Title: titleOf(p.Status), Text: p.Text, Fix: p.Fix, Code: p.Code}
		if p.Status == http.StatusServiceUnavailable {
			f.Title = "Briefly unavailable"
		}
		return f
	}
	if _, ok := errors.AsType[*control.Unavailable](err); ok {
		return view.Failure{
			Status: http.StatusServiceUnavailable, Code: "control_plane_unavailable",
			Title: "The control plane cannot be reached",
			Text:  "Calls of models go on: data planes do not need it, and their usage is kept until it is back.",
			Fix:   "Try again in a moment. If it lasts, the operator can see why in the control plane's log.",
		}
	}
	if h, ok := errors.AsType[*echo.HTTPError](err); ok && h.Code == http.StatusNotFound {
		err = errNotFound
	}
	switch {
	case errors.Is(err, errNotFound):
		return view.Failure{
			Status: http.StatusNotFound, Code: fault.NotFound.Code, Title: "There is nothing here",
			Text: "This page does not exist, or you may not see it.", Fix: "Check the address, or start from the overview.",
		}
	case errors.Is(err, errCSRF):
		return of(fault.CSRF, "This form could not be accepted")
	case errors.Is(err, errBadForm):
		return of(fault.BadRequest, "This form could not be read")
	}
	return of(fault.Internal, "Something went wrong")
}

func titleOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing here"
	case http.StatusForbidden:
		return "You may not do this"
	case http.StatusConflict, http.StatusPreconditionFailed:
		return "This clashes with another change"
	case http.StatusTooManyRequests:
		return "Too many attempts"
	}
	if status >= 500 {
		return "Something went wrong"
	}
	return "This was refused"
}

// refused puts what the control plane said about a form back into it. It
// reports false for what is not about the form: then err is the page's error.
func (v *visit) refused(f *view.Form, err error) (status int, ok bool) {
	p, is := problemOf(err)
	if !is || p.Status >= 500 || p.Status == http.StatusNotFound {
		return 0, false
	}
	if p.Status == http.StatusUnauthorized && p.Code != fault.WrongPassword.Code {
		return 0, false
	}
	f.Errors = map[string]view.FieldError{}
	for name, e := range p.Fields {
		f.Errors[name] = view.FieldError{Message: e.Message, Fix: e.Fix}
	}
	f.Problem = &view.Problem{Text: p.Text, Fix: p.Fix, Code: p.Code, RequestID: p.RequestID}
	if len(p.Fields) > 0 {
		// The API's fix speaks of its own document.
		f.Problem.Fix = "Check the marked fields."
	}
	return p.Status, true
}

// again shows a form that was refused once more, as it was sent.
func (v *visit) again(f view.Form, err error, page func(status int, f view.Form) error) error {
	status, ok := v.refused(&f, err)
	if !ok {
		return err
	}
	return page(status, f)
}

// sentForm is the form as it was sent, without its secrets: those are typed
// again, and the form says so.
func (v *visit) sentForm(action string, secrets ...string) view.Form {
	f := v.newForm(action, v.c.Request().PostForm)
	for _, name := range secrets {
		if f.Value(name) != "" {
			f.Retype = append(f.Retype, name)
		}
	}
	for _, name := range append(secrets, "csrf", "idem") {
		f.Values.Del(name)
	}
	return f
}

// orTell goes back to a page with the reason why an action was refused.
func (v *visit) orTell(to string, err error) error {
	p, is := problemOf(err)
	if !is || p.Status >= 500 || p.Status == http.StatusUnauthorized {
		return err
	}
	return v.doneWith(to, view.Flash{Kind: "error", Text: p.Text, Fix: p.Fix}, nil)
}

func problemOf(err error) (*control.Problem, bool) { return errors.AsType[*control.Problem](err) }

// clashAt puts a clash of names, which the control plane tells of the whole, to the
// field that has the name.
func clashAt(err error, field string) error {
	if p, ok := problemOf(err); ok && p.Code == fault.AlreadyExists.Code && len(p.Fields) == 0 {
		p.Fields = map[string]control.FieldError{field: {Message: "is taken by another one", Fix: p.Fix}}
	}
	return err
}

// wrongField is a field that we refuse ourselves, in the control plane's form.
func wrongField(name, message string) error {
	k := fault.ValidationFailed
	return &control.Problem{
		Status: k.Status, Code: k.Code, Text: k.Text, Fix: k.Fix,
		Fields: map[string]control.FieldError{name: {Message: message}},
	}
}
