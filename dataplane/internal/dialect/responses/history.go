package responses

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// said writes a part of what the model said or did before.
func (w *requestWriter) said(b []byte, p *canon.Part) []byte {
	if !p.Signature.Empty() && p.Kind != canon.ReasoningPart {
		w.lost.Add("messages[].content[].signature")
	}
	switch p.Kind {
	case canon.TextPart:
		b = w.content(b, "assistant", p)
		b = append(append(b, `{"type":"output_text","text":`...), orEmpty(p.Text)...)
		b = w.annotations(b, p)
		return append(w.mark(b, &p.Cache), '}')
	case canon.RefusalPart:
		b = w.content(b, "assistant", p)
		b = append(append(b, `{"type":"refusal","refusal":`...), orEmpty(p.Text)...)
		return append(b, '}')
	case canon.ToolCallPart:
		w.unmarked(p)
		return w.call(b, p)
	case canon.ReasoningPart:
		w.unmarked(p)
		return w.reasoning(b, p)
	case canon.OpaquePart:
		return w.opaque(b, "assistant", p)
	}
	w.lost.Add("messages[].content[]." + kindNames[p.Kind])
	return b
}

var kindNames = [...]string{
	canon.TextPart: "text", canon.ImagePart: "image", canon.AudioPart: "audio", canon.VideoPart: "video",
	canon.DocumentPart: "document", canon.ToolCallPart: "tool_call", canon.ToolResultPart: "tool_result",
	canon.ReasoningPart: "reasoning", canon.RefusalPart: "refusal", canon.OpaquePart: "opaque",
}

func (w *requestWriter) unmarked(p *canon.Part) {
	if p.Cache.Set {
		w.lost.Add("messages[].content[].cache_control")
	}
}

