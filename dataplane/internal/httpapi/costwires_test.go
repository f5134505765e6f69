package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tollgate/tollgate/proto/providerkind"
)

// used is what a call used, as it is put into answers.
type used struct {
	Fresh     int64 `json:"input_fresh"`
	Input     int64 `json:"input"`
	InputText int64 `json:"input_text"`
	Read      int64 `json:"cache_read"`
	Write     int64 `json:"cache_write_5m"`
	WriteHour int64 `json:"cache_write_1h"`
	AudioIn   int64 `json:"input_audio"`
	Out       int64 `json:"output"`
	OutText   int64 `json:"output_text"`
	Reasoning int64 `json:"reasoning"`
	AudioOut  int64 `json:"output_audio"`
	Searches  int64 `json:"web_search_calls"`
}

func (u *used) fresh() int64  { return u.Fresh + u.Input + u.InputText }
func (u *used) text() int64   { return u.Out + u.OutText }
func (u *used) prompt() int64 { return u.fresh() + u.Read + u.Write + u.WriteHour + u.AudioIn }
func (u *used) answer() int64 { return u.text() + u.Reasoning + u.AudioOut }

// told is an answer that a fake provider gives.
type told struct {
	used
	tier, model                                            string
	tool, silent, cut, odd, blocked, stream, vertex, whole bool
	// more is put into the report.
	more string
}

// wire is one that a provider speaks, with what can be said on it.
type wire struct {
	name, provider, dialect, base, model string
	// can are the names of what it has a place for.
	can string
	// report writes the usage, plain an answer, events a stream.
	report func(*told) string
	plain  func(*told) string
	events func(*told) [][2]string
}

var costWires = []wire{
	{"openai_chat", "custom", providerkind.OpenAIChat, "/v1", "m", "read write hour audio reasoning flex priority search cut cost", chatReport, chatPlain, chatEvents},
	{"openai_responses", "custom", providerkind.Responses, "/v1", "m", "read write reasoning flex priority search cost", responsesReport, responsesPlain, responsesEvents},
	{"anthropic_messages", "anthropic", providerkind.Anthropic, "/v1", "m", "read write hour reasoning priority search cut", messagesReport, messagesPlain, messagesEvents},
	{"gemini_generate", "google", providerkind.Gemini, "/v1beta", "gemini-3-pro", "read audio reasoning flex priority search blocked cut", geminiReport, geminiPlain, geminiEvents},
	{"together_chat", "together", providerkind.OpenAIChat, "/v1", "m", "read reasoning cut", chatReport, chatPlain, chatEvents},
	{"fireworks_chat", "fireworks", providerkind.OpenAIChat, "/inference/v1", "m", "read reasoning priority cut", chatReport, chatPlain, chatEvents},
	{"azure_chat", "azure-openai", providerkind.OpenAIChat, "/openai/v1", "m", "read audio reasoning flex priority cut", chatReport, chatPlain, chatEvents},
	{"bedrock_converse", "aws-bedrock", providerkind.Bedrock, "", "m", "read write hour flex priority", converseReport, conversePlain, converseEvents},
	{"vertex_generate", "google-vertex", providerkind.Gemini, "/v1/projects/p/locations/l", "gemini-3-pro", "read audio reasoning flex priority search blocked cut", vertexReport, geminiPlain, geminiEvents},
}

// lacks names what the answer has and the wire has no place for.
func (w *wire) lacks(a *told) string {
	for _, c := range []struct {
		name string
		has  bool
	}{
		{"read", a.Read > 0}, {"write", a.Write > 0}, {"hour", a.WriteHour > 0}, {"audio", a.AudioIn+a.AudioOut > 0},
		{"reasoning", a.Reasoning > 0}, {"flex", a.tier == "flex"}, {"priority", a.tier == "priority"}, {"search", a.Searches > 0},
		{"blocked", a.blocked}, {"cut", a.cut && !a.silent},
	} {
		if c.has && !strings.Contains(" "+w.can+" ", " "+c.name+" ") {
			return c.name
		}
	}
	return ""
}

