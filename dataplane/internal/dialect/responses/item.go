package responses

import (
	"bytes"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// item is what was read of one item.
type item struct {
	kind, id, role, callID, name, status canon.Text
	arguments, input, encrypted          canon.Text
	content, summary, output             []canon.Part
	hasContent, hasOutput                bool
	extra                                []canon.Field
	raw                                  canon.Raw
}

// itemKind is a kind of item that has a place in canon.
type itemKind struct {
	name string
	// add makes parts of an item.
	add func(r *reader, it *item, to []canon.Part) []canon.Part
	// role is whose turn it belongs to.
	role canon.Role
}

var itemKinds = [...]itemKind{
	{"message", (*reader).addMessage, canon.User},
	{"function_call", (*reader).addCall, canon.Assistant},
	{"function_call_output", (*reader).addResult, canon.ToolRole},
	{"reasoning", (*reader).addReasoning, canon.Assistant},
	{"custom_tool_call", (*reader).addCall, canon.Assistant},
	{"custom_tool_call_output", (*reader).addResult, canon.ToolRole},
}

func kindOf(t canon.Text) *itemKind {
	for i := range itemKinds {
		if t.Is(itemKinds[i].name) {
			return &itemKinds[i]
		}
	}
	return nil
}

// place is the kind of the item in canon; nil for what passes as it is.
func (it *item) place() *itemKind {
	if it.hosted() {
		return nil
	}
	return kindOf(it.kind)
}

// hosted says that a custom tool is one of the provider's own, which it ran
// itself: xAI tells of its searches of posts so. Nobody waits for a result. The
// id tells and not the name, which a caller's own tool may have too.
func (it *item) hosted() bool {
	return it.kind.Is("custom_tool_call") && bytes.HasPrefix(it.callID, []byte(`"xs_call_`))
}

// item reads the item that starts here. Its type may come last, so that what
// is wrong inside of an unknown kind must not matter: such an item is opaque.
func (r *reader) item(it *item) bool {
	*it = item{}
	if c := r.s.Peek(); c != '{' {
		return r.wrong("", "an object")
	}
	start := r.s.Pos()
	lax := r.lax
	r.lax = true
	ok := r.itemFields(it)
	r.lax = lax
	if !ok {
		return false
	}
	it.raw = canon.Raw(r.s.Text()[start:r.s.Pos()])
	if it.kind == nil && it.role != nil {
		it.kind = canon.Text(`"message"`)
	}
	return true
}

func (r *reader) itemFields(it *item) bool {
	r.s.Open('{')
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || !more {
			return ok
		}
		if !r.itemField(it, name) {
			return false
		}
	}
}

func (r *reader) itemField(it *item, name []byte) bool {
	switch string(name) {
	case "type":
		return r.text(&it.kind, "type")
	case "id":
		return r.text(&it.id, "id")
	case "role":
		return r.text(&it.role, "role")
	case "status":
		return r.text(&it.status, "status")
	case "content":
		it.hasContent = r.s.Peek() != 'n'
		return r.texts(&it.content, "content")
	case "summary":
		return r.texts(&it.summary, "summary")
	case "call_id":
		return r.text(&it.callID, "call_id")
	case "name":
		return r.text(&it.name, "name")
	case "arguments":
		return r.text(&it.arguments, "arguments")
	case "input":
		return r.text(&it.input, "input")
	case "output":
		it.hasOutput = r.s.Peek() != 'n'
		return r.texts(&it.output, "output")
	case "encrypted_content":
		return r.text(&it.encrypted, "encrypted_content")
	}
	if it.kind != nil && kindOf(it.kind) == nil {
		return r.s.Skip()
	}
	return r.keep(&it.extra, name)
}

// texts reads a string or a list of parts.
func (r *reader) texts(into *[]canon.Part, field string) bool {
	switch r.s.Peek() {
	case '"':
		var p *canon.Part
		*into, p = r.parts.add(nil)
		return r.text(&p.Text, field)
	case '[':
		r.s.Open('[')
		list := (*into)[:0:0]
		for r.j = 0; ; r.j++ {
			more, ok := r.s.Element(r.j == 0)
			if !ok || !more {
				*into, r.j = list, -1
				return ok
			}
			if r.s.Peek() != '{' {
				ok = r.wrong("", "an object")
			} else {
				var p *canon.Part
				list, p = r.parts.add(list)
				ok = r.part(p)
			}
			if !ok {
				return false
			}
		}
	}
	return r.wrong(field, "a string or an array")
}

// check says what a kind of item must have.
func (r *reader) check(it *item) bool {
	miss := func(field, want string) bool {
		r.bad = wrongType(r.path(field), want)
		return false
	}
	switch k := it.place(); {
	case k == nil && it.kind == nil && it.id == nil:
		return miss("type", "a string")
	case k == nil:
		return true
	case k.name == "message" && it.role == nil:
		return miss("role", "a string")
	case k.name == "message" && !it.role.Is("user") && !it.role.Is("assistant") && !it.role.Is("system") && !it.role.Is("developer"):
		r.bad = fault.Newf(fault.BadRequest, "%s must be user, assistant, system or developer.", r.path("role")).WithParam(r.path("role"))
		return false
	case k.name == "message" && !it.hasContent:
		return miss("content", "a string or an array")
	case k.name == "function_call" && it.name == nil, k.name == "custom_tool_call" && it.name == nil:
		return miss("name", "a string")
	case (k.role == canon.ToolRole || k.name == "function_call" || k.name == "custom_tool_call") && it.callID == nil:
		return miss("call_id", "a string")
	case k.role == canon.ToolRole && !it.hasOutput:
		return miss("output", "a string or an array")
	case k.name == "message":
		return r.checkParts("content", it.content)
	case k.role == canon.ToolRole:
		return r.checkParts("output", it.output)
	case k.name == "reasoning":
		return r.checkParts("content", it.content) && r.checkParts("summary", it.summary)
	}
	return true
}

