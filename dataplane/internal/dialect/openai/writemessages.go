package openai

import (
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

func (w *requestWriter) messages() {
	w.b = append(w.b, `,"messages":[`...)
	start := len(w.b)
	for i := range w.req.Messages {
		m := &w.req.Messages[i]
		if m.Role != canon.ToolRole {
			w.flush(start)
		}
		w.message(m, start)
	}
	w.flush(start)
	w.b = append(w.b, ']')
}

// open starts a message of a role.
func (w *requestWriter) open(role string, start int) {
	if len(w.b) > start {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, `{"role":"`...), role...), '"')
}

// message writes one message, or several when it holds results of tools,
// which each have their own.
func (w *requestWriter) message(m *canon.Message, start int) {
	rest := m.Parts
	if hasKind(m.Parts, canon.ToolResultPart) {
		rest = nil
		for i := range m.Parts {
			if p := &m.Parts[i]; p.Kind == canon.ToolResultPart {
				w.result(m, p, start)
			} else {
				rest = append(rest, *p)
			}
		}
		if len(rest) == 0 {
			return
		}
		w.flush(start)
	}
	switch m.Role {
	case canon.Assistant:
		w.open("assistant", start)
		w.assistant(rest)
	case canon.System:
		w.open("system", start)
		w.content(rest, anyKind)
	default:
		w.open("user", start)
		w.content(rest, anyKind)
	}
	if m.Name != nil {
		if w.q.NoName {
			w.lost.Add("messages.name")
		} else {
			w.b = appendField(w.b, "name", m.Name)
		}
	}
	w.own(m.Extra)
	w.b = append(w.b, '}')
}

// result writes the result of a tool call. Tools answer in text; images and
// the like go into a message of the user after the last result.
func (w *requestWriter) result(m *canon.Message, p *canon.Part, start int) {
	w.open("tool", start)
	w.b = appendField(w.b, "tool_call_id", orEmpty(p.ID))
	if p.Name != nil && w.same && !w.q.NoName {
		w.b = appendField(w.b, "name", p.Name)
	}
	if p.IsError == canon.Yes {
		w.lost.Add("messages.is_error")
	}
	text := p.Content
	for i := range p.Content {
		if p.Content[i].Kind != canon.TextPart {
			text = nil
			break
		}
	}
	if text == nil {
		told := false
		for i := range p.Content {
			c := &p.Content[i]
			switch c.Kind {
			case canon.TextPart:
				text = append(text, *c)
			case canon.ImagePart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
				if !told {
					told = true
					id := append(canon.Text(`"Content of the result of tool call `), p.ID.Append(nil)...)
					w.pending = append(w.pending, canon.Part{Text: append(id, ':', '"')})
				}
				w.pending = append(w.pending, *c)
			default:
				w.lost.Add("messages.tool_result." + kindNames[c.Kind])
			}
		}
	}
	if n := len(text); p.Cache.Set {
		text = append([]canon.Part(nil), text...)
		if n == 0 {
			text = append(text, canon.Part{Text: canon.Text(`""`)})
			n++
		}
		text[n-1].Cache = p.Cache
	}
	w.content(text, anyKind)
	w.own(p.Extra)
	if m.Role == canon.ToolRole {
		w.own(m.Extra)
	}
	w.b = append(w.b, '}')
}

// flush writes what results of tools held beside text.
func (w *requestWriter) flush(start int) {
	if len(w.pending) == 0 {
		return
	}
	w.open("user", start)
	w.content(w.pending, anyKind)
	w.b = append(w.b, '}')
	w.pending = w.pending[:0]
}

// kinds is a set of kinds of parts.
type kinds uint16

func (k kinds) has(kind canon.Kind) bool { return k>>kind&1 == 1 }

// anyKind are all kinds; said are those that the content of an assistant's
// message holds: models are not taken to have sent images.
const (
	anyKind kinds = 1<<(canon.OpaquePart+1) - 1
	said    kinds = 1<<canon.TextPart | 1<<canon.RefusalPart | 1<<canon.OpaquePart
)

// content writes what is said in parts of the kinds that are wanted: as a
// string if it is one text and has no mark, else as parts.
func (w *requestWriter) content(parts []canon.Part, wanted kinds) {
	if w.q.StringContent || plainText(parts, wanted) {
		w.b = append(w.b, `,"content":"`...)
		start := len(w.b)
		for i := range parts {
			p := &parts[i]
			if !wanted.has(p.Kind) {
				continue
			}
			if p.Kind != canon.TextPart && p.Kind != canon.RefusalPart {
				w.lost.Add("messages.content." + kindNames[p.Kind])
				continue
			}
			if len(w.b) > start {
				w.b = append(w.b, '\\', 'n')
			}
			w.b = p.Text.Append(w.b)
			if p.Cache.Set {
				w.lost.Add("messages.cache_control")
			}
		}
		w.b = append(w.b, '"')
		return
	}
	w.b = append(w.b, `,"content":[`...)
	start := len(w.b)
	for i := range parts {
		p := &parts[i]
		if !wanted.has(p.Kind) {
			continue
		}
		if !w.canSay(p) {
			w.lost.Add("messages.content." + kindNames[p.Kind])
			continue
		}
		if len(w.b) > start {
			w.b = append(w.b, ',')
		}
		w.part(p)
	}
	if len(w.b) == start {
		// A list of nothing is refused.
		w.b = append(w.b[:start-1], `""`...)
		return
	}
	w.b = append(w.b, ']')
}

