package gemini

import (
	"errors"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// tree puts together the arguments of a call that come in pieces: each names
// the place of a value by a JSON path and brings the value, or, for a string,
// more of it.
type tree struct {
	root node
	size int
	// sum is the size of all trees of the stream.
	sum *int
	// watched says that nobody wants the arguments: what is too much of them is
	// left out.
	watched bool
}

func (t *tree) grow(n int) {
	t.size += n
	*t.sum += n
}

// node is a value: an object or an array with its members, or a leaf.
type node struct {
	kind byte // '{', '[', '"' for a string, 'v' for another leaf, 0 for none yet
	// name is the member's name, as its text.
	name string
	kids []*node
	// text is the inside of a string with its escapes, or the JSON of a leaf.
	text []byte
}

// Bounds of a call's arguments.
const (
	maxArgs      = 384 << 10
	maxWatched   = 64 << 10
	nodeSize     = 128
	maxPathDepth = 64
)

var errPath = errors.New("a piece of a call's arguments has no usable path")

var partialNames = []string{"jsonPath", "stringValue", "numberValue", "boolValue", "nullValue", "willContinue"}

// add takes a list of pieces.
func (t *tree) add(raw []byte) error {
	if t == nil {
		return garbage(errPath)
	}
	var r reader
	r.s.Reset(raw)
	for a := r.array(); r.element(&a); {
		var path, text canon.Text
		var leaf []byte
		for o := r.object(); r.next(&o, partialNames); {
			switch o.field {
			case 0:
				r.text(&path)
			case 1:
				r.text(&text)
			case 2, 3:
				leaf = r.value()
			case 4:
				r.skip()
				leaf = []byte("null")
			default:
				r.skip()
			}
		}
		if r.bad != nil {
			break
		}
		if err := t.put(path, text, leaf); err != nil {
			return err
		}
	}
	if r.bad != nil {
		return garbage(r.bad)
	}
	return nil
}

func (t *tree) put(path, text canon.Text, leaf []byte) error {
	if t.watched && *t.sum+len(path)+len(text)+len(leaf) > maxWatched {
		return nil
	}
	n, err := t.find(path.String())
	if err != nil {
		return err
	}
	switch {
	case n.kind == '{' || n.kind == '[':
		return garbage(errPath)
	case text != nil:
		if n.kind != '"' {
			n.kind, n.text = '"', nil
		}
		n.text = text.Append(n.text)
		t.grow(len(text))
	case leaf != nil:
		n.kind, n.text = 'v', append([]byte(nil), leaf...)
		t.grow(len(leaf))
	}
	if *t.sum > maxArgs {
		return fault.New(fault.UpstreamTooLarge, "", errors.New("the arguments of calls are larger than 384 KiB"))
	}
	return nil
}

// find walks a path such as $.a.b[0]['c'] and makes what is missing on it.
func (t *tree) find(path string) (*node, error) {
	if path == "" || path[0] != '$' {
		return nil, garbage(errPath)
	}
	n := &t.root
	rest := path[1:]
	for depth := 0; rest != ""; depth++ {
		if depth > maxPathDepth || *t.sum > maxArgs {
			return nil, garbage(errPath)
		}
		name, index, after, ok := pathStep(rest)
		if !ok {
			return nil, garbage(errPath)
		}
		rest = after
		if n = t.step(n, name, index); n == nil {
			return nil, garbage(errPath)
		}
	}
	if n == &t.root {
		return nil, garbage(errPath)
	}
	return n, nil
}

// pathStep takes the first step of a path: a name, or an index if that is not
// negative.
func pathStep(path string) (name string, index int, rest string, ok bool) {
	if path[0] == '.' {
		end := 1
		for end < len(path) && path[end] != '.' && path[end] != '[' {
			end++
		}
		return path[1:end], -1, path[end:], end > 1
	}
	if path[0] != '[' || len(path) < 3 {
		return "", 0, "", false
	}
	if q := path[1]; q == '\'' || q == '"' {
		var b []byte
		for i := 2; i+1 < len(path); i++ {
			switch {
			case path[i] == '\\':
				i++
				b = append(b, path[i])
			case path[i] == q:
				return string(b), -1, path[i+2:], path[i+1] == ']'
			default:
				b = append(b, path[i])
			}
		}
		return "", 0, "", false
	}
	i, n := 1, 0
	for i < len(path) && path[i] >= '0' && path[i] <= '9' && n < 1<<20 {
		n = n*10 + int(path[i]-'0')
		i++
	}
	if i == 1 || i >= len(path) || path[i] != ']' {
		return "", 0, "", false
	}
	return "", n, path[i+1:], true
}

// step goes to a member or element of n; nil when n is of another kind, or an
// index leaves a gap.
func (t *tree) step(n *node, name string, index int) *node {
	kind := byte('{')
	if index >= 0 {
		kind = '['
	}
	if n.kind == 0 {
		n.kind = kind
	}
	if n.kind != kind {
		return nil
	}
	if kind == '[' {
		if index > len(n.kids) {
			return nil
		}
		if index < len(n.kids) {
			return n.kids[index]
		}
	} else {
		// Pieces come in order: it is the last one, or near.
		for i := len(n.kids) - 1; i >= 0; i-- {
			if n.kids[i].name == name {
				return n.kids[i]
			}
		}
	}
	kid := &node{name: name}
	n.kids = append(n.kids, kid)
	t.grow(nodeSize + len(name))
	return kid
}

// json gives the arguments; nil when there were no pieces.
func (t *tree) json() []byte {
	if t.root.kind == 0 {
		return nil
	}
	return t.root.append(nil)
}

func (n *node) append(b []byte) []byte {
	switch n.kind {
	case '{', '[':
		b = append(b, n.kind)
		for i, k := range n.kids {
			if i > 0 {
				b = append(b, ',')
			}
			if n.kind == '{' {
				b = append(canon.AppendQuoted(b, k.name), ':')
			}
			b = k.append(b)
		}
		return append(b, n.kind+2)
	case '"':
		return append(append(append(b, '"'), n.text...), '"')
	case 'v':
		return append(b, n.text...)
	}
	return append(b, "null"...)
}
