package pricelist

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// litellmClasses are the amounts of the format that a price can hold in every
// mode.
var litellmClasses = map[string]class{
	"input_cost_per_token": {perToken, toInput}, "output_cost_per_token": {perToken, toOutput},
	"cache_read_input_token_cost": {perToken, toCacheRead}, "input_cost_per_token_cache_hit": {perToken, toCacheRead},
	"cache_creation_input_token_cost":           {perToken, toCacheWrite},
	"cache_creation_input_token_cost_above_1hr": {perToken, toCacheWriteHour},
	"input_cost_per_audio_token":                {perToken, toAudioInput}, "output_cost_per_audio_token": {perToken, toAudioOutput},
	"cache_read_input_audio_token_cost": {perToken, toAudioCacheRead},
	"input_cost_per_image_token":        {perToken, toImageInput}, "output_cost_per_image_token": {perToken, toImageOutput},
	"output_cost_per_reasoning_token": {perToken, toReasoning},
	"input_cost_per_request":          {perMillion, toRequest},
}

// litellmModes are those that a price can hold in one mode only.
var litellmModes = map[string]map[string]class{
	"rerank":              {"input_cost_per_query": {perMillion, toSearch}},
	"audio_transcription": {"input_cost_per_second": {perSecond, toAudioMinute}},
	"audio_speech":        {"input_cost_per_character": {perToken, toCharacters}},
	"image_generation":    {"output_cost_per_image": {perMillion, toImage}, "input_cost_per_image": {perMillion, toImage}},
}

// litellmTiers are endings that name a service tier.
var litellmTiers = map[string]string{"_priority": "priority", "_flex": "flex", "_batches": "batch", "_batch_requests": "batch"}

var litellmAbove = regexp.MustCompile(`_above_([0-9]{1,6})k_tokens$`)

// litellm reads one object of models by name. Whatever has cost or price in
// its name is an amount; the rest is facts.
func (r *reader) litellm(root node) {
	for _, key := range r.object(root) {
		if key == "sample_spec" {
			continue
		}
		n := root.at(key)
		if _, ok := n.value.(map[string]any); !ok {
			r.problem(n.path, "is not an object")
			continue
		}
		name := r.text(n.at("litellm_provider"))
		if name == "" {
			r.problem(n.at("litellm_provider").path, "is missing")
			continue
		}
		ours := provider(name)
		r.quiet = ours == ""
		m := r.litellmModel(ours, n)
		r.quiet = false
		if ours == "" {
			r.list.Unknown[name]++
			continue
		}
		model, prefixed := key, false
		for _, p := range litellmPrefixes(name, ours) {
			if rest, ok := strings.CutPrefix(key, p+"/"); ok {
				model, prefixed = rest, true
				break
			}
		}
		if !litellmPlain(ours, model) || !usable(ours, model) {
			r.leave(n.path, "is a place, size or quality of a model and not a model's name")
			continue
		}
		m.Model = model
		r.add(m, prefixed)
	}
}

func litellmPrefixes(name, ours string) []string {
	if ours == "google-vertex" {
		return []string{"vertex_ai"}
	}
	return []string{name, ours, "bedrock", "azure", "together_ai", "fireworks_ai", "text-completion-openai"}
}

// litellmPlain refuses names that hold a place or the size of an image: a
// provider knows them by another name.
func litellmPlain(ours, model string) bool {
	head, _, slash := strings.Cut(model, "/")
	if !slash {
		return true
	}
	switch ours {
	case "openai", "azure-openai":
		return false
	case "aws-bedrock":
		return !strings.Contains(head, "-") || strings.Contains(head, ".")
	}
	return true
}

func (r *reader) litellmModel(ours string, n node) Model {
	m := Model{Where: n.path, Provider: ours, ContextWindow: r.tokens(n.at("max_input_tokens")), MaxOutputTokens: r.tokens(n.at("max_output_tokens")),
		DeprecatedAtUnix: r.day(n.at("deprecation_date"))}
	mode := r.text(n.at("mode"))
	if mode == "image_generation" || mode == "audio_speech" {
		// These count characters or images, not tokens.
		m.ContextWindow, m.MaxOutputTokens = 0, 0
	}
	m.Capabilities = r.litellmCapabilities(mode, n)
	p, found := r.litellmPrice(mode, n)
	if found {
		m.Prices = []*configv1.Price{p}
	} else {
		r.leave(n.path, "has no price that can be held")
	}
	return m
}

// litellmAmount is an amount that holds under conditions.
type litellmAmount struct {
	above int64
	tier  string
	class class
	node  node
}

func (r *reader) litellmPrice(mode string, n node) (*configv1.Price, bool) {
	p, found := &configv1.Price{}, false
	var conditional []litellmAmount
	for _, k := range n.keys() {
		if !strings.Contains(k, "cost") && !strings.Contains(k, "price") {
			continue
		}
		v := n.at(k)
		if v.missing() {
			continue
		}
		if k == "search_context_cost_per_query" {
			found = r.litellmSearch(v, p) || found
			continue
		}
		a := litellmAmount{node: v}
		class, known := litellmClass(mode, k, &a)
		if !known {
			r.litellmLeft(mode, v)
			continue
		}
		a.class = class
		if a.above > 0 || a.tier != "" {
			conditional = append(conditional, a)
			continue
		}
		if amount, ok := r.amount(v, class.scale); ok {
			class.set(p, amount)
			found = true
		}
	}
	r.litellmVariants(p, conditional)
	return p, found
}

