package fakeprovider

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// answer is a response built once and sent many times: each part is one write.
type answer struct {
	status int
	parts  [][]byte
	// content counts, for each part, the content events sent with it and all
	// before it.
	content []int
	// input and output are the tokens that a whole answer stands for.
	input, output int
	// closes says that the connection cannot be used afterwards.
	closes bool
}

// ask is what an answer depends on.
type ask struct {
	model  string
	stream bool
	usage  bool // a stream's caller asked for usage
	b      Behaviour
}

func (a ask) build() *answer {
	switch {
	case a.b.Mode == Redirect:
		return raw(302, "HTTP/1.1 302 Found\r\nLocation: http://10.255.255.1/latest/meta-data\r\nContent-Length: 0\r\n\r\n")
	case a.b.Mode == Bomb:
		return a.bomb()
	case a.b.Mode == Flood:
		return raw(200, "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Flood: "+strings.Repeat("f", 1000)+"\r\n", 1000)+"Content-Length: 2\r\n\r\n{}")
	case a.b.Mode == Endless:
		return a.endless()
	case a.b.Status != 0 && a.b.Status != 200:
		return a.failure()
	case a.b.Mode == Garbage:
		return a.garbage()
	case a.stream:
		return a.streamed()
	}
	return a.plain()
}

func raw(status int, s string) *answer {
	return &answer{status: status, parts: [][]byte{[]byte(s)}, content: []int{0}}
}

func whole(status int, contentType string, extra string, body []byte) *answer {
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n",
		status, reason(status), contentType, extra, len(body))
	return &answer{status: status, parts: [][]byte{append([]byte(head), body...)}, content: []int{0}}
}

func reason(status int) string {
	if status == 200 {
		return "OK"
	}
	return "Fake"
}

func (a ask) failure() *answer {
	body := fmt.Sprintf(`{"error":{"message":"fake failure %d","type":"fake_error","param":null,"code":"fake_%d"}}`, a.b.Status, a.b.Status)
	extra := ""
	if a.b.Status == 429 || a.b.Status == 503 {
		extra = "Retry-After: 1\r\n"
	}
	return whole(a.b.Status, "application/json", extra, []byte(body))
}

func (a ask) garbage() *answer {
	if a.stream {
		return whole(200, "text/event-stream", "", []byte("data: {\"choices\":[{\n\ndata: \x00\xff<html>\n\n"))
	}
	return whole(200, "application/json", "", []byte("<html><body>It works!</body></html>\x00\xff{"))
}

// endless is the start of an answer that the connection then goes on with.
func (a ask) endless() *answer {
	kind, start := "application/json", `{"padding":"`
	if a.stream {
		kind, start = "text/event-stream", "data: "
	}
	return raw(200, "HTTP/1.1 200 OK\r\nContent-Type: "+kind+"\r\nConnection: close\r\n\r\n"+start)
}

