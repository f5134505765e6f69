package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

func (r *requestReader) tools() bool {
	if entered, ok := r.enter('[', "tools"); !entered {
		return ok
	}
	for i := 0; ; i++ {
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.at = place{}
			return ok
		}
		r.at = place{list: "tools", i: i}
		if r.s.Peek() != '{' {
			return r.wrong("", "an object")
		}
		var v canon.Raw
		if !r.raw(&v) || !r.tool(v) {
			return false
		}
	}
}

func (r *requestReader) tool(v canon.Raw) bool {
	kept := len(r.extra)
	r.mine = r.mine[:0]
	f, ok := r.pick(v, "", "type", "function", "custom", "cache_control")
	if !ok {
		return false
	}
	t := canon.Tool{}
	kind := asText(f[0])
	switch {
	case f[1] != nil && (kind == nil || kind.Is("function")):
		ok = r.function(&t, f[1], "function")
	case f[2] != nil && kind.Is("custom"):
		ok = r.custom(&t, f[2])
	case kind == nil:
		r.bad = wrongType(r.at.path("type"), "a string")
		return false
	default:
		// A tool of the provider goes on as it is.
		r.extra, r.mine = r.extra[:kept], r.mine[:0]
		t = canon.Tool{Name: kind, Raw: v, From: canon.OpenAIChat}
	}
	if f[3] != nil && t.Raw == nil && ok {
		g, good := r.pick(f[3], "cache_control", "ttl", "type")
		t.Cache, ok = canon.CacheMark{Set: true, TTL: asText(g[0])}, good
	}
	return r.addTool(&t, ok)
}

func (r *requestReader) addTool(t *canon.Tool, ok bool) bool {
	if r.bad != nil {
		return false
	}
	if !ok || t.Name == nil {
		r.bad = wrongType(r.at.path("function.name"), "a string")
		return false
	}
	t.Extra = r.taken(0)
	r.req.Tools = append(r.req.Tools, *t)
	return true
}

func (r *requestReader) function(t *canon.Tool, v canon.Raw, leaf string) bool {
	f, ok := r.pick(v, leaf, "name", "description", "parameters", "strict")
	t.Name, t.Description, t.Schema = asText(f[0]), asText(f[1]), f[2]
	if f[3] != nil {
		t.Strict = canon.FlagOf(string(f[3]) == "true")
	}
	if f[2] != nil && f[2][0] != '{' {
		r.bad = wrongType(r.at.path("function.parameters"), "an object")
	}
	return ok
}

func (r *requestReader) custom(t *canon.Tool, v canon.Raw) bool {
	f, ok := r.pick(v, "custom", "name", "description", "format")
	t.Custom, t.Name, t.Description = true, asText(f[0]), asText(f[1])
	if ok && len(f[2]) > 0 && f[2][0] == '{' {
		f, ok = r.pick(f[2], "custom.format", "type", "grammar")
		t.Grammar = f[1]
	}
	return ok
}

// functions reads tools from the time before they were called so.
func (r *requestReader) functions() bool {
	if entered, ok := r.enter('[', "functions"); !entered {
		return ok
	}
	for i := 0; ; i++ {
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.at = place{}
			return ok
		}
		r.at = place{list: "functions", i: i}
		if r.s.Peek() != '{' {
			return r.wrong("", "an object")
		}
		var v canon.Raw
		var t canon.Tool
		if !r.raw(&v) {
			return false
		}
		if ok := r.function(&t, v, ""); !r.addTool(&t, ok) {
			return false
		}
	}
}

// choices of tools by their words.
var choices = []struct {
	word string
	mode canon.ChoiceMode
}{
	{"auto", canon.ChoiceAuto}, {"none", canon.ChoiceNone}, {"required", canon.ChoiceAny}, {"any", canon.ChoiceAny},
}

func choiceOf(t canon.Text) canon.ChoiceMode {
	for _, c := range choices {
		if t.Is(c.word) {
			return c.mode
		}
	}
	return canon.ChoiceUnset
}

func (r *requestReader) toolChoice() bool {
	var v canon.Raw
	if ok := r.raw(&v); !ok || v == nil {
		return ok
	}
	choice := &r.req.Choice
	*choice = canon.ToolChoice{}
	if t := asText(v); t != nil {
		if choice.Mode = choiceOf(t); choice.Mode == canon.ChoiceUnset {
			return r.refuse("tool_choice", "tool_choice must be auto, none, required or name a tool.")
		}
		return true
	}
	if v[0] != '{' {
		r.bad = wrongType("tool_choice", "a string or an object")
		return false
	}
	f, ok := r.pick(v, "tool_choice", "type", "function", "custom", "allowed_tools", "name")
	if !ok {
		return false
	}
	named := asText(f[4])
	for _, tool := range f[1:3] {
		if len(tool) > 0 && tool[0] == '{' {
			g, _ := r.pick(tool, "tool_choice", "name")
			named = asText(g[0])
		}
	}
	if len(f[3]) > 0 && f[3][0] == '{' {
		return r.allowed(f[3])
	}
	if named == nil {
		return r.refuse("tool_choice", "tool_choice names no tool.")
	}
	choice.Mode, choice.Name = canon.ChoiceOne, named
	return true
}

