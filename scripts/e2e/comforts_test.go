package e2e

import (
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestFormsHelp: filling in a field makes the choice that the field belongs to,
// and a choice opens the fields that it needs.
func TestFormsHelp(t *testing.T) {
	a := signUp(t, "Helped")
	furnish(t, a)
	b := open(t)
	b.signIn(a.email, password)
	home := "/t/" + a.slug

	b.visit(home + "/keys/new")
	form := sel("key-form")
	b.typeInto(form+" [name=expires_at]", "2099-12-31")
	b.holds(form+" [name=expiry]", `value === "date"`)
	b.tick(form, "allowed_routes", "mini")
	b.holds(form+` [name=may_call][value=some]`, "checked")

	b.visit(home + "/models/new")
	form = sel("model-form")
	b.tick(form, "pricing", "set")
	b.holds(form+" details", "open")
	b.tick(form, "pricing", "zero")
	b.typeInto(form+` [name="price.input"]`, "1.5")
	b.holds(form+" [name=pricing][value=set]", "checked")

	b.visit(home + "/models/new?provider=all")
	b.typeInto(sel("catalog-filter")+" [name=q]", "no such model at all")
	b.holds(sel("catalog")+" tbody tr", "hidden")

	b.visit(home + "/usage")
	form = sel("usage-filter")
	b.typeInto(form+" [name=from]", "2026-01-01")
	b.holds(form+" [name=period]", `value === "custom"`)
}

// TestPhoneReachesEverything: at the width of a phone no table hides columns,
// and what a menu has is on the screen.
func TestPhoneReachesEverything(t *testing.T) {
	a := signUp(t, "Pocket")
	furnish(t, a)
	b := open(t)
	b.signIn(a.email, password)
	b.look(360, false)
	for _, page := range []string{"", "/keys", "/requests", "/members", "/models", "/models/new", "/credentials", "/routes", "/projects", "/management-keys", "/audit", "/usage"} {
		b.visit("/t/" + a.slug + page)
		var hidden []string
		b.do(chromedp.Evaluate(`[...document.querySelectorAll("main .table-wrap")].filter(w => !w.closest(".twin") && w.scrollWidth > w.clientWidth).map(w => w.getAttribute("aria-label"))`, &hidden))
		if len(hidden) > 0 {
			t.Errorf("%s: %q are wider than the screen", page, hidden)
		}
	}
	b.do(chromedp.Click(".nav-open", chromedp.ByQuery), chromedp.WaitVisible(sel("sign-out"), chromedp.ByQuery))
	b.holds(sel("sign-out"), "getBoundingClientRect().bottom <= innerHeight")
}

// typeInto sets a field as typing does: dates are typed in the order of the
// browser's language otherwise.
func (b *tab) typeInto(selector, value string) {
	b.t.Helper()
	b.do(chromedp.SetValue(selector, value, chromedp.ByQuery),
		chromedp.Evaluate("document.querySelector("+strconv.Quote(selector)+`).dispatchEvent(new Event("input", {bubbles: true}))`, nil))
}

// holds wants a property of the first element that the selector finds.
func (b *tab) holds(selector, property string) {
	b.t.Helper()
	var ok bool
	b.do(chromedp.Evaluate("Boolean((e => e."+property+")(document.querySelector("+strconv.Quote(selector)+")))", &ok))
	if !ok {
		b.t.Errorf("%s: %s does not hold", selector, property)
	}
}
