package anthropic

import (
	"bytes"
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

var (
	errNotJSON   = errors.New("body is not a JSON object")
	errNoContent = errors.New("body has no content")
)

// message is what was read of an answer, whole or at a stream's start.
type message struct {
	id, model, stopReason, stopSequence canon.Text

	parts      []canon.Part
	hasContent bool
	// failed says that it is an error, or holds one.
	failed bool
	report report
	extra  []canon.Field
	ours   extension
}

// ReadAnswer reads a provider's whole answer.
func (Format) ReadAnswer(body []byte, a *canon.Answer) *fault.Fault {
	*a = canon.Answer{From: canon.Anthropic}
	w := newWalk(body)
	defer w.done()
	w.head = "content"
	var m message
	switch {
	case w.s.Peek() != '{' || !w.message1(&m) || !w.s.End():
		if w.bad != nil {
			return fault.New(fault.UpstreamGarbage, "", w.bad)
		}
		return fault.New(fault.UpstreamGarbage, "", errNotJSON)
	case m.failed && !m.hasContent:
		return readRefusal(200, body, "")
	case !m.hasContent:
		return fault.New(fault.UpstreamGarbage, "", errNoContent)
	}
	a.ID, a.Model = m.id, m.model
	a.Usage, a.ServiceTier = m.report.usage(), m.report.tier
	a.Extra = m.extra
	c := canon.Choice{Parts: m.parts, StopText: m.stopSequence}
	c.Stop, c.StopRaw = stopOf(m.stopReason), m.stopReason
	a.Choices = append(a.Choices, c)
	m.ours.apply(a)
	return nil
}

// message1 reads a message object.
func (w *walk) message1(m *message) bool {
	return w.members(func(name []byte) bool {
		var into *canon.Text
		switch string(name) {
		case "id":
			into = &m.id
		case "model":
			into = &m.model
		case "stop_reason":
			into = &m.stopReason
		case "stop_sequence":
			into = &m.stopSequence
		case "type":
			var typ canon.Text
			_, ok := w.text(&typ)
			m.failed = m.failed || typ.Is("error")
			return ok
		case "role":
			return w.s.Skip()
		case "content":
			if w.s.Peek() != '[' {
				return w.s.Skip()
			}
			m.hasContent = true
			var ok bool
			m.parts, ok = w.parts()
			return ok
		case "usage":
			return m.report.read(&w.s)
		case "error":
			m.failed = m.failed || w.s.Peek() == '{'
			return w.keepField(name, &m.extra)
		case "tollgate":
			return w.extension(&m.ours)
		default:
			return w.keepField(name, &m.extra)
		}
		_, ok := w.text(into)
		return ok
	})
}

// keepField keeps a field that canon has no name for; null is as good as none.
func (w *walk) keepField(name []byte, extra *[]canon.Field) bool {
	if w.s.Peek() == 'n' {
		return w.s.Skip()
	}
	f := canon.Field{Name: string(name)}
	ok := w.raw(&f.Value)
	*extra = append(*extra, f)
	return ok
}

// AppendAnswer writes a whole answer for a caller.
func (Format) AppendAnswer(b []byte, a *canon.Answer) []byte {
	var first canon.Choice
	if len(a.Choices) > 0 {
		first = a.Choices[0]
	}
	b = append(b, `{"id":`...)
	b = appendText(b, a.ID)
	b = append(b, `,"type":"message","role":"assistant","model":`...)
	b = appendText(b, a.Model)
	b = append(b, `,"content":`...)
	b = appendAnswerParts(b, first.Parts, a.From)
	b = append(b, `,"stop_reason":`...)
	b = append(b, reasonOf(&first, a.From)...)
	b = append(b, `,"stop_sequence":`...)
	if first.StopText == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, first.StopText...)
	}
	b = append(b, `,"usage":`...)
	b = appendUsage(b, &a.Usage, a.ServiceTier)
	if a.From == canon.Anthropic {
		for _, f := range a.Extra {
			b = appendField(b, f)
		}
	}
	b = appendExtension(b, a)
	return append(b, '}')
}

func appendField(b []byte, f canon.Field) []byte {
	b = append(b, ',')
	b = canon.AppendQuoted(b, f.Name)
	b = append(b, ':')
	return append(b, f.Value...)
}

// reasonOf gives the API's word for why a choice stopped, as a JSON string.
func reasonOf(c *canon.Choice, from canon.Dialect) canon.Text {
	if from == canon.Anthropic && c.StopRaw != nil && stopOf(c.StopRaw) == c.Stop {
		return c.StopRaw
	}
	stop := c.Stop
	if stop == canon.StopEnd && hasRefusal(c.Parts) {
		stop = canon.StopRefusal
	}
	return canon.Quote(wordOf(stop))
}

