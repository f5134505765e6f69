package e2e

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// Limits of a page's first view.
const maxWeight = 60 << 10

// TestEveryPage walks all pages that links lead to, as a stranger, as a
// tenant's owner and as the operator. On each page, in both themes, on a phone
// and on a wide screen, axe finds nothing and nothing sticks out; the first
// view is light and asks nobody else.
func TestEveryPage(t *testing.T) {
	owner := signUp(t, "Crawl")
	furnish(t, owner)
	seen := map[string]bool{}
	for _, who := range []struct {
		name, email, password string
		least                 int // pages that there are at least
	}{
		{"stranger", "", "", 2},
		{"owner", owner.email, password, 22},
		{"operator", up.settings["TOLLGATE_ADMIN_EMAIL"], up.settings["TOLLGATE_ADMIN_PASSWORD"], 8},
	} {
		t.Run(who.name, func(t *testing.T) {
			b := open(t)
			if who.email != "" {
				b.signIn(who.email, who.password)
			}
			problems := problems{}
			pages := b.crawl(seen, problems)
			problems.report(t)
			if len(pages) < who.least {
				t.Errorf("only %d pages: %v", len(pages), pages)
			}
			t.Logf("%d pages: %s", len(pages), strings.Join(pages, " "))
		})
	}
}

// furnish gives a tenant something of everything, so that no page is empty.
func furnish(t *testing.T, a *account) {
	var credential, model struct{ ID string }
	rules := []map[string]any{{"parameter": "max_tokens", "action": "clamp", "maximum": 4096}, {"parameter": "tools", "action": "forbid", "names": []string{"shell"}}}
	must(t, a.api.Do(t.Context(), "POST", a.path("/credentials"), map[string]any{"name": "Main", "provider": "openai", "secret": "sk-0123456789abcdef"}, &credential))
	must(t, a.api.Do(t.Context(), "POST", a.path("/models"), map[string]any{"credential_id": credential.ID, "provider_model": "gpt-4o-mini", "route_name": "mini"}, &model))
	must(t, a.api.Do(t.Context(), "POST", a.path("/projects"), map[string]any{"name": "Second", "parameter_rules": rules}, nil))
	must(t, a.api.Do(t.Context(), "POST", a.path("/management-keys"), map[string]any{"name": "CI", "role": "developer"}, nil))
	must(t, a.api.Do(t.Context(), "POST", a.path("/api-keys"), map[string]any{"name": "Other", "allowed_routes": []string{"demo"}, "parameter_rules": rules}, nil))
	for _, model := range []string{"demo", "demo", "demo:status=500", "no-such-model"} {
		resp, err := stand.Post(t.Context(), up.gateway+"/v1/chat/completions", a.key, fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, model))
		must(t, err)
		resp.Body.Close()
	}
	a.ledger(t, func(r []request) error {
		if len(r) < 4 {
			return fmt.Errorf("%d requests in the ledger", len(r))
		}
		return nil
	})
}

var anySlug = regexp.MustCompile(`^/(t|admin/tenants)/[^/]+`)

var anyID = regexp.MustCompile(`\b(req|key|crd|mdl|rte|prj|mem|mgk|ten|dpl|prc|aud|load)[_-][0-9a-z-]+|[0-9a-f]{16,}`)

// kind makes one of the many addresses of the same page.
func kind(path string) string {
	p, _, _ := strings.Cut(path, "?")
	return anyID.ReplaceAllString(anySlug.ReplaceAllString(p, "/$1/SLUG"), "ID")
}

// problems says where each problem was seen, so that one in the frame of all
// pages is told once.
type problems map[string][]string

func (p problems) add(where, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if !slices.Contains(p[what], where) {
		p[what] = append(p[what], where)
	}
}

func (p problems) report(t *testing.T) {
	t.Helper()
	for what, where := range p {
		t.Errorf("%s\n\ton %s", what, strings.Join(where, ", "))
	}
}

// crawl looks at all pages from the one that is open on, one of each kind that
// was not seen before, and returns their kinds.
func (b *tab) crawl(seen map[string]bool, found problems) []string {
	b.t.Helper()
	queue := []string{b.start()}
	seen[kind(queue[0])] = true
	var kinds []string
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		links := b.inspect(path, found)
		if links == nil {
			continue
		}
		kinds = append(kinds, kind(path))
		for _, link := range links {
			if k := kind(link); !seen[k] {
				seen[k] = true
				queue = append(queue, link)
			}
		}
	}
	slices.Sort(kinds)
	return kinds
}

// start is the page that is open; a fresh tab opens the front page.
func (b *tab) start() string {
	if path := b.location(); strings.HasPrefix(path, "/") {
		return path
	}
	return "/"
}