func (r *reader) checkParts(field string, parts []canon.Part) bool {
	r.sub = field
	for i := range parts {
		p := &parts[i]
		m := &p.Media
		r.j = i
		switch {
		case p.Kind == canon.OpaquePart && p.Name == nil && p.Raw == nil:
			r.bad = wrongType(r.path("type"), "a string")
		case (p.Kind == canon.TextPart || p.Kind == canon.RefusalPart) && p.Text == nil:
			r.bad = wrongType(r.path("text"), "a string")
		case (p.Kind == canon.ImagePart || p.Kind == canon.DocumentPart || p.Kind == canon.AudioPart) && m.URL == nil && m.Data == nil && m.FileID == nil:
			r.bad = fault.Newf(fault.MissingField, "%s has no data, address or id.", r.path("")).WithParam(r.path(""))
		}
		if r.bad != nil {
			return false
		}
	}
	r.j = -1
	return true
}

// roleOf is whose turn an item of the input belongs to.
func roleOf(it *item) canon.Role {
	k := it.place()
	switch {
	case k == nil:
		kind := it.kind.String()
		if strings.HasSuffix(kind, "_output") || strings.HasSuffix(kind, "_response") {
			return canon.User
		}
		return canon.Assistant
	case k.name != "message":
		return k.role
	case it.role.Is("assistant"):
		return canon.Assistant
	case it.role.Is("system"), it.role.Is("developer"):
		return canon.System
	}
	return canon.User
}

// add makes parts of an item.
func (r *reader) add(it *item, to []canon.Part) []canon.Part {
	if k := it.place(); k != nil {
		return k.add(r, it, to)
	}
	to, p := r.parts.add(to)
	p.Kind, p.Raw, p.From, p.Name, p.ID = canon.OpaquePart, it.raw, canon.Responses, it.kind, it.id
	if p.Name == nil {
		p.Name = canon.Text(`"item_reference"`)
	}
	return to
}

func (r *reader) addMessage(it *item, to []canon.Part) []canon.Part {
	for i := range it.content {
		it.content[i].ID = it.id
		if len(it.extra) > 0 {
			it.content[i].Extra, it.content[i].From = it.extra, canon.Responses
		}
	}
	if len(to) == 0 {
		return it.content
	}
	for i := range it.content {
		var p *canon.Part
		to, p = r.parts.add(to)
		*p = it.content[i]
	}
	return to
}

func (r *reader) addCall(it *item, to []canon.Part) []canon.Part {
	to, p := r.parts.add(to)
	p.Kind, p.ID, p.Name = canon.ToolCallPart, it.callID, it.name
	if it.kind.Is("custom_tool_call") {
		p.Custom, p.Args = true, canon.Raw(it.input)
	} else if it.arguments != nil {
		p.Args = r.unescape(it.arguments)
	}
	r.extras(it, p)
	return to
}

// extras keeps the fields of an item with its part, the item's own id too
// where canon has no place for it.
func (r *reader) extras(it *item, p *canon.Part) {
	if it.id != nil && p.Kind != canon.ReasoningPart {
		it.extra = append(it.extra, canon.Field{Name: "id", Value: canon.Raw(it.id)})
	}
	if len(it.extra) > 0 {
		p.Extra, p.From = it.extra, canon.Responses
	}
}

func (r *reader) addResult(it *item, to []canon.Part) []canon.Part {
	to, p := r.parts.add(to)
	p.Kind, p.ID, p.Content = canon.ToolResultPart, it.callID, it.output
	p.Custom = it.kind.Is("custom_tool_call_output")
	if it.status.Is("incomplete") {
		p.IsError = canon.Yes
	}
	r.extras(it, p)
	return to
}

// addReasoning makes one part of what was thought, and another of its summary
// if there are both; the signature is the last one's. Text that another
// dialect's answer held comes back as what it was.
func (r *reader) addReasoning(it *item, to []canon.Part) []canon.Part {
	from, kind, payload := unwrap(it.encrypted)
	if kind == sealedOpaque {
		to, p := r.parts.add(to)
		p.Kind, p.From, p.Raw = canon.OpaquePart, from, r.unescape(payload)
		return to
	}
	if kind == sealedForLast {
		if len(to) > 0 {
			p := &to[len(to)-1]
			p.Signature, p.From, p.Extra = payload, from, nil
		}
		return to
	}
	content, summary := joined(it.content, ""), joined(it.summary, `\n\n`)
	var p *canon.Part
	if content != nil {
		to, p = r.parts.add(to)
		p.Kind, p.Text, p.ID, p.From, p.Name = canon.ReasoningPart, content, it.id, from, rawThoughts
	}
	if summary != nil || p == nil {
		to, p = r.parts.add(to)
		p.Kind, p.Text, p.ID, p.From = canon.ReasoningPart, summary, it.id, from
	}
	if kind == sealedRedacted || kind == 0 && p.Text == nil {
		p.Redacted = payload
	} else {
		p.Signature = payload
	}
	if len(it.extra) > 0 {
		p.Extra = it.extra
	}
	return to
}

// rawThoughts names thoughts that stood in content, not in a summary.
var rawThoughts = canon.Text(`"reasoning_text"`)

// joined joins the texts of parts; nil when there are none.
func joined(parts []canon.Part, with string) canon.Text {
	if len(parts) == 0 {
		return nil
	}
	if len(parts) == 1 {
		return parts[0].Text
	}
	out := canon.Text{'"'}
	for i := range parts {
		if i > 0 {
			out = append(out, with...)
		}
		out = parts[i].Text.Append(out)
	}
	return append(out, '"')
}
