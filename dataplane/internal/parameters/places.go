package parameters

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// kind is how the content of a place is read.
type kind uint8

const (
	// Most places hold what the parameter is, or a part of it.
	_ kind = iota
	// toolList is an array of tools, serverList one of named servers of tools.
	toolList
	serverList
	// toolOption brings tools by being there: its name is the tool's.
	toolOption
	// nameList is an array of names, or one.
	nameList
	// keepsShow is an object that also says whether thoughts are shown.
	keepsShow
	// included is an array in which one word asks for the parameter.
	included
)

// place is where a dialect has a parameter.
type place struct {
	param param
	// in is the object that it stands in, an index into objects; 0 is the body.
	in   int
	name string
	kind kind
	// rare says that only some providers read the name, and others pass over
	// it: what rules set must not stand there alone.
	rare bool
}

// table is one dialect.
type table struct {
	// objects of the body that have places inside; the first is the body.
	objects []string
	places  []place
	// loose says that names are read in camelCase and in snake_case.
	loose bool
}

// hidden is a field that some providers merge into the body.
const hidden = "extra_body"

// logProbsWord asks for log-probabilities in include.
const logProbsWord = "message.output_text.logprobs"

// tables say where each dialect has each parameter. The first place of a
// parameter is the dialect's own; the others are names that compatible
// providers read beside it or in its stead, so that none slips past a rule. A
// table has at most 64 places.
var tables = map[canon.Dialect]*table{
	canon.OpenAIChat: &openAI,
	canon.Responses: {
		objects: []string{"", "text", "reasoning"},
		places: []place{
			{param: temperature, name: "temperature"}, {param: topP, name: "top_p"}, {param: topK, name: "top_k"},
			{param: maxTokens, name: "max_output_tokens"}, {param: maxTokens, name: "max_tokens", rare: true}, {param: maxTokens, name: "max_completion_tokens"},
			{param: count, name: "n"}, {param: seed, name: "seed"}, {param: stop, name: "stop"},
			{param: tools, name: "tools", kind: toolList}, {param: tools, name: "prompt", kind: toolOption},
			{param: toolChoice, name: "tool_choice"},
			{param: reasoning, in: 2, name: "effort"}, {param: reasoning, in: 2, name: "max_tokens"}, {param: reasoning, in: 2, name: "enabled"},
			{param: reasoning, name: "reasoning_effort"}, {param: reasoning, name: "thinking"}, {param: reasoning, name: "enable_thinking"},
			{param: serviceTier, name: "service_tier"},
			{param: responseFormat, in: 1, name: "format"}, {param: responseFormat, name: "response_format"},
			{param: logProbs, name: "include", kind: included}, {param: logProbs, name: "top_logprobs"},
			{param: model, name: "models", kind: nameList},
			{param: user, name: "user"}, {param: user, name: "safety_identifier", rare: true},
		},
	},
	canon.Anthropic: {
		objects: []string{"", "output_config", "metadata"},
		places: []place{
			{param: temperature, name: "temperature"}, {param: topP, name: "top_p"}, {param: topK, name: "top_k"},
			{param: maxTokens, name: "max_tokens"}, {param: maxTokens, name: "max_tokens_to_sample", rare: true},
			{param: count, name: "n"}, {param: seed, name: "seed"}, {param: stop, name: "stop_sequences"}, {param: stop, name: "stop"},
			{param: tools, name: "tools", kind: toolList}, {param: tools, name: "mcp_servers", kind: serverList},
			{param: toolChoice, name: "tool_choice"},
			{param: reasoning, name: "thinking"}, {param: reasoning, in: 1, name: "effort"}, {param: reasoning, name: "reasoning_effort"},
			{param: serviceTier, name: "service_tier"},
			{param: responseFormat, in: 1, name: "format"}, {param: responseFormat, name: "output_format"}, {param: responseFormat, name: "response_format"},
			{param: logProbs, name: "logprobs"}, {param: logProbs, name: "top_logprobs"},
			{param: model, name: "models", kind: nameList},
			{param: user, in: 2, name: "user_id"}, {param: user, name: "user"},
		},
	},
	canon.Gemini: {
		loose:   true,
		objects: []string{"", "generationConfig", "toolConfig"},
		places: []place{
			{param: temperature, in: 1, name: "temperature"}, {param: topP, in: 1, name: "topP"}, {param: topK, in: 1, name: "topK"},
			{param: maxTokens, in: 1, name: "maxOutputTokens"}, {param: count, in: 1, name: "candidateCount"}, {param: seed, in: 1, name: "seed"},
			{param: stop, in: 1, name: "stopSequences"},
			{param: tools, name: "tools", kind: toolList}, {param: tools, name: "cachedContent", kind: toolOption},
			{param: toolChoice, in: 2, name: "functionCallingConfig"}, {param: reasoning, in: 1, name: "thinkingConfig", kind: keepsShow},
			{param: serviceTier, name: "serviceTier"},
			{param: responseFormat, in: 1, name: "responseMimeType"}, {param: responseFormat, in: 1, name: "responseSchema"},
			{param: responseFormat, in: 1, name: "responseJsonSchema"}, {param: responseFormat, in: 1, name: "_responseJsonSchema"},
			{param: logProbs, in: 1, name: "responseLogprobs"}, {param: logProbs, in: 1, name: "logprobs"},
			{param: user, name: "user"},
		},
	},
}

