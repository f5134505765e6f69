package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/recordings"
	"github.com/tollgate/tollgate/dataplane/internal/testconfig"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// costCase is an edge of billing, with what was used.
type costCase struct {
	Name          string
	Stream, Exact bool
	Usage         used
}

// costCases are kept beside the repository.
func costCases(t *testing.T) []costCase {
	t.Helper()
	files := recordings.Glob(t, "*-cost-cases/cases.json")
	if len(files) != 1 {
		t.Fatal(files)
	}
	data := recordings.Read(t, files[0])
	var all struct {
		Wires []string
		Cases []costCase
	}
	if err := json.Unmarshal(data, &all); err != nil || len(all.Cases) < 30 || len(all.Wires) != len(costWires) {
		t.Fatal(len(all.Cases), all.Wires, err)
	}
	for i, name := range all.Wires {
		if costWires[i].name != name {
			t.Fatalf("wire %d is %s, want %s", i, costWires[i].name, name)
		}
	}
	return all.Cases
}

// answer is what a provider on the wire answers in this case.
func (c *costCase) answer(w *wire) *told {
	has := func(part string) bool { return strings.Contains(c.Name, part) }
	a := &told{
		used: c.Usage, model: w.model, stream: c.Stream, silent: !c.Exact, tool: has("tool_call"), cut: has("incomplete"),
		// A message that told why it ended and what it took is whole.
		whole: has("incomplete") && c.Exact && w.dialect == providerkind.Anthropic,
		odd:   has("unvalidated"), blocked: has("prompt_blocked"), vertex: w.name == "vertex_generate",
	}
	if a.prompt()+a.answer() == 0 {
		a.Fresh, a.Out = 120, 40
	}
	if tier, ok := strings.CutPrefix(c.Name, "service_tier_"); ok {
		a.tier = tier
	}
	if has("model_override") {
		a.model += "-2099-01-01"
	}
	return a
}

// costPrice is one in which every class costs something else.
func costPrice(of int64) *configv1.Price {
	p := func(n int64) *int64 { n = of * n; return &n }
	return &configv1.Price{
		Input: *p(101), Output: *p(503), CacheRead: p(11), CacheWrite: p(127), CacheWriteHour: p(211), AudioInput: p(307),
		AudioOutput: p(1009), Reasoning: p(601), PerSearch: *p(10_007), PerRequest: *p(3),
	}
}

// costPrices have variants for all that the cases ask for.
func costPrices() []*configv1.Price {
	p := costPrice(1_000_003)
	p.Id = "prc_cost"
	p.Variants = []*configv1.PriceVariant{
		{ServiceTier: "flex", Price: costPrice(500_009)}, {ServiceTier: "priority", Price: costPrice(1_700_021)},
		{AboveInputTokens: 200_000, Price: costPrice(2_000_029)},
	}
	return []*configv1.Price{p}
}

// costOf is what the classes cost, by arithmetic of any size.
func costOf(k *usagev1.Tokens, searches int64, tier string) int64 {
	p := costPrices()[0]
	switch in := k.Input + k.CacheRead + k.CacheWrite + k.CacheWriteHour + k.AudioInput; {
	case tier == "flex":
		p = p.Variants[0].Price
	case tier == "priority":
		p = p.Variants[1].Price
	case in > 200_000:
		p = p.Variants[2].Price
	}
	sum := new(big.Int)
	add := func(n, price, times int64) {
		one := new(big.Int).Mul(big.NewInt(n), big.NewInt(price))
		sum.Add(sum, one.Mul(one, big.NewInt(times)))
	}
	add(k.Input, p.Input, 1)
	add(k.Output-k.Reasoning, p.Output, 1)
	add(k.Reasoning, *p.Reasoning, 1)
	add(k.CacheRead, *p.CacheRead, 1)
	add(k.CacheWrite, *p.CacheWrite, 1)
	add(k.CacheWriteHour, *p.CacheWriteHour, 1)
	add(k.AudioInput, *p.AudioInput, 1)
	add(k.AudioOutput, *p.AudioOutput, 1)
	const million = 1_000_000
	add(searches, p.PerSearch, million)
	add(1, p.PerRequest, million)
	sum.Div(sum.Add(sum, big.NewInt(million/2)), big.NewInt(million)) // half up
	return sum.Int64()
}

