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

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
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

// open starts a browser of its own for this test.
func open(t *testing.T) *tab {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
	}
	if path := chromium(); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		// The profile is removed after this, so the browser must be gone.
		cancel()
		cancelAlloc()
		if a := chromedp.FromContext(ctx).Allocator; a != nil {
			a.Wait()
		}
	})
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.watch)
	b.do(network.Enable())
	return b
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
	}
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
	b.press(form + " button[type=submit]")
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
	b.do(chromedp.Evaluate(source+";0", nil), chromedp.Evaluate(
		`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " (" + v.impact + "): " + n.target.join(" ") + ": " + n.failureSummary.split("\n").slice(1, 2).join(" ").trim())))`,
		&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return found
}
