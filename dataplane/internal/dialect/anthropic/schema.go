package anthropic

import (
	"bytes"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/jsonscan"
)

// closed is a schema of an answer as the API takes it: every object in it says
// that it has no other members. Other dialects do not demand that; a schema
// that says otherwise stays as it is, for the API to refuse.
func closed(schema canon.Raw) canon.Raw {
	if !bytes.Contains(schema, []byte(`"object"`)) {
		return schema
	}
	c := closer{out: make([]byte, 0, len(schema)+64)}
	c.s.Reset(schema)
	if !c.value(0, true) {
		return schema
	}
	return c.out
}

// closer copies a schema and closes its objects.
type closer struct {
	s   jsonscan.Scanner
	out []byte
}

// maxSchemaDepth bounds the nesting that is looked into; what lies deeper is
// copied.
const maxSchemaDepth = 64

const (
	isObjectType = 1 << iota
	saysMore
)

// value copies a value: a schema, a list of them, or, when schema is not set,
// an object whose members are schemas of any name.
func (c *closer) value(depth int, schema bool) bool {
	open := c.s.Peek()
	if open != '{' && open != '[' || depth > maxSchemaDepth {
		return c.copy()
	}
	c.s.Open(open)
	c.out = append(c.out, open)
	first, found := true, 0
	each := func(key []byte) bool {
		if !first {
			c.out = append(c.out, ',')
		}
		first = false
		if key != nil {
			c.out = append(append(c.out, key...), ':')
		}
		from := len(c.out)
		if key == nil || !schema {
			return c.value(depth+1, true)
		}
		kind := memberKind(key)
		if kind == isLiteral {
			return c.copy()
		}
		ok := c.value(depth+1, kind == isSchema)
		switch {
		case string(key) == `"type"` && bytes.Contains(c.out[from:], []byte(`"object"`)):
			found |= isObjectType
		case string(key) == `"additionalProperties"`:
			found |= saysMore
		}
		return ok
	}
	if !c.members(open, each) {
		return false
	}
	if schema && found == isObjectType {
		c.out = append(c.out, `,"additionalProperties":false`...)
	}
	c.out = append(c.out, open+2) // } is { + 2, ] is [ + 2
	return true
}

// members calls each for all members, with their keys in quotes, or elements.
func (c *closer) members(open byte, each func(key []byte) bool) bool {
	for first := true; ; first = false {
		var key []byte
		var more, ok bool
		if open == '{' {
			var p jsonscan.Span
			p, _, more, ok = c.s.Member(first)
			key = p.Of(c.s.Text())
		} else {
			more, ok = c.s.Element(first)
		}
		if !ok || !more {
			return ok
		}
		if !each(key) {
			return false
		}
	}
}

// What the members of a schema hold.
const (
	isSchema = iota // or a list of them
	isMapOfSchemas
	isLiteral
)

func memberKind(key []byte) int {
	switch string(key) {
	case `"properties"`, `"$defs"`, `"definitions"`:
		return isMapOfSchemas
	case `"enum"`, `"const"`, `"default"`, `"examples"`:
		return isLiteral
	}
	return isSchema
}

func (c *closer) copy() bool {
	c.s.Peek()
	p, ok := c.s.Value()
	c.out = append(c.out, p.Of(c.s.Text())...)
	return ok
}
