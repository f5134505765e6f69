package catalog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/proto/money"
)

func TestOurListIsPlausible(t *testing.T) {
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	providers := map[string]int{}
	for _, l := range list {
		providers[l.Entry.Provider]++
		r := l.Rates
		if r.Input == 0 {
			t.Errorf("%s costs nothing", l.Entry.ID)
		}
		if r.Output < r.Input && r.Output != 0 {
			t.Errorf("%s: output is cheaper than input", l.Entry.ID)
		}
		if r.CacheRead != nil && *r.CacheRead > r.Input {
			t.Errorf("%s: a cache read costs more than input", l.Entry.ID)
		}
		if l.EffectiveFrom.After(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s begins in the future", l.Entry.ID)
		}
		if l.Entry.ContextWindow == 0 {
			t.Errorf("%s has no context window", l.Entry.ID)
		}
		if _, err := (&Entry{ID: l.Entry.ID, Provider: l.Entry.Provider, ProviderModel: l.Entry.ProviderModel,
			Prices: []Price{{ID: "prc_x", Side: Cost, Origin: FromCatalog, EffectiveFrom: l.EffectiveFrom, Rates: r}}}).Resource(time.Now()); err != nil {
			t.Errorf("%s: %v", l.Entry.ID, err)
		}
	}
	for _, p := range []string{"openai", "anthropic", "google", "mistral", "groq", "together", "deepseek", "xai", "cohere", "demo"} {
		if providers[p] == 0 {
			t.Errorf("no model of %s", p)
		}
	}
}

func TestOurFactsAreOfOurModels(t *testing.T) {
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*Capabilities{}
	for _, l := range list {
		known[l.Entry.ID] = l.Entry.Capabilities
	}
	takes := func(id, what string) bool { return known[id] == nil || slices.Contains(known[id].Input, what) }
	for _, c := range []struct {
		id, what string
		want     bool
	}{
		{"openai/gpt-4o-mini", "image", true}, {"openai/gpt-4o-mini", "audio", false}, {"openai/o3-mini", "image", false},
		{"anthropic/claude-sonnet-4-5", "document", true}, {"google/gemini-2.5-pro", "audio", true}, {"demo/demo", "audio", true},
	} {
		if takes(c.id, c.what) != c.want {
			t.Errorf("%s takes %s: %v", c.id, c.what, !c.want)
		}
	}
	if c := known["openai/text-embedding-3-small"]; c == nil || !slices.Equal(c.Operations, []string{"embeddings"}) {
		t.Errorf("embeddings: %+v", c)
	}
	// The built-in model that answers everything is bound to nothing; the others are.
	if known["demo/demo"] != nil || known["demo/demo-embed"] == nil || slices.Contains(known["demo/demo-rerank"].Operations, "chat") {
		t.Error("the built-in models")
	}
	for _, bad := range []string{"openai,x,many,chat,text,text,yes,no,no,no,", "openai,x,,chat,Text,text,yes,no,no,no,", "openai,x,,chat,text,text,maybe,no,no,no,",
		"openai,x,,chat,text,text,yes,no,no,no,soon", "openai,x", "openai,x,,,,,,,,,\nopenai,x,,,,,,,,,"} {
		if _, err := parseFacts(strings.NewReader(factsHeader + "\n" + bad + "\n")); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestABrokenListIsRefusedWhole(t *testing.T) {
	good := "openai,gpt-x,X,1000,,2026-01-01,1,2,,,,,,,https://example.com"
	for name, lines := range map[string]string{
		"negative price":   "openai,gpt-y,Y,1000,,2026-01-01,-1,2,,,,,,,https://example.com",
		"absurd price":     "openai,gpt-y,Y,1000,,2026-01-01,1,2000000,,,,,,,https://example.com",
		"empty price":      "openai,gpt-y,Y,1000,,2026-01-01,,2,,,,,,,https://example.com",
		"exponent":         "openai,gpt-y,Y,1000,,2026-01-01,1e-7,2,,,,,,,https://example.com",
		"no source":        "openai,gpt-y,Y,1000,,2026-01-01,1,2,,,,,,,",
		"bad date":         "openai,gpt-y,Y,1000,,2026-13-01,1,2,,,,,,,https://example.com",
		"too few columns":  "openai,gpt-y,Y,1000",
		"twice":            good,
		"no provider":      ",gpt-y,Y,1000,,2026-01-01,1,2,,,,,,,https://example.com",
		"no such window":   "openai,gpt-y,Y,big,,2026-01-01,1,2,,,,,,,https://example.com",
		"bad cache price":  "openai,gpt-y,Y,1000,,2026-01-01,1,2,x,,,,,,https://example.com",
		"bad request rate": "openai,gpt-y,Y,1000,,2026-01-01,1,2,,,,,,x,https://example.com",
	} {
		if _, err := parseList(strings.NewReader(listHeader + "\n" + good + "\n" + lines + "\n")); err == nil {
			t.Errorf("%s: the list was taken", name)
		}
	}
	if _, err := parseList(strings.NewReader("a,b\n")); err == nil {
		t.Error("another header was taken")
	}
	if _, err := parseList(strings.NewReader(listHeader + "\n")); err == nil {
		t.Error("an empty list was taken")
	}
	if l, err := parseList(strings.NewReader(listHeader + "\n" + good + "\n")); err != nil || len(l) != 1 {
		t.Errorf("the good line: %v, %v", l, err)
	}
}

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func price(id string, o Origin, s Side, from time.Time, input money.Nano) Price {
	return Price{ID: id, Origin: o, Side: s, EffectiveFrom: from, Rates: Rates{Input: input}}
}

func TestWhoseprice(t *testing.T) {
	shared := []Price{
		price("cat1", FromCatalog, Cost, day(1), 10), price("cat2", FromCatalog, Cost, day(5), 11),
		price("op1", FromOperator, Cost, day(10), 12), price("cat3", FromCatalog, Cost, day(12), 13),
		price("sell", FromOperator, Sell, day(3), 20),
	}
	m := &Model{Shared: shared}
	check := func(at time.Time, cost, sell string) {
		t.Helper()
		got := func(p *Price) string {
			if p == nil {
				return ""
			}
			return p.ID
		}
		if g := got(m.CostAt(at)); g != cost {
			t.Errorf("cost at %s is %q, want %q", at.Format(time.DateOnly), g, cost)
		}
		if g := got(m.SellAt(at)); g != sell {
			t.Errorf("sell at %s is %q, want %q", at.Format(time.DateOnly), g, sell)
		}
	}
	check(day(1), "cat1", "")
	check(day(6), "cat2", "sell")
	check(day(13), "op1", "sell") // the operator's wins over a newer one of the list
	m.Own = []Price{price("mine", FromTenant, Cost, day(8), 1), price("ours", FromOperator, Cost, day(14), 2), price("deal", FromOperator, Sell, day(9), 3)}
	check(day(7), "cat2", "sell")
	check(day(8), "mine", "sell")
	check(day(15), "mine", "deal") // the tenant's own wins over a newer one of the operator
	m.Own = m.Own[1:2]
	check(day(13), "op1", "sell")
	check(day(14), "ours", "sell")
}

// A data plane knows only what the payload says; it must choose as we do, now
// and later, also when a price of one's own begins in the future.
func TestThePayloadChoosesAsWeDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := day(rapid.IntRange(1, 20).Draw(t, "now"))
		draw := func(label string, origins ...Origin) (out []Price) {
			for i := range rapid.IntRange(0, 5).Draw(t, label) {
				p := price(label+string(rune('a'+i)), rapid.SampledFrom(origins).Draw(t, "origin"), Cost, day(rapid.IntRange(1, 25).Draw(t, "day")), money.Nano(i))
				p.CreatedAt = day(1).Add(time.Duration(i))
				out = append(out, p)
			}
			return out
		}
		m := &Model{Own: draw("own", FromTenant, FromOperator), Shared: draw("shared", FromCatalog, FromOperator)}
		list := toProto(ModelCost(m.Own, m.Shared, now), now)
		if len(list) == 0 {
			list = toProto(CatalogCost(m.Shared), now)
		}
		for at := now; at.Before(day(26)); at = at.AddDate(0, 0, 1) {
			want := ""
			if p := m.CostAt(at); p != nil {
				want = p.ID
			}
			got := ""
			if p := money.Effective(list, at.Unix()); p != nil {
				got = p.Id
			}
			// After now, a tenant's own first price that is still to come has
			// the catalogue's prices of now before it.
			if got != want {
				t.Fatalf("at %s the payload says %q, we say %q", at.Format(time.DateOnly), got, want)
			}
		}
	})
}

