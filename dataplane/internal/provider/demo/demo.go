// Package demo owns the built-in provider: a deterministic model inside the
// process, so that anyone can try and test Tollgate without an account
// anywhere. It speaks the chat format like a provider over the network, with
// usage, tools, JSON mode, and faults on demand. It must not know tenants,
// routes or prices.
package demo

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

// Name is the provider's name in credentials and the catalogue.
const Name = "demo"

// Call is one request to the demo provider.
type Call struct {
	// Operation is "chat", "completions", "embeddings", "moderations", "images"
	// or "rerank"; empty means chat.
	Operation string
	// Body as it would go over the network.
	Body []byte
	// Behaviour from the model's suffix and from the header, both optional.
	Suffix, Header string
	Cancel         *provider.Cancel
}

// Response is an answer, read like one of the network.
type Response struct {
	status  int
	content provider.Content
	cancel  *provider.Cancel
	retry   string

	// kind is the content type where it is not that of JSON.
	kind string
	// pieces are what is still to come, with a pause before each but the first.
	pieces [][]byte
	sent   int
	pause  time.Duration
	// fails is what happens after the pieces instead of a clean end.
	fails error
}

// Status is the HTTP status.
func (r *Response) Status() int { return r.status }

// Content is what the body claims to be.
func (r *Response) Content() provider.Content { return r.content }

// RetryAfter is set on a status of 429.
func (r *Response) RetryAfter() (seconds, milliseconds string) { return r.retry, "" }

// Close ends the answer.
func (r *Response) Close() { r.pieces = nil }

// Do answers a call: after the chosen latency it has an answer or a fault.
func Do(call *Call) (*Response, error) {
	b, err := parseBehaviour(call.Suffix, call.Header)
	if err != nil {
		return nil, fault.New(fault.BadRequest, "The demo provider does not understand its options: "+err.Error()+".", nil).WithParam("model")
	}
	if err := wait(call.Cancel, b.latency); err != nil {
		return nil, err
	}
	if b.fail == failHang {
		<-call.Cancel.Done()
		return nil, call.Cancel.Cause()
	}
	r := &Response{status: 200, content: provider.JSON, cancel: call.Cancel, pause: b.chunkDelay}
	if b.status != 0 && b.status != 200 {
		r.refuse(b.status, "The demo provider was asked for this status.", "demo_status")
		return r, nil
	}
	if call.Operation != "" && call.Operation != "chat" {
		r.operate(call, b)
		return r, nil
	}
	var req request
	if err := json.Unmarshal(call.Body, &req); err != nil {
		r.refuse(400, "The demo provider cannot read this request.", "invalid_request")
		return r, nil
	}
	if len(req.Messages) == 0 {
		r.refuse(400, "messages must hold at least one message.", "empty_messages")
		return r, nil
	}
	if req.N > maxChoices {
		r.refuse(400, "n must be at most 16.", "invalid_n")
		return r, nil
	}
	r.answer(&req, b)
	return r, nil
}

func (r *Response) refuse(status int, message, code string) {
	r.status = status
	if status == 429 {
		r.retry = "1"
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"message": message, "type": "invalid_request_error", "param": nil, "code": code,
	}})
	r.pieces = [][]byte{body}
	r.pause = 0
}

func (r *Response) answer(req *request, b behaviour) {
	a := compose(req, b)
	if b.fail == failGarbage {
		r.content = provider.Other
		r.pieces = [][]byte{[]byte("<html>This is not what you were waiting for.</html>")}
		return
	}
	if req.Stream {
		r.content = provider.EventStream
		r.pieces = a.chunks(req)
	} else {
		r.pieces = [][]byte{a.plain(req)}
		r.pause = 0
	}
	if b.fail == failReset {
		r.pieces = r.pieces[:len(r.pieces)/2]
		r.fails = fault.New(fault.UpstreamReset, "", errors.New("demo provider was asked to break off"))
	}
}

// Next gives the next piece of the body; io.EOF ends it. Pieces without a
// pause between them come together.
func (r *Response) Next() ([]byte, error) {
	if len(r.pieces) == 0 {
		if r.fails != nil {
			return nil, r.fails
		}
		return nil, io.EOF
	}
	if r.sent > 0 {
		if err := wait(r.cancel, r.pause); err != nil {
			return nil, err
		}
	} else if err := r.cancel.Cause(); err != nil {
		return nil, err
	}
	r.sent++
	if r.pause > 0 || len(r.pieces) == 1 {
		p := r.pieces[0]
		r.pieces = r.pieces[1:]
		return p, nil
	}
	var p []byte
	for len(r.pieces) > 0 && len(p) < 4<<10 {
		p = append(p, r.pieces[0]...)
		r.pieces = r.pieces[1:]
	}
	return p, nil
}

// ReadAll gives the whole body.
func (r *Response) ReadAll(limit int) ([]byte, error) {
	var whole []byte
	for {
		p, err := r.Next()
		if err == io.EOF {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
		if whole = append(whole, p...); len(whole) > limit {
			return nil, fault.New(fault.UpstreamTooLarge, "", nil)
		}
	}
}

func wait(c *provider.Cancel, d time.Duration) error {
	if d <= 0 {
		return c.Cause()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.Done():
		return c.Cause()
	}
}

// request is what the demo model looks at.
type request struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N                   int             `json:"n"`
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	Tools               []tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ResponseFormat      struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema schema `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string `json:"name"`
		Parameters schema `json:"parameters"`
	} `json:"function"`
}

// text is a message's text, whichever way it is written.
func (m *message) text() string {
	var s string
	if json.Unmarshal(m.Content, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(m.Content, &parts) != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
