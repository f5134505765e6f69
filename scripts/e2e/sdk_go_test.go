package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// The OpenAI SDK for Go, unchanged but for base URL and key.
func sdk(a *account) openai.Client {
	return openai.NewClient(option.WithBaseURL(up.gateway+"/v1"), option.WithAPIKey(a.key))
}

func ask(model, text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
}

func TestGoSDKChat(t *testing.T) {
	a := signUp(t, "GoChat")
	client := sdk(a)
	got, err := client.Chat.Completions.New(t.Context(), ask("demo", "Hello there"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content == "" || got.Choices[0].FinishReason != "stop" || got.Usage.TotalTokens == 0 {
		t.Errorf("answer %s", got.RawJSON())
	}
	// The same by the tenant's own address.
	client = openai.NewClient(option.WithBaseURL(up.gateway+"/t/"+a.slug+"/v1"), option.WithAPIKey(a.key))
	if _, err := client.Chat.Completions.New(t.Context(), ask("demo", "Hello there")); err != nil {
		t.Error(err)
	}
	a.ledger(t, func(r []request) error {
		if len(r) != 2 || r[0].Outcome != "ok" || r[0].InputTokens != got.Usage.PromptTokens || r[0].OutputTokens != got.Usage.CompletionTokens || r[0].CostNano <= 0 {
			return fmt.Errorf("ledger has %+v, the caller got %+v", r, got.Usage)
		}
		return nil
	})
}

func TestGoSDKStream(t *testing.T) {
	a := signUp(t, "GoStream")
	client := sdk(a)
	for _, withUsage := range []bool{false, true} {
		params := ask("demo:tokens=40", "Hello there")
		if withUsage {
			params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
		}
		stream := client.Chat.Completions.NewStreaming(t.Context(), params)
		sum := openai.ChatCompletionAccumulator{}
		chunks := 0
		for stream.Next() {
			chunks++
			if !sum.AddChunk(stream.Current()) {
				t.Fatalf("chunk %s does not fit", stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		if chunks < 3 || sum.Choices[0].Message.Content == "" || sum.Choices[0].FinishReason == "" {
			t.Errorf("%d chunks make %s", chunks, sum.RawJSON())
		}
		if got := sum.Usage.TotalTokens > 0; got != withUsage {
			t.Errorf("usage in the stream: %v, asked for: %v", got, withUsage)
		}
	}
	a.ledger(t, func(r []request) error {
		if len(r) != 2 || !r[0].Streamed || r[0].Estimated || r[0].OutputTokens == 0 || r[0].OutputTokens != r[1].OutputTokens {
			return fmt.Errorf("ledger has %+v", r)
		}
		return nil
	})
}

func TestGoSDKTools(t *testing.T) {
	client := sdk(signUp(t, "GoTools"))
	params := ask("demo", "What is the weather in Bern?")
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "get_weather", Parameters: openai.FunctionParameters{"type": "object",
			"properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}},
	})}
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	got, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	calls := got.Choices[0].Message.ToolCalls
	if len(calls) != 1 || calls[0].Function.Name != "get_weather" || !json.Valid([]byte(calls[0].Function.Arguments)) {
		t.Fatalf("tool calls in %s", got.RawJSON())
	}
	params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{}
	params.Messages = append(params.Messages, got.Choices[0].Message.ToParam(), openai.ToolMessage(`{"celsius":12}`, calls[0].ID))
	got, err = client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Choices[0].Message.Content, "12") {
		t.Errorf("the answer %q knows nothing of the tool's result", got.Choices[0].Message.Content)
	}
}

func TestGoSDKErrors(t *testing.T) {
	a := signUp(t, "GoErrors")
	bad := *a
	bad.key = a.key[:len(a.key)-1] + "x"
	for _, c := range []struct {
		name   string
		as     *account
		params openai.ChatCompletionNewParams
		status int
		code   string
	}{
		{"wrong key", &bad, ask("demo", "hi"), 401, "invalid_key"},
		{"unknown model", a, ask("no-such-model", "hi"), 404, "model_not_found"},
		{"provider fails", a, ask("demo:status=500", "hi"), 502, "upstream_error"},
		{"provider is at its limit", a, ask("demo:status=429", "hi"), 429, "upstream_rate_limited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := openai.NewClient(option.WithBaseURL(up.gateway+"/v1"), option.WithAPIKey(c.as.key), option.WithMaxRetries(0))
			_, err := client.Chat.Completions.New(t.Context(), c.params)
			var e *openai.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v is not one that the SDK knows", err)
			}
			if e.StatusCode != c.status || e.Code != c.code || e.Message == "" {
				t.Errorf("status %d, code %q, message %q; want %d, %q", e.StatusCode, e.Code, e.Message, c.status, c.code)
			}
			if e.Response.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
}

// TestGoSDKRetries: a provider's failure is tried again by the SDK, what can
// never succeed is not.
func TestGoSDKRetries(t *testing.T) {
	for model, want := range map[string]int{"demo:status=500": 2, "no-such-model": 1} {
		t.Run(model, func(t *testing.T) {
			a := signUp(t, "GoRetries")
			client := openai.NewClient(option.WithBaseURL(up.gateway+"/v1"), option.WithAPIKey(a.key), option.WithMaxRetries(1))
			if _, err := client.Chat.Completions.New(t.Context(), ask(model, "hi")); err == nil {
				t.Fatal("it went well")
			}
			a.ledger(t, func(r []request) error {
				if len(r) != want {
					return fmt.Errorf("%d requests, want %d: %+v", len(r), want, r)
				}
				return nil
			})
		})
	}
}

func TestGoSDKCancel(t *testing.T) {
	a := signUp(t, "GoCancel")
	client := sdk(a)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := client.Chat.Completions.NewStreaming(ctx, ask("demo:tokens=5000,chunk-delay=50ms", "Tell me a long story"))
	for range 3 {
		if !stream.Next() {
			t.Fatalf("the stream ended: %v", stream.Err())
		}
	}
	cancel()
	for stream.Next() {
	}
	if !errors.Is(stream.Err(), context.Canceled) {
		t.Errorf("error %v", stream.Err())
	}
	a.ledger(t, func(r []request) error {
		if len(r) != 1 || r[0].Outcome != "client_closed" || r[0].OutputTokens == 0 || r[0].OutputTokens > 1000 {
			return fmt.Errorf("ledger has %+v", r)
		}
		return nil
	})
}

func TestGoSDKModels(t *testing.T) {
	client := sdk(signUp(t, "GoModels"))
	page, err := client.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range page.Data {
		names = append(names, m.ID)
	}
	if !strings.Contains(strings.Join(names, " "), "demo") {
		t.Errorf("models %v", names)
	}
	m, err := client.Models.Get(t.Context(), "demo")
	if err != nil || m.ID != "demo" {
		t.Errorf("model %+v, %v", m, err)
	}
}

func TestGoSDKTimeout(t *testing.T) {
	client := sdk(signUp(t, "GoTimeout"))
	_, err := client.Chat.Completions.New(t.Context(), ask("demo:latency=30s", "hi"), option.WithRequestTimeout(200*time.Millisecond), option.WithMaxRetries(0))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
