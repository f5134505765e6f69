package dialect_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// losses are the names of losses that tell of each kind of fact, beside that of
// the very part.
var losses = map[string]*regexp.Regexp{
	"said":              regexp.MustCompile(`\.role$`),
	"who said":          regexp.MustCompile(`\.role$`),
	"place of system's": regexp.MustCompile(`\.(role|position)$`),
	"media":             regexp.MustCompile(`(image|audio|video|document|file_id|content|tool_result)$`),
	"detail":            regexp.MustCompile(`detail$`),
	"file name":         regexp.MustCompile(`(filename|name)$`),
	"thought":           regexp.MustCompile(`reasoning$`),
	"proof":             regexp.MustCompile(`reasoning$`),
	"signature":         regexp.MustCompile(`signature$`),
	"mark":              regexp.MustCompile(`cache_control(\.ttl)?$`),
	"error":             regexp.MustCompile(`is_error$`),
	"speaker":           regexp.MustCompile(`name$`),
	"tool":              regexp.MustCompile(`^tools[\[.]`),
	"tool's strict":     regexp.MustCompile(`strict$`),
	"grammar":           regexp.MustCompile(`^tools.*\.format$`),
	"choice":            regexp.MustCompile(`^tool_choice`),
	"allowed":           regexp.MustCompile(`^tool_choice`),
	"parallel":          regexp.MustCompile(`^parallel_tool_calls$`),
	"logprobs":          regexp.MustCompile(`^(top_)?logprobs$`),
	"reasoning":         regexp.MustCompile(`^reasoning`),
	"summary":           regexp.MustCompile(`^reasoning\.`),
	"format":            regexp.MustCompile(`^response_format`),
	"format's":          regexp.MustCompile(`^response_format`),
}

// told says whether a loss of a fact is named.
func (f *fact) told(lost canon.Losses) bool {
	for _, name := range lost {
		if f.at != "" && (name == f.at || f.kind == "said" && name == f.at+".role") || name == f.kind || f.kind == "extra" && name == f.what {
			return true
		}
		if rx := losses[f.kind]; rx != nil && rx.MatchString(name) {
			return true
		}
		// What is of something that is lost is lost with it.
		if f.of == "media" && losses[f.of].MatchString(name) {
			return true
		}
		if f.of == "tool" && strings.HasPrefix(name, "tools."+f.who) {
			return true
		}
	}
	return false
}

