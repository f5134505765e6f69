package dialect_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
)

// readWritten reads a request as its provider does. Two dialects are spoken by
// providers alone, so that what reads them stands here.
func readWritten(f dialect.Format, body []byte) (*canon.Request, error) {
	var r canon.Request
	var err error
	switch f.Name() {
	case canon.Bedrock:
		err = readConverse(body, &r)
	case canon.Cohere:
		err = readCohere(body, &r)
	default:
		if bad := f.ReadRequest(body, &r); bad != nil {
			err = fmt.Errorf("not read: %w", bad)
		}
		otherNames(&r)
		return &r, err
	}
	r.From = f.Name()
	return &r, err
}

func textOf(s string) canon.Text {
	if s == "" {
		return nil
	}
	return canon.Quote(s)
}

// converseBlock is a block of Converse's content.
type converseBlock struct {
	Text                          *string
	Image, Document, Video, Audio *struct {
		Format, Name string
		Source       struct {
			Bytes      string
			S3Location struct{ URI string }
		}
	}
	ToolUse *struct {
		ID    string `json:"toolUseId"`
		Name  string
		Input json.RawMessage
	}
	ToolResult *struct {
		ID      string `json:"toolUseId"`
		Content []converseBlock
		Status  string
	}
	ReasoningContent *struct {
		ReasoningText   struct{ Text, Signature string }
		RedactedContent string
	}
	CachePoint *struct{ TTL string }
}

// converseTypes are the media types of the formats that are made up.
var converseTypes = map[string]string{"png": "image/png", "pdf": "application/pdf", "txt": "text/plain", "wav": "audio/wav", "mp4": "video/mp4"}

func converseParts(blocks []converseBlock) (parts []canon.Part) {
	for _, b := range blocks {
		p := canon.Part{}
		for kind, m := range map[canon.Kind]any{canon.ImagePart: b.Image, canon.DocumentPart: b.Document, canon.VideoPart: b.Video, canon.AudioPart: b.Audio} {
			raw, _ := json.Marshal(m)
			var x struct {
				Format, Name string
				Source       struct{ Bytes string }
			}
			if json.Unmarshal(raw, &x); x.Format != "" {
				p.Kind = kind
				p.Media = canon.Media{Type: textOf(converseTypes[x.Format]), Data: textOf(x.Source.Bytes), Name: textOf(x.Name)}
			}
		}
		switch {
		case b.Text != nil:
			p.Text = canon.Quote(*b.Text)
		case b.ToolUse != nil:
			p.Kind, p.ID, p.Name, p.Args = canon.ToolCallPart, canon.Quote(b.ToolUse.ID), canon.Quote(b.ToolUse.Name), canon.Raw(b.ToolUse.Input)
		case b.ToolResult != nil:
			p.Kind, p.ID, p.Content = canon.ToolResultPart, canon.Quote(b.ToolResult.ID), converseParts(b.ToolResult.Content)
			if b.ToolResult.Status == "error" {
				p.IsError = canon.Yes
			}
		case b.ReasoningContent != nil:
			r := b.ReasoningContent
			p.Kind, p.Text, p.Signature, p.Redacted = canon.ReasoningPart, textOf(r.ReasoningText.Text), textOf(r.ReasoningText.Signature), textOf(r.RedactedContent)
		case b.CachePoint != nil:
			if len(parts) > 0 {
				parts[len(parts)-1].Cache = canon.CacheMark{Set: true, TTL: textOf(b.CachePoint.TTL)}
			}
			continue
		}
		parts = append(parts, p)
	}
	return parts
}

