package openai

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/money"
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
		for _, n := range []int64{tk.Input, tk.Output, tk.CacheRead, tk.AudioInput, tk.AudioOutput, tk.Reasoning, tk.CacheWrite, tk.CacheWriteHour, tk.ImageInput, tk.ImageOutput} {
			if n < 0 {
				t.Fatalf("%s: %v", body, &tk)
			}
		}
		if money.InputTokens(&tk) != a.Usage.counts.prompt || money.OutputTokens(&tk) < a.Usage.counts.completion {
			t.Fatalf("%s: %v", body, &tk)
		}
	})
}
