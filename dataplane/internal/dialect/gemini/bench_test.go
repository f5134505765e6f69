package gemini

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
)

// agentRequest is a request of about 30 KB, as agents send them.
func agentRequest() []byte {
	var b strings.Builder
	b.WriteString(`{"systemInstruction":{"parts":[{"text":"` + strings.Repeat("You are a careful agent.\\n", 160) + `"}]},"contents":[`)
	for i := range 12 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"role":"user","parts":[{"text":"%s"}]},`, strings.Repeat("Look into the matter. ", 20))
		fmt.Fprintf(&b, `{"role":"model","parts":[{"text":"I will.","thoughtSignature":"%s"},{"functionCall":{"id":"c%d","name":"read_file","args":{"path":"/src/%d.go","lines":[1,200]}}}]},`, strings.Repeat("QUJD", 40), i, i)
		fmt.Fprintf(&b, `{"role":"user","parts":[{"functionResponse":{"id":"c%d","name":"read_file","response":{"output":"%s"}}}]}`, i, strings.Repeat("func main() {\\n\\treturn\\n}\\n", 30))
	}
	b.WriteString(`],"tools":[{"functionDeclarations":[`)
	for i := range 10 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"tool_%d","description":"%s","parametersJsonSchema":%s}`, i, strings.Repeat("Does a thing. ", 12), weatherSchema)
	}
	b.WriteString(`]}],"generationConfig":{"temperature":0.2,"maxOutputTokens":4096,"thinkingConfig":{"includeThoughts":true}}}`)
	return []byte(b.String())
}

func BenchmarkRequest(b *testing.B) {
	body := agentRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var req canon.Request
	var out []byte
	for b.Loop() {
		if f := (Format{}).ReadRequest(body, &req); f != nil {
			b.Fatal(f)
		}
		var lost canon.Losses
		req.From = canon.OpenAIChat
		var f error
		if out, f = appendRequest(out[:0], &req, &lost); f != nil {
			b.Fatal(f)
		}
	}
}

func appendRequest(b []byte, req *canon.Request, lost *canon.Losses) ([]byte, error) {
	out, f := Format{}.AppendRequest(b, req, &canon.Target{Model: "gemini-2.5-pro"}, lost)
	return out, asError(f)
}

func BenchmarkReadRequest(b *testing.B) {
	body := agentRequest()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var req canon.Request
	for b.Loop() {
		if f := (Format{}).ReadRequest(body, &req); f != nil {
			b.Fatal(f)
		}
	}
}

// hundred are the events of a stream of a hundred pieces of text.
func hundred() (events [][]byte) {
	for i := range 99 {
		events = append(events, fmt.Appendf(nil, `{"candidates":[{"content":{"parts":[{"text":"piece %d of a text"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]},"modelVersion":"gemini-2.5-pro","responseId":"r1"}`, i))
	}
	return append(events, []byte(`{"candidates":[{"content":{"parts":[{"text":"end"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":100,"totalTokenCount":110},"modelVersion":"gemini-2.5-pro","responseId":"r1"}`))
}

func BenchmarkStream100(b *testing.B) {
	events := hundred()
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		r, w := Format{}.NewReader(), Format{}.NewWriter(nil)
		out = out[:0]
		put := func(ev *canon.Event) error { out = w.Append(out, ev); return nil }
		for _, ev := range events {
			if err := r.Read(nil, ev, put); err != nil {
				b.Fatal(err)
			}
		}
		if err := r.End(put); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead100(b *testing.B) {
	events := hundred()
	b.ReportAllocs()
	for b.Loop() {
		r := Format{}.NewReader()
		put := func(ev *canon.Event) error { return nil }
		for _, ev := range events {
			if err := r.Read(nil, ev, put); err != nil {
				b.Fatal(err)
			}
		}
	}
}