func TestNextPriceOfTheList(t *testing.T) {
	l := Listing{Entry: Entry{ID: "openai/x"}, EffectiveFrom: day(3), Rates: Rates{Input: 5}}
	now := day(10)
	first := l.NextPrice(nil, now)
	if first == nil || !first.EffectiveFrom.Equal(day(3)) {
		t.Fatalf("first price: %+v", first)
	}
	if again := l.NextPrice([]Price{*first}, now); again != nil {
		t.Errorf("an unchanged price came again: %+v", again)
	}
	l.Rates.Input = 6
	if next := l.NextPrice([]Price{*first}, now); next == nil || !next.EffectiveFrom.Equal(now) {
		t.Errorf("a correction must begin now: %+v", next)
	}
	if next := l.NextPrice([]Price{price("op", FromOperator, Cost, day(1), 6)}, now); next == nil {
		t.Error("an operator's price hides ours from the list's history")
	}
}

func TestNewPriceBeginsNowOrLater(t *testing.T) {
	now := day(10).Add(1500 * time.Millisecond)
	n := NewPrice{}
	if err := n.Validate(now); err != nil || !n.EffectiveFrom.Equal(day(10).Add(time.Second)) {
		t.Errorf("without a moment: %v, %v", n.EffectiveFrom, err)
	}
	n = NewPrice{EffectiveFrom: day(9)}
	if err := n.Validate(now); err == nil {
		t.Error("a price in the past was taken")
	}
	n = NewPrice{Rates: Rates{Output: -1}}
	if err := n.Validate(now); err == nil {
		t.Error("a negative price was taken")
	}
}
