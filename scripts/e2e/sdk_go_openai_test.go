package e2e

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

func failureOpenAI(err error) (status int, message string) {
	var e *openai.Error
	if errors.As(err, &e) {
		return e.StatusCode, e.Message
	}
	return 0, ""
}

func sayOpenAI(ctx context.Context, s saying) (out said, err error) {
	client := openai.NewClient(option.WithBaseURL(up.gateway+"/v1"), option.WithAPIKey(s.key))
	params := openAIParams(s)
	for ; out.rounds < maxRounds; out.rounds++ {
		answer, err := completeOpenAI(ctx, client, params, s)
		if err != nil {
			return out, err
		}
		u := answer.Usage
		out.in, out.out, out.cached = u.PromptTokens, u.CompletionTokens, u.PromptTokensDetails.CachedTokens
		message := answer.Choices[0].Message
		var extra struct {
			Reasoning string `json:"reasoning_content"`
		}
		json.Unmarshal([]byte(message.RawJSON()), &extra)
		out.text, out.thought, out.cut = message.Content, extra.Reasoning, answer.Choices[0].FinishReason == "length"
		if len(message.ToolCalls) == 0 {
			return out, nil
		}
		params.Messages = append(params.Messages, message.ToParam())
		for _, c := range message.ToolCalls {
			result, err := out.call(c.Function.Name, c.Function.Arguments)
			if err != nil {
				return out, err
			}
			params.Messages = append(params.Messages, openai.ToolMessage(result, c.ID))
		}
	}
	return out, errors.New("the loop has no end")
}

func openAIParams(s saying) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: s.model}
	if s.system != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(s.system))
	}
	for i, text := range s.before {
		if i%2 == 0 {
			p.Messages = append(p.Messages, openai.UserMessage(text))
		} else {
			p.Messages = append(p.Messages, openai.AssistantMessage(text))
		}
	}
	parts := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(s.text)}
	if s.image {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + onePNG}))
	}
	p.Messages = append(p.Messages, openai.UserMessage(parts))
	if s.tools {
		for _, name := range toolNames {
			p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: name, Parameters: toolSchemas[name]}))
		}
	}
	if s.schema {
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "where", Schema: whereSchema, Strict: openai.Bool(true)},
		}
	}
	if s.think {
		p.ReasoningEffort = shared.ReasoningEffortLow
	}
	if s.stop != "" {
		p.Stop.OfStringArray = []string{s.stop}
	}
	if s.max > 0 {
		p.MaxCompletionTokens = openai.Int(s.max)
	}
	if s.usage {
		p.StreamOptions.IncludeUsage = openai.Bool(true)
	}
	return p
}

func completeOpenAI(ctx context.Context, client openai.Client, p openai.ChatCompletionNewParams, s saying) (*openai.ChatCompletion, error) {
	if !s.stream {
		return client.Chat.Completions.New(ctx, p)
	}
	stream := client.Chat.Completions.NewStreaming(ctx, p)
	defer stream.Close()
	var sum openai.ChatCompletionAccumulator
	for n := 0; stream.Next(); n++ {
		if !sum.AddChunk(stream.Current()) {
			return nil, errors.New("a chunk does not fit")
		}
		if n == 3 && s.leave != nil {
			s.leave()
		}
	}
	return &sum.ChatCompletion, stream.Err()
}
