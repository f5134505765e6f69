package bedrock

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// passes are fields of the API that callers may put beside those of their own
// dialect, as the extra body of its SDK: they are written as they are.
var passes = [...]string{
	"guardrailConfig", "performanceConfig", "requestMetadata", "promptVariables", "additionalModelResponseFieldPaths", "serviceTier",
}

const additionalFields = "additionalModelRequestFields"

// extra gives a field that the caller put beside those of its dialect.
func (w *writer) extra(name string) canon.Raw {
	for i := range w.req.Extra {
		if w.req.Extra[i].Name == name {
			return w.req.Extra[i].Value
		}
	}
	return nil
}

// additional writes what only the model's maker has a name for. What the
// caller wrote counts before what is made of the rest.
func (w *writer) additional() {
	from, inside := w.open(`"` + additionalFields + `":{`)
	var given []string
	if raw := w.extra(additionalFields); len(raw) > 0 && raw[0] == '{' {
		w.passed = append(w.passed, additionalFields)
		var s scanner
		s.Reset(raw)
		s.object(func(name []byte) bool {
			var value canon.Raw
			key := string(name)
			ok := s.raw(&value)
			given = append(given, key)
			w.member(key, value)
			return ok
		})
	}
	put := func(name string, value canon.Raw) {
		if value != nil && !slices.Contains(given, name) {
			w.member(name, value)
		}
	}
	switch w.family {
	case claude:
		w.claudeFields(put)
	case nova:
		w.novaFields(put)
	case gptOSS:
		if effort := w.effort(); effort != "" {
			put("reasoning_effort", canon.Raw(canon.Quote(effort)))
		}
	default:
		w.noThinking()
	}
	w.topK(put)
	w.close(from, inside, "}")
}

func (w *writer) member(name string, value canon.Raw) {
	w.b = canon.AppendQuoted(comma(w.b), name)
	w.b = append(append(w.b, ':'), value...)
}

func (w *writer) topK(put func(string, canon.Raw)) {
	k := w.sampling.TopK
	switch {
	case k == nil:
	case w.family == claude, w.family == mistral:
		put("top_k", k)
	case w.family == cohere:
		put("k", k)
	case w.family == nova:
		put("inferenceConfig", append(append(canon.Raw(`{"topK":`), k...), '}'))
	default:
		w.lose("top_k")
	}
}

// claudeFields writes thoughts, the choice of tools where only the maker's own
// form says it all, and whom Anthropic's callers name.
func (w *writer) claudeFields(put func(string, canon.Raw)) {
	put("thinking", w.think.Thinking)
	if w.think.Effort != "" {
		put("output_config", canon.Raw(`{"effort":"`+w.think.Effort+`"}`))
	}
	if w.parallelForbidden() {
		choice := `{"type":"auto"`
		switch c := &w.req.Choice; c.Mode {
		case canon.ChoiceAny:
			choice = `{"type":"any"`
		case canon.ChoiceOne:
			choice = `{"type":"tool","name":` + string(appendText(nil, c.Name))
		}
		put("tool_choice", canon.Raw(choice+`,"disable_parallel_tool_use":true}`))
	}
	if w.req.From != canon.Anthropic {
		return
	}
	metadata := canon.Raw("{")
	if w.req.User != nil {
		metadata = append(append(metadata, `"user_id":`...), w.req.User...)
	}
	for _, f := range w.req.Extra {
		if name, found := strings.CutPrefix(f.Name, "metadata."); found {
			metadata = canon.AppendQuoted(comma(metadata), name)
			metadata = append(append(metadata, ':'), f.Value...)
			w.passed = append(w.passed, f.Name)
		}
	}
	if len(metadata) > 1 {
		put("metadata", append(metadata, '}'))
	}
}

// novaFields writes Amazon's form of thoughts, which the first generation has
// none of.
func (w *writer) novaFields(put func(string, canon.Raw)) {
	for _, first := range [...]string{"nova-micro", "nova-lite", "nova-pro", "nova-premier"} {
		if strings.Contains(w.model, first) {
			w.noThinking()
			return
		}
	}
	r := &w.req.Reasoning
	if effort := w.effort(); effort != "" {
		put("reasoningConfig", canon.Raw(`{"type":"enabled","maxReasoningEffort":"`+effort+`"}`))
	} else if r.Mode == canon.ReasoningOff || r.Effort == "none" {
		put("reasoningConfig", canon.Raw(`{"type":"disabled"}`))
	}
}