// equivalents are what targets say in another way.
var equivalents = []struct {
	to  []canon.Dialect
	why string
	say func(r *canon.Request)
}{
	{[]canon.Dialect{canon.Anthropic, canon.Bedrock, canon.Cohere}, "tools that may not be called are left out", func(r *canon.Request) {
		if c := &r.Choice; len(c.Allowed) > 0 {
			r.Tools = slices.DeleteFunc(r.Tools, func(t canon.Tool) bool { return t.Raw == nil && !canon.IsNamed(c.Allowed, t.Name) })
			c.Allowed = nil
		}
	}},
	{[]canon.Dialect{canon.Cohere}, "the one tool that must be called is the only one that is told", func(r *canon.Request) {
		if c := &r.Choice; c.Mode == canon.ChoiceOne {
			r.Tools = slices.DeleteFunc(r.Tools, func(t canon.Tool) bool { return t.Raw == nil && !bytes.Equal(c.Name, t.Name) })
			r.Choice = canon.ToolChoice{Mode: canon.ChoiceAny}
		}
	}},
	{[]canon.Dialect{canon.Bedrock}, "for none the tools are left out", func(r *canon.Request) {
		if r.Choice.Mode == canon.ChoiceNone {
			r.Tools, r.Choice, r.Parallel = nil, canon.ToolChoice{}, canon.Unset
		}
	}},
	{[]canon.Dialect{canon.Gemini}, "to have to call one of one is to have to call it", func(r *canon.Request) {
		if c := &r.Choice; c.Mode == canon.ChoiceAny && len(c.Allowed) == 1 {
			*c = canon.ToolChoice{Mode: canon.ChoiceOne, Name: c.Allowed[0]}
		}
	}},
	{[]canon.Dialect{canon.Bedrock, canon.Cohere}, "the model chooses where nothing is said", func(r *canon.Request) {
		if r.Choice.Mode == canon.ChoiceAuto {
			r.Choice.Mode = canon.ChoiceUnset
		}
	}},
	{[]canon.Dialect{canon.Anthropic}, "so it does there; but auto must be said with what forbids parallel calls", func(r *canon.Request) {
		if r.Choice.Mode == canon.ChoiceUnset && r.Parallel == canon.No && len(r.Tools) > 0 {
			r.Choice.Mode = canon.ChoiceAuto
		}
	}},
	{[]canon.Dialect{canon.Anthropic, canon.Gemini, canon.Bedrock, canon.Cohere}, "answers are held to their schema wherever there is one", func(r *canon.Request) {
		r.Format.Strict = canon.Unset
	}},
	{[]canon.Dialect{canon.Anthropic}, "a faster tier is taken where there is one", func(r *canon.Request) {
		if r.ServiceTier.Is("priority") {
			r.ServiceTier = canon.Quote("auto")
		}
	}},
	{[]canon.Dialect{canon.OpenAIChat}, "a mark on a result is one on its last text", func(r *canon.Request) {
		for _, m := range r.Messages {
			for i := range m.Parts {
				p := &m.Parts[i]
				for k := len(p.Content) - 1; k >= 0 && p.Cache.Set; k-- {
					if p.Content[k].Kind == canon.TextPart {
						p.Content[k].Cache, p.Cache = p.Cache, canon.CacheMark{}
					}
				}
			}
		}
	}},
	{[]canon.Dialect{canon.Responses}, "a mark on a result and one on its last content are the same place", func(r *canon.Request) {
		for _, m := range r.Messages {
			for i := range m.Parts {
				if p := &m.Parts[i]; len(p.Content) > 0 && p.Content[len(p.Content)-1].Cache.Set {
					p.Cache = canon.CacheMark{}
				}
			}
		}
	}},
	{[]canon.Dialect{canon.Bedrock}, "marks inside of a result are one behind it", func(r *canon.Request) {
		for _, m := range r.Messages {
			for i := range m.Parts {
				p := &m.Parts[i]
				for k := range p.Content {
					if !p.Cache.Set {
						p.Cache = p.Content[k].Cache
					}
					p.Content[k].Cache = canon.CacheMark{}
				}
			}
		}
	}},
	{[]canon.Dialect{canon.Bedrock}, "the mark of a request is one behind its last block, which may have its own", func(r *canon.Request) {
		for i := len(r.Messages) - 1; i >= 0; i-- {
			if m := &r.Messages[i]; m.Role != canon.System && len(m.Parts) > 0 {
				if m.Parts[len(m.Parts)-1].Cache.Set {
					r.Cache = canon.CacheMark{}
				}
				return
			}
		}
	}},
	{[]canon.Dialect{canon.Anthropic, canon.Bedrock}, "where nothing may be called, nothing is called in parallel", func(r *canon.Request) {
		if r.Choice.Mode == canon.ChoiceNone {
			r.Parallel = canon.Unset
		}
	}},
}

// sampledAnyway takes settings of sampling out of what was asked that are what
// goes anyway: not all models of Anthropic's take them, and none needs them.
func sampledAnyway(was, told *canon.Request, to canon.Dialect) {
	if to != canon.Anthropic && to != canon.Bedrock {
		return
	}
	if told.Temperature == nil && string(was.Temperature) == "1" {
		was.Temperature = nil
	}
	if told.TopP == nil && string(was.TopP) == "1" {
		was.TopP = nil
	}
}

// amountOf ranks how much shall be thought: 0 is not at all, 1 as much as the
// model likes, more the more; -1 is what it does unasked.
func amountOf(r *canon.Request) int {
	q := &r.Reasoning
	effort := q.Effort
	if effort == "" && q.Budget > 0 {
		effort = canon.EffortOf(q.Budget)
	}
	switch {
	case q.Mode == canon.ReasoningOff || effort == "none":
		return 0
	case effort != "":
		return 2 + slices.Index([]string{"low", "medium", "high", "xhigh", "max"}, strings.Replace(effort, "minimal", "low", 1))
	case q.Mode == canon.ReasoningUnset:
		return -1
	}
	return 1
}

// sameThought compares how much is thought. Efforts become budgets and come
// back as efforts; who does not know the largest ones takes a smaller one.
func sameThought(asked, told *canon.Request, to canon.Dialect, lost canon.Losses) error {
	a, b := amountOf(asked), amountOf(told)
	bound, _ := strconv.ParseInt(string(asked.MaxTokens), 10, 64)
	switch {
	case a == b, (&fact{kind: "reasoning"}).told(lost):
	case a == 1 && b != 0: // No amount was asked for.
	case a == -1 && b == 1 && asked.Reasoning.Show == canon.Yes && to == canon.Gemini: // Its reader takes it so.
	case a >= 5 && b >= 4: // Not all know the largest.
	case a > 1 && b > 1 && bound > 0 && b < a: // The bound on output allows no more.
	case a == 0 && b == -1 && (to == canon.Bedrock || to == canon.Anthropic): // They do not unasked.
	default:
		return fmt.Errorf("thought %d became %d", a, b)
	}
	return nil
}
