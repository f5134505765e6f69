package fakeprovider

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
	"github.com/tollgate/tollgate/scripts/fakeprovider/operations"
)

// converses finds the dialects other than chat completions by their paths.
func converses(q request) (dialogue.Head, bool) {
	if q.method != "POST" {
		return dialogue.Head{}, false
	}
	if q.path == "/v1/messages" {
		return dialogue.Head{Dialect: dialogue.Messages, Version: string(q.version)}, true
	}
	rest, ok := strings.CutPrefix(q.path, "/v1beta/models/")
	model, method, _ := strings.Cut(rest, ":")
	h := dialogue.Head{Dialect: dialogue.Gemini, Model: model, Stream: method == "streamGenerateContent"}
	return h, ok && (method == "generateContent" || h.Stream && q.query == "alt=sse")
}

// converse reads a request as the model behind the API would, and answers it.
// The directive stands in the user's last text.
func (c *conn) converse(q request, head dialogue.Head) bool {
	base := c.s.fallback.Load()
	p := &prepared{base: base}
	refuse := func(a dialogue.Answer) bool {
		p.answer = p.frame(a)
		return c.answer(q, p)
	}
	if !q.authorized {
		return refuse(dialogue.Refuse(head.Dialect, 401, "wrong key"))
	}
	if c.s.opts.Hasty {
		if known := c.known(q, head); known != nil {
			return c.answer(q, known)
		}
	}
	said, refusal := dialogue.Read(head, q.body)
	if refusal != nil {
		p.model, p.stream = head.Model, head.Stream
		return refuse(*refusal)
	}
	ask := said.Ask()
	directive := string(findDirective([]byte(ask)))
	b, err := Parse(*base, directive)
	if err != nil {
		return refuse(dialogue.Refuse(head.Dialect, 400, err.Error()))
	}
	p.model, p.stream, p.b = said.Model, said.Stream, b
	settings := dialogue.Settings{
		Status: b.Status, Output: b.Output, Cached: b.Cached, Reasoning: b.Reasoning, NoUsage: b.NoUsage, Events: b.Events,
	}
	// What the server's default says of sizes is not for conversations.
	if strings.Contains(directive, "in=") {
		settings.Input = b.Input
	}
	if strings.Contains(directive, "size=") {
		settings.Text = text(0, b.Size)
	}
	switch b.Mode {
	case Garbage, Bomb, Redirect, Endless, Flood:
		p.answer = p.build()
	default:
		p.answer = p.frame(said.Answer(settings))
	}
	if c.s.opts.Hasty {
		c.s.learn(c.key, p)
	}
	return c.answer(q, p)
}

// known finds the answer to another conversation of the same model and
// directive. What it leaves in c.key identifies it.
func (c *conn) known(q request, head dialogue.Head) *prepared {
	c.key = fmt.Appendf(c.key[:0], "%d %t %s ", head.Dialect, head.Stream || flag(q.body, `"stream"`), head.Model)
	c.key = append(append(c.key, textField(q.body, `"model"`)...), 0)
	c.key = append(c.key, findDirective(q.body)...)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if p := c.s.answers[string(c.key)]; p != nil && p.base == c.s.fallback.Load() {
		return p
	}
	return nil
}

func (s *Server) learn(key []byte, p *prepared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) < maxAnswers {
		s.answers[string(key)] = p
	}
}

// operate answers what is not chat; ok is false when the path is unknown.
func (c *conn) operate(q request) (alive, ok bool) {
	a, ok := c.s.desk.Answer(&operations.Request{
		Method: q.method, Path: q.path, Query: q.query, Version: string(q.version), ContentType: string(q.content), Body: q.body,
	})
	switch {
	case !ok:
		return false, false
	case !q.authorized:
		a = dialogue.Refuse(dialogue.Chat, 401, "wrong key")
	}
	p := &prepared{ask: ask{model: string(textField(q.body, `"model"`)), stream: a.Type == "text/event-stream"}}
	p.answer = p.frame(a)
	return c.answer(q, p), true
}

// frame makes bytes of HTTP/1.1 of an answer, broken as the directive says.
func (p *prepared) frame(a dialogue.Answer) *answer {
	if a.Type != "text/event-stream" {
		out := whole(a.Status, a.Type, a.Header, a.Parts[0])
		if a.Status == 200 {
			out.content[0], out.input, out.output = a.Output, a.Input, a.Output
			return p.breakPlain(out, len(a.Parts[0]))
		}
		return out
	}
	out := &answer{status: a.Status, input: a.Input, output: a.Output, content: a.Content}
	head := "HTTP/1.1 " + strconv.Itoa(a.Status) + " OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" +
		a.Header + "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	for i, part := range a.Parts {
		s := chunk(string(part))
		if i == 0 {
			s = head + s
		}
		out.parts = append(out.parts, []byte(s))
	}
	if p.breakStream(out, string(a.Broken)) {
		return out
	}
	last := len(out.parts) - 1
	out.parts[last] = append(out.parts[last], "0\r\n\r\n"...)
	return out
}
