package e2e

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"
)

// step is a form that is filled in and sent: the one on the page whose action
// ends so. {name} stands for the page that an earlier step kept.
type step struct {
	name, page, action string
	fields             map[string]string
	// says is what the page that follows has in it.
	says []string
	// status is 200 when 0.
	status int
	// keep gives a name to the page that follows or, with link, to the one that
	// the link of this text leads to.
	keep, link string
}

// TestEveryFormWithoutScripts makes, changes and deletes one of everything with
// forms alone, as a tenant's owner. Keys have a test of their own.
func TestEveryFormWithoutScripts(t *testing.T) {
	a := signUp(t, "Forms")
	provider := fakeProvider(t)
	f := &forms{reader: newReader(t), kept: map[string]string{"home": "/t/" + a.slug, "key": "/t/" + a.slug + "/keys/" + a.keyID}}
	for _, s := range []step{
		{name: "sign in", page: "/", action: "/signin", fields: map[string]string{"email": a.email, "password": password}, says: []string{"Sign out"}},

		{name: "store a credential", page: "{home}/credentials/new", action: "/credentials", keep: "credential", says: []string{"is stored"},
			fields: map[string]string{"provider": "openai", "name": "First", "secret": "sk-journey-0123456789", "base_url": provider.URL()}},
		{name: "rename it", page: "{credential}", action: "{credential}", fields: map[string]string{"name": "Renamed"}, says: []string{"Saved.", "Renamed"}},
		{name: "an address needs the secret again", page: "{credential}", action: "{credential}", fields: map[string]string{"base_url": "https://other.example/v1"}, status: 422, says: []string{"never sent elsewhere"}},
		{name: "add a model", page: "{home}/models/new", action: "/models", keep: "model", says: []string{"is added", "count as $0.00"},
			fields: map[string]string{"provider_model": "by-hand", "pricing": "zero"}},
		{name: "block it", page: "{model}", action: "{model}", fields: map[string]string{"unknown_price": "block"}, says: []string{"Saved.", "are blocked"}},
		{name: "a price that is none", page: "{model}", action: "/prices", fields: map[string]string{"price.input": "much", "price.output": "2"}, status: 422, says: []string{"not an amount in dollars"}},
		{name: "price it", page: "{model}", action: "/prices", fields: map[string]string{"price.input": "1.25", "price.output": "2"}, says: []string{"The price is set", "$1.25"}},
		{name: "make a route", page: "{home}/routes/new", action: "/routes", keep: "route", fields: map[string]string{"name": "hand"}, says: []string{"is made"}},
		{name: "rename it", page: "{route}", action: "{route}", fields: map[string]string{"name": "right-hand"}, says: []string{"Saved.", "right-hand"}},
		{name: "a model in use stays", page: "{model}", action: "/delete", says: []string{"Remove what uses it first"}},
		{name: "delete the route", page: "{route}", action: "/delete", says: []string{"The route is deleted"}},
		{name: "delete the model", page: "{model}", action: "/delete", says: []string{"The model is deleted"}},
		{name: "delete the credential", page: "{credential}", action: "/delete", says: []string{"The credential is deleted"}},

		{name: "make a project", page: "{home}/projects", action: "/projects", keep: "project", link: "Nine", fields: map[string]string{"name": "Nine"}, says: []string{"is made"}},
		{name: "rename it", page: "{project}", action: "{project}", fields: map[string]string{"name": "Ten"}, says: []string{"Saved.", "Ten"}},
		{name: "delete it", page: "{project}", action: "/delete", says: []string{"The project is deleted"}},
		{name: "limit a key", page: "{key}", action: "{key}", fields: map[string]string{"name": "Limited", "may_call": "some", "allowed_routes": "demo", "expiry": "7"}, says: []string{"Saved.", "Limited"}},
		{name: "make a management key", page: "{home}/management-keys", action: "/management-keys", fields: map[string]string{"name": "Terraform", "role": "admin"},
			says: []string{"is ready to use", "tgm_"}},
		{name: "revoke it", page: "{home}/management-keys", action: "/revoke", says: []string{"is revoked"}},
		{name: "the last owner stays", page: "{home}/members", action: "", fields: map[string]string{"role": "viewer"}, says: []string{"last owner of the tenant"}},
		{name: "rename the tenant", page: "{home}/settings", action: "/settings", fields: map[string]string{"name": "Forms & Sons"}, says: []string{"Saved.", "Forms & Sons"}},
		{name: "all of it was written down", page: "{home}/audit", says: []string{"credential.", "model.", "route.", "project.", "management_key.", "tenant."}},
		{name: "sign out", page: "{home}", action: "/signout", says: []string{"Sign in"}},
	} {
		f.run(t, s)
	}
	if f.get("/t/" + a.slug).ok(); !strings.Contains(f.at.String(), "next=") {
		t.Errorf("signed out, the tenant's page leads to %s", f.at)
	}
}

