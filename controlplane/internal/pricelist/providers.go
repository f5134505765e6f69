package pricelist

import (
	"slices"
	"strings"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/providerkind"
)

// otherNames are what lists call providers that have another name here.
var otherNames = map[string]string{
	"aws": "aws-bedrock", "bedrock": "aws-bedrock", "bedrock_converse": "aws-bedrock", "amazon-bedrock": "aws-bedrock",
	"azure": "azure-openai", "azure_text": "azure-openai",
	"cloudflare": "cloudflare-workers-ai", "cohere_chat": "cohere", "dashscope": "alibaba",
	"fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks", "fireworks-ai": "fireworks",
	"gemini": "google", "google-vertex-anthropic": "google-vertex", "jina_ai": "jina",
	"moonshotai": "moonshot", "nvidia_nim": "nvidia", "text-completion-openai": "openai",
	"together_ai": "together", "togetherai": "together", "voyageai": "voyage",
	"x-ai": "xai", "zai": "zhipu", "zhipuai": "zhipu",
}

// apart are providers with prices that have no kind of their own.
var apart = []string{"aws-bedrock", "voyage", "jina"}

// provider is our name of a list's provider; empty when there is none here.
func provider(name string) string {
	if strings.HasPrefix(name, "vertex_ai") {
		return "google-vertex"
	}
	if other, ok := otherNames[name]; ok {
		name = other
	}
	if slices.Contains(apart, name) {
		return name
	}
	if k, known := providerkind.Find(name); known && name != providerkind.Custom && name != providerkind.Demo && !k.Local {
		return name
	}
	return ""
}

// usable reports whether a model can be named in the catalogue.
func usable(provider, model string) bool {
	return configcheck.ValidCatalogID(provider+"/"+model) && len(provider)+1+len(model) <= configcheck.MaxName
}
