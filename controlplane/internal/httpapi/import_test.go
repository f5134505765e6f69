package httpapi_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const importPath = "/v1/operator/prices/import"

func list(text string) []m { return []m{{"name": "list.json", "text": text}} }

// counts are what an import says it did.
func counts(a answer) [5]float64 {
	n := func(k string) float64 { v, _ := a.body[k].(float64); return v }
	return [5]float64{n("new"), n("changed"), n("gone"), n("pinned"), n("same")}
}

func (s *stage) entry(provider, id string) map[string]any {
	s.t.Helper()
	for _, r := range s.want(200, "GET", "/v1/catalog/models?limit=100&provider="+provider, s.operator, nil).rows() {
		if r["id"] == id {
			return r
		}
	}
	return nil
}

func TestAListIsTakenOverOrLeftWhole(t *testing.T) {
	s := newStage(t)
	s.seedCatalog()
	acc := s.signUp("Acme")
	const grok = `{"xai":{"models":{"grok-x":{"name":"Grok X","tool_call":true,"modalities":{"input":["text"],"output":["text"]},"limit":{"context":1000,"output":100},` +
		`"cost":{"input":3,"output":15,"context_over_200k":{"input":6,"output":30}}},"grok-y":{"cost":{"input":1,"output":2}}}}}`
	body := m{"files": list(grok), "source": "https://example.com/list", "dry_run": true}
	s.refused("operator_only", "POST", importPath, acc.owner, body)
	if a := s.want(200, "POST", importPath, s.operator, body); counts(a) != [5]float64{2} || a.str("format") != "models.dev" || a.body["change_id"] != nil {
		t.Errorf("dry run: %s", a.raw)
	}
	if s.entry("xai", "xai/grok-x") != nil {
		t.Error("a dry run added a model")
	}
	body["dry_run"] = false
	if a := s.want(200, "POST", importPath, s.operator, body); counts(a) != [5]float64{2} || a.body["change_id"] == nil {
		t.Errorf("import: %s", a.raw)
	}
	got := s.entry("xai", "xai/grok-x")
	price := got["cost_price"].(map[string]any)
	variant := price["variants"].([]any)[0].(map[string]any)
	if price["origin"] != "import" || price["source"] != "https://example.com/list" || variant["above_input_tokens"] != 200000.0 ||
		variant["price"].(map[string]any)["output"] != "30.00" || got["max_output_tokens"] != 100.0 || got["capabilities"].(map[string]any)["tools"] != true || got["name"] != "Grok X" {
		t.Errorf("the entry: %v", got)
	}
	if n := len(s.payloads("xai/grok-x")); n != 1 {
		t.Errorf("it was published %d times", n)
	}
	if a := s.want(200, "POST", importPath, s.operator, body); counts(a) != [5]float64{0, 0, 0, 0, 2} || a.body["change_id"] != nil {
		t.Errorf("the second time: %s", a.raw)
	}
	audit := s.want(200, "GET", "/v1/operator/audit?limit=1", s.operator, nil).rows()[0]
	if audit["action"] != "prices.import" || audit["resource_id"] != "models.dev" {
		t.Errorf("audit: %v", audit)
	}

	// A list that breaks in one place changes nothing.
	for _, bad := range []string{strings.Replace(grok, `"input":3`, `"input":-3`, 1), grok[:len(grok)-1], strings.Replace(grok, `"output":2`, `"output":"2,5"`, 1)} {
		s.refused("validation_failed", "POST", importPath, s.operator, m{"files": list(strings.Replace(bad, `"input":1,`, `"input":99,`, 1))})
	}
	if p := s.entry("xai", "xai/grok-y")["cost_price"].(map[string]any); p["input"] != "1.00" {
		t.Errorf("a broken list set %v", p)
	}

	// One model pinned, one set by the operator, one gone, at a day to come.
	s.want(200, "PATCH", "/v1/operator/catalog/models", s.operator, m{"id": "xai/grok-x", "pinned": true})
	next := strings.NewReplacer(`"input":3`, `"input":4`, `"grok-y"`, `"grok-z"`).Replace(grok)
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(next)}); counts(a) != [5]float64{1, 0, 1, 1, 0} {
		t.Errorf("with a pinned one: %s", a.raw)
	}
	if p := s.entry("xai", "xai/grok-x")["cost_price"].(map[string]any); p["input"] != "3.00" {
		t.Errorf("the pinned price became %v", p)
	}
	s.want(201, "POST", "/v1/operator/prices", s.operator, m{"catalog_id": "xai/grok-z", "side": "cost", "price": m{"input": "7", "output": "7"}})
	next = strings.Replace(next, `"input":1,`, `"input":2,`, 1)
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(next)}); counts(a) != [5]float64{0, 0, 1, 2, 0} {
		t.Errorf("with one of the operator's: %s", a.raw)
	}
	s.refused("validation_failed", "POST", importPath, s.operator, m{"files": list(next), "effective_from": "2020-01-01T00:00:00Z"})
	s.want(200, "PATCH", "/v1/operator/catalog/models", s.operator, m{"id": "xai/grok-x", "pinned": false})
	later := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	a := s.want(200, "POST", importPath, s.operator, m{"files": list(next), "effective_from": later})
	if counts(a) != [5]float64{0, 1, 1, 1, 0} || !strings.Contains(a.raw, `"name":"input","new":"4.00","old":"3.00"`) {
		t.Errorf("for a day to come: %s", a.raw)
	}
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(next), "effective_from": later}); counts(a) != [5]float64{0, 0, 1, 1, 1} {
		t.Errorf("for a day to come, again: %s", a.raw)
	}
	if p := s.entry("xai", "xai/grok-x")["cost_price"].(map[string]any); p["input"] != "3.00" {
		t.Errorf("before that day it costs %v", p)
	}
	s.clock.advance(49 * time.Hour)
	if p := s.entry("xai", "xai/grok-x")["cost_price"].(map[string]any); p["input"] != "4.00" {
		t.Errorf("after that day it costs %v", p)
	}
	// Our own list leaves what was imported.
	s.seedCatalog()
	if p := s.entry("xai", "xai/grok-x")["cost_price"].(map[string]any); p["input"] != "4.00" {
		t.Errorf("seeding set %v", p)
	}
}