func (w *requestWriter) annotations(b []byte, p *canon.Part) []byte {
	b = append(b, `,"annotations":[`...)
	n := 0
	for i := range p.Citations {
		c := &p.Citations[i]
		if c.From != canon.Responses || c.Raw == nil {
			w.lost.Add("messages[].content[].citations")
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = append(b, c.Raw...)
	}
	return append(b, ']')
}

func (w *requestWriter) call(b []byte, p *canon.Part) []byte {
	w.custom = w.custom || p.Custom
	b = appendCall(w.item(b, callKind(p)), p)
	if w.own && p.From == canon.Responses {
		b = appendFields(b, p.Extra)
	}
	return append(b, '}')
}

func callKind(p *canon.Part) string {
	if p.Custom {
		return "custom_tool_call"
	}
	return "function_call"
}

// appendCall writes what is called.
func appendCall(b []byte, p *canon.Part) []byte {
	b = append(append(b, `,"call_id":`...), orEmpty(p.ID)...)
	b = append(append(b, `,"name":`...), orEmpty(p.Name)...)
	switch {
	case !p.Custom:
		return append(appendArgs(append(b, `,"arguments":"`...), p), '"')
	case asText(p.Args) != nil:
		return append(append(b, `,"input":`...), p.Args...)
	}
	return append(appendEscaped(append(b, `,"input":"`...), p.Args), '"')
}

// appendArgs writes a call's arguments as the inside of a string; none are an
// empty object, because that is what providers read.
func appendArgs(b []byte, p *canon.Part) []byte {
	if p.Args == nil {
		return append(b, "{}"...)
	}
	return appendEscaped(b, p.Args)
}

// appendEscaped writes JSON as the inside of a string.
func appendEscaped(b, raw []byte) []byte {
	for len(raw) > 0 {
		n := 0
		for n < len(raw) && raw[n] != '"' && raw[n] != '\\' && raw[n] >= ' ' && raw[n] != 0x7f {
			n++
		}
		b = append(b, raw[:n]...)
		if raw = raw[n:]; len(raw) == 0 {
			break
		}
		b = appendEscape(b, raw[0])
		raw = raw[1:]
	}
	return b
}

func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// reasoning writes thoughts. The provider takes them only with its own proof
// that they are its own; those of other dialects that prove nothing to it are
// lost.
func (w *requestWriter) reasoning(b []byte, p *canon.Part) []byte {
	proof := p.Signature
	if p.Redacted != nil {
		proof = p.Redacted
	}
	foreign := p.From != canon.Responses && p.From != "" && !bytes.HasPrefix(proof, []byte(`"gAAAA`))
	if proof != nil && foreign || proof == nil && !w.own {
		w.lost.Add("messages[].content[].reasoning")
		return b
	}
	b = w.item(b, "reasoning")
	if w.own && p.ID != nil {
		b = append(append(b, `,"id":`...), p.ID...)
	}
	b = appendThoughts(b, p)
	if proof != nil {
		b = append(append(b, `,"encrypted_content":`...), proof...)
	}
	if w.own {
		b = appendFields(b, p.Extra)
	}
	return append(b, '}')
}

// appendThoughts writes the text of thoughts. Those that have a signature and
// no text have an empty one, which tells them from those that are redacted.
func appendThoughts(b []byte, p *canon.Part) []byte {
	switch {
	case p.Redacted != nil || p.Text == nil && p.Signature == nil:
		return append(b, `,"summary":[]`...)
	case p.Name.Is("reasoning_text"):
		b = append(b, `,"summary":[],"content":[{"type":"reasoning_text","text":`...)
	default:
		b = append(b, `,"summary":[{"type":"summary_text","text":`...)
	}
	return append(append(b, orEmpty(p.Text)...), "}]"...)
}

// result writes what a tool gave.
func (w *requestWriter) result(b []byte, p *canon.Part) []byte {
	kind := "function_call_output"
	if p.Custom || w.custom && w.calledCustom(p.ID) {
		kind = "custom_tool_call_output"
	}
	b = append(append(w.item(b, kind), `,"call_id":`...), orEmpty(p.ID)...)
	if p.IsError == canon.Yes {
		if w.own {
			b = append(b, `,"status":"incomplete"`...)
		} else {
			w.lost.Add("messages[].content[].is_error")
		}
	}
	if w.own && p.From == canon.Responses {
		b = appendFields(b, p.Extra)
	}
	b = append(b, `,"output":`...)
	switch {
	case len(p.Content) == 0:
		w.unmarked(p)
		b = append(b, `""`...)
	case len(p.Content) == 1 && p.Content[0].Kind == canon.TextPart && !p.Cache.Set && !p.Content[0].Cache.Set:
		w.uncited(&p.Content[0])
		b = append(b, orEmpty(p.Content[0].Text)...)
	default:
		b = w.outputs(b, p)
	}
	return append(b, '}')
}

func (w *requestWriter) outputs(b []byte, p *canon.Part) []byte {
	b = append(b, '[')
	n := 0
	for i := range p.Content {
		c := p.Content[i]
		if i == len(p.Content)-1 && p.Cache.Set {
			c.Cache = p.Cache
		}
		name := w.inexpressible(&c)
		raw := c.Kind == canon.OpaquePart && c.From == canon.Responses
		if c.Kind == canon.OpaquePart && !raw {
			name = partName(&c)
		}
		if name != "" {
			w.lost.Add("messages[].content[].content[]." + name)
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		if raw {
			b = append(b, c.Raw...)
		} else {
			b = w.input(b, &c)
		}
	}
	return append(b, ']')
}

// calledCustom finds out whether the call with this id was one of a custom
// tool.
func (w *requestWriter) calledCustom(id canon.Text) bool {
	for i := range w.req.Messages {
		for k := range w.req.Messages[i].Parts {
			p := &w.req.Messages[i].Parts[k]
			if p.Kind == canon.ToolCallPart && p.Custom && string(p.ID) == string(id) {
				return true
			}
		}
	}
	return false
}