func hasRefusal(parts []canon.Part) bool {
	for i := range parts {
		if parts[i].Kind == canon.RefusalPart {
			return true
		}
	}
	return false
}

// wordOf gives the API's word for a stop.
func wordOf(stop canon.Stop) string {
	for i := range stops {
		if stops[i].stop == stop {
			return stops[i].name
		}
	}
	for i := range foreignStops {
		if foreignStops[i].stop == stop {
			return foreignStops[i].stands
		}
	}
	return stops[0].name
}

// appendAnswerParts writes the blocks of an answer. Parts that no block can
// hold are left to the extension.
func appendAnswerParts(b []byte, parts []canon.Part, from canon.Dialect) []byte {
	b = append(b, '[')
	for i := range parts {
		p := &parts[i]
		if beside(p, from) {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = appendAnswerPart(b, p, from)
	}
	return append(b, ']')
}

// beside says whether the part must stand beside the content, not in it. Texts
// that are empty are left out, because the API takes none back.
func beside(p *canon.Part, from canon.Dialect) bool {
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		return from != canon.Anthropic && p.Text.Empty() && p.Citations == nil && p.Signature == nil
	case canon.ToolCallPart, canon.ReasoningPart:
		return false
	case canon.OpaquePart:
		return p.From != canon.Anthropic || p.Raw == nil
	}
	return true
}

func appendAnswerPart(b []byte, p *canon.Part, from canon.Dialect) []byte {
	switch p.Kind {
	case canon.ToolCallPart:
		b = append(b, `{"type":"tool_use","id":`...)
		b = appendCallID(b, p.ID)
		b = append(b, `,"name":`...)
		b = appendText(b, p.Name)
		b = append(b, `,"input":`...)
		b = appendInput(b, p)
		if p.Custom {
			b = append(b, `,"custom":true`...)
		}
		b = appendSignature(b, p, from)
	case canon.ReasoningPart:
		return appendThinking(b, p, from)
	case canon.OpaquePart:
		return append(b, p.Raw...)
	default:
		b = append(b, `{"type":"text","text":`...)
		b = appendText(b, p.Text)
		if p.Kind == canon.RefusalPart {
			b = append(b, `,"refusal":true`...)
		}
		if len(p.Citations) > 0 {
			b = append(b, `,"citations":[`...)
			for i := range p.Citations {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendCitation(b, &p.Citations[i])
			}
			b = append(b, ']')
		}
		b = appendSignature(b, p, from)
	}
	if from == canon.Anthropic {
		for _, f := range p.Extra {
			b = appendField(b, f)
		}
	}
	return append(b, '}')
}

// appendThinking writes a thought with its signature, marked when that is
// another provider's.
func appendThinking(b []byte, p *canon.Part, from canon.Dialect) []byte {
	if p.Redacted != nil {
		b = append(b, `{"type":"redacted_thinking","data":`...)
		b = appendTagged(b, p.Redacted, p.ID, origin(p, from))
		return append(b, '}')
	}
	b = append(b, `{"type":"thinking","thinking":`...)
	b = appendText(b, p.Text)
	b = append(b, `,"signature":`...)
	b = appendTagged(b, p.Signature, p.ID, origin(p, from))
	return append(b, '}')
}

// origin is the dialect whose provider signed the part.
func origin(p *canon.Part, from canon.Dialect) canon.Dialect {
	if p.From != "" {
		return p.From
	}
	return from
}

// appendSignature writes the signature that some providers put on calls and
// texts.
func appendSignature(b []byte, p *canon.Part, from canon.Dialect) []byte {
	if p.Signature.Empty() {
		return b
	}
	b = append(b, `,"signature":`...)
	return appendTagged(b, p.Signature, nil, origin(p, from))
}

// appendInput writes a call's arguments. What is no JSON, because the model
// broke off, becomes a string, and so does a string.
func appendInput(b []byte, p *canon.Part) []byte {
	args := bytes.TrimSpace(p.Args)
	if p.Custom {
		b = append(b, `{"input":`...)
		if len(args) == 0 {
			args = []byte(`""`)
		}
		return append(append(b, args...), '}')
	}
	if len(args) == 0 {
		return append(b, "{}"...)
	}
	if args[0] != '"' && isJSON(args) {
		return append(b, args...)
	}
	return canon.AppendQuoted(b, string(args))
}

func isJSON(b []byte) bool {
	var s jsonscan.Scanner
	s.Reset(b)
	return s.Skip() && s.End()
}
