package dialect_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// extractor is a public rule for what a provider's report says.
type extractor struct {
	Flavour  string `json:"api_flavor"`
	Root     any
	Mappings []struct {
		Path any
		Dest string
	}
}

// names are the path as names of members; nil where it is more than that.
func names(path any) (all []string) {
	switch p := path.(type) {
	case string:
		return []string{p}
	case []any:
		for _, e := range p {
			name, ok := e.(string)
			if !ok {
				return nil
			}
			all = append(all, name)
		}
	}
	return all
}

// plausible is a count for each class that an extractor may name: parts are
// less than what they are part of, and no two are equal.
var plausible = map[string]int64{
	"input_tokens": 1000, "cache_read_tokens": 300, "cache_write_tokens": 170, "input_audio_tokens": 90,
	"output_tokens": 500, "output_audio_tokens": 70,
}

// report makes a report with a count at each place that the extractor reads,
// and what it reads of that.
func (e *extractor) report() (raw []byte, as canon.Dialect, extracted map[string]int64) {
	body := map[string]any{}
	extracted = map[string]int64{}
	for _, m := range e.Mappings {
		path := names(m.Path)
		if path == nil || plausible[m.Dest] == 0 {
			return nil, "", nil
		}
		at := body
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		last := path[len(path)-1]
		if at[last] == nil || m.Dest != "input_tokens" {
			at[last] = plausible[m.Dest]
		}
	}
	for _, m := range e.Mappings {
		at := any(body)
		for _, name := range names(m.Path) {
			at = at.(map[string]any)[name]
		}
		extracted[m.Dest] += at.(int64)
	}
	_, chat := body["prompt_tokens"]
	_, writes := body["cache_creation_input_tokens"]
	_, aws := body["inputTokens"]
	_, tokens := body["tokens"]
	_, completes := body["completion_tokens"]
	switch {
	case chat && completes:
		as = canon.OpenAIChat
	case chat:
		as = "openai embeddings"
	case writes:
		as = canon.Anthropic
	case aws:
		as = canon.Bedrock
	case tokens:
		as = canon.Cohere
	case e.Flavour == "responses":
		as = canon.Responses
	}
	raw, _ = json.Marshal(body)
	return raw, as, extracted
}

// TestEveryExtractor: a report with all that a provider's public rule knows is
// read as the rule reads it.
func TestEveryExtractor(t *testing.T) {
	var providers []struct {
		ID         string
		Extractors []extractor
	}
	data := recordings.Read(t, filepath.Join(recordings.Dir(t), "../prices/genai-prices/data.json"))
	if err := json.Unmarshal(data, &providers); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, p := range providers {
		for _, e := range p.Extractors {
			raw, as, theirs := e.report()
			if as == "" {
				continue // Rules with conditions, and of parts of a report.
			}
			tried++
			u := readUsage(t, as, raw)
			got := ours(&u)
			for _, key := range slices.Sorted(maps.Keys(theirs)) {
				if got[key] != theirs[key] {
					t.Errorf("%s %s: %s is %d, want %d of %s", p.ID, e.Flavour, key, got[key], theirs[key], raw)
				}
			}
		}
	}
	if tried < 40 {
		t.Errorf("%d rules were tried", tried)
	}
	t.Logf("%d rules of %d providers", tried, len(providers))
}