// converse is a request in the form of Converse.
type converse struct {
	Messages []struct {
		Role    string
		Content []converseBlock
	}
	System          []converseBlock
	InferenceConfig struct {
		MaxTokens, Temperature, TopP json.RawMessage
		StopSequences                []string
	}
	ToolConfig struct {
		Tools []struct {
			ToolSpec struct {
				Name, Description string
				InputSchema       struct{ JSON json.RawMessage }
				Strict            bool
			}
			CachePoint *struct{ TTL string }
		}
		ToolChoice map[string]struct{ Name string }
	}
	OutputConfig struct {
		TextFormat struct {
			Structure struct {
				JSONSchema struct{ Schema, Name, Description string }
			}
		}
	}
	ServiceTier struct{ Type string }
	Additional  map[string]json.RawMessage `json:"additionalModelRequestFields"`
	Metadata    json.RawMessage            `json:"requestMetadata"`
}

func readConverse(body []byte, r *canon.Request) error {
	var c converse
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	if len(c.System) > 0 {
		r.Messages = append(r.Messages, canon.Message{Role: canon.System, Parts: converseParts(c.System)})
	}
	for _, m := range c.Messages {
		role := canon.User
		if m.Role == "assistant" {
			role = canon.Assistant
		}
		r.Messages = append(r.Messages, canon.Message{Role: role, Parts: converseParts(m.Content)})
	}
	i := &c.InferenceConfig
	r.MaxTokens, r.Temperature, r.TopP = canon.Raw(i.MaxTokens), canon.Raw(i.Temperature), canon.Raw(i.TopP)
	for _, s := range i.StopSequences {
		r.Stop = append(r.Stop, canon.Quote(s))
	}
	r.ServiceTier = textOf(c.ServiceTier.Type)
	if j := &c.OutputConfig.TextFormat.Structure.JSONSchema; j.Schema != "" {
		r.Format = canon.Format{Kind: canon.FormatSchema, Schema: canon.Raw(j.Schema), Name: textOf(j.Name), Description: textOf(j.Description)}
	}
	if c.Metadata != nil {
		r.Extra = append(r.Extra, canon.Field{Name: "requestMetadata", Value: canon.Raw(c.Metadata)})
	}
	c.tools(r)
	return c.additional(r)
}

func (c *converse) tools(r *canon.Request) {
	for _, t := range c.ToolConfig.Tools {
		switch s := &t.ToolSpec; {
		case t.CachePoint != nil:
			r.Tools[len(r.Tools)-1].Cache = canon.CacheMark{Set: true, TTL: textOf(t.CachePoint.TTL)}
		case s.Name != "no_tool_available":
			tool := canon.Tool{Name: canon.Quote(s.Name), Description: textOf(s.Description), Schema: canon.Raw(s.InputSchema.JSON)}
			if s.Strict {
				tool.Strict = canon.Yes
			}
			r.Tools = append(r.Tools, tool)
		}
	}
	for mode, c := range c.ToolConfig.ToolChoice {
		r.Choice = canon.ToolChoice{Mode: map[string]canon.ChoiceMode{"any": canon.ChoiceAny, "tool": canon.ChoiceOne}[mode], Name: textOf(c.Name)}
	}
}

// additional reads what is said in the words of the model's maker.
func (c *converse) additional(r *canon.Request) error {
	anthropic := []string{"thinking", "output_config", "tool_choice", "metadata", "top_k"}
	own := map[string]json.RawMessage{"model": json.RawMessage(`"m"`), "messages": json.RawMessage("[]")}
	for _, name := range anthropic {
		if c.Additional[name] != nil {
			own[name] = c.Additional[name]
		}
	}
	body, err := json.Marshal(own)
	var q canon.Request
	if bad := formatOf(canon.Anthropic).ReadRequest(body, &q); err != nil || bad != nil {
		return fmt.Errorf("additional fields: %w", orNil(bad))
	}
	r.Reasoning, r.Parallel, r.User, r.TopK = q.Reasoning, q.Parallel, q.User, q.TopK
	if q.Choice.Mode != canon.ChoiceUnset {
		r.Choice = q.Choice
	}
	r.Extra = append(r.Extra, q.Extra...)
	var maker struct {
		ReasoningConfig struct{ Type, MaxReasoningEffort string }
		ReasoningEffort string `json:"reasoning_effort"`
		InferenceConfig struct{ TopK json.RawMessage }
		K               json.RawMessage
	}
	raw, _ := json.Marshal(c.Additional)
	if err := json.Unmarshal(raw, &maker); err != nil {
		return err
	}
	effort := maker.ReasoningConfig.MaxReasoningEffort + maker.ReasoningEffort
	if effort != "" {
		r.Reasoning = canon.Reasoning{Mode: canon.ReasoningOn, Effort: effort}
	}
	if maker.ReasoningConfig.Type == "disabled" {
		r.Reasoning.Mode = canon.ReasoningOff
	}
	for _, k := range []json.RawMessage{maker.InferenceConfig.TopK, maker.K} {
		if k != nil {
			r.TopK = canon.Raw(k)
		}
	}
	return nil
}

