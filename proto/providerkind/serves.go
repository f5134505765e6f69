package providerkind

// serves lists the providers that keep files, run batches, and keep answers of
// Responses, at the places that their dialect's maker has for them.
var serves = map[string][]string{
	"files":     {"alibaba", "anthropic", "azure-openai", "groq", "mistral", "moonshot", "openai", "together", "xai", "zhipu"},
	"batches":   {"alibaba", "anthropic", "azure-openai", "groq", "openai", "together", "xai", "zhipu"},
	"responses": {"azure-openai", "fireworks", "openai", "xai"},
}

// Serves reports whether the provider is known to serve an operation that is
// of no model: "files", "batches" or "responses".
func (k *Kind) Serves(operation string) bool {
	for _, name := range serves[operation] {
		if name == k.Name {
			return true
		}
	}
	return false
}
