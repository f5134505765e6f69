// Package peek owns reading the few fields that a gateway needs of a request
// body, whatever its dialect, and editing them in place: bytes that need no
// change are not rewritten, unknown fields survive, and what was parsed is
// what is forwarded. It must not know what a message means.
package peek

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

// Role is what a field is to a gateway.
type Role uint8

// Roles of fields.
const (
	// Model is the name that the caller wrote.
	Model Role = iota
	// Prompt must be there; Context may be, and counts as prompt too.
	Prompt
	Context
	// Stream says that events were asked for.
	Stream
	// Options is OpenAI's stream_options.
	Options
	// Limit bounds the output in tokens.
	Limit
	// Count is how many answers are asked for.
	Count
)

// Field is a field of a body's top level.
type Field struct {
	Name string
	Role Role
	// Strings says that a prompt may be a string, not only an array.
	Strings bool
}

// Shape lists the fields of a dialect that are read, each at most once in a
// body.
type Shape struct {
	Fields []Field
	// NoModel says that the model is not in the body.
	NoModel bool
	// Default is the model of bodies that name none; empty where they must.
	Default string
}

// Shapes of the dialects.
var (
	Chat = Shape{Fields: []Field{
		{Name: "model", Role: Model}, {Name: "messages", Role: Prompt}, {Name: "stream", Role: Stream}, {Name: "stream_options", Role: Options},
		{Name: "max_tokens", Role: Limit}, {Name: "max_completion_tokens", Role: Limit}, {Name: "n", Role: Count},
	}}
	Responses = Shape{Fields: []Field{
		{Name: "model", Role: Model}, {Name: "input", Role: Prompt, Strings: true}, {Name: "instructions", Role: Context, Strings: true},
		{Name: "stream", Role: Stream}, {Name: "max_output_tokens", Role: Limit},
	}}
	Messages = Shape{Fields: []Field{
		{Name: "model", Role: Model}, {Name: "messages", Role: Prompt}, {Name: "system", Role: Context, Strings: true},
		{Name: "stream", Role: Stream}, {Name: "max_tokens", Role: Limit},
	}}
	// Speech is what is to be spoken, Named a body of which only the model
	// matters.
	Speech = Shape{Fields: []Field{{Name: "model", Role: Model}, {Name: "input", Role: Prompt, Strings: true}}}
	Named  = Shape{Fields: []Field{{Name: "model", Role: Model}}}
	// Shapes of operations beside chat.
	Completion = Shape{Fields: []Field{
		{Name: "model", Role: Model}, {Name: "prompt", Role: Prompt, Strings: true}, {Name: "stream", Role: Stream}, {Name: "stream_options", Role: Options},
		{Name: "max_tokens", Role: Limit}, {Name: "n", Role: Count},
	}}
	Embedding  = Shape{Fields: []Field{{Name: "model", Role: Model}, {Name: "input", Role: Prompt, Strings: true}}}
	Moderation = Shape{Default: "omni-moderation-latest", Fields: []Field{{Name: "model", Role: Model}, {Name: "input", Role: Prompt, Strings: true}}}
	// Image says what is to be made.
	Image  = Shape{Default: "dall-e-2", Fields: []Field{{Name: "model", Role: Model}, {Name: "prompt", Role: Prompt, Strings: true}}}
	Rerank = Shape{Fields: []Field{
		{Name: "model", Role: Model}, {Name: "query", Role: Prompt, Strings: true}, {Name: "documents", Role: Context},
	}}
	GeminiContent = Shape{NoModel: true, Fields: []Field{{Name: "content", Role: Context}}}
	GeminiBatch   = Shape{NoModel: true, Fields: []Field{{Name: "requests", Role: Prompt}}}

	Gemini = Shape{NoModel: true, Fields: []Field{
		{Name: "contents", Role: Prompt},
		{Name: "systemInstruction", Role: Context}, {Name: "system_instruction", Role: Context},
	}}
)

