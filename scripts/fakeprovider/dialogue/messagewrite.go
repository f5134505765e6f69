package dialogue

func (w *writer) messageUsage(output int) object {
	return object{
		"input_tokens": w.n.input - w.n.cached, "cache_read_input_tokens": w.n.cached, "cache_creation_input_tokens": 0,
		"cache_creation": object{"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
		"output_tokens":  output, "service_tier": "standard",
	}
}

func (w *writer) messageStop() (reason string, sequence any) {
	reason = map[stop]string{atEnd: "end_turn", forTools: "tool_use", atLength: "max_tokens", atSequence: "stop_sequence"}[w.r.stop]
	if w.r.stop == atSequence {
		sequence = w.r.stopText
	}
	return reason, sequence
}

// messageID writes the id of a call as Anthropic's look.
func messageID(id string) string { return "toolu_" + id }

// messageBlock is a block with the deltas that its stream has.
type messageBlock struct {
	whole, start object
	deltas       []object
}

func (w *writer) messageBlocks() (out []messageBlock) {
	deltas := func(text, kind, field string) (all []object) {
		for _, p := range w.pieces(text) {
			all = append(all, object{"type": kind, field: p})
		}
		return all
	}
	switch r := w.r; {
	case r.hidden:
		b := object{"type": "redacted_thinking", "data": sign("hidden")}
		out = append(out, messageBlock{whole: b, start: b})
	case r.thought != "":
		signature := sign(r.thought)
		out = append(out, messageBlock{
			whole: object{"type": "thinking", "thinking": r.thought, "signature": signature},
			start: object{"type": "thinking", "thinking": "", "signature": ""},
			deltas: append(deltas(r.thought, "thinking_delta", "thinking"),
				object{"type": "signature_delta", "signature": signature}),
		})
	}
	if w.r.text != "" {
		out = append(out, messageBlock{
			whole:  object{"type": "text", "text": w.r.text},
			start:  object{"type": "text", "text": ""},
			deltas: deltas(w.r.text, "text_delta", "text"),
		})
	}
	for _, c := range w.r.calls {
		input, _ := asObject([]byte(c.text))
		out = append(out, messageBlock{
			whole: object{"type": "tool_use", "id": messageID(c.id), "name": c.name, "input": input},
			start: object{"type": "tool_use", "id": messageID(c.id), "name": c.name, "input": object{}},
			deltas: append([]object{{"type": "input_json_delta", "partial_json": ""}},
				deltas(c.text, "input_json_delta", "partial_json")...),
		})
	}
	return out
}

func (w *writer) message() any {
	content := []object{}
	for _, b := range w.messageBlocks() {
		content = append(content, b.whole)
	}
	reason, sequence := w.messageStop()
	return object{
		"id": "msg_fake", "type": "message", "role": "assistant", "model": w.c.Model, "content": content,
		"stop_reason": reason, "stop_sequence": sequence, "usage": w.messageUsage(w.n.output),
	}
}

func (w *writer) messageEvents() {
	event := func(name string, body object, content bool) {
		body["type"] = name
		w.add("event: "+name+"\ndata: "+encode(body)+"\n\n", content)
	}
	event("message_start", object{"message": object{
		"id": "msg_fake", "type": "message", "role": "assistant", "model": w.c.Model, "content": []object{},
		"stop_reason": nil, "stop_sequence": nil, "usage": w.messageUsage(1),
	}}, false)
	for i, b := range w.messageBlocks() {
		event("content_block_start", object{"index": i, "content_block": b.start}, false)
		if i == 0 {
			event("ping", object{}, false)
		}
		for _, d := range b.deltas {
			event("content_block_delta", object{"index": i, "delta": d}, true)
		}
		event("content_block_stop", object{"index": i}, false)
	}
	reason, sequence := w.messageStop()
	event("message_delta", object{
		"delta": object{"stop_reason": reason, "stop_sequence": sequence},
		"usage": object{"input_tokens": w.n.input - w.n.cached, "cache_read_input_tokens": w.n.cached, "cache_creation_input_tokens": 0, "output_tokens": w.n.output},
	}, false)
	event("message_stop", object{}, false)
}
