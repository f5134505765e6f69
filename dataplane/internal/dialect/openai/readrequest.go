package openai

import (
	"bytes"
	"slices"
	"sync"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// requestReader reads a request; req is what it fills.
type requestReader struct {
	walk
	req  *canon.Request
	seen uint64
	// completionTokens and tokens are the two names of one bound.
	completionTokens, tokens canon.Raw
}

// requestFields are the fields of a request that have a name in canon, most
// frequent ones first. The index of each is its bit in seen.
var requestFields = [...]struct {
	name string
	read func(r *requestReader) bool
}{
	{"model", func(r *requestReader) bool { return r.model() }},
	{"messages", func(r *requestReader) bool { return r.messages() }},
	{"stream", func(r *requestReader) bool {
		var f canon.Flag
		ok := r.flag(&f, "stream")
		r.req.Stream = f == canon.Yes
		return ok
	}},
	{"tools", func(r *requestReader) bool { return r.tools() }},
	{"tool_choice", func(r *requestReader) bool { return r.toolChoice() }},
	{"temperature", func(r *requestReader) bool { return r.number(&r.req.Temperature, "temperature") }},
	{"max_tokens", func(r *requestReader) bool { return r.whole(&r.tokens, "max_tokens") }},
	{"max_completion_tokens", func(r *requestReader) bool { return r.whole(&r.completionTokens, "max_completion_tokens") }},
	{"stream_options", func(r *requestReader) bool { return r.streamOptions() }},
	{"response_format", func(r *requestReader) bool { return r.format() }},
	{"reasoning_effort", func(r *requestReader) bool { return r.effort() }},
	{"top_p", func(r *requestReader) bool { return r.number(&r.req.TopP, "top_p") }},
	{"stop", func(r *requestReader) bool { return r.stop() }},
	{"n", func(r *requestReader) bool { return r.whole(&r.req.N, "n") }},
	{"user", func(r *requestReader) bool { return r.text(&r.req.User, "user") }},
	{"parallel_tool_calls", func(r *requestReader) bool { return r.flag(&r.req.Parallel, "parallel_tool_calls") }},
	{"seed", func(r *requestReader) bool { return r.number(&r.req.Seed, "seed") }},
	{"frequency_penalty", func(r *requestReader) bool { return r.number(&r.req.FrequencyPenalty, "frequency_penalty") }},
	{"presence_penalty", func(r *requestReader) bool { return r.number(&r.req.PresencePenalty, "presence_penalty") }},
	{"logprobs", func(r *requestReader) bool { return r.flag(&r.req.LogProbs, "logprobs") }},
	{"top_logprobs", func(r *requestReader) bool { return r.number(&r.req.TopLogProbs, "top_logprobs") }},
	{"service_tier", func(r *requestReader) bool { return r.text(&r.req.ServiceTier, "service_tier") }},
	{"top_k", func(r *requestReader) bool { return r.number(&r.req.TopK, "top_k") }},
	{"reasoning", func(r *requestReader) bool { return r.reasoning() }},
	{"thinking", func(r *requestReader) bool { return r.thinkingMode() }},
	{"functions", func(r *requestReader) bool { return r.functions() }},
	{"function_call", func(r *requestReader) bool { return r.functionCall() }},
	{"cache_control", func(r *requestReader) bool { return r.cacheMark(&r.req.Cache) }},
}

// ReadRequest reads what a caller sent.
func (Format) ReadRequest(body []byte, req *canon.Request) *fault.Fault {
	*req = canon.Request{From: canon.OpenAIChat, Messages: req.Messages[:0]}
	r := requestReaders.Get().(*requestReader)
	defer func() {
		*r = requestReader{}
		requestReaders.Put(r)
	}()
	r.req = req
	return r.readWhole(body, r.field)
}

// requestReaders are used again: they are large. Nothing that was read lies in
// one.
var requestReaders = sync.Pool{New: func() any { return new(requestReader) }}

// readWhole reads a body of which field reads each field.
func (r *requestReader) readWhole(body []byte, field func([]byte) bool) *fault.Fault {
	r.s.Reset(body)
	bad := r.read(field)
	if bad != nil && bad.Kind != fault.MalformedJSON {
		// Not being JSON goes before what is wrong inside of it.
		r.s.Reset(body)
		if _, ok := r.s.Value(); !ok || !r.s.End() {
			return malformed(&r.s)
		}
	}
	return bad
}

func (r *requestReader) read(field func([]byte) bool) *fault.Fault {
	if r.s.Peek() != '{' {
		return fault.New(fault.WrongType, "The body must be a JSON object.", nil)
	}
	r.s.Open('{')
	for first := true; ; first = false {
		name, more, ok := r.member(first)
		if ok && !more {
			break
		}
		if !ok || !field(name) {
			if r.bad != nil {
				return r.bad
			}
			return malformed(&r.s)
		}
	}
	if !r.s.End() {
		return malformed(&r.s)
	}
	return r.finish()
}

func (r *requestReader) field(name []byte) bool {
	for i := range requestFields {
		f := &requestFields[i]
		if string(name) != f.name {
			continue
		}
		if r.seen&(1<<i) != 0 {
			return r.refuse(f.name, f.name+" is given twice; providers read that differently.")
		}
		r.seen |= 1 << i
		r.at = place{}
		return f.read(r)
	}
	for i := range requestFields {
		if n := requestFields[i].name; bytes.EqualFold(name, []byte(n)) {
			return r.refuse(n, "A field is spelled almost like "+n+"; providers read that differently.")
		}
	}
	r.at = place{}
	return r.unknown(name)
}

func (r *requestReader) finish() *fault.Fault {
	req := r.req
	if req.Model == nil {
		return fault.New(fault.MissingField, "The body has no model.", nil).WithParam("model")
	}
	if r.seen&2 == 0 {
		return fault.New(fault.MissingField, "The body has no messages.", nil).WithParam("messages")
	}
	if req.MaxTokens = r.completionTokens; req.MaxTokens == nil {
		req.MaxTokens = r.tokens
	} else if r.tokens != nil && !bytes.Equal(r.tokens, r.completionTokens) {
		return fault.New(fault.BadRequest, "max_tokens and max_completion_tokens differ; send one of them.", nil).WithParam("max_tokens")
	}
	req.Extra = r.extra
	return nil
}

func (r *requestReader) model() bool {
	if r.s.Peek() != '"' {
		return r.wrong("model", "a string")
	}
	return r.text(&r.req.Model, "model")
}

// whole reads a whole number.
func (r *requestReader) whole(into *canon.Raw, field string) bool {
	if !r.number(into, field) {
		return false
	}
	if *into != nil {
		if _, ok := integer(*into); !ok {
			r.bad = wrongType(field, "a whole number")
			return false
		}
	}
	return true
}

func (r *requestReader) messages() bool {
	if r.s.Peek() != '[' {
		return r.wrong("messages", "an array")
	}
	r.s.Open('[')
	// Growing costs more than room that stays empty.
	r.req.Messages = slices.Grow(r.req.Messages[:0], min(4+len(r.s.Text())/512, 64))
	for i := 0; ; i++ {
		more, ok := r.s.Element(i == 0)
		if !ok || !more {
			r.at = place{}
			return ok
		}
		r.at = place{list: "messages", i: i}
		var m message
		parts, ok := r.message(&m)
		if !ok || !r.take(&m, parts) {
			return false
		}
	}
}

// roles by their names in the wire; a developer's messages are the system's.
var roles = []struct {
	name string
	role canon.Role
}{
	{"user", canon.User}, {"assistant", canon.Assistant}, {"tool", canon.ToolRole},
	{"system", canon.System}, {"developer", canon.System}, {"function", canon.ToolRole},
}

// take adds a message to the request.
func (r *requestReader) take(m *message, parts []canon.Part) bool {
	k := 0
	for k < len(roles) && !m.role.Is(roles[k].name) {
		k++
	}
	if k == len(roles) {
		r.bad = fault.New(fault.BadRequest, "The role of a message must be system, developer, user, assistant or tool.", nil).WithParam(r.at.path("role"))
		return false
	}
	out := canon.Message{Role: roles[k].role, Name: m.name, Parts: parts, Extra: m.extra}
	switch out.Role {
	case canon.ToolRole:
		if m.callID == nil && roles[k].name == "function" {
			m.callID = legacyID
		}
		if m.callID == nil {
			r.bad = fault.New(fault.MissingField, "A message of a tool has no tool_call_id.", nil).WithParam(r.at.path("tool_call_id"))
			return false
		}
		r.begin()
		p := r.add(canon.ToolResultPart, 0)
		p.ID, p.Name, p.Content = m.callID, m.name, parts
		if len(parts) > 0 {
			// The mark is on the result as a whole as much as on its end.
			p.Cache = parts[len(parts)-1].Cache
			parts[len(parts)-1].Cache = canon.CacheMark{}
		}
		if m.isError {
			p.IsError = canon.Yes
		}
		out.Name, out.Parts = nil, r.end()
	case canon.Assistant:
		out.Parts = withoutEmpty(parts)
	}
	r.req.Messages = append(r.req.Messages, out)
	return true
}

// withoutEmpty takes out empty texts beside other parts: an assistant's calls
// come with an empty content from some, and with none from others.
func withoutEmpty(parts []canon.Part) []canon.Part {
	if len(parts) < 2 {
		return parts
	}
	out := parts[:0]
	for i := range parts {
		if p := &parts[i]; p.Kind != canon.TextPart || !p.Text.Empty() || p.Citations != nil || p.Signature != nil {
			out = append(out, *p)
		}
	}
	return out
}

func (r *requestReader) streamOptions() bool {
	var v canon.Raw
	if ok := r.object(&v, "stream_options"); !ok || v == nil {
		return ok
	}
	f, ok := r.pick(v, "stream_options", "include_usage")
	if f[0] != nil && f[0][0] != 't' && f[0][0] != 'f' {
		r.bad = wrongType("stream_options.include_usage", "true or false")
		return false
	}
	r.req.IncludeUsage = string(f[0]) == "true"
	return ok
}

func (r *requestReader) stop() bool {
	if r.s.Peek() != '[' {
		var t canon.Text
		if !r.text(&t, "stop") {
			return false
		}
		if t != nil {
			r.req.Stop = []canon.Text{t}
		}
		return true
	}
	r.s.Open('[')
	for first := true; ; first = false {
		more, ok := r.s.Element(first)
		if !ok || !more {
			return ok
		}
		var t canon.Text
		if r.s.Peek() != '"' {
			return r.wrong("stop", "a string or an array of strings")
		}
		if !r.text(&t, "stop") {
			return false
		}
		r.req.Stop = append(r.req.Stop, t)
	}
}
