package cohere

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

func (w *requestWriter) messages() {
	w.b = append(w.b, `,"messages":[`...)
	mark := len(w.b)
	for i := range w.req.Messages {
		m := &w.req.Messages[i]
		if !m.Name.Empty() {
			w.lose("messages.name")
		}
		switch m.Role {
		case canon.Assistant:
			w.next(mark)
			w.assistant(m)
		case canon.ToolRole:
			w.results(m, mark)
		default:
			w.turn(m, mark)
		}
	}
	w.b = append(w.b, ']')
}

// next puts a comma between messages.
func (w *requestWriter) next(mark int) {
	if len(w.b) > mark {
		w.b = append(w.b, ',')
	}
}

// turn writes a message of the system or of the user. Results of tools that
// stand in it are messages of their own, before it.
func (w *requestWriter) turn(m *canon.Message, mark int) {
	w.results(m, mark)
	start := len(w.b)
	w.next(mark)
	role := "user"
	if m.Role == canon.System {
		role = "system"
	}
	w.b = append(append(append(w.b, `{"role":"`...), role...), `","content":`...)
	inside := len(w.b)
	w.content(m.Parts)
	if string(w.b[inside:]) == "[]" && len(m.Parts) > 0 {
		// There was nothing in it but results and documents.
		if w.b = w.b[:start]; len(w.b) == mark && len(w.documents) > 0 {
			w.b = append(w.b, `{"role":"user","content":""}`...)
		}
		return
	}
	w.b = append(w.b, '}')
}

// content writes what a user says: one text as it is, more as a list.
func (w *requestWriter) content(parts []canon.Part) {
	if len(parts) == 1 && parts[0].Kind == canon.TextPart {
		w.mark(&parts[0])
		w.b = append(w.b, orEmpty(parts[0].Text)...)
		return
	}
	w.b = append(w.b, '[')
	mark := len(w.b)
	for i := range parts {
		w.userPart(&parts[i], mark)
	}
	w.b = append(w.b, ']')
}

// mark notes a cache mark, which the API has none of.
func (w *requestWriter) mark(p *canon.Part) {
	if p.Cache.Set {
		w.lose("cache_control")
	}
}

func orEmpty(t canon.Text) canon.Text {
	if t == nil {
		return canon.Text(`""`)
	}
	return t
}

func (w *requestWriter) userPart(p *canon.Part, mark int) {
	w.mark(p)
	switch p.Kind {
	case canon.TextPart:
		w.next(mark)
		w.b = append(append(append(w.b, `{"type":"text","text":`...), orEmpty(p.Text)...), '}')
	case canon.ImagePart:
		w.image(p, mark)
	case canon.DocumentPart:
		if text := documentText(p); text != nil {
			d := *p
			d.Text = text
			w.documents = append(w.documents, d)
			return
		}
		w.lose("messages.document")
	case canon.AudioPart:
		w.lose("messages.audio")
	case canon.VideoPart:
		w.lose("messages.video")
	case canon.ToolResultPart:
		// These are messages of their own.
	default:
		w.lose("messages.content")
	}
}

func (w *requestWriter) image(p *canon.Part, mark int) {
	m := &p.Media
	switch {
	case m.URL != nil:
		w.next(mark)
		w.b = append(append(w.b, `{"type":"image_url","image_url":{"url":`...), m.URL...)
	case m.Data != nil:
		w.next(mark)
		kind := m.Type
		if kind.Empty() {
			kind = canon.Text(`"image/png"`)
		}
		w.b = kind.Append(append(w.b, `{"type":"image_url","image_url":{"url":"data:`...))
		w.b = append(m.Data.Append(append(w.b, ";base64,"...)), '"')
	default:
		w.lose("messages.image")
		return
	}
	w.field("detail", m.Detail)
	if !m.Name.Empty() {
		w.lose("messages.image.name")
	}
	w.b = append(w.b, "}}"...)
}

// documentText is the text of a document; nil when it has none that the API
// could take.
func documentText(p *canon.Part) canon.Text {
	kind := p.Media.Type.String()
	switch {
	case p.Text != nil:
		return p.Text
	case p.Media.Data != nil && (strings.HasPrefix(kind, "text/") || kind == "application/json"):
		raw, err := base64.StdEncoding.DecodeString(p.Media.Data.String())
		if err == nil {
			return canon.Quote(string(raw))
		}
	}
	return nil
}

