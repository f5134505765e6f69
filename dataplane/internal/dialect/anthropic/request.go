package anthropic

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// top lists the fields of a request that have names in canon. Each may stand
// once only: what is parsed must be what others parse.
var top = [...]struct {
	name string
	read func(w *walk, req *canon.Request) bool
}{
	{"model", (*walk).model},
	{"messages", (*walk).messages},
	{"system", (*walk).system},
	{"max_tokens", func(w *walk, req *canon.Request) bool { return w.amount("max_tokens", &req.MaxTokens) }},
	{"temperature", func(w *walk, req *canon.Request) bool { return w.amount("temperature", &req.Temperature) }},
	{"top_p", func(w *walk, req *canon.Request) bool { return w.amount("top_p", &req.TopP) }},
	{"top_k", func(w *walk, req *canon.Request) bool { return w.amount("top_k", &req.TopK) }},
	{"stream", (*walk).stream},
	{"stop_sequences", (*walk).stopSequences},
	{"tools", (*walk).tools},
	{"tool_choice", (*walk).toolChoice},
	{"thinking", (*walk).thinking},
	{"output_config", (*walk).outputConfig},
	{"output_format", func(w *walk, req *canon.Request) bool { return w.format(req, "output_format") }},
	{"metadata", (*walk).metadata},
	{"service_tier", (*walk).serviceTier},
	{"cache_control", (*walk).wholeCache},
}

// topOf finds a field. A key that differs from one of them only in case is a
// field to some parsers and none to others: such keys are refused.
func topOf(key []byte) (i int, lookalike bool) {
	for i := range top {
		if string(key) == top[i].name {
			return i, false
		}
	}
	for i := range top {
		if n := top[i].name; len(key) >= len(n) && bytes.EqualFold(key, []byte(n)) {
			return i, true
		}
	}
	return -1, false
}

// ReadRequest reads what a caller sent.
func (Format) ReadRequest(body []byte, req *canon.Request) *fault.Fault {
	// The first message is room for the system's, which may stand anywhere.
	*req = canon.Request{From: canon.Anthropic, IncludeUsage: true, Messages: make([]canon.Message, 1, 16)}
	w := newWalk(body)
	defer w.done()
	w.req = req
	if w.s.Peek() != '{' {
		if !w.s.Skip() || !w.s.End() {
			return malformed(&w.s)
		}
		return fault.New(fault.WrongType, "The body must be a JSON object.", nil)
	}
	seen, ok := w.request(req)
	if !ok || !w.s.End() {
		if w.bad == nil {
			return malformed(&w.s)
		}
		// Not being JSON goes before what is wrong inside of it.
		w.s.Reset(body)
		if !w.s.Skip() || !w.s.End() {
			return malformed(&w.s)
		}
		return w.bad
	}
	for i, name := range [...]string{"model", "messages"} {
		if seen&(1<<i) == 0 {
			return fault.Newf(fault.MissingField, "The body has no %s.", name).WithParam(name)
		}
	}
	if len(req.Messages[0].Parts) == 0 && len(req.Messages[0].Extra) == 0 {
		req.Messages = req.Messages[1:]
	}
	return nil
}

func (w *walk) request(req *canon.Request) (seen uint32, ok bool) {
	ok = w.members(func(key []byte) bool {
		i, lookalike := topOf(key)
		if i < 0 {
			f := canon.Field{Name: string(key)}
			ok := w.raw(&f.Value)
			req.Extra = append(req.Extra, f)
			return ok
		}
		name := top[i].name
		if lookalike {
			w.bad = fault.Newf(fault.BadRequest, "A field is spelled almost like %s; providers read that differently.", name).WithParam(name)
			return false
		}
		if seen&(1<<i) != 0 {
			w.bad = fault.Newf(fault.BadRequest, "%s is given twice; providers read that differently.", name).WithParam(name)
			return false
		}
		seen |= 1 << i
		if w.s.Peek() == 'n' && name != "model" && name != "messages" {
			return w.s.Skip()
		}
		w.head, w.depth = "", 0
		return top[i].read(w, req)
	})
	return seen, ok
}

// must turns what text and the like report into a fault.
func (w *walk) must(right, ok bool) func(field, want string) bool {
	return func(field, want string) bool {
		if ok && !right {
			return w.wrong(field, want)
		}
		return ok
	}
}

func (w *walk) model(req *canon.Request) bool {
	if w.s.Peek() != '"' {
		return w.s.Skip() && w.wrong("model", "a string")
	}
	_, ok := w.text(&req.Model)
	return ok
}

func (w *walk) amount(name string, into *canon.Raw) bool {
	c := w.s.Peek()
	if !w.raw(into) {
		return false
	}
	if c != '-' && (c < '0' || c > '9') {
		return w.wrong(name, "a number")
	}
	if name == "max_tokens" {
		if n, err := strconv.ParseInt(string(*into), 10, 64); err != nil || n < 0 {
			return w.wrong(name, "a whole number")
		}
	}
	return true
}

func (w *walk) stream(req *canon.Request) bool {
	var f canon.Flag
	right, ok := w.flag(&f)
	req.Stream = f == canon.Yes
	return w.must(right, ok)("stream", "true or false")
}

func (w *walk) stopSequences(req *canon.Request) bool {
	if w.s.Peek() != '[' {
		return w.s.Skip() && w.wrong("stop_sequences", "an array of strings")
	}
	return w.elements(func() bool {
		var t canon.Text
		right, ok := w.text(&t)
		req.Stop = append(req.Stop, t)
		return w.must(right && t != nil, ok)("stop_sequences", "an array of strings")
	})
}

func (w *walk) serviceTier(req *canon.Request) bool {
	right, ok := w.text(&req.ServiceTier)
	return w.must(right, ok)("service_tier", "a string")
}

