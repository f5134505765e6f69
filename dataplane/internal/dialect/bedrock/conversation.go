package bedrock

import (
	"bytes"
	"encoding/hex"
	"hash/fnv"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// conversation writes the messages and the system's texts. The API has those at
// the head only: later ones are moved there and their place is lost.
func (w *writer) conversation() {
	ms := w.req.Messages
	system := w.systems()
	w.b = append(comma(w.b), `"messages":[`...)
	for i := 0; i < len(ms); {
		if system(i) {
			i++
			continue
		}
		n := 1
		for i+n < len(ms) && (system(i+n) || roleOf(&ms[i+n]) == roleOf(&ms[i])) {
			n++
		}
		w.turn(i, n, system)
		i += n
	}
	w.wholeMark()
	w.str("]")
	from, inside := w.open(`"system":[`)
	spoken := false
	for i := range ms {
		if !system(i) {
			spoken = true
			continue
		}
		if spoken {
			w.lose(at(i, -1) + ".role")
		}
		w.name(i)
		for k := range ms[i].Parts {
			if p := &ms[i].Parts[k]; p.Kind == canon.TextPart || p.Kind == canon.OpaquePart {
				w.part(p, i, k)
			} else {
				w.lose(at(i, k))
			}
		}
	}
	if w.freeJSON() {
		w.b = canon.AppendQuoted(append(comma(w.b), `{"text":`...), anthropic.JSONInstruction)
		w.str("}")
	}
	w.close(from, inside, "]")
}

// wholeMark writes the mark of the whole request behind its last block, unless
// that has its own: two in one place say nothing more than one.
func (w *writer) wholeMark() {
	switch {
	case !w.req.Cache.Set:
	case w.role == "" || !w.family.caches():
		w.lose("cache_control")
	case !w.marked:
		w.b = w.b[:len(w.b)-len("]}")]
		w.cachePoint(w.req.Cache)
		w.str("]}")
	}
}

// systems says which messages are the system's. The API wants somebody to
// answer to: when nobody else speaks, the last one is a user's.
func (w *writer) systems() func(i int) bool {
	ms := w.req.Messages
	for i := range ms {
		if ms[i].Role != canon.System {
			return func(i int) bool { return ms[i].Role == canon.System }
		}
	}
	if len(ms) > 0 {
		w.lose(at(len(ms)-1, -1) + ".role")
	}
	return func(i int) bool { return i < len(ms)-1 }
}

// roleOf is the API's role of a message that is not the system's.
func roleOf(m *canon.Message) string {
	if m.Role == canon.Assistant {
		return "assistant"
	}
	return "user"
}

func (w *writer) name(i int) {
	if w.req.Messages[i].Name != nil {
		w.lose(at(i, -1) + ".name")
	}
}

// turn writes n messages as one, because roles must alternate. Results of tools
// go first, where models want them. One that says nothing is left out.
func (w *writer) turn(i, n int, system func(int) bool) {
	from := len(w.b)
	ms := w.req.Messages
	role := roleOf(&ms[i])
	again := role == w.role
	if again {
		// What stood between said nothing.
		w.b = w.b[:from-len("]}")]
	} else {
		w.b = append(append(append(comma(w.b), `{"role":"`...), role...), `","content":[`...)
	}
	inside := len(w.b)
	for _, first := range [...]bool{true, false} {
		for k := i; k < i+n; k++ {
			if system(k) {
				continue
			}
			if !first {
				w.name(k)
			}
			for j := range ms[k].Parts {
				p := &ms[k].Parts[j]
				// A message by itself keeps its order.
				if (n > 1 && p.Kind == canon.ToolResultPart) == first {
					w.part(p, k, j)
				}
			}
		}
	}
	if len(w.b) == inside && !again {
		w.b = w.b[:from]
		return
	}
	w.role = role
	w.str("]}")
}

// part writes a block with a comma in front and its mark behind, or notes that
// it is lost.
func (w *writer) part(p *canon.Part, i, k int) {
	from := len(w.b)
	w.b = comma(w.b)
	if !w.block(p, i, k) {
		w.b = w.b[:from]
		return
	}
	if !p.Signature.Empty() && p.Kind != canon.ReasoningPart {
		// Other providers sign calls and texts; here nobody could read that.
		w.lose(at(i, k) + ".signature")
	}
	if len(p.Citations) > 0 {
		w.lose(at(i, k) + ".citations")
	}
	mark := p.Cache
	for c := range p.Content {
		// There are no marks inside of results: it goes behind.
		if p.Content[c].Cache.Set && !mark.Set {
			mark = p.Content[c].Cache
		}
	}
	if w.marked = mark.Set; w.family.caches() {
		w.cachePoint(mark)
	} else if mark.Set {
		w.lose(at(i, k) + ".cache_control")
	}
}

func (w *writer) block(p *canon.Part, i, k int) bool {
	switch p.Kind {
	case canon.TextPart, canon.RefusalPart:
		if blank(p.Text) {
			return false
		}
		w.str(`{"text":`)
		w.b = append(append(w.b, p.Text...), '}')
	case canon.ToolCallPart:
		w.call(p)
	case canon.ToolResultPart:
		w.result(p, i, k)
	case canon.ReasoningPart:
		if !sendable(p) {
			w.lose(at(i, k))
			return false
		}
		w.b = appendThought(w.b, p)
	case canon.OpaquePart:
		if p.From != canon.Bedrock || p.Raw == nil {
			w.lose(at(i, k))
			return false
		}
		w.b = append(w.b, p.Raw...)
	default:
		if !w.media(p) {
			w.lose(at(i, k))
			return false
		}
		if m := &p.Media; !m.Detail.Empty() && !m.Detail.Is("auto") {
			w.lose(at(i, k) + ".detail")
		}
		if !p.Media.Name.Empty() && p.Kind != canon.DocumentPart {
			w.lose(at(i, k) + ".name")
		}
	}
	return true
}

// blank says whether there is nothing to read in a text: the API refuses those.
func blank(t canon.Text) bool {
	// Most texts start with a letter.
	return t.Empty() || (t[1] == ' ' || t[1] == '\\') && strings.TrimSpace(t.String()) == ""
}

// sendable says whether the API takes the thought back: its models' makers want
// to see their signatures, which are the same wherever the models run.
func sendable(p *canon.Part) bool {
	switch p.From {
	case canon.Bedrock, canon.Anthropic, canon.OpenAIChat, "":
		return !p.Signature.Empty() || !p.Redacted.Empty()
	}
	return false
}

func appendThought(b []byte, p *canon.Part) []byte {
	if p.Redacted != nil {
		b = append(b, `{"reasoningContent":{"redactedContent":`...)
		return append(append(b, p.Redacted...), "}}"...)
	}
	b = append(b, `{"reasoningContent":{"reasoningText":{"text":`...)
	b = appendText(b, p.Text)
	if p.Signature != nil {
		b = append(append(b, `,"signature":`...), p.Signature...)
	}
	return append(b, "}}}"...)
}

func (w *writer) call(p *canon.Part) {
	w.usedTools = true
	w.str(`{"toolUse":{"toolUseId":`)
	w.id(p.ID)
	w.str(`,"name":`)
	w.b = appendText(w.b, p.Name)
	w.str(`,"input":`)
	args := bytes.TrimSpace(p.Args)
	switch {
	case len(args) == 0:
		w.str("{}")
	case args[0] == '{' && isJSON(args):
		w.b = append(w.b, args...)
	case isJSON(args):
		// Models' makers take nothing but objects.
		w.b = append(append(append(w.b, `{"input":`...), args...), '}')
	default:
		w.b = append(canon.AppendQuoted(append(w.b, `{"input":`...), string(args)), '}')
	}
	w.str("}}")
}

// maxID is the length of a call's id.
const maxID = 64

// id writes a call's id as the API takes it. One that it does not take becomes
// one that is made of it, the same for the call and its result.
func (w *writer) id(id canon.Text) {
	plain := id.String()
	ok := plain != "" && len(plain) <= maxID
	for i := 0; i < len(plain) && ok; i++ {
		c := plain[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	}
	if !ok {
		h := fnv.New128a()
		h.Write([]byte(plain))
		plain = "call_" + hex.EncodeToString(h.Sum(nil))
	}
	w.b = canon.AppendQuoted(w.b, plain)
}

func (w *writer) result(p *canon.Part, i, k int) {
	w.usedTools = true
	w.str(`{"toolResult":{"toolUseId":`)
	w.id(p.ID)
	w.str(`,"content":[`)
	for c := range p.Content {
		q := &p.Content[c]
		from := len(w.b)
		w.b = comma(w.b)
		switch q.Kind {
		case canon.ToolCallPart, canon.ToolResultPart, canon.ReasoningPart:
			w.lose(at(i, k))
			w.b = w.b[:from]
		default:
			if !w.block(q, i, k) {
				w.b = w.b[:from]
			}
		}
	}
	w.str("]")
	if p.IsError == canon.Yes {
		w.str(`,"status":"error"`)
	}
	w.str("}}")
}
