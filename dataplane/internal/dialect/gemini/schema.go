package gemini

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// jsonSchema makes JSON Schema of Google's own form of schema, a piece of
// OpenAPI 3.0: types are written large, what may be null says so beside the
// type, and counts are strings. A schema that has none of this stays as it is.
func jsonSchema(raw []byte) canon.Raw {
	if !bytes.Contains(raw, []byte(`"nullable"`)) && !hasLargeType(raw) {
		return raw
	}
	c := converter{s: scanner(raw), out: make([]byte, 0, len(raw)+32)}
	if !c.schema(0) {
		return raw
	}
	return c.out
}

// hasLargeType looks for "type" followed by an upper-case letter, or for a
// count in quotes: a false find costs a conversion that changes nothing.
func hasLargeType(raw []byte) bool {
	for rest := raw; ; {
		i := bytes.Index(rest, []byte(`":`))
		if i < 0 {
			return false
		}
		rest = rest[i+2:]
		v := bytes.TrimLeft(rest, " \n\r\t")
		if len(v) > 1 && v[0] == '"' && (v[1] >= 'A' && v[1] <= 'Z' || v[1] >= '0' && v[1] <= '9') {
			return true
		}
	}
}

// converter copies a schema, value by value.
type converter struct {
	s   jsonscan.Scanner
	out []byte
}

// maxSchemaDepth bounds the nesting that is looked into; what lies deeper is
// copied.
const maxSchemaDepth = 64

func (c *converter) copy() bool {
	c.s.Peek()
	p, ok := c.s.Value()
	c.out = append(c.out, p.Of(c.s.Text())...)
	return ok
}

// each walks the object or array that starts here and copies its frame.
func (c *converter) each(open byte, member func(name []byte) bool) bool {
	if c.s.Peek() != open {
		return c.copy()
	}
	c.s.Open(open)
	c.out = append(c.out, open)
	for first := true; ; first = false {
		var name []byte
		var more, ok bool
		if open == '{' {
			var key jsonscan.Span
			key, _, more, ok = c.s.Member(first)
			name = key.Of(c.s.Text())
		} else {
			more, ok = c.s.Element(first)
		}
		if !ok {
			return false
		}
		if !more {
			c.out = append(c.out, open+2) // } is { + 2, ] is [ + 2
			return true
		}
		if !first {
			c.out = append(c.out, ',')
		}
		if open == '{' {
			c.out = append(append(c.out, name...), ':')
		}
		if !member(name) {
			return false
		}
	}
}

func (c *converter) schema(depth int) bool {
	if depth > maxSchemaDepth || c.s.Peek() != '{' {
		return c.copy()
	}
	nullable := isNullable(c.s.Text()[c.s.Pos():])
	return c.each('{', func(name []byte) bool {
		switch string(name) {
		case `"type"`:
			return c.typeName(nullable)
		case `"items"`, `"additionalProperties"`, `"not"`:
			return c.schema(depth + 1)
		case `"properties"`, `"$defs"`, `"defs"`, `"patternProperties"`:
			return c.each('{', func([]byte) bool { return c.schema(depth + 1) })
		case `"anyOf"`, `"oneOf"`, `"allOf"`, `"prefixItems"`:
			return c.each('[', func([]byte) bool { return c.schema(depth + 1) })
		case `"minItems"`, `"maxItems"`, `"minLength"`, `"maxLength"`, `"minProperties"`, `"maxProperties"`:
			return c.count()
		case `"enum"`:
			return c.enum(nullable)
		}
		return c.copy()
	})
}

// isNullable looks ahead: the type may stand before or after.
func isNullable(raw []byte) bool {
	s := scanner(raw)
	found := false
	s.Object(func(name []byte) bool {
		p, ok := s.Value()
		if ok && string(name) == "nullable" {
			found = string(p.Of(raw)) == "true"
		}
		return ok
	})
	return found
}

func (c *converter) typeName(nullable bool) bool {
	if c.s.Peek() != '"' {
		return c.copy()
	}
	p, _, ok := c.s.Str()
	if !ok {
		return false
	}
	name := p.Of(c.s.Text())
	if nullable {
		c.out = append(c.out, '[')
	}
	c.out = append(c.out, bytes.ToLower(name)...)
	if nullable {
		c.out = append(c.out, `,"null"]`...)
	}
	return true
}

// count writes a count that was a string as a number.
func (c *converter) count() bool {
	start := len(c.out)
	if !c.copy() {
		return false
	}
	v := c.out[start:]
	if len(v) > 2 && v[0] == '"' && isNumber(v[1:len(v)-1]) && v[1] >= '0' && v[1] <= '9' {
		n := copy(v, v[1:len(v)-1])
		c.out = c.out[:start+n]
	}
	return true
}

// enum lets through null where that is allowed.
func (c *converter) enum(nullable bool) bool {
	start := len(c.out)
	if !c.copy() {
		return false
	}
	v := c.out[start:]
	if nullable && len(v) > 2 && v[0] == '[' && v[len(v)-1] == ']' && !bytes.Contains(v, []byte("null")) {
		c.out = append(c.out[:len(c.out)-1], ",null]"...)
	}
	return true
}
