// Package providerkind owns what is known of model providers, as data: where
// each is, how it takes its secret, which wire format it speaks, and what
// differs from the format's own. Adding a provider is a row here and a page in
// docs/providers. It must not know how a format is read or written, nor what a
// provider's models cost (that is the catalogue).
package providerkind

import "strings"

// Dialects of chat that providers speak.
const (
	OpenAIChat = "openai-chat"
	Responses  = "openai-responses"
	Anthropic  = "anthropic-messages"
	Gemini     = "gemini"
	Bedrock    = "bedrock-converse"
	Cohere     = "cohere-v2"
)

// Dialects lists them.
func Dialects() []string {
	return []string{OpenAIChat, Responses, Anthropic, Gemini, Bedrock, Cohere}
}

// ValidDialect reports whether providers can speak it.
func ValidDialect(name string) bool {
	for _, d := range Dialects() {
		if d == name {
			return true
		}
	}
	return false
}

// Auth is how a provider takes its secret.
type Auth struct {
	// Header that carries it; empty means Authorization: Bearer.
	Header string
	// None says that no secret is needed.
	None bool
	// AWS: requests are signed with access keys. Google: an access token is
	// fetched for a service account.
	AWS, Google bool
}

// Kind is one provider.
type Kind struct {
	// Name in credentials and in the catalogue.
	Name string
	// Label for people.
	Label string
	// BaseURL up to and including the version; empty where each tenant has its
	// own.
	BaseURL string
	// Example of a base URL, where BaseURL is empty.
	Example string
	// Regional is the base URL of a provider that has one for each region, with
	// {region} and {project} to be filled in: see Address.
	Regional string
	// APIVersion is an example of the version that goes into URLs, where the
	// provider can want one; Versioned is how it goes in. VersionHeader is the
	// header for it of a provider that wants it there, and APIVersion then what
	// is sent when a credential names none.
	APIVersion    string
	Versioned     *Versioned
	VersionHeader string
	// Dialect is what it speaks by default, Also what it speaks besides: a
	// caller of one of these is passed on as it is. Credentials that name
	// another dialect than the default are spoken to in that one alone.
	Dialect string
	Also    []string
	// Families are models that differ, the first that fits counts; Places where
	// dialects are.
	Families []Family
	Places   []Place
	Auth     Auth
	// Quirks is where an OpenAI-compatible provider differs from OpenAI.
	Quirks Quirks
	// NoChat: serves operations beside chat only. Dialect is then how it words
	// its errors.
	NoChat bool
	// Local providers run beside the data plane, on the tenant's or operator's
	// own machines.
	Local bool
	// Counts says that it counts the tokens of a prompt when asked, at no cost.
	Counts bool
	// Docs is where the provider documents its API.
	Docs string
}

// Quirks are the ways in which OpenAI-compatible providers differ from OpenAI.
// The zero value is OpenAI itself. A request that passes unchanged, because
// its caller speaks the dialect too, is the caller's own business: quirks
// apply where Tollgate writes the request.
type Quirks struct {
	// MaxTokens: knows max_tokens and not max_completion_tokens.
	MaxTokens bool
	// NoDeveloper: knows system messages only.
	NoDeveloper bool
	// NoStreamOptions: refuses stream_options; reports usage without.
	NoStreamOptions bool
	// NoParallel: refuses parallel_tool_calls.
	NoParallel bool
	// NoSchema: knows response_format json_object and not json_schema.
	NoSchema bool
	// NoStrict: refuses strict in tools.
	NoStrict bool
	// NoUser: refuses user.
	NoUser bool
	// NoName: refuses name in messages.
	NoName bool
	// NoSeed: refuses seed; RandomSeed: calls it random_seed.
	NoSeed, RandomSeed bool
	// NoN: gives one answer only.
	NoN bool
	// NoLogProbs: refuses logprobs.
	NoLogProbs bool
	// NoPenalties: refuses frequency_penalty and presence_penalty.
	NoPenalties bool
	// AnyAsRequired: calls tool_choice "required" "any".
	AnyAsRequired bool
	// NoEffort: refuses reasoning_effort.
	NoEffort bool
	// Thinking: takes thinking {type: enabled | disabled} in place of effort.
	Thinking bool
	// ReasoningObject: takes reasoning {effort, max_tokens} in place of
	// reasoning_effort.
	ReasoningObject bool
	// ThinkingBudget: takes enable_thinking and thinking_budget in place of
	// effort.
	ThinkingBudget bool
	// PlainEfforts: knows the efforts low, medium and high only.
	PlainEfforts bool
	// EchoReasoning: wants reasoning_content of earlier turns back.
	EchoReasoning bool
	// ThoughtDetails: takes reasoning_details of earlier turns back, with
	// signatures; ThoughtParts: takes them as parts of the content.
	ThoughtDetails, ThoughtParts bool
	// TopK: knows top_k.
	TopK bool
	// CacheControl: knows cache_control marks, as Anthropic has them.
	CacheControl bool
	// StringContent: knows content as a string only.
	StringContent bool
	// NoCustomTools: knows functions only.
	NoCustomTools bool
}

// Custom is the name for endpoints of a provider that no row knows.
const Custom = "custom"

// Demo is the built-in provider: it has no address.
const Demo = "demo"

// Find gives the row of a provider; ok is false when there is none, and the
// row is then that of a custom provider.
func Find(name string) (k *Kind, ok bool) {
	for i := range kinds {
		if kinds[i].Name == name {
			return &kinds[i], true
		}
	}
	return &kinds[len(kinds)-1], false
}

// All lists the providers that people can choose, by label, custom ones last.
func All() []Kind {
	out := make([]Kind, 0, len(kinds))
	for _, k := range kinds {
		if k.Name != Demo {
			out = append(out, k)
		}
	}
	return out
}

// Address is the base URL of a provider for a dialect, a region and a project;
// empty when one of them is missing that it is made of, or when the provider
// has no address of its own.
func (k *Kind) Address(dialect, region, project string) string {
	if p := k.PlaceOf(dialect); p != nil && p.BaseURL != "" {
		return p.BaseURL
	}
	if k.Regional == "" {
		return k.BaseURL
	}
	if strings.Contains(k.Regional, "{region}") && region == "" || strings.Contains(k.Regional, "{project}") && project == "" {
		return ""
	}
	address := k.Regional
	// Google's hosts have the region in front, its global one has none, and
	// those of many regions have it behind.
	switch region {
	case "global":
		address = strings.ReplaceAll(address, "//{region}-", "//")
	case "eu", "us":
		address = strings.ReplaceAll(address, "//{region}-aiplatform.", "//aiplatform.{region}.rep.")
	}
	return strings.NewReplacer("{region}", region, "{project}", project).Replace(address)
}
