package bedrock_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/openai"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/responses"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// expectation is what stands behind the head of a snapshot.
func expectation(t testing.TB, path string) string {
	t.Helper()
	_, body, ok := strings.Cut(strings.TrimPrefix(string(recordings.Read(t, path)), "---"), "\n---\n")
	if !ok {
		t.Fatalf("%s has no head", path)
	}
	return body
}

func object(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// without takes out members that are null: they say as much as none.
func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if v[k] == nil {
				delete(v, k)
			} else {
				v[k] = without(v[k])
			}
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	}
	return v
}

func shown(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	e.Encode(v)
	return b.String()
}

// edit changes what is expected: the value at a path, or its end when the value
// is nil.
func edit(v map[string]any, path string, value any) {
	names := strings.Split(path, ".")
	for _, n := range names[:len(names)-1] {
		if v[n] == nil {
			v[n] = map[string]any{}
		}
		v = v[n].(map[string]any)
	}
	last := names[len(names)-1]
	if change, ok := value.(func(any) any); ok {
		value = change(v[last])
	}
	if value == nil {
		delete(v, last)
	} else {
		v[last] = value
	}
}

// better are the places where we write something else than expected, and why
// that says what the caller said, or says more of it.
var better = []struct {
	snaps  string // a suffix of the names
	path   string
	value  any
	reason string
}{
	{"completions/full", "outputConfig", nil, "the API refuses schemas of open objects: JSON of any shape is asked for in words"},
	{"completions/full", "system", func(old any) any { return append(old.([]any), map[string]any{"text": anthropic.JSONInstruction}) }, "the words"},
	{"completions/full", "toolConfig.tool_choice", nil, "the API's name is toolChoice; the other is refused"},
	{"completions/full", "toolConfig.toolChoice", map[string]any{"tool": map[string]any{"name": "my_function"}}, "the API's name"},
	{"completions/full", "additionalModelResponseFieldPaths", []any{"/stop_sequence", "/delta/stop_sequence"}, "callers learn which sequence was met"},
	{"completions/full", "toolConfig.tools", func(old any) any { return append(old.([]any), fibonacci()) }, "the functions of old callers are tools too"},
	{"completions/reasoning_replay", "inferenceConfig", nil, "the API's default is all that the model can say; 4096 tokens would cut answers that nobody bounded"},
	{"completions/reasoning_replay_unsigned", "inferenceConfig", nil, "the same"},
	{"completions/tool-call", "inferenceConfig", nil, "the same"},
	{"completions/parallel-tool-call", "inferenceConfig", nil, "the same"},
	{"completions/basic", "inferenceConfig", nil, "the same"},
	{"responses/input-list", "inferenceConfig", nil, "the same"},
	{"completions/tool-call", "toolConfig", noTool(), "named for what it is"},
	{"completions/parallel-tool-call", "toolConfig", noTool(), "the same"},
	{"messages/tool_history_without_tools", "toolConfig", noTool(), "the same"},
	{"responses/parallel-tool-call", "toolConfig", noTool(), "the same"},
}

func noTool() map[string]any {
	schema := map[string]any{"json": map[string]any{"type": "object", "properties": map[string]any{}}}
	return map[string]any{"tools": []any{map[string]any{"toolSpec": map[string]any{
		"name": "no_tool_available", "description": "Not available. Do not call it.", "inputSchema": schema}}}}
}

func fibonacci() any {
	var v any
	json.Unmarshal([]byte(`{"toolSpec":{"name":"calculate_fibonacci","description":"Calculate the nth Fibonacci number using an optimized algorithm","inputSchema":{"json":
		{"type":"object","properties":{"n":{"type":"integer","description":"The position in the Fibonacci sequence (0-indexed)","minimum":0,"maximum":100}},"required":["n"]}}}}`), &v)
	return v
}

// TestExpectedRequests: callers of three dialects, and what the API is to be
// asked.
func TestExpectedRequests(t *testing.T) {
	n := 0
	for _, from := range []struct {
		dir    string
		format dialect.Format
	}{
		{"completions", openai.Format{}}, {"messages", anthropic.Format{}}, {"responses", responses.Format{}},
	} {
		for _, snap := range recordings.Glob(t, "agentgateway/requests/"+from.dir+"/*.bedrock.snap") {
			n++
			name := strings.TrimSuffix(snap, ".bedrock.snap")
			var req canon.Request
			if f := from.format.ReadRequest(recordings.Read(t, name+".json"), &req); f != nil {
				t.Fatal(f)
			}
			var lost canon.Losses
			got, f := bedrock.Format{}.AppendRequest(nil, &req, &canon.Target{}, &lost)
			if f != nil {
				t.Fatal(f)
			}
			want := without(object(t, []byte(expectation(t, snap)))["request"]).(map[string]any)
			for _, b := range better {
				if strings.HasSuffix(name, b.snaps) {
					edit(want, b.path, b.value)
				}
			}
			if x, y := shown(want), shown(object(t, got)); x != y {
				t.Errorf("%s: want %s\ngot %s\nlost %v", filepath.Base(snap), x, y, lost)
			}
		}
	}
	t.Logf("%d expected requests, %d differences with a reason", n, len(better))
}
