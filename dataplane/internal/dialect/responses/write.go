package responses

import (
	"encoding/base64"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// requestWriter writes a request for a provider.
type requestWriter struct {
	req  *canon.Request
	lost *canon.Losses
	// own says that the request came in this dialect, so that what has no name
	// in canon can be told.
	own bool
	// items counts the items of the input; open says that the last one is a
	// message whose list of content is open, of the assistant with the id.
	items  int
	open   bool
	openID canon.Text
	// custom says that there are calls of custom tools.
	custom bool
}

// AppendRequest writes the request for a provider.
func (Format) AppendRequest(b []byte, req *canon.Request, to *canon.Target, lost *canon.Losses) ([]byte, *fault.Fault) {
	if f := req.Unsupported(canon.Responses); f != nil {
		return b, f
	}
	w := requestWriter{req: req, lost: lost, own: req.From == canon.Responses}
	b = canon.AppendQuoted(append(b, `{"model":`...), to.Model)
	messages := req.Messages
	b, messages = w.instructions(b, messages)
	b = append(b, `,"input":[`...)
	for i := range messages {
		b = w.message(b, &messages[i])
	}
	b = append(w.close(b), ']')
	b = w.tools(b)
	b = w.settings(b)
	return append(b, '}'), nil
}

// instructions writes the system messages in front of all others as the field
// of that name, unless a mark for the cache or a place in a stored
// conversation would be lost by that.
func (w *requestWriter) instructions(b []byte, messages []canon.Message) ([]byte, []canon.Message) {
	n := 0
	for n < len(messages) && messages[n].Role == canon.System && w.plain(&messages[n]) {
		n++
	}
	// Without anything else there would be no input, which the API demands.
	if n == 0 || n == len(messages) && !w.own {
		return b, messages
	}
	b = append(b, `,"instructions":"`...)
	first := true
	for i := range messages[:n] {
		for k := range messages[i].Parts {
			if !first {
				b = append(b, `\n`...)
			}
			b, first = messages[i].Parts[k].Text.Append(b), false
		}
	}
	return append(b, '"'), messages[n:]
}

func (w *requestWriter) plain(m *canon.Message) bool {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != canon.TextPart || p.Cache.Set || w.own && !p.Name.Is("instructions") {
			return false
		}
	}
	return len(m.Parts) > 0 || !w.own
}

// item starts another item.
func (w *requestWriter) item(b []byte, kind string) []byte {
	b = w.close(b)
	if w.items++; w.items > 1 {
		b = append(b, ',')
	}
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	return append(b, '"')
}

// close ends the message that is open.
func (w *requestWriter) close(b []byte) []byte {
	if w.open {
		b = append(b, "]}"...)
	}
	w.open, w.openID = false, nil
	return b
}

func (w *requestWriter) message(b []byte, m *canon.Message) []byte {
	if m.Name != nil {
		w.lost.Add("messages[].name")
	}
	b = w.close(b)
	if len(m.Parts) == 0 && w.own {
		b = w.content(b, roleNames[m.Role], &canon.Part{})
	}
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == canon.ToolResultPart {
			b = w.result(b, p)
			continue
		}
		if m.Role == canon.Assistant {
			b = w.said(b, p)
		} else {
			b = w.told(b, m.Role, p)
		}
	}
	return w.close(b)
}

// content starts another part of a message's content, in a new message if
// need be.
func (w *requestWriter) content(b []byte, role string, p *canon.Part) []byte {
	if w.open && w.own && p.ID != nil && string(w.openID) != string(p.ID) {
		b = w.close(b)
	}
	if w.open {
		return append(b, ',')
	}
	b = w.item(b, "message")
	if w.own && p.ID != nil {
		b = append(append(b, `,"id":`...), p.ID...)
	}
	b = append(b, `,"role":"`...)
	b = append(b, role...)
	b = append(b, '"')
	if w.own {
		b = appendFields(b, p.Extra)
	}
	w.open, w.openID = true, p.ID
	return append(b, `,"content":[`...)
}

func appendFields(b []byte, list []canon.Field) []byte {
	for i := range list {
		b = canon.AppendQuoted(append(b, ','), list[i].Name)
		b = append(append(b, ':'), list[i].Value...)
	}
	return b
}

var roleNames = [...]string{canon.User: "user", canon.Assistant: "assistant", canon.System: "system", canon.ToolRole: "user"}

// told writes what users and the system say.
func (w *requestWriter) told(b []byte, role canon.Role, p *canon.Part) []byte {
	if p.Kind == canon.OpaquePart {
		return w.opaque(b, roleNames[role], p)
	}
	if name := w.inexpressible(p); name != "" {
		w.lost.Add("messages[].content[]." + name)
		return b
	}
	return w.input(w.content(b, roleNames[role], p), p)
}

// inexpressible names the kind of a part that no content can hold.
func (w *requestWriter) inexpressible(p *canon.Part) string {
	switch p.Kind {
	case canon.VideoPart:
		return "video"
	case canon.AudioPart:
		if p.Media.Data == nil {
			return "audio"
		}
	case canon.ToolCallPart:
		return "tool_call"
	case canon.ReasoningPart:
		return "reasoning"
	}
	return ""
}

