package dialect_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/dataplane/internal/dialect"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/proto/fault"
)

// endless are streams without an end: a head, and what then comes again and
// again, where %[1]d is a number that grows and %[2]s about two KB of text.
var endless = []struct {
	dialect    canon.Dialect
	name       string
	head, more []string
}{
	{canon.OpenAIChat, "text", nil, []string{`{"id":"c","choices":[{"index":0,"delta":{"content":"%[2]s"}}]}`}},
	{canon.OpenAIChat, "thoughts", nil, []string{`{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"%[2]s"}}]}`}},
	{canon.OpenAIChat, "arguments", []string{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}`},
		[]string{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%[2]s"}}]}}]}`}},
	{canon.OpenAIChat, "calls", nil, []string{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":%[1]d,"id":"call_%[1]d","type":"function","function":{"name":"f%[1]d","arguments":"%[2]s"}}]}}]}`}},
	{canon.OpenAIChat, "choices", nil, []string{`{"id":"c","choices":[{"index":%[1]d,"delta":{"content":"%[2]s"}}]}`}},
	{canon.OpenAIChat, "fields", nil, []string{`{"id":"c","f%[1]d":"%[2]s","choices":[{"index":0,"delta":{"content":"a","g%[1]d":"%[2]s"}}]}`}},
	{canon.Anthropic, "text", []string{messageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
		[]string{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%[2]s"}}`}},
	{canon.Anthropic, "signatures", []string{messageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}`},
		[]string{`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"%[2]s"}}`}},
	{canon.Anthropic, "citations", []string{messageStart, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
		[]string{`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"%[2]s","document_index":%[1]d,"start_char_index":0,"end_char_index":1}}}`}},
	{canon.Anthropic, "blocks", []string{messageStart}, []string{
		`{"type":"content_block_start","index":%[1]d,"content_block":{"type":"tool_use","id":"toolu_%[1]d","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":%[1]d,"delta":{"type":"input_json_delta","partial_json":"%[2]s"}}`,
		`{"type":"content_block_stop","index":%[1]d}`}},
	{canon.Anthropic, "open blocks", []string{messageStart}, []string{
		`{"type":"content_block_start","index":%[1]d,"content_block":{"type":"server_tool_use","id":"%[2]s","name":"f","input":{}}}`}},
	{canon.Gemini, "text", nil, []string{`{"candidates":[{"index":0,"content":{"parts":[{"text":"%[2]s"}]}}]}`}},
	{canon.Gemini, "calls", nil, []string{`{"candidates":[{"index":0,"content":{"parts":[{"functionCall":{"name":"f%[1]d","args":{"a":"%[2]s"}},"thoughtSignature":"%[2]s"}]}}]}`}},
	{canon.Gemini, "grounding", nil, []string{`{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://%[2]s/%[1]d","title":"t"}}]}}]}`}},
	{canon.Gemini, "choices", nil, []string{`{"candidates":[{"index":%[1]d,"content":{"parts":[{"text":"%[2]s"}]}}]}`}},
	{canon.Responses, "text", responseStart, []string{`{"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":"%[2]s"}`}},
	{canon.Responses, "items", responseStart[:1], []string{
		`{"type":"response.output_item.added","output_index":%[1]d,"item":{"type":"function_call","id":"fc_%[1]d","call_id":"call_%[1]d","name":"f","arguments":""}}`,
		`{"type":"response.function_call_arguments.delta","item_id":"fc_%[1]d","output_index":%[1]d,"delta":"%[2]s"}`,
		`{"type":"response.output_item.done","output_index":%[1]d,"item":{"type":"function_call","id":"fc_%[1]d","call_id":"call_%[1]d","name":"f","arguments":"%[2]s"}}`}},
	{canon.Responses, "open items", responseStart[:1], []string{
		`{"type":"response.output_item.added","output_index":%[1]d,"item":{"type":"reasoning","id":"rs_%[1]d","summary":[],"encrypted_content":"%[2]s"}}`}},
	{canon.Responses, "annotations", responseStart, []string{
		`{"type":"response.output_text.annotation.added","item_id":"m","output_index":0,"content_index":0,"annotation_index":%[1]d,"annotation":{"type":"url_citation","url":"https://%[2]s","title":"t","start_index":0,"end_index":1}}`}},
}

const messageStart = `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`

var responseStart = []string{
	`{"type":"response.created","response":{"id":"r","object":"response","status":"in_progress","model":"m","output":[]}}`,
	`{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[]}}`,
	`{"type":"response.content_part.added","item_id":"m","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`,
}

// Of an endless stream so much is sent, and so much may be held of it.
const (
	endlessBytes = 1536 << 10
	mostHeld     = 1 << 20
)

// TestEndlessStreamsAreBounded sends endless streams through each reader and
// writer, and measures what they hold. They may also end with a fault.
func TestEndlessStreamsAreBounded(t *testing.T) {
	largest, where := int64(0), ""
	for _, e := range endless {
		for _, to := range formats {
			held, err := holds(formatOf(e.dialect), to, e.head, e.more)
			if f := (*fault.Fault)(nil); err != nil && !errors.As(err, &f) {
				t.Errorf("%s of %s to %s: %v, want a fault", e.name, e.dialect, to.Name(), err)
			}
			if held > mostHeld {
				t.Errorf("%s of %s to %s holds %d KiB, ends with %v", e.name, e.dialect, to.Name(), held>>10, err)
			}
			if held > largest {
				largest, where = held, fmt.Sprintf("%s of %s to %s", e.name, e.dialect, to.Name())
			}
		}
	}
	t.Logf("%d streams in %d dialects: at most %d KiB are held, of %s", len(endless), len(formats), largest>>10, where)
}

func holds(from, to dialect.Format, head, more []string) (held int64, err error) {
	filler := strings.Repeat("x", 2000)
	var events [][]byte
	for _, m := range head {
		events = append(events, []byte(m))
	}
	before := heap()
	r, w := from.NewReader(), to.NewWriter(&canon.Request{Stream: true, IncludeUsage: true})
	var out []byte
	emit := func(ev *canon.Event) error {
		if ev.Kind == canon.FailEvent {
			return ev.Fault
		}
		out = w.Append(out[:0], ev)
		return nil
	}
	read := func(data []byte) error {
		var name []byte
		if rest, ok := strings.CutPrefix(string(data), `{"type":"`); ok {
			kind, _, _ := strings.Cut(rest, `"`)
			name = []byte(kind)
		}
		return r.Read(name, data, emit)
	}
	for _, ev := range events {
		if err := read(ev); err != nil {
			return 0, err
		}
	}
	for sent, i := 0, 0; sent < endlessBytes && err == nil; i++ {
		for _, m := range more {
			data := fmt.Appendf(nil, m, i, filler)
			sent += len(data)
			if err = read(data); err != nil {
				break
			}
		}
	}
	// What is written is not held, but for the room of the largest piece.
	out = nil
	held = heap() - before
	runtime.KeepAlive(r)
	runtime.KeepAlive(w)
	return held, err
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
