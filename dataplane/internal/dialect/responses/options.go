package responses

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// tools reads the list of tools.
func (r *requestReader) tools() bool {
	entered, ok := r.enter('[', "tools")
	if !entered {
		return ok
	}
	for i := 0; ; i++ {
		r.list, r.i = "tools", i
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.list = ""
			return ok
		}
		if r.s.Peek() != '{' {
			return r.wrong("", "an object")
		}
		r.req.Tools = append(r.req.Tools, canon.Tool{})
		if !r.tool(&r.req.Tools[i]) {
			return false
		}
	}
}

// tool reads one tool: a function or a custom tool of the caller's, or one
// that the provider runs and that only it can read.
func (r *requestReader) tool(t *canon.Tool) bool {
	start := r.s.Pos()
	r.s.Open('{')
	var kind canon.Text
	var format canon.Raw
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		switch string(name) {
		case "type":
			ok = r.text(&kind, "type")
		case "name":
			ok = r.text(&t.Name, "name")
		case "description":
			ok = r.text(&t.Description, "description")
		case "parameters":
			ok = r.raw(&t.Schema)
		case "strict":
			ok = r.flag(&t.Strict, "strict")
		case "format":
			ok = r.raw(&format)
		default:
			ok = r.keep(&t.Extra, name)
		}
		if !ok {
			return false
		}
	}
	return r.toolOf(t, kind, format, canon.Raw(r.s.Text()[start:r.s.Pos()]))
}

func (r *requestReader) toolOf(t *canon.Tool, kind canon.Text, format, raw canon.Raw) bool {
	switch {
	case kind == nil:
		r.bad = wrongType(r.path("type"), "a string")
	case kind.Is("custom"):
		t.Custom = true
		if f := fieldsOf(format, "type", "syntax", "definition"); asText(f[0]).Is("grammar") {
			t.Grammar = appendGrammar(nil, f[1], f[2])
		}
	case !kind.Is("function"):
		*t = canon.Tool{Name: kind, Raw: raw, From: canon.Responses}
		return true
	}
	if r.bad == nil && t.Name == nil {
		r.bad = wrongType(r.path("name"), "a string")
	}
	if r.bad == nil && t.Schema != nil && t.Schema[0] != '{' {
		r.bad = wrongType(r.path("parameters"), "an object")
	}
	if len(t.Extra) > 0 {
		t.From = canon.Responses
		r.tell(t.Extra, "tools[].")
	}
	return r.bad == nil
}

func appendGrammar(b []byte, syntax, definition canon.Raw) []byte {
	if syntax == nil {
		syntax = canon.Raw(`"lark"`)
	}
	if definition == nil {
		definition = canon.Raw(`""`)
	}
	b = append(append(b, `{"syntax":`...), syntax...)
	b = append(append(b, `,"definition":`...), definition...)
	return append(b, '}')
}

// choiceModes are the ways to call tools.
var choiceModes = [...]struct {
	name string
	mode canon.ChoiceMode
}{{"auto", canon.ChoiceAuto}, {"none", canon.ChoiceNone}, {"required", canon.ChoiceAny}}

func modeOf(t canon.Text) (canon.ChoiceMode, bool) {
	for _, m := range choiceModes {
		if t.Is(m.name) {
			return m.mode, true
		}
	}
	return canon.ChoiceUnset, false
}

func (r *requestReader) choice() bool {
	var v canon.Raw
	if ok := r.raw(&v); !ok || v == nil {
		return ok
	}
	c := &r.req.Choice
	if t := asText(v); t != nil {
		mode, known := modeOf(t)
		if c.Mode = mode; !known {
			r.bad = fault.New(fault.BadRequest, "tool_choice must be auto, none, required or an object.", nil).WithParam("tool_choice")
		}
		return known
	}
	if v[0] != '{' {
		r.bad = wrongType("tool_choice", "a string or an object")
		return false
	}
	f := fieldsOf(v, "type", "name", "mode", "tools")
	kind := asText(f[0])
	switch {
	case (kind.Is("function") || kind.Is("custom")) && asText(f[1]) != nil:
		c.Mode, c.Name = canon.ChoiceOne, asText(f[1])
	case kind.Is("allowed_tools"):
		return r.allowed(v, asText(f[2]), f[3])
	default:
		r.extra = append(r.extra, canon.Field{Name: "tool_choice", Value: v})
	}
	return true
}

