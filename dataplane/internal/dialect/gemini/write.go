package gemini

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// out is a request that is being written.
type out struct {
	b    []byte
	req  *canon.Request
	to   *canon.Target
	lost *canon.Losses
	// own says that the request was read from this dialect.
	own bool
	bad *fault.Fault
	// begun says that the object that is being written has a member.
	begun bool
	// at is the message that is being written.
	at int
	// names of the tools by the ids of their calls, once they are needed.
	names map[string]canon.Text
}

// maxLosses bounds the losses that are named: a list nobody reads is long
// enough to cost time.
const maxLosses = 256

func (w *out) lose(name string) {
	if len(*w.lost) < maxLosses {
		w.lost.Add(name)
	}
}

// AppendRequest writes the request for a provider.
//
// Schemas go to parametersJsonSchema and responseJsonSchema, which take JSON
// Schema as callers write it; parameters and responseSchema take a part of
// OpenAPI, so that references, unions and bounds would have to be rewritten or
// lost.
func (Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	start := len(b)
	if to == nil {
		to = &canon.Target{}
	}
	w := out{b: append(b, '{'), req: req, to: to, lost: lost, own: req.From == canon.Gemini}
	w.messages()
	w.tools()
	w.toolConfig()
	w.config()
	if t := googleTier(req.ServiceTier, w.own); t != nil {
		w.name("serviceTier")
		w.b = append(w.b, t...)
	} else if !req.ServiceTier.Empty() && !req.ServiceTier.Is("auto") {
		w.lose("service_tier")
	}
	w.extras("")
	w.report()
	if w.bad != nil {
		return b[:start], w.bad
	}
	return append(w.b, '}'), nil
}

// report names what no field was found for.
func (w *out) report() {
	q := w.req
	if q.Parallel == canon.No {
		w.lose("parallel_tool_calls")
	}
	if !q.User.Empty() {
		w.lose("user")
	}
	if q.Cache.Set {
		w.lose("cache_control")
	}
	if !w.own {
		for _, e := range q.Extra {
			w.lose(e.Name)
		}
	}
}

// name starts a member.
func (w *out) name(n string) {
	if w.begun {
		w.b = append(w.b, ',')
	}
	w.begun = true
	w.b = append(append(append(w.b, '"'), n...), '"', ':')
}

// field writes a member when there is a value.
func (w *out) field(n string, v []byte) {
	if len(v) > 0 {
		w.name(n)
		w.b = append(w.b, v...)
	}
}

// open starts a member that is an object; close ends it, and takes the member
// back when nothing was written into it.
func (w *out) open(n string) (mark int, begun bool) {
	mark, begun = len(w.b), w.begun
	w.name(n)
	w.b = append(w.b, '{')
	w.begun = false
	return mark, begun
}

func (w *out) close(mark int, begun bool) {
	if !w.begun {
		w.b, w.begun = w.b[:mark], begun
		return
	}
	w.b = append(w.b, '}')
	w.begun = true
}

// extras writes the fields without a name in canon that stand right below a
// path.
func (w *out) extras(path string) {
	if !w.own {
		return
	}
	for _, e := range w.req.Extra {
		name, ok := strings.CutPrefix(e.Name, path)
		if ok && name != "" && !strings.ContainsAny(name, ".[") {
			w.field(quotable(name), e.Value)
		}
	}
}

// quotable is a name as it stands between quotes.
func quotable(name string) string {
	q := canon.Quote(name)
	return string(q[1 : len(q)-1])
}

var tiers = []string{"standard", "flex", "priority"}

// googleTier gives Google's word for a tier, nil when it has none.
func googleTier(t canon.Text, own bool) canon.Text {
	if t.Is("default") || t.Is("standard_only") {
		return canon.Text(`"standard"`)
	}
	for _, n := range tiers {
		if t.Is(n) {
			return t
		}
	}
	if own && !t.Empty() {
		return t
	}
	return nil
}

func (w *out) tools() {
	if len(w.req.Tools) == 0 {
		return
	}
	mark, begun := len(w.b), w.begun
	w.name("tools")
	w.b = append(w.b, '[')
	functions, n := false, 0
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if t.Raw != nil {
			continue
		}
		if !functions {
			functions = true
			n++
			w.b = append(w.b, `{"functionDeclarations":[`...)
		} else {
			w.b = append(w.b, ',')
		}
		w.function(t, i)
	}
	if functions {
		w.b = append(w.b, "]}"...)
	}
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if t.Raw == nil {
			continue
		}
		if t.From != canon.Gemini {
			w.lose("tools[" + strconv.Itoa(i) + "]")
			continue
		}
		if n++; n > 1 {
			w.b = append(w.b, ',')
		}
		w.b = append(append(append(w.b, '{'), t.Name...), ':')
		w.b = append(append(w.b, t.Raw...), '}')
	}
	if n == 0 {
		w.b, w.begun = w.b[:mark], begun
		return
	}
	w.b = append(w.b, ']')
	w.begun = true
}

// customSchema is the schema of a tool that takes free text.
const customSchema = `{"type":"object","properties":{"` + customArgument + `":{"type":"string"}},"required":["` + customArgument + `"]}`

// customArgument holds the text in a call of such a tool.
const customArgument = "input"