// find tells which of the fields a key is. A key that differs from one of them
// only in case is a field to some parsers and none to others, so nobody could
// say what was asked for: such keys are refused.
func (s *Shape) find(key []byte) (i int, lookalike bool) {
	for i := range s.Fields {
		if string(key) == s.Fields[i].Name {
			return i, false
		}
	}
	for i := range s.Fields {
		if n := s.Fields[i].Name; len(key) >= len(n) && bytes.EqualFold(key, []byte(n)) {
			return i, true
		}
	}
	return -1, false
}

// Request is what was read from a body. Its spans lie in it.
type Request struct {
	body  []byte
	shape *Shape
	model jsonscan.Span
	name  []byte
	// Stream says that events were asked for.
	Stream bool
	// IncludeUsage says that the caller asked for usage at a stream's end.
	IncludeUsage bool
	// MaxTokens is the bound on output that the caller set, 0 when none.
	MaxTokens int64
	// N is how many answers were asked for; 0 when not given.
	N int64

	prompt, context jsonscan.Span
	hasOptions      bool
	options         jsonscan.Span // value of stream_options
	optionsNull     bool
	optionsEmpty    bool
	include         jsonscan.Span // value of include_usage
	seen            uint16
}

func wrongType(param, want string) *fault.Fault {
	return fault.Newf(fault.WrongType, "%s must be %s.", param, want).WithParam(param)
}

// malformed says where the text stops being JSON.
func malformed(s *jsonscan.Scanner) *fault.Fault {
	if len(s.Text()) == 0 {
		return fault.New(fault.MalformedJSON, "The body is empty.", nil)
	}
	if s.Pos() >= len(s.Text()) {
		return fault.Newf(fault.MalformedJSON, "The body is not valid JSON: it ends after %d bytes in the middle of a value.", len(s.Text()))
	}
	return fault.Newf(fault.MalformedJSON, "The body is not valid JSON at byte %d.", s.Pos())
}

// Read reads a body of the given shape. It looks at each byte once and
// allocates nothing, unless the model's name holds escapes; about 0.4 µs for
// 1 KB.
func (r *Request) Read(body []byte, shape *Shape) *fault.Fault {
	*r = Request{body: body, shape: shape}
	var s jsonscan.Scanner
	s.Reset(body)
	if c := s.Peek(); c != '{' {
		if _, ok := s.Value(); !ok || !s.End() {
			return malformed(&s)
		}
		return fault.New(fault.WrongType, "The body must be a JSON object.", nil).WithFix("Send one JSON object, as the API's documentation shows it.")
	}
	bad := r.readObject(&s)
	if bad != nil && bad.Kind != fault.MalformedJSON {
		// Not being JSON goes before what is wrong inside of it.
		var whole jsonscan.Scanner
		whole.Reset(body)
		if _, ok := whole.Value(); !ok || !whole.End() {
			return malformed(&whole)
		}
	}
	if bad != nil {
		return bad
	}
	if !s.End() {
		return malformed(&s)
	}
	return r.missing()
}

func (r *Request) missing() *fault.Fault {
	for i, f := range r.shape.Fields {
		if f.Role == Model && r.shape.Default != "" && r.seen&(1<<i) == 0 {
			r.name = []byte(r.shape.Default)
			continue
		}
		if (f.Role == Model || f.Role == Prompt) && r.seen&(1<<i) == 0 {
			return fault.Newf(fault.MissingField, "The body has no %s.", f.Name).WithParam(f.Name)
		}
	}
	return nil
}