// effort is one of the three that these models know; empty when no thoughts
// are asked for.
func (w *writer) effort() string {
	r := &w.req.Reasoning
	effort := r.Effort
	if r.Mode == canon.ReasoningOff || effort == "none" || r.Mode == canon.ReasoningUnset && effort == "" && r.Budget == 0 {
		return ""
	}
	if effort == "" && r.Budget > 0 {
		effort = canon.EffortOf(r.Budget)
	}
	switch effort {
	case "minimal", "low":
		return "low"
	case "high", "xhigh", "max":
		return "high"
	}
	return "medium"
}

// noThinking notes that the model cannot be asked to think.
func (w *writer) noThinking() {
	if w.effort() != "" {
		w.lose("reasoning")
	}
}

// tiers pairs other dialects' service tiers with the API's; auto is what it
// does unasked.
var tiers = [...]struct{ theirs, ours string }{
	{"auto", ""}, {"default", "default"}, {"standard", "default"}, {"standard_only", "default"},
	{"flex", "flex"}, {"priority", "priority"}, {"reserved", "reserved"},
}

func (w *writer) serviceTier() {
	tier := w.req.ServiceTier
	if tier == nil || w.extra("serviceTier") != nil {
		return
	}
	for _, t := range tiers {
		if tier.Is(t.theirs) {
			if t.ours != "" {
				w.b = append(append(append(comma(w.b), `"serviceTier":{"type":"`...), t.ours...), `"}`...)
			}
			return
		}
	}
	w.lose("service_tier")
}

// rest writes the fields beside the model's, and notes those that are lost.
func (w *writer) rest() {
	w.serviceTier()
	for _, name := range passes {
		if raw := w.extra(name); raw != nil {
			w.b = append(comma(w.b), '"')
			w.b = append(append(append(w.b, name...), `":`...), raw...)
			w.passed = append(w.passed, name)
		}
	}
	w.requestMetadata()
	w.stopPaths()
	if w.req.User != nil && w.req.From != canon.Anthropic || w.req.User != nil && w.family != claude {
		w.lose("user")
	}
	for i := range w.req.Extra {
		if name := w.req.Extra[i].Name; !slices.Contains(w.passed, name) {
			w.lose(name)
		}
	}
}

// stopPaths asks for the sequence that was met, which the API does not tell by
// itself: in answers and in streams it stands in two places.
func (w *writer) stopPaths() {
	if w.family == claude && len(w.req.Stop) > 0 && w.extra("additionalModelResponseFieldPaths") == nil {
		w.b = append(comma(w.b), `"additionalModelResponseFieldPaths":["/stop_sequence","/delta/stop_sequence"]`...)
	}
}

// Bounds of requestMetadata.
const (
	maxTags    = 16
	maxTagText = 256
)

// requestMetadata writes OpenAI's metadata, which is meant for the same: to
// find requests again in the provider's logs.
func (w *writer) requestMetadata() {
	raw := w.extra("metadata")
	if raw == nil || w.req.From == canon.Anthropic || w.extra("requestMetadata") != nil || !tags(raw) {
		return
	}
	w.passed = append(w.passed, "metadata")
	if len(raw) > len("{}") {
		w.b = append(append(comma(w.b), `"requestMetadata":`...), raw...)
	}
}

// tags says whether a value is an object of such names and texts as the API
// takes.
func tags(raw canon.Raw) bool {
	var s scanner
	s.Reset(raw)
	n := 0
	return s.Peek() == '{' && s.object(func(name []byte) bool {
		n++
		if n > maxTags || len(name) == 0 || !tagText(string(name)) || s.Peek() != '"' {
			return false
		}
		var t canon.Text
		return s.text(&t) && tagText(t.String())
	}) && s.End()
}

func tagText(s string) bool {
	if len(s) > maxTagText {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(" \t:_@$#=/+,-.", c) < 0 {
			return false
		}
	}
	return true
}

// at names a part, or with k < 0 a message.
func at(i, k int) string {
	s := "messages[" + strconv.Itoa(i) + "]"
	if k >= 0 {
		s += ".content[" + strconv.Itoa(k) + "]"
	}
	return s
}
