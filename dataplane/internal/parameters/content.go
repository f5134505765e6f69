package parameters

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
	"github.com/tollgate/tollgate/proto/fault"
)

const geminiName = canon.Gemini

// raw is what stands at a place; nil when nothing does.
func (d *doc) raw(i int) []byte {
	if d.at[i].End == 0 {
		return nil
	}
	return d.at[i].Of(d.body)
}

// present says that the caller gave the parameter a value there.
func (d *doc) present(i int) bool {
	raw := d.raw(i)
	if raw == nil || string(raw) == "null" {
		return false
	}
	if d.places[i].kind == included {
		return d.asksLogProbs(raw)
	}
	return true
}

// idle says that what stands there asks for nothing.
func idle(raw []byte) bool {
	switch string(raw) {
	case "false", `""`:
		return true
	}
	if raw[0] != '[' && raw[0] != '{' {
		return false
	}
	inside := bytes.TrimSpace(raw[1 : len(raw)-1])
	return len(inside) == 0
}

func (d *doc) asksLogProbs(raw []byte) bool {
	asks := false
	d.words(raw, func(w string) bool { asks = asks || w == logProbsWord; return true })
	return asks
}

// words calls f for each string of an array, or for the one that raw is.
func (d *doc) words(raw []byte, f func(string) bool) bool {
	var s jsonscan.Scanner
	s.Reset(raw)
	word := func() bool {
		var one []byte
		if !s.Raw(&one) {
			return false
		}
		return one[0] != '"' || f(canon.Text(one).String())
	}
	if s.Peek() == '[' {
		return s.Array(func(int) bool { return word() })
	}
	return word()
}

// name is one that stands at a place.
type name struct {
	text string
	// field says that it is a field's name, which Gemini spells in two ways.
	field bool
	// typed says that it is a type of tools that the provider runs, which can
	// end in a version.
	typed bool
	// also says that the name counts only where names are forbidden: beside it
	// stands the one that says what the tool is.
	also bool
}

// names calls f for each name that stands at a place, until it is false. What
// cannot be read as the place demands is a fault.
func (d *doc) names(i int, f func(name) bool) *fault.Fault {
	p, raw := &d.places[i], d.raw(i)
	switch p.kind {
	case toolOption:
		if !idle(raw) {
			tool := p.name
			switch tool {
			case "web_search_options", "search_parameters", "enable_search":
				tool = "web_search"
			}
			f(name{text: tool, field: true})
		}
		return nil
	case toolList, serverList:
		r := toolReader{table: d.table, functions: p.kind == serverList, each: f}
		r.s.Reset(raw)
		if r.s.Peek() != '[' {
			return fault.Newf(fault.WrongType, "%s must be an array.", p.name).WithParam(p.name)
		}
		r.list(0)
		if r.bad {
			return fault.Newf(fault.WrongType, "%s holds something that is not a tool.", p.name).WithParam(p.name)
		}
		return nil
	}
	if raw[0] != '"' && raw[0] != '[' {
		return fault.Newf(fault.WrongType, "%s must be a string.", p.name).WithParam(p.name)
	}
	d.words(raw, func(w string) bool { return f(name{text: w}) })
	return nil
}

// toolReader finds the names of tools in a list, under every spelling that a
// lenient provider might read.
type toolReader struct {
	*table
	s jsonscan.Scanner
	// functions says that the list holds things with a name and no type that
	// matters.
	functions bool
	each      func(name) bool
	bad       bool
}

// maxToolDepth is how deep lists of tools may lie in each other.
const maxToolDepth = 8

func (r *toolReader) list(depth int) bool {
	return r.s.Array(func(int) bool {
		if r.s.Peek() != '{' || depth > maxToolDepth {
			r.bad = true
			return false
		}
		return r.tool(depth)
	})
}

// tool gives the names of one. A tool that the provider runs itself is named by
// its type, or with Gemini by its field.
func (r *toolReader) tool(depth int) bool {
	var own, others []name
	typ, nested := "", false
	ok := r.s.Object(func(key []byte) bool {
		switch c := r.s.Peek(); {
		case c == '"' && (like(key, "name") || r.functions && (like(key, "id") || like(key, "server_label"))):
			return r.text(func(s string) { own = append(own, name{text: s}) })
		case c == '"' && like(key, "type"):
			return r.text(func(s string) { typ = s })
		case c == '{' && (like(key, "function") || like(key, "custom")):
			return r.inner(&own)
		case c == '[' && like(key, "tools"):
			nested = true
			return r.list(depth + 1)
		case c == '[' && r.loose && like(key, "functionDeclarations"):
			nested = true
			return r.declarations()
		case r.loose:
			own = append(own, name{text: string(key), field: true})
		default:
			others = append(others, name{text: string(key), field: true})
		}
		return r.s.Skip()
	})
	if !ok {
		return false
	}
	hosted := !r.loose && !r.functions && typ != "" && typ != "function" && typ != "custom" && !(nested && typ == "namespace")
	switch {
	case hosted && tables[canon.Anthropic] == r.table:
		own = append(own, name{text: typ, typed: true, also: len(own) > 0})
	case hosted:
		// Where the type says what the tool is, its name does not count: a provider
		// may pass over it.
		for i := range own {
			own[i].also = true
		}
		own = append(own, name{text: typ, typed: true})
	case len(own) > 0 || nested:
	case typ == "" && len(others) > 0:
		// Front ends of other dialects take tools that are named by a field.
		own = others
	default:
		own = append(own, name{text: typ})
	}
	return r.all(own)
}

func (r *toolReader) all(own []name) bool {
	for _, n := range own {
		if !r.each(n) {
			return false
		}
	}
	return true
}

// inner reads the name in an object of the tool.
func (r *toolReader) inner(own *[]name) bool {
	return r.s.Object(func(key []byte) bool {
		if r.s.Peek() == '"' && like(key, "name") {
			return r.text(func(s string) { *own = append(*own, name{text: s}) })
		}
		return r.s.Skip()
	})
}

// declarations reads Gemini's lists of functions.
func (r *toolReader) declarations() bool {
	return r.s.Array(func(int) bool {
		if r.s.Peek() != '{' {
			r.bad = true
			return false
		}
		var own []name
		return r.inner(&own) && r.all(own)
	})
}

func (r *toolReader) text(f func(string)) bool {
	var raw []byte
	if !r.s.Raw(&raw) {
		return false
	}
	f(canon.Text(raw).String())
	return true
}

// like compares names as the most lenient parser does.
func like(key []byte, name string) bool {
	return bytes.EqualFold(bytes.ReplaceAll(key, []byte("_"), nil), []byte(strings.ReplaceAll(name, "_", "")))
}

// listed says whether a rule names it; widely, also what it is a version of, and
// a function of the provider's without the sign that marks it.
func listed(names []string, n name, widely bool) bool {
	return slices.ContainsFunc(names, func(s string) bool {
		return s == n.text || n.field && like([]byte(n.text), s) ||
			widely && (n.typed && versionOf(n.text, s) || n.also && strings.TrimPrefix(n.text, "$") == s)
	})
}

// versionOf says whether a type of tools is another version of one: providers
// end them in a date, in preview, or in both.
func versionOf(typ, of string) bool {
	rest, ok := strings.CutPrefix(typ, of+"_")
	return ok && (strings.HasPrefix(rest, "preview") || rest != "" && rest[0] >= '0' && rest[0] <= '9')
}
