package dialogue_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
)

var heads = map[string]dialogue.Head{
	"chat":     {Dialect: dialogue.Chat},
	"messages": {Dialect: dialogue.Messages, Version: "2023-06-01"},
	"gemini":   {Dialect: dialogue.Gemini, Model: "m"},
}

func answer(t *testing.T, head dialogue.Head, body string) dialogue.Answer {
	t.Helper()
	c, refused := dialogue.Read(head, []byte(body))
	if refused != nil {
		return *refused
	}
	return c.Answer(dialogue.Settings{})
}

func all(a dialogue.Answer) string {
	var b strings.Builder
	for _, p := range a.Parts {
		b.Write(p)
	}
	return b.String()
}

// TestRefusals: each request lacks one thing that the real API demands.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ dialect, body, message string }{
		{"chat", `{"model":"m","messages":[],"temprature":1}`, "unknown field"},
		{"chat", `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"tool","tool_call_id":"x","content":"b"}]}`, "preceding"},
		{"chat", `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"a"}]}`, "must be followed"},
		{"chat", `{"model":"m","messages":[{"role":"user","content":"a"}],"parallel_tool_calls":true}`, "only allowed"},
		{"chat", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%"}}]}]}`, "no data"},
		{"messages", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, "max_tokens"},
		{"messages", `{"model":"m","max_tokens":9,"messages":[{"role":"system","content":"a"}]}`, "alternate"},
		{"messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}`, "non-empty"},
		{"messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"a","name":"b"}]}]}`, "Extra inputs"},
		{"messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":{}}]},{"role":"user","content":"b"}]}`, "without `tool_result`"},
		{"messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"b"}]},{"role":"user","content":"b"}]}`, "Invalid `signature`"},
		{"messages", `{"model":"m","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"a"}]}`, "less than max_tokens"},
		{"messages", `{"model":"m","max_tokens":9,"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":"a"}]}`, "input_schema.type"},
		{"gemini", `{"contents":[]}`, "not specified"},
		{"gemini", `{"contents":[{"role":"assistant","parts":[{"text":"a"}]}]}`, "valid role"},
		{"gemini", `{"contents":[{"parts":[{"text":"a","functionCall":{"name":"f"}}]}]}`, "oneof"},
		{"gemini", `{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"parts":[{"text":"b"}]}]}`, "equal to the number"},
		{"gemini", `{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","additionalProperties":false}}]}]}`, "additionalProperties"},
		{"gemini", `{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b","thoughtSignature":"c"}]},{"parts":[{"text":"b"}]}]}`, "signature"},
	} {
		a := answer(t, heads[c.dialect], c.body)
		if a.Status != 400 || !strings.Contains(all(a), c.message) || !json.Valid(a.Parts[0]) {
			t.Errorf("%s %s: status %d, %s; want %q", c.dialect, c.body, a.Status, all(a), c.message)
		}
	}
}

// requests ask for the same in each dialect; %s is the text.
var requests = map[string]string{
	"chat":     `{"model":"m","stream":%v,"messages":[{"role":"user","content":"%s"}],"reasoning_effort":"low","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}},{"type":"function","function":{"name":"clock"}}]}`,
	"messages": `{"model":"m","max_tokens":4000,"stream":%v,"messages":[{"role":"user","content":"%s"}],"thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}},{"name":"clock","input_schema":{"type":"object"}}]}`,
	"gemini":   `{"contents":[{"parts":[{"text":"%s"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}},"tools":[{"functionDeclarations":[{"name":"weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}}}},{"name":"clock"}]}]}`,
}

func TestAnswers(t *testing.T) {
	for name, head := range heads {
		for _, stream := range []string{"false", "true"} {
			for ask, want := range map[string][]string{
				"good day":                        {"good day", "turns: user", "Thinking about: good day"},
				"use the tools weather and clock": {"weather", "clock", "Zürich"},
			} {
				head.Stream = stream == "true"
				body := strings.NewReplacer("%s", ask, "%v", stream).Replace(requests[name])
				a := answer(t, head, body)
				got := all(a)
				if a.Status != 200 || a.Output == 0 {
					t.Fatalf("%s: status %d, %s", name, a.Status, got)
				}
				if head.Stream && (len(a.Parts) < 4 || a.Content[len(a.Parts)-1] < 4) {
					t.Errorf("%s: %d events, %v content", name, len(a.Parts), a.Content)
				}
				for _, w := range want {
					if !head.Stream && !strings.Contains(got, w) {
						t.Errorf("%s, %q: no %q in %s", name, ask, w, got)
					}
				}
			}
		}
	}
}

// FuzzRead: whatever comes is answered or refused.
func FuzzRead(f *testing.F) {
	for name, body := range requests {
		f.Add(int(heads[name].Dialect), strings.NewReplacer("%s", "use the tool weather", "%v", "true").Replace(body))
	}
	f.Fuzz(func(t *testing.T, dialect int, body string) {
		head := dialogue.Head{Dialect: dialogue.Dialect(uint(dialect) % 3), Version: "2023-06-01"}
		if a := answer(t, head, body); len(a.Parts) == 0 {
			t.Error("no answer")
		}
	})
}
