package gemini

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

func text(s string) []canon.Part { return []canon.Part{{Kind: canon.TextPart, Text: canon.Quote(s)}} }

func callPart(id, name, args string) canon.Part {
	return canon.Part{Kind: canon.ToolCallPart, ID: canon.Quote(id), Name: canon.Quote(name), Args: canon.Raw(args)}
}

func toolMessage(id, result string) canon.Message {
	return canon.Message{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResultPart, ID: canon.Quote(id), Content: text(result)}}}
}

const weatherSchema = `{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}`

var weather = []canon.Tool{{Name: canon.Quote("get_weather"), Description: canon.Quote("Get the current weather in a location"), Schema: canon.Raw(weatherSchema)}}

// ids says why calls and results keep their ids, which the expected
// translations leave out.
const ids = "ids stay, so that the result of one of two like calls finds its own, and later turns the provider's own ids"

// translations are requests as callers of OpenAI's chat dialect send them, with
// the expected translation and what of it is otherwise here.
var translations = []struct {
	snap   string
	req    canon.Request
	reason string
	// change makes of the expected translation what is written here.
	change []string
}{
	{snap: "basic", req: canon.Request{Messages: []canon.Message{{Role: canon.System, Parts: text("You are a helpful assistant.")}, {Parts: text("What is the name of the LLM provider?")}}}},
	{
		snap: "generation-config",
		req: canon.Request{
			Messages: []canon.Message{{Role: canon.System, Parts: text("You are a helpful assistant.")}, {Parts: text("What is the weather?")}},
			Tools:    weather, Choice: canon.ToolChoice{Mode: canon.ChoiceOne, Name: canon.Quote("get_weather")},
			MaxTokens: canon.Raw("1000"), Temperature: canon.Raw("0.7"), TopP: canon.Raw("0.9"), TopK: canon.Raw("40"), N: canon.Raw("3"),
			Stop: []canon.Text{canon.Quote("\n\n"), canon.Quote("END")}, PresencePenalty: canon.Raw("0.1"), FrequencyPenalty: canon.Raw("0.2"), Seed: canon.Raw("42"),
			Format: canon.Format{Kind: canon.FormatJSON},
		},
		reason: schemas, change: []string{`"parameters"`, `"parametersJsonSchema"`},
	},
	{snap: "image-file", req: canon.Request{Messages: []canon.Message{{Parts: append(text("Describe this image."), canon.Part{Kind: canon.ImagePart, Media: canon.Media{URL: canon.Quote("gs://my-bucket/photo.png")}})}}}},
	{snap: "image-inline", req: canon.Request{Messages: []canon.Message{{Parts: append(text("What's in this image?"), canon.Part{Kind: canon.ImagePart, Media: canon.Media{Type: canon.Quote("image/jpg"), Data: canon.Quote("/9j/4AAQSkZJRgABAQ==")}})}}}},
	{
		snap: "multi-turn-tools",
		req: canon.Request{Tools: weather, Messages: []canon.Message{
			{Parts: text("Weather in Columbus and Berlin?")},
			{Role: canon.Assistant, Parts: []canon.Part{callPart("call_1", "get_weather", `{"location":"Columbus"}`)}}, toolMessage("call_1", `{"temp":15}`),
			{Role: canon.Assistant, Parts: []canon.Part{callPart("call_2", "get_weather", `{"location":"Berlin"}`)}}, toolMessage("call_2", `{"temp":9}`),
		}},
		reason: schemas + "; " + ids, change: []string{`"parameters"`, `"parametersJsonSchema"`},
	},
	{
		snap: "parallel-tool-call",
		req: canon.Request{Messages: []canon.Message{
			{Parts: text("How is the weather in Columbus and New York?")},
			{Role: canon.Assistant, Parts: []canon.Part{callPart("call_1", "get_weather", `{"location":"Columbus, OH"}`), callPart("call_2", "get_weather", `{"location":"New York, NY"}`)}},
			toolMessage("call_1", `{ "temperature": 15, "condition": "Cloudy" }`), toolMessage("call_2", `{ "temperature": 22, "condition": "Sunny" }`),
		}},
		reason: ids,
	},
	{
		snap: "tool-call",
		req: canon.Request{Messages: []canon.Message{
			{Parts: text("How is the current weather in Columbus?")},
			{Role: canon.Assistant, Parts: []canon.Part{callPart("call_1", "get_weather", `{"format":"celsius","location":"Columbus, OH"}`), callPart("call_2", "get_time", ``)}},
			toolMessage("call_1", `{ "temperature": 15, "condition": "Cloudy" }`), toolMessage("call_2", `{ "time": "2026-08-12T12:00:00Z" }`),
		}},
		reason: ids,
	},
	{snap: "reasoning", req: canon.Request{Messages: []canon.Message{{Parts: text("How is the current weather in Columbus?")}}, Reasoning: canon.Reasoning{Effort: "medium"}}},
	{snap: "reasoning_max", req: canon.Request{Messages: []canon.Message{{Parts: text("Deeply analyze quantum gravity")}}, Reasoning: canon.Reasoning{Mode: canon.ReasoningOn, Effort: "xhigh"}}},
	{
		snap: "structured-output",
		req: canon.Request{Messages: []canon.Message{{Parts: text("Extract the person from: Ada Lovelace, age 36.")}}, Format: canon.Format{Kind: canon.FormatSchema, Name: canon.Quote("person"),
			Schema: canon.Raw(`{"type":"object","properties":{"person":{"$ref":"#/$defs/Person"}},"required":["person"],"$defs":{"Person":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name"]}}}`)}},
		reason: schemas + ", references and all",
		change: []string{
			`"responseSchema"`, `"responseJsonSchema"`, `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name"]}`, `{"$ref":"#/$defs/Person"}`,
			`"required":["person"]`, `"required":["person"],"$defs":{"Person":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name"]}}`,
		},
	},
}