// functionCall reads what tool_choice was called once; beside that it says
// nothing.
func (r *requestReader) functionCall() bool {
	chosen := r.req.Choice
	ok := r.toolChoice()
	if chosen.Mode != canon.ChoiceUnset {
		r.req.Choice = chosen
	}
	return ok
}

func (r *requestReader) allowed(v canon.Raw) bool {
	f, ok := r.pick(v, "tool_choice.allowed_tools", "mode", "tools")
	if !ok || len(f[1]) == 0 || f[1][0] != '[' {
		return r.refuse("tool_choice.allowed_tools", "allowed_tools names no tools.")
	}
	choice := &r.req.Choice
	if choice.Mode = choiceOf(asText(f[0])); choice.Mode == canon.ChoiceUnset {
		choice.Mode = canon.ChoiceAuto
	}
	ok = r.each(f[1], func(item canon.Raw) bool {
		g, ok := r.pick(item, quiet, "function", "custom", "name")
		name := asText(g[2])
		for _, inner := range g[:2] {
			if len(inner) > 0 && inner[0] == '{' {
				h, _ := r.pick(inner, quiet, "name")
				name = asText(h[0])
			}
		}
		if name != nil {
			choice.Allowed = append(choice.Allowed, name)
		}
		return ok && name != nil
	})
	return ok || r.refuse("tool_choice.allowed_tools", "allowed_tools holds a tool without a name.")
}

func (r *requestReader) format() bool {
	var v canon.Raw
	if ok := r.object(&v, "response_format"); !ok || v == nil {
		return ok
	}
	f, ok := r.pick(v, "response_format", "type", "json_schema")
	out := &r.req.Format
	switch kind := asText(f[0]); {
	case kind.Is("text"):
		out.Kind = canon.FormatText
	case kind.Is("json_object"):
		out.Kind = canon.FormatJSON
	case kind.Is("json_schema") && len(f[1]) > 0 && f[1][0] == '{':
		out.Kind = canon.FormatSchema
		f, ok = r.pick(f[1], "response_format.json_schema", "name", "description", "schema", "strict")
		out.Name, out.Description, out.Schema = asText(f[0]), asText(f[1]), f[2]
		if f[3] != nil {
			out.Strict = canon.FlagOf(string(f[3]) == "true")
		}
	default:
		return r.refuse("response_format", "response_format must be of type text, json_object or json_schema.")
	}
	return ok
}

func (r *requestReader) effort() bool {
	var t canon.Text
	if !r.text(&t, "reasoning_effort") {
		return false
	}
	r.setEffort(t)
	return true
}

func (r *requestReader) setEffort(t canon.Text) {
	switch {
	case t == nil:
	case t.Is("none"):
		r.req.Reasoning.Mode = canon.ReasoningOff
	default:
		r.req.Reasoning.Mode, r.req.Reasoning.Effort = canon.ReasoningOn, t.String()
	}
}

// reasoning reads OpenRouter's form of it.
func (r *requestReader) reasoning() bool {
	var v canon.Raw
	if ok := r.object(&v, "reasoning"); !ok || v == nil {
		return ok
	}
	f, ok := r.pick(v, "reasoning", "effort", "max_tokens", "enabled", "exclude", "summary")
	to := &r.req.Reasoning
	switch string(f[2]) {
	case "true":
		to.Mode = canon.ReasoningOn
	case "false":
		to.Mode = canon.ReasoningOff
	}
	r.setEffort(asText(f[0]))
	if n, whole := integer(f[1]); whole && n > 0 {
		to.Mode, to.Budget = canon.ReasoningOn, n
	}
	if f[3] != nil {
		to.Show = canon.FlagOf(string(f[3]) != "true")
	}
	to.Summary = asText(f[4])
	return ok
}

// thinkingMode reads the switch that DeepSeek, Moonshot and Zhipu have, others
// with a budget.
func (r *requestReader) thinkingMode() bool {
	var v canon.Raw
	if ok := r.object(&v, "thinking"); !ok || v == nil {
		return ok
	}
	f, ok := r.pick(v, "thinking", "type", "budget_tokens")
	to := &r.req.Reasoning
	switch kind := asText(f[0]); {
	case kind.Is("disabled"):
		to.Mode = canon.ReasoningOff
	case kind.Is("adaptive"), kind.Is("auto"):
		to.Mode = canon.ReasoningAdaptive
	case kind.Is("enabled"):
		to.Mode = canon.ReasoningOn
	}
	if n, whole := integer(f[1]); whole && n > 0 {
		to.Budget = n
	}
	return ok
}