// write gives the answer.
func (w *wire) write(to io.Writer, a *told) {
	if !a.stream {
		io.WriteString(to, w.plain(a))
		return
	}
	for _, ev := range w.events(a) {
		if ev[0] != "" {
			fmt.Fprintf(to, "event: %s\n", ev[0])
		}
		fmt.Fprintf(to, "data: %s\n\n", ev[1])
	}
}

// reportOf is a member with the report, between the comma before it and the end.
func (a *told) reportOf(name string, report func(*told) string) string {
	if a.silent {
		return ""
	}
	return fmt.Sprintf(`,%q:%s`, name, report(a))
}

func (a *told) tierOf(name string) string {
	if a.tier == "" {
		return ""
	}
	return fmt.Sprintf(`,%q:%q`, name, a.tier)
}

const toolArgs = `{"city":"Paris on the Seine","unit":"degrees of Celsius"}`

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func chatReport(a *told) string {
	return fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":%d,"cache_write_tokens":%d,"cache_write_1h_tokens":%d},`+
		`"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":%d},"num_search_queries":%d%s}`,
		a.prompt(), a.answer(), a.prompt()+a.answer(), a.Read, a.AudioIn, a.Write+a.WriteHour, a.WriteHour, a.Reasoning, a.AudioOut, a.Searches, a.more)
}

func chatPlain(a *told) string {
	message, reason := `{"role":"assistant","content":"Good day to you."}`, "stop"
	if a.tool {
		message, reason = `{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":`+quoted(toolArgs)+`}}]}`, "tool_calls"
	}
	return fmt.Sprintf(`{"id":"c1","object":"chat.completion","created":1,"model":%q%s,"choices":[{"index":0,"message":%s,"finish_reason":%q}]%s}`,
		a.model, a.tierOf("service_tier"), message, reason, a.reportOf("usage", chatReport))
}

