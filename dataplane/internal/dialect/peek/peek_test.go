package peek

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
)

var seeds = []string{
	`{"model":"m","messages":[]}`,
	`{"model":"m","messages":[{"role":"user","content":"h\u00e9\n\"x\""}],"stream":true,"stream_options":{"include_usage":false}}`,
	` { "stream_options" : null , "stream" : true , "messages" : [ ] , "model" : "\u006d" } `,
	`{"model":"m","messages":[],"stream":true,"stream_options":{}}`,
	`{"model":"m","messages":[],"stream":true,"stream_options":{"x":1}}`,
	`{"model":"m","model":"n","messages":[]}`,
	`{"MODEL":"m","messages":[]}`, `{"\u017ftream":true,"model":"m","messages":[]}`,
	`[]`, `1e5`, `-0.5E+3`, `01`, `"\ud83d\ude00"`, `"\ud83d"`, `nul`, `{"a":tru}`, "\"\x01\"", `{"a":1,}`, `[1,]`, `{,}`, `{"a"}`, "", " ", `"\x"`, `{"a":[{"b":[[]]}]}`, "\"\xff\"",
	strings.Repeat("[", 300) + strings.Repeat("]", 300),
}

// What Read finds is what encoding/json finds, and what is forwarded differs
// in nothing but what was edited.
func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Request
		bad := r.Read(body, &Chat)
		var oracle map[string]json.RawMessage
		err := json.Unmarshal(body, &oracle)
		if bad != nil {
			if bad.Kind == fault.MalformedJSON && json.Valid(body) {
				t.Fatalf("%q is called malformed", body)
			}
			if bad.Kind != fault.MalformedJSON && !json.Valid(body) {
				t.Fatalf("%q is not JSON but called %s", body, bad.Kind.Code)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q accepted, but: %v", body, err)
		}
		var model string
		json.Unmarshal(oracle["model"], &model)
		if got := strings.ToValidUTF8(string(r.Model()), "\uFFFD"); got != strings.ToValidUTF8(model, "\uFFFD") && !strings.Contains(model, "\uFFFD") {
			t.Fatalf("model of %q is %q, encoding/json says %q", body, got, model)
		}
		if stream := string(oracle["stream"]) == "true"; stream != r.Stream {
			t.Fatalf("stream of %q is %t", body, r.Stream)
		}
		checkEdited(t, &r, body, oracle)
	})
}

func checkEdited(t *testing.T, r *Request, body []byte, before map[string]json.RawMessage) {
	edited := bytes.Join(r.Pieces(nil, []byte(`"provider/model"`)), nil)
	var after map[string]json.RawMessage
	if err := json.Unmarshal(edited, &after); err != nil {
		t.Fatalf("%q became %q: %v", body, edited, err)
	}
	if string(after["model"]) != `"provider/model"` {
		t.Fatalf("%q became %q: wrong model", body, edited)
	}
	var options struct {
		IncludeUsage *bool `json:"include_usage"`
	}
	json.Unmarshal(after["stream_options"], &options)
	if r.Stream && (options.IncludeUsage == nil || !*options.IncludeUsage) {
		t.Fatalf("%q became %q: usage is not asked for", body, edited)
	}
	for k, v := range before {
		if k != "model" && k != "stream_options" && !bytes.Equal(v, after[k]) {
			t.Fatalf("%q became %q: %s changed", body, edited, k)
		}
	}
	if !r.HideUsage() && !bytes.Equal(before["stream_options"], after["stream_options"]) {
		t.Fatalf("%q became %q: stream_options changed", body, edited)
	}
	var again Request
	if bad := again.Read(edited, &Chat); bad != nil {
		t.Fatalf("%q became %q: %v", body, edited, bad)
	}
}

// TestShapes reads the same fields from each dialect, and edits only what it
// must.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		shape                *Shape
		body, edited         string
		model                string
		stream               bool
		limit                int64
		prompt, context, bad string
	}{
		{shape: &Chat, body: `{"model":"a","messages":[1],"n":2}`, edited: `{"model":"b","messages":[1],"n":2}`, model: "a", prompt: "[1]"},
		{shape: &Responses, body: `{"model":"a","input":"x","instructions":"y","stream":true,"max_output_tokens":7}`,
			edited: `{"model":"b","input":"x","instructions":"y","stream":true,"max_output_tokens":7}`, model: "a", stream: true, limit: 7, prompt: `"x"`, context: `"y"`},
		{shape: &Messages, body: `{"max_tokens":9,"system":[2],"messages":[1],"model":"a"}`,
			edited: `{"max_tokens":9,"system":[2],"messages":[1],"model":"b"}`, model: "a", limit: 9, prompt: "[1]", context: "[2]"},
		{shape: &Gemini, body: `{"contents":[1],"systemInstruction":{"parts":[]},"model":"kept"}`,
			edited: `{"contents":[1],"systemInstruction":{"parts":[]},"model":"kept"}`, prompt: "[1]", context: `{"parts":[]}`},
		{shape: &Gemini, body: `{"contents":[1],"systemInstruction":{},"system_instruction":{}}`, bad: "bad_request"},
		{shape: &Gemini, body: `{"Contents":[1]}`, bad: "bad_request"},
		{shape: &Messages, body: `{"model":"a","messages":"x"}`, bad: "wrong_type"},
		{shape: &Messages, body: `{"messages":[]}`, bad: "missing_field"},
		{shape: &Responses, body: `{"model":"a"}`, bad: "missing_field"},
		{shape: &Responses, body: `{"model":"a","input":[],"input":[]}`, bad: "bad_request"},
	} {
		var r Request
		f := r.Read([]byte(c.body), c.shape)
		if c.bad != "" {
			if f == nil || f.Kind.Code != c.bad {
				t.Errorf("%s: %v, want %s", c.body, f, c.bad)
			}
			continue
		}
		if f != nil || string(r.Model()) != c.model || r.Stream != c.stream || r.MaxTokens != c.limit || string(r.Prompt()) != c.prompt || string(r.Context()) != c.context {
			t.Errorf("%s: %v %+v", c.body, f, r)
		}
		if got := bytes.Join(r.Pieces(nil, []byte(`"b"`)), nil); string(got) != c.edited {
			t.Errorf("%s became %s", c.body, got)
		}
	}
}

// What is wrong with a body is said in words that fit it.
func TestWhatIsWrongIsSaid(t *testing.T) {
	for body, want := range map[string]string{
		"": "The body is empty.", `{"model":`: "it ends after 9 bytes", `{"a" 1}`: "at byte 5", "[]": "must be a JSON object",
	} {
		var r Request
		f := r.Read([]byte(body), &Chat)
		if f == nil || !strings.Contains(f.Detail, want) || strings.Contains(f.Fix, "param") {
			t.Errorf("%q: %v", body, f)
		}
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	body := request(1 << 10)
	var r Request
	if n := testing.AllocsPerRun(100, func() {
		if f := r.Read(body, &Chat); f != nil {
			t.Fatal(f)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func request(size int) []byte {
	return []byte(`{"model":"fast","messages":[{"role":"user","content":"` + strings.Repeat("some words ", size/11) + `"}],"max_tokens":100,"stream":false}`)
}

func BenchmarkRead(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "30KB": 30 << 10} {
		b.Run(name, func(b *testing.B) {
			body := request(size)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var r Request
			for b.Loop() {
				if f := r.Read(body, &Chat); f != nil {
					b.Fatal(f)
				}
			}
		})
	}
}
