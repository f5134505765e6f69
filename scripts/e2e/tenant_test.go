package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/scripts/fakeprovider"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

// What the fake provider reports for each call of the journeys, and what such
// a call costs at 0.0333 and 0.60 dollars per million tokens: 1234 × 33.3 +
// 567 × 600 = 381,292.2 nano-dollars, rounded once.
const (
	inputTokens, outputTokens = 1234, 567
	inputPrice, outputPrice   = "0.0333", "0.60"
	callCost                  = money.Nano(381_292)
)

// tenant is somebody who sets up a provider of their own in the portal.
type tenant struct {
	*account
	t        *testing.T
	tab      *tab
	home     string
	provider *fakeprovider.Server
}

// TestTenant does what a tenant does, in the browser: stores a provider's
// credential, adds a model with a price and a route, makes a limited key, calls
// with it, sees what it cost, and rotates and revokes the key.
func TestTenant(t *testing.T) {
	p := &tenant{account: signUp(t, "Journey"), t: t, tab: open(t), provider: fakeProvider(t)}
	p.home = "/t/" + p.slug
	p.tab.signIn(p.email, password)
	if at := p.tab.location(); !strings.HasPrefix(at, p.home) {
		t.Fatalf("signing in leads to %s", at)
	}
	p.storeCredential()
	p.addModel()
	page, first := p.makeKey()
	second := p.rotate(page, first)
	p.seeUsage(page)
	p.refusedRoute(second)
	p.revoke(page, first, second)
}