func chatEvents(a *told) (events [][2]string) {
	chunk := func(choices, rest string) {
		events = append(events, [2]string{"", fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","created":1,"model":%q%s,"choices":[%s]%s}`, a.model, a.tierOf("service_tier"), choices, rest)})
	}
	reason := "stop"
	if a.tool {
		reason = "tool_calls"
		chunk(`{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":`+quoted(toolArgs)+`}}]},"finish_reason":null}`, "")
	} else {
		chunk(`{"index":0,"delta":{"role":"assistant","content":"Good day"},"finish_reason":null}`, "")
		chunk(`{"index":0,"delta":{"content":" to you."},"finish_reason":null}`, "")
	}
	if a.cut {
		if !a.silent {
			chunk("", a.reportOf("usage", chatReport))
		}
		return events
	}
	chunk(`{"index":0,"delta":{},"finish_reason":"`+reason+`"}`, "")
	switch {
	case a.odd:
		chunk("", `,"system_fingerprint":{"a":[7]},"obfuscation":7,"prompt_filter_results":"none"`+a.reportOf("usage", chatReport))
	case !a.silent:
		chunk("", a.reportOf("usage", chatReport))
	}
	return append(events, [2]string{"", "[DONE]"})
}

func responsesReport(a *told) string {
	return fmt.Sprintf(`{"input_tokens":%d,"input_tokens_details":{"cached_tokens":%d,"cache_write_tokens":%d},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%d%s}`,
		a.prompt(), a.Read, a.Write, a.answer(), a.Reasoning, a.prompt()+a.answer(), a.more)
}

func responsesItems(a *told) (items []string) {
	for i := range a.Searches {
		items = append(items, fmt.Sprintf(`{"type":"web_search_call","id":"ws_%d","status":"completed","action":{"type":"search","query":"x"}}`, i))
	}
	if a.tool {
		return append(items, `{"type":"function_call","id":"fc_1","call_id":"call_1","status":"completed","name":"weather","arguments":`+quoted(toolArgs)+`}`)
	}
	return append(items, `{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Good day to you.","annotations":[]}]}`)
}

func responsesPlain(a *told) string {
	odd := ""
	if a.odd {
		odd = `,"incomplete_details":"none","text":7,"tools":{"a":1}`
	}
	return fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":%q%s,"output":[%s]%s%s}`,
		a.model, a.tierOf("service_tier"), strings.Join(responsesItems(a), ","), odd, a.reportOf("usage", responsesReport))
}

func responsesEvents(a *told) (events [][2]string) {
	n := 0
	event := func(kind, rest string) {
		events = append(events, [2]string{kind, fmt.Sprintf(`{"type":%q,"sequence_number":%d,%s}`, kind, n, rest)})
		n++
	}
	event("response.created", `"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"`+a.model+`","output":[]}`)
	for i, item := range responsesItems(a) {
		event("response.output_item.added", fmt.Sprintf(`"output_index":%d,"item":%s`, i, strings.NewReplacer(`"Good day to you."`, `""`, quoted(toolArgs), `""`, "completed", "in_progress").Replace(item)))
		switch {
		case strings.Contains(item, "web_search_call"):
		case a.tool:
			event("response.function_call_arguments.delta", fmt.Sprintf(`"output_index":%d,"item_id":"fc_1","delta":%s`, i, quoted(toolArgs)))
			event("response.function_call_arguments.done", fmt.Sprintf(`"output_index":%d,"item_id":"fc_1","arguments":%s`, i, quoted(toolArgs)))
		default:
			event("response.output_text.delta", fmt.Sprintf(`"output_index":%d,"content_index":0,"item_id":"msg_1","delta":"Good day to you."`, i))
		}
		event("response.output_item.done", fmt.Sprintf(`"output_index":%d,"item":%s`, i, item))
	}
	if !a.cut {
		event("response.completed", `"response":`+responsesPlain(a))
	}
	return events
}

func messagesReport(a *told) string {
	tier := a.tierOf("service_tier")
	return fmt.Sprintf(`{"input_tokens":%d,"cache_read_input_tokens":%d,"cache_creation_input_tokens":%d,"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d},`+
		`"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d},"server_tool_use":{"web_search_requests":%d}%s%s}`,
		a.fresh(), a.Read, a.Write+a.WriteHour, a.Write, a.WriteHour, a.answer(), a.Reasoning, a.Searches, tier, a.more)
}

func messagesPlain(a *told) string {
	block, reason := `{"type":"text","text":"Good day to you."}`, "end_turn"
	if a.tool {
		block, reason = `{"type":"tool_use","id":"toolu_1","name":"weather","input":`+toolArgs+`}`, "tool_use"
	}
	return fmt.Sprintf(`{"id":"msg_1","type":"message","role":"assistant","model":%q,"content":[%s],"stop_reason":%q,"stop_sequence":null%s}`,
		a.model, block, reason, a.reportOf("usage", messagesReport))
}

func messagesEvents(a *told) (events [][2]string) {
	event := func(kind, rest string) {
		events = append(events, [2]string{kind, fmt.Sprintf(`{"type":%q%s}`, kind, rest)})
	}
	begin := ""
	if !a.silent {
		// The first report knows nothing of the answer yet, and less of the prompt.
		early := *a
		early.Out, early.OutText, early.Reasoning, early.Searches = 1, 0, 0, 0
		begin = `,"usage":` + messagesReport(&early)
	}
	event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"`+a.model+`","content":[],"stop_reason":null,"stop_sequence":null`+begin+`}`)
	reason := "end_turn"
	if a.tool {
		reason = "tool_use"
		event("content_block_start", `,"index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}`)
		event("content_block_delta", `,"index":0,"delta":{"type":"input_json_delta","partial_json":`+quoted(toolArgs)+`}`)
	} else {
		event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
		event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"Good day to you."}`)
	}
	event("content_block_stop", `,"index":0`)
	if a.cut && a.silent {
		return events
	}
	odd := ""
	if a.odd {
		odd = `,"context_management":"none","container":[7]`
	}
	event("message_delta", `,"delta":{"stop_reason":"`+reason+`","stop_sequence":null`+odd+`}`+a.reportOf("usage", messagesReport))
	if !a.cut {
		event("message_stop", "")
	}
	return events
}

func geminiReport(a *told) string { return generateReport(a, a.tierOf("serviceTier")) }

func vertexReport(a *told) string {
	return generateReport(a, map[string]string{
		"": `,"trafficType":"ON_DEMAND"`, "flex": `,"trafficType":"ON_DEMAND_FLEX"`, "priority": `,"trafficType":"ON_DEMAND_PRIORITY"`}[a.tier])
}

func generateReport(a *told, tier string) string {
	return fmt.Sprintf(`{"promptTokenCount":%d,"candidatesTokenCount":%d,"thoughtsTokenCount":%d,"totalTokenCount":%d,"cachedContentTokenCount":%d,`+
		`"promptTokensDetails":[{"modality":"TEXT","tokenCount":%d},{"modality":"AUDIO","tokenCount":%d}],"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":%d},{"modality":"AUDIO","tokenCount":%d}]%s%s}`,
		a.prompt(), a.text()+a.AudioOut, a.Reasoning, a.prompt()+a.answer(), a.Read, a.prompt()-a.AudioIn, a.AudioIn, a.text(), a.AudioOut, tier, a.more)
}

// generated is one answer of Gemini's; report writes its usage.
func generated(a *told, finish string, report func(*told) string) string {
	rest := a.reportOf("usageMetadata", report) + `,"modelVersion":"` + a.model + `","responseId":"r1"}`
	if a.blocked {
		return `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}` + rest
	}
	part, grounding := `{"text":"Good day to you."}`, ""
	if a.tool {
		part = `{"functionCall":{"name":"weather","args":` + toolArgs + `}}`
	}
	if a.Searches > 0 {
		var queries []string
		for i := range a.Searches {
			queries = append(queries, fmt.Sprintf(`"query %d"`, i))
		}
		grounding = `,"groundingMetadata":{"webSearchQueries":[` + strings.Join(queries, ",") + `]}`
	}
	if a.odd {
		grounding += `,"safetyRatings":"none","avgLogprobs":"x"`
	}
	return `{"candidates":[{"content":{"role":"model","parts":[` + part + `]}` + finish + grounding + `,"index":0}]` + rest
}

func (a *told) generateReporter() func(*told) string {
	if a.vertex {
		return vertexReport
	}
	return geminiReport
}

func geminiPlain(a *told) string { return generated(a, `,"finishReason":"STOP"`, a.generateReporter()) }

func geminiEvents(a *told) [][2]string {
	finish := `,"finishReason":"STOP"`
	if a.cut {
		finish = ""
	}
	return [][2]string{{"", generated(a, finish, a.generateReporter())}}
}

func converseReport(a *told) string {
	return fmt.Sprintf(`{"inputTokens":%d,"outputTokens":%d,"totalTokens":%d,"cacheReadInputTokens":%d,"cacheWriteInputTokens":%d,`+
		`"cacheDetails":[{"ttl":"5m","inputTokens":%d},{"ttl":"1h","inputTokens":%d}]%s}`,
		a.fresh(), a.answer(), a.prompt()+a.answer(), a.Read, a.Write+a.WriteHour, a.Write, a.WriteHour, a.more)
}

func (a *told) converseTier() string {
	if a.tier == "" {
		return ""
	}
	return `,"serviceTier":{"type":"` + a.tier + `"}`
}

func conversePlain(a *told) string {
	block, reason := `{"text":"Good day to you."}`, "end_turn"
	if a.tool {
		block, reason = `{"toolUse":{"toolUseId":"tu_1","name":"weather","input":`+toolArgs+`}}`, "tool_use"
	}
	return `{"output":{"message":{"role":"assistant","content":[` + block + `]}},"stopReason":"` + reason + `","metrics":{"latencyMs":9}` +
		a.converseTier() + a.reportOf("usage", converseReport) + `}`
}

func converseEvents(a *told) [][2]string {
	events := [][2]string{{"messageStart", `{"role":"assistant"}`}}
	reason := "end_turn"
	if a.tool {
		reason = "tool_use"
		events = append(events, [2]string{"contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"tu_1","name":"weather"}}}`},
			[2]string{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":` + quoted(toolArgs) + `}}}`})
	} else {
		events = append(events, [2]string{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Good day to you."}}`})
	}
	events = append(events, [2]string{"contentBlockStop", `{"contentBlockIndex":0}`})
	if a.cut {
		return events
	}
	metrics := `{"latencyMs":9}`
	if a.odd {
		metrics = `"none","trace":[7]`
	}
	return append(events, [2]string{"messageStop", `{"stopReason":"` + reason + `"}`},
		[2]string{"metadata", `{"metrics":` + metrics + a.converseTier() + a.reportOf("usage", converseReport) + `}`})
}