func (r *Request) readObject(s *jsonscan.Scanner) *fault.Fault {
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok {
			return malformed(s)
		}
		if !more {
			return nil
		}
		i, lookalike := r.shape.find(s.Name(key, escaped, &buf))
		if i < 0 {
			if !s.Skip() {
				return malformed(s)
			}
			continue
		}
		f := &r.shape.Fields[i]
		if lookalike {
			return fault.Newf(fault.BadRequest, "A field is spelled almost like %s; providers read that differently.", f.Name).WithParam(f.Name)
		}
		if r.seen&(1<<i) != 0 {
			return fault.Newf(fault.BadRequest, "%s is given twice; providers read that differently.", f.Name).WithParam(f.Name)
		}
		r.seen |= 1 << i
		if bad := r.readField(s, f); bad != nil {
			return bad
		}
	}
}

func (r *Request) readField(s *jsonscan.Scanner, f *Field) *fault.Fault {
	c := s.Peek()
	if f.Role == Options && c == '{' {
		return r.readOptions(s)
	}
	if f.Role == Model && c == '"' {
		return r.readModel(s)
	}
	p, ok := s.Value()
	if !ok {
		return malformed(s)
	}
	null := c == 'n'
	switch f.Role {
	case Model:
		return wrongType(f.Name, "a string")
	case Prompt:
		if c != '[' && (!f.Strings || c != '"') {
			return wrongType(f.Name, "an array")
		}
		r.prompt = p
	case Context:
		if r.context.End != 0 {
			return fault.Newf(fault.BadRequest, "%s is given under two names.", f.Name).WithParam(f.Name)
		}
		r.context = p
	case Stream:
		if c != 't' && c != 'f' && !null {
			return wrongType(f.Name, "true or false")
		}
		r.Stream = c == 't'
	case Options:
		if !null {
			return wrongType(f.Name, "an object")
		}
		r.options, r.optionsNull, r.hasOptions = p, true, true
	case Limit, Count:
		n, ok := integer(p.Of(s.Text()))
		if !ok && !null {
			return wrongType(f.Name, "a whole number")
		}
		if f.Role == Count {
			r.N = n
		} else {
			r.MaxTokens = max(r.MaxTokens, n)
		}
	}
	return nil
}

func (r *Request) readModel(s *jsonscan.Scanner) *fault.Fault {
	p, escaped, ok := s.Str()
	if !ok {
		return malformed(s)
	}
	r.model = p
	r.name = s.Text()[p.Start+1 : p.End-1]
	if escaped {
		r.name = jsonscan.Unescape(nil, r.name)
	}
	return nil
}

func (r *Request) readOptions(s *jsonscan.Scanner) *fault.Fault {
	start := s.Pos()
	s.Open('{')
	var buf [64]byte
	for first := true; ; first = false {
		key, escaped, more, ok := s.Member(first)
		if !ok {
			return malformed(s)
		}
		if !more {
			r.optionsEmpty, r.hasOptions = first, true
			r.options = jsonscan.Span{Start: start, End: s.Pos()}
			return nil
		}
		name := s.Name(key, escaped, &buf)
		c := s.Peek()
		p, ok := s.Value()
		if !ok {
			return malformed(s)
		}
		const want = "include_usage"
		if len(name) < len(want) || !bytes.EqualFold(name, []byte(want)) {
			continue
		}
		switch {
		case string(name) != want, r.include.End != 0:
			return fault.New(fault.BadRequest, "stream_options.include_usage is given twice or spelled differently.", nil).WithParam("stream_options.include_usage")
		case c != 't' && c != 'f' && c != 'n':
			return wrongType("stream_options.include_usage", "true or false")
		}
		r.include = p
		r.IncludeUsage = c == 't'
	}
}

// integer reads a whole number; ok is false for anything else.
func integer(b []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// Model is the name that the caller wrote, valid as long as the body is.
func (r *Request) Model() []byte { return r.name }

// Prompt is the raw prompt, Context what counts as prompt beside it; Context
// is nil when there is none.
func (r *Request) Prompt() []byte { return r.prompt.Of(r.body) }

// Context is raw too.
func (r *Request) Context() []byte { return r.context.Of(r.body) }