// litellmLeft says what has no place, unless it is nothing.
func (r *reader) litellmLeft(mode string, v node) {
	if number, ok := v.value.(json.Number); ok {
		if w, ok := scaled(number.String(), 15, 1, 1); ok && w.n == 0 && w.exact {
			return
		}
	}
	if mode == "audio_transcription" && strings.HasSuffix(v.path, "output_cost_per_second") {
		// The same seconds over again: what is heard is charged once.
		return
	}
	r.leave(v.path, "has no place in a price here")
}

// litellmClass finds the class of an amount and takes conditions off its name.
func litellmClass(mode, key string, a *litellmAmount) (class, bool) {
	for {
		if c, ok := litellmClasses[key]; ok {
			return c, true
		}
		if c, ok := litellmModes[mode][key]; ok {
			return c, true
		}
		if m := litellmAbove.FindStringSubmatch(key); m != nil && a.above == 0 {
			thousands, _ := strconv.ParseInt(m[1], 10, 64)
			a.above, key = thousands*1000, strings.TrimSuffix(key, m[0])
			continue
		}
		found := false
		for end, tier := range litellmTiers {
			if rest, ok := strings.CutSuffix(key, end); ok && a.tier == "" {
				a.tier, key, found = tier, rest, true
				break
			}
		}
		if !found {
			return class{}, false
		}
	}
}

// litellmSearch takes the middle of the sizes of context.
func (r *reader) litellmSearch(v node, p *configv1.Price) bool {
	sizes := r.object(v)
	middle := v.at("search_context_size_medium")
	if middle.missing() {
		r.leave(v.path, "has no price of the middle size")
		return false
	}
	n, ok := r.amount(middle, perMillion)
	if !ok {
		return false
	}
	for _, k := range sizes {
		if other, ok := r.amount(v.at(k), perMillion); ok && other != n {
			r.leave(v.path, "differs by the size of the context; the middle one is taken")
			break
		}
	}
	toSearch(p, n)
	return true
}

// litellmVariants makes a variant of each set of conditions. What has no
// amount of its own there costs as it does with fewer conditions.
func (r *reader) litellmVariants(p *configv1.Price, all []litellmAmount) {
	type condition struct {
		above int64
		tier  string
	}
	var conditions []condition
	for _, a := range all {
		if c := (condition{a.above, a.tier}); !slices.Contains(conditions, c) {
			conditions = append(conditions, c)
		}
	}
	base := proto.CloneOf(p)
	for _, c := range conditions {
		v := proto.CloneOf(base)
		// In the order of how much they say: tier alone, length alone, both.
		for _, want := range []condition{{0, c.tier}, {c.above, ""}, c} {
			for _, a := range all {
				if a.above != want.above || a.tier != want.tier || want == (condition{}) {
					continue
				}
				if n, ok := r.amount(a.node, a.class.scale); ok {
					a.class.set(v, n)
				}
			}
		}
		p.Variants = append(p.Variants, &configv1.PriceVariant{AboveInputTokens: c.above, ServiceTier: c.tier, Price: v})
	}
	sortVariants(p)
}

// litellmOperations are modes in our words.
var litellmOperations = map[string]string{
	"chat": "chat", "responses": "chat", "completion": "completions", "embedding": "embeddings", "image_generation": "images",
	"audio_transcription": "transcription", "audio_speech": "speech", "moderation": "moderation", "rerank": "rerank",
}

// litellmCapabilities are known for chat models of which the list says whether
// they take tools: of others it says too little, and a missing flag is no "no".
func (r *reader) litellmCapabilities(mode string, n node) *configv1.Capabilities {
	op := litellmOperations[mode]
	for _, k := range n.keys() {
		if strings.HasPrefix(k, "supports_") {
			r.flag(n.at(k))
		}
	}
	if op == "" {
		return nil
	}
	if op == "chat" && !n.has("supports_function_calling") {
		return nil
	}
	c := &configv1.Capabilities{Operations: []string{op}, Input: []string{"text"}, Output: []string{"text"}, Temperature: true}
	switch op {
	case "images":
		c.Output = []string{"image"}
	case "speech":
		c.Output = []string{"audio"}
	case "transcription":
		c.Input = []string{"audio"}
	case "chat":
		for _, f := range []struct {
			flag, word string
			to         *[]string
		}{
			{"supports_vision", "image", &c.Input}, {"supports_pdf_input", "document", &c.Input}, {"supports_audio_input", "audio", &c.Input},
			{"supports_video_input", "video", &c.Input}, {"supports_audio_output", "audio", &c.Output},
		} {
			if v, ok := n.at(f.flag).value.(bool); ok && v {
				*f.to = append(*f.to, f.word)
			}
		}
		is := func(flag string) bool { v, _ := n.at(flag).value.(bool); return v }
		c.Tools, c.Reasoning, c.JsonSchema = is("supports_function_calling"), is("supports_reasoning"), is("supports_response_schema") || !n.has("supports_response_schema")
	}
	return c
}
