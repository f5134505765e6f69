package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// tab is a page in a real browser, with a profile of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	weight  float64  // bytes over the wire since the last reset
	foreign []string // addresses that are not the portal's
	errors  []string // what the page's console says went wrong
}

// open opens a tab in a profile of its own: it shares no cookies with others.
func open(t *testing.T) *tab {
	t.Helper()
	browser, err := up.browser.start()
	must(t, err)
	exec := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	profile, err := target.CreateBrowserContext().Do(exec)
	must(t, err)
	// A profile without a window has no place for a tab yet.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(exec)
	must(t, err)
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		if _, wrong := b.forget(); wrong != "" {
			t.Errorf("pages asked elsewhere or failed: %s", wrong)
		}
		cancel()
		must(t, target.DisposeBrowserContext(profile).Do(exec))
	})
	chromedp.ListenTarget(ctx, b.watch)
	b.do(network.Enable())
	return b
}

// browser is the one Chromium of all tests.
type browser struct {
	once sync.Once
	ctx  context.Context
	err  error
}

// start starts it when it is first asked for.
func (b *browser) start() (context.Context, error) {
	b.once.Do(func() {
		options := []chromedp.ExecAllocatorOption{
			chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
			chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
			chromedp.WindowSize(1280, 900),
		}
		if path := chromium(); path != "" {
			options = append(options, chromedp.ExecPath(path))
		}
		alloc, _ := chromedp.NewExecAllocator(context.Background(), options...)
		// The library complains of each event that is newer than it is.
		b.ctx, _ = chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
		// This run binds the browser to the context, so it has no time limit.
		b.err = chromedp.Run(b.ctx)
	})
	return b.ctx, b.err
}

// stop ends it, if it was started, and waits until it is gone. How well it ends
// says nothing of the product.
func (b *browser) stop() {
	if b.ctx == nil || b.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	_ = chromedp.Cancel(ctx)
}

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (b *tab) watch(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(ev.Request.URL)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && !strings.HasPrefix(ev.Request.URL, up.portal) {
			b.foreign = append(b.foreign, ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.weight += ev.EncodedDataLength
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, ev.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if ev.Entry.Source == log.SourceSecurity { // the content security policy stopped something
			b.errors = append(b.errors, ev.Entry.Text)
		}
	}
}

// forget makes the tab weigh anew. It tells what was loaded since it did so
// last, in bytes over the wire, and what went wrong: errors of scripts, what
// the content security policy stopped, requests to anybody but the portal.
func (b *tab) forget() (weight float64, wrong string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	weight, wrong = b.weight, strings.Join(append(b.foreign, b.errors...), "\n")
	b.weight, b.foreign, b.errors = 0, nil, nil
	return weight, wrong
}

// do runs actions within a time that no page of ours needs.
func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := b.try(20*time.Second, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.where())
	}
}

func (b *tab) try(limit time.Duration, actions ...chromedp.Action) error {
	// The first Run of a context starts the browser and binds it to that
	// context, so that one must not have the time limit.
	if chromedp.FromContext(b.ctx).Target == nil {
		if err := chromedp.Run(b.ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// where says what the tab shows, for failures.
func (b *tab) where() string {
	var at, text string
	b.try(5*time.Second, chromedp.Location(&at), chromedp.Text("body", &text, chromedp.ByQuery))
	if len(text) > 1500 {
		text = text[:1500]
	}
	return at + "\n" + text
}

// visit opens a path of the portal.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(up.portal + path))
}

// sel is the selector of a test id.
func sel(id string) string { return fmt.Sprintf("[data-testid=%q]", id) }

func (b *tab) text(selector string) string {
	b.t.Helper()
	var s string
	b.do(chromedp.Text(selector, &s, chromedp.ByQuery))
	return strings.TrimSpace(s)
}

func (b *tab) location() string {
	b.t.Helper()
	var s string
	b.do(chromedp.Location(&s))
	return strings.TrimPrefix(s, up.portal)
}

// fill types into the field of this name.
func (b *tab) fill(form, name, value string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(fmt.Sprintf("%s [name=%q]", form, name), value, chromedp.ByQuery))
}

// choose picks an option of a select.
func (b *tab) choose(form, name, value string) {
	b.t.Helper()
	b.do(chromedp.SetValue(fmt.Sprintf("%s select[name=%q]", form, name), value, chromedp.ByQuery))
}

// tick presses a box or a radio button.
func (b *tab) tick(form, name, value string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf("%s [name=%q][value=%q]", form, name, value), chromedp.ByQuery))
}

// unfold opens the folded part of a page in which the selector's element is.
func (b *tab) unfold(selector string) {
	b.t.Helper()
	b.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).closest("details").open = true`, selector), nil))
}

// submit sends a form and waits for the page that follows.
func (b *tab) submit(form string) {
	b.t.Helper()
	b.press(form + " button[type=submit]")
}

// confirm does what the page asks about first.
func (b *tab) confirm(action string) {
	b.t.Helper()
	form := fmt.Sprintf("form[action$=%q]", action)
	b.do(chromedp.Click(fmt.Sprintf("details:has(%s) > summary", form), chromedp.ByQuery))
	b.submit(form)
}

// live waits until the page says that the change is live.
func (b *tab) live() {
	b.t.Helper()
	b.do(chromedp.WaitVisible(sel("change")+"[data-state=live]", chromedp.ByQuery))
	if got := b.text(sel("change")); !strings.HasPrefix(got, "Live on 1 of 1 data planes in ") {
		b.t.Errorf("the line of the change says %q", got)
	}
}

// table is the text of all cells of a table's body, of hidden ones too.
func (b *tab) table(selector string) (rows [][]string) {
	b.t.Helper()
	b.do(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll(%q)].map(r => [...r.cells].map(c => c.textContent.trim().replace(/\s+/g, " ")))`,
		selector+" tbody tr"), &rows))
	if len(rows) == 0 {
		b.t.Fatalf("%s has no rows\n%s", selector, b.where())
	}
	return rows
}

// press clicks and waits for the page that follows.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.follow(chromedp.Click(selector, chromedp.ByQuery))
}

// follow runs an action that leads to another page and waits for that page.
func (b *tab) follow(action chromedp.Action) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, action)
		return err
	}))
}

// size and theme of what axe and people look at.
func (b *tab) look(width int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, width < 600), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}))
}

// signIn signs in and ends on the page that follows.
func (b *tab) signIn(email, password string) {
	b.t.Helper()
	b.visit("/")
	form := sel("sign-in-form")
	b.fill(form, "email", email)
	b.fill(form, "password", password)
	b.submit(form)
}

var axeSource = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile(filepath.Join("../../.cache/sdk", "node_modules/axe-core/axe.min.js"))
	return string(raw), err
})

// axe returns what is wrong with the page as it is, a line each.
func (b *tab) axe() []string {
	b.t.Helper()
	npmPackages(b.t)
	source, err := axeSource()
	must(b.t, err)
	var found []string
	var there bool
	b.do(chromedp.Evaluate(`"axe" in window`, &there))
	if !there {
		b.do(chromedp.Evaluate(source+";0", nil))
	}
	b.do(chromedp.Evaluate(
		`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " (" + v.impact + "): " + n.target.join(" ") + ": " + n.failureSummary.split("\n").slice(1, 2).join(" ").trim())))`,
		&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return found
}