// TestOperatorsFormsWithoutScripts does the same with the operator's.
func TestOperatorsFormsWithoutScripts(t *testing.T) {
	a := signUp(t, "Governed")
	model := fmt.Sprintf("by-form-%d", time.Now().UnixNano())
	f := &forms{reader: newReader(t), kept: map[string]string{"tenant": "/admin/tenants/" + a.slug}}
	for _, s := range []step{
		{name: "sign in", page: "/", action: "/signin", fields: map[string]string{"email": up.settings["TOLLGATE_ADMIN_EMAIL"], "password": up.settings["TOLLGATE_ADMIN_PASSWORD"]}, says: []string{"Top tenants"}},
		{name: "suspend", page: "{tenant}", action: "/suspend", says: []string{"is suspended", "Resume"}},
		{name: "resume", page: "{tenant}", action: "/resume", says: []string{"is active again", "Suspend"}},
		{name: "add to the catalogue", page: "/admin/catalog", action: "/admin/catalog", fields: map[string]string{"provider": "openai", "provider_model": model, "price.input": "1", "price.output": "2"},
			says: []string{"is in the catalogue"}},
		{name: "a clash", page: "/admin/catalog", action: "/admin/catalog", fields: map[string]string{"provider": "openai", "provider_model": model}, status: 409, says: []string{"already_exists"}},
		{name: "set a price", page: "/admin/catalog/price?model=openai/" + model, action: "/admin/catalog/price", fields: map[string]string{"side": "sell", "price.input": "3.75", "price.output": "4"},
			says: []string{"is set", "$3.75"}},
		{name: "find a tenant", page: "/admin/tenants", action: "/admin/tenants", fields: map[string]string{"query": a.slug}, says: []string{"Governed"}},
		{name: "the dark theme", page: "/admin", action: "/theme", fields: map[string]string{"theme": "dark"}, says: []string{"Top tenants"}},
	} {
		f.run(t, s)
	}
	if f.one("data-theme", "dark") == nil {
		t.Error("the theme was not kept")
	}
}

// forms is a reader and the pages it kept.
type forms struct {
	*reader
	kept map[string]string
}

func (f *forms) run(t *testing.T, s step) {
	t.Helper()
	f.get(f.expand(s.page)).ok()
	if s.action != "" || s.fields != nil {
		f.submit(f.expand(s.action), s.fields)
	}
	if want := cmp.Or(s.status, 200); f.status != want {
		t.Fatalf("%s is answered %d, want %d:\n%s", s.name, f.status, want, f.text())
	}
	for _, want := range s.says {
		if !strings.Contains(f.text(), want) {
			t.Fatalf("%s leads to %s, which lacks %q:\n%s", s.name, f.at, want, f.text())
		}
	}
	switch {
	case s.link != "":
		f.kept[s.keep] = f.link(f.at.Path+"/", s.link)
	case s.keep != "":
		f.kept[s.keep] = f.at.Path
	}
}

func (f *forms) expand(s string) string {
	for name, path := range f.kept {
		s = strings.ReplaceAll(s, "{"+name+"}", path)
	}
	return s
}
