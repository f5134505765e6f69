package dialogue

func (w *writer) chatUsage() object {
	return object{
		"prompt_tokens": w.n.input, "completion_tokens": w.n.output, "total_tokens": w.n.input + w.n.output,
		"prompt_tokens_details":     object{"cached_tokens": w.n.cached},
		"completion_tokens_details": object{"reasoning_tokens": w.n.reasoning},
	}
}

func (w *writer) chatStop() string {
	return map[stop]string{atEnd: "stop", forTools: "tool_calls", atLength: "length", atSequence: "stop"}[w.r.stop]
}

func (w *writer) chatCall(i int, arguments string) object {
	p := w.r.calls[i]
	for _, t := range w.c.tools {
		if t.name == p.name && t.custom {
			return object{"id": p.id, "type": "custom", "custom": object{"name": p.name, "input": arguments}}
		}
	}
	return object{"id": p.id, "type": "function", "function": object{"name": p.name, "arguments": arguments}}
}

func (w *writer) chat() any {
	message := object{"role": "assistant", "content": w.r.text, "refusal": nil}
	if w.r.thought != "" {
		message["reasoning_content"] = w.r.thought
	}
	var calls []object
	for i, p := range w.r.calls {
		calls = append(calls, w.chatCall(i, p.text))
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	out := object{
		"id": "chatcmpl-fake", "object": "chat.completion", "created": 1767225600, "model": w.c.Model, "system_fingerprint": "fp_fake",
		"choices": []object{{"index": 0, "message": message, "logprobs": nil, "finish_reason": w.chatStop()}},
	}
	if !w.s.NoUsage {
		out["usage"] = w.chatUsage()
	}
	return out
}

func (w *writer) chatEvents() {
	chunk := func(choices []object, usage any, content bool) {
		body := object{"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1767225600, "model": w.c.Model,
			"system_fingerprint": "fp_fake", "choices": choices}
		if w.c.includeUsage {
			body["usage"] = usage
		}
		w.add("data: "+encode(body)+"\n\n", content)
	}
	delta := func(d object, content bool) {
		chunk([]object{{"index": 0, "delta": d, "logprobs": nil, "finish_reason": nil}}, nil, content)
	}
	delta(object{"role": "assistant", "content": ""}, false)
	for _, p := range w.pieces(w.r.thought) {
		delta(object{"reasoning_content": p}, true)
	}
	for _, p := range w.pieces(w.r.text) {
		delta(object{"content": p}, true)
	}
	for i, c := range w.r.calls {
		first := w.chatCall(i, "")
		first["index"] = i
		delta(object{"tool_calls": []object{first}}, true)
		name, field := "function", "arguments"
		if first["type"] == "custom" {
			name, field = "custom", "input"
		}
		for _, p := range w.pieces(c.text) {
			delta(object{"tool_calls": []object{{"index": i, name: object{field: p}}}}, true)
		}
	}
	chunk([]object{{"index": 0, "delta": object{}, "logprobs": nil, "finish_reason": w.chatStop()}}, nil, false)
	if w.c.includeUsage && !w.s.NoUsage {
		chunk([]object{}, w.chatUsage(), false)
	}
	w.add("data: [DONE]\n\n", false)
}