// openAI is chat completions, and every other call of OpenAI's first form.
var openAI = table{
	objects: []string{"", "chat_template_kwargs"},
	places: []place{
		{param: temperature, name: "temperature"}, {param: topP, name: "top_p"}, {param: topK, name: "top_k"},
		{param: maxTokens, name: "max_completion_tokens"}, {param: maxTokens, name: "max_tokens"},
		{param: maxTokens, name: "max_output_tokens", rare: true}, {param: maxTokens, name: "max_new_tokens", rare: true}, {param: maxTokens, name: "n_predict", rare: true},
		{param: count, name: "n"}, {param: count, name: "best_of"}, {param: seed, name: "seed"}, {param: seed, name: "random_seed"},
		{param: stop, name: "stop"}, {param: stop, name: "stop_sequences"},
		{param: tools, name: "tools", kind: toolList}, {param: tools, name: "functions", kind: serverList},
		{param: tools, name: "web_search_options", kind: toolOption}, {param: tools, name: "plugins", kind: serverList},
		{param: tools, name: "search_parameters", kind: toolOption}, {param: tools, name: "enable_search", kind: toolOption},
		{param: tools, name: "compound_custom", kind: toolOption}, {param: stream, name: "stream"},
		{param: toolChoice, name: "tool_choice"}, {param: toolChoice, name: "function_call"},
		{param: reasoning, name: "reasoning_effort"}, {param: reasoning, name: "reasoning"}, {param: reasoning, name: "thinking"},
		{param: reasoning, name: "enable_thinking"}, {param: reasoning, name: "thinking_budget"}, {param: reasoning, name: "include_reasoning"},
		{param: reasoning, name: "prompt_mode"},
		{param: reasoning, in: 1, name: "enable_thinking"}, {param: reasoning, in: 1, name: "thinking"}, {param: reasoning, in: 1, name: "reasoning_effort"},
		{param: serviceTier, name: "service_tier"},
		{param: responseFormat, name: "response_format"}, {param: responseFormat, name: "guided_json"}, {param: responseFormat, name: "guided_regex"},
		{param: responseFormat, name: "guided_choice"}, {param: responseFormat, name: "guided_grammar"}, {param: responseFormat, name: "structured_outputs"},
		{param: responseFormat, name: "json_schema"}, {param: responseFormat, name: "grammar"},
		{param: logProbs, name: "logprobs"}, {param: logProbs, name: "top_logprobs"},
		{param: model, name: "models", kind: nameList},
		{param: user, name: "user"}, {param: user, name: "safety_identifier", rare: true},
	},
}

func tableOf(d canon.Dialect) *table {
	if t := tables[d]; t != nil {
		return t
	}
	return &openAI
}

// match says whether a key is name; lookalike, that a lenient parser takes it
// for name and a strict one does not.
func (t *table) match(key []byte, name string) (same, lookalike bool) {
	if string(key) == name {
		return true, false
	}
	if !t.loose {
		return false, len(key) >= len(name) && bytes.EqualFold(key, []byte(name))
	}
	var plain [64]byte
	n := 0
	for _, c := range key {
		if c == '_' {
			continue
		}
		if n == len(plain) {
			return false, false
		}
		plain[n] = c
		n++
	}
	if !bytes.EqualFold(plain[:n], bytes.TrimLeft([]byte(name), "_")) {
		return false, false
	}
	return string(key) == snake(name), true
}

// snake is the snake_case of a camelCase name.
func snake(name string) string {
	b := make([]byte, 0, len(name)+4)
	for _, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			b = append(b, '_', c+'a'-'A')
			continue
		}
		b = append(b, c)
	}
	return string(b)
}
