package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// goSDKs are the SDKs for Go, each as what the cases need of it.
var goSDKs = []struct {
	name string
	// say has a conversation: one call, or as many as tools take.
	say func(ctx context.Context, s saying) (said, error)
	// failure reads an error that the SDK knows.
	failure func(error) (status int, message string)
	// retries is how often the SDK tries a call again.
	retries int
}{
	{"openai-go", sayOpenAI, failureOpenAI, 2},
	{"anthropic-go", sayAnthropic, failureAnthropic, 2},
	{"genai-go", sayGenAI, failureGenAI, 0},
}

// saying is what a case asks for.
type saying struct {
	key, model, system, text string
	// before are earlier turns, the user's first.
	before                                     []string
	stream, tools, schema, image, think, usage bool
	stop                                       string
	max                                        int64
	// leave cancels a stream after its first pieces.
	leave context.CancelFunc
}

// said is what came back; rounds counts those of tools.
type said struct {
	text, thought   string
	calls           []string
	rounds          int
	in, out, cached int64
	// cut says that the bound on tokens ended it.
	cut bool
}

const (
	place   = `Zürich "HB" \ 1`
	onePNG  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	askLoop = "Please use the tools weather, clock and convert one after another."
)

// toolSchemas are those of testdata/sdk/suite.cjs.
var toolSchemas = map[string]map[string]any{
	"weather": objectOf(map[string]any{"city": map[string]any{"type": "string"}}, "city"),
	"clock":   objectOf(map[string]any{"zone": map[string]any{"type": "string", "enum": []string{"CET", "UTC"}}}, "zone"),
	"convert": objectOf(map[string]any{"value": map[string]any{"type": "number"}}, "value"),
}

var toolNames = []string{"weather", "clock", "convert"}

var whereSchema = objectOf(map[string]any{"city": map[string]any{"type": "string"}, "count": map[string]any{"type": "integer"}}, "city", "count")

