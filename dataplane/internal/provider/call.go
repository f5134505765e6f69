package provider

import (
	"cmp"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

// joinBelow is the size up to which a request is copied into one piece and
// written by one system call; larger bodies are written from where they are.
const joinBelow = 16 << 10

// conn is one connection to a provider.
type conn struct {
	nc       net.Conn
	endpoint *Endpoint
	rested   time.Time
}

// errStale says that a reused connection turned out to be closed before
// anything of the answer came.
var errStale = errors.New("the provider closed an idle connection")

// Do sends the call and reads the head of the answer into resp. When it
// returns nil, resp must be closed. It costs two system calls on a resting
// connection, and no allocation of its own.
//
// A reused connection may be closed by the provider at the very moment it is
// used. Then nothing of an answer came, and the call is sent once more on a
// new connection.
func (c *Client) Do(call *Call, resp *Response) error {
	if !safeValue(call.Secret) || !safeValue(call.AuthScheme) || !safeName(call.AuthName) {
		return fault.New(fault.CredentialUnusable, "The stored secret holds characters that cannot be sent.", nil)
	}
	if err := call.Cancel.Cause(); err != nil {
		return err
	}
	if call.Carry != nil && call.Carry.Source != nil {
		return c.stream(call, resp)
	}
	if cn := call.Endpoint.take(time.Now()); cn != nil {
		err := c.exchange(call, cn, resp)
		if !errors.Is(err, errStale) {
			return err
		}
	}
	cn, err := c.connect(call)
	if err != nil {
		return err
	}
	err = c.exchange(call, cn, resp)
	if errors.Is(err, errStale) {
		return fault.New(fault.UpstreamReset, "The provider closed the connection without an answer.", err)
	}
	return err
}

// exchange writes the call on cn and reads the head of the answer.
func (c *Client) exchange(call *Call, cn *conn, resp *Response) error {
	resp.open(c, cn, call)
	firstByte := cmp.Or(call.FirstByte, DefaultFirstByteTimeout)
	if err := call.Cancel.bind(cn.nc, time.Now().Add(firstByte)); err != nil {
		resp.fail()
		return err
	}
	call.Sent = true
	wrote := c.write(call, cn.nc)
	// A provider may refuse a body before it has read all of it, so the answer
	// is looked for even when writing failed.
	err := resp.readHead()
	if err == nil {
		if wrote != nil {
			resp.reusable = false
		}
		return nil
	}
	got := resp.w > 0
	resp.fail()
	if cause := call.Cancel.Cause(); cause != nil {
		return cause
	}
	if wrote != nil && !got {
		err = wrote
	}
	return headFault(err, got)
}

// headFault says what an error before the body means to the caller.
func headFault(err error, got bool) error {
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	switch {
	case isTimeout(err):
		return fault.New(fault.UpstreamTimeout, "", err)
	case !got:
		return errStale
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.UpstreamReset, "", err)
	default:
		return fault.New(fault.UpstreamReset, "", err)
	}
}

// write sends head and body.
func (c *Client) write(call *Call, nc net.Conn) error {
	size := call.size()
	room := 1 << 10
	if size <= joinBelow {
		room += size
	}
	b := c.cfg.Buffers.Get(room)
	defer func() { c.cfg.Buffers.Put(b) }()
	if call.Carry != nil {
		b.B = appendCarryHead(b.B, call, int64(size))
	} else {
		b.B = appendHead(b.B, call, size)
	}
	if size <= joinBelow {
		for _, p := range call.Body {
			b.B = append(b.B, p...)
		}
		_, err := nc.Write(b.B)
		return err
	}
	pieces := make(net.Buffers, 0, 8)
	pieces = append(pieces, b.B)
	for _, p := range call.Body {
		if len(p) > 0 {
			pieces = append(pieces, p)
		}
	}
	_, err := pieces.WriteTo(nc)
	return err
}

// appendAuth writes the header that carries the secret.
func appendAuth(b []byte, call *Call) []byte {
	if call.AuthName == "" {
		return b
	}
	b = append(b, call.AuthName...)
	b = append(b, ": "...)
	b = append(b, call.AuthScheme...)
	b = append(b, call.Secret...)
	return append(b, "\r\n"...)
}

func appendHead(b []byte, call *Call, size int) []byte {
	b = append(b, call.Endpoint.start...)
	b = append(b, call.Path...)
	b = append(b, call.Endpoint.end...)
	b = append(b, call.Headers...)
	b = appendAuth(b, call)
	switch {
	case call.Accept != "":
		b = append(b, "Accept: "...)
		b = append(b, call.Accept...)
		b = append(b, "\r\n"...)
	case call.Stream:
		b = append(b, "Accept: text/event-stream\r\n"...)
	default:
		b = append(b, "Accept: application/json\r\n"...)
	}
	if call.Traceparent != "" && safeValue(call.Traceparent) {
		b = append(b, "Traceparent: "...)
		b = append(b, call.Traceparent...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(size), 10)
	return append(b, "\r\n\r\n"...)
}

// safeValue refuses what could end a header line: a secret must never be able
// to add a header or a second request.
func safeValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func safeName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			continue
		}
		return false
	}
	return true
}
