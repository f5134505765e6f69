package responses_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// session is a request of about 30 KB, as an agent sends it.
func session() []byte {
	var b strings.Builder
	b.WriteString(`{"model":"gpt-5","stream":true,"instructions":"` + strings.Repeat("You are a careful agent. ", 80) + `","tools":[`)
	for i := range 10 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"function","name":"tool_%d","description":"%s","parameters":{"type":"object","properties":{"path":{"type":"string"},"n":{"type":"integer"}},"required":["path"]},"strict":false}`, i, strings.Repeat("what it does ", 10))
	}
	b.WriteString(`],"input":[{"role":"user","content":[{"type":"input_text","text":"fix the bug"}]}`)
	for i := range 24 {
		fmt.Fprintf(&b, `,{"type":"reasoning","summary":[],"encrypted_content":"gAAAA%s"}`, strings.Repeat("x", 200))
		fmt.Fprintf(&b, `,{"type":"function_call","call_id":"call_%d","name":"tool_1","arguments":"{\"path\":\"/src/main.go\",\"n\":%d}"}`, i, i)
		fmt.Fprintf(&b, `,{"type":"function_call_output","call_id":"call_%d","output":"%s"}`, i, strings.Repeat(`line of a file\n`, 40))
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkRequest(b *testing.B) {
	body := session()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var req canon.Request
		if f := format.ReadRequest(body, &req); f != nil {
			b.Fatal(f)
		}
		var lost canon.Losses
		out, _ = format.AppendRequest(out[:0], &req, &canon.Target{Model: "m"}, &lost)
	}
}

// stream is one of about 100 events.
func stream() [][]byte {
	all := [][]byte{[]byte(`{"type":"response.created","response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"gpt-5","output":[]},"sequence_number":0}`),
		[]byte(`{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}`)}
	text := ""
	for i := range 100 {
		piece := fmt.Sprintf(" word%d", i)
		text += piece
		all = append(all, fmt.Appendf(nil, `{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"%s","logprobs":[],"obfuscation":"abcdefgh"}`, i+4, piece))
	}
	item := `{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"` + text + `"}],"role":"assistant"}`
	return append(all,
		[]byte(`{"type":"response.output_item.done","output_index":0,"item":`+item+`}`),
		[]byte(`{"type":"response.completed","response":{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"gpt-5","output":[`+item+`],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":0},"output_tokens":100,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":105}}}`))
}

func BenchmarkStream(b *testing.B) {
	all := stream()
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		r, w := format.NewReader(), format.NewWriter(nil)
		emit := func(ev *canon.Event) error { out = w.Append(out, ev); return nil }
		for _, p := range all {
			out = out[:0]
			if err := r.Read(nil, p, emit); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/event")
}