func objectOf(properties map[string]any, required ...string) map[string]any {
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// work is what the tools do.
func work(name string) string {
	return map[string]string{"weather": `{"celsius":12}`, "clock": `{"time":"12:00"}`, "convert": `{"value":3}`}[name]
}

// goCases are the cases of all SDKs for Go. A case that fails on purpose says
// with which status.
var goCases = []struct {
	name string
	saying
	status   int
	attempts int // with retries: one more than those of the SDK
	check    func(said) error
}{
	{name: "chat", saying: saying{text: "Good day", system: "Be brief."}, check: holds("heard: Good day", "system: Be brief.", "turns: user")},
	{name: "multi-turn", saying: saying{text: "Three", before: []string{"One", "Two"}}, check: holds("heard: Three", "turns: user assistant user")},
	{name: "stream", saying: saying{text: "Good day", stream: true}, check: holds("heard: Good day", "turns: user")},
	{name: "tool", saying: saying{text: "Please use the tool weather.", tools: true}, check: called("weather")},
	{name: "parallel tools", saying: saying{text: "Please use the tools weather and clock.", tools: true}, check: called("weather", "clock")},
	{name: "agent loop", saying: saying{text: askLoop, tools: true}, check: looped},
	{name: "streamed agent loop", saying: saying{text: askLoop, tools: true, stream: true}, check: looped},
	{name: "agent loop with reasoning", saying: saying{text: askLoop, tools: true, think: true}, check: looped},
	{name: "JSON schema", saying: saying{text: "Where?", schema: true}, check: where},
	{name: "image", saying: saying{text: "See", image: true}, check: holds("media: image/png 70", "heard: See")},
	{name: "reasoning", saying: saying{text: "Think", think: true}, check: func(s said) error {
		return errors.Join(holds("heard: Think")(s), holds("Thinking about: Think")(said{text: s.thought}))
	}},
	{name: "usage", saying: saying{text: "fake:in=100,out=9,cached=30,reasoning=4"}, check: used},
	{name: "streamed usage", saying: saying{text: "fake:in=100,out=9,cached=30,reasoning=4", stream: true, usage: true}, check: used},
	{name: "stop", saying: saying{text: "Good day", stop: "turns"}, check: func(s said) error {
		if strings.Contains(s.text, "turns") || s.cut {
			return fmt.Errorf("answer %+v", s)
		}
		return holds("Good day")(s)
	}},
	{name: "max tokens", saying: saying{text: "Good day", max: 3}, check: func(s said) error {
		if s.text != "heard: Good day" || !s.cut {
			return fmt.Errorf("answer %+v", s)
		}
		return nil
	}},
	{name: "unknown model", saying: saying{text: "x", model: "nowhere"}, status: 404},
	{name: "wrong key", saying: saying{text: "x", key: "tg_wrong"}, status: 401},
	{name: "limit, with retries", saying: saying{text: "fake:status=429"}, status: 429, attempts: 1},
	{name: "provider refuses", saying: saying{text: "fake:status=400"}, status: 400},
	{name: "failure in the stream", saying: saying{text: "fake:size=400,events=20,mode=eventerror", stream: true}, status: -1},
	{name: "cancel", saying: saying{text: "fake:size=4000,events=400,gap=20ms", stream: true}, status: -1},
}

func holds(parts ...string) func(said) error {
	return func(s said) error {
		for _, p := range parts {
			if !strings.Contains(s.text, p) {
				return fmt.Errorf("%q is not in %q", p, s.text)
			}
		}
		return nil
	}
}

func called(names ...string) func(said) error {
	return func(s said) error {
		if s.rounds != 1 || !slices.Equal(s.calls, names) {
			return fmt.Errorf("%d rounds, calls %q, want %q", s.rounds, s.calls, names)
		}
		return nil
	}
}

func looped(s said) error {
	if s.rounds != 3 || !slices.Equal(s.calls, toolNames) {
		return fmt.Errorf("%d rounds, calls %q", s.rounds, s.calls)
	}
	return holds(`weather={"celsius":12}`, `clock={"time":"12:00"}`, `convert={"value":3}`)(s)
}

func where(s said) error {
	var got struct {
		City  string
		Count int
	}
	if err := json.Unmarshal([]byte(s.text), &got); err != nil || got.City != place || got.Count != 12 {
		return fmt.Errorf("answer %q, %w", s.text, err)
	}
	return nil
}

func used(s said) error {
	if s.in != 100 || s.out != 9 || s.cached != 30 {
		return fmt.Errorf("usage %d, %d, %d cached", s.in, s.out, s.cached)
	}
	return nil
}

// call takes in a call of a tool and gives its result.
func (s *said) call(name, args string) (string, error) {
	s.calls = append(s.calls, name)
	var got map[string]any
	if err := json.Unmarshal([]byte(args), &got); err != nil {
		return "", fmt.Errorf("arguments %q of %s: %w", args, name, err)
	}
	if name == "weather" && got["city"] != place {
		return "", fmt.Errorf("arguments %q of %s", args, name)
	}
	return work(name), nil
}

// maxRounds ends a loop that has no end.
const maxRounds = 6

// golang runs all cases of an SDK against one provider.
func (w *world) golang(t *testing.T, at int, provider string) {
	sdk := goSDKs[at]
	for _, c := range goCases {
		ctx, cancel := context.WithCancel(t.Context())
		s := c.saying
		s.text += " " + mark(sdk.name, provider, c.name)
		if s.model == "" {
			s.model = provider
		}
		if s.key == "" {
			s.key = w.key
		}
		result := sdkCase{SDK: sdk.name, Provider: provider, Name: c.name}
		if c.attempts > 0 {
			result.Attempts = c.attempts + sdk.retries
		}
		if c.name == "cancel" {
			s.leave, result.Cancelled = cancel, true
		}
		got, err := sdk.say(ctx, s)
		cancel()
		status, message := sdk.failure(err)
		switch {
		case c.status > 0 && status != c.status, c.status < 0 && err == nil:
			err = fmt.Errorf("error %w, want status %d", err, c.status)
		case c.status == 400 && !strings.Contains(message, "fake failure 400"):
			err = fmt.Errorf("the message %q does not say why", message)
		case c.status != 0:
			err = nil
		case err == nil:
			err = c.check(got)
		}
		if err != nil {
			text := err.Error()
			result.Error = &text
		}
		w.check(t, result)
	}
}
