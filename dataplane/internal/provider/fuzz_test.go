package provider

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// scripted is a connection that gives these bytes, a few at a time, and ends.
type scripted struct {
	net.Conn
	r    io.Reader
	step int
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(p) > s.step {
		p = p[:s.step]
	}
	return s.r.Read(p)
}

func (s *scripted) Write(p []byte) (int, error)     { return len(p), nil }
func (s *scripted) Close() error                    { return nil }
func (s *scripted) SetDeadline(time.Time) error     { return nil }
func (s *scripted) SetReadDeadline(time.Time) error { return nil }

// answerOf reads an answer from bytes; reusable says that the connection would
// carry the next one.
func answerOf(c *Client, raw []byte, step int, stream bool) (status int, body []byte, reusable bool, err error) {
	e := &Endpoint{}
	call := &Call{Endpoint: e, Cancel: new(Cancel), Stream: stream}
	resp := new(Response)
	if err := c.exchange(call, &conn{nc: &scripted{r: bytes.NewReader(raw), step: step}, endpoint: e}, resp); err != nil {
		return 0, nil, false, err
	}
	status = resp.Status()
	p, err := resp.ReadAll(1 << 20)
	body = bytes.Clone(p)
	resp.Close()
	return status, body, len(e.idle) > 0, err
}

// What is accepted means the same to net/http; and how the bytes are torn into
// reads changes nothing.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}extra",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nTrailer: v\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", "HTTP/1.1 200 OK\r\n Folded: x\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
	} {
		f.Add([]byte(s), uint8(3))
	}
	client := New(Config{})
	f.Fuzz(func(t *testing.T, raw []byte, step uint8) {
		status, body, reusable, err := answerOf(client, raw, len(raw)+1, false)
		status2, body2, reusable2, err2 := answerOf(client, raw, int(step)+1, true)
		if status != status2 || (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(body, body2) {
			t.Fatalf("whole: %d %q %v\nin steps of %d: %d %q %v", status, body, err, step, status2, body2, err2)
		}
		_ = reusable2 // bytes that have not arrived yet cannot be seen to be too many
		if err != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(raw))
		var std *http.Response
		for {
			var stdErr error
			if std, stdErr = http.ReadResponse(r, nil); stdErr != nil {
				t.Fatalf("%q accepted as %d %q, but net/http: %v", raw, status, body, stdErr)
			}
			if std.StatusCode >= 200 {
				break
			}
		}
		stdBody, stdErr := io.ReadAll(std.Body)
		if std.StatusCode != status || stdErr != nil || !bytes.Equal(stdBody, body) {
			t.Fatalf("%q: %d %q, net/http: %d %q %v", raw, status, body, std.StatusCode, stdBody, stdErr)
		}
		if _, err := r.ReadByte(); reusable && (err == nil || std.Close) {
			t.Fatalf("%q: the connection would be used again", raw)
		}
	})
}
