package gemini

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// messages writes contents and systemInstruction. Instructions that stand
// between messages move to the head, where alone Gemini has them: what they
// lose is their place, and that is reported.
func (w *out) messages() {
	ms := w.req.Messages
	only := true
	for i := range ms {
		only = only && ms[i].Role == canon.System
	}
	w.name("contents")
	w.b = append(w.b, '[')
	written, results := 0, false
	for i := range ms {
		if ms[i].Role == canon.System && !only {
			continue
		}
		if only {
			w.lose("messages[" + strconv.Itoa(i) + "].role")
		}
		w.at = i
		tool := ms[i].Role == canon.ToolRole
		if w.content(&ms[i], tool && results, written > 0) {
			written++
			results = tool
		}
	}
	w.b = append(w.b, ']')
	w.begun = true
	if !only {
		w.instructions()
	}
}

func (w *out) instructions() {
	ms := w.req.Messages
	mark, begun := w.open("systemInstruction")
	head, n := true, 0
	for i := range ms {
		if ms[i].Role != canon.System {
			head = false
			continue
		}
		if !head {
			w.lose(w.path(i, -1, "position"))
		}
		w.at = i
		for k := range ms[i].Parts {
			if n == 0 {
				w.name("parts")
				w.b = append(w.b, '[')
			}
			n = w.element(&ms[i].Parts[k], n)
		}
	}
	if w.begun = n > 0; n > 0 {
		w.b = append(w.b, ']')
	}
	for i := range ms {
		if ms[i].Role == canon.System {
			w.fields(ms[i].Extra)
		}
	}
	w.close(mark, begun)
}

// fields writes fields that stayed at their message or part.
func (w *out) fields(extra []canon.Field) {
	if w.own {
		for _, e := range extra {
			w.field(quotable(e.Name), e.Value)
		}
	}
}

func (w *out) path(message, part int, field string) string {
	b := strconv.AppendInt([]byte("messages["), int64(message), 10)
	b = append(b, ']')
	if part >= 0 {
		b = append(strconv.AppendInt(append(b, ".content["...), int64(part), 10), ']')
	}
	if field != "" {
		b = append(append(b, '.'), field...)
	}
	return string(b)
}

// content writes a message. Results of tools that follow each other are one
// content, since Gemini wants the results of one turn together. It reports
// whether a content of its own was written.
func (w *out) content(m *canon.Message, joins, comma bool) bool {
	mark := len(w.b)
	n := 0
	if joins {
		// The content before is open again: its end is taken back.
		w.b = w.b[:len(w.b)-len(userEnd)]
		n = 1
	} else {
		if comma {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, `{"parts":[`...)
	}
	if !m.Name.Empty() {
		w.lose(w.path(w.at, -1, "name"))
	}
	before := n
	for k := range m.Parts {
		n = w.element(&m.Parts[k], n)
	}
	if n == before && !joins {
		w.b = w.b[:mark]
		return false
	}
	w.b = append(w.b, ']')
	if w.begun = true; m.Role == canon.Assistant {
		w.field("role", []byte(`"model"`))
	} else {
		w.field("role", []byte(`"user"`))
	}
	if !joins && m.Role != canon.ToolRole {
		w.fields(m.Extra)
	}
	w.b = append(w.b, '}')
	return !joins
}

// userEnd is how a content with results ends.
const userEnd = `],"role":"user"}`

// element writes a part and gives how many there are now.
func (w *out) element(p *canon.Part, n int) int {
	mark := len(w.b)
	if n > 0 {
		w.b = append(w.b, ',')
	}
	start := len(w.b)
	if w.part(p); len(w.b) == start {
		w.b = w.b[:mark]
		return n
	}
	if p.Cache.Set {
		w.lose("cache_control")
	}
	if len(p.Citations) > 0 {
		w.lose(w.path(w.at, n, "citations"))
	}
	return n + 1
}

