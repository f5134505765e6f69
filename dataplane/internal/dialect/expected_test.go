package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/peek"
	"github.com/tollgate/tollgate/dataplane/internal/recordings"
)

// expectations is where requests and answers lie with what is expected of
// their translation.
const expectations = "agentgateway"

// difference is one place where a translation of ours is not what was expected.
type difference struct{ at, theirs, ours string }

func (d difference) String() string {
	return fmt.Sprintf("%s\n    theirs %s\n    ours   %s", d.at, d.theirs, d.ours)
}

// reason says why a difference is as good or better. Its fields are patterns as
// those of path.Match, but that * also stands for slashes: nothing at all is
// "-".
type reason struct {
	snap, at, theirs, ours string
	why                    string
	// used counts the differences it explains: none would be a row too many.
	used int
}

// matches is path.Match with a * that takes anything.
func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	last := len(parts) - 1
	for _, p := range parts[1:last] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[last])
}

func (r *reason) explains(snap string, d difference) bool {
	return matches(r.snap, snap) && matches(r.at, d.at) && matches(r.theirs, d.theirs) && matches(r.ours, d.ours)
}

// verdicts counts what became of the expectations of one kind.
type verdicts struct {
	name          string
	equal, better int
	pairs         map[string][2]int
	reasons       []reason
}

// judge compares and counts; what no reason explains is an error.
func (v *verdicts) judge(t *testing.T, snap, pair string, diffs []difference) {
	t.Helper()
	n := v.pairs[pair]
	defer func() { v.pairs[pair] = n }()
	if len(diffs) == 0 {
		v.equal++
		n[0]++
		return
	}
	for _, d := range diffs {
		i := slices.IndexFunc(v.reasons, func(r reason) bool { return r.explains(snap, d) })
		if i < 0 {
			t.Errorf("%s: %s", snap, d)
			continue
		}
		v.reasons[i].used++
	}
	v.better++
	n[1]++
}

