package fakeprovider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/scripts/fakeprovider/dialogue"
)

const (
	maxHead = 256 << 10
	maxBody = 64 << 20
)

var (
	errTooLarge  = errors.New("request too large")
	errMalformed = errors.New("malformed request")
	errLeft      = errors.New("client left")
)

// conn serves one connection. buf[r:w] holds what was read and not yet used.
type conn struct {
	s    *Server
	c    net.Conn
	buf  []byte
	r, w int
	key  []byte
}

// request is the little that the answers need; its slices point into buf.
type request struct {
	method, path, query string
	id                  []byte
	version             []byte // of the header anthropic-version
	content             []byte // of the header content-type
	authorized          bool
	close               bool
	chunked             bool
	length              int
	body                []byte
}

func (c *conn) run() {
	for {
		q, err := c.read()
		if err != nil {
			if errors.Is(err, errMalformed) || errors.Is(err, errTooLarge) {
				c.c.Write(whole(400, "text/plain", "Connection: close\r\n", []byte(err.Error())).parts[0])
			}
			return
		}
		if !c.dispatch(q) || q.close {
			return
		}
	}
}

// read takes the next request off the connection.
func (c *conn) read() (request, error) {
	end := -1
	for {
		if end = bytes.Index(c.buf[c.r:c.w], []byte("\r\n\r\n")); end >= 0 {
			break
		}
		if c.w-c.r > maxHead {
			return request{}, errTooLarge
		}
		if err := c.fill(1); err != nil {
			return request{}, err
		}
	}
	q, err := parseHead(c.buf[c.r:c.r+end], c.s.opts.Key)
	if err != nil {
		return q, err
	}
	id, version, content := string(q.id), string(q.version), string(q.content) // fill may move the buffer
	c.r += end + 4
	if q.chunked {
		q.body, err = c.readChunked()
	} else {
		q.body, err = c.take(q.length)
	}
	q.id, q.version, q.content = []byte(id), []byte(version), []byte(content)
	return q, err
}

// take returns the next n bytes.
func (c *conn) take(n int) ([]byte, error) {
	if n > maxBody {
		return nil, errTooLarge
	}
	for c.w-c.r < n {
		if err := c.fill(n - (c.w - c.r)); err != nil {
			return nil, err
		}
	}
	out := c.buf[c.r : c.r+n]
	c.r += n
	return out, nil
}

func (c *conn) readChunked() ([]byte, error) {
	var body []byte
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return nil, errMalformed
		}
		if n == 0 {
			return body, c.skipTrailers()
		}
		if len(body)+int(n) > maxBody {
			return nil, errTooLarge
		}
		part, err := c.take(int(n) + 2)
		if err != nil {
			return nil, err
		}
		body = append(body, part[:n]...)
	}
}

func (c *conn) skipTrailers() error {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

func (c *conn) line() ([]byte, error) {
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte("\r\n")); i >= 0 {
			out := c.buf[c.r : c.r+i]
			c.r += i + 2
			return out, nil
		}
		if c.w-c.r > maxHead {
			return nil, errTooLarge
		}
		if err := c.fill(1); err != nil {
			return nil, err
		}
	}
}

// fill reads more, making room for at least n bytes.
func (c *conn) fill(n int) error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
		if n > len(c.buf) {
			c.buf = make([]byte, n)
		}
	case len(c.buf)-c.w < n:
		to := c.buf
		if len(c.buf)-(c.w-c.r) < n {
			to = make([]byte, max(2*len(c.buf), c.w-c.r+n))
		}
		c.w = copy(to, c.buf[c.r:c.w])
		c.buf, c.r = to, 0
	}
	got, err := c.c.Read(c.buf[c.w:])
	c.w += got
	if got > 0 {
		return nil
	}
	return err
}

