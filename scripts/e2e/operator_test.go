package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// What the operator's own catalogue entry costs and is sold for: 1234 × 1 and
// 567 × 2 dollars per million tokens, and twice that.
const (
	catalogCost = money.Nano(inputTokens*1_000 + outputTokens*2_000)
	sellPrice   = 2 * catalogCost
)

// operator is the one who runs the product, and the tenant that is looked at.
type operator struct {
	t      *testing.T
	tab    *tab
	tenant *tenant
	model  string // of the catalogue, its own to this run
}

// TestOperator does what an operator does, in the browser: prices a model, sees
// tenants, cost and margin, sees data planes keep up, and suspends and resumes
// a tenant.
func TestOperator(t *testing.T) {
	o := &operator{t: t, tab: open(t), model: fmt.Sprintf("resold-%d", time.Now().UnixNano()),
		tenant: &tenant{account: signUp(t, "Resold"), t: t, provider: fakeProvider(t)}}
	o.tab.signIn(up.settings["TOLLGATE_ADMIN_EMAIL"], up.settings["TOLLGATE_ADMIN_PASSWORD"])
	if at := o.tab.location(); !strings.HasPrefix(at, "/admin") {
		t.Fatalf("signing in leads to %s", at)
	}
	o.priceModel()
	o.tenant.ready(o.model)
	o.seeMargin()
	o.seeDataPlanes()
	o.suspend()
	o.resume()
}

// ready gives the tenant a route to the provider's model, by the API.
func (p *tenant) ready(model string) {
	p.t.Helper()
	var credential struct{ ID string }
	must(p.t, p.api.Do(p.t.Context(), "POST", p.path("/credentials"), map[string]any{
		"name": "Main", "provider": "openai", "secret": "sk-journey-0123456789", "base_url": p.provider.URL()}, &credential))
	var made struct {
		ChangeID int64 `json:"change_id"`
	}
	must(p.t, p.api.Do(p.t.Context(), "POST", p.path("/models"), map[string]any{
		"credential_id": credential.ID, "provider_model": model, "route_name": "mini"}, &made))
	p.live(p.t, made.ChangeID)
}

// priceModel puts a model into the catalogue and sells it for twice its cost.
func (o *operator) priceModel() {
	b := o.tab
	b.visit("/admin/catalog")
	form := sel("catalog-form")
	b.unfold(form + ` [name="price.input"]`)
	b.fill(form, "provider", "openai")
	b.fill(form, "provider_model", o.model)
	b.fill(form, "price.input", "1")
	b.fill(form, "price.output", "2")
	b.submit(form)
	b.press(fmt.Sprintf(`tr[data-id="openai/%s"] a`, o.model))
	form = sel("operator-price-form")
	b.choose(form, "side", "sell")
	b.fill(form, "price.input", "2")
	b.fill(form, "price.output", "4")
	b.submit(form)
	row := b.text(fmt.Sprintf(`tr[data-id="openai/%s"]`, o.model))
	if !strings.Contains(row, "$1") || !strings.Contains(row, "$4") {
		o.t.Errorf("the catalogue says %q", row)
	}
}