// inspect looks at one page in all forms and returns the links on it; nil when
// it is no page.
func (b *tab) inspect(path string, found problems) []string {
	b.t.Helper()
	b.weigh(path, found)
	var contentType string
	b.do(chromedp.Evaluate(`document.contentType`, &contentType))
	if contentType != "text/html" {
		return nil
	}
	b.inspectView(kind(path), found)
	links := []string{}
	b.do(chromedp.Evaluate(`[...document.querySelectorAll("a[href]:not([download])")].map(a => a.href)`, &links))
	out := []string{}
	for _, link := range links {
		if u, err := url.Parse(link); err == nil && strings.HasPrefix(link, up.portal+"/") {
			u.Fragment = ""
			out = append(out, strings.TrimPrefix(u.String(), up.portal))
		}
	}
	return out
}

// inspectView looks at the page as it stands, on a phone and on a wide screen,
// in both themes, with what is folded in it unfolded.
func (b *tab) inspectView(where string, found problems) {
	b.t.Helper()
	b.do(chromedp.Evaluate(`document.querySelectorAll("main details:not(.tip)").forEach(d => { d.open = true })`, nil))
	for _, width := range []int64{360, 1280} {
		var paper [2]string
		for i, dark := range []bool{false, true} {
			b.look(width, dark)
			b.do(chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &paper[i]))
			for _, problem := range b.axe() {
				found.add(where, "axe at %d px, dark %v: %s", width, dark, problem)
			}
		}
		if paper[0] == paper[1] {
			found.add(where, "both themes are %s", paper[0])
		}
		var over float64
		b.do(chromedp.Evaluate(`document.documentElement.scrollWidth - innerWidth`, &over))
		if over > 0 {
			found.add(where, "at %d px the page is %v px too wide", width, over)
		}
	}
}

// sound wants the page as it stands to be without fault, for states that no
// link leads to.
func (b *tab) sound() {
	b.t.Helper()
	found := problems{}
	b.inspectView(kind(b.location()), found)
	found.report(b.t)
}

// weigh opens a page as if for the first time, and checks what it fetched.
func (b *tab) weigh(path string, found problems) {
	b.t.Helper()
	b.do(network.ClearBrowserCache())
	if _, wrong := b.forget(); wrong != "" {
		found.add("the page before "+kind(path), "%s", wrong)
	}
	b.visit(path)
	weight, wrong := b.forget()
	if wrong != "" {
		found.add(kind(path), "%s", wrong)
	}
	if weight < 1<<10 {
		found.add(kind(path), "the first view weighs %v bytes: it was not measured", weight)
	}
	if weight > maxWeight {
		found.add(kind(path), "the first view weighs %.1f KB, more than %d", weight/1024, maxWeight/1024)
	}
}

// TestStatesThatNoLinkLeadsTo are without fault too: refused forms, errors, and
// what opens over a page.
func TestStatesThatNoLinkLeadsTo(t *testing.T) {
	a := signUp(t, "States")
	b := open(t)
	b.signIn(a.email, "not the password")
	b.do(chromedp.WaitVisible(sel("problem"), chromedp.ByQuery))
	b.sound()
	b.signIn(a.email, password)
	b.visit("/t/" + a.slug + "/keys/new")
	b.fill(sel("key-form"), "name", "Without a day")
	b.choose(sel("key-form"), "expiry", "date")
	b.submit(sel("key-form"))
	b.do(chromedp.WaitVisible(sel("error-expires_at"), chromedp.ByQuery))
	b.sound()
	b.visit("/t/" + a.slug + "/nothing-here")
	b.do(chromedp.WaitVisible(sel("failure"), chromedp.ByQuery))
	b.sound()
	b.look(360, false)
	b.visit("/t/" + a.slug)
	b.do(chromedp.Click(".nav-open", chromedp.ByQuery), chromedp.WaitVisible(sel("sign-out"), chromedp.ByQuery),
		chromedp.Click(sel("tenant-switcher")+" summary", chromedp.ByQuery), chromedp.WaitVisible(sel("tenant-switcher")+" .menu-panel", chromedp.ByQuery))
	for _, problem := range b.axe() {
		t.Errorf("with the navigation open: %s", problem)
	}
}

// TestTheChecksSeeWhatIsWrong: the checks that must find nothing can find
// something.
func TestTheChecksSeeWhatIsWrong(t *testing.T) {
	b := open(t)
	b.visit("/signup")
	b.do(chromedp.Evaluate(`document.querySelector("main").insertAdjacentHTML("beforeend", "<img src='http://elsewhere.test/x.png'>"); 0`, nil))
	if found := b.axe(); len(found) == 0 || !strings.HasPrefix(found[0], "image-alt") {
		t.Errorf("axe found %v", found)
	}
	// The next page comes after all events of this one.
	b.visit("/signup")
	if _, wrong := b.forget(); !strings.Contains(wrong, "elsewhere.test") {
		t.Errorf("the tab noticed %q", wrong)
	}
}
