package dialogue

import (
	"slices"
	"strings"
)

func (c *Conversation) geminiPart(p *geminiPart, at string) (part, *refusal) {
	kinds := 0
	for _, is := range []bool{p.Text != nil, p.InlineData != nil, p.FileData != nil, p.Call != nil, p.Response != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return part{}, Gemini.bad("%s.data: required oneof field 'data' must have one initialized field", at)
	}
	switch {
	case p.Text != nil && p.Thought:
		return part{kind: thought, text: *p.Text, signed: p.Signature}, nil
	case p.Text != nil:
		return part{kind: text, text: *p.Text, signed: p.Signature}, nil
	case p.InlineData != nil:
		n := size(p.InlineData.Data)
		if n < 0 || p.InlineData.MIMEType == "" {
			return part{}, Gemini.bad("%s.inline_data: base64 and a MIME type are required", at)
		}
		return part{kind: media, mime: p.InlineData.MIMEType, size: n}, nil
	case p.FileData != nil:
		return part{kind: media, mime: "url"}, nil
	case p.Call != nil:
		args := "{}"
		if kindOf(p.Call.Args) != 0 {
			args = string(p.Call.Args)
		}
		if _, ok := asObject([]byte(args)); !ok || !geminiToolName.MatchString(p.Call.Name) {
			return part{}, Gemini.bad("%s.function_call: a name and a struct as args are required", at)
		}
		return part{kind: call, id: p.Call.ID, name: p.Call.Name, text: args, signed: p.Signature}, nil
	}
	if _, ok := asObject(p.Response.Response); !ok || p.Response.Name == "" {
		return part{}, Gemini.bad("%s.function_response: a name and a struct as response are required", at)
	}
	return part{kind: result, id: p.Response.ID, name: p.Response.Name, text: string(p.Response.Response)}, nil
}

// geminiOrder checks calls and responses against the turn before them.
func (c *Conversation) geminiOrder(role string, parts []part) *refusal {
	var calls []part
	var before turn
	if n := len(c.turns); n > 0 {
		before = c.turns[n-1]
		for _, p := range before.parts {
			if p.kind == call {
				calls = append(calls, p)
			}
		}
	}
	isCall := func(p part) bool { return p.kind == call }
	if slices.ContainsFunc(parts, isCall) && (role != "assistant" || before.role != "user") {
		return Gemini.bad("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
	}
	var responses []int
	for i, p := range parts {
		if p.kind == result {
			responses = append(responses, i)
		}
	}
	if len(responses) != len(calls) {
		return Gemini.bad("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
	}
	for n, i := range responses {
		p := &parts[i]
		k := slices.IndexFunc(calls, func(c part) bool { return c.id != "" && c.id == p.id })
		if k < 0 {
			k = n
		}
		if calls[k].name != p.name || p.id != "" && calls[k].id != "" && p.id != calls[k].id {
			return Gemini.bad("function_response %s does not answer the call of %s", p.name, calls[k].name)
		}
		p.id = p.name
		c.names[p.id] = p.name
		p.text, p.failed = geminiResult(p.text)
	}
	return nil
}

// geminiResult takes a result out of the object that the API demands.
func geminiResult(raw string) (text string, failed bool) {
	m, _ := asObject([]byte(raw))
	for _, name := range []string{"output", "result", "content", "error"} {
		if v, ok := m[name]; ok && len(m) == 1 {
			if s, isText := v.(string); isText {
				return s, name == "error"
			}
			return encode(v), name == "error"
		}
	}
	return canonical(raw), false
}

// anySignature is what the documentation names for calls that another model
// made.
var anySignature = []string{"context_engineering_is_the_way_to_go", "skip_thought_signature_validator"}

// geminiSignatures checks those that came back. Models of the third generation
// demand one on the first call of each step since the user's last text.
func (c *Conversation) geminiSignatures() *refusal {
	current := 0
	for i, t := range c.turns {
		if t.role == "user" && slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == text }) {
			current = i
		}
	}
	for i, t := range c.turns {
		first := true
		for _, p := range t.parts {
			if p.signed != "" && p.signed != geminiSignature(p) && !slices.Contains(anySignature, p.signed) {
				return Gemini.bad("Thought signature is not valid")
			}
			if p.kind != call {
				continue
			}
			if first && i > current && p.signed == "" && c.thirdGeneration() {
				return Gemini.bad("Function call is missing a thought_signature in functionCall parts. Function call `%s`, position %d.", p.name, i)
			}
			first = false
		}
	}
	return nil
}

// thirdGeneration says that the model always thinks.
func (c *Conversation) thirdGeneration() bool { return strings.Contains(c.Model, "gemini-3") }

func geminiSignature(p part) string {
	if p.kind == call {
		return sign(p.name + canonical(p.text))
	}
	return sign("text")
}