// seeMargin makes a call and finds what it earned.
func (o *operator) seeMargin() {
	o.tenant.call(o.tenant.key, "mini", false, 200, "")
	o.tenant.ledger(o.t, func(r []request) error {
		if len(r) != 1 || r[0].CostNano != int64(catalogCost) {
			return fmt.Errorf("the ledger has %+v, want a cost of %s", r, catalogCost)
		}
		return nil
	})
	b := o.tab
	b.visit("/admin?period=7d")
	for _, id := range []string{"price", "cost", "margin", "requests", "tokens", "tenants"} {
		if got := b.text(sel("tile-" + id)); !strings.ContainsAny(got, "123456789") {
			o.t.Errorf("the tile %s says %q", id, got)
		}
	}
	b.do(chromedp.WaitVisible(sel("top-models")+" tbody tr", chromedp.ByQuery), chromedp.WaitVisible(sel("top-tenants")+" tbody tr", chromedp.ByQuery))
	b.visit("/admin/tenants?query=" + o.tenant.slug)
	row := strings.Join(b.table(sel("tenants"))[0], " ")
	want := fmt.Sprintf("1 0 %s %s %s", thousands(inputTokens+outputTokens), dollars(sellPrice), dollars(sellPrice-catalogCost))
	if !strings.Contains(row, want) {
		o.t.Errorf("the tenant's row is %q, want %q in it", row, want)
	}
	// The tenant sees what it pays, and the same is what the charts sum.
	var usage struct {
		Totals struct {
			Price int64 `json:"price_nano"`
		}
	}
	must(o.t, o.tenant.api.Do(o.t.Context(), "GET", o.tenant.path("/usage"), nil, &usage))
	if usage.Totals.Price != int64(sellPrice) {
		o.t.Errorf("the tenant pays %d, want %d", usage.Totals.Price, sellPrice)
	}
}

// seeDataPlanes waits until the page says that the data plane has the newest
// revision, and how long that took.
func (o *operator) seeDataPlanes() {
	b := o.tab
	b.visit("/admin/data-planes")
	row := sel("data-planes") + " tbody tr"
	b.do(chromedp.Poll(fmt.Sprintf(`(() => {
		const newest = document.querySelector(%q).textContent, cells = [...document.querySelector(%q).cells].map(c => c.textContent.trim());
		return cells[1] === "Live" && cells[2] === newest && cells[3] === "0" && cells[4].endsWith("s");
	})()`, sel("newest-revision"), row), nil))
}

// suspend stops the tenant: calls are refused and open streams cut, both within
// a second.
func (o *operator) suspend() {
	cut := o.tenant.openStream()
	b := o.tab
	b.visit("/admin/tenants/" + o.tenant.slug)
	b.confirm("/suspend")
	done := time.Now()
	eventually(o.t, time.Second, func() error {
		resp, body := o.tenant.callOnce(o.t, o.tenant.key, "mini", false)
		if resp.StatusCode != 403 || !strings.Contains(body, "tenant_suspended") {
			return fmt.Errorf("a suspended tenant's call is answered %d: %.300s", resp.StatusCode, body)
		}
		return nil
	})
	select {
	case end := <-cut:
		if late := end.at.Sub(done); late > time.Second || !strings.Contains(end.event, "tenant_suspended") {
			o.t.Errorf("the open stream ended %v after the page said so, with %q", late, end.event)
		}
	case <-time.After(5 * time.Second):
		o.t.Fatal("the open stream goes on")
	}
	b.live()
	b.do(chromedp.WaitVisible(sel("tenant-resume"), chromedp.ByQuery))
	b.visit("/t/" + o.tenant.slug)
	b.do(chromedp.WaitVisible(sel("suspended"), chromedp.ByQuery))
	b.sound()
}

func (o *operator) resume() {
	b := o.tab
	b.visit("/admin/tenants/" + o.tenant.slug)
	b.submit(sel("tenant-resume"))
	b.live()
	o.tenant.call(o.tenant.key, "mini", true, 200, "")
}

// ending is how a stream ended.
type ending struct {
	event string
	at    time.Time
}

// openStream starts a stream that lasts minutes, and tells when it has ended.
func (p *tenant) openStream() <-chan ending {
	p.t.Helper()
	resp, err := stand.Post(p.t.Context(), up.gateway+"/v1/chat/completions", p.key,
		[]byte(`{"model":"mini","stream":true,"messages":[{"role":"user","content":"fake:events=10000,gap=20ms"}]}`))
	must(p.t, err)
	p.t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || resp.StatusCode != http.StatusOK {
		p.t.Fatalf("the stream does not start: status %d, %q, %v", resp.StatusCode, lines.Text(), lines.Err())
	}
	ended := make(chan ending, 1)
	go func() {
		last := lines.Text()
		for lines.Scan() {
			if lines.Text() != "" {
				last = lines.Text()
			}
		}
		ended <- ending{last, time.Now()}
	}()
	return ended
}
