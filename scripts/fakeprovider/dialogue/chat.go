package dialogue

import (
	"encoding/json"
	"strings"
)

type chatRequest struct {
	Model         string        `json:"model"`
	Messages      []chatMessage `json:"messages"`
	Stream        bool          `json:"stream"`
	StreamOptions *struct {
		IncludeUsage       bool  `json:"include_usage"`
		IncludeObfuscation *bool `json:"include_obfuscation"`
	} `json:"stream_options"`
	Tools               []chatTool      `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	Parallel            *bool           `json:"parallel_tool_calls"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	Seed                *int64          `json:"seed"`
	Stop                json.RawMessage `json:"stop"`
	N                   *int            `json:"n"`
	LogProbs            *bool           `json:"logprobs"`
	TopLogProbs         *int            `json:"top_logprobs"`
	ReasoningEffort     *string         `json:"reasoning_effort"`
	ResponseFormat      *struct {
		Type   string `json:"type"`
		Schema *struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"schema"`
			Strict      *bool           `json:"strict"`
		} `json:"json_schema"`
	} `json:"response_format"`
	User             string            `json:"user"`
	SafetyIdentifier string            `json:"safety_identifier"`
	ServiceTier      string            `json:"service_tier"`
	Store            *bool             `json:"store"`
	Metadata         map[string]string `json:"metadata"`
	LogitBias        map[string]int    `json:"logit_bias"`
	Modalities       []string          `json:"modalities"`
	Verbosity        string            `json:"verbosity"`
	PromptCacheKey   string            `json:"prompt_cache_key"`
}

type chatMessage struct {
	Role             string          `json:"role"`
	Content          json.RawMessage `json:"content"`
	Name             string          `json:"name"`
	ToolCalls        []chatCall      `json:"tool_calls"`
	ToolCallID       string          `json:"tool_call_id"`
	Refusal          *string         `json:"refusal"`
	ReasoningContent *string         `json:"reasoning_content"`
	ReasoningDetails json.RawMessage `json:"reasoning_details"`
	Annotations      json.RawMessage `json:"annotations"`
}

type chatCall struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function *struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
	Custom *struct {
		Name  string `json:"name"`
		Input string `json:"input"`
	} `json:"custom"`
}

type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL *struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
	InputAudio *struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	} `json:"input_audio"`
	File *struct {
		FileData string `json:"file_data"`
		FileID   string `json:"file_id"`
		Filename string `json:"filename"`
	} `json:"file"`
}

type chatTool struct {
	Type     string `json:"type"`
	Function *struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      *bool           `json:"strict"`
	} `json:"function"`
	Custom *struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Format      json.RawMessage `json:"format"`
	} `json:"custom"`
}

// Read reads a request; when it is not in order, the answer says why.
func Read(h Head, body []byte) (*Conversation, *Answer) {
	c := &Conversation{Dialect: h.Dialect, Model: h.Model, Stream: h.Stream, parallel: true, names: map[string]string{}}
	read := map[Dialect]func(Head, []byte) *refusal{Chat: c.readChat, Messages: c.readMessages, Gemini: c.readGemini}[h.Dialect]
	if r := read(h, body); r != nil {
		a := r.answer()
		return nil, &a
	}
	return c, nil
}

func (c *Conversation) readChat(_ Head, body []byte) *refusal {
	var q chatRequest
	if r := strict(Chat, body, &q); r != nil {
		return r
	}
	c.Model, c.Stream = q.Model, q.Stream
	switch {
	case q.Model == "":
		return Chat.bad("you must provide a model parameter")
	case len(q.Messages) == 0:
		return Chat.bad("messages: at least one message is required")
	case q.StreamOptions != nil && !q.Stream:
		return Chat.bad("stream_options is only allowed when stream is true")
	case q.N != nil && *q.N != 1:
		return Chat.bad("n: only one answer is given")
	}
	c.includeUsage = q.StreamOptions != nil && q.StreamOptions.IncludeUsage
	for _, limit := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if limit != nil {
			if c.maxWords = *limit; *limit < 1 {
				return Chat.bad("max_tokens: must be at least 1")
			}
		}
	}
	c.think = q.ReasoningEffort != nil && *q.ReasoningEffort != "none"
	c.show = c.think
	for _, step := range []func(*chatRequest) *refusal{c.chatStop, c.chatFormat, c.chatTools, c.chatTurns} {
		if r := step(&q); r != nil {
			return r
		}
	}
	return nil
}

func (c *Conversation) chatStop(q *chatRequest) *refusal {
	switch kindOf(q.Stop) {
	case '"':
		c.stop = []string{unquote(q.Stop)}
	case '[':
		if r := strict(Chat, q.Stop, &c.stop); r != nil {
			return r
		}
		if len(c.stop) > 4 {
			return Chat.bad("stop: at most 4 sequences")
		}
	}
	return nil
}

func (c *Conversation) chatFormat(q *chatRequest) *refusal {
	f := q.ResponseFormat
	if f == nil {
		return nil
	}
	switch f.Type {
	case "text":
	case "json_object":
		c.object = true
	case "json_schema":
		var ok bool
		if f.Schema == nil || f.Schema.Name == "" {
			return Chat.bad("Missing required parameter: 'response_format.json_schema.name'.")
		}
		if c.schema, ok = asObject(f.Schema.Schema); !ok {
			return Chat.bad("response_format.json_schema.schema: an object is required")
		}
		if f.Schema.Strict != nil && *f.Schema.Strict {
			return checkSchema(c.schema, "response_format.json_schema.schema", closed(Chat))
		}
	default:
		return Chat.bad("response_format.type: %q is not known", f.Type)
	}
	return nil
}

// closed demands what strict schemas must have.
func closed(d Dialect) func(map[string]any, string) *refusal {
	return func(s map[string]any, path string) *refusal {
		if s["type"] == "object" && s["additionalProperties"] != false {
			return d.bad("%s: for 'object' type, 'additionalProperties' must be explicitly set to false", path)
		}
		return nil
	}
}

func (c *Conversation) chatTools(q *chatRequest) *refusal {
	for _, t := range q.Tools {
		one := tool{custom: t.Type == "custom"}
		switch {
		case t.Type == "function" && t.Function != nil:
			one.name = t.Function.Name
			if kindOf(t.Function.Parameters) != 0 {
				var ok bool
				if one.schema, ok = asObject(t.Function.Parameters); !ok {
					return Chat.bad("tools: parameters of %s are no object", one.name)
				}
			}
		case t.Type == "custom" && t.Custom != nil:
			one.name = t.Custom.Name
		default:
			return Chat.bad("tools: %q is no complete tool", t.Type)
		}
		if !chatToolName.MatchString(one.name) {
			return Chat.bad("tools: %q is no name", one.name)
		}
		c.tools = append(c.tools, one)
	}
	if len(c.tools) == 0 && (q.Parallel != nil || kindOf(q.ToolChoice) != 0) {
		return Chat.bad("'tool_choice' and 'parallel_tool_calls' are only allowed when 'tools' are specified")
	}
	c.parallel = q.Parallel == nil || *q.Parallel
	return c.chatChoice(q.ToolChoice)
}

func (c *Conversation) chatChoice(raw json.RawMessage) *refusal {
	if kindOf(raw) == '{' {
		var one struct {
			Type     string                 `json:"type"`
			Function *struct{ Name string } `json:"function"`
			Custom   *struct{ Name string } `json:"custom"`
		}
		if r := strict(Chat, raw, &one); r != nil {
			return r
		}
		switch {
		case one.Function != nil:
			c.force = one.Function.Name
		case one.Custom != nil:
			c.force = one.Custom.Name
		}
		return c.checkForce()
	}
	switch choice := unquote(raw); choice {
	case "none":
		c.none = true
	case "required":
		c.anyTool = true
	case "", "auto":
	default:
		return Chat.bad("tool_choice: %q is not known", choice)
	}
	return nil
}

func (c *Conversation) checkForce() *refusal {
	for _, t := range c.tools {
		if t.name == c.force {
			return nil
		}
	}
	return c.Dialect.bad("tool_choice: there is no tool %q", c.force)
}

func (c *Conversation) chatTurns(q *chatRequest) *refusal {
	waiting := map[string]bool{}
	for i, m := range q.Messages {
		if len(waiting) > 0 && m.Role != "tool" {
			return Chat.bad("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.")
		}
		parts, r := chatParts(m.Content)
		if r != nil {
			return r
		}
		switch m.Role {
		case "system", "developer":
			c.system = append(c.system, joined(parts))
		case "user":
			if len(parts) == 0 {
				return Chat.bad("messages[%d].content: is required", i)
			}
			c.turns = append(c.turns, turn{"user", parts})
		case "assistant":
			if r := c.chatAssistant(m, parts, waiting); r != nil {
				return r
			}
		case "tool":
			if !waiting[m.ToolCallID] {
				return Chat.bad("messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			delete(waiting, m.ToolCallID)
			c.addResult(part{kind: result, id: m.ToolCallID, text: joined(parts)})
		default:
			return Chat.bad("messages[%d].role: %q is not known", i, m.Role)
		}
	}
	if len(waiting) > 0 {
		return Chat.bad("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.")
	}
	return nil
}

func (c *Conversation) chatAssistant(m chatMessage, parts []part, waiting map[string]bool) *refusal {
	if m.ReasoningContent != nil && *m.ReasoningContent != "" {
		parts = append([]part{{kind: thought, text: *m.ReasoningContent}}, parts...)
	}
	for _, t := range m.ToolCalls {
		one := part{kind: call, id: t.ID}
		switch {
		case t.Type == "function" && t.Function != nil:
			one.name, one.text = t.Function.Name, t.Function.Arguments
		case t.Type == "custom" && t.Custom != nil:
			one.name, one.text = t.Custom.Name, t.Custom.Input
		}
		if one.id == "" || !chatToolName.MatchString(one.name) {
			return Chat.bad("tool_calls: id, type and name are required")
		}
		c.names[one.id] = one.name
		waiting[one.id] = true
		parts = append(parts, one)
	}
	if len(parts) == 0 && m.Refusal == nil {
		return Chat.bad("Invalid value for 'content': expected a string, got null.")
	}
	c.turns = append(c.turns, turn{"assistant", parts})
	return nil
}

// addResult puts results that follow each other into one turn, as the other
// formats have them.
func (c *Conversation) addResult(p part) {
	last := &c.turns[len(c.turns)-1]
	if last.role == "user" && last.parts[0].kind == result {
		last.parts = append(last.parts, p)
		return
	}
	c.turns = append(c.turns, turn{"user", []part{p}})
}

func joined(parts []part) string {
	var all []string
	for _, p := range parts {
		all = append(all, p.text)
	}
	return strings.Join(all, "")
}

func chatParts(raw json.RawMessage) ([]part, *refusal) {
	switch kindOf(raw) {
	case 0:
		return nil, nil
	case '"':
		return []part{{kind: text, text: unquote(raw)}}, nil
	}
	var all []chatPart
	if r := strict(Chat, raw, &all); r != nil {
		return nil, r
	}
	var out []part
	for _, p := range all {
		one := part{kind: media}
		switch {
		case p.Type == "text":
			one = part{kind: text, text: p.Text}
		case p.Type == "refusal":
			one = part{kind: text, text: p.Refusal}
		case p.Type == "image_url" && p.ImageURL != nil && strings.HasPrefix(p.ImageURL.URL, "https://"):
			one.mime = "url"
		case p.Type == "image_url" && p.ImageURL != nil:
			one.mime, one.size = dataURL(p.ImageURL.URL)
		case p.Type == "input_audio" && p.InputAudio != nil:
			one.mime, one.size = "audio/"+p.InputAudio.Format, size(p.InputAudio.Data)
		case p.Type == "file" && p.File != nil && p.File.FileID == "":
			one.mime, one.size = dataURL(p.File.FileData)
		default:
			return nil, Chat.bad("content: a part of type %q is not complete", p.Type)
		}
		if one.size < 0 {
			return nil, Chat.bad("content: %s holds no data", p.Type)
		}
		out = append(out, one)
	}
	return out, nil
}