// input writes a part of what goes in.
func (w *requestWriter) input(b []byte, p *canon.Part) []byte {
	switch p.Kind {
	case canon.ImagePart:
		b = append(b, `{"type":"input_image"`...)
		if !p.Media.Name.Empty() {
			w.lost.Add("messages[].content[].name")
		}
		b = appendMedia(b, &p.Media, "image_url", "image_url", "image/png")
		b = append(b, `,"detail":`...)
		if p.Media.Detail != nil {
			b = append(b, p.Media.Detail...)
		} else {
			b = append(b, `"auto"`...)
		}
	case canon.DocumentPart:
		b = append(b, `{"type":"input_file"`...)
		b = appendDocument(b, p)
	case canon.AudioPart:
		b = append(b, `{"type":"input_audio"`...)
		b = appendAudio(b, &p.Media)
	default:
		b = append(append(b, `{"type":"input_text","text":`...), orEmpty(p.Text)...)
		w.uncited(p)
	}
	return append(w.mark(b, &p.Cache), '}')
}

func (w *requestWriter) uncited(p *canon.Part) {
	if len(p.Citations) > 0 {
		w.lost.Add("messages[].content[].citations")
	}
}

// mark writes a mark for the cache.
func (w *requestWriter) mark(b []byte, c *canon.CacheMark) []byte {
	if !c.Set {
		return b
	}
	if c.TTL != nil {
		w.lost.Add("cache_control.ttl")
	}
	return append(b, `,"prompt_cache_breakpoint":{"mode":"explicit"}`...)
}

func orEmpty(t canon.Text) canon.Text {
	if t == nil {
		return canon.Text(`""`)
	}
	return t
}

// appendMedia writes what a part shows: its data as a URL in one field, its
// address in another.
func appendMedia(b []byte, m *canon.Media, data, url, kind string) []byte {
	switch {
	case m.Data != nil:
		b = append(append(append(b, `,"`...), data...), `":"data:`...)
		if m.Type != nil {
			b = m.Type.Append(b)
		} else {
			b = append(b, kind...)
		}
		b = append(b, ";base64,"...)
		return append(m.Data.Append(b), '"')
	case m.URL != nil:
		b = append(append(append(b, `,"`...), url...), `":`...)
		return append(b, m.URL...)
	case m.FileID != nil:
		return append(append(b, `,"file_id":`...), m.FileID...)
	}
	return b
}

// names are what files are called that have no name; the provider demands one.
var fileNames = [...]struct{ kind, name string }{
	{"application/pdf", "document.pdf"}, {"text/plain", "document.txt"}, {"text/csv", "document.csv"},
	{"text/markdown", "document.md"}, {"text/html", "document.html"}, {"application/json", "document.json"},
}

func appendDocument(b []byte, p *canon.Part) []byte {
	m := p.Media
	if m.Data == nil && m.URL == nil && m.FileID == nil {
		m.Type = canon.Text(`"text/plain"`)
		m.Data = canon.Text(`"` + base64.StdEncoding.EncodeToString([]byte(p.Text.String())) + `"`)
	}
	if m.Data != nil && m.Type == nil {
		b = append(append(b, `,"file_data":`...), m.Data...)
	} else {
		b = appendMedia(b, &m, "file_data", "file_url", "application/pdf")
	}
	switch {
	case m.Name != nil:
		return append(append(b, `,"filename":`...), m.Name...)
	case m.Data == nil:
		return b
	}
	for _, n := range fileNames {
		if m.Type.Is(n.kind) {
			return canon.AppendQuoted(append(b, `,"filename":`...), n.name)
		}
	}
	return append(b, `,"filename":"document"`...)
}

func appendAudio(b []byte, m *canon.Media) []byte {
	b = append(append(b, `,"input_audio":{"data":`...), m.Data...)
	b = append(b, `,"format":`...)
	for _, t := range audioTypes {
		if m.Type.Is(t.kind) {
			return append(canon.AppendQuoted(b, t.format), '}')
		}
	}
	kind := strings.TrimPrefix(m.Type.String(), "audio/")
	if kind == "" {
		kind = "wav"
	}
	return append(canon.AppendQuoted(b, kind), '}')
}

// opaque writes what only this dialect can read.
func (w *requestWriter) opaque(b []byte, role string, p *canon.Part) []byte {
	switch {
	case p.From != canon.Responses || p.Raw == nil:
		w.lost.Add("messages[].content[]." + partName(p))
		return b
	case p.Name == nil:
		return append(w.content(b, role, p), p.Raw...)
	}
	b = w.close(b)
	if w.items++; w.items > 1 {
		b = append(b, ',')
	}
	return append(b, p.Raw...)
}

func partName(p *canon.Part) string {
	if p.Name != nil {
		return p.Name.String()
	}
	if t := asText(fieldsOf(p.Raw, "type")[0]); t != nil {
		return t.String()
	}
	return "opaque"
}
