package provider

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

// Source is the body of a call that is sent as it arrives.
type Source interface {
	// Next gives the next piece, valid until the next call; io.EOF ends the
	// body. Any other error ends the call, and is what Do or Next then give.
	Next() ([]byte, error)
	// Stop makes a Next return that waits. Another goroutine may call it.
	Stop()
}

// Field is a header of an answer, its name as the provider wrote it.
type Field struct{ Name, Value string }

// Carry is what a call has that is more than JSON there and JSON or events
// back. Then Call.Headers are all of the head but for Host, User-Agent, the
// secret and the length.
type Carry struct {
	// Method of the request; the default is POST.
	Method string
	// Source, when set, is the body in place of Call.Body; Length is its size,
	// -1 when that is not known.
	Source Source
	Length int64
	// Keep says which headers of the answer are wanted, by their names in lower
	// case; nil keeps none.
	Keep func(name string) bool
}

// appendCarryHead writes the head of a call that carries. The length is -1 for
// a body in chunks.
func appendCarryHead(b []byte, call *Call, size int64) []byte {
	e, method := call.Endpoint, cmp.Or(call.Carry.Method, "POST")
	b = append(b, method...)
	b = append(b, strings.TrimPrefix(e.start, "POST")...)
	b = append(b, call.Path...)
	b = append(b, e.bare...)
	b = append(b, call.Headers...)
	b = appendAuth(b, call)
	if call.Traceparent != "" && safeValue(call.Traceparent) {
		b = append(b, "Traceparent: "...)
		b = append(b, call.Traceparent...)
		b = append(b, "\r\n"...)
	}
	switch {
	case size < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case size > 0 || method == "POST" || method == "PUT" || method == "PATCH":
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, size, 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// sending is a body on its way. It has a goroutine of its own, since a
// provider may answer before it has all of the body.
type sending struct {
	call *Call
	conn *conn
	idle time.Duration
	done chan struct{}
	// answered says that the head of the answer is here: the wait for it is
	// over.
	answered atomic.Bool
	// stopped says that what the source fails with now is our own doing.
	stopped atomic.Bool
	// err is what the source failed with, wrote what the connection did, whole
	// says that all was sent. They are to be read after done.
	err, wrote error
	whole      bool
}

// sendRoom is what a piece of a body waits in to be written at once.
const sendRoom = 64 << 10

// stream sends the call with its source and reads the head of the answer. The
// body cannot be sent twice, so it gets a connection that cannot be stale.
func (c *Client) stream(call *Call, resp *Response) error {
	cn, err := c.connect(call)
	if err != nil {
		return err
	}
	resp.open(c, cn, call)
	// Until the body is sent nobody can say how long the answer may take.
	if err := call.Cancel.bind(cn.nc, time.Time{}); err != nil {
		resp.fail()
		return err
	}
	call.Sent = true
	s := &sending{call: call, conn: cn, idle: resp.idle, done: make(chan struct{})}
	resp.sending = s
	go s.run(c)
	err = resp.readHead()
	s.answered.Store(true)
	if err == nil {
		return nil
	}
	got := resp.w > 0
	resp.fail()
	switch cause := call.Cancel.Cause(); {
	case cause != nil:
		return cause
	case s.err != nil:
		return s.err
	}
	if err = headFault(err, got); errors.Is(err, errStale) {
		err = fault.New(fault.UpstreamReset, "The provider closed the connection without an answer.", errors.Join(err, s.wrote))
	}
	return err
}

func (s *sending) run(c *Client) {
	defer close(s.done)
	err, wrote := s.send(c)
	s.whole, s.wrote = err == nil && wrote == nil, wrote
	if err != nil && !s.stopped.Load() {
		// Whoever waits for the answer need not wait any longer.
		s.err = err
		s.conn.nc.SetDeadline(past)
	}
	if s.whole && !s.answered.Load() {
		s.call.Cancel.await(time.Now().Add(cmp.Or(s.call.FirstByte, DefaultFirstByteTimeout)))
	}
}

// send gives the error of the source and that of the connection.
func (s *sending) send(c *Client) (err, wrote error) {
	b := c.cfg.Buffers.Get(sendRoom)
	defer func() { c.cfg.Buffers.Put(b) }()
	length := s.call.Carry.Length
	b.B = appendCarryHead(b.B, s.call, length)
	for left := length; ; {
		p, err := s.call.Carry.Source.Next()
		if err != nil && err != io.EOF {
			return err, nil
		}
		switch {
		case length < 0:
			b.B = appendChunk(b.B, p, err == io.EOF)
		case int64(len(p)) > left, err == io.EOF && int64(len(p)) < left:
			return fault.New(fault.BadRequest, "The body is not as long as was announced.", nil), nil
		default:
			left -= int64(len(p))
			b.B = append(b.B, p...)
		}
		if len(b.B) > 0 {
			if e := s.call.Cancel.push(time.Now().Add(s.idle)); e != nil {
				return nil, e
			}
			if _, e := s.conn.nc.Write(b.B); e != nil {
				return nil, e
			}
			b.B = b.B[:0]
		}
		if err == io.EOF {
			return nil, nil
		}
	}
}

// appendChunk writes a piece as a chunk, and the end of all chunks.
func appendChunk(b, p []byte, last bool) []byte {
	if len(p) > 0 {
		b = strconv.AppendInt(b, int64(len(p)), 16)
		b = append(b, "\r\n"...)
		b = append(b, p...)
		b = append(b, "\r\n"...)
	}
	if last {
		b = append(b, "0\r\n\r\n"...)
	}
	return b
}

// stop ends the sending, whatever it waits for, and waits for it. It reports
// whether all of the body was sent.
func (s *sending) stop(nc net.Conn) (whole bool) {
	select {
	case <-s.done:
	default:
		s.stopped.Store(true)
		nc.SetDeadline(past)
		s.call.Carry.Source.Stop()
		<-s.done
		return false
	}
	return s.whole
}

// EndSending stops what is still sent of the body: the answer is there, and
// nobody reads the source any more when this returns.
func (r *Response) EndSending() {
	if r.sending == nil || r.conn == nil {
		return
	}
	if !r.sending.stop(r.conn.nc) {
		r.reusable = false
	}
}

// failed is what the source failed with, if it has.
func (s *sending) failed() error {
	if s == nil {
		return nil
	}
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Fields are the headers that Carry.Keep asked for.
func (r *Response) Fields() []Field { return r.fields }

// Length is that of the body, -1 when it is not known.
func (r *Response) Length() int64 {
	if r.ended && r.length < 0 {
		return 0
	}
	if r.chunked {
		return -1
	}
	return r.length
}

// keep copies the wanted headers of a head that was parsed already.
func (r *Response) keep(head []byte) {
	keep := r.call.Carry.Keep
	if keep == nil {
		return
	}
	_, lines, _ := bytes.Cut(head, []byte("\r\n"))
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && keep(strings.ToLower(string(name))) {
			r.fields = append(r.fields, Field{string(name), string(bytes.Trim(value, " \t"))})
		}
	}
}