// costWorld is a data plane with a route for each wire, and another one with
// "-list" behind its name whose prices are the catalogue's.
type costWorld struct {
	g   *gateway
	key string
	n   int

	mu     sync.Mutex
	wire   *wire
	answer *told
}

func newCostWorld(t *testing.T) *costWorld {
	cw := new(costWorld)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cw.mu.Lock()
		defer cw.mu.Unlock()
		switch {
		case !cw.answer.stream:
			w.Header().Set("Content-Type", "application/json")
			cw.wire.write(w, cw.answer)
		case cw.wire.dialect == providerkind.Bedrock:
			frames(w, cw.wire.events(cw.answer)...)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			cw.wire.write(w, cw.answer)
		}
	}))
	t.Cleanup(up.Close)
	w := testconfig.New(t)
	tenant := w.Tenant("acme")
	cw.key, _ = w.Key(tenant, nil)
	for _, x := range costWires {
		kind, _ := providerkind.Find(x.provider)
		entry := x.provider + "/" + x.name
		w.Add("", configv1.Kind_KIND_CATALOG_MODEL, entry, &configv1.CatalogModel{Id: entry, Provider: x.provider, ProviderModel: x.model, CostPrices: costPrices()})
		for _, route := range []string{x.name, x.name + "-list"} {
			w.Route(tenant, route, x.model, up.URL+x.base, providerSecret, func(c *configv1.Credential, m *configv1.Model) {
				c.Provider, c.Dialect, c.Region = x.provider, x.dialect, "eu-west-1"
				if kind.Auth.Header != "" {
					c.AuthStyle, c.AuthHeader = configv1.AuthStyle_AUTH_STYLE_HEADER, kind.Auth.Header
				}
				m.CostPrices = costPrices()
				if route != x.name {
					m.CostPrices, m.CatalogId = nil, entry
				}
			})
		}
	}
	cw.g = start(t, w, nil)
	return cw
}

// images put a picture into what callers ask.
var images = map[string][2]string{
	"openai-chat": {`"content":"Hi"`, `"content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]`},
	"openai-responses": {`"input":"Hi"`,
		`"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]`},
	"anthropic-messages": {`"content":"Hi"`,
		`"content":[{"type":"text","text":"Hi"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]`},
	"gemini": {`{"text":"Hi"}`, `{"text":"Hi"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}`},
}

// call asks for the answer and gives what the caller got and the event.
func (cw *costWorld) call(t *testing.T, c *asked, w *wire, a *told, route string, image bool) (*answer, *usagev1.Event) {
	t.Helper()
	cw.mu.Lock()
	cw.wire, cw.answer = w, a
	cw.mu.Unlock()
	path, body := c.path, c.body
	if a.stream {
		path, body = c.streamPath, c.streamBody
	}
	if image {
		body = strings.Replace(body, images[c.name][0], images[c.name][1], 1)
	}
	got := c.call(cw.g, path, body, cw.key, route)
	ev := cw.g.ledger.wait(t, cw.n)
	cw.n++
	return got, ev
}

// check compares an event with what was used.
func (a *told) check(ev *usagev1.Event) (wrong string) {
	k := ev.GetTokens()
	want := &usagev1.Tokens{
		Input: a.fresh(), CacheRead: a.Read, CacheWrite: a.Write, CacheWriteHour: a.WriteHour, AudioInput: a.AudioIn,
		Output: a.text() + a.Reasoning, Reasoning: a.Reasoning, AudioOutput: a.AudioOut,
	}
	outcome := usagev1.Outcome_OUTCOME_OK
	if a.cut && !a.whole {
		outcome = usagev1.Outcome_OUTCOME_UPSTREAM_ERROR
	}
	switch cost := costOf(k, ev.GetUnits().GetSearches(), ev.ServiceTier); {
	case ev.Outcome != outcome:
		return fmt.Sprintf("ended with %s, want %s", ev.Outcome, outcome)
	case a.silent && (!ev.Estimated || k.Input == 0 || k.Output == 0):
		return "is no estimate"
	case !a.silent && (ev.Estimated || k.String() != want.String() || ev.GetUnits().GetSearches() != a.Searches || ev.ServiceTier != a.tier):
		return fmt.Sprintf("want %v, %d searches, tier %q", want, a.Searches, a.tier)
	case ev.CostNano != cost || ev.PriceNano != cost || ev.CostPriceId != "prc_cost" || ev.CostReported:
		return fmt.Sprintf("costs %d, want %d", ev.CostNano, cost)
	}
	return ""
}

