package view_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"github.com/tollgate/tollgate/portal/internal/chart"
	"github.com/tollgate/tollgate/portal/internal/view"
)

// evil is what each text of each page is in these tests.
const evil = `'"><x-evil onclick="e()" style="color:red">&amp;</x-evil><script>e()</script>`

// fill puts evil into every string of a view model, two elements into every
// list, and true into every switch, so that no branch stays dark.
func fill(v reflect.Value, on bool, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Bool:
		v.SetBool(on)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		if depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), on, depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), on, depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem, on, depth+1)
		for _, key := range []string{"name", "provider", "price.input", "unknown_price", "email"} {
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
		}
	case reflect.Func:
		if v.Type() == reflect.TypeFor[func(int64) string]() {
			v.Set(reflect.ValueOf(func(int64) string { return evil }))
		} else {
			v.Set(reflect.ValueOf(func(name string) string { return "/static/" + name }))
		}
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[templ.Component]() {
			v.Set(reflect.ValueOf(view.Text(evil)))
		}
	case reflect.Struct:
		switch v.Type() {
		case reflect.TypeFor[time.Time]():
			v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)))
			return
		case reflect.TypeFor[chart.Chart]():
			v.Set(reflect.ValueOf(chart.Chart{
				ID: evil, Title: evil, Desc: evil, Labels: []string{evil, evil}, Format: func(int64) string { return evil },
				Series: []chart.Series{{Name: evil, Class: evil, Values: []int64{1, 2}}, {Name: evil, Class: evil, Values: []int64{1, 2}}},
			}))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), on, depth+1)
			}
		}
	}
}

func filled[T any](on bool) T {
	var m T
	fill(reflect.ValueOf(&m).Elem(), on, 0)
	return m
}

// pages are all pages with their models filled.
func pages(on bool) map[string]templ.Component {
	p := filled[view.Page](on)
	return map[string]templ.Component{
		"sign in":         view.SignInPage(p, filled[view.SignIn](on)),
		"sign up":         view.SignUpPage(p, filled[view.SignUp](on)),
		"failure":         view.FailurePage(p, filled[view.Failure](on)),
		"start":           view.StartPage(p, filled[view.Start](on)),
		"start check":     view.StartCheckPage(p, filled[view.Wait](on), "/again", "/back"),
		"overview":        view.OverviewPage(p, filled[view.Overview](on)),
		"usage":           view.UsagePage(p, filled[view.Usage](on)),
		"requests":        view.RequestsPage(p, filled[view.Requests](on)),
		"request":         view.RequestPage(p, filled[view.Request](on)),
		"keys":            view.KeysPage(p, filled[view.Keys](on)),
		"key new":         view.KeyNewPage(p, filled[view.KeyForm](on)),
		"key":             view.KeyPage(p, filled[view.Key](on)),
		"management keys": view.ManagementKeysPage(p, filled[view.ManagementKeys](on)),
		"projects":        view.ProjectsPage(p, filled[view.Projects](on)),
		"project":         view.ProjectPage(p, filled[view.Project](on)),
		"members":         view.MembersPage(p, filled[view.Members](on)),
		"settings":        view.SettingsPage(p, filled[view.Settings](on)),
		"audit":           view.AuditPage(p, filled[view.Audit](on)),
		"credentials":     view.CredentialsPage(p, filled[view.Credentials](on)),
		"credential new":  view.CredentialNewPage(p, filled[view.CredentialForm](on)),
		"credential":      view.CredentialPage(p, filled[view.CredentialForm](on)),
		"models":          view.ModelsPage(p, filled[view.Models](on)),
		"model new":       view.ModelNewPage(p, filled[view.ModelForm](on)),
		"model":           view.ModelPage(p, filled[view.Model](on)),
		"routes":          view.RoutesPage(p, filled[view.Routes](on)),
		"route new":       view.RouteNewPage(p, filled[view.RouteForm](on)),
		"route":           view.RoutePage(p, filled[view.RouteForm](on)),
		"admin":           view.AdminPage(p, filled[view.Admin](on)),
		"tenants":         view.TenantsPage(p, filled[view.Tenants](on)),
		"tenant admin":    view.TenantAdminPage(p, filled[view.TenantAdmin](on)),
		"data planes":     view.DataPlanesPage(p, filled[view.DataPlanes](on)),
		"catalogue":       view.CatalogPage(p, filled[view.Catalog](on)),
		"operator price":  view.OperatorPricePage(p, filled[view.OperatorPrice](on)),
		"doctor":          view.DoctorPage(p, filled[view.Doctor](on)),
		"change":          view.ChangeLine(filled[view.Change](on)),
	}
}

