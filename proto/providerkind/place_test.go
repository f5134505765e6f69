package providerkind_test

import (
	"testing"

	"github.com/tollgate/tollgate/proto/providerkind"
)

func TestModelsHaveTheirFamilies(t *testing.T) {
	for _, c := range []struct{ provider, model, dialect string }{
		{"openai", "gpt-4o-mini", ""}, {"openai", "gpt-5", ""}, {"openai", "o3", ""},
		{"openai", "o1-pro", providerkind.Responses}, {"openai", "gpt-5-pro-2025-10-06", providerkind.Responses}, {"openai", "gpt-5.1-codex-max", providerkind.Responses},
		{"openai", "gpt-4o-audio-preview-2025-06-03", providerkind.OpenAIChat}, {"openai", "gpt-4o-search-preview", providerkind.OpenAIChat},
		{"google-vertex", "gemini-2.5-pro", providerkind.Gemini}, {"google-vertex", "publishers/google/models/gemini-2.5-pro", providerkind.Gemini},
		{"google-vertex", "claude-sonnet-4@20250514", providerkind.Anthropic}, {"google-vertex", "anthropic/claude-opus-4", providerkind.Anthropic},
		{"google-vertex", "meta/llama-3.3-70b-instruct-maas", providerkind.OpenAIChat}, {"google-vertex", "endpoints/123", providerkind.Gemini},
		{"google-vertex", "text-embedding-005", ""}, {"anthropic", "claude-sonnet-4", ""},
	} {
		k, _ := providerkind.Find(c.provider)
		got := ""
		if f := k.FamilyOf(c.model); f != nil {
			got = f.Dialects[0]
		}
		if got != c.dialect {
			t.Errorf("%s %s speaks %q, want %q", c.provider, c.model, got, c.dialect)
		}
	}
}

func TestAddressesAreMadeOfRegions(t *testing.T) {
	k, _ := providerkind.Find("google-vertex")
	for _, c := range [][3]string{
		{"us-central1", "p", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"},
		{"global", "p", "https://aiplatform.googleapis.com/v1/projects/p/locations/global"},
		{"eu", "p", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu"},
		{"us-central1", "", ""}, {"", "p", ""},
	} {
		if got := k.Address(k.Dialect, c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %s", c[0], c[1], got)
		}
	}
	for _, region := range []string{"us-central1", "global", "eu"} {
		at := k.ServedBy(providerkind.Rerank, k.Dialect).Base(k.Address(k.Dialect, region, "p"))
		if at != "https://discoveryengine.googleapis.com/v1/projects/p/locations/global" {
			t.Errorf("reranks of %s go to %s", region, at)
		}
	}
	k, _ = providerkind.Find("cohere")
	if chat, own := k.Address(providerkind.OpenAIChat, "", ""), k.Address(providerkind.Cohere, "", ""); chat != k.BaseURL || own != "https://api.cohere.com/v2" {
		t.Errorf("cohere: %s and %s", chat, own)
	}
	k, _ = providerkind.Find("openai")
	if got := k.Address(k.Dialect, "eu", "p"); got != k.BaseURL {
		t.Errorf("openai: %s", got)
	}
}

func TestAzureHasTwoWaysOfURLs(t *testing.T) {
	k, _ := providerkind.Find("azure-openai")
	for given, want := range map[string][2]string{
		"https://r.openai.azure.com":           {"https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com"},
		"https://r.openai.azure.com/openai":    {"https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com"},
		"https://r.openai.azure.com/openai/v1": {"https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com"},
		"https://api.example.com/azure/v1":     {"https://api.example.com/azure/v1", "https://api.example.com/azure/v1"},
	} {
		if base, root := k.Versioned.Base(given), k.Versioned.Root(given); base != want[0] || root != want[1] {
			t.Errorf("%s: %s and %s", given, base, root)
		}
	}
	if !providerkind.Dated("2024-10-21") || providerkind.Dated("preview") || providerkind.Dated("") {
		t.Error("dates are not told from names")
	}
}
