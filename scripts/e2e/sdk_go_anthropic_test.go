package e2e

import (
	"context"
	"errors"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func failureAnthropic(err error) (status int, message string) {
	var e *anthropic.Error
	if errors.As(err, &e) {
		return e.StatusCode, e.Error()
	}
	return 0, ""
}

func sayAnthropic(ctx context.Context, s saying) (out said, err error) {
	client := anthropic.NewClient(option.WithBaseURL(up.gateway), option.WithAPIKey(s.key))
	params := anthropicParams(s)
	for ; out.rounds < maxRounds; out.rounds++ {
		answer, err := messageAnthropic(ctx, client, params, s)
		if err != nil {
			return out, err
		}
		u := answer.Usage
		out.in, out.out, out.cached = u.InputTokens+u.CacheReadInputTokens, u.OutputTokens, u.CacheReadInputTokens
		out.text, out.cut = "", answer.StopReason == anthropic.StopReasonMaxTokens
		var results []anthropic.ContentBlockParamUnion
		for _, b := range answer.Content {
			switch b.Type {
			case "text":
				out.text += b.Text
			case "thinking":
				out.thought = b.Thinking
			case "tool_use":
				result, err := out.call(b.Name, string(b.Input))
				if err != nil {
					return out, err
				}
				results = append(results, anthropic.NewToolResultBlock(b.ID, result, false))
			}
		}
		if len(results) == 0 {
			return out, nil
		}
		params.Messages = append(params.Messages, answer.ToParam(), anthropic.NewUserMessage(results...))
	}
	return out, errors.New("the loop has no end")
}

func anthropicParams(s saying) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: anthropic.Model(s.model), MaxTokens: 4000}
	if s.system != "" {
		p.System = []anthropic.TextBlockParam{{Text: s.system, CacheControl: anthropic.NewCacheControlEphemeralParam()}}
	}
	for i, text := range s.before {
		if i%2 == 0 {
			p.Messages = append(p.Messages, anthropic.NewUserMessage(anthropic.NewTextBlock(text)))
		} else {
			p.Messages = append(p.Messages, anthropic.NewAssistantMessage(anthropic.NewTextBlock(text)))
		}
	}
	var blocks []anthropic.ContentBlockParamUnion
	if s.image {
		blocks = append(blocks, anthropic.NewImageBlockBase64("image/png", onePNG))
	}
	p.Messages = append(p.Messages, anthropic.NewUserMessage(append(blocks, anthropic.NewTextBlock(s.text))...))
	if s.tools {
		for _, name := range toolNames {
			schema := anthropic.ToolInputSchemaParam{Properties: toolSchemas[name]["properties"], Required: toolSchemas[name]["required"].([]string)}
			p.Tools = append(p.Tools, anthropic.ToolUnionParamOfTool(schema, name))
		}
	}
	if s.schema {
		p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: whereSchema}
	}
	if s.think {
		p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	}
	if s.stop != "" {
		p.StopSequences = []string{s.stop}
	}
	if s.max > 0 {
		p.MaxTokens = s.max
	}
	return p
}

func messageAnthropic(ctx context.Context, client anthropic.Client, p anthropic.MessageNewParams, s saying) (*anthropic.Message, error) {
	if !s.stream {
		return client.Messages.New(ctx, p)
	}
	stream := client.Messages.NewStreaming(ctx, p)
	defer stream.Close()
	var sum anthropic.Message
	for n := 0; stream.Next(); n++ {
		if err := sum.Accumulate(stream.Current()); err != nil {
			return nil, err
		}
		if n == 5 && s.leave != nil {
			s.leave()
		}
	}
	return &sum, stream.Err()
}