const schemas = "the field for JSON Schema takes the caller's schema as it is"

func TestExpectedTranslations(t *testing.T) {
	snaps := recordings.Glob(t, "agentgateway/requests/completions/*.vertex-gemini.snap")
	if len(snaps) != len(translations) {
		t.Errorf("%d snapshots, %d cases", len(snaps), len(translations))
	}
	for _, c := range translations {
		file := ""
		for _, s := range snaps {
			if strings.HasSuffix(s, "/"+c.snap+".vertex-gemini.snap") {
				file = s
			}
		}
		if file == "" {
			t.Errorf("no snapshot of %s", c.snap)
			continue
		}
		c.req.From = canon.OpenAIChat
		var lost canon.Losses
		out, f := Format{}.AppendRequest(nil, &c.req, &canon.Target{Model: "gemini-2.5-pro"}, &lost)
		if f != nil || len(lost) > 0 {
			t.Errorf("%s: %v, lost %v", c.snap, f, lost)
			continue
		}
		raw := strings.SplitN(string(recordings.Read(t, file)), "\n---\n", 2)[1]
		raw = strings.NewReplacer(c.change...).Replace(compact(t, []byte(raw)))
		want := decode(t, []byte(raw)).(map[string]any)["request"]
		got := decode(t, out)
		if strings.Contains(c.reason, ids) {
			got = without(got, "id")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%s\nwant\n%v", c.snap, out, want)
		}
	}
}

// without leaves a member out wherever it stands.
func without(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, name)
		for k := range v {
			v[k] = without(v[k], name)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i], name)
		}
	}
	return v
}