func parse(t *testing.T, c templ.Component) (*html.Node, string) {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc, b.String()
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestNothingTypedBecomesMarkup: every text of every page is hostile.
func TestNothingTypedBecomesMarkup(t *testing.T) {
	for _, on := range []bool{true, false} {
		for name, page := range pages(on) {
			doc, text := parse(t, page)
			if !strings.Contains(text, "x-evil") {
				t.Errorf("%s: the hostile text is not on the page, so this shows nothing", name)
			}
			for n := range doc.Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				if n.Data == "x-evil" || n.Data == "style" {
					t.Errorf("%s: element <%s>", name, n.Data)
				}
				if n.Data == "script" && (attr(n, "src") == "" || n.FirstChild != nil) {
					t.Errorf("%s: inline script", name)
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
						t.Errorf("%s: <%s %s=…>", name, n.Data, a.Key)
					}
				}
			}
		}
	}
}

// TestStructure: what screen readers and forms without scripts rely on.
func TestStructure(t *testing.T) {
	for name, page := range pages(true) {
		if name == "change" {
			continue
		}
		doc, _ := parse(t, page)
		count := map[string]int{}
		labels := map[string]bool{}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				count[n.Data]++
				if n.Data == "label" {
					labels[attr(n, "for")] = true
				}
			}
		}
		if count["h1"] != 1 || count["main"] != 1 || count["title"] < 1 {
			t.Errorf("%s: %d h1, %d main", name, count["h1"], count["main"])
		}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				checkElement(t, name, n, labels)
			}
		}
	}
}

func checkElement(t *testing.T, page string, n *html.Node, labels map[string]bool) {
	t.Helper()
	switch n.Data {
	case "input", "select":
		kind := attr(n, "type")
		if kind == "hidden" || wrappedBy(n, "label") || attr(n, "aria-label") != "" || labels[attr(n, "id")] && attr(n, "id") != "" {
			return
		}
		t.Errorf("%s: <%s name=%q> has no label", page, n.Data, attr(n, "name"))
	case "form":
		if attr(n, "method") != "post" {
			return
		}
		for in := range n.Descendants() {
			if in.Data == "input" && attr(in, "name") == "csrf" {
				return
			}
		}
		t.Errorf("%s: the form to %q has no token", page, attr(n, "action"))
	case "svg":
		if attr(n, "role") != "img" && attr(n, "aria-hidden") != "true" {
			t.Errorf("%s: a drawing that is neither named nor hidden", page)
		}
	}
}

func wrappedBy(n *html.Node, name string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == name {
			return true
		}
	}
	return false
}

// TestSecretsAreNotTypedBack: a field for secrets never holds what was sent.
func TestSecretsAreNotTypedBack(t *testing.T) {
	f := view.Form{Values: map[string][]string{"password": {"hunter2hunter2"}, "secret": {"hunter2hunter2"}, "email": {"ada@acme.test"}}}
	p := filled[view.Page](false)
	for name, page := range map[string]templ.Component{
		"sign in":    view.SignInPage(p, view.SignIn{Form: f}),
		"sign up":    view.SignUpPage(p, view.SignUp{Form: f}),
		"credential": view.CredentialNewPage(p, view.CredentialForm{Form: f}),
	} {
		_, text := parse(t, page)
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s shows the secret again", name)
		}
		if name != "credential" && !strings.Contains(text, "ada@acme.test") {
			t.Errorf("%s forgot what was typed", name)
		}
	}
}

