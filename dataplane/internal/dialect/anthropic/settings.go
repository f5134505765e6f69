package anthropic

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// extraOf keeps a member of an object of the request that canon has no name
// for.
func (w *walk) extraOf(req *canon.Request, object string, name []byte) bool {
	f := canon.Field{Name: object + "." + string(name)}
	ok := w.raw(&f.Value)
	req.Extra = append(req.Extra, f)
	return ok
}

// choiceModes pairs the API's types of choice with ours.
var choiceModes = [...]struct {
	name string
	mode canon.ChoiceMode
}{
	{"auto", canon.ChoiceAuto},
	{"any", canon.ChoiceAny},
	{"tool", canon.ChoiceOne},
	{"none", canon.ChoiceNone},
}

func (w *walk) toolChoice(req *canon.Request) bool {
	if !isObject(&w.s) {
		return w.s.Skip() && w.wrong("tool_choice", "an object")
	}
	var typ canon.Text
	ok := w.members(func(name []byte) bool {
		switch string(name) {
		case "type":
			return w.must(w.text(&typ))("tool_choice.type", "a string")
		case "name":
			return w.must(w.text(&req.Choice.Name))("tool_choice.name", "a string")
		case "disable_parallel_tool_use":
			var f canon.Flag
			right, ok := w.flag(&f)
			if f != canon.Unset {
				req.Parallel = canon.FlagOf(f == canon.No)
			}
			return w.must(right, ok)("tool_choice.disable_parallel_tool_use", "true or false")
		}
		return w.extraOf(req, "tool_choice", name)
	})
	if !ok {
		return false
	}
	for _, m := range choiceModes {
		if typ.Is(m.name) {
			req.Choice.Mode = m.mode
		}
	}
	if req.Choice.Mode == canon.ChoiceUnset {
		return w.wrong("tool_choice.type", "auto, any, tool or none")
	}
	if req.Choice.Mode == canon.ChoiceOne && req.Choice.Name == nil {
		return w.missing("tool_choice.name")
	}
	return true
}

// thinkingModes pairs the API's types of thinking with ours.
var thinkingModes = [...]struct {
	name string
	mode canon.ReasoningMode
}{
	{"enabled", canon.ReasoningOn},
	{"disabled", canon.ReasoningOff},
	{"adaptive", canon.ReasoningAdaptive},
}

func (w *walk) thinking(req *canon.Request) bool {
	if !isObject(&w.s) {
		return w.s.Skip() && w.wrong("thinking", "an object")
	}
	var typ, display canon.Text
	start, extras := w.s.Pos(), len(req.Extra)
	r := &req.Reasoning
	ok := w.members(func(name []byte) bool {
		switch string(name) {
		case "type":
			return w.must(w.text(&typ))("thinking.type", "a string")
		case "budget_tokens":
			var raw canon.Raw
			if !w.raw(&raw) {
				return false
			}
			n, err := strconv.ParseInt(string(raw), 10, 64)
			if err != nil || n < 0 {
				return w.wrong("thinking.budget_tokens", "a whole number")
			}
			r.Budget = n
			return true
		case "display":
			return w.must(w.text(&display))("thinking.display", "a string")
		}
		return w.extraOf(req, "thinking", name)
	})
	if !ok {
		return false
	}
	for _, m := range thinkingModes {
		if typ.Is(m.name) {
			r.Mode = m.mode
		}
	}
	known := display == nil || display.Is("summarized") || display.Is("omitted")
	if r.Mode == canon.ReasoningUnset || !known {
		// A kind of thinking that came later: it goes as it is, or not at all.
		r.Mode, r.Budget = canon.ReasoningUnset, 0
		req.Extra = append(req.Extra[:extras], canon.Field{Name: "thinking", Value: w.s.Text()[start:w.s.Pos()]})
	} else if display != nil {
		r.Show = canon.FlagOf(display.Is("summarized"))
	}
	return true
}

func (w *walk) outputConfig(req *canon.Request) bool {
	if !isObject(&w.s) {
		return w.s.Skip() && w.wrong("output_config", "an object")
	}
	return w.members(func(name []byte) bool {
		switch string(name) {
		case "effort":
			var t canon.Text
			right, ok := w.text(&t)
			req.Reasoning.Effort = t.String()
			return w.must(right, ok)("output_config.effort", "a string")
		case "format":
			return w.format(req, "output_config.format")
		}
		return w.extraOf(req, "output_config", name)
	})
}

// format reads what the answer's text must be; older betas have it at the top.
func (w *walk) format(req *canon.Request, at string) bool {
	f := canon.Field{Name: at}
	var typ canon.Text
	var schema canon.Raw
	only := isObject(&w.s)
	start := w.s.Pos()
	var ok bool
	if !only {
		ok = w.s.Skip()
	} else {
		ok = w.members(func(name []byte) bool {
			switch string(name) {
			case "type":
				return string1(&w.s, &typ)
			case "schema":
				return w.raw(&schema)
			}
			only = false
			return w.s.Skip()
		})
	}
	f.Value = w.s.Text()[start:w.s.Pos()]
	switch {
	case !ok:
		return false
	case only && typ.Is("json_schema") && schema != nil && req.Format.Kind == canon.FormatUnset:
		req.Format = canon.Format{Kind: canon.FormatSchema, Schema: schema}
	case f.Value[0] != 'n':
		req.Extra = append(req.Extra, f)
	}
	return true
}

func (w *walk) metadata(req *canon.Request) bool {
	if !isObject(&w.s) {
		return w.s.Skip() && w.wrong("metadata", "an object")
	}
	return w.members(func(name []byte) bool {
		if string(name) == "user_id" {
			return w.must(w.text(&req.User))("metadata.user_id", "a string")
		}
		return w.extraOf(req, "metadata", name)
	})
}