// readCohere reads Cohere's form: it is OpenAI's but for what follows.
func readCohere(body []byte, r *canon.Request) error {
	words := strings.NewReplacer(`"tool_choice":"REQUIRED"`, `"tool_choice":"required"`, `"tool_choice":"NONE"`, `"tool_choice":"none"`)
	body = []byte(words.Replace(string(body)))
	if bad := (openai.Format{}).ReadRequest(body, r); bad != nil {
		return bad
	}
	var c struct {
		P, K          json.RawMessage
		StopSequences []string `json:"stop_sequences"`
		Documents     []struct {
			Data struct{ Text, Title string }
		}
		Messages []struct {
			Plan string `json:"tool_plan"`
		}
		ResponseFormat struct {
			Schema json.RawMessage `json:"json_schema"`
		} `json:"response_format"`
		Thinking struct {
			Budget int64 `json:"token_budget"`
		}
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	r.TopP, r.TopK = canon.Raw(c.P), canon.Raw(c.K)
	for _, s := range c.StopSequences {
		r.Stop = append(r.Stop, canon.Quote(s))
	}
	for i, m := range c.Messages {
		if m.Plan != "" {
			plan := canon.Part{Text: canon.Quote(m.Plan)}
			// It is said before the calls and after the thoughts.
			parts := r.Messages[i].Parts
			at := 0
			for at < len(parts) && parts[at].Kind != canon.ToolCallPart {
				at++
			}
			r.Messages[i].Parts = append(parts[:at:at], append([]canon.Part{plan}, parts[at:]...)...)
		}
	}
	for _, d := range c.Documents {
		p := canon.Part{Kind: canon.DocumentPart, Text: canon.Quote(d.Data.Text), Media: canon.Media{Name: textOf(d.Data.Title)}}
		r.Messages = append(r.Messages, canon.Message{Parts: []canon.Part{p}})
	}
	if c.ResponseFormat.Schema != nil {
		r.Format = canon.Format{Kind: canon.FormatSchema, Schema: canon.Raw(c.ResponseFormat.Schema)}
	}
	if c.Thinking.Budget > 0 {
		r.Reasoning.Budget = c.Thinking.Budget
	}
	kept := r.Extra[:0]
	for _, e := range r.Extra {
		if !strings.HasSuffix(e.Name, "tool_plan") && e.Name != "documents" {
			kept = append(kept, e)
		}
	}
	r.Extra = kept
	return nil
}

// otherNames reads what some providers have other names for.
func otherNames(r *canon.Request) {
	kept := r.Extra[:0]
	for _, e := range r.Extra {
		switch e.Name {
		case "enable_thinking":
			if r.Reasoning.Mode = canon.ReasoningOff; string(e.Value) == "true" {
				r.Reasoning.Mode = canon.ReasoningOn
			}
		case "thinking_budget":
			json.Unmarshal(e.Value, &r.Reasoning.Budget)
		case "random_seed":
			r.Seed = e.Value
		default:
			kept = append(kept, e)
		}
	}
	r.Extra = kept
}
