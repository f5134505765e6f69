package credential

// Auth styles, as the API writes them.
const (
	Bearer = "bearer" // Authorization: Bearer SECRET
	Header = "header" // the secret alone in a header of choice
	None   = "none"   // no secret
)

// Custom is the provider name of endpoints that no preset knows.
const Custom = "custom"

// Preset is what we know of a provider, so that a tenant need only paste a key.
type Preset struct {
	BaseURL    string
	AuthStyle  string
	AuthHeader string
}

// PresetOf gives the OpenAI-compatible endpoint of a provider; ok is false for
// names that we know nothing of: those need a base URL.
func PresetOf(provider string) (p Preset, ok bool) {
	switch provider {
	case "openai":
		p.BaseURL = "https://api.openai.com/v1"
	case "anthropic":
		p.BaseURL = "https://api.anthropic.com/v1"
	case "google":
		p.BaseURL = "https://generativelanguage.googleapis.com/v1beta/openai"
	case "mistral":
		p.BaseURL = "https://api.mistral.ai/v1"
	case "groq":
		p.BaseURL = "https://api.groq.com/openai/v1"
	case "together":
		p.BaseURL = "https://api.together.xyz/v1"
	case "fireworks":
		p.BaseURL = "https://api.fireworks.ai/inference/v1"
	case "cerebras":
		p.BaseURL = "https://api.cerebras.ai/v1"
	case "deepseek":
		p.BaseURL = "https://api.deepseek.com/v1"
	case "xai":
		p.BaseURL = "https://api.x.ai/v1"
	case "cohere":
		p.BaseURL = "https://api.cohere.ai/compatibility/v1"
	case "perplexity":
		p.BaseURL = "https://api.perplexity.ai"
	case "openrouter":
		p.BaseURL = "https://openrouter.ai/api/v1"
	case "demo":
		return Preset{AuthStyle: None}, true
	default:
		return Preset{AuthStyle: Bearer}, false
	}
	p.AuthStyle = Bearer
	return p, true
}
