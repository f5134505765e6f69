package dialogue

import (
	"encoding/json"
	"slices"
	"strings"
)

type messagesRequest struct {
	Model         string          `json:"model"`
	Messages      []message       `json:"messages"`
	MaxTokens     int             `json:"max_tokens"`
	System        json.RawMessage `json:"system"`
	Stream        bool            `json:"stream"`
	Temperature   *float64        `json:"temperature"`
	TopP          *float64        `json:"top_p"`
	TopK          *int            `json:"top_k"`
	StopSequences []string        `json:"stop_sequences"`
	Tools         []messageTool   `json:"tools"`
	ToolChoice    *struct {
		Type     string `json:"type"`
		Name     string `json:"name"`
		Parallel *bool  `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	Thinking *struct {
		Type    string `json:"type"`
		Budget  int    `json:"budget_tokens"`
		Display string `json:"display"`
	} `json:"thinking"`
	Metadata *struct {
		UserID *string `json:"user_id"`
	} `json:"metadata"`
	ServiceTier  string         `json:"service_tier"`
	CacheControl *cacheMark     `json:"cache_control"`
	OutputFormat *messageFormat `json:"output_format"`
	OutputConfig *struct {
		Effort string         `json:"effort"`
		Format *messageFormat `json:"format"`
	} `json:"output_config"`
	ContextManagement json.RawMessage `json:"context_management"`
}

type messageFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type cacheMark struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type messageTool struct {
	Type         string          `json:"type"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"input_schema"`
	Strict       *bool           `json:"strict"`
	CacheControl *cacheMark      `json:"cache_control"`
	Eager        *bool           `json:"eager_input_streaming"`
}

// block is one of all kinds; each allows some of the fields only, see allowed.
type block struct {
	Type         string          `json:"type"`
	Text         *string         `json:"text"`
	Source       *source         `json:"source"`
	Title        *string         `json:"title"`
	Context      *string         `json:"context"`
	Citations    json.RawMessage `json:"citations"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	Caller       json.RawMessage `json:"caller"`
	ToolUseID    string          `json:"tool_use_id"`
	Content      json.RawMessage `json:"content"`
	IsError      *bool           `json:"is_error"`
	Thinking     *string         `json:"thinking"`
	Signature    *string         `json:"signature"`
	Data         string          `json:"data"`
	CacheControl *cacheMark      `json:"cache_control"`
}

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      string `json:"data"`
	URL       string `json:"url"`
}

// allowed are the fields of a block beside its type.
var allowed = map[string]string{
	"text":              "text citations cache_control",
	"image":             "source cache_control",
	"document":          "source title context citations cache_control",
	"tool_use":          "id name input caller cache_control",
	"tool_result":       "tool_use_id content is_error cache_control",
	"thinking":          "thinking signature",
	"redacted_thinking": "data",
}

// versions of the API that SDKs ask for.
var versions = []string{"2023-06-01", "2026-10-21"}

func (c *Conversation) readMessages(h Head, body []byte) *refusal {
	var q messagesRequest
	if !slices.Contains(versions, h.Version) {
		return Messages.bad("anthropic-version: %q is not a valid version", h.Version)
	}
	if r := strict(Messages, body, &q); r != nil {
		return r
	}
	c.Model, c.Stream = q.Model, q.Stream
	switch {
	case q.Model == "":
		return Messages.bad("model: Field required")
	case q.MaxTokens < 1:
		return Messages.bad("max_tokens: Field required")
	case len(q.Messages) == 0:
		return Messages.bad("messages: at least one message is required")
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return Messages.bad("temperature: range: 0..1")
	}
	c.maxWords, c.stop = q.MaxTokens, q.StopSequences
	for _, s := range q.StopSequences {
		if strings.TrimSpace(s) == "" {
			return Messages.bad("stop_sequences: each stop sequence must contain non-whitespace")
		}
	}
	for _, step := range []func(*messagesRequest) *refusal{c.messageThinking, c.messageFormat, c.messageTools, c.messageSystem, c.messageTurns} {
		if r := step(&q); r != nil {
			return r
		}
	}
	if c.marks > 4 {
		return Messages.bad("A maximum of 4 blocks with cache_control may be provided. Found %d.", c.marks)
	}
	return nil
}

