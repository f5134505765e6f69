package pricelist

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// tomlTree makes of files such as providers/NAME/models/ID.toml the object that
// the same list has in JSON: providers by name, with their models by id.
func (r *reader) tomlTree(files []File) (node, error) {
	providers := map[string]any{}
	for _, f := range files {
		parts := strings.Split(path.Clean(strings.ReplaceAll(f.Name, `\`, "/")), "/")
		i := slices.Index(parts, "models")
		if i < 1 || i == len(parts)-1 || !strings.HasSuffix(f.Name, ".toml") {
			continue // what a provider is, and what is no table
		}
		id := strings.TrimSuffix(strings.Join(parts[i+1:], "/"), ".toml")
		table, err := parseTOML(f.Text)
		if err != nil {
			return node{}, &BadList{Problems: []Problem{{f.Name, err.Error()}}}
		}
		p, _ := providers[parts[i-1]].(map[string]any)
		if p == nil {
			p = map[string]any{"models": map[string]any{}}
			providers[parts[i-1]] = p
		}
		p["models"].(map[string]any)[id] = table
	}
	return node{"", providers}, nil
}

// parseTOML reads the part of TOML that lists are written in: tables, arrays of
// tables, and values that are text in one line, numbers, booleans, arrays and
// inline tables. Numbers stay as they are written.
func parseTOML(text string) (map[string]any, error) {
	t := &tomlReader{rest: strings.TrimPrefix(text, "\ufeff")}
	root := map[string]any{}
	table := root
	for {
		t.blank(true)
		if t.rest == "" {
			return root, nil
		}
		var err error
		if strings.HasPrefix(t.rest, "[") {
			table, err = t.header(root)
		} else {
			err = t.pair(table, 0)
		}
		if err == nil {
			t.blank(false)
			if t.rest != "" && t.rest[0] != '\n' {
				err = errors.New("has more than one thing in a line")
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d %w", strings.Count(text[:len(text)-len(t.rest)], "\n")+1, err)
		}
	}
}

type tomlReader struct{ rest string }

// blank skips spaces and comments, and ends of lines too.
func (t *tomlReader) blank(lines bool) {
	for {
		t.rest = strings.TrimLeft(t.rest, " \t\r")
		switch {
		case strings.HasPrefix(t.rest, "#"):
			end := strings.IndexByte(t.rest, '\n')
			if end < 0 {
				end = len(t.rest)
			}
			t.rest = t.rest[end:]
		case lines && strings.HasPrefix(t.rest, "\n"):
			t.rest = t.rest[1:]
		default:
			return
		}
	}
}

func (t *tomlReader) eat(s string) bool {
	rest, ok := strings.CutPrefix(t.rest, s)
	if ok {
		t.rest = rest
	}
	return ok
}

// header is [a.b] or [[a.b]]; it gives the table that follows.
func (t *tomlReader) header(root map[string]any) (map[string]any, error) {
	end, list := "]", false
	t.eat("[")
	if t.eat("[") {
		end, list = "]]", true
	}
	keys, err := t.key()
	if err != nil {
		return nil, err
	}
	if !t.eat(end) {
		return nil, errors.New("has a header without an end")
	}
	last := len(keys) - 1
	table, err := descend(root, keys[:last])
	if err != nil {
		return nil, err
	}
	if !list {
		return descend(table, keys[last:])
	}
	tables, isList := table[keys[last]].([]any)
	if table[keys[last]] != nil && !isList {
		return nil, fmt.Errorf("makes a list of %q, which is something else", keys[last])
	}
	one := map[string]any{}
	table[keys[last]] = append(tables, one)
	return one, nil
}

// descend finds or makes a table below one; of a list of tables the last.
func descend(table map[string]any, keys []string) (map[string]any, error) {
	for _, k := range keys {
		switch v := table[k].(type) {
		case nil:
			next := map[string]any{}
			table[k] = next
			table = next
		case map[string]any:
			table = v
		case []any:
			last, ok := v[len(v)-1].(map[string]any)
			if !ok {
				return nil, fmt.Errorf("makes a table of %q, which is something else", k)
			}
			table = last
		default:
			return nil, fmt.Errorf("makes a table of %q, which is something else", k)
		}
	}
	return table, nil
}

// key is a dotted key.
func (t *tomlReader) key() ([]string, error) {
	var keys []string
	for {
		t.blank(false)
		var k string
		if t.rest != "" && (t.rest[0] == '"' || t.rest[0] == '\'') {
			s, err := t.text()
			if err != nil {
				return nil, err
			}
			k = s
		} else {
			n := strings.IndexFunc(t.rest, func(c rune) bool {
				return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
			})
			if n <= 0 {
				return nil, errors.New("has no key")
			}
			k, t.rest = t.rest[:n], t.rest[n:]
		}
		if keys = append(keys, k); len(keys) > maxDepth {
			return nil, errors.New("has a key that is too deep")
		}
		t.blank(false)
		if !t.eat(".") {
			return keys, nil
		}
	}
}

func (t *tomlReader) pair(table map[string]any, depth int) error {
	keys, err := t.key()
	if err != nil {
		return err
	}
	if !t.eat("=") {
		return errors.New("has a key without a value")
	}
	v, err := t.value(depth)
	if err != nil {
		return err
	}
	last := len(keys) - 1
	if table, err = descend(table, keys[:last]); err != nil {
		return err
	}
	if _, twice := table[keys[last]]; twice {
		return fmt.Errorf("has %q a second time", keys[last])
	}
	table[keys[last]] = v
	return nil
}

func (t *tomlReader) value(depth int) (any, error) {
	t.blank(false)
	if depth > maxDepth {
		return nil, errors.New("has a value that is too deep")
	}
	switch {
	case t.rest == "":
		return nil, errors.New("has no value")
	case t.rest[0] == '"' || t.rest[0] == '\'':
		return t.text()
	case t.eat("["):
		return t.list(depth)
	case t.eat("{"):
		return t.inline(depth)
	}
	n := strings.IndexAny(t.rest, " \t\r\n,]}#")
	if n < 0 {
		n = len(t.rest)
	}
	word := t.rest[:n]
	t.rest = t.rest[n:]
	switch word {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		return nil, errors.New("has no value")
	}
	number := strings.ReplaceAll(strings.TrimPrefix(word, "+"), "_", "")
	if strings.Trim(number, "0123456789.eE+-") != "" {
		return nil, fmt.Errorf("has a value %q, which is of no kind that lists use", word)
	}
	return json.Number(number), nil
}

func (t *tomlReader) list(depth int) (any, error) {
	out := []any{}
	for {
		t.blank(true)
		if t.eat("]") {
			return out, nil
		}
		v, err := t.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		t.blank(true)
		if !t.eat(",") && !strings.HasPrefix(t.rest, "]") {
			return nil, errors.New("has a list without an end")
		}
	}
}

func (t *tomlReader) inline(depth int) (any, error) {
	out := map[string]any{}
	for {
		t.blank(true)
		if t.eat("}") {
			return out, nil
		}
		if err := t.pair(out, depth+1); err != nil {
			return nil, err
		}
		t.blank(true)
		if !t.eat(",") && !strings.HasPrefix(t.rest, "}") {
			return nil, errors.New("has a table without an end")
		}
	}
}

// text is a string in one line, or in several between three quotes.
func (t *tomlReader) text() (string, error) {
	quote := t.rest[:1]
	if t.eat(quote + quote + quote) {
		end := strings.Index(t.rest, quote+quote+quote)
		if end < 0 {
			return "", errors.New("has text without an end")
		}
		s := t.rest[:end]
		t.rest = t.rest[end+3:]
		return s, nil
	}
	for i := 1; i < len(t.rest); i++ {
		switch {
		case t.rest[i] == '\n':
			return "", errors.New("has text without an end")
		case t.rest[i] == '\\' && quote == `"`:
			i++
		case t.rest[i] == quote[0]:
			raw := t.rest[:i+1]
			t.rest = t.rest[i+1:]
			if quote == "'" {
				return raw[1:i], nil
			}
			var s string
			if err := json.Unmarshal([]byte(raw), &s); err != nil {
				return "", errors.New("has text with an escape that lists do not use")
			}
			return s, nil
		}
	}
	return "", errors.New("has text without an end")
}