// documentList writes the documents of the conversation: the model cites them.
func (w *requestWriter) documentList() {
	for i := range w.documents {
		d := &w.documents[i]
		if i == 0 {
			w.b = append(w.b, `,"documents":[`...)
		} else {
			w.b = append(w.b, ',')
		}
		w.b = append(strconv.AppendInt(append(w.b, `{"id":"doc_`...), int64(i), 10), `","data":{"text":`...)
		w.b = append(w.b, d.Text...)
		title := d.Media.Name
		if title == nil {
			title = d.Name
		}
		w.field("title", title)
		w.b = append(w.b, "}}"...)
	}
	if len(w.documents) > 0 {
		w.b = append(w.b, ']')
	}
}

// assistant writes a turn of the model. What it said beside calls of tools is
// its plan.
func (w *requestWriter) assistant(m *canon.Message) {
	w.b = append(w.b, `{"role":"assistant"`...)
	calls := false
	for i := range m.Parts {
		calls = calls || m.Parts[i].Kind == canon.ToolCallPart
	}
	var plan canon.Text
	list := len(w.b)
	w.b = append(w.b, `,"content":[`...)
	mark := len(w.b)
	for i := range m.Parts {
		p := &m.Parts[i]
		w.mark(p)
		if !p.Signature.Empty() && p.Kind != canon.ReasoningPart {
			w.lose("messages.signature")
		}
		switch {
		case p.Kind == canon.ReasoningPart:
			w.reasoning(p, mark)
		case p.Kind == canon.TextPart || p.Kind == canon.RefusalPart:
			if calls {
				plan = joined(plan, p.Text)
				continue
			}
			w.next(mark)
			w.b = append(append(append(w.b, `{"type":"text","text":`...), orEmpty(p.Text)...), '}')
		case p.Kind != canon.ToolCallPart:
			w.lose("messages.content")
		}
	}
	if len(w.b) == mark && (calls || len(m.Parts) > 0) {
		w.b = w.b[:list]
	} else {
		w.b = append(w.b, ']')
	}
	w.field("tool_plan", plan)
	if calls {
		w.calls(m)
	}
	w.b = append(w.b, '}')
}

func joined(a, b canon.Text) canon.Text {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return canon.Join(a, b)
}

// reasoning sends thoughts back that are Cohere's own: those have no signature.
func (w *requestWriter) reasoning(p *canon.Part, mark int) {
	if p.Text.Empty() || p.Signature != nil || p.Redacted != nil {
		w.lose("messages.reasoning")
		return
	}
	w.next(mark)
	w.b = append(append(append(w.b, `{"type":"thinking","thinking":`...), p.Text...), '}')
}

func (w *requestWriter) calls(m *canon.Message) {
	w.b = append(w.b, `,"tool_calls":[`...)
	mark := len(w.b)
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == canon.ToolCallPart {
			w.next(mark)
			w.b = appendCall(w.b, p)
		}
	}
	w.b = append(w.b, ']')
}

// appendCall writes a call; the API has its arguments as the text of an object.
func appendCall(b []byte, p *canon.Part) []byte {
	b = append(append(b, `{"id":`...), orEmpty(p.ID)...)
	b = append(append(b, `,"type":"function","function":{"name":`...), orEmpty(p.Name)...)
	b = append(b, `,"arguments":`...)
	args := p.Args
	switch {
	case len(args) == 0:
		args = canon.Raw("{}")
	case args[0] == '"':
		args = canon.Raw(`{"input":` + string(args) + `}`)
	}
	return append(canon.AppendQuoted(b, string(args)), "}}"...)
}

// results writes each result of a tool as a message.
func (w *requestWriter) results(m *canon.Message, mark int) {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != canon.ToolResultPart {
			continue
		}
		w.mark(p)
		w.next(mark)
		w.b = append(append(w.b, `{"role":"tool","tool_call_id":`...), orEmpty(p.ID)...)
		w.b = append(w.b, `,"content":`...)
		w.resultContent(p)
		w.b = append(w.b, '}')
	}
}

// resultContent writes the texts of a result.
func (w *requestWriter) resultContent(p *canon.Part) {
	var texts []canon.Text
	for i := range p.Content {
		c := &p.Content[i]
		w.mark(c)
		if !c.Media.Name.Empty() {
			w.lose("messages.tool_result.name")
		}
		switch {
		case c.Kind == canon.TextPart:
			texts = append(texts, orEmpty(c.Text))
		case c.Kind == canon.DocumentPart && documentText(c) != nil:
			texts = append(texts, documentText(c))
		default:
			w.lose("messages.tool_result")
		}
	}
	if p.IsError == canon.Yes {
		w.lose("messages.is_error")
	}
	switch len(texts) {
	case 0:
		w.b = append(w.b, `""`...)
	case 1:
		w.b = append(w.b, texts[0]...)
	default:
		for i, t := range texts {
			w.b = append(append(append(w.b, "[,"[min(i, 1)]), `{"type":"text","text":`...), t...)
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, ']')
	}
}
