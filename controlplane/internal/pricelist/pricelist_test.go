package pricelist_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/pricelist"
	"github.com/tollgate/tollgate/proto/configcheck"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// lists are the public lists by format; several files are a tree of tables.
var lists = map[string]string{
	pricelist.GenaiPrices: "genai-prices/data.json", pricelist.LiteLLM: "litellm-format/model_prices.json",
	pricelist.ModelsDev: "models.dev/providers", pricelist.OpenRouter: "models.dev/models.json",
}

func load(t testing.TB, format string) []pricelist.File {
	t.Helper()
	root := filepath.Join("../../../../shared/data/prices", lists[format])
	if _, err := os.Stat(root); err != nil {
		t.Skip("the public lists are not here")
	}
	var out []pricelist.File
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() || p != root && !strings.HasSuffix(p, ".toml") {
			return err
		}
		b, err := os.ReadFile(p)
		out = append(out, pricelist.File{Name: p, Text: string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every price of every list is one that data planes take, and the format is
// found out.
func TestPublicLists(t *testing.T) {
	least := map[string]int{pricelist.GenaiPrices: 1200, pricelist.LiteLLM: 800, pricelist.ModelsDev: 400, pricelist.OpenRouter: 300}
	for format := range lists {
		t.Run(format, func(t *testing.T) {
			l, err := pricelist.Parse("", load(t, format))
			if err != nil {
				t.Fatal(err)
			}
			if l.Format != format {
				t.Fatalf("taken for %s", l.Format)
			}
			priced, capable, variants, seen := 0, 0, 0, map[string]bool{}
			for _, m := range l.Models {
				if seen[m.ID()] || !configcheck.ValidCatalogID(m.ID()) {
					t.Errorf("%s: %s stands twice or is no id", m.Where, m.ID())
				}
				seen[m.ID()] = true
				if len(m.Prices) > 0 {
					priced++
				}
				if m.Capabilities != nil {
					capable++
				}
				for _, p := range m.Prices {
					variants += len(p.Variants)
					if err := configcheck.CheckRates(m.Where+": ", p); err != nil {
						t.Error(err)
					}
				}
			}
			unknown := 0
			for _, n := range l.Unknown {
				unknown += n
			}
			t.Logf("%d models, %d priced, %d variants, %d with capabilities, %d notes, %d of %d unknown providers",
				len(l.Models), priced, variants, capable, len(l.Left), unknown, len(l.Unknown))
			if priced < least[format] {
				t.Errorf("%d models have a price, want %d", priced, least[format])
			}
		})
	}
}

// Prices that were read off the lists by hand: nano-dollars per million.
var byHand = []struct{ format, id, want string }{
	{pricelist.GenaiPrices, "anthropic/claude-haiku-4-5", `input: 1000000000 output: 5000000000 cache_read: 100000000 cache_write: 1250000000`},
	// A tier by length.
	{pricelist.GenaiPrices, "anthropic/claude-sonnet-4-5", `input: 3000000000 output: 15000000000 cache_read: 300000000 cache_write: 3750000000
		variants: {above_input_tokens: 200000 price: {input: 6000000000 output: 22500000000 cache_read: 600000000 cache_write: 7500000000}}`},
	// Half the price at night: the day's price is a span of its own.
	{pricelist.GenaiPrices, "deepseek/deepseek-chat", `input: 135000000 output: 550000000 cache_read: 35000000
		variants: {from_minute: 30 to_minute: 990 price: {input: 270000000 output: 1100000000 cache_read: 70000000}}`},
	// Three names of the same model; one rule gives this one word for word.
	{pricelist.GenaiPrices, "openai/o3-2025-04-16", `input: 10000000000 output: 40000000000 cache_read: 500000000`},
	{pricelist.LiteLLM, "openai/gpt-4o", `input: 2500000000 output: 10000000000 cache_read: 1250000000
		variants: {service_tier: "batch" price: {input: 1250000000 output: 5000000000 cache_read: 1250000000}}`},
	{pricelist.LiteLLM, "openai/whisper-1", `per_audio_minute: 6000000`},
	{pricelist.LiteLLM, "openai/tts-1", `per_million_characters: 15000000000`},
	{pricelist.LiteLLM, "cohere/rerank-english-v3.0", `per_search: 2000000`},
	{pricelist.LiteLLM, "anthropic/claude-3-5-sonnet-20241022", `input: 3000000000 output: 15000000000 cache_read: 300000000 cache_write: 3750000000`},
	{pricelist.LiteLLM, "anthropic/claude-4-sonnet-20250514", `input: 3000000000 output: 15000000000 cache_read: 300000000 cache_write: 3750000000 per_search: 10000000
		variants: {above_input_tokens: 200000 price: {input: 6000000000 output: 22500000000 cache_read: 600000000 cache_write: 7500000000 per_search: 10000000}}`},
	{pricelist.LiteLLM, "google/gemini-2.5-flash-preview-04-17", `input: 150000000 output: 600000000 cache_read: 37500000 audio_input: 1000000000 reasoning: 3500000000`},
	{pricelist.ModelsDev, "openai/gpt-5.4", `input: 2500000000 output: 15000000000 cache_read: 250000000
		variants: {service_tier: "priority" price: {input: 5000000000 output: 30000000000 cache_read: 500000000}}
		variants: {above_input_tokens: 272000 price: {input: 5000000000 output: 22500000000 cache_read: 500000000}}`},
	{pricelist.ModelsDev, "google/gemini-2.5-pro", `input: 1250000000 output: 10000000000 cache_read: 125000000
		variants: {above_input_tokens: 200000 price: {input: 2500000000 output: 15000000000 cache_read: 250000000}}`},
	// It takes over another model but for its tiers.
	{pricelist.ModelsDev, "aws-bedrock/openai.gpt-5.4", `input: 2750000000 output: 16500000000 cache_read: 275000000`},
	{pricelist.OpenRouter, "openrouter/anthropic/claude-opus-4.7-fast", `input: 30000000000 output: 150000000000 cache_read: 3000000000 cache_write: 37500000000 per_search: 10000000`},
}

func TestPricesReadByHand(t *testing.T) {
	read := map[string]*pricelist.List{}
	for _, c := range byHand {
		if read[c.format] == nil {
			l, err := pricelist.Parse(c.format, load(t, c.format))
			if err != nil {
				t.Fatal(err)
			}
			read[c.format] = l
		}
		same(t, read[c.format], c.id, c.want)
	}
	// A price that changes on a day: before, and from then on.
	for _, m := range read[pricelist.GenaiPrices].Models {
		if m.ID() == "openai/o3" && (len(m.Prices) != 2 || m.Prices[1].EffectiveFromUnix != 1749513600 || m.Prices[1].Input != 2_000_000_000) {
			t.Errorf("o3 costs %v", m.Prices)
		}
	}
}

func same(t *testing.T, l *pricelist.List, id, want string) {
	t.Helper()
	w := &configv1.Price{}
	if err := prototext.Unmarshal([]byte(want), w); err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Models {
		if m.ID() != id {
			continue
		}
		if len(m.Prices) == 0 || !proto.Equal(m.Prices[0], w) {
			t.Errorf("%s of %s costs\n%v, want\n%v", id, l.Format, m.Prices, w)
		}
		return
	}
	t.Errorf("%s has no %s", l.Format, id)
}

// Endings of names that today's lists do not all have.
func TestEndingsOfLiteLLM(t *testing.T) {
	l, err := pricelist.Parse("", []pricelist.File{{Text: `{"sample_spec":{"litellm_provider":"x"},"gpt-x":{"litellm_provider":"openai","mode":"chat",
		"input_cost_per_token":1e-06,"output_cost_per_token":2E-6,"input_cost_per_token_priority":2e-06,"output_cost_per_token_priority":4e-06,
		"input_cost_per_token_flex":5e-07,"input_cost_per_token_above_200k_tokens":3e-06,"input_cost_per_token_above_200k_tokens_priority":6e-06,
		"cache_creation_input_token_cost_above_1hr":7e-06,"cache_creation_input_token_cost_above_1hr_above_200k_tokens":9e-06,
		"search_context_cost_per_query":{"search_context_size_low":0.01,"search_context_size_medium":0.02,"search_context_size_high":0.03},
		"citation_cost_per_token":1e-06,"input_cost_per_pixel":0.0}}`}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, l, "openai/gpt-x", `input: 1000000000 output: 2000000000 cache_write_hour: 7000000000 per_search: 20000000
		variants: {above_input_tokens: 200000 service_tier: "priority" price: {input: 6000000000 output: 4000000000 cache_write_hour: 9000000000 per_search: 20000000}}
		variants: {service_tier: "flex" price: {input: 500000000 output: 2000000000 cache_write_hour: 7000000000 per_search: 20000000}}
		variants: {service_tier: "priority" price: {input: 2000000000 output: 4000000000 cache_write_hour: 7000000000 per_search: 20000000}}
		variants: {above_input_tokens: 200000 price: {input: 3000000000 output: 2000000000 cache_write_hour: 9000000000 per_search: 20000000}}`)
	var left []string
	for _, n := range l.Left {
		left = append(left, n.Where)
	}
	if got := strings.Join(left, " "); got != "gpt-x.citation_cost_per_token gpt-x.search_context_cost_per_query" {
		t.Errorf("left out: %s", got)
	}
}

func TestModelsDevInJSON(t *testing.T) {
	l, err := pricelist.Parse("", []pricelist.File{{Text: `{"xai":{"id":"xai","models":{"grok-x":{"id":"grok-x","name":"Grok X","tool_call":true,"reasoning":true,
		"temperature":true,"structured_output":false,"modalities":{"input":["text","pdf"],"output":["text"]},"limit":{"context":256000,"output":64000},
		"cost":{"input":3,"output":15,"reasoning":16.5,"input_audio":4,"output_audio":5,"cache_write":0.1234567894,"context_over_200k":{"input":6,"output":30}}}}}}`}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, l, "xai/grok-x", `input: 3000000000 output: 15000000000 reasoning: 16500000000 audio_input: 4000000000 audio_output: 5000000000 cache_write: 123456789
		variants: {above_input_tokens: 200000 price: {input: 6000000000 output: 30000000000 reasoning: 16500000000 audio_input: 4000000000 audio_output: 5000000000 cache_write: 123456789}}`)
	m := l.Models[0]
	want := &configv1.Capabilities{Operations: []string{"chat"}, Input: []string{"text", "document"}, Output: []string{"text"}, Tools: true, Reasoning: true, Temperature: true}
	if m.ContextWindow != 256000 || m.MaxOutputTokens != 64000 || m.Label != "Grok X" || !proto.Equal(m.Capabilities, want) {
		t.Errorf("facts: %+v", m)
	}
}

func TestNamesThatRulesMatch(t *testing.T) {
	l, err := pricelist.Parse("", []pricelist.File{{Text: `[{"id":"openai","models":[{"id":"a-1","match":{"or":[{"starts_with":"A-1"},{"and":[{"contains":"-x"},{"ends_with":"9"}]},
		{"regex":"^re[0-9]+$"},{"equals":"alias"}]},"prices":{"input_mtok":1}}]}]`}})
	if err != nil {
		t.Fatal(err)
	}
	m := l.Models[0]
	for name, want := range map[string]bool{"a-1-2025": true, "b-x-9": true, "b-x": false, "re12": true, "re": false, "ALIAS": true, "b": false} {
		if m.Matches(name) != want {
			t.Errorf("%s matches: %v", name, !want)
		}
	}
	if len(l.Models) != 2 || l.Models[1].ID() != "openai/alias" {
		t.Errorf("models: %+v", l.Models)
	}
}

// A list that breaks its schema anywhere is refused, with the place.
func TestBrokenListsNameThePlace(t *testing.T) {
	genai := func(model string) string { return `[{"id":"openai","models":[` + model + `]}]` }
	lite := func(fields string) string {
		return `{"m":{"litellm_provider":"openai","mode":"chat",` + fields + `}}`
	}
	for _, c := range []struct{ text, path string }{
		{``, "byte 0"}, {`[1] 2`, "byte"}, {`{"a":`, "byte 5"}, {`7`, "the list"}, {`{}`, ""}, {`[]`, ""},
		{genai(`{"match":{"equals":"a"},"prices":{}}`), "[0].models[0].id"},
		{genai(`{"id":"a","match":{"like":"a"},"prices":{}}`), "[0].models[0].match.like"},
		{genai(`{"id":"a","match":{"regex":"("},"prices":{}}`), "[0].models[0].match.regex"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":-1}}`), "[0].models[0].prices.input_mtok"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":"x"}}`), "[0].models[0].prices.input_mtok"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":1e99}}`), "[0].models[0].prices.input_mtok"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":{"inptu":1}}`), "[0].models[0].prices.inptu"},
		{genai(`{"id":"a","match":{"equals":"a"},"price":{"input_mtok":1}}`), "[0].models[0].price"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":[{"constraint":{"weekday":1},"prices":{}}]}`), "[0].models[0].prices[0].constraint.weekday"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":[{"constraint":{"start_time":"25:00:00Z","end_time":"01:00:00Z"},"prices":{}}]}`), "[0].models[0].prices[0].constraint.start_time"},
		{genai(`{"id":"a","match":{"equals":"a"},"prices":{"input_mtok":{"base":1,"tiers":[{"start":0,"price":1}]}}}`), "[0].models[0].prices.input_mtok.tiers[0].start"},
		{lite(`"input_cost_per_token":true`), "m.input_cost_per_token"},
		{lite(`"input_cost_per_token":0.15`), "m.input_cost_per_token"}, // dollars per million in a field per token
		{lite(`"input_cost_per_token":1e-6,"deprecation_date":"soon"`), "m.deprecation_date"},
		{lite(`"input_cost_per_token":1e-6,"supports_vision":"yes"`), "m.supports_vision"},
		{`{"m":{"litellm_provider":"openai"},"n":[]}`, "n"},
		{`{"openai":{"models":{"a":{"cost":{"input":"1,5"}}}}}`, "openai.models.a.cost.input"},
		{`{"openai":{"models":{"a":{"cost":{"input":1,"tiers":[{"tier":{"type":"day","size":5}}]}}}}}`, "openai.models.a.cost.tiers[0].tier"},
		{`{"data":[{"id":"a/b","pricing":{"prompt":1e-99999}}]}`, "data[0].pricing.prompt"},
	} {
		_, err := pricelist.Parse("", []pricelist.File{{Name: "list.json", Text: c.text}})
		bad, ok := errors.AsType[*pricelist.BadList](err)
		if !ok || len(bad.Problems) == 0 {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if c.path != "" && !strings.HasPrefix(bad.Problems[0].Path, c.path) {
			t.Errorf("%s: the problem is at %s, want %s", c.text, bad.Problems[0].Path, c.path)
		}
	}
	_, err := pricelist.Parse("", []pricelist.File{{Name: "providers/openai/models/a.toml", Text: "name = \"x\"\ncost = 1 2"}})
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a broken table: %v", err)
	}
}

// Whatever is read is something that data planes take; nothing panics.
func FuzzParse(f *testing.F) {
	f.Add("list.json", `[{"id":"deepseek","models":[{"id":"a","match":{"or":[{"equals":"a"}]},"prices":[{"prices":{"input_mtok":{"base":1,"tiers":[{"start":9,"price":2}]}}},{"constraint":{"start_time":"00:30:00Z","end_time":"16:30:00Z"},"prices":{"input_mtok":1.5}}]}]}]`)
	f.Add("list.json", `{"gpt-x":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-06,"input_cost_per_token_above_200k_tokens_priority":2e-06,"search_context_cost_per_query":{"search_context_size_medium":0.02}}}`)
	f.Add("list.json", `{"xai":{"models":{"g":{"cost":{"input":3,"context_over_200k":{"input":6}},"modalities":{"input":["text"],"output":["text"]},"tool_call":true}}}}`)
	f.Add("list.json", `{"data":[{"id":"a/b","pricing":{"prompt":"0.000001","web_search":"0.01"},"supported_parameters":["tools"]}]}`)
	f.Add("p/openai/models/a.toml", "name = \"A\"\n[cost]\ninput = 1_0.5\n[[cost.tiers]]\ntier = { size = 5 }\ninput = 2\n[limit]\ncontext = 9")
	f.Fuzz(func(t *testing.T, name, text string) {
		l, err := pricelist.Parse("", []pricelist.File{{Name: name, Text: text}})
		if err != nil {
			if _, ok := errors.AsType[*pricelist.BadList](err); !ok {
				t.Fatalf("not a problem of the list: %v", err)
			}
			return
		}
		for _, m := range l.Models {
			for _, p := range m.Prices {
				if len(p.Variants) > configcheck.MaxVariants {
					continue // refused whole when it is taken over
				}
				if err := configcheck.CheckRates("", p); err != nil {
					t.Fatalf("%s: %v", m.ID(), err)
				}
			}
		}
	})
}

// A short list cannot stand for hours of work, nor for all of the memory.
func TestListsThatAreLargeOnceRead(t *testing.T) {
	var inherit, rules strings.Builder
	inherit.WriteString(`{"openai":{"models":{"base":{"z":{"a":1`)
	for i := range 500 {
		fmt.Fprintf(&inherit, `,"k%d":1`, i)
	}
	inherit.WriteString(`}},"m":{"base_model":"openai/base","cost":{"input":1}}}}}`)
	rules.WriteString(`[{"id":"openai","models":[{"id":"m","prices":{"input_mtok":1},"match":{"or":[{"equals":"m"}`)
	for range 100 {
		rules.WriteString(`,{"regex":"a{1000}b{1000}c{1000}d{1000}"}`)
	}
	rules.WriteString(`]}}]}]`)
	for text, where := range map[string]string{inherit.String(): "openai.models.m.base_model", rules.String(): "[0].models[0].match.or["} {
		_, err := pricelist.Parse("", []pricelist.File{{Name: "a.json", Text: text}})
		var bad *pricelist.BadList
		if !errors.As(err, &bad) || !strings.HasPrefix(bad.Problems[0].Path, where) {
			t.Errorf("%.60s…: %v", text, err)
		}
	}
}
