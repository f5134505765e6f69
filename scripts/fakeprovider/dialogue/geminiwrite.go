package dialogue

func (w *writer) geminiUsage() object {
	u := object{
		"promptTokenCount": w.n.input, "candidatesTokenCount": w.n.output - w.n.reasoning, "totalTokenCount": w.n.input + w.n.output,
		"promptTokensDetails": []object{{"modality": "TEXT", "tokenCount": w.n.input}},
	}
	if w.n.cached > 0 {
		u["cachedContentTokenCount"] = w.n.cached
	}
	if w.n.reasoning > 0 {
		u["thoughtsTokenCount"] = w.n.reasoning
	}
	return u
}

func (w *writer) geminiParts(text []string) (out []object) {
	if w.c.show && w.r.thought != "" {
		out = append(out, object{"text": w.r.thought, "thought": true})
	}
	for i, s := range text {
		p := object{"text": s}
		if w.c.think && len(w.r.calls) == 0 && i == len(text)-1 {
			p["thoughtSignature"] = sign("text")
		}
		out = append(out, p)
	}
	for i, c := range w.r.calls {
		args, _ := asObject([]byte(c.text))
		p := object{"functionCall": object{"name": c.name, "args": args}}
		if i == 0 && (w.c.think || w.c.thirdGeneration()) {
			p["thoughtSignature"] = geminiSignature(c)
		}
		out = append(out, p)
	}
	return out
}

func (w *writer) geminiAnswer(parts []object, last bool) object {
	candidate := object{"index": 0, "content": object{"role": "model", "parts": parts}}
	if last {
		candidate["finishReason"] = map[stop]string{atEnd: "STOP", forTools: "STOP", atSequence: "STOP", atLength: "MAX_TOKENS"}[w.r.stop]
	}
	out := object{"candidates": []object{candidate}, "modelVersion": w.c.Model, "responseId": "fake-response"}
	if !w.s.NoUsage {
		out["usageMetadata"] = w.geminiUsage()
	}
	return out
}

func (w *writer) gemini() any {
	var whole []string
	if w.r.text != "" {
		whole = []string{w.r.text}
	}
	return w.geminiAnswer(w.geminiParts(whole), true)
}

// geminiEvents sends each part in an event of its own; the last one has the
// reason why it ended.
func (w *writer) geminiEvents() {
	parts := w.geminiParts(w.pieces(w.r.text))
	for i, p := range parts {
		w.add("data: "+encode(w.geminiAnswer([]object{p}, i == len(parts)-1))+"\r\n\r\n", true)
	}
	if len(parts) == 0 {
		w.add("data: "+encode(w.geminiAnswer([]object{{"text": ""}}, true))+"\r\n\r\n", false)
	}
}
