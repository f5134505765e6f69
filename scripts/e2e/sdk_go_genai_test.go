package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"google.golang.org/genai"
)

func failureGenAI(err error) (status int, message string) {
	var e genai.APIError
	if errors.As(err, &e) {
		return e.Code, e.Message
	}
	return 0, ""
}

func sayGenAI(ctx context.Context, s saying) (out said, err error) {
	client, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: s.key, Backend: genai.BackendGeminiAPI,
		HTTPOptions: genai.HTTPOptions{BaseURL: up.gateway}})
	if err != nil {
		return out, err
	}
	contents, config := genAIParams(s)
	for ; out.rounds < maxRounds; out.rounds++ {
		parts, answer, err := generateGenAI(ctx, client, contents, config, s)
		if err != nil {
			return out, err
		}
		if u := answer.UsageMetadata; u != nil {
			out.in, out.out, out.cached = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount+u.ThoughtsTokenCount), int64(u.CachedContentTokenCount)
		}
		out.text, out.cut = "", answer.Candidates[0].FinishReason == genai.FinishReasonMaxTokens
		var results []*genai.Part
		for _, p := range parts {
			switch {
			case p.Thought:
				out.thought += p.Text
			case p.FunctionCall != nil:
				result, err := resultGenAI(&out, p.FunctionCall)
				if err != nil {
					return out, err
				}
				results = append(results, result)
			default:
				out.text += p.Text
			}
		}
		if len(results) == 0 {
			return out, nil
		}
		contents = append(contents, genai.NewContentFromParts(parts, genai.RoleModel), genai.NewContentFromParts(results, genai.RoleUser))
	}
	return out, errors.New("the loop has no end")
}

func resultGenAI(out *said, f *genai.FunctionCall) (*genai.Part, error) {
	args, err := json.Marshal(f.Args)
	if err != nil {
		return nil, err
	}
	result, err := out.call(f.Name, string(args))
	if err != nil {
		return nil, err
	}
	var response map[string]any
	if err := json.Unmarshal([]byte(result), &response); err != nil {
		return nil, err
	}
	p := genai.NewPartFromFunctionResponse(f.Name, response)
	p.FunctionResponse.ID = f.ID
	return p, nil
}

func genAIParams(s saying) ([]*genai.Content, *genai.GenerateContentConfig) {
	config := &genai.GenerateContentConfig{MaxOutputTokens: int32(s.max)}
	if s.system != "" {
		config.SystemInstruction = genai.NewContentFromText(s.system, genai.RoleUser)
	}
	var contents []*genai.Content
	for i, text := range s.before {
		contents = append(contents, genai.NewContentFromText(text, []genai.Role{genai.RoleUser, genai.RoleModel}[i%2]))
	}
	parts := []*genai.Part{genai.NewPartFromText(s.text)}
	if s.image {
		png, _ := base64.StdEncoding.DecodeString(onePNG)
		parts = append(parts, genai.NewPartFromBytes(png, "image/png"))
	}
	contents = append(contents, genai.NewContentFromParts(parts, genai.RoleUser))
	if s.tools {
		var all []*genai.FunctionDeclaration
		for _, name := range toolNames {
			all = append(all, &genai.FunctionDeclaration{Name: name, ParametersJsonSchema: toolSchemas[name]})
		}
		config.Tools = []*genai.Tool{{FunctionDeclarations: all}}
	}
	if s.schema {
		config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", whereSchema
	}
	if s.think {
		config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](1024)}
	}
	if s.stop != "" {
		config.StopSequences = []string{s.stop}
	}
	return contents, config
}

// generateGenAI also gives all parts of a stream.
func generateGenAI(ctx context.Context, client *genai.Client, contents []*genai.Content, config *genai.GenerateContentConfig, s saying) (parts []*genai.Part, last *genai.GenerateContentResponse, err error) {
	if !s.stream {
		if last, err = client.Models.GenerateContent(ctx, s.model, contents, config); err != nil {
			return nil, nil, err
		}
		return last.Candidates[0].Content.Parts, last, nil
	}
	n := 0
	for chunk, err := range client.Models.GenerateContentStream(ctx, s.model, contents, config) {
		if err != nil {
			return nil, nil, err
		}
		if len(chunk.Candidates) > 0 {
			last = chunk
			if c := chunk.Candidates[0].Content; c != nil {
				parts = append(parts, c.Parts...)
			}
		}
		if n++; n == 3 && s.leave != nil {
			s.leave()
		}
	}
	if last == nil || last.Candidates[0].FinishReason == "" {
		return nil, nil, errors.New("the stream ended without a reason")
	}
	return parts, last, ctx.Err()
}