func (a ask) bomb() *answer {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 64 {
		z.Write(zeros)
	}
	z.Close()
	return whole(200, "application/json", "Content-Encoding: gzip\r\n", b.Bytes())
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func (a ask) usageField() string {
	u := usage{PromptTokens: a.b.Input, CompletionTokens: a.b.output(a.stream)}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	u.PromptDetails.Cached = a.b.Cached
	u.CompletionDetails.Reasoning = a.b.Reasoning
	out, _ := json.Marshal(u)
	return `"usage":` + string(out)
}

const created = `"created":1767225600`

func (a ask) plain() *answer {
	message := `"content":"` + text(0, a.b.Size) + `"`
	finish := "stop"
	if a.b.Tool != "" {
		message = `"content":null,"tool_calls":[` + a.toolCall(`{\"city\":\"Bern\"}`) + `]`
		finish = "tool_calls"
	}
	body := `{"id":"chatcmpl-fake","object":"chat.completion",` + created + `,"model":` + quote(a.model) +
		`,"choices":[{"index":0,"message":{"role":"assistant",` + message + `},"logprobs":null,"finish_reason":"` + finish + `"}]`
	if !a.b.NoUsage {
		body += "," + a.usageField()
	}
	body += `,"system_fingerprint":"fp_fake"}`
	out := whole(200, "application/json", "", []byte(body))
	out.content[0] = a.b.output(false)
	out.input, out.output = a.b.Input, a.b.output(false)
	return a.breakPlain(out, len(body))
}

// breakPlain applies the failure modes to a plain answer.
func (a ask) breakPlain(out *answer, bodyLen int) *answer {
	if a.b.Mode != "" {
		out.content[0] = 0 // usage did not arrive whole
	}
	p := out.parts[0]
	length := []byte("Content-Length: " + strconv.Itoa(bodyLen))
	switch a.b.Mode {
	case Short:
		out.parts[0] = bytes.Replace(p, length, []byte("Content-Length: "+strconv.Itoa(bodyLen+100)), 1)
		out.closes = true
	case Long:
		out.parts[0] = bytes.Replace(p, length, []byte("Content-Length: "+strconv.Itoa(bodyLen-bodyLen/4)), 1)
		out.closes = true
	case Stall, Reset, Cut, EventError:
		half := len(p) - bodyLen/2
		out.parts = [][]byte{p[:half]}
		out.closes = true
	}
	return out
}

func (a ask) toolCall(arguments string) string {
	return `{"index":0,"id":"call_fake","type":"function","function":{"name":` + quote(a.b.Tool) + `,"arguments":"` + arguments + `"}}`
}

func (a ask) streamed() *answer {
	out := &answer{status: 200, input: a.b.Input, output: a.b.output(true)}
	add := func(content int, piece string) {
		out.parts = append(out.parts, []byte(piece))
		out.content = append(out.content, content)
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	add(0, head+a.event(`{"role":"assistant","content":""}`, "null"))
	finish := `"stop"`
	if a.b.Tool != "" {
		finish = `"tool_calls"`
		add(1, a.event(`{"tool_calls":[`+a.toolCall("")+`]}`, "null"))
		add(1, a.event(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}`, "null"))
		add(1, a.event(`{"tool_calls":[{"index":0,"function":{"arguments":"\"Bern\"}"}}]}`, "null"))
	} else {
		for i := range a.b.Events {
			from, to := a.b.Size*i/a.b.Events, a.b.Size*(i+1)/a.b.Events
			add(i+1, a.event(`{"content":"`+text(from, to)+`"}`, "null"))
		}
	}
	if a.breakStream(out, brokenEvent) {
		return out
	}
	add(a.b.Events, a.event(`{}`, finish))
	if a.usage && !a.b.NoUsage {
		add(a.b.Events, chunk(`data: {"id":"chatcmpl-fake","object":"chat.completion.chunk",`+created+`,"model":`+quote(a.model)+`,"choices":[],`+a.usageField()+"}\n\n"))
	}
	add(a.b.Events, chunk("data: [DONE]\n\n")+"0\r\n\r\n")
	return out
}

const brokenEvent = `data: {"error":{"message":"fake failure in the stream","type":"fake_error","code":"fake_stream"}}` + "\n\n"

// breakStream applies the failure modes to a stream, which then ends half-way.
func (a ask) breakStream(out *answer, event string) bool {
	switch a.b.Mode {
	case Stall, Reset, Cut, Short, EventError:
	default:
		return false
	}
	half := 1 + (len(out.parts)-1)/2
	out.parts, out.content = out.parts[:half], out.content[:half]
	out.closes = true
	if a.b.Mode == EventError {
		out.parts = append(out.parts, []byte(chunk(event)+"0\r\n\r\n"))
		out.content = append(out.content, out.content[half-1])
	}
	return true
}

func (a ask) event(delta, finish string) string {
	usage := ""
	if a.usage {
		usage = `,"usage":null`
	}
	return chunk(`data: {"id":"chatcmpl-fake","object":"chat.completion.chunk",` + created + `,"model":` + quote(a.model) +
		`,"system_fingerprint":"fp_fake","choices":[{"index":0,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}]` + usage + "}\n\n")
}

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

func quote(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}

const words = "the quick brown fox jumps over the lazy dog while seven wise owls count their coins and sing "

// text is bytes from to to of a text that repeats for ever.
func text(from, to int) string {
	if to <= from {
		return ""
	}
	var b strings.Builder
	b.Grow(to - from + len(words))
	b.WriteString(words[from%len(words):])
	for b.Len() < to-from {
		b.WriteString(words)
	}
	return b.String()[:to-from]
}