// A price that changes by date in the list, and an earlier import's price to
// come that a newer list no longer has.
// A model may be added before the catalogue knows it: it is blocked for want of
// a price, and the list that comes later is the remedy.
func TestModelsGetThePricesOfAListThatComesLater(t *testing.T) {
	s := newStage(t)
	acc := s.signUp("Acme")
	cred := s.want(201, "POST", acc.path("/credentials"), acc.owner, m{"name": "xAI", "provider": "xai", "secret": providerSecret}).str("id")
	add := func(name string, more m) string {
		body := m{"credential_id": cred, "provider_model": name}
		maps.Copy(body, more)
		return s.want(201, "POST", acc.path("/models"), acc.owner, body).str("id")
	}
	plain, own, other := add("grok-x", nil), add("grok-y", m{"price": m{"input": "9", "output": "9"}}), add("grok-else", nil)
	model := func(id string) answer { return s.want(200, "GET", acc.path("/models/"+id), acc.owner, nil) }
	if a := model(plain); a.body["priced"] != false || a.body["catalog_id"] != nil {
		t.Fatalf("before the list: %s", a.raw)
	}
	s.want(200, "POST", importPath, s.operator, m{"files": list(`{"xai":{"models":{"grok-x":{"cost":{"input":3,"output":15}},"grok-y":{"cost":{"input":1,"output":2}}}}}`)})
	if a := model(plain); a.body["priced"] != true || a.str("catalog_id") != "xai/grok-x" || a.header.Get("ETag") != `"2"` {
		t.Errorf("after it: %s", a.raw)
	}
	if got := s.payloads(plain); len(got) != 2 || !strings.Contains(got[1], "xai/grok-x") {
		t.Errorf("data planes were told %d times: %q", len(got), got)
	}
	if a := model(own); !strings.Contains(a.raw, `"input":"9.00"`) || a.str("catalog_id") != "xai/grok-y" {
		t.Errorf("one with a price of its own: %s", a.raw)
	}
	if a := model(other); a.body["priced"] != false || a.header.Get("ETag") != `"1"` {
		t.Errorf("one that the list does not have: %s", a.raw)
	}
	s.want(201, "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "xai", "provider_model": "grok-else", "price": m{"input": "1", "output": "1"}})
	if a := model(other); a.body["priced"] != true {
		t.Errorf("after the operator added it: %s", a.raw)
	}
}

func TestDatedPricesFollowTheList(t *testing.T) {
	s := newStage(t)
	day := func(n int) string { return time.Now().AddDate(0, 0, n).UTC().Format(time.DateOnly) }
	dated := `[{"id":"x-ai","models":[{"id":"g","match":{"starts_with":"g"},"prices":[{"prices":{"input_mtok":9,"output_mtok":9}},` +
		`{"constraint":{"start_date":"` + day(-9) + `"},"prices":{"input_mtok":1,"output_mtok":1}},` +
		`{"constraint":{"start_date":"` + day(9) + `"},"prices":{"input_mtok":2,"output_mtok":2}}]}]}]`
	s.want(201, "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "xai", "provider_model": "g-2026"})
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(dated)}); counts(a) != [5]float64{2, 2, 0, 0, 0} {
		t.Errorf("import: %s", a.raw)
	}
	input := func(id string) any { return s.entry("xai", id)["cost_price"].(map[string]any)["input"] }
	if input("xai/g") != "1.00" || input("xai/g-2026") != "1.00" {
		t.Errorf("now they cost %v and %v", input("xai/g"), input("xai/g-2026"))
	}
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(dated)}); counts(a) != [5]float64{0, 0, 0, 0, 2} {
		t.Errorf("again: %s", a.raw)
	}
	flat := `[{"id":"x-ai","models":[{"id":"g","match":{"starts_with":"g"},"prices":{"input_mtok":1,"output_mtok":1}}]}]`
	if a := s.want(200, "POST", importPath, s.operator, m{"files": list(flat)}); counts(a) != [5]float64{0, 2, 0, 0, 0} {
		t.Errorf("without the date: %s", a.raw)
	}
	s.clock.advance(10 * 24 * time.Hour)
	if input("xai/g") != "1.00" {
		t.Errorf("the withdrawn price is in force: %v", input("xai/g"))
	}
}