func (w *out) function(t *canon.Tool, i int) {
	w.b = append(w.b, '{')
	w.begun = false
	w.field("name", t.Name)
	w.field("description", t.Description)
	if t.Custom {
		w.field("parametersJsonSchema", []byte(customSchema))
		w.lose("tools[" + strconv.Itoa(i) + "].custom")
	} else {
		w.field("parametersJsonSchema", t.Schema)
	}
	if t.From == canon.Gemini {
		for _, e := range t.Extra {
			w.field(quotable(e.Name), e.Value)
		}
	}
	w.b = append(w.b, '}')
	if t.Strict == canon.Yes {
		w.lose("tools[" + strconv.Itoa(i) + "].strict")
	}
	if t.Cache.Set {
		w.lose("cache_control")
	}
}

func (w *out) toolConfig() {
	c := &w.req.Choice
	config, configBegun := w.open("toolConfig")
	calling, callingBegun := w.open("functionCallingConfig")
	mode := ""
	switch c.Mode {
	case canon.ChoiceAuto:
		mode = "AUTO"
		if len(c.Allowed) > 0 {
			// The only mode besides ANY that takes names.
			mode = "VALIDATED"
		}
	case canon.ChoiceNone:
		mode = "NONE"
	case canon.ChoiceAny, canon.ChoiceOne:
		mode = "ANY"
	}
	if mode != "" && !w.hasExtra("toolConfig.functionCallingConfig.mode") {
		w.name("mode")
		w.b = append(append(append(w.b, '"'), mode...), '"')
	}
	switch {
	case c.Mode == canon.ChoiceOne:
		w.name("allowedFunctionNames")
		w.b = append(append(append(w.b, '['), c.Name...), ']')
	case len(c.Allowed) > 0:
		w.list("allowedFunctionNames", c.Allowed)
	}
	w.extras("toolConfig.functionCallingConfig.")
	w.close(calling, callingBegun)
	w.extras("toolConfig.")
	w.close(config, configBegun)
}

func (w *out) hasExtra(name string) bool {
	if w.own {
		for _, e := range w.req.Extra {
			if e.Name == name {
				return true
			}
		}
	}
	return false
}

func (w *out) list(name string, texts []canon.Text) {
	w.name(name)
	w.b = append(w.b, '[')
	for i, t := range texts {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, t...)
	}
	w.b = append(w.b, ']')
}

func (w *out) config() {
	q := w.req
	mark, begun := w.open("generationConfig")
	for _, n := range configNumbers {
		if n.name == "logprobs" && q.TopLogProbs != nil && q.LogProbs != canon.Yes && !w.own {
			w.lose("top_logprobs") // Without the flag, the number is refused.
			continue
		}
		w.field(n.name, *n.at(q))
	}
	if len(q.Stop) > 0 {
		w.list("stopSequences", q.Stop)
	}
	w.flag("responseLogprobs", q.LogProbs)
	switch q.Format.Kind {
	case canon.FormatText:
		if w.own {
			w.field("responseMimeType", []byte(`"text/plain"`))
		}
	case canon.FormatJSON:
		w.field("responseMimeType", []byte(`"application/json"`))
	case canon.FormatSchema:
		w.field("responseMimeType", []byte(`"application/json"`))
		w.field("responseJsonSchema", q.Format.Schema)
		if !q.Format.Description.Empty() {
			w.lose("response_format.description")
		}
	}
	w.thinking()
	w.extras("generationConfig.")
	w.close(mark, begun)
}

func (w *out) flag(name string, f canon.Flag) {
	switch f {
	case canon.Yes:
		w.field(name, []byte("true"))
	case canon.No:
		w.field(name, []byte("false"))
	}
}

// thinking asks for thought: by level from Gemini 3 on, whose models have
// levels in place of budgets, and by budget before.
func (w *out) thinking() {
	t := &w.req.Reasoning
	mark, begun := w.open("thinkingConfig")
	third := generation(w.to.Model) >= 3
	show := t.Show
	switch {
	case t.Mode == canon.ReasoningOff && (w.own || !third):
		w.field("thinkingBudget", []byte("0"))
	case t.Mode == canon.ReasoningOff:
		// These cannot be kept from thinking altogether.
		w.quoted("thinkingLevel", w.level("minimal"))
		w.lose("reasoning.off")
	default:
		w.thought(t, third)
		if show == canon.Unset && !w.own && (t.Mode != canon.ReasoningUnset || t.Effort != "") {
			show = canon.Yes
		}
	}
	w.flag("includeThoughts", show)
	w.extras("generationConfig.thinkingConfig.")
	w.close(mark, begun)
}

func (w *out) thought(t *canon.Reasoning, third bool) {
	budget := t.Budget
	switch {
	case t.Effort != "" && (w.own || third && budget == 0):
		w.quoted("thinkingLevel", w.level(t.Effort))
	case budget == 0 && t.Effort != "":
		budget = canon.BudgetOf(t.Effort)
	}
	switch {
	case budget > 0:
		w.name("thinkingBudget")
		w.b = strconv.AppendInt(w.b, budget, 10)
	case t.Mode == canon.ReasoningAdaptive && t.Effort == "" && (w.own || !third):
		w.field("thinkingBudget", []byte("-1"))
	}
}

func (w *out) quoted(name, value string) {
	w.name(name)
	w.b = canon.AppendQuoted(w.b, value)
}

// level is the level that an effort stands for. Only the small models know
// minimal; none goes beyond high.
func (w *out) level(effort string) string {
	switch {
	case w.own:
	case effort == "xhigh" || effort == "max":
		return "high"
	case effort == "minimal" && !strings.Contains(w.to.Model, "flash"):
		return "low"
	}
	return effort
}

// generation is the N of gemini-N, 0 for other names.
func generation(model string) int {
	_, rest, ok := strings.Cut(model, "gemini-")
	if !ok {
		return 0
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(rest[:end])
	return n
}
