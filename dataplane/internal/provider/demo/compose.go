package demo

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"unicode/utf8"
)

// answer is what the model says to a request: the same for the same request.
type answer struct {
	id     string
	text   string
	call   *toolCall
	finish string
	usage  usage
}

type toolCall struct {
	id, name, arguments string
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

// filler continues an answer that was asked to be longer.
var filler = strings.Fields("The demo model is built into the gateway, so this text costs nobody anything " +
	"and is the same every time. Use it to try streaming, tools, limits and errors before you connect a provider.")

func compose(req *request, b behaviour) *answer {
	last := &req.Messages[len(req.Messages)-1]
	a := &answer{finish: "stop"}
	h := fnv.New64a()
	prompt := 0
	for i := range req.Messages {
		t := req.Messages[i].text()
		h.Write([]byte(t))
		prompt += tokensOf(t) + 3
	}
	for _, t := range req.Tools {
		prompt += tokensOf(t.Function.Name) + 8
	}
	a.id = fmt.Sprintf("chatcmpl-demo%016x", h.Sum64())
	switch t := chosenTool(req, last); {
	case t != nil:
		args, _ := json.Marshal(t.Function.Parameters.example("", 0))
		a.call = &toolCall{id: fmt.Sprintf("call_%012x", h.Sum64()&0xffffffffffff), name: t.Function.Name, arguments: string(args)}
		a.finish = "tool_calls"
	case req.ResponseFormat.Type == "json_object":
		j, _ := json.Marshal(map[string]any{"answer": shorten(last.text(), 200), "demo": true})
		a.text = string(j)
	case req.ResponseFormat.Type == "json_schema":
		j, _ := json.Marshal(req.ResponseFormat.JSONSchema.Schema.example("", 0))
		a.text = string(j)
	default:
		a.write(req, last, b)
	}
	completion := tokensOf(a.text)
	if b.tokens > 0 && a.call == nil {
		completion = min(completion, b.tokens)
	}
	if a.call != nil {
		completion = tokensOf(a.call.name) + tokensOf(a.call.arguments) + 4
	}
	completion *= max(1, req.N)
	a.usage = usage{prompt, completion, prompt + completion}
	return a
}

// write makes the text, as long as was asked for.
func (a *answer) write(req *request, last *message, b behaviour) {
	switch {
	case last.Role == "tool":
		a.text = "The tool answered: " + shorten(last.text(), 400)
	default:
		a.text = "Hello from Tollgate's demo model. You wrote: " + shorten(last.text(), 400)
	}
	a.text = strings.ToValidUTF8(a.text, "\uFFFD")
	limit := req.MaxTokens
	if req.MaxCompletionTokens > 0 {
		limit = req.MaxCompletionTokens
	}
	if b.tokens > 0 {
		a.fill(4*b.tokens - 3)
		a.cut(4 * b.tokens)
	}
	if b.size > 0 {
		a.fill(b.size)
		a.cut(b.size)
	}
	if limit > 0 && tokensOf(a.text) > limit {
		a.cut(4 * limit)
		a.finish = "length"
	}
}

func (a *answer) fill(size int) {
	var s strings.Builder
	s.WriteString(a.text)
	for i := 0; s.Len() < size; i++ {
		s.WriteByte(' ')
		s.WriteString(filler[i%len(filler)])
	}
	a.text = s.String()
}

func (a *answer) cut(size int) {
	if len(a.text) <= size {
		return
	}
	for size > 0 && !utf8.RuneStart(a.text[size]) {
		size--
	}
	a.text = a.text[:size]
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// tokensOf is the demo model's own idea of a token: four bytes.
func tokensOf(s string) int { return (len(s) + 3) / 4 }

// chosenTool says which tool the model calls: the one it must, or one that
// the prompt asks for by name, or the first when the prompt asks for a tool.
func chosenTool(req *request, last *message) *tool {
	if len(req.Tools) == 0 || last.Role == "tool" {
		return nil
	}
	var word string
	var named struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	switch {
	case json.Unmarshal(req.ToolChoice, &word) == nil && word == "none":
		return nil
	case word == "required":
		return &req.Tools[0]
	case json.Unmarshal(req.ToolChoice, &named) == nil && named.Function.Name != "":
		for i := range req.Tools {
			if req.Tools[i].Function.Name == named.Function.Name {
				return &req.Tools[i]
			}
		}
		return nil
	}
	return askedTool(req.Tools, strings.ToLower(last.text()))
}

func askedTool(tools []tool, prompt string) *tool {
	for i := range tools {
		name := strings.ToLower(tools[i].Function.Name)
		if name != "" && (strings.Contains(prompt, name) || strings.Contains(prompt, strings.ReplaceAll(name, "_", " "))) {
			return &tools[i]
		}
	}
	if strings.Contains(prompt, "tool") {
		return &tools[0]
	}
	for i := range tools {
		for word := range strings.SplitSeq(strings.ToLower(tools[i].Function.Name), "_") {
			if len(word) > 3 && strings.Contains(prompt, word) {
				return &tools[i]
			}
		}
	}
	return nil
}

// schema is as much of JSON Schema as an example needs.
type schema struct {
	Type       json.RawMessage   `json:"type"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

// example makes a value that fits the schema.
func (s *schema) example(name string, depth int) any {
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	switch s.kind() {
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	case "array":
		if s.Items == nil || depth > 8 {
			return []any{}
		}
		return []any{s.Items.example(name, depth+1)}
	case "string":
		return "demo " + name
	}
	out := map[string]any{}
	if depth > 8 {
		return out
	}
	for n, p := range s.Properties {
		out[n] = p.example(n, depth+1)
	}
	return out
}

func (s *schema) kind() string {
	var one string
	if json.Unmarshal(s.Type, &one) == nil {
		return one
	}
	var many []string
	if json.Unmarshal(s.Type, &many) == nil && len(many) > 0 {
		return many[0]
	}
	return "object"
}
