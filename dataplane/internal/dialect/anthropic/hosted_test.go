package anthropic_test

import (
	"encoding/json"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
)

func TestHostedModelsAreNamedInThePath(t *testing.T) {
	for in, want := range map[string]string{
		`{"model":"m","max_tokens":1, "messages":[ ]}`:                     `{"anthropic_version":"v","max_tokens":1,"messages":[ ]}`,
		`{"max_tokens":1,"mod\u0065l":"m"}`:                                `{"anthropic_version":"v","max_tokens":1}`,
		` {"anthropic_version":"other","model":"m","x":{"model":"kept"}} `: `{"anthropic_version":"v","x":{"model":"kept"}}`,
		`{"model":"m"}`: `{"anthropic_version":"v"}`, `{}`: `{"anthropic_version":"v"}`, `{"model":`: `{"model":`, `[1]`: `[1]`,
	} {
		if got := string(anthropic.AppendHosted(nil, []byte(in), "v", "")); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func FuzzHosted(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"a\"b"}],"x":1e5}`))
	f.Add([]byte(`{"a\u0022b":[{}],"anthropic_version":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var before, after map[string]json.RawMessage
		if json.Unmarshal(body, &before) != nil || before == nil {
			return
		}
		got := anthropic.AppendHosted(nil, body, "v", "")
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%s became %s: %v", body, got, err)
		}
		delete(before, "model")
		delete(before, "anthropic_version")
		if string(got) == string(body) {
			return // nested too deep
		}
		if string(after["anthropic_version"]) != `"v"` || after["model"] != nil || len(after) != len(before)+1 {
			t.Fatalf("%s became %s", body, got)
		}
		for name, value := range before {
			if string(after[name]) != string(value) {
				t.Fatalf("%s of %s became %s", name, body, after[name])
			}
		}
	})
}