func TestWhatGeminiCannotSayIsNamed(t *testing.T) {
	cache := canon.CacheMark{Set: true}
	for name, req := range map[string]canon.Request{
		"parallel_tool_calls":         {Parallel: canon.No},
		"user":                        {User: canon.Quote("u")},
		"service_tier":                {ServiceTier: canon.Quote("scale")},
		"cache_control":               {Cache: cache},
		"tools[0].strict":             {Tools: []canon.Tool{{Name: canon.Quote("f"), Strict: canon.Yes}}},
		"tools[0].custom":             {Tools: []canon.Tool{{Name: canon.Quote("f"), Custom: true}}},
		"tools[0]":                    {Tools: []canon.Tool{{Name: canon.Quote("web"), Raw: canon.Raw("{}"), From: canon.Anthropic}}},
		"response_format.description": {Format: canon.Format{Kind: canon.FormatSchema, Schema: canon.Raw("{}"), Description: canon.Quote("d")}},
		"messages[0].content":         {Messages: []canon.Message{{Parts: []canon.Part{{Kind: canon.OpaquePart, From: canon.Anthropic, Raw: canon.Raw("{}")}}}}},
		"messages[0].file_id":         {Messages: []canon.Message{{Parts: []canon.Part{{Kind: canon.DocumentPart, Media: canon.Media{FileID: canon.Quote("file-1")}}}}}},
		"messages[0].name":            {Messages: []canon.Message{{Name: canon.Quote("bob"), Parts: text("x")}}},
		"messages[1].position":        {Messages: []canon.Message{{Parts: text("x")}, {Role: canon.System, Parts: text("y")}}},
		"messages[0].role":            {Messages: []canon.Message{{Role: canon.System, Parts: text("y")}}},
		"top_logprobs":                {TopLogProbs: canon.Raw("2")},
		"messages[1].name":            {Messages: []canon.Message{{Parts: text("x")}, {Parts: []canon.Part{{Kind: canon.DocumentPart, Text: canon.Quote("x"), Media: canon.Media{Name: canon.Quote("a.txt")}}}}}},
		"logit_bias":                  {Extra: []canon.Field{{Name: "logit_bias", Value: canon.Raw("{}")}}},
	} {
		req.From = canon.OpenAIChat
		var lost canon.Losses
		out, f := Format{}.AppendRequest(nil, &req, nil, &lost)
		if f != nil || len(lost) != 1 || lost[0] != name {
			t.Errorf("%s: %v, lost %v", name, f, lost)
		}
		decode(t, out)
	}
}

func TestThinkingByModel(t *testing.T) {
	for _, c := range []struct {
		model string
		r     canon.Reasoning
		want  string
	}{
		{"gemini-3-pro-preview", canon.Reasoning{Effort: "max"}, `{"thinkingLevel":"high","includeThoughts":true}`},
		{"gemini-3-pro-preview", canon.Reasoning{Effort: "minimal"}, `{"thinkingLevel":"low","includeThoughts":true}`},
		{"models/gemini-3-flash", canon.Reasoning{Mode: canon.ReasoningOff}, `{"thinkingLevel":"minimal"}`},
		{"gemini-2.5-flash", canon.Reasoning{Mode: canon.ReasoningOff}, `{"thinkingBudget":0}`},
		{"gemini-2.5-flash", canon.Reasoning{Mode: canon.ReasoningAdaptive}, `{"thinkingBudget":-1,"includeThoughts":true}`},
		{"gemini-2.5-flash", canon.Reasoning{Mode: canon.ReasoningOn, Budget: 5000, Show: canon.No}, `{"thinkingBudget":5000,"includeThoughts":false}`},
	} {
		var lost canon.Losses
		req := canon.Request{From: canon.OpenAIChat, Messages: []canon.Message{{Parts: text("x")}}, Reasoning: c.r}
		out, _ := Format{}.AppendRequest(nil, &req, &canon.Target{Model: c.model}, &lost)
		if !strings.Contains(string(out), `"thinkingConfig":`+c.want+`}`) {
			t.Errorf("%s %+v: %s", c.model, c.r, out)
		}
	}
}

func TestResultsWithMedia(t *testing.T) {
	result := toolMessage("c1", "see")
	result.Parts[0].Content = append(result.Parts[0].Content, text("more")[0], canon.Part{Kind: canon.ImagePart, Media: canon.Media{Type: canon.Quote("image/png"), Data: canon.Quote("AAAA")}})
	result.Parts[0].IsError = canon.Yes
	req := canon.Request{From: canon.Anthropic, Messages: []canon.Message{{Role: canon.Assistant, Parts: []canon.Part{callPart("c1", "f", "{}")}}, result}}
	var lost canon.Losses
	for model, want := range map[string]string{
		"gemini-2.5-pro": `{"functionResponse":{"name":"f","id":"c1","response":{"error":["see","more"]}}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`,
		"gemini-3-pro":   `{"functionResponse":{"name":"f","id":"c1","response":{"error":["see","more"]},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}`,
	} {
		out, f := Format{}.AppendRequest(nil, &req, &canon.Target{Model: model}, &lost)
		if f != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v %s", model, f, out)
		}
		if strings.Contains(string(out), "skip_thought_signature_validator") != (model == "gemini-3-pro") {
			t.Errorf("%s: %s", model, out)
		}
	}
	req.Messages[1].Parts[0].ID = canon.Quote("other")
	if _, f := (Format{}).AppendRequest(nil, &req, nil, &lost); f == nil || f.Param != "messages[1].tool_call_id" {
		t.Errorf("%v", f)
	}
}
