package responses

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// requestReader reads a request.
type requestReader struct {
	reader
	req          *canon.Request
	instructions canon.Text
	seen         uint32
}

// fieldReader reads one field of the top level; strict ones may stand there
// once, and spelled exactly so, because providers read the others differently.
type fieldReader struct {
	name   string
	strict bool
	read   func(r *requestReader) bool
}

var requestFields = [...]fieldReader{
	{"model", true, func(r *requestReader) bool { return r.text(&r.req.Model, "model") }},
	{"input", true, (*requestReader).input},
	{"instructions", true, func(r *requestReader) bool { return r.text(&r.instructions, "instructions") }},
	{"tools", true, (*requestReader).tools},
	{"stream", true, (*requestReader).stream},
	{"tool_choice", false, (*requestReader).choice},
	{"text", false, (*requestReader).format},
	{"reasoning", false, (*requestReader).reasoning},
	{"include", false, (*requestReader).include},
	{"max_output_tokens", true, func(r *requestReader) bool { return r.number(&r.req.MaxTokens, "max_output_tokens") }},
	{"temperature", false, func(r *requestReader) bool { return r.number(&r.req.Temperature, "temperature") }},
	{"top_p", false, func(r *requestReader) bool { return r.number(&r.req.TopP, "top_p") }},
	{"top_logprobs", false, func(r *requestReader) bool { return r.number(&r.req.TopLogProbs, "top_logprobs") }},
	{"presence_penalty", false, func(r *requestReader) bool { return r.number(&r.req.PresencePenalty, "presence_penalty") }},
	{"frequency_penalty", false, func(r *requestReader) bool { return r.number(&r.req.FrequencyPenalty, "frequency_penalty") }},
	{"parallel_tool_calls", false, func(r *requestReader) bool { return r.flag(&r.req.Parallel, "parallel_tool_calls") }},
	{"user", false, func(r *requestReader) bool { return r.text(&r.req.User, "user") }},
	{"service_tier", false, func(r *requestReader) bool { return r.text(&r.req.ServiceTier, "service_tier") }},
}

// needed are fields without a name in canon that no other dialect can do
// without: what they name lies with the provider.
var needed = [...]string{"previous_response_id", "conversation", "prompt", "background"}

// ReadRequest reads what a caller sent.
func (Format) ReadRequest(body []byte, req *canon.Request) *fault.Fault {
	*req = canon.Request{From: canon.Responses, IncludeUsage: true}
	r := requestReader{req: req}
	r.j = -1
	r.s.Reset(body)
	if r.s.Peek() != '{' {
		if !r.s.Skip() || !r.s.End() {
			return malformed(&r.s)
		}
		return fault.New(fault.WrongType, "The body must be a JSON object.", nil)
	}
	ok := r.object()
	if ok && r.s.End() {
		return r.finish()
	}
	if r.bad != nil {
		// Not being JSON goes before what is wrong inside of it.
		r.s.Reset(body)
		if r.s.Skip() && r.s.End() {
			return r.bad
		}
	}
	return malformed(&r.s)
}

func (r *requestReader) object() bool {
	r.s.Open('{')
	// Messages may follow the instructions, which go in front of them.
	r.req.Messages = make([]canon.Message, 1, 8)
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if !ok || !more {
			return ok
		}
		f, ok := r.find(name)
		if !ok {
			return false
		}
		if f == nil {
			ok = r.unknown(name)
		} else {
			ok = f.read(r)
		}
		if !ok {
			return false
		}
	}
}

// find finds the reader of a field.
func (r *requestReader) find(name []byte) (*fieldReader, bool) {
	for i := range requestFields {
		f := &requestFields[i]
		if string(name) != f.name {
			continue
		}
		if f.strict && r.seen>>i&1 == 1 {
			r.bad = fault.Newf(fault.BadRequest, "%s is given twice; providers read that differently.", f.name).WithParam(f.name)
			return nil, false
		}
		r.seen |= 1 << i
		return f, true
	}
	for i := range requestFields {
		f := &requestFields[i]
		if f.strict && len(name) >= len(f.name) && bytes.EqualFold(name, []byte(f.name)) {
			r.bad = fault.Newf(fault.BadRequest, "A field is spelled almost like %s; providers read that differently.", f.name).WithParam(f.name)
			return nil, false
		}
	}
	return nil, true
}