func (v *verdicts) done(t *testing.T) {
	t.Helper()
	for _, r := range v.reasons {
		if r.used == 0 {
			t.Errorf("no difference has this reason: %s %s %s %s", r.snap, r.at, r.theirs, r.ours)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d expected, %d equal, %d better or as good with a reason\n", v.name, v.equal+v.better, v.equal, v.better)
	for _, k := range slices.Sorted(maps.Keys(v.pairs)) {
		fmt.Fprintf(&b, "%-40s %3d equal %3d with a reason\n", k, v.pairs[k][0], v.pairs[k][1])
	}
	t.Log(b.String())
}

// compare lists where two JSON values differ.
func compare(theirs, ours any) []difference {
	var diffs []difference
	diff("", theirs, ours, &diffs)
	return diffs
}

// nothing stands for what is not there.
type nothing struct{}

func diff(at string, theirs, ours any, out *[]difference) {
	switch a := theirs.(type) {
	case map[string]any:
		b, ok := ours.(map[string]any)
		if !ok {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(union(a, b))) {
			diff(strings.TrimPrefix(at+"."+k, "."), member(a, k), member(b, k), out)
		}
		return
	case []any:
		b, ok := ours.([]any)
		if !ok {
			break
		}
		for i := range max(len(a), len(b)) {
			diff(at+"["+strconv.Itoa(i)+"]", element(a, i), element(b, i), out)
		}
		return
	}
	if !reflect.DeepEqual(theirs, ours) {
		*out = append(*out, difference{at, shown(theirs), shown(ours)})
	}
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func member(m map[string]any, k string) any {
	if v, ok := m[k]; ok {
		return v
	}
	return nothing{}
}

func element(s []any, i int) any {
	if i < len(s) {
		return s[i]
	}
	return nothing{}
}

func shown(v any) string {
	if (v == nothing{}) {
		return "-"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v)
	return strings.TrimSpace(b.String())
}

// alike gives what dialects let one write in two ways in one form: a text alone
// and a list of one text are the same.
func alike(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, m := range x {
			x[k] = alike(m)
			if s, ok := m.(string); ok && (k == "content" || k == "system") {
				x[k] = []any{map[string]any{"type": "text", "text": s}}
			}
		}
	case []any:
		for i := range x {
			x[i] = alike(x[i])
		}
	}
	return v
}

// snap is a file of expectations.
type snap struct {
	// name is the path without its ending, source the path of what is
	// translated, target what the name says it is translated to.
	name, source, target string
	body                 []byte
}

// snaps finds the expectations below the given folders.
func snaps(t *testing.T, folders ...string) []snap {
	t.Helper()
	var all []snap
	for _, folder := range folders {
		for _, f := range recordings.Glob(t, path.Join(expectations, folder, "*.snap")) {
			_, rest, _ := strings.Cut(string(recordings.Read(t, f)), "---\n")
			_, body, ok := strings.Cut(rest, "\n---\n")
			if !ok {
				t.Fatalf("%s has no body", f)
			}
			stem, target, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".snap"), ".")
			all = append(all, snap{
				name: path.Join(path.Base(folder), stem) + " " + target, source: filepath.Join(filepath.Dir(f), stem),
				target: target, body: []byte(body),
			})
		}
	}
	return all
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// targets are the dialects that the names of expectations stand for.
var targets = map[string]canon.Dialect{
	"completions": canon.OpenAIChat, "anthropic": canon.Anthropic, "vertex": canon.Anthropic, "responses": canon.Responses,
	"vertex-gemini": canon.Gemini, "gemini-native": canon.Gemini,
	// Gemini's endpoint that is compatible with OpenAI.
	"gemini": canon.OpenAIChat,
}

// unadorned takes away the prompts that a policy of the other gateway puts
// around each conversation, which is none of a translation's business.
func unadorned(v any) any {
	list, ok := v.([]any)
	if !ok {
		if m, ok := v.(map[string]any); ok {
			for k := range m {
				m[k] = unadorned(m[k])
			}
		}
		return v
	}
	kept := []any{}
	for _, e := range list {
		if s := shown(e); !strings.Contains(s, `"prepend `) && !strings.Contains(s, `"append `) {
			kept = append(kept, unadorned(e))
		} else if m, ok := e.(map[string]any); ok && m["parts"] != nil && m["role"] == nil {
			kept = append(kept, unadorned(e))
		}
	}
	return kept
}

// hostedVersion is the version of Anthropic's API that Vertex names.
const hostedVersion = "vertex-2023-10-16"

// spoken tells the dialect of a request.
func spoken(body map[string]any, folder string) canon.Dialect {
	switch {
	case body["contents"] != nil:
		return canon.Gemini
	case body["input"] != nil:
		return canon.Responses
	case strings.HasPrefix(folder, "messages/"), strings.HasPrefix(folder, "count-tokens/"), strings.Contains(folder, "/anthropic"):
		return canon.Anthropic
	}
	return canon.OpenAIChat
}

// TestRequestsAreAsExpected translates each request that another gateway was
// asked to translate, and compares with what was expected of it.
func TestRequestsAreAsExpected(t *testing.T) {
	v := verdicts{name: "requests", pairs: map[string][2]int{}, reasons: requestReasons}
	for _, s := range snaps(t, "requests/completions", "requests/messages", "requests/responses", "requests/gemini", "requests/policies", "requests/count-tokens") {
		body, err := os.ReadFile(s.source + ".json")
		if err != nil {
			t.Fatal(err)
		}
		asked := decode(t, body).(map[string]any)
		from := spoken(asked, s.name)
		if strings.HasPrefix(s.target, "get-messages") {
			v.judge(t, s.name, string(from)+" as prompts", compare(decode(t, s.body), promptsOf(t, from, body)))
			continue
		}
		expected := decode(t, s.body).(map[string]any)["request"].(map[string]any)
		if s.target == "bedrock" {
			continue // its package compares them
		}
		to, known := targets[s.target]
		if s.target == "openai" {
			to, known = from, true
		}
		if !known {
			t.Fatalf("%s: no such target", s.name)
		}
		model, _ := expected["model"].(string)
		if model == "" {
			model, _ = asked["model"].(string)
		}
		got, err := sentTo(from, to, body, model)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if s.target == "vertex" {
			counted := ""
			if strings.HasPrefix(s.name, "count-tokens/") {
				counted = model
			}
			got = anthropic.AppendHosted(nil, got, hostedVersion, counted)
		}
		v.judge(t, s.name, string(from)+" to "+s.target, compare(alike(unadorned(expected)), alike(decode(t, got))))
	}
	v.done(t)
}

// sentTo is a request as a provider of dialect to gets it.
func sentTo(from, to canon.Dialect, body []byte, model string) ([]byte, error) {
	if from == to {
		shapes := map[canon.Dialect]*peek.Shape{
			canon.OpenAIChat: &peek.Chat, canon.Anthropic: &peek.Messages, canon.Gemini: &peek.Gemini, canon.Responses: &peek.Responses,
		}
		var r peek.Request
		if f := r.Read(body, shapes[from]); f != nil {
			return nil, f
		}
		return bytes.Join(r.Pieces(nil, canon.Quote(model)), nil), nil
	}
	var req canon.Request
	if f := formatOf(from).ReadRequest(body, &req); f != nil {
		return nil, f
	}
	if f := req.Unsupported(to); f != nil {
		return nil, f
	}
	req.NameCalls()
	var lost canon.Losses
	r := &req
	if req.CustomTools() != nil && to != canon.OpenAIChat && to != canon.Responses {
		r = req.FunctionsOnly(&lost)
	}
	out, f := formatOf(to).AppendRequest(nil, r, &canon.Target{Model: model}, &lost)
	if f != nil {
		return nil, f
	}
	return out, nil
}

// promptsOf is what a request says, in roles and texts.
func promptsOf(t *testing.T, from canon.Dialect, body []byte) any {
	t.Helper()
	var req canon.Request
	if f := formatOf(from).ReadRequest(body, &req); f != nil {
		t.Fatal(f)
	}
	roles := map[canon.Role]string{canon.User: "user", canon.Assistant: "assistant", canon.System: "system", canon.ToolRole: "tool"}
	prompts := []any{}
	for i := range req.Messages {
		m := &req.Messages[i]
		var texts []string
		for k := range m.Parts {
			if p := &m.Parts[k]; p.Kind == canon.TextPart || p.Kind == canon.RefusalPart {
				texts = append(texts, p.Text.String())
			}
		}
		prompts = append(prompts, map[string]any{"role": roles[m.Role], "content": strings.Join(texts, "\n")})
	}
	return prompts
}