// callersOf are two callers: of the wire's own dialect, where there is one, and
// of another.
func callersOf(w *wire) []*asked {
	for i := range callers {
		if callers[i].name == w.dialect {
			return []*asked{&callers[i], &callers[(i+3)%len(callers)]}
		}
	}
	return []*asked{&callers[0], &callers[2]}
}

// TestEdgesOfBilling: each case on each wire that has a place for it, for a
// caller of the same dialect and of another: exact classes, units and tier, and
// the exact amount. Prices are those of the model that the route names, also
// when the answer names another.
func TestEdgesOfBilling(t *testing.T) {
	cases, cw := costCases(t), newCostWorld(t)
	for i := range costWires {
		w := &costWires[i]
		exact, estimated, lacking := 0, 0, map[string]int{}
		for _, c := range cases {
			a := c.answer(w)
			if lack := w.lacks(a); lack != "" {
				lacking[lack]++
				continue
			}
			for _, caller := range callersOf(w) {
				got, ev := cw.call(t, caller, w, a, w.name, strings.Contains(c.Name, "image_input"))
				if wrong := a.check(ev); wrong != "" || got.StatusCode != 200 {
					t.Errorf("%s on %s for %s: %s\n%v\n%d %s", c.Name, w.name, caller.name, wrong, ev, got.StatusCode, got.body)
				}
			}
			if a.silent {
				estimated++
			} else {
				exact++
			}
		}
		t.Logf("%-20s %2d cases exact, %2d estimated, no place on the wire: %v", w.name, exact, estimated, lacking)
	}
	t.Logf("%d calls", cw.n)
}

// TestNoRequestPaysForAnother: what one stream reported is not there any more
// when the next one reports nothing, whatever dialects the two are in.
func TestNoRequestPaysForAnother(t *testing.T) {
	cw := newCostWorld(t)
	before := &told{used: used{Fresh: 90_000, Read: 5_000, Out: 7_000}, tier: "priority", model: "m", stream: true}
	for i := range costWires {
		for _, caller := range callersOf(&costWires[i]) {
			for _, stream := range []bool{true, false} {
				_, paid := cw.call(t, &callers[0], &costWires[0], before, costWires[0].name, false)
				if wrong := before.check(paid); wrong != "" {
					t.Fatal(wrong)
				}
				_, ev := cw.call(t, caller, &costWires[i], &told{model: costWires[i].model, stream: stream, silent: true}, costWires[i].name, false)
				if !ev.Estimated || ev.Tokens.Input > 100 || ev.Tokens.Output > 100 || ev.ServiceTier != "" {
					t.Errorf("%s for %s, streamed %t: %v", costWires[i].name, caller.name, stream, ev)
				}
			}
		}
	}
}

// TestCostsThatProvidersTell: what a provider says it charges goes before the
// catalogue's price, and the tenant's own price goes before both.
func TestCostsThatProvidersTell(t *testing.T) {
	cw := newCostWorld(t)
	for i := range costWires {
		w := &costWires[i]
		if !strings.Contains(w.can, "cost") {
			continue
		}
		for _, c := range []struct {
			more string
			nano int64
		}{{`,"cost":0.0123456785`, 12_345_679}, {`,"cost":1.5e-7`, 150}, {`,"cost":0`, 0}, {`,"cost_in_usd_ticks":123456`, 12_346}, {`,"cost":-1`, -1}, {`,"cost":"1"`, -1}} {
			for _, stream := range []bool{false, true} {
				for _, caller := range callersOf(w) {
					a := &told{used: used{Fresh: 100, Read: 20, Out: 30}, model: w.model, stream: stream, more: c.more}
					_, own := cw.call(t, caller, w, a, w.name, false)
					_, list := cw.call(t, caller, w, a, w.name+"-list", false)
					computed := costOf(own.Tokens, 0, "")
					if own.CostNano != computed || own.CostReported {
						t.Errorf("%s%s for %s: own price %d, reported %t, want %d", w.name, c.more, caller.name, own.CostNano, own.CostReported, computed)
					}
					want, reported := c.nano, c.nano >= 0
					if !reported {
						want = computed
					}
					if list.CostNano != want || list.PriceNano != want || list.CostReported != reported {
						t.Errorf("%s%s for %s: list price %d, reported %t, want %d", w.name, c.more, caller.name, list.CostNano, list.CostReported, want)
					}
				}
			}
		}
	}
	t.Logf("%d calls", cw.n)
}
