package anthropic

import "testing"

func TestSchemasAreClosed(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"string"}`:                                `{"type":"string"}`,
		`{"type":"object"}`:                                `{"type":"object","additionalProperties":false}`,
		`{"type":"object","additionalProperties":true}`:    `{"type":"object","additionalProperties":true}`,
		`{ "type" : ["object","null"], "properties" : {}}`: `{"type":["object","null"],"properties":{},"additionalProperties":false}`,
		// A property may have any name, and need not be an object.
		`{"type":"object","additionalProperties":false,"properties":{"type":{"enum":["object"]},"a":{"type":"array","items":{"type":"object","properties":{"type":{"type":"object"}}}}}}`: `{"type":"object","additionalProperties":false,"properties":{"type":{"enum":["object"]},"a":{"type":"array","items":{"type":"object","properties":{"type":{"type":"object","additionalProperties":false}},"additionalProperties":false}}}}`,
		`{"anyOf":[{"type":"object"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"object"}}}`:                                                                                              `{"anyOf":[{"type":"object","additionalProperties":false},{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"object","additionalProperties":false}}}`,
		`{"type":"object","default":{"a":{"type":"object"}},"enum":[{"type":"object"}]}`:                                                                                                  `{"type":"object","default":{"a":{"type":"object"}},"enum":[{"type":"object"}],"additionalProperties":false}`,
		`{"type":"object"`: `{"type":"object"`,
	} {
		if got := string(closed([]byte(in))); got != want {
			t.Errorf("%s gives\n%s, want\n%s", in, got, want)
		}
	}
}