// plainText says that the parts are at most one text and nothing else.
func plainText(parts []canon.Part, wanted kinds) bool {
	n := 0
	for i := range parts {
		p := &parts[i]
		if !wanted.has(p.Kind) {
			continue
		}
		if n++; n > 1 || p.Kind != canon.TextPart || p.Cache.Set || p.Extra != nil || p.Citations != nil {
			return false
		}
	}
	return true
}

// canSay says whether a part has a form here.
func (w *requestWriter) canSay(p *canon.Part) bool {
	m := &p.Media
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		return true
	case canon.ImagePart, canon.VideoPart:
		return m.Data != nil || m.URL != nil
	case canon.AudioPart:
		return m.Data != nil || m.URL != nil
	case canon.DocumentPart:
		return m.Data != nil || m.URL != nil || m.FileID != nil || p.Text != nil
	case canon.ReasoningPart:
		return w.q.ThoughtParts && p.Text != nil
	case canon.OpaquePart:
		return p.From == canon.OpenAIChat && w.same
	}
	return false
}

func (w *requestWriter) part(p *canon.Part) {
	switch p.Kind {
	case canon.OpaquePart:
		w.b = append(w.b, p.Raw...)
		return
	case canon.TextPart:
		w.b = append(append(w.b, `{"type":"text","text":`...), orEmpty(p.Text)...)
	case canon.RefusalPart:
		w.b = append(append(w.b, `{"type":"refusal","refusal":`...), orEmpty(p.Text)...)
	case canon.ReasoningPart:
		w.b = append(append(w.b, `{"type":"thinking","thinking":[{"type":"text","text":`...), p.Text...)
		w.b = append(w.b, "}]"...)
		if p.Signature != nil {
			w.b = appendField(w.b, "signature", p.Signature)
		}
	case canon.ImagePart:
		if m := &p.Media; !m.Name.Empty() {
			w.lost.Add("messages.content.image.name")
		}
		w.b = appendLink(w.b, "image_url", &p.Media, "image/png")
	case canon.VideoPart:
		w.b = appendLink(w.b, "video_url", &p.Media, "video/mp4")
	case canon.AudioPart:
		w.audio(&p.Media)
	case canon.DocumentPart:
		w.document(p)
	}
	w.cacheMark(p)
	w.own(p.Extra)
	w.b = append(w.b, '}')
}

// cacheMark writes a mark; the message of OpenAI's models that know them takes
// four.
func (w *requestWriter) cacheMark(p *canon.Part) {
	switch {
	case !p.Cache.Set:
	case w.q.CacheControl:
		w.b = appendCacheControl(append(w.b, `,"cache_control":`...), p.Cache)
	case w.breakpoints && w.marks < maxMarks:
		w.marks++
		if p.Cache.TTL != nil {
			w.lost.Add("messages.cache_control.ttl")
		}
		w.b = append(w.b, `,"prompt_cache_breakpoint":{"mode":"explicit"}`...)
	default:
		w.lost.Add("messages.cache_control")
	}
}

// appendLink writes an address, or content as a data URL.
func appendLink(b []byte, kind string, m *canon.Media, fallback string) []byte {
	b = append(append(append(b, `{"type":"`...), kind...), `","`...)
	b = append(append(b, kind...), `":{"url":`...)
	b = appendURL(b, m, fallback)
	if m.Detail != nil {
		b = appendField(b, "detail", m.Detail)
	}
	return append(b, '}')
}

func appendURL(b []byte, m *canon.Media, fallback string) []byte {
	if m.Data == nil {
		return append(b, orEmpty(m.URL)...)
	}
	b = append(b, `"data:`...)
	if m.Type.Empty() {
		b = append(b, fallback...)
	} else {
		b = m.Type.Append(b)
	}
	b = append(b, `;base64,`...)
	return append(m.Data.Append(b), '"')
}

func (w *requestWriter) audio(m *canon.Media) {
	if m.Data == nil {
		w.b = append(append(w.b, `{"type":"input_audio","input_audio":`...), m.URL...)
		return
	}
	w.b = append(append(w.b, `{"type":"input_audio","input_audio":{"data":`...), m.Data...)
	format := "wav"
	for _, t := range audioTypes {
		if m.Type.Is(t.kind) {
			format = t.format
			break
		}
	}
	w.b = append(append(append(w.b, `,"format":"`...), format...), `"}`...)
}

