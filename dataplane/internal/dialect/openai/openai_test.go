package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/fault"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

func TestTokenClassesDoNotOverlap(t *testing.T) {
	for usage, want := range map[string]*usagev1.Tokens{
		`{"prompt_tokens":100,"completion_tokens":50}`:                                                                    {Input: 100, Output: 50},
		`{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10}}`:     {Input: 30, CacheRead: 60, AudioInput: 10, Output: 50},
		`{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":null,"prompt_cache_hit_tokens":40}`:          {Input: 60, CacheRead: 40, Output: 50},
		`{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"cached_tokens":500}}`:                      {CacheRead: 100, Output: 50},
		`{"prompt_tokens":1,"completion_tokens":50,"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":5}}`: {Input: 1, Output: 45, AudioOutput: 5, Reasoning: 30},
		// Reasoning beside the completion, as the total tells.
		`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}`: {Input: 10, Output: 105, Reasoning: 100},
	} {
		var a Answer
		if err := a.ReadPlain([]byte(`{"choices":[],"usage":` + usage + `}`)); err != nil || !a.Usage.Reported {
			t.Errorf("%s: %v, reported %t", usage, err, a.Usage.Reported)
			continue
		}
		var got usagev1.Tokens
		a.Usage.Tokens(&got)
		if got.String() != want.String() {
			t.Errorf("%s: %v, want %v", usage, &got, want)
		}
	}
	for _, usage := range []string{`null`, `{}`, `7`, `{"prompt_tokens":-5}`, `{"prompt_tokens":"5"}`, `{"prompt_tokens":1.5,"completion_tokens":1}`} {
		var a Answer
		if err := a.ReadPlain([]byte(`{"choices":[],"usage":` + usage + `}`)); err != nil || a.Usage.Reported {
			t.Errorf("%s: %v, reported %t", usage, err, a.Usage.Reported)
		}
	}
}

func TestSecretsAreTakenOutOfMessages(t *testing.T) {
	const secret = "abcd1234efgh5678ijkl"
	for _, m := range []string{"bad key " + secret, "bad key sk-other-123", `bad key "abcd1234***ijkl"`, "bad key abcd1234…5678ijkl"} {
		body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": m}})
		f := ProviderFault(400, body, secret)
		if f.Detail == "" || strings.Contains(f.Detail, "abcd1234") || strings.Contains(f.Detail, "sk-") || strings.Contains(f.Detail, "ijkl") {
			t.Errorf("%q is shown as %q", m, f.Detail)
		}
	}
}

func TestFaultIsValidJSON(t *testing.T) {
	f := fault.New(fault.BadRequest, "a \"quote\", a \\, a\nline, \x00, \xff, é", nil).WithParam("a\"b")
	b := AppendFault(nil, f, "req_1")
	if !json.Valid(b) {
		t.Fatalf("%s", b)
	}
	if ev := AppendFaultEvent(nil, f, "req_1"); bytes.Count(ev, []byte("\n")) != 2 {
		t.Errorf("%q", ev)
	}
}

func TestAChunkAllocatesNothing(t *testing.T) {
	chunk := []byte("data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}],\"usage\":null}\n\n")
	var st Stream
	st.Reset(true, nil)
	out := func([]byte) error { return nil }
	if n := testing.AllocsPerRun(100, func() {
		if err := st.Feed(chunk, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a chunk of a stream: %v allocations", n)
	}
}

func BenchmarkStreamEvent(b *testing.B) {
	chunk := []byte("data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n")
	var st Stream
	st.Reset(true, nil)
	out := func([]byte) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if err := st.Feed(chunk, out); err != nil {
			b.Fatal(err)
		}
	}
}