func (r *requestReader) unknown(name []byte) bool {
	if bytes.ContainsAny(name, ".[]\\\"") || len(name) == 0 {
		r.bad = fault.New(fault.BadRequest, "The name of a field holds a character that names of fields do not have.", nil)
		return false
	}
	before := len(r.extra)
	if !r.keep(&r.extra, name) {
		return false
	}
	if len(r.extra) == before {
		return true
	}
	e := &r.extra[before]
	for _, n := range needed {
		e.Needed = e.Needed || e.Name == n && string(e.Value) != "false"
	}
	if e.Name == "background" && !e.Needed {
		r.extra = r.extra[:before] // the same as not asked for
	}
	return true
}

// finish puts things together once the whole body is read.
func (r *requestReader) finish() *fault.Fault {
	req := r.req
	if req.Model == nil {
		return fault.New(fault.MissingField, "The body has no model.", nil).WithParam("model")
	}
	if r.instructions != nil {
		req.Messages[0].Role = canon.System
		var p *canon.Part
		req.Messages[0].Parts, p = r.parts.add(nil)
		p.Text, p.Name, p.From = r.instructions, asInstructions, canon.Responses
	} else {
		req.Messages = req.Messages[1:]
	}
	if len(req.Messages) == 0 || len(req.Messages) == 1 && r.instructions != nil {
		stored := false
		for i := range r.extra {
			stored = stored || r.extra[i].Needed && r.extra[i].Name != "background"
		}
		if !stored {
			return fault.New(fault.MissingField, "The body has no input.", nil).WithParam("input")
		}
	}
	req.Extra = r.extra
	return nil
}

// asInstructions names the text that stood in the field instructions: unlike
// a system message of the input it is not part of the conversation that a
// provider stores.
var asInstructions = canon.Text(`"instructions"`)

func (r *requestReader) stream() bool {
	var f canon.Flag
	ok := r.flag(&f, "stream")
	r.req.Stream = f == canon.Yes
	return ok
}

// input reads a string or the list of items.
func (r *requestReader) input() bool {
	switch r.s.Peek() {
	case '"':
		m := r.message(canon.User)
		var p *canon.Part
		m.Parts, p = r.parts.add(nil)
		return r.text(&p.Text, "input")
	case '[':
	default:
		return r.s.Peek() == 'n' && r.s.Skip() || r.wrong("input", "a string or an array")
	}
	r.s.Open('[')
	for i := 0; ; i++ {
		r.list, r.i = "input", i
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.list = ""
			return ok
		}
		if !r.item(&r.it) || r.bad != nil || !r.check(&r.it) {
			return false
		}
		r.take(&r.it)
	}
}

// message starts another message.
func (r *requestReader) message(role canon.Role) *canon.Message {
	r.req.Messages = append(r.req.Messages, canon.Message{Role: role})
	return &r.req.Messages[len(r.req.Messages)-1]
}

// take adds an item to the turn it belongs to. Messages of users and of the
// system stay apart, as they came; so do those of the assistant that follow
// each other with nothing in between.
func (r *requestReader) take(it *item) {
	role := roleOf(it)
	m := &r.req.Messages[len(r.req.Messages)-1]
	isMessage := it.kind.Is("message")
	fresh := len(r.req.Messages) == 1 || m.Role != role || isMessage && role != canon.Assistant
	if !fresh && isMessage && len(m.Parts) > 0 {
		k := m.Parts[len(m.Parts)-1].Kind
		fresh = k == canon.TextPart || k == canon.RefusalPart
	}
	if fresh {
		m = r.message(role)
	}
	m.Parts = r.add(it, m.Parts)
	r.tell(it.extra, "input[].")
	if k := it.place(); k == nil {
		r.opaque(it)
	}
}

// opaque names an item that no other dialect can read.
func (r *requestReader) opaque(it *item) {
	if it.kind == nil || it.kind.Is("item_reference") {
		r.extra = append(r.extra, canon.Field{Name: "input[].item_reference", Value: it.raw, Needed: true})
	}
}
