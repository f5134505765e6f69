package demo

import (
	"encoding/json"
	"strings"
)

// object is a JSON object written by hand: the keys of an answer are few.
type object = map[string]any

// encode cannot fail on what this package makes.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("demo: " + err.Error())
	}
	return b
}

// plain is the whole answer at once.
func (a *answer) plain(req *request) []byte {
	msg := object{"role": "assistant", "content": a.text, "refusal": nil}
	if a.call != nil {
		msg["content"] = nil
		msg["tool_calls"] = []object{{
			"id": a.call.id, "type": "function",
			"function": object{"name": a.call.name, "arguments": a.call.arguments},
		}}
	}
	var choices []object
	for i := range max(1, req.N) {
		choices = append(choices, object{"index": i, "message": msg, "logprobs": nil, "finish_reason": a.finish})
	}
	return encode(object{
		"id": a.id, "object": "chat.completion", "created": 0, "model": req.Model,
		"choices": choices, "usage": a.usage,
	})
}

// chunks is the answer as a stream of events.
func (a *answer) chunks(req *request) [][]byte {
	var out [][]byte
	chunk := func(choices []object, u any) {
		c := object{
			"id": a.id, "object": "chat.completion.chunk", "created": 0, "model": req.Model, "choices": choices,
		}
		if u != nil {
			c["usage"] = u
		}
		out = append(out, append(append([]byte("data: "), encode(c)...), "\n\n"...))
	}
	for i := range max(1, req.N) {
		delta := func(d object, finish any) {
			chunk([]object{{"index": i, "delta": d, "logprobs": nil, "finish_reason": finish}}, nil)
		}
		delta(object{"role": "assistant", "content": ""}, nil)
		a.deltas(delta)
		delta(object{}, a.finish)
	}
	if req.StreamOptions != nil && req.StreamOptions.IncludeUsage {
		chunk([]object{}, a.usage)
	}
	return append(out, []byte("data: [DONE]\n\n"))
}

// deltas gives the text word by word, or the tool call in three parts.
func (a *answer) deltas(delta func(object, any)) {
	if a.call == nil {
		for _, w := range strings.SplitAfter(a.text, " ") {
			if w != "" {
				delta(object{"content": w}, nil)
			}
		}
		return
	}
	function := func(f object, id string) {
		c := object{"index": 0, "function": f}
		if id != "" {
			c["id"], c["type"] = id, "function"
		}
		delta(object{"tool_calls": []object{c}}, nil)
	}
	function(object{"name": a.call.name, "arguments": ""}, a.call.id)
	half := len(a.call.arguments) / 2
	function(object{"arguments": a.call.arguments[:half]}, "")
	function(object{"arguments": a.call.arguments[half:]}, "")
}
