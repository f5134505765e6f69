package dialogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// report says what the model was given, a line for each kind of thing:
//
//	heard: the user's last text
//	system: the system prompts, joined with " | "
//	turns: user assistant user
//	media: image/png 68, application/pdf 12
//	results: weather={"celsius":12}, clock=broken (failed)
//	thoughts: how many came back
//	cache: how many marks there are
func (c *Conversation) report() string {
	var roles, seen, results []string
	thoughts := 0
	for _, t := range c.turns {
		roles = append(roles, t.role)
		for _, p := range t.parts {
			switch p.kind {
			case media:
				seen = append(seen, fmt.Sprintf("%s %d", p.mime, p.size))
			case result:
				r := c.names[p.id] + "=" + p.text
				if p.failed {
					r += " (failed)"
				}
				results = append(results, r)
			case thought:
				thoughts++
			}
		}
	}
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("heard", c.Ask())
	line("system", strings.Join(c.system, " | "))
	line("turns", strings.Join(roles, " "))
	line("media", strings.Join(seen, ", "))
	line("results", strings.Join(results, ", "))
	if thoughts > 0 {
		line("thoughts", fmt.Sprint(thoughts))
	}
	if c.marks > 0 {
		line("cache", fmt.Sprint(c.marks))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Place is the text in arguments and JSON answers: one that a careless
// translation breaks.
const Place = `Zürich "HB" \ 1`

func (t tool) arguments() string {
	if t.custom {
		return "print(\"" + Place + "\")\n"
	}
	return encode(example(t.schema))
}

// example is a value that fits a JSON schema; types may be in capitals.
func example(schema map[string]any) any {
	if all, ok := schema["enum"].([]any); ok && len(all) > 0 {
		return all[0]
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if choices, ok := schema[name].([]any); ok && len(choices) > 0 {
			first, _ := choices[0].(map[string]any)
			return example(first)
		}
	}
	kind, _ := schema["type"].(string)
	if list, ok := schema["type"].([]any); ok && len(list) > 0 {
		kind, _ = list[0].(string)
	}
	switch strings.ToLower(kind) {
	case "string":
		return Place
	case "integer":
		return 12
	case "number":
		return 1.5
	case "boolean":
		return true
	case "array":
		items, _ := schema["items"].(map[string]any)
		return []any{example(items)}
	case "object", "":
		out := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, of := range properties {
			of, _ := of.(map[string]any)
			out[name] = example(of)
		}
		return out
	}
	return nil
}

// checkSchema walks all schemas inside one and asks whether each is in order.
func checkSchema(schema map[string]any, path string, ok func(schema map[string]any, path string) *refusal) *refusal {
	if r := ok(schema, path); r != nil {
		return r
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range sorted(properties) {
		if of, isObject := properties[name].(map[string]any); isObject {
			if r := checkSchema(of, path+".properties."+name, ok); r != nil {
				return r
			}
		}
	}
	if of, isObject := schema["items"].(map[string]any); isObject {
		return checkSchema(of, path+".items", ok)
	}
	return nil
}

func sorted(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// asObject reads a JSON object.
func asObject(raw json.RawMessage) (map[string]any, bool) {
	var m map[string]any
	return m, json.Unmarshal(raw, &m) == nil && m != nil
}
