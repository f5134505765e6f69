package anthropic

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// madeCall is a call whose id was made up.
type madeCall struct {
	name, id canon.Text
}

// memberOf gives the value of an object's member.
func memberOf(object canon.Raw, name string) canon.Raw {
	var s jsonscan.Scanner
	return member(&s, object, name)
}

// conversation writes the system's text and the messages.
func (w *writer) conversation() {
	ms := w.req.Messages
	lead := 0
	for lead < len(ms) && ms[lead].Role == canon.System {
		lead++
	}
	if lead == len(ms) && lead > 0 && !w.own {
		// The API wants somebody to answer to.
		lead--
		w.lose(w.at(lead, -1) + ".role")
	}
	w.system(ms[:lead])
	w.str(`,"messages":[`)
	for i := lead; i < len(ms); {
		n := w.run(i)
		w.turn(i, n)
		i += n
	}
	w.str("]")
}

// at names a part, or with k < 0 a message.
func (w *writer) at(i, k int) string {
	s := "messages[" + strconv.Itoa(i) + "]"
	if k >= 0 {
		s += ".content[" + strconv.Itoa(k) + "]"
	}
	return s
}

// role is the API's role of a message behind the leading ones of the system.
func (w *writer) role(m *canon.Message) string {
	switch {
	case m.Role == canon.Assistant:
		return "assistant"
	case m.Role == canon.System && (w.own || w.model.systemAnywhere()) && !w.onlySystem:
		return "system"
	}
	return "user"
}

func onlySystem(ms []canon.Message) bool {
	for i := range ms {
		if ms[i].Role != canon.System {
			return false
		}
	}
	return true
}

// run is how many messages from i on are one of the API's: those of one role
// that follow each other.
func (w *writer) run(i int) int {
	ms := w.req.Messages
	role := w.role(&ms[i])
	n := 1
	for i+n < len(ms) && ms[i+n].Extra == nil && ms[i].Extra == nil && w.role(&ms[i+n]) == role {
		n++
	}
	return n
}

// plain gives the text of parts that a string can say.
func (w *writer) plain(parts []canon.Part) (canon.Text, bool) {
	if len(parts) != 1 {
		return nil, false
	}
	p := &parts[0]
	return p.Text, p.Kind == canon.TextPart && p.Text != nil && !p.Cache.Set && p.Citations == nil && p.Signature == nil && p.Extra == nil
}

func (w *writer) system(ms []canon.Message) {
	instructed := w.freeJSON()
	if len(ms) == 0 && !instructed {
		return
	}
	if len(ms) == 1 && !instructed {
		if t, ok := w.plain(ms[0].Parts); ok {
			w.name(&ms[0], 0)
			if w.own || !t.Empty() {
				field(w, `,"system":`, t)
			}
			return
		}
	}
	from := len(w.b)
	w.str(`,"system":[`)
	inside := len(w.b)
	for i := range ms {
		w.name(&ms[i], i)
		for k := range ms[i].Parts {
			p := &ms[i].Parts[k]
			if p.Kind != canon.TextPart && p.Kind != canon.OpaquePart {
				w.lose(w.at(i, k))
				continue
			}
			w.part(p, i, k)
		}
	}
	if instructed {
		w.b = append(comma(w.b), `{"type":"text","text":"`+jsonInstruction+`"}`...)
	}
	if len(w.b) == inside {
		w.b = w.b[:from]
		return
	}
	w.str("]")
}

func (w *writer) name(m *canon.Message, i int) {
	if m.Name != nil {
		w.lose(w.at(i, -1) + ".name")
	}
}

// turn writes n messages as one. One that says nothing is left out.
func (w *writer) turn(i, n int) {
	ms := w.req.Messages[i : i+n]
	from := len(w.b)
	w.b = append(comma(w.b), `{"role":"`...)
	role := w.role(&ms[0])
	w.str(role)
	w.str(`","content":`)
	text, ok := w.plain(ms[0].Parts)
	if n == 1 && ok && (w.own || !text.Empty()) {
		w.b = append(w.b, text...)
	} else if !w.blocks(ms, i) {
		w.b = w.b[:from]
		return
	}
	for k := range ms {
		w.name(&ms[k], i+k)
		w.extra(ms[k].Extra)
		if ms[k].Role == canon.System && role != "system" && !w.onlySystem {
			w.lose(w.at(i+k, -1) + ".role")
		}
	}
	w.str("}")
}

// blocks writes the parts of messages. The results of tools go first, where
// the API wants them.
func (w *writer) blocks(ms []canon.Message, i int) bool {
	w.str("[")
	inside := len(w.b)
	mixed := !w.own && len(ms) > 1
	for _, first := range [...]bool{true, false} {
		for k := range ms {
			for j := range ms[k].Parts {
				p := &ms[k].Parts[j]
				if mixed && (p.Kind == canon.ToolResultPart) != first || !mixed && !first {
					continue
				}
				w.part(p, i+k, j)
			}
		}
	}
	empty := len(w.b) == inside
	w.str("]")
	return !empty || w.own
}

// part writes a block with a comma in front, or notes that it is lost.
func (w *writer) part(p *canon.Part, i, k int) {
	from := len(w.b)
	w.b = comma(w.b)
	if !w.block(p, i, k) {
		w.b = w.b[:from]
	}
}