// fakeProvider is an OpenAI-compatible provider on loopback, which `tollgate
// up` allows. It takes one key only.
func fakeProvider(t *testing.T) *fakeprovider.Server {
	t.Helper()
	s, err := fakeprovider.Start(t.Context(), fakeprovider.Options{Key: "sk-journey-0123456789",
		Default: fmt.Sprintf("in=%d,out=%d,events=10", inputTokens, outputTokens)})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (p *tenant) storeCredential() {
	b := p.tab
	b.visit(p.home + "/credentials")
	b.press(sel("new-credential"))
	form := sel("credential-form")
	b.choose(form, "provider", "openai")
	b.fill(form, "name", "My provider")
	b.fill(form, "secret", "sk-journey-0123456789")
	b.fill(form, "base_url", p.provider.URL())
	b.submit(form)
	b.live()
	if got := b.text("main"); strings.Contains(got, "sk-journey-0123456789") || !strings.Contains(got, p.provider.URL()) {
		p.t.Errorf("the credential's page says %q", got)
	}
}

func (p *tenant) addModel() {
	b := p.tab
	b.visit(p.home + "/models")
	b.press(sel("new-model"))
	form := sel("model-form")
	b.fill(form, "provider_model", "fake-mini")
	b.fill(form, "route_name", "mini")
	b.tick(form, "pricing", "set")
	b.unfold(form + ` [name="price.input"]`)
	b.fill(form, "price.input", inputPrice)
	b.fill(form, "price.output", outputPrice)
	b.submit(form)
	b.live()
	if got := b.text(sel("prices")); !strings.Contains(got, "$"+inputPrice) {
		p.t.Errorf("the model's prices are %q", got)
	}
	b.visit(p.home + "/routes")
	if got := b.text(sel("routes")); !strings.Contains(got, "mini") || !strings.Contains(got, "fake-mini") {
		p.t.Errorf("the routes are %q", got)
	}
}

// makeKey makes a key for one route and returns its page and its secret.
func (p *tenant) makeKey() (page, secret string) {
	b := p.tab
	b.visit(p.home + "/keys")
	b.press(sel("new-key"))
	form := sel("key-form")
	b.fill(form, "name", "Nightly job")
	b.choose(form, "expiry", "30")
	b.tick(form, "allowed_routes", "mini")
	b.submit(form)
	secret = b.text(sel("secret-value"))
	b.live()
	b.sound()
	page, _, _ = strings.Cut(b.location(), "?")
	p.call(secret, "mini", false, 200, "")
	b.visit(page)
	if strings.Contains(b.text("body"), secret) {
		p.t.Error("the secret is shown again")
	}
	if got := b.text(sel("key-facts")); strings.Contains(got, "never") {
		p.t.Errorf("the key that expires says %q", got)
	}
	b.visit(p.home + "/keys")
	if got := b.text(sel("keys")); !strings.Contains(got, "Nightly job") || !strings.Contains(got, "mini") || strings.Contains(got, secret) {
		p.t.Errorf("the keys are %q", got)
	}
	return page, secret
}

// rotate gives the key a new secret; the old one works on.
func (p *tenant) rotate(page, first string) (second string) {
	b := p.tab
	b.visit(page)
	b.submit(sel("key-rotate"))
	second = b.text(sel("secret-value"))
	b.live()
	if second == first {
		p.t.Error("rotating gave the same secret")
	}
	if got := b.text(sel("key-facts")); !strings.Contains(got, "Old secret works until") {
		p.t.Errorf("the rotated key says %q", got)
	}
	if now, _, _ := strings.Cut(b.location(), "?"); now != page {
		p.t.Errorf("the rotated key is at %s, was at %s", now, page)
	}
	p.call(first, "mini", true, 200, "")
	p.call(second, "mini", false, 200, "")
	return second
}

// seeUsage finds the three calls made so far wherever they are summed, and the
// newest with its arithmetic.
func (p *tenant) seeUsage(page string) {
	const calls = 3
	p.ledger(p.t, func(r []request) error {
		if len(r) != calls {
			return fmt.Errorf("%d requests in the ledger, want %d", len(r), calls)
		}
		return nil
	})
	b := p.tab
	for by, name := range map[string]string{"model": "fake-mini", "key": "Nightly job", "project": "Default", "route": "mini"} {
		b.visit(p.home + "/usage?period=7d&by=" + by)
		row := b.table(sel("usage-table"))[0]
		want := fmt.Sprintf("%d 0 %d %s %s", calls, calls, thousands(calls*inputTokens), thousands(calls*outputTokens))
		if got := strings.Join(row, " "); !strings.Contains(row[0], name) || !strings.Contains(got, want) || !strings.Contains(got, dollars(calls*callCost)) {
			p.t.Errorf("usage by %s says %q, want %s: %s … %s", by, row, name, want, dollars(calls*callCost))
		}
	}
	if got := b.perDay("chart-requests"); got != calls*money.PerDollar {
		p.t.Errorf("requests by day: %s", got)
	}
	if got := b.perDay("chart-cost"); got != calls*callCost {
		p.t.Errorf("cost by day: %s", got)
	}
	b.visit(p.home + "/requests?key=" + page[strings.LastIndex(page, "/")+1:])
	if rows := b.table(sel("requests")); len(rows) != calls {
		p.t.Errorf("requests of the key: %q", rows)
	}
	b.press(sel("requests") + " tbody a")
	if got := b.text(sel("ledger-cost")); got != dollars(callCost) {
		p.t.Errorf("the request cost %q, want %s", got, dollars(callCost))
	}
	if got := b.text(sel("sum-cost")); !strings.Contains(got, thousands(inputTokens)) || !strings.Contains(got, inputPrice) {
		p.t.Errorf("the arithmetic is %q", got)
	}
}

// perDay sums the last column of a chart's table, a row for each day.
func (b *tab) perDay(chart string) (sum money.Nano) {
	b.t.Helper()
	for _, row := range b.table(sel(chart)) {
		n, err := money.Parse(strings.NewReplacer("$", "", ",", "").Replace(row[len(row)-1]))
		must(b.t, err)
		sum += n
	}
	return sum
}

// refusedRoute: the key opens its route and no other.
func (p *tenant) refusedRoute(secret string) {
	p.call(secret, "demo", false, 403, "model_not_allowed")
}

func (p *tenant) revoke(page, first, second string) {
	b := p.tab
	b.visit(page)
	b.confirm("/revoke")
	b.live()
	p.call(first, "mini", false, 401, "key_revoked")
	p.call(second, "mini", true, 401, "key_revoked")
	b.do(chromedp.WaitNotPresent(sel("key-rotate"), chromedp.ByQuery))
}

// callOnce calls a route and reads the whole answer.
func (a *account) callOnce(t *testing.T, key, route string, stream bool) (*http.Response, string) {
	t.Helper()
	resp, err := stand.Post(t.Context(), up.gateway+"/t/"+a.slug+"/v1/chat/completions", key,
		fmt.Appendf(nil, `{"model":%q,"stream":%v,"messages":[{"role":"user","content":"Hello!"}]}`, route, stream))
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, string(body)
}

// call calls a route once and wants this answer.
func (p *tenant) call(key, route string, stream bool, status int, code string) {
	p.t.Helper()
	resp, body := p.callOnce(p.t, key, route, stream)
	var e struct{ Error struct{ Code string } }
	if status != 200 {
		must(p.t, json.Unmarshal([]byte(body), &e))
	}
	if resp.StatusCode != status || e.Error.Code != code {
		p.t.Fatalf("%s is answered %d %s, want %d %s: %.300s", route, resp.StatusCode, e.Error.Code, status, code, body)
	}
	if stream && status == 200 && !strings.HasSuffix(strings.TrimSpace(body), "data: [DONE]") {
		p.t.Errorf("the stream ends with %q", body[max(0, len(body)-200):])
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func dollars(n money.Nano) string { return "$" + n.String() }
