package canon

import (
	"bytes"
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// Where a provider knows functions only, a tool that takes free text is shown
// to it as a function with one argument, and its calls are turned back for the
// caller.

// customSchema is that of the function.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// CustomTools are the names of the tools that take free text.
func (r *Request) CustomTools() (names []Text) {
	for i := range r.Tools {
		if r.Tools[i].Custom {
			names = append(names, r.Tools[i].Name)
		}
	}
	return names
}

// FunctionsOnly is the request with functions in place of custom tools. The
// grammar of their text is lost.
func (r *Request) FunctionsOnly(lost *Losses) *Request {
	out := *r
	out.Tools = slices.Clone(r.Tools)
	for i := range out.Tools {
		if t := &out.Tools[i]; t.Custom {
			if t.Grammar != nil {
				lost.Add("tools." + t.Name.String() + ".format")
			}
			t.Custom, t.Grammar, t.Schema = false, nil, Raw(customSchema)
		}
	}
	out.Messages = slices.Clone(r.Messages)
	for i := range out.Messages {
		m := &out.Messages[i]
		if !slices.ContainsFunc(m.Parts, func(p Part) bool { return p.Custom }) {
			continue
		}
		m.Parts = slices.Clone(m.Parts)
		for k := range m.Parts {
			p := &m.Parts[k]
			if p.Custom && p.Kind == ToolCallPart {
				p.Args = slices.Concat(Raw(`{"input":`), textOr(p.Args), Raw(`}`))
			}
			p.Custom = false
		}
	}
	return &out
}

func textOr(args Raw) Raw {
	if len(args) < 2 || args[0] != '"' {
		return Raw(Quote(string(args)))
	}
	return args
}

// FreeText is the text that such a function was called with; all that was
// written when that is not in order.
func FreeText(args []byte) Text {
	var s jsonscan.Scanner
	s.Reset(args)
	var text []byte
	members := 0
	ok := s.Peek() == '{' && s.Object(func(name []byte) bool {
		members++
		if string(name) == "input" && s.Peek() == '"' {
			return s.Raw(&text)
		}
		return s.Skip()
	})
	if !ok || members != 1 || text == nil || !s.End() {
		return Quote(string(args))
	}
	return text
}

// CustomCalls turns the calls of these tools in a whole answer back.
func (a *Answer) CustomCalls(names []Text) {
	for i := range a.Choices {
		parts := a.Choices[i].Parts
		for k := range parts {
			if p := &parts[k]; p.Kind == ToolCallPart && !p.Custom && IsNamed(names, p.Name) {
				p.Custom, p.Args = true, Raw(FreeText(p.Args))
			}
		}
	}
}

// IsNamed reports whether a name is among names.
func IsNamed(names []Text, name Text) bool {
	return slices.ContainsFunc(names, func(n Text) bool { return bytes.Equal(n, name) })
}