func (w *requestWriter) document(p *canon.Part) {
	m := &p.Media
	switch {
	case p.Text != nil && m.Data == nil && m.URL == nil && m.FileID == nil:
		if !m.Name.Empty() {
			w.lost.Add("messages.content.document.name")
		}
		w.b = append(append(w.b, `{"type":"text","text":`...), p.Text...)
		return
	case m.FileID != nil:
		w.b = append(append(w.b, `{"type":"file","file":{"file_id":`...), m.FileID...)
	default:
		w.b = appendURL(append(w.b, `{"type":"file","file":{"file_data":`...), m, "application/pdf")
	}
	switch {
	case m.Name != nil:
		w.b = appendField(w.b, "filename", m.Name)
	case m.FileID == nil:
		w.b = append(w.b, `,"filename":"document.pdf"`...)
	}
	w.b = append(w.b, '}')
}

// assistant writes what a model said, thought and called.
func (w *requestWriter) assistant(parts []canon.Part) {
	wanted := said
	if w.q.ThoughtParts {
		wanted |= 1 << canon.ReasoningPart
	}
	texts, calls := false, false
	var spoken *canon.Part
	for i := range parts {
		w.unsigned(&parts[i])
		switch p := &parts[i]; {
		case p.Kind == canon.ToolCallPart:
			calls = true
			if p.Cache.Set {
				w.lost.Add("messages.cache_control")
			}
		case p.Kind == canon.AudioPart:
			spoken = p
		case wanted.has(p.Kind):
			texts = true
		case p.Kind != canon.ReasoningPart:
			w.lost.Add("messages.assistant." + kindNames[p.Kind])
		}
	}
	if texts || !calls && spoken == nil {
		w.content(parts, wanted)
	} else {
		w.b = append(w.b, `,"content":null`...)
	}
	w.thoughts(parts)
	if spoken != nil {
		w.spoken(spoken)
	}
	if calls {
		w.calls(parts)
	}
}

// unsigned notes the signature of a call or a text, which none but who made it
// can read.
func (w *requestWriter) unsigned(p *canon.Part) {
	if !p.Signature.Empty() && p.Kind != canon.ReasoningPart && !(w.same && p.Kind == canon.ToolCallPart) {
		w.lost.Add("messages.signature")
	}
}

// kindNames name what is lost.
var kindNames = [...]string{"text", "image", "audio", "video", "document", "tool_call", "tool_result", "reasoning", "refusal", "opaque"}

// spoken names audio that the model made before: the API takes its id alone.
func (w *requestWriter) spoken(p *canon.Part) {
	if p.ID == nil {
		w.lost.Add("messages.audio")
		return
	}
	w.b = append(append(append(w.b, `,"audio":{"id":`...), p.ID...), '}')
}

func (w *requestWriter) calls(parts []canon.Part) {
	w.b = append(w.b, `,"tool_calls":[`...)
	start := len(w.b)
	for i := range parts {
		p := &parts[i]
		if p.Kind != canon.ToolCallPart {
			continue
		}
		if len(w.b) > start {
			w.b = append(w.b, ',')
		}
		// Signatures are of no use to others than who made them.
		w.b = appendCall(w.b, p, -1, w.same)
		w.own(p.Extra)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

// appendCall writes a call, but for its closing brace; index is that of a
// stream, -1 outside of one.
func appendCall(b []byte, p *canon.Part, index int, signed bool) []byte {
	b = append(append(b, `{"id":`...), orEmpty(p.ID)...)
	if index >= 0 {
		b = appendInt(append(b, `,"index":`...), index)
	}
	if p.Custom {
		b = append(append(b, `,"type":"custom","custom":{"name":`...), orEmpty(p.Name)...)
		b = append(b, `,"input":`...)
		if t := asText(p.Args); t != nil {
			b = append(b, t...)
		} else {
			b = appendArguments(b, p.Args)
		}
	} else {
		b = append(append(b, `,"type":"function","function":{"name":`...), orEmpty(p.Name)...)
		b = append(b, `,"arguments":`...)
		if p.Args == nil && index < 0 {
			b = append(b, `"{}"`...)
		} else {
			b = appendArguments(b, p.Args)
		}
	}
	b = append(b, '}')
	if signed && p.Signature != nil {
		b = appendSignature(b, p.Signature)
	}
	return b
}

// appendSignature writes a signature as Gemini's compatible endpoint does.
func appendSignature(b []byte, t canon.Text) []byte {
	b = append(append(b, `,"extra_content":{"google":{"thought_signature":`...), t...)
	return append(b, "}}"...)
}

// appendArguments writes the text of arguments as a JSON string. They came out
// of JSON, so that their characters need no look but for what is escaped.
func appendArguments(b []byte, args []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i, c := range args {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, args[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, args[from:]...)
	return append(b, '"')
}