// part writes a part, or nothing when it cannot be said.
func (w *out) part(p *canon.Part) {
	switch p.Kind {
	case canon.ToolResultPart:
		w.result(p)
		return
	case canon.OpaquePart:
		if p.From != canon.Gemini {
			w.lose(w.path(w.at, -1, "content"))
			return
		}
	case canon.ReasoningPart:
		if p.Redacted != nil || p.ID != nil || w.foreign(p.Signature) {
			// It is another provider's, and would be refused.
			w.lose(w.path(w.at, -1, "reasoning"))
			if p.Text.Empty() {
				return
			}
		}
	case canon.ImagePart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
		if m := &p.Media; m.FileID != nil && !bytes.HasPrefix(m.FileID, filesPrefix) && !bytes.HasPrefix(m.FileID, []byte(`"gs://`)) {
			w.lose(w.path(w.at, -1, "file_id"))
			return
		}
		if d := p.Media.Detail; !d.Empty() && !d.Is("auto") {
			w.lose(w.path(w.at, -1, "detail"))
		}
		if m := &p.Media; !m.Name.Empty() && m.Data == nil && m.URL == nil && m.FileID == nil {
			w.lose(w.path(w.at, -1, "name")) // It becomes a text.
		}
	}
	if w.foreign(p.Signature) || p.Kind == canon.ReasoningPart && p.ID != nil {
		if p.Kind != canon.ReasoningPart {
			w.lose(w.path(w.at, -1, "signature"))
		}
		bare := *p
		bare.Signature = nil
		p = &bare
	}
	w.b = appendPart(w.b, p, false)
	if p.Kind == canon.ToolCallPart && p.Signature == nil && !w.own && generation(w.to.Model) >= 3 {
		// Google's word for a call whose signature nobody has: without it, it
		// refuses calls that it did not sign.
		w.b = append(w.b[:len(w.b)-1], `,"thoughtSignature":"skip_thought_signature_validator"}`...)
	}
	if w.own && p.From == canon.Gemini && len(p.Extra) > 0 && p.Kind != canon.OpaquePart {
		w.b = w.b[:len(w.b)-1]
		w.begun = true
		w.fields(p.Extra)
		w.b = append(w.b, '}')
	}
}

// foreign reports whether a signature cannot be Google's, which refuses what
// is not base64. What a caller of its own dialect sends is for it to judge.
func (w *out) foreign(s canon.Text) bool { return s != nil && !w.own && !isBase64(s) }

// appendPart writes a part that is no result. In answers, what Gemini has no
// field for goes into fields that its SDKs pass over.
func appendPart(b []byte, p *canon.Part, answer bool) []byte {
	switch p.Kind {
	case canon.ToolCallPart:
		b = appendCall(append(b, '{'), p)
	case canon.ImagePart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
		b = appendMedia(append(b, '{'), p)
		if answer && p.Kind == canon.AudioPart {
			b = appendMember(appendMember(b, "transcript", p.Text), "mediaId", p.ID)
		}
	case canon.OpaquePart:
		if p.From == canon.Gemini {
			return append(b, p.Raw...)
		}
		b = append(b, `{"text":"","opaque":{"from":`...)
		b = canon.AppendQuoted(b, string(p.From))
		b = append(append(b, `,"raw":`...), orNull(p.Raw)...)
		return append(b, "}}"...)
	default:
		b = appendText(b, p.Kind, p.Text, answer)
	}
	s := p.Signature
	if answer {
		s = signature(p)
	}
	if s != nil {
		b = append(append(b, `,"thoughtSignature":`...), s...)
	}
	return append(b, '}')
}

// appendMember writes a member with a comma in front, nothing when there is no
// value.
func appendMember(b []byte, name string, v []byte) []byte {
	if v == nil {
		return b
	}
	b = append(append(append(b, `,"`...), name...), '"', ':')
	return append(b, v...)
}

// appendText writes a part that is text, up to its last brace.
func appendText(b []byte, kind canon.Kind, t canon.Text, answer bool) []byte {
	b = append(append(b, `{"text":`...), orEmpty(t)...)
	if kind == canon.ReasoningPart {
		b = append(b, `,"thought":true`...)
	}
	if kind == canon.RefusalPart && answer {
		b = append(b, `,"refusal":true`...)
	}
	return b
}

func orNull(raw []byte) []byte {
	if len(raw) == 0 {
		return []byte("null")
	}
	return raw
}

func appendCall(b []byte, p *canon.Part) []byte {
	b = append(b, `"functionCall":{"name":`...)
	if p.Name == nil {
		b = append(b, `""`...)
	} else {
		b = append(b, p.Name...)
	}
	if p.ID != nil {
		b = append(append(b, `,"id":`...), p.ID...)
	}
	b = append(b, `,"args":`...)
	b = appendArgs(b, p.Args, p.Custom)
	return append(b, '}')
}

// appendArgs writes arguments: Gemini has them as an object and nothing else.
func appendArgs(b []byte, args canon.Raw, custom bool) []byte {
	s := scanner(args)
	switch c := s.Peek(); {
	case c == 0:
		return append(b, "{}"...)
	case c == '{' && s.Skip() && s.End():
		return append(b, args...)
	case custom && c == '"' && s.Skip() && s.End():
		b = append(append(append(b, '{'), `"`+customArgument+`":`...), args...)
	default:
		b = append(append(append(b, '{'), `"`+brokenArgs+`":`...), canon.Quote(string(args))...)
	}
	return append(b, '}')
}

