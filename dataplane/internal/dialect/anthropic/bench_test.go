package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// largeRequest is an agent's request of about 30 KB: tools, calls, results.
func largeRequest() []byte {
	var b strings.Builder
	b.WriteString(`{"model":"claude-sonnet-4-5","max_tokens":4096,"stream":true,"system":[{"type":"text","text":"` + strings.Repeat("You are careful. ", 60) + `","cache_control":{"type":"ephemeral"}}],"tools":[`)
	for i := range 10 {
		fmt.Fprintf(&b, `%s{"name":"tool_%d","description":"%s","input_schema":{"type":"object","properties":{"path":{"type":"string","description":"where"},"n":{"type":"integer"}},"required":["path"]}}`, sep(i), i, strings.Repeat("It does things. ", 20))
	}
	b.WriteString(`],"messages":[`)
	for i := range 20 {
		fmt.Fprintf(&b, `%s{"role":"user","content":"%s"},{"role":"assistant","content":[{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_%d","name":"tool_1","input":{"path":"/src/main.go","n":%d}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_%d","content":[{"type":"text","text":"%s"}]}]}`,
			sep(i), strings.Repeat("Please read the file\\n", 12), i, i, i, strings.Repeat("func main() { fmt.Println(\\\"hi\\\") }\\n", 18))
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func sep(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func BenchmarkReadRequest(b *testing.B) {
	body := largeRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var req canon.Request
	for b.Loop() {
		if f := (Format{}).ReadRequest(body, &req); f != nil {
			b.Fatal(f)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	body := largeRequest()
	var req canon.Request
	if f := (Format{}).ReadRequest(body, &req); f != nil {
		b.Fatal(f)
	}
	req.From = canon.OpenAIChat
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var lost canon.Losses
		out, _ = Format{}.AppendRequest(out[:0], &req, &canon.Target{Model: "claude-sonnet-4-5"}, &lost)
	}
}

// longStream has 100 events.
func longStream() []byte {
	var b strings.Builder
	put := func(name, data string) { fmt.Fprintf(&b, "event: %s\ndata: {\"type\":\"%s\"%s}\n\n", name, name, data) }
	put("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":15,"output_tokens":1}}`)
	put("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	for range 95 {
		put("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":" and some more"}`)
	}
	put("content_block_stop", `,"index":0`)
	put("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":95}`)
	put("message_stop", "")
	return []byte(b.String())
}

// BenchmarkStream reads and writes a stream of 100 events.
func BenchmarkStream(b *testing.B) {
	wire := longStream()
	b.ReportAllocs()
	w := written{}
	for b.Loop() {
		w.w, w.out = Format{}.NewWriter(nil), w.out[:0]
		if err := follow(wire, len(wire)+1, w.add); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadStream(b *testing.B) {
	wire := longStream()
	b.ReportAllocs()
	none := func(*canon.Event) error { return nil }
	for b.Loop() {
		if err := follow(wire, len(wire)+1, none); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	for name, body := range answers(b) {
		if name != "anthropic-code-execution-20250825.1.json" {
			continue
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		var out []byte
		for b.Loop() {
			var a canon.Answer
			if f := (Format{}).ReadAnswer(body, &a); f != nil {
				b.Fatal(f)
			}
			out = Format{}.AppendAnswer(out[:0], &a)
		}
	}
}