func (w *writer) block(p *canon.Part, i, k int) bool {
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		if p.Text.Empty() && !w.own {
			return false
		}
		w.str(`{"type":"text","text":`)
		w.b = appendText(w.b, p.Text)
		w.citations(p, i, k)
	case canon.ImagePart, canon.DocumentPart:
		if !w.media(p, i, k) {
			w.lose(w.at(i, k))
			return false
		}
	case canon.ToolCallPart:
		w.call(p, i, k)
	case canon.ToolResultPart:
		w.result(p, i, k)
	case canon.ReasoningPart:
		return w.thought(p, i, k)
	case canon.OpaquePart:
		if p.From == canon.Anthropic && p.Raw != nil {
			w.b = append(w.b, p.Raw...)
			return true
		}
		w.lose(w.at(i, k))
		return false
	default:
		w.lose(w.at(i, k))
		return false
	}
	if !p.Signature.Empty() {
		// Other providers sign calls and texts; here nobody could read that.
		w.lose(w.at(i, k) + ".signature")
	}
	w.cache(p.Cache, p.Extra)
	w.extra(p.Extra)
	w.str("}")
	return true
}

// thought writes one that its provider signed. Others the API refuses, except
// where the caller's own dialect carries them to providers that do not sign.
func (w *writer) thought(p *canon.Part, i, k int) bool {
	if !sendable(p) && !(w.own && p.From == canon.Anthropic) {
		w.lose(w.at(i, k))
		return false
	}
	if p.Redacted != nil {
		w.str(`{"type":"redacted_thinking","data":`)
		w.b = append(w.b, p.Redacted...)
	} else {
		w.str(`{"type":"thinking","thinking":`)
		w.b = appendText(w.b, p.Text)
		w.str(`,"signature":`)
		w.b = appendText(w.b, p.Signature)
	}
	w.extra(p.Extra)
	w.str("}")
	return true
}

func (w *writer) citations(p *canon.Part, i, k int) {
	inside := false
	for c := range p.Citations {
		cite := &p.Citations[c]
		if cite.From != canon.Anthropic || cite.Raw == nil {
			w.lose(w.at(i, k) + ".citations")
			continue
		}
		if !inside {
			w.str(`,"citations":[`)
			inside = true
		}
		w.b = append(comma(w.b), cite.Raw...)
	}
	if inside {
		w.str("]")
	}
}

func (w *writer) call(p *canon.Part, i, k int) {
	w.str(`{"type":"tool_use","id":`)
	w.callID(p, i, k)
	w.str(`,"name":`)
	w.b = appendText(w.b, p.Name)
	w.str(`,"input":`)
	args := bytes.TrimSpace(p.Args)
	if w.own || p.Custom || len(args) == 0 || args[0] == '{' && isJSON(args) {
		w.b = appendInput(w.b, p)
		return
	}
	// The API takes nothing but objects.
	w.str(`{"input":`)
	if isJSON(args) {
		w.b = append(w.b, args...)
	} else {
		w.b = canon.AppendQuoted(w.b, string(args))
	}
	w.str("}")
}

// callID writes a call's id as the API takes it: letters, digits, _ and -.
// Where there is none, one is made of its place.
func (w *writer) callID(p *canon.Part, i, k int) {
	if !p.ID.Empty() {
		w.id(p.ID)
		return
	}
	id := canon.Quote("call_" + strconv.Itoa(i) + "_" + strconv.Itoa(k))
	w.calls = append(w.calls, madeCall{p.Name, id})
	w.b = append(w.b, id...)
}

func (w *writer) id(id canon.Text) {
	if w.own {
		w.b = append(w.b, id...)
		return
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '"' {
			c = '_'
		}
		w.b = append(w.b, c)
	}
	// A quote inside of an id is escaped, so its backslash is gone.
	inside := w.b[len(w.b)-len(id)+1 : len(w.b)-1]
	for i := range inside {
		if inside[i] == '"' {
			inside[i] = '_'
		}
	}
}

func (w *writer) result(p *canon.Part, i, k int) {
	w.str(`{"type":"tool_result","tool_use_id":`)
	if p.ID.Empty() {
		w.b = append(w.b, w.made(p.Name)...)
	} else {
		w.id(p.ID)
	}
	if t, ok := w.plain(p.Content); ok {
		field(w, `,"content":`, t)
	} else if len(p.Content) > 0 {
		from := len(w.b)
		w.str(`,"content":[`)
		inside := len(w.b)
		for c := range p.Content {
			w.part(&p.Content[c], i, k)
		}
		if len(w.b) == inside {
			w.b = w.b[:from]
		} else {
			w.str("]")
		}
	}
	if p.IsError == canon.Yes || p.IsError == canon.No && w.own {
		w.str(`,"is_error":`)
		w.b = strconv.AppendBool(w.b, p.IsError == canon.Yes)
	}
}

// made finds the made-up id of the oldest call of a tool that has no result.
func (w *writer) made(name canon.Text) canon.Text {
	if len(w.calls) == 0 {
		return canon.Text(`"call_unknown"`)
	}
	at := 0
	for i := range w.calls {
		if bytes.Equal(w.calls[i].name, name) {
			at = i
			break
		}
	}
	id := w.calls[at].id
	w.calls[at] = w.calls[0]
	w.calls = w.calls[1:]
	return id
}