func parseHead(head []byte, key string) (request, error) {
	q := request{authorized: key == ""}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	first := bytes.Split(line, []byte(" "))
	if len(first) != 3 {
		return q, errMalformed
	}
	path, query, _ := bytes.Cut(first[1], []byte("?"))
	q.method, q.path, q.query = string(first[0]), string(path), string(query)
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return q, errMalformed
		}
		if err := q.header(line[:colon], bytes.TrimSpace(line[colon+1:]), key); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (q *request) header(name, value []byte, key string) error {
	// The lengths of names tell most headers apart without comparing.
	switch len(name) {
	case len("connection"):
		q.close = q.close || bytes.EqualFold(name, []byte("connection")) && bytes.EqualFold(value, []byte("close"))
	case len("x-request-id"): // and of content-type
		if bytes.EqualFold(name, []byte("content-type")) {
			q.content = value
		}
		if bytes.EqualFold(name, []byte("x-request-id")) {
			q.id = value
		}
	case len("authorization"):
		if key != "" && bytes.EqualFold(name, []byte("authorization")) {
			q.authorized = string(value) == "Bearer "+key
		}
	case len("x-api-key"):
		if bytes.EqualFold(name, []byte("x-api-key")) {
			q.authorized = q.authorized || string(value) == key
		}
	case len("content-length"): // and of x-goog-api-key
		if bytes.EqualFold(name, []byte("x-goog-api-key")) {
			q.authorized = q.authorized || string(value) == key
		}
		if bytes.EqualFold(name, []byte("content-length")) {
			n, err := strconv.Atoi(string(value))
			if err != nil || n < 0 {
				return errMalformed
			}
			q.length = n
		}
	case len("transfer-encoding"): // and of anthropic-version
		if bytes.EqualFold(name, []byte("anthropic-version")) {
			q.version = value
		}
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			q.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return nil
}

// dispatch answers one request; it reports whether the connection lives on.
func (c *conn) dispatch(q request) bool {
	const chat = "/chat/completions"
	n := len(q.path) - len(chat)
	if n >= 0 && q.path[n:] == chat && q.method == "POST" {
		if c.s.opts.Converse {
			return c.converse(q, dialogue.Head{Dialect: dialogue.Chat})
		}
		return c.chat(q)
	}
	if head, ok := converses(q); ok {
		return c.converse(q, head)
	}
	if alive, ok := c.operate(q); ok {
		return alive
	}
	switch {
	case q.method == "GET" && q.path == "/_fake/stats":
		out, _ := json.Marshal(c.s.Stats())
		return c.reply(200, "application/json", out)
	case q.method == "GET" && q.path == "/_fake/log":
		return c.reply(200, "application/jsonl", c.s.logLines(q.query))
	case q.method == "PUT" && q.path == "/_fake/default":
		if err := c.s.SetDefault(string(bytes.TrimSpace(q.body))); err != nil {
			return c.reply(400, "text/plain", []byte(err.Error()))
		}
		return c.reply(200, "text/plain", nil)
	case q.method == "GET" && q.path == "/v1/models":
		return c.reply(200, "application/json", []byte(`{"object":"list","data":[{"id":"fake-model","object":"model",`+created+`,"owned_by":"fake"}]}`))
	}
	return c.reply(404, "application/json", []byte(`{"error":{"message":"no such path","type":"invalid_request_error","code":"unknown_url"}}`))
}

func (s *Server) logLines(query string) []byte {
	var since int
	fmt.Sscanf(query, "since=%d", &since)
	records, _ := s.journal.since(since)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, r := range records {
		e.Encode(r)
	}
	return b.Bytes()
}

func (c *conn) reply(status int, contentType string, body []byte) bool {
	_, err := c.c.Write(whole(status, contentType, "", body).parts[0])
	return err == nil
}

func (c *conn) chat(q request) bool {
	if !q.authorized {
		return c.reply(401, "application/json", []byte(`{"error":{"message":"wrong key","type":"invalid_request_error","code":"invalid_api_key"}}`))
	}
	stream := flag(q.body, `"stream"`)
	p, key, err := c.s.prepare(c.key, textField(q.body, `"model"`), findDirective(q.body), stream, stream && flag(q.body, `"include_usage"`))
	c.key = key
	if err != nil {
		return c.reply(400, "application/json", []byte(`{"error":{"message":`+quote(err.Error())+`,"type":"invalid_request_error","code":"bad_directive"}}`))
	}
	return c.answer(q, p)
}

// answer sends an answer and keeps the record of it; it reports whether the
// connection lives on.
func (c *conn) answer(q request, p *prepared) bool {
	c.s.journal.begin()
	if len(q.id) == 0 {
		q.id = textField(q.body, `"user"`)
	}
	r := Record{RequestID: string(q.id), Model: p.model, Mode: p.b.Mode, Stream: p.stream, Started: time.Now().UnixNano(),
		Status: p.answer.status, Input: p.answer.input}
	if c.s.opts.KeepBodies {
		r.Path, r.Body = q.path, bytes.Clone(q.body)
	}
	err := c.send(p, &r)
	r.Cancelled = err != nil
	c.s.journal.end(r)
	if p.b.Mode == Reset {
		if tcp, ok := c.c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	}
	return err == nil && !p.answer.closes
}

// send writes the answer part by part. An error means that the client left.
func (c *conn) send(p *prepared, r *Record) error {
	if p.b.Delay > 0 {
		if err := c.pause(p.b.Delay); err != nil {
			return err
		}
	}
	if p.b.Mode == Hang {
		r.Status = 0
		return c.pause(0)
	}
	for i, part := range p.answer.parts {
		if i > 0 {
			if p.b.Gap > 0 {
				if err := c.pause(p.b.Gap); err != nil {
					return err
				}
			} else {
				// Streams advance together, as they do at a real provider.
				runtime.Gosched()
			}
		}
		n, err := c.c.Write(part)
		r.Bytes += int64(n)
		if err != nil {
			return err
		}
		r.Output = p.answer.content[i]
	}
	switch p.b.Mode {
	case Stall:
		return c.pause(0)
	case Endless:
		return c.endless(r)
	case "":
		r.Complete = true
		if p.answer.output > 0 {
			r.Output = p.answer.output
		}
	}
	return nil
}

func (c *conn) endless(r *Record) error {
	block := bytes.Repeat([]byte(" "), 64<<10)
	for {
		n, err := c.c.Write(block)
		r.Bytes += int64(n)
		if err != nil {
			return err
		}
	}
}

// pause waits for d, or for ever when d is 0, and notices at once when the
// client leaves. What a pipelining client sends meanwhile is kept.
func (c *conn) pause(d time.Duration) error {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	c.c.SetReadDeadline(deadline)
	defer c.c.SetReadDeadline(time.Time{})
	for {
		if c.w-c.r > maxHead {
			return errLeft
		}
		switch err := c.fill(1); {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		default:
			return errLeft
		}
	}
}

// textField peeks at a field without parsing the body.
func textField(body []byte, name string) []byte {
	i := bytes.Index(body, []byte(name))
	if i < 0 {
		return nil
	}
	rest := bytes.TrimLeft(body[i+len(name):], ": \t\r\n")
	if len(rest) == 0 || rest[0] != '"' {
		return nil
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 {
		return nil
	}
	return rest[1 : 1+end]
}

// flag reports whether the body sets this field to true. Inside strings quotes
// are escaped, so a message that talks about the field does not match. Forward,
// because looking from the end costs a nanosecond for each byte.
func flag(body []byte, name string) bool {
	i := bytes.Index(body, []byte(name))
	if i < 0 {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(body[i+len(name):], ": \t\r\n"), []byte("true"))
}
