package e2e

import (
	"context"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/genai"
)

// goEmbeddings are the SDKs for Go that embed texts. Providers of Anthropic's
// dialect have no such call, and say so.
var goEmbeddings = []struct {
	sdk     string
	failure func(error) (status int, message string)
	run     func(ctx context.Context, key, route string, texts []string) ([][]float64, error)
}{
	{"openai-go", failureOpenAI, func(ctx context.Context, key, route string, texts []string) (out [][]float64, err error) {
		client := openai.NewClient(option.WithBaseURL(up.gateway+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
		got, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
			Model: route, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}, Dimensions: openai.Int(4),
		})
		if err != nil {
			return nil, err
		}
		for _, d := range got.Data {
			out = append(out, d.Embedding)
		}
		return out, nil
	}},
	{"genai-go", failureGenAI, func(ctx context.Context, key, route string, texts []string) (out [][]float64, err error) {
		client, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: up.gateway}})
		if err != nil {
			return nil, err
		}
		var contents []*genai.Content
		for _, text := range texts {
			contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
		}
		size := int32(4)
		got, err := client.Models.EmbedContent(ctx, route, contents, &genai.EmbedContentConfig{OutputDimensionality: &size})
		if err != nil {
			return nil, err
		}
		for _, e := range got.Embeddings {
			v := make([]float64, len(e.Values))
			for i, x := range e.Values {
				v[i] = float64(x)
			}
			out = append(out, v)
		}
		return out, nil
	}},
}

// embeds runs one of them against a route.
func (w *world) embeds(ctx context.Context, i int, route string) error {
	vectors, err := goEmbeddings[i].run(ctx, w.key, route, []string{"One", "Two"})
	if route == "messages" {
		status, message := goEmbeddings[i].failure(err)
		if status != 400 || !strings.Contains(message, "embeddings") {
			return fmt.Errorf("a provider without embeddings gave %v, %w (%q)", vectors, err, message)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if len(vectors) != 2 || len(vectors[0]) != 4 || fmt.Sprint(vectors[0]) == fmt.Sprint(vectors[1]) {
		return fmt.Errorf("vectors %v", vectors)
	}
	return nil
}
