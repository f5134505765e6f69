// Package view owns what pages look like: templ components and the view models
// that they are given. It makes no calls, knows neither the control plane's
// types nor HTTP, and decides nothing: what a person may do is told to it.
package view

import (
	"net/url"
	"time"
)

// Page is what every page knows: who looks at it, where, and in which theme.
type Page struct {
	Title   string
	Theme   string // auto, light or dark
	Path    string // the address, to come back to after a change of theme
	Section string // which entry of the navigation is current
	CSRF    string
	Asset   func(name string) string
	User    *User
	Tenant  *Tenant
	Crumbs  []Crumb
	Flash   *Flash
	Change  *Change
	// Live says that the page updates itself and needs the scripts for it.
	Live bool
}

// User is who is signed in.
type User struct {
	Name, Email string
	Operator    bool
	Tenants     []TenantLink
}

// TenantLink is an entry of the tenant switcher.
type TenantLink struct{ Slug, Name, Role string }

// Tenant is the tenant whose page this is, and what the person may do in it.
type Tenant struct {
	Slug, Name, Role string
	Suspended        bool
	Can              Can
}

// Can is what a role may do; the control plane has the last word.
type Can struct {
	Read   bool // see more than usage and requests
	Build  bool // keys, models, routes, credentials
	Manage bool // projects, members, management keys, settings
}

// URL is an address of this tenant's pages.
func (t *Tenant) URL(parts ...string) string {
	u := "/t/" + url.PathEscape(t.Slug)
	for _, p := range parts {
		u += "/" + url.PathEscape(p)
	}
	return u
}

// Crumb is a step of the breadcrumb; the last has no URL.
type Crumb struct{ Name, URL string }

// Flash is a message about what just happened, shown once.
type Flash struct {
	Kind string `json:"k"` // ok or error
	Text string `json:"t"`
	Fix  string `json:"f,omitempty"`
	// Secret is shown with a copy button and never again.
	Secret *Secret `json:"s,omitempty"`
}

// Secret is a new secret with what it is called.
type Secret struct {
	Label string `json:"l"`
	Value string `json:"v"`
	// For names the page that shows it, so that no other page uses it up.
	For string `json:"p,omitempty"`
}

// Change is how far a change has come on its way to the data planes.
type Change struct {
	PollURL, RefreshURL string
	// Wait is the pause before the next question, such as 150ms.
	Wait string
	// Known is false before the control plane was asked.
	Known        bool
	Live, Total  int
	Milliseconds string
	Done         bool
	GivenUp      bool
	Refusals     []Refusal
}

// Refusal is a resource that a data plane did not take.
type Refusal struct{ DataPlane, Kind, ID, Path, Message, At string }

// Form is a form as it was sent, or empty: what was typed and what was wrong.
type Form struct {
	Action string
	CSRF   string
	// Idem makes a second sending of the same form harmless.
	Idem    string
	Values  url.Values
	Errors  map[string]FieldError
	Problem *Problem
	// Retype names the secrets that were typed and are not shown again.
	Retype []string
}

// FieldError is shown at its field.
type FieldError struct{ Message, Fix string }

// Problem is why a form was refused as a whole.
type Problem struct{ Text, Fix, Code, RequestID string }

// Value is what stands in a field.
func (f Form) Value(name string) string { return f.Values.Get(name) }

// Has reports whether a box or option is chosen.
func (f Form) Has(name, value string) bool {
	for _, v := range f.Values[name] {
		if v == value {
			return true
		}
	}
	return false
}

// Option is a choice of a select.
type Option struct{ Value, Label string }

// NamedLink is a thing with its page; without one the name stands alone.
type NamedLink struct{ Name, URL string }

// Money is an amount in nano-dollars.
type Money int64

// Pager leads through a list.
type Pager struct{ First, Next string }

// Instant is a moment for people, in UTC.
type Instant struct{ time.Time }

// When makes an Instant of a pointer that may be nil.
func When(t *time.Time) Instant {
	if t == nil {
		return Instant{}
	}
	return Instant{*t}
}