// result writes the result of a tool.
func (w *out) result(p *canon.Part) {
	name := p.Name
	if name == nil {
		name = w.calledName(p.ID)
	}
	if name == nil {
		at := w.path(w.at, -1, "tool_call_id")
		w.bad = fault.Newf(fault.BadRequest, "%s names no call of this conversation, and the provider needs the name of its tool.", at).WithParam(at)
		return
	}
	if p.From == canon.Gemini && w.own && unchanged(p) {
		w.b = append(append(append(w.b, `{"functionResponse":`...), p.Raw...), '}')
		return
	}
	w.b = append(append(w.b, `{"functionResponse":{"name":`...), name...)
	if p.ID != nil {
		w.b = append(append(w.b, `,"id":`...), p.ID...)
	}
	w.b = append(w.b, `,"response":{`...)
	if p.IsError == canon.Yes {
		w.b = append(w.b, `"error":`...)
	} else {
		w.b = append(w.b, `"content":`...)
	}
	w.resultText(p)
	w.b = append(w.b, '}')
	inside := generation(w.to.Model) >= 3
	if inside {
		w.media(p, `,"parts":[`)
	}
	w.b = append(w.b, "}}"...)
	if !inside {
		// Older models take media beside a result only.
		w.media(p, ",")
	}
}

// resultText writes the texts of a result: one as it is, more as a list.
func (w *out) resultText(p *canon.Part) {
	texts := 0
	start := len(w.b)
	for i := range p.Content {
		c := &p.Content[i]
		if c.Cache.Set {
			w.lose("cache_control")
		}
		switch c.Kind {
		case canon.TextPart, canon.RefusalPart, canon.ReasoningPart:
			if texts++; texts > 1 {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, orEmpty(c.Text)...)
		case canon.ImagePart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
		default:
			w.lose(w.path(w.at, -1, "content"))
		}
	}
	switch {
	case texts == 0:
		w.b = append(w.b, `""`...)
	case texts > 1:
		w.b = append(w.b, "[]"...)
		copy(w.b[start+1:], w.b[start:len(w.b)-2])
		w.b[start] = '['
		w.b[len(w.b)-1] = ']'
	}
}

func orEmpty(t canon.Text) canon.Text {
	if t == nil {
		return emptyText
	}
	return t
}

// media writes the media of a result as further parts.
func (w *out) media(p *canon.Part, open string) {
	n := 0
	for i := range p.Content {
		c := &p.Content[i]
		switch c.Kind {
		case canon.ImagePart, canon.AudioPart, canon.VideoPart, canon.DocumentPart:
		default:
			continue
		}
		mark := len(w.b)
		if n == 0 {
			w.b = append(w.b, open...)
		} else {
			w.b = append(w.b, ',')
		}
		start := len(w.b)
		if w.part(c); len(w.b) == start {
			w.b = w.b[:mark]
			continue
		}
		n++
	}
	if n > 0 && open != "," {
		w.b = append(w.b, ']')
	}
}

// unchanged reports whether a result still says what Raw says.
func unchanged(p *canon.Part) bool {
	var again reader
	again.s.Reset(p.Raw)
	var q canon.Part
	again.response(&q)
	if again.bad != nil || len(q.Content) != len(p.Content) || q.IsError != p.IsError || !bytes.Equal(q.ID, p.ID) || !bytes.Equal(q.Name, p.Name) {
		return false
	}
	for i := range q.Content {
		a, b := &q.Content[i], &p.Content[i]
		if a.Kind != b.Kind || !bytes.Equal(a.Text, b.Text) || !bytes.Equal(a.Media.Data, b.Media.Data) || !bytes.Equal(a.Media.URL, b.Media.URL) {
			return false
		}
	}
	return true
}

// nearCalls is how many parts back a call is looked for first: results follow
// their calls, and ids may come again later in a conversation.
const nearCalls = 64

// calledName finds the name of the tool that a call before this message called.
func (w *out) calledName(id canon.Text) canon.Text {
	if id == nil {
		return nil
	}
	left := nearCalls
	for i := w.at - 1; i >= 0 && left > 0; i-- {
		parts := w.req.Messages[i].Parts
		for k := 0; k < len(parts) && left > 0; k++ {
			if p := &parts[k]; p.Kind == canon.ToolCallPart && bytes.Equal(p.ID, id) {
				return p.Name
			}
			left--
		}
	}
	if left > 0 {
		return nil
	}
	if w.names == nil {
		w.noteNames()
	}
	return w.names[string(id)]
}

// noteNames notes the names of all calls, for conversations in which a walk
// for each result would take too long.
func (w *out) noteNames() {
	w.names = map[string]canon.Text{}
	for i := range w.req.Messages {
		parts := w.req.Messages[i].Parts
		for k := range parts {
			if p := &parts[k]; p.Kind == canon.ToolCallPart {
				w.names[string(p.ID)] = p.Name
			}
		}
	}
}