// allowed reads which tools may be called. A list that names a tool of the
// provider's is for this dialect alone.
func (r *requestReader) allowed(whole canon.Raw, mode canon.Text, tools canon.Raw) bool {
	c := &r.req.Choice
	plain := true
	each(tools, func(v canon.Raw) {
		f := fieldsOf(v, "type", "name")
		name := asText(f[1])
		if kind := asText(f[0]); name == nil || !kind.Is("function") && !kind.Is("custom") {
			plain = false
			return
		}
		c.Allowed = append(c.Allowed, name)
	})
	c.Mode, _ = modeOf(mode)
	if c.Mode == canon.ChoiceUnset {
		c.Mode = canon.ChoiceAuto
	}
	if !plain || len(c.Allowed) == 0 {
		*c = canon.ToolChoice{}
		r.extra = append(r.extra, canon.Field{Name: "tool_choice", Value: whole})
	}
	return true
}

// object reads an object field by field; other fields are kept by their path.
func (r *requestReader) fields(field string, read func(name []byte) (known, ok bool)) bool {
	entered, ok := r.enter('{', field)
	if !entered {
		return ok
	}
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || !more {
			return ok
		}
		var is bool
		if is, ok = read(name); !is {
			var rest []canon.Field
			ok = r.keep(&rest, name)
			r.tell(rest, field+".")
		}
		if !ok {
			return false
		}
	}
}

func (r *requestReader) format() bool {
	return r.fields("text", func(name []byte) (bool, bool) {
		if string(name) != "format" {
			return false, true
		}
		var v canon.Raw
		if ok := r.raw(&v); !ok || v == nil {
			return true, ok
		}
		return true, r.formatOf(v)
	})
}

func (r *requestReader) formatOf(v canon.Raw) bool {
	f := fieldsOf(v, "type", "name", "description", "schema", "strict")
	to := &r.req.Format
	switch kind := asText(f[0]); {
	case kind.Is("text"):
		to.Kind = canon.FormatText
	case kind.Is("json_object"):
		to.Kind = canon.FormatJSON
	case kind.Is("json_schema"):
		to.Kind, to.Name, to.Description, to.Schema = canon.FormatSchema, asText(f[1]), asText(f[2]), f[3]
		if f[4] != nil {
			to.Strict = canon.FlagOf(string(f[4]) == "true")
		}
		if to.Schema == nil || to.Schema[0] != '{' {
			r.bad = wrongType("text.format.schema", "an object")
		}
	case kind == nil:
		r.bad = wrongType("text.format.type", "a string")
	default:
		r.extra = append(r.extra, canon.Field{Name: "text.format", Value: v, Needed: true})
	}
	return r.bad == nil
}

func (r *requestReader) reasoning() bool {
	to := &r.req.Reasoning
	return r.fields("reasoning", func(name []byte) (bool, bool) {
		switch string(name) {
		case "effort":
			var t canon.Text
			ok := r.text(&t, "reasoning.effort")
			switch {
			case t == nil:
			case t.Is("none"):
				to.Mode = canon.ReasoningOff
			default:
				to.Mode, to.Effort = canon.ReasoningOn, t.String()
			}
			return true, ok
		case "summary":
			ok := r.text(&to.Summary, "reasoning.summary")
			if to.Summary != nil {
				to.Show = canon.Yes
			}
			return true, ok
		}
		return false, true
	})
}

// Values of include that have a place in canon.
const (
	includeLogProbs  = "message.output_text.logprobs"
	includeReasoning = "reasoning.encrypted_content"
)

// include reads what else the answer shall hold. It is kept too, because not
// all of it has a place.
func (r *requestReader) include() bool {
	if c := r.s.Peek(); c != '[' && c != 'n' {
		return r.wrong("include", "an array")
	}
	var v canon.Raw
	if ok := r.raw(&v); !ok || v == nil {
		return ok
	}
	each(v, func(e canon.Raw) {
		if asText(e).Is(includeLogProbs) {
			r.req.LogProbs = canon.Yes
		}
	})
	r.extra = append(r.extra, canon.Field{Name: "include", Value: v})
	return true
}