func (c *Conversation) mark(m *cacheMark) {
	if m != nil {
		c.marks++
	}
}

func (c *Conversation) messageThinking(q *messagesRequest) *refusal {
	t := q.Thinking
	if t == nil {
		return nil
	}
	switch t.Type {
	case "disabled":
		return nil
	case "enabled":
		if t.Budget < 1024 || t.Budget >= q.MaxTokens {
			return Messages.bad("thinking.budget_tokens: %d must be at least 1024 and less than max_tokens %d", t.Budget, q.MaxTokens)
		}
	case "adaptive":
		if t.Budget != 0 {
			return Messages.bad("thinking.adaptive.budget_tokens: Extra inputs are not permitted")
		}
	default:
		return Messages.bad("thinking.type: %q is not known", t.Type)
	}
	switch {
	case q.Temperature != nil && *q.Temperature != 1:
		return Messages.bad("`temperature` may only be set to 1 when thinking is enabled.")
	case q.TopK != nil:
		return Messages.bad("`top_k` must be unset when thinking is enabled.")
	case q.ToolChoice != nil && (q.ToolChoice.Type == "any" || q.ToolChoice.Type == "tool"):
		return Messages.bad("Thinking may not be enabled when tool_choice forces tool use.")
	}
	c.think = true
	c.maxWords -= t.Budget
	return nil
}

func (c *Conversation) messageFormat(q *messagesRequest) *refusal {
	f := q.OutputFormat
	if q.OutputConfig != nil && q.OutputConfig.Format != nil {
		f = q.OutputConfig.Format
	}
	if f == nil {
		return nil
	}
	var ok bool
	if c.schema, ok = asObject(f.Schema); !ok || f.Type != "json_schema" {
		return Messages.bad("output_config.format: a json_schema is required")
	}
	return checkSchema(c.schema, "output_config.format.schema", closed(Messages))
}

func (c *Conversation) messageTools(q *messagesRequest) *refusal {
	for i, t := range q.Tools {
		schema, ok := asObject(t.InputSchema)
		switch {
		case t.Type != "" && t.Type != "custom":
			return Messages.bad("tools.%d: %q does not run here", i, t.Type)
		case !messageToolName.MatchString(t.Name):
			return Messages.bad("tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", i)
		case !ok || schema["type"] != "object":
			return Messages.bad("tools.%d.custom.input_schema.type: Input should be 'object'", i)
		case slices.ContainsFunc(c.tools, func(other tool) bool { return other.name == t.Name }):
			return Messages.bad("tools: Tool names must be unique.")
		}
		c.mark(t.CacheControl)
		c.tools = append(c.tools, tool{name: t.Name, schema: schema})
	}
	if q.ToolChoice == nil {
		return nil
	}
	if len(c.tools) == 0 {
		return Messages.bad("tool_choice: may only be specified while providing tools.")
	}
	c.parallel = q.ToolChoice.Parallel == nil || !*q.ToolChoice.Parallel
	switch q.ToolChoice.Type {
	case "auto":
	case "any":
		c.anyTool = true
	case "none":
		if q.ToolChoice.Parallel != nil {
			return Messages.bad("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
		}
		c.none = true
	case "tool":
		c.force = q.ToolChoice.Name
		return c.checkForce()
	default:
		return Messages.bad("tool_choice: %q is not known", q.ToolChoice.Type)
	}
	return nil
}

func (c *Conversation) messageSystem(q *messagesRequest) *refusal {
	c.mark(q.CacheControl)
	switch kindOf(q.System) {
	case 0:
	case '"':
		c.system = []string{unquote(q.System)}
	default:
		parts, r := c.blocks(q.System, "system")
		if r != nil {
			return r
		}
		for _, p := range parts {
			if p.kind != text {
				return Messages.bad("system: text blocks only")
			}
			c.system = append(c.system, p.text)
		}
	}
	return nil
}