// TestRolesHide: what a role may not do is not offered.
func TestRolesHide(t *testing.T) {
	p := filled[view.Page](true)
	p.Change, p.Tenant.Can = nil, view.Can{Read: true}
	for name, page := range map[string]templ.Component{
		"keys":        view.KeysPage(p, view.Keys{NewURL: "/new"}),
		"key":         view.KeyPage(p, view.Key{Active: true}),
		"members":     view.MembersPage(p, view.Members{Rows: []view.MemberRow{{Name: "Ada"}}}),
		"settings":    view.SettingsPage(p, view.Settings{}),
		"projects":    view.ProjectsPage(p, view.Projects{}),
		"credentials": view.CredentialsPage(p, view.Credentials{NewURL: "/new"}),
		"models":      view.ModelsPage(p, view.Models{NewURL: "/new"}),
		"routes":      view.RoutesPage(p, view.Routes{NewURL: "/new"}),
	} {
		doc, _ := parse(t, page)
		for n := range doc.Descendants() {
			if n.Data == "form" && attr(n, "method") == "post" && !slices.Contains([]string{"/theme", "/signout"}, attr(n, "action")) {
				t.Errorf("%s: a viewer is offered the form to %q", name, attr(n, "action"))
			}
			if n.Data == "a" && attr(n, "href") == "/new" {
				t.Errorf("%s: a viewer is offered a new one", name)
			}
		}
	}
}

func TestAmounts(t *testing.T) {
	for n, want := range map[int64]string{
		0: "$0.00", 1: "$0.000000001", 855_000_000: "$0.855", 12_345_678_901: "$12.345678901", 1_234_567_000_000_000: "$1,234,567.00",
		-1_500_000_000: "-$1.50", 9_223_372_036_854_775_807: "$9,223,372,036.854775807",
	} {
		if got := view.Dollars(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := view.Int(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for us, want := range map[int64]string{0: "–", 850: "850 µs", 4312: "4.3 ms", 312_000: "312 ms", 1_010_000: "1.01 s"} {
		if got := view.Micros(us); got != want {
			t.Errorf("%d µs: %s, want %s", us, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1234: "1.2 kB", 8_812_345: "8.8 MB"} {
		if got := view.Bytes(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestChangeLine(t *testing.T) {
	for _, c := range []struct {
		change view.Change
		state  string
		says   string
		polls  bool
	}{
		{view.Change{PollURL: "/p", Wait: "150ms"}, "travelling", "On its way", true},
		{view.Change{PollURL: "/p", Known: true, Live: 1, Total: 2}, "travelling", "Live on 1 of 2 data planes", true},
		{view.Change{Known: true, Done: true, Live: 2, Total: 2, Milliseconds: "14 ms"}, "live", "Live on 2 of 2 data planes in 14 ms", false},
		{view.Change{Known: true, GivenUp: true, Live: 1, Total: 2}, "waiting", "as soon as they are reached", false},
		{view.Change{Done: true, Refusals: []view.Refusal{{DataPlane: "dpl_a", Path: "route.model_id", Message: "names no model"}}}, "refused", "route.model_id", false},
	} {
		doc, text := parse(t, view.ChangeLine(c.change))
		if !strings.Contains(text, c.says) {
			t.Errorf("%s: %q is not in %s", c.state, c.says, text)
		}
		for n := range doc.Descendants() {
			if attr(n, "data-testid") != "change" {
				continue
			}
			if attr(n, "data-state") != c.state || (attr(n, "hx-get") != "") != c.polls {
				t.Errorf("state %q, asks %q; want %q, %v", attr(n, "data-state"), attr(n, "hx-get"), c.state, c.polls)
			}
		}
	}
}
