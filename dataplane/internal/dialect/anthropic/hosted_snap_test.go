package anthropic_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// better are the fields in which a request of ours differs from the expected
// one, and why it may.
var better = map[string]map[string]string{
	"messages/reasoning.vertex.snap": {
		"messages":      "cache_control.scope passes: a field that the caller's own dialect has is not taken away in silence",
		"output_format": "passes for the same reason; the API says itself what it does not know",
	},
	"count-tokens/basic.vertex.snap":       {"model": "the model of the route, which the expected one takes from its own set-up"},
	"count-tokens/with_system.vertex.snap": {"model": "the model of the route, which the expected one takes from its own set-up"},
}

// TestExpectedRequestsToVertex: what others send to Claude on Vertex AI for a
// caller of Messages, field by field, and we do too, or better.
func TestExpectedRequestsToVertex(t *testing.T) {
	const dir = "agentgateway/requests/"
	equal, differ := 0, 0
	for _, path := range recordings.Glob(t, dir+"messages/*.vertex.snap", dir+"count-tokens/*.vertex.snap") {
		_, name, _ := strings.Cut(path, dir)
		model := ""
		if strings.HasPrefix(name, "count-tokens/") {
			model = "claude-sonnet-4-5"
		}
		want, bodies := expectedRequest(t, path)
		for way, body := range bodies {
			var got map[string]any
			if err := json.Unmarshal(anthropic.AppendHosted(nil, body, "vertex-2023-10-16", model), &got); err != nil {
				t.Fatal(err)
			}
			same := true
			for field := range allOf(got, want) {
				if reflect.DeepEqual(got[field], want[field]) {
					continue
				}
				same = false
				if better[name][field] == "" {
					t.Errorf("%s, %s: %s is %v, want %v", name, way, field, got[field], want[field])
				}
			}
			if same {
				equal++
			} else {
				differ++
			}
		}
	}
	t.Logf("expected requests to Vertex AI, passed and written: %d equal, %d better with a reason", equal, differ)
}

func allOf(a, b map[string]any) map[string]bool {
	names := map[string]bool{}
	for n := range a {
		names[n] = true
	}
	for n := range b {
		names[n] = true
	}
	return names
}

// expectedRequest reads what is expected and what came in: as it passes, and as
// it is written out of canon.
func expectedRequest(t *testing.T, path string) (want map[string]any, bodies map[string][]byte) {
	t.Helper()
	in, snap := recordings.Read(t, strings.TrimSuffix(path, ".vertex.snap")+".json"), recordings.Read(t, path)
	var expected struct{ Request map[string]any }
	if err := json.Unmarshal(bytes.SplitN(snap, []byte("\n---\n"), 2)[1], &expected); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	bodies = map[string][]byte{"passed": in}
	if strings.Contains(path, "/count-tokens/") {
		return expected.Request, bodies
	}
	var req canon.Request
	if f := (anthropic.Format{}).ReadRequest(in, &req); f != nil {
		t.Fatalf("%s: %v", path, f)
	}
	var lost canon.Losses
	written, f := anthropic.Format{}.AppendRequest(nil, &req, &canon.Target{Model: "claude"}, &lost)
	if f != nil || len(lost) > 0 {
		t.Fatalf("%s: %v, lost %v", path, f, lost)
	}
	bodies["written"] = written
	return expected.Request, bodies
}
