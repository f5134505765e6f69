package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
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
		bad := r.Read(body)
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
	if bad := again.Read(edited); bad != nil {
		t.Fatalf("%q became %q: %v", body, edited, bad)
	}
}

// However a stream is torn into reads, the caller gets the same bytes and the
// usage is the same; and nothing panics.
func FuzzStream(f *testing.F) {
	whole := "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n: ping\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\r\n\r\ndata: [DONE]\n\n"
	f.Add([]byte(whole), uint8(1))
	f.Add([]byte(whole), uint8(7))
	f.Add([]byte("data: {\"error\":{}}\n\n"), uint8(2))
	f.Add([]byte("data: {\ndata: \"choices\":[]}\n\n"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		once, onceStream, onceErr := feed(data, len(data)+1)
		parts, partsStream, partsErr := feed(data, int(size)+1)
		if !bytes.Equal(once, parts) || (onceErr == nil) != (partsErr == nil) {
			t.Fatalf("whole: %q %v\nin parts of %d: %q %v", once, onceErr, size, parts, partsErr)
		}
		if onceStream.Answer.Usage != partsStream.Answer.Usage || onceStream.Done != partsStream.Done || onceStream.Answer.TextBytes != partsStream.Answer.TextBytes {
			t.Fatalf("whole: %+v\nin parts: %+v", onceStream.Answer, partsStream.Answer)
		}
	})
}

func feed(data []byte, size int) (out []byte, st *Stream, err error) {
	st = new(Stream)
	st.Reset(true, nil)
	buf := make([]byte, size)
	for len(data) > 0 && err == nil {
		// The reader's buffer is used again for each read.
		n := copy(buf, data)
		data = data[n:]
		err = st.Feed(buf[:n], func(p []byte) error { out = append(out, p...); return nil })
		for i := range buf {
			buf[i] = '#'
		}
	}
	return append(out, st.Tail()...), st, err
}

// Tokens never come out negative, and never more than the provider reported.
func FuzzUsage(f *testing.F) {
	f.Add([]byte(`{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":20,"audio_tokens":3},"completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":7}}}`))
	f.Add([]byte(`{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":1e3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a Answer
		if a.ReadPlain(body) != nil || !a.Usage.Reported {
			return
		}
		var tk usagev1.Tokens
		a.Usage.Tokens(&tk)
		for _, n := range []int64{tk.Input, tk.Output, tk.CacheRead, tk.AudioInput, tk.AudioOutput, tk.Reasoning} {
			if n < 0 {
				t.Fatalf("%s: %v", body, &tk)
			}
		}
		if tk.Input+tk.CacheRead+tk.AudioInput != a.Usage.prompt || tk.Output+tk.AudioOutput < a.Usage.completion {
			t.Fatalf("%s: %v", body, &tk)
		}
	})
}
