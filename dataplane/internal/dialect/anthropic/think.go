package anthropic

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// plan is how the model shall think, and the bound on output that this asks
// for.
type plan struct {
	mode   canon.ReasoningMode
	budget int64
	effort string
	// show is whether thoughts are told.
	show canon.Flag
	// maxTokens is 0 when the caller's own bound goes as it is.
	maxTokens int64
}

func (p *plan) thinks() bool {
	return p.mode == canon.ReasoningOn || p.mode == canon.ReasoningAdaptive
}

// think plans the thoughts: the API takes a budget where others name an
// effort, wants it smaller than the bound on output, and refuses thoughts
// together with a forced choice of tools or after a call that came without.
func (w *writer) think() plan {
	r := &w.req.Reasoning
	p := plan{mode: r.Mode, budget: r.Budget, effort: r.Effort, show: r.Show}
	bound, err := strconv.ParseInt(string(w.req.MaxTokens), 10, 64)
	given := err == nil
	if w.req.MaxTokens == nil {
		bound = DefaultMaxTokens
		if w.to.MaxTokens > 0 {
			bound, given = w.to.MaxTokens, true
		}
		p.maxTokens = bound
	}
	if w.own {
		return p
	}
	if p.effort == "none" {
		p.mode = canon.ReasoningOff
	}
	if p.show == canon.Unset && r.Summary != nil {
		p.show = canon.Yes
	}
	if p.mode == canon.ReasoningOff || p.mode == canon.ReasoningUnset && p.effort == "" && p.budget == 0 {
		p.effort, p.budget = "", 0
		return p
	}
	if reason := w.req.Choice.Mode; reason == canon.ChoiceAny || reason == canon.ChoiceOne {
		w.lose("reasoning")
		return plan{maxTokens: p.maxTokens}
	}
	if p.mode == canon.ReasoningAdaptive || w.model.adaptiveOnly() {
		p.adapt()
		return p
	}
	if w.callsUnthought() {
		w.lose("reasoning")
		return plan{maxTokens: p.maxTokens}
	}
	p.bud(bound, given)
	if p.mode == canon.ReasoningUnset {
		w.lose("reasoning")
	}
	return p
}

// adapt leaves the amount to the model, with an effort.
func (p *plan) adapt() {
	p.mode = canon.ReasoningAdaptive
	if p.effort == "" && p.budget > 0 {
		p.effort = canon.EffortOf(p.budget)
	}
	if p.effort == "minimal" {
		p.effort = "low"
	}
	p.budget = 0
}

// bud gives the thoughts a budget below the bound on output. The bound grows
// for it where nobody set one: an answer needs room behind its thoughts.
func (p *plan) bud(bound int64, given bool) {
	if p.budget == 0 {
		p.budget = canon.BudgetOf(p.effort)
	}
	if p.budget == 0 {
		p.budget = canon.BudgetOf("medium")
	}
	p.mode, p.effort = canon.ReasoningOn, ""
	p.budget = max(p.budget, minBudget)
	if p.budget < bound {
		return
	}
	if !given {
		p.maxTokens = p.budget + DefaultMaxTokens
		return
	}
	p.budget = bound - 1
	if p.budget < minBudget {
		*p = plan{maxTokens: p.maxTokens}
	}
}

// callsUnthought says whether the last turn called tools without thoughts that
// can be sent: the API refuses to think on from there.
func (w *writer) callsUnthought() bool {
	ms := w.req.Messages
	for i := len(ms) - 1; i >= 0; i-- {
		m := &ms[i]
		if m.Role == canon.User {
			return false
		}
		if m.Role != canon.Assistant {
			continue
		}
		calls := false
		for k := range m.Parts {
			switch p := &m.Parts[k]; p.Kind {
			case canon.ToolCallPart:
				calls = true
			case canon.ReasoningPart:
				if sendable(p) {
					return false
				}
			}
		}
		return calls
	}
	return false
}

// sendable says whether the API takes the thought back.
func sendable(p *canon.Part) bool {
	return ours(p.From) && (!p.Signature.Empty() || !p.Redacted.Empty())
}

func (w *writer) thinking() {
	p := &w.plan
	if p.mode == canon.ReasoningUnset {
		return
	}
	w.str(`,"thinking":{"type":"`)
	for _, m := range thinkingModes {
		if m.mode == p.mode {
			w.str(m.name)
		}
	}
	w.str(`"`)
	if p.budget > 0 {
		w.b = appendCount(w.b, `,"budget_tokens":`, p.budget)
	}
	if p.thinks() {
		switch p.show {
		case canon.Yes:
			w.str(`,"display":"summarized"`)
		case canon.No:
			w.str(`,"display":"omitted"`)
		}
	}
	w.members("thinking.")
	w.str("}")
}

// freeJSON says that the answer shall be JSON of any shape. The API has no
// such mode: its schemas must name all members of each object. So the model is
// told in words, at the end of the system's text.
func (w *writer) freeJSON() bool {
	f := &w.req.Format
	return f.Kind == canon.FormatJSON || f.Kind == canon.FormatSchema && f.Schema == nil
}

// jsonInstruction are those words.
const jsonInstruction = "Answer with one valid JSON object and nothing else: no text before or after it and no code fence around it."

func (w *writer) outputConfig() {
	from, inside := w.open(`,"output_config":{`)
	if w.plan.effort != "" {
		w.b = canon.AppendQuoted(append(w.b, `"effort":`...), w.plan.effort)
	}
	f := &w.req.Format
	if f.Kind == canon.FormatSchema && f.Schema != nil {
		schema := f.Schema
		if !w.own {
			schema = closed(schema)
		}
		w.b = append(comma(w.b), `"format":{"type":"json_schema","schema":`...)
		w.b = append(append(w.b, schema...), '}')
	}
	if !f.Description.Empty() {
		w.lose("response_format.description")
	}
	w.members("output_config.")
	w.close(from, inside)
}

// version is a model of Anthropic's, as its name tells; zero for others.
type version struct {
	family       string
	major, minor int
}

// modelOf reads names such as claude-opus-4-7, claude-opus-5-20261101 and
// anthropic.claude-sonnet-4-5-20250929-v1:0.
func modelOf(name string) (v version) {
	_, rest, found := strings.Cut(name, "claude-")
	if !found {
		return v
	}
	words := strings.FieldsFunc(rest, func(r rune) bool { return r < '0' || r > '9' && r < 'a' || r > 'z' })
	for _, word := range words {
		n, err := strconv.Atoi(word)
		switch {
		case err != nil && v.major > 0:
			return v
		case err != nil:
			v.family = word
		case len(word) > 2:
			return v
		case v.major == 0:
			v.major = n
		default:
			v.minor = n
			return v
		}
	}
	return v
}

func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// adaptiveOnly says that the model refuses a budget: Opus since 4.7, and all
// from 5 on.
func (v version) adaptiveOnly() bool {
	return v.atLeast(5, 0) || v.family == "opus" && v.atLeast(4, 7)
}

// systemAnywhere says that the model takes system messages in the middle of a
// conversation. Names that tell nothing are trusted to.
func (v version) systemAnywhere() bool { return v.major == 0 || v.atLeast(4, 8) }