// Each public list is taken over, and a second time changes nothing.
func TestPublicListsAreTakenOver(t *testing.T) {
	s := newStage(t)
	s.seedCatalog()
	for _, path := range []string{"genai-prices/data.json", "litellm-format/model_prices.json", "models.dev/providers", "models.dev/models.json"} {
		t.Run(path, func(t *testing.T) {
			root := filepath.Join("../../../../shared/data/prices", path)
			if _, err := os.Stat(root); err != nil {
				t.Skip("the public lists are not here")
			}
			var files []m
			err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() || p != root && filepath.Ext(p) != ".toml" {
					return err
				}
				b, err := os.ReadFile(p)
				files = append(files, m{"name": p, "text": string(b)})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			s.t = t
			first := s.want(200, "POST", importPath, s.operator, m{"files": files})
			again := s.want(200, "POST", importPath, s.operator, m{"files": files})
			t.Logf("new, changed, gone, pinned, same: %v, then %v", counts(first), counts(again))
			if n := counts(first); n[0]+n[1] < 250 || n[3] != 0 {
				t.Errorf("the first time: %v", n)
			}
			if n := counts(again); n != [5]float64{0, 0, 0, 0, n[4]} || n[4] < 300 || again.body["change_id"] != nil {
				t.Errorf("the second time: %v", n)
			}
		})
	}
}

func TestPricesHaveAllClasses(t *testing.T) {
	s := newStage(t)
	classes := m{"input": "1.00", "output": "2.00", "cache_read": "0.10", "cache_write": "1.25", "cache_write_hour": "2.50", "audio_input": "3.00", "audio_output": "4.00",
		"audio_cache_read": "0.30", "image_input": "5.00", "image_output": "6.00", "reasoning": "7.00", "per_request": "0.005", "per_search": "0.01",
		"per_image": "0.04", "per_audio_minute": "0.006", "per_million_characters": "15.00"}
	price := m{"variants": []m{{"above_input_tokens": 200000, "service_tier": "batch", "from_minute": 1380, "to_minute": 60, "price": classes}}}
	for k, v := range classes {
		price[k] = v
	}
	made := s.want(201, "POST", "/v1/operator/catalog/models", s.operator, m{"provider": "acme", "provider_model": "a", "price": price})
	for range 2 {
		got := made.body["cost_price"].(map[string]any)
		variant := got["variants"].([]any)[0].(map[string]any)
		if variant["above_input_tokens"] != 200000.0 || variant["service_tier"] != "batch" || variant["from_minute"] != 1380.0 || variant["to_minute"] != 60.0 {
			t.Errorf("variant: %v", variant)
		}
		for k, v := range classes {
			if got[k] != v || variant["price"].(map[string]any)[k] != v {
				t.Errorf("%s is %v and %v, want %v", k, got[k], variant["price"].(map[string]any)[k], v)
			}
		}
		made.body = s.entry("acme", "acme/a")
	}
	for name, bad := range map[string]m{
		"no condition":  {"variants": []m{{"price": m{"input": "1", "output": "1"}}}},
		"half a minute": {"variants": []m{{"from_minute": 5, "to_minute": 5, "price": m{"input": "1", "output": "1"}}}},
		"late minute":   {"variants": []m{{"from_minute": 5, "to_minute": 1440, "price": m{"input": "1", "output": "1"}}}},
		"nested":        {"variants": []m{{"service_tier": "a", "price": m{"input": "1", "output": "1", "variants": []m{}}}}},
		"no amount":     {"variants": []m{{"service_tier": "a", "price": m{"input": "x", "output": "1"}}}},
		"negative":      {"per_image": "-1"},
		"too much":      {"per_search": "1000001"},
	} {
		bad["input"], bad["output"] = "1", "1"
		if a := s.call("POST", "/v1/operator/prices", s.operator, m{"catalog_id": "acme/a", "side": "sell", "price": bad}); a.status != 422 || a.str("code") != "validation_failed" {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
}
