package responses

import (
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// tools writes the tools and how free the model is to call them.
func (w *requestWriter) tools(b []byte) []byte {
	n := 0
	for i := range w.req.Tools {
		t := &w.req.Tools[i]
		if t.Raw != nil && t.From != canon.Responses {
			w.lost.Add("tools[]." + t.Name.String())
			continue
		}
		if n++; n == 1 {
			b = append(b, `,"tools":[`...)
		} else {
			b = append(b, ',')
		}
		b = w.tool(b, t)
	}
	if n > 0 {
		b = append(b, ']')
	}
	return w.choice(b)
}

func (w *requestWriter) tool(b []byte, t *canon.Tool) []byte {
	if t.Raw != nil {
		return append(b, t.Raw...)
	}
	if t.Cache.Set {
		w.lost.Add("tools[].cache_control")
	}
	kind := "function"
	if t.Custom {
		kind = "custom"
	}
	b = append(append(b, `{"type":"`...), kind...)
	b = append(append(b, `","name":`...), orEmpty(t.Name)...)
	if t.Description != nil {
		b = append(append(b, `,"description":`...), t.Description...)
	}
	if t.Custom {
		b = appendFormat(b, t.Grammar)
	} else {
		b = w.schema(b, t)
	}
	if w.own && t.From == canon.Responses {
		b = appendFields(b, t.Extra)
	}
	return append(b, '}')
}

// schema writes a function's arguments. Functions are strict by default here
// and nowhere else, so that it must be said when they are not.
func (w *requestWriter) schema(b []byte, t *canon.Tool) []byte {
	b = append(b, `,"parameters":`...)
	if t.Schema != nil {
		b = append(b, t.Schema...)
	} else {
		b = append(b, `{"type":"object","properties":{}}`...)
	}
	switch {
	case t.Strict == canon.Yes:
		return append(b, `,"strict":true`...)
	case t.Strict == canon.No || !w.own:
		return append(b, `,"strict":false`...)
	}
	return b
}

// appendFormat writes a grammar, which may lie in an object of its own.
func appendFormat(b []byte, grammar canon.Raw) []byte {
	if grammar == nil {
		return b
	}
	f := fieldsOf(grammar, "syntax", "definition", "grammar")
	if f[2] != nil {
		f = fieldsOf(f[2], "syntax", "definition")
	}
	if f[1] == nil {
		return b
	}
	b = append(b, `,"format":{"type":"grammar","syntax":`...)
	if f[0] != nil {
		b = append(b, f[0]...)
	} else {
		b = append(b, `"lark"`...)
	}
	b = append(append(b, `,"definition":`...), f[1]...)
	return append(b, '}')
}

func (w *requestWriter) choice(b []byte) []byte {
	c := &w.req.Choice
	mode := ""
	for _, m := range choiceModes {
		if m.mode == c.Mode {
			mode = m.name
		}
	}
	switch {
	case c.Mode == canon.ChoiceOne:
		b = w.named(append(b, `,"tool_choice":`...), c.Name)
	case mode != "" && len(c.Allowed) > 0 && c.Mode != canon.ChoiceNone:
		b = append(append(b, `,"tool_choice":{"type":"allowed_tools","mode":"`...), mode...)
		b = append(b, `","tools":[`...)
		for i, name := range c.Allowed {
			if i > 0 {
				b = append(b, ',')
			}
			b = w.named(b, name)
		}
		b = append(b, "]}"...)
	case mode != "":
		b = append(append(append(b, `,"tool_choice":"`...), mode...), '"')
	}
	if w.req.Parallel != canon.Unset {
		b = strconv.AppendBool(append(b, `,"parallel_tool_calls":`...), w.req.Parallel == canon.Yes)
	}
	return b
}

// named writes the choice of one tool.
func (w *requestWriter) named(b []byte, name canon.Text) []byte {
	kind := `{"type":"function","name":`
	for i := range w.req.Tools {
		if t := &w.req.Tools[i]; t.Custom && string(t.Name) == string(name) {
			kind = `{"type":"custom","name":`
		}
	}
	return append(append(append(b, kind...), orEmpty(name)...), '}')
}

// settings writes all else.
func (w *requestWriter) settings(b []byte) []byte {
	r := w.req
	for _, f := range [...]canon.Field{
		{Name: `,"max_output_tokens":`, Value: r.MaxTokens}, {Name: `,"temperature":`, Value: r.Temperature}, {Name: `,"top_p":`, Value: r.TopP},
		{Name: `,"presence_penalty":`, Value: r.PresencePenalty}, {Name: `,"frequency_penalty":`, Value: r.FrequencyPenalty},
		{Name: `,"top_logprobs":`, Value: r.TopLogProbs}, {Name: `,"user":`, Value: canon.Raw(r.User)}, {Name: `,"service_tier":`, Value: canon.Raw(r.ServiceTier)},
	} {
		if f.Value != nil {
			b = append(append(b, f.Name...), f.Value...)
		}
	}
	w.inexpressibles()
	b = w.text(b)
	b = w.effort(b)
	if r.Stream {
		b = append(b, `,"stream":true`...)
	}
	b = w.extra(b)
	if !w.own {
		b = w.defaults(b)
	}
	return b
}

func (w *requestWriter) inexpressibles() {
	r := w.req
	for _, f := range [...]canon.Field{{Name: "top_k", Value: r.TopK}, {Name: "seed", Value: r.Seed}} {
		if f.Value != nil {
			w.lost.Add(f.Name)
		}
	}
	if len(r.Stop) > 0 {
		w.lost.Add("stop")
	}
	if r.N != nil && string(r.N) != "1" {
		w.lost.Add("n")
	}
	if r.Cache.Set {
		w.lost.Add("cache_control")
	}
}

// text writes what the answer's text must be.
func (w *requestWriter) text(b []byte) []byte {
	start := len(b)
	b = append(b, `,"text":{`...)
	empty := len(b)
	f := &w.req.Format
	switch f.Kind {
	case canon.FormatText:
		b = append(b, `"format":{"type":"text"}`...)
	case canon.FormatJSON:
		b = append(b, `"format":{"type":"json_object"}`...)
	case canon.FormatSchema:
		b = appendSchema(b, f)
	}
	if b = w.below(b, "text.", empty); len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}

func appendSchema(b []byte, f *canon.Format) []byte {
	b = append(b, `"format":{"type":"json_schema","name":`...)
	if f.Name != nil {
		b = append(b, f.Name...)
	} else {
		b = append(b, `"structured_output"`...)
	}
	if f.Description != nil {
		b = append(append(b, `,"description":`...), f.Description...)
	}
	b = append(b, `,"schema":`...)
	if f.Schema != nil {
		b = append(b, f.Schema...)
	} else {
		b = append(b, "{}"...)
	}
	if f.Strict != canon.Unset {
		b = strconv.AppendBool(append(b, `,"strict":`...), f.Strict == canon.Yes)
	}
	return append(b, '}')
}

// below writes the fields without a name in canon that stand in an object.
func (w *requestWriter) below(b []byte, object string, empty int) []byte {
	for i := range w.req.Extra {
		e := &w.req.Extra[i]
		name, ok := strings.CutPrefix(e.Name, object)
		if !w.own {
			name, ok = "verbosity", object == "text." && e.Name == "verbosity" && w.req.From == canon.OpenAIChat
		}
		if !ok {
			continue
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		b = append(append(canon.AppendQuoted(b, name), ':'), e.Value...)
	}
	return b
}

// effort writes how much to think. Only who speaks one of OpenAI's dialects
// can mean the provider's own way to switch thinking off; for others that is
// mostly what they would get anyway, and many models refuse the field.
func (w *requestWriter) effort(b []byte) []byte {
	r := &w.req.Reasoning
	start := len(b)
	b = append(b, `,"reasoning":{`...)
	empty := len(b)
	effort := r.Effort
	if effort == "" && r.Budget > 0 {
		effort = canon.EffortOf(r.Budget)
	}
	switch {
	case r.Mode == canon.ReasoningOff && (w.own || w.req.From == canon.OpenAIChat):
		b = append(b, `"effort":"none"`...)
	case r.Mode == canon.ReasoningOff:
		w.lost.Add("reasoning")
	case effort == "max" && !w.own:
		b = append(b, `"effort":"xhigh"`...)
	case effort != "":
		b = canon.AppendQuoted(append(b, `"effort":`...), effort)
	}
	if len(b) > empty && (r.Summary != nil || r.Show == canon.Yes) {
		b = append(b, ',')
	}
	if r.Summary != nil {
		b = append(append(b, `"summary":`...), r.Summary...)
	} else if r.Show == canon.Yes {
		b = append(b, `"summary":"auto"`...)
	}
	if b = w.below(b, "reasoning.", empty); len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}

// shared are fields that chat completions have too, with the same meaning.
var shared = [...]string{"metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}

// extra writes the fields without a name in canon, if they are ours.
func (w *requestWriter) extra(b []byte) []byte {
	for i := range w.req.Extra {
		e := &w.req.Extra[i]
		nested := strings.ContainsAny(e.Name, "[.")
		mine := w.own && !nested
		for _, n := range shared {
			mine = mine || w.req.From == canon.OpenAIChat && e.Name == n || n == "metadata" && e.Name == n && len(e.Value) > 0 && e.Value[0] == '{'
		}
		switch {
		case mine:
			b = append(append(canon.AppendQuoted(append(b, ','), e.Name), ':'), e.Value...)
		case w.own && strings.Contains(e.Name, "content[]."):
			w.lost.Add(e.Name)
		case !w.own && !(e.Name == "verbosity" && w.req.From == canon.OpenAIChat):
			w.lost.Add(e.Name)
		}
	}
	return b
}

// defaults writes what callers of other dialects expect without asking:
// answers are not stored, and thoughts come with what lets them go back.
func (w *requestWriter) defaults(b []byte) []byte {
	stored := false
	for i := range w.req.Extra {
		stored = stored || w.req.Extra[i].Name == "store" && w.req.From == canon.OpenAIChat
	}
	if !stored {
		b = append(b, `,"store":false`...)
	}
	thinks := w.req.Reasoning.Mode == canon.ReasoningOn || w.req.Reasoning.Mode == canon.ReasoningAdaptive
	logs := w.req.LogProbs == canon.Yes
	if !thinks && !logs {
		return b
	}
	b = append(b, `,"include":[`...)
	if thinks {
		b = append(b, `"`+includeReasoning+`"`...)
	}
	if thinks && logs {
		b = append(b, ',')
	}
	if logs {
		b = append(b, `"`+includeLogProbs+`"`...)
	}
	return append(b, ']')
}
