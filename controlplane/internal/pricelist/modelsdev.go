package pricelist

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// modelsDevClasses are the amounts of the format.
var modelsDevClasses = map[string]class{
	"input": {perMillion, toInput}, "output": {perMillion, toOutput},
	"cache_read": {perMillion, toCacheRead}, "cached_input": {perMillion, toCacheRead}, "cache_write": {perMillion, toCacheWrite},
	"reasoning":   {perMillion, toReasoning},
	"input_audio": {perMillion, toAudioInput}, "output_audio": {perMillion, toAudioOutput},
}

// modelsDev reads one object of providers, each with an object of models.
func (r *reader) modelsDev(root node) {
	for _, name := range r.object(root) {
		models := root.at(name).at("models")
		ours := provider(name)
		for _, id := range r.object(models) {
			n := models.at(id)
			if _, ok := n.value.(map[string]any); !ok {
				r.problem(n.path, "is not an object")
				continue
			}
			n.value = r.inherit(root, n)
			m := r.modelsDevModel(ours, id, n)
			switch {
			case ours == "":
				r.list.Unknown[name]++
			case !usable(ours, m.Model):
				r.leave(n.path, "cannot be the name of a model here")
			default:
				r.add(m, false)
			}
		}
	}
}

// inherit fills in what a model takes over from another one of the list, but
// for what it leaves out. A model that is elsewhere gives nothing.
func (r *reader) inherit(root, n node) map[string]any {
	own, _ := n.value.(map[string]any)
	base, _ := own["base_model"].(string)
	name, id, ok := strings.Cut(base, "/")
	if !ok {
		return own
	}
	from, ok := root.at(name).at("models").at(id).value.(map[string]any)
	if !ok {
		return own
	}
	// Each of many models could take over all that one holds.
	omit, _ := own["base_model_omit"].([]any)
	if size(from, maxInherited) > maxInherited || len(omit) > maxInherited {
		r.problem(n.at("base_model").path, "takes over more than a model has")
		return own
	}
	return merged(from, own, "", omit)
}

// maxInherited is how many members a model may take over.
const maxInherited = 200

// size counts the members of a value that is an object, and of those in it, up
// to a little above most.
func size(v any, most int) int {
	m, _ := v.(map[string]any)
	n := len(m)
	if n > most {
		return n
	}
	for _, below := range m {
		if n += size(below, most-n); n > most {
			break
		}
	}
	return n
}

func merged(from, own map[string]any, path string, omit []any) map[string]any {
	out := maps.Clone(own)
	for k, v := range from {
		at := strings.TrimPrefix(path+"."+k, ".")
		if slices.Contains(omit, any(at)) || k == "base_model" || k == "base_model_omit" {
			continue
		}
		mine, have := own[k]
		below, isTable := v.(map[string]any)
		switch mineTable, ok := mine.(map[string]any); {
		case have && ok && isTable:
			out[k] = merged(below, mineTable, at, omit)
		case !have && isTable:
			out[k] = merged(below, map[string]any{}, at, omit)
		case !have:
			out[k] = v
		}
	}
	return out
}

func (r *reader) modelsDevModel(ours, id string, n node) Model {
	limit := n.at("limit")
	m := Model{Where: n.path, Provider: ours, Model: id, Label: r.text(n.at("name")), ContextWindow: r.tokens(limit.at("context")),
		MaxOutputTokens: r.tokens(limit.at("output")), Capabilities: r.modelsDevCapabilities(n)}
	if own := r.text(n.at("id")); own != "" {
		m.Model = own
	}
	if cost := n.at("cost"); !cost.missing() {
		p := r.modelsDevPrice(cost)
		r.modelsDevModes(n.at("experimental").at("modes"), p)
		sortVariants(p)
		m.Prices = []*configv1.Price{p}
	}
	return m
}

func (r *reader) modelsDevPrice(n node) *configv1.Price {
	p := &configv1.Price{}
	r.modelsDevRates(n, p)
	for _, k := range n.keys() {
		v := n.at(k)
		switch k {
		case "context_over_200k":
			r.modelsDevTier(v, 200_000, p)
		case "tiers":
			for _, t := range r.array(v) {
				size := int64(r.tokens(t.at("tier").at("size")))
				if kind := r.text(t.at("tier").at("type")); size == 0 || kind != "" && kind != "context" {
					r.problem(t.at("tier").path, "is not a tier by the length of the context")
					continue
				}
				r.modelsDevTier(t, size, p)
			}
		}
	}
	return p
}

// modelsDevTier adds a variant; of two for one length the first counts.
func (r *reader) modelsDevTier(n node, above int64, p *configv1.Price) {
	tier := proto.CloneOf(p)
	tier.Variants = nil
	r.modelsDevRates(n, tier)
	if !slices.ContainsFunc(p.Variants, func(v *configv1.PriceVariant) bool { return v.GetAboveInputTokens() == above }) {
		p.Variants = append(p.Variants, &configv1.PriceVariant{AboveInputTokens: above, Price: tier})
	}
}

func (r *reader) modelsDevRates(n node, p *configv1.Price) {
	for _, k := range r.object(n) {
		v := n.at(k)
		if k == "tiers" || k == "tier" || k == "context_over_200k" {
			continue
		}
		c, known := modelsDevClasses[k]
		if !known {
			r.leave(v.path, "has no place in a price here")
			continue
		}
		if a, ok := r.amount(v, c.scale); ok {
			c.set(p, a)
		}
	}
}

// modelsDevModes are ways to call that cost something else; those by service
// tier are variants.
func (r *reader) modelsDevModes(n node, p *configv1.Price) {
	for _, k := range n.keys() {
		cost := n.at(k).at("cost")
		if cost.missing() {
			continue
		}
		tier := r.text(n.at(k).at("provider").at("body").at("service_tier"))
		if tier == "" {
			r.leave(cost.path, "is for a way to call that is not a service tier")
			continue
		}
		one := proto.CloneOf(p)
		one.Variants = nil
		r.modelsDevRates(cost, one)
		p.Variants = append(p.Variants, &configv1.PriceVariant{ServiceTier: tier, Price: one})
	}
}

// modelsDevCapabilities are known when the list says what goes in and out.
func (r *reader) modelsDevCapabilities(n node) *configv1.Capabilities {
	in, out := r.texts(n.at("modalities").at("input")), r.texts(n.at("modalities").at("output"))
	tools, reasoning, schema := r.flag(n.at("tool_call")), r.flag(n.at("reasoning")), r.flag(n.at("structured_output"))
	temperature := r.flag(n.at("temperature"))
	if len(in) == 0 || len(out) == 0 || !n.has("tool_call") {
		return nil
	}
	c := &configv1.Capabilities{Input: modalities(in), Output: modalities(out), Tools: tools, Reasoning: reasoning,
		JsonSchema: schema || !n.has("structured_output"), Temperature: temperature || !n.has("temperature")}
	if slices.Contains(c.Output, "text") && !strings.Contains(r.text(n.at("family")), "embed") {
		c.Operations = []string{"chat"}
	}
	return c
}

// modalities are a list's words for what goes in and out, in ours.
func modalities(words []string) []string {
	var out []string
	for _, w := range words {
		switch w {
		case "pdf", "file":
			w = "document"
		case "text", "image", "audio", "video", "document":
		default:
			continue
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
