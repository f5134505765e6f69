package pricelist

import (
	"slices"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// openRouterClasses are the amounts of the format, text in dollars per token or
// per thing.
var openRouterClasses = map[string]class{
	"prompt": {perToken, toInput}, "completion": {perToken, toOutput}, "internal_reasoning": {perToken, toReasoning},
	"input_cache_read": {perToken, toCacheRead}, "input_cache_write": {perToken, toCacheWrite},
	"audio": {perToken, toAudioInput}, "input_audio_cache": {perToken, toAudioCacheRead}, "audio_output": {perToken, toAudioOutput},
	"request": {perMillion, toRequest}, "web_search": {perMillion, toSearch},
}

// openRouter reads that provider's own list of models.
func (r *reader) openRouter(root node) {
	for _, n := range r.array(root.at("data")) {
		id := r.text(n.at("id"))
		if id == "" {
			r.problem(n.at("id").path, "is missing")
			continue
		}
		m := Model{Where: n.path, Provider: "openrouter", Model: id, Label: r.text(n.at("name")), ContextWindow: r.tokens(n.at("context_length")),
			MaxOutputTokens: r.tokens(n.at("top_provider").at("max_completion_tokens")), DeprecatedAtUnix: r.day(n.at("expiration_date"))}
		params := r.texts(n.at("supported_parameters"))
		in, out := r.texts(n.at("architecture").at("input_modalities")), r.texts(n.at("architecture").at("output_modalities"))
		if len(in) > 0 && len(out) > 0 && len(params) > 0 {
			has := func(p string) bool { return slices.Contains(params, p) }
			m.Capabilities = &configv1.Capabilities{Input: modalities(in), Output: modalities(out), Tools: has("tools"), Reasoning: has("reasoning"),
				JsonSchema: has("structured_outputs") || has("response_format"), Temperature: has("temperature")}
			if slices.Contains(out, "text") {
				m.Capabilities.Operations = []string{"chat"}
			}
		}
		m.Prices = r.openRouterPrice(n.at("pricing"))
		if !usable("openrouter", id) {
			r.leave(n.path, "cannot be the name of a model here")
			continue
		}
		r.add(m, false)
	}
}

func (r *reader) openRouterPrice(n node) []*configv1.Price {
	p, found := &configv1.Price{}, false
	for _, k := range r.object(n) {
		v := n.at(k)
		if text, _ := v.value.(string); text == "-1" {
			r.leave(v.path, "depends on who is asked")
			return nil
		}
		c, known := openRouterClasses[k]
		if !known {
			r.leave(v.path, "has no place in a price here")
			continue
		}
		if a, ok := r.amount(v, c.scale); ok {
			c.set(p, a)
			found = true
		}
	}
	if !found {
		return nil
	}
	return []*configv1.Price{p}
}
