package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// What is accepted is written as valid JSON that reads back as the same.
func FuzzTranslateRequest(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":"a"}],"reasoning_details":[{"type":"x"}],"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":[]}],"tools":[{"type":"function","function":{"name":"f"}}],"stream":true}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:a;base64,AA"}},{"type":"thinking","thinking":[{"text":"x"}]}],"x":{},"extra_content":{"google":{"thought_signature":"s"}},"annotations":[{"url":"u"}],"citations":[{}]}],"a\u0000":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req canon.Request
		if (Format{}).ReadRequest(body, &req) != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is taken", body)
		}
		once, _ := write(t, rich, &req, "m")
		var again canon.Request
		if bad := (Format{}).ReadRequest([]byte(once), &again); bad != nil {
			t.Fatalf("%q became %q: %v", body, once, bad)
		}
		twice, _ := write(t, rich, &again, "m")
		var third canon.Request
		if bad := (Format{}).ReadRequest([]byte(twice), &third); bad != nil {
			t.Fatalf("%q: %v", twice, bad)
		}
		if last, _ := write(t, rich, &third, "m"); last != twice {
			t.Fatalf("%q became\n%q, then\n%q", body, twice, last)
		}
		var lost canon.Losses
		if b, _ := (Format{}).AppendRequest(nil, &req, &canon.Target{Model: "gpt-5.6"}, &lost); !json.Valid(b) {
			t.Fatalf("%q became %q", body, b)
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"x"}],"tool_calls":[{"function":{"name":"f","arguments":"{"}}]},"finish_reason":"stop","logprobs":{"content":[]}}],"usage":{"prompt_tokens":1,"completion_tokens":2},"citations":["u"]}`))
	f.Add(Format{}.AppendAnswer(nil, foreign()))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, again canon.Answer
		if (Format{}).ReadAnswer(body, &a) != nil {
			return
		}
		b := Format{}.AppendAnswer(nil, &a)
		if !json.Valid(b) {
			t.Fatalf("%q became %q", body, b)
		}
		if bad := (Format{}).ReadAnswer(b, &again); bad != nil {
			t.Fatalf("%q became %q: %v", body, b, bad)
		}
		u := &a.Usage
		for _, n := range []int64{u.Input, u.CacheRead, u.CacheWrite, u.Output - u.Reasoning, u.AudioInput, u.AudioOutput} {
			if n < 0 {
				t.Fatalf("%q: %+v", body, u)
			}
		}
	})
}

// Chunks never break the reader, and what the writer makes of their events is
// a valid stream.
func FuzzTranslateStream(f *testing.F) {
	f.Add([]byte(`{"id":"a","choices":[{"delta":{"content":"x","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}` + "\n" + `{"choices":[{"delta":{"reasoning_content":"r","refusal":"n","audio":{"id":"x","data":"AA"}},"finish_reason":"stop","logprobs":{}}],"usage":{"prompt_tokens":1}}`))
	w := Format{}.NewWriter(&canon.Request{})
	var wire []byte
	events(foreign(), func(ev *canon.Event) error { wire = w.Append(wire, ev); return nil })
	f.Add([]byte(strings.ReplaceAll(string(wire), "data: ", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Format{}.NewReader()
		w := Format{}.NewWriter(&canon.Request{IncludeUsage: true})
		o := Completions{}.NewWriter(&canon.Request{IncludeUsage: true})
		var wire, other []byte
		emit := func(ev *canon.Event) error {
			wire = w.Append(wire, ev)
			other = o.Append(other, ev)
			return nil
		}
		for line := range bytes.Lines(data) {
			if r.Read(nil, bytes.TrimSpace(line), emit) != nil {
				break
			}
		}
		r.End(emit)
		dataOf(t, wire)
		dataOf(t, other)
	})
}

// big is a conversation of about 30 KB, with tools and their results.
func big() []byte {
	var b bytes.Buffer
	b.WriteString(`{"model":"fast","stream":true,"max_tokens":1000,"temperature":0.5,"tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],"messages":[{"role":"system","content":"You are helpful."}`)
	text := strings.Repeat("some words and\\nlines ", 30)
	for b.Len() < 29<<10 {
		b.WriteString(`,{"role":"user","content":"` + text + `"},{"role":"assistant","content":"` + text + `","tool_calls":[{"id":"call_1","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"a/b/c.go\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"` + text + `"}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkTranslateRequest(b *testing.B) {
	body := big()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var req canon.Request
		if bad := (Format{}).ReadRequest(body, &req); bad != nil {
			b.Fatal(bad)
		}
		var lost canon.Losses
		out, _ = (Format{}).AppendRequest(out[:0], &req, &canon.Target{Model: "gpt-5"}, &lost)
	}
}

func BenchmarkTranslateStream(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hello there"},"logprobs":null,"finish_reason":null}],"usage":null}`)
	last := []byte(`{"id":"chatcmpl-0123456789","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":98}}`)
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		r := Format{}.NewReader()
		w := Format{}.NewWriter(&canon.Request{IncludeUsage: true})
		out = out[:0]
		emit := func(ev *canon.Event) error { out = w.Append(out, ev); return nil }
		for range 98 {
			if err := r.Read(nil, chunk, emit); err != nil {
				b.Fatal(err)
			}
		}
		r.Read(nil, last, emit)
		r.Read(nil, doneMark, emit)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
