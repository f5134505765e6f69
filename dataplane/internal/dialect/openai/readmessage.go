package openai

import (
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// message is what was read of a message but its parts.
type message struct {
	role, name, callID  canon.Text
	reasoning           canon.Text
	signature           canon.Text
	textSignature       canon.Text
	annotations         canon.Raw
	cache               canon.CacheMark
	extra               []canon.Field
	hasContent, isError bool
	legacyCall          bool
}

// message reads a message of a request, an answer, or the delta of a stream:
// they differ in what is there, not in what it means.
func (w *walk) message(m *message) ([]canon.Part, bool) {
	if w.s.Peek() != '{' {
		return nil, w.wrong("", "an object")
	}
	w.s.Open('{')
	w.begin()
	mine := len(w.mine)
	for first := true; ; first = false {
		name, more, ok := w.member(first)
		if !ok {
			return nil, false
		}
		if !more {
			break
		}
		if !w.messageField(m, name) {
			return nil, false
		}
	}
	w.addReasoning(m)
	if !w.annotate(m) {
		return nil, false
	}
	if m.cache.Set && len(w.parts) > 0 {
		w.parts[len(w.parts)-1].Cache = m.cache
	}
	m.extra = w.taken(mine)
	return w.end(), true
}

func (w *walk) messageField(m *message, name []byte) bool {
	switch string(name) {
	case "content":
		if m.hasContent && !w.lax {
			return w.refuse("content", "content is given twice; providers read that differently.")
		}
		m.hasContent = true
		return w.content()
	case "role":
		return w.text(&m.role, "role")
	case "name":
		return w.text(&m.name, "name")
	case "tool_call_id":
		return w.text(&m.callID, "tool_call_id")
	case "tool_calls":
		return w.toolCalls()
	case "refusal":
		return w.refusal()
	case "reasoning_content", "reasoning":
		return w.reasoningText(m, name)
	case "cache_control":
		return w.cacheMark(&m.cache)
	}
	return w.rareField(m, name)
}

func (w *walk) rareField(m *message, name []byte) bool {
	switch string(name) {
	case "reasoning_details":
		return w.list("reasoning_details", rankReasoning, w.thought)
	case "thinking_blocks":
		return w.list("thinking_blocks", rankReasoning, w.thinkingBlock)
	case "reasoning_signature":
		return w.text(&m.signature, "reasoning_signature")
	case "function_call":
		return w.functionCall(m)
	case "audio":
		return w.audioOut()
	case "images":
		return w.list("images", rankMedia, w.image)
	case "annotations":
		return w.raw(&m.annotations)
	case "citations":
		return w.list("citations", rankContent, w.sourceOf)
	case "extra_content":
		return w.googleSignature(&m.textSignature)
	case "native_parts":
		return w.list("native_parts", rankOpaque, w.opaque)
	case "is_error":
		var f canon.Flag
		ok := w.flag(&f, "is_error")
		m.isError = f == canon.Yes
		return ok
	}
	return w.unknown(name)
}

func (w *walk) refusal() bool {
	var t canon.Text
	if !w.text(&t, "refusal") {
		return false
	}
	if !t.Empty() {
		w.add(canon.RefusalPart, rankRefusal).Text = t
	}
	return true
}

// reasoningText reads thoughts that are plain text. Some providers send the
// same under both names.
func (w *walk) reasoningText(m *message, name []byte) bool {
	if w.s.Peek() != '"' {
		return w.unknown(name)
	}
	var t canon.Text
	ok := w.text(&t, "reasoning")
	if m.reasoning.Empty() {
		m.reasoning = t
	}
	return ok
}

// addReasoning adds the plain thoughts, unless the same came in more detail.
func (w *walk) addReasoning(m *message) {
	if m.reasoning.Empty() && m.signature == nil {
		return
	}
	for i := range w.parts {
		if w.notes[i].rank == rankReasoning && !w.parts[i].Text.Empty() {
			return
		}
	}
	if m.reasoning.Empty() && w.lax && !w.quick {
		return
	}
	p := w.add(canon.ReasoningPart, rankReasoning)
	p.Text, p.Signature = m.reasoning, m.signature
}

// list reads an array of objects, each of which is one thing.
func (w *walk) list(field string, rank uint8, item func(v canon.Raw, rank uint8) bool) bool {
	if entered, ok := w.enter('[', field); !entered {
		return ok
	}
	w.at.sub = field
	for w.at.j = 0; ; w.at.j++ {
		more, ok := w.s.Element(w.at.j == 0)
		if !ok || !more {
			w.at.sub = ""
			return ok
		}
		var v canon.Raw
		if w.s.Peek() != '{' {
			ok = w.wrong("", "an object")
		} else if ok = w.raw(&v); ok {
			mine := len(w.mine)
			ok = item(v, rank)
			if extra := w.taken(mine); extra != nil && len(w.parts) > 0 {
				w.parts[len(w.parts)-1].Extra = extra
			}
		}
		if !ok {
			return false
		}
	}
}

// formats are OpenRouter's names of who can read a signature.
var formats = []struct {
	name string
	from canon.Dialect
}{
	{"anthropic-claude-v1", canon.Anthropic}, {"openai-responses-v1", canon.Responses},
	{"google-gemini-v1", canon.Gemini}, {"bedrock-converse-v1", canon.Bedrock},
	{"cohere-chat-v2", canon.Cohere}, {"openai-chat-v1", canon.OpenAIChat},
	{"xai-responses-v1", canon.Responses}, {"azure-openai-responses-v1", canon.Responses},
}

func dialectOf(format canon.Text) canon.Dialect {
	for _, f := range formats {
		if format.Is(f.name) {
			return f.from
		}
	}
	return ""
}

// thought reads a block of reasoning as OpenRouter has it.
func (w *walk) thought(v canon.Raw, rank uint8) bool {
	f, ok := w.pick(v, "", "type", "text", "signature", "data", "format", "id", "index", "summary")
	p := w.add(canon.ReasoningPart, rank)
	p.Text, p.Signature, p.Redacted = asText(f[1]), asText(f[2]), asText(f[3])
	p.ID, p.From = asText(f[5]), dialectOf(asText(f[4]))
	if p.Text == nil {
		p.Text = asText(f[7])
	}
	return ok
}

// thinkingBlock reads a block of reasoning in the shape that front ends of several providers have.
func (w *walk) thinkingBlock(v canon.Raw, rank uint8) bool {
	f, ok := w.pick(v, "", "type", "thinking", "signature", "data")
	p := w.add(canon.ReasoningPart, rank)
	p.Text, p.Signature, p.Redacted, p.From = asText(f[1]), asText(f[2]), asText(f[3]), canon.Anthropic
	return ok
}

// opaque reads what another dialect's answer held and only that dialect reads.
func (w *walk) opaque(v canon.Raw, rank uint8) bool {
	f, ok := w.pick(v, "", "from", "raw", "type")
	p := w.add(canon.OpaquePart, rank)
	p.From, p.Raw, p.Name = canon.Dialect(asText(f[0]).String()), f[1], asText(f[2])
	return ok
}

// image reads an image that the model made.
func (w *walk) image(v canon.Raw, rank uint8) bool {
	f, ok := w.pick(v, "", "image_url", "type", "index")
	p := w.add(canon.ImagePart, rank)
	return ok && (w.link(p, f[0], "image_url") || w.lax)
}

// audioOut reads audio that the model spoke; in a request it is named by its
// id alone.
func (w *walk) audioOut() bool {
	var v canon.Raw
	if ok := w.object(&v, "audio"); !ok || v == nil {
		return ok
	}
	f, ok := w.pick(v, quiet, "id", "data", "transcript")
	p := w.add(canon.AudioPart, rankMedia)
	p.ID, p.Media.Data, p.Text = asText(f[0]), asText(f[1]), asText(f[2])
	p.Raw, p.From = v, canon.OpenAIChat
	if p.Media.Data == nil {
		p.Media.FileID = p.ID
	}
	return ok
}

// googleSignature reads what Gemini's compatible endpoint adds to calls.
func (w *walk) googleSignature(into *canon.Text) bool {
	var v canon.Raw
	if ok := w.object(&v, "extra_content"); !ok || v == nil {
		return ok
	}
	f, ok := w.pick(v, "extra_content", "google")
	if ok && len(f[0]) > 0 && f[0][0] == '{' {
		f, ok = w.pick(f[0], "extra_content.google", "thought_signature", "thought")
		*into = asText(f[0])
	}
	return ok
}

func (w *walk) toolCalls() bool {
	entered, ok := w.enter('[', "tool_calls")
	if !entered {
		return ok
	}
	w.at.sub = "tool_calls"
	for w.at.j = 0; ; w.at.j++ {
		more, ok := w.s.Element(w.at.j == 0)
		if !ok || !more {
			w.at.sub = ""
			return ok
		}
		if w.s.Peek() != '{' {
			ok = w.wrong("", "an object")
		} else {
			ok = w.toolCall()
		}
		if !ok {
			return false
		}
	}
}

func (w *walk) toolCall() bool {
	w.s.Open('{')
	p := w.add(canon.ToolCallPart, rankCall)
	n := &w.notes[len(w.notes)-1]
	mine := len(w.mine)
	for first := true; ; first = false {
		name, more, ok := w.member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		switch string(name) {
		case "id":
			ok = w.text(&p.ID, "id")
		case "index":
			var v canon.Raw
			ok = w.raw(&v)
			if i, err := strconv.Atoi(string(v)); err == nil && i >= 0 {
				n.index = i
			}
		case "type":
			ok = w.s.Skip()
		case "function":
			ok = w.called(p, "function", "arguments")
		case "custom":
			p.Custom = true
			ok = w.called(p, "custom", "input")
		case "extra_content":
			p.From = canon.Gemini
			ok = w.googleSignature(&p.Signature)
		default:
			ok = w.unknown(name)
		}
		if !ok {
			return false
		}
	}
	if p.Name == nil && !w.lax {
		w.bad = wrongType(w.at.path("function.name"), "a string")
		return false
	}
	p.Extra = w.taken(mine)
	if p.Extra != nil && p.From == "" {
		p.From = canon.OpenAIChat
	}
	w.arguments(p)
	return true
}

// called reads the name of what is called and what it is given.
func (w *walk) called(p *canon.Part, field, given string) bool {
	entered, ok := w.enter('{', field)
	if !entered {
		return ok
	}
	w.at.leaf = field
	for first := true; ; first = false {
		name, more, ok := w.member(first)
		if !ok || !more {
			w.at.leaf = ""
			return ok
		}
		switch {
		case string(name) == "name":
			ok = w.text(&p.Name, "name")
		case string(name) == given && w.s.Peek() == '"':
			ok = w.text(&p.Text, given)
		case string(name) == given && w.s.Peek() == '{':
			// Some give the object itself.
			ok = w.raw(&p.Args)
		case string(name) == given:
			ok = w.s.Peek() == 'n' && w.s.Skip() || w.wrong(given, "a string")
		default:
			ok = w.unknown(name)
		}
		if !ok {
			return false
		}
	}
}

// arguments takes the text of a call's arguments out of its string, but in a
// stream, where it is a piece.
func (w *walk) arguments(p *canon.Part) {
	if w.quick || p.Text == nil {
		return
	}
	if p.Custom {
		p.Args, p.Text = canon.Raw(p.Text), nil
		return
	}
	start := len(w.args)
	w.args = jsonscan.Unescape(w.args, p.Text[1:len(p.Text)-1])
	if len(w.args) > start {
		p.Args = canon.Raw(w.args[start:len(w.args):len(w.args)])
	}
	p.Text = nil
}

// legacyID names the call of a function from the time before calls had ids.
var legacyID = canon.Text(`"call_function"`)

func (w *walk) functionCall(m *message) bool {
	if w.s.Peek() == 'n' {
		return w.s.Skip()
	}
	p := w.add(canon.ToolCallPart, rankCall)
	w.notes[len(w.notes)-1].index = 0
	p.ID, m.legacyCall = legacyID, true
	if !w.called(p, "function_call", "arguments") {
		return false
	}
	w.arguments(p)
	return true
}