func (w *walk) wholeCache(req *canon.Request) bool {
	var odd bool
	start := w.s.Pos()
	right, ok := w.cache(&req.Cache, &odd)
	if odd && ok {
		req.Extra = append(req.Extra, canon.Field{Name: "cache_control", Value: w.s.Text()[start:w.s.Pos()]})
	}
	return w.must(right, ok)("cache_control", "an object")
}

func (w *walk) system(req *canon.Request) bool {
	w.head = "system"
	m := &req.Messages[0]
	m.Role = canon.System
	right, ok := w.content(&m.Parts)
	return w.must(right, ok)("", "a string or an array of blocks")
}

func (w *walk) messages(req *canon.Request) bool {
	if w.s.Peek() != '[' {
		return w.s.Skip() && w.wrong("messages", "an array")
	}
	w.head, w.message = "messages", -1
	ok := w.elements(func() bool {
		w.message++
		return w.turn(req)
	})
	return ok
}

// roles of messages.
var roles = [...]struct {
	name string
	role canon.Role
}{{"user", canon.User}, {"assistant", canon.Assistant}, {"system", canon.System}}

// turn reads one message.
func (w *walk) turn(req *canon.Request) bool {
	if w.s.Peek() != '{' {
		return w.s.Skip() && w.wrong("", "an object")
	}
	var role canon.Text
	var m canon.Message
	var hasContent bool
	ok := w.members(func(name []byte) bool {
		switch string(name) {
		case "role":
			right, ok := w.text(&role)
			return w.must(right, ok)("role", "a string")
		case "content":
			hasContent = true
			right, ok := w.content(&m.Parts)
			return w.must(right, ok)("content", "a string or an array of blocks")
		}
		f := canon.Field{Name: string(name)}
		ok := w.raw(&f.Value)
		if ok && !bytes.Equal(f.Value, null) {
			m.Extra = append(m.Extra, f)
			w.report(f.Name, f.Value)
		}
		return ok
	})
	if !ok {
		return false
	}
	if role == nil {
		return w.missing("role")
	}
	if !hasContent {
		return w.missing("content")
	}
	for _, r := range roles {
		if role.Is(r.name) {
			m.Role = r.role
			req.Messages = split(req.Messages, m)
			return true
		}
	}
	p := w.path("role")
	w.bad = fault.Newf(fault.BadRequest, "%s must be user, assistant or system.", p).WithParam(p)
	return false
}

// split adds a message: the results of tools, which users' messages hold here,
// are messages of their own in canon.
func split(to []canon.Message, m canon.Message) []canon.Message {
	rest := m.Parts
	for m.Role == canon.User && len(rest) > 0 {
		isResult := rest[0].Kind == canon.ToolResultPart
		n := 1
		for n < len(rest) && (rest[n].Kind == canon.ToolResultPart) == isResult {
			n++
		}
		m.Parts, rest = rest[:n:n], rest[n:]
		one := m
		if isResult {
			one.Role = canon.ToolRole
		}
		to = append(to, one)
		m.Extra = nil
	}
	if len(m.Parts) == 0 || m.Role != canon.User {
		to = append(to, m)
	}
	return to
}

func (w *walk) tools(req *canon.Request) bool {
	if w.s.Peek() != '[' {
		return w.s.Skip() && w.wrong("tools", "an array")
	}
	w.head, w.message = "tools", -1
	return w.elements(func() bool {
		w.message++
		if w.s.Peek() != '{' {
			return w.s.Skip() && w.wrong("", "an object")
		}
		var t canon.Tool
		ok := w.tool(&t)
		req.Tools = append(req.Tools, t)
		return ok
	})
}

func (w *walk) tool(t *canon.Tool) bool {
	var typ canon.Text
	var odd, oddCache bool
	start := w.s.Pos()
	ok := w.members(func(name []byte) bool {
		switch string(name) {
		case "type":
			return w.must(w.text(&typ))("type", "a string")
		case "name":
			return w.must(w.text(&t.Name))("name", "a string")
		case "description":
			return w.must(w.text(&t.Description))("description", "a string")
		case "input_schema":
			return w.raw(&t.Schema)
		case "strict":
			return w.must(w.flag(&t.Strict))("strict", "true or false")
		case "cache_control":
			return w.must(w.cache(&t.Cache, &oddCache))("cache_control", "an object")
		}
		odd = true
		return w.s.Skip()
	})
	if !ok {
		return false
	}
	raw := w.s.Text()[start:w.s.Pos()]
	if typ != nil && !typ.Is("custom") {
		*t = canon.Tool{Name: typ, Raw: raw, From: canon.Anthropic}
		return true
	}
	if t.Name == nil {
		return w.missing("name")
	}
	if odd || oddCache {
		w.oddTool(t, raw, oddCache)
	}
	return true
}

// oddTool keeps the fields of a tool that canon has no names for.
func (w *walk) oddTool(t *canon.Tool, raw canon.Raw, oddCache bool) {
	w.sub.Reset(raw)
	w.sub.Object(func(name []byte) bool {
		known := oneOf(string(name), "type", "name", "description", "input_schema", "strict") ||
			string(name) == "cache_control" && !oddCache
		f := canon.Field{Name: string(name)}
		ok := w.sub.Raw((*[]byte)(&f.Value))
		if !known && !bytes.Equal(f.Value, null) {
			t.Extra = append(t.Extra, f)
			w.report(f.Name, f.Value)
		}
		return ok
	})
}

func oneOf(s string, of ...string) bool {
	for _, o := range of {
		if s == o {
			return true
		}
	}
	return false
}

// isObject says whether an object starts at the scanner.
func isObject(s *jsonscan.Scanner) bool { return s.Peek() == '{' }
