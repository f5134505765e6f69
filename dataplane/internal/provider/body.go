package provider

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/proto/fault"
)

// Sizes of the buffer that an answer is read into: open streams hold theirs
// for long, so it is small; a plain answer should arrive in one read.
const (
	streamBuffer = 4 << 10
	plainBuffer  = 16 << 10
	maxChunkLine = 4 << 10
	maxTrailer   = 16 << 10
)

// Response is the answer of a provider. It is reused from call to call.
type Response struct {
	head
	client *Client
	conn   *conn
	call   *Call
	// buf.B[r:w] is what was read and not used yet; len(buf.B) is its size.
	buf   *buffer.Buffer
	r, w  int
	whole *buffer.Buffer

	left     int64 // of the body, or of the chunk
	inChunks bool
	// chunkOpen says that the CR LF after a chunk is still to be read.
	chunkOpen bool
	ended     bool
	// busy says that the last read filled the buffer.
	busy     bool
	reusable bool
	lastRead time.Time
	idle     time.Duration
	// sending and fields are of calls that carry.
	sending *sending
	fields  []Field
}

// Status is the HTTP status.
func (r *Response) Status() int { return r.status }

// Content is what the body claims to be.
func (r *Response) Content() Content { return r.content }

// RetryAfter and RetryAfterMS are what the provider said on a refusal.
func (r *Response) RetryAfter() (seconds, milliseconds string) {
	return r.retryAfter, r.retryAfterMS
}

func (r *Response) open(c *Client, cn *conn, call *Call) {
	size := plainBuffer
	if call.Stream {
		size = streamBuffer
	}
	*r = Response{client: c, conn: cn, call: call, buf: c.cfg.Buffers.Get(size)}
	r.buf.B = r.buf.B[:cap(r.buf.B)]
	r.idle = cmp.Or(call.Idle, DefaultIdleTimeout)
}

// begin starts the body after the head.
func (r *Response) begin() {
	r.reusable = r.keepAlive
	r.inChunks = r.chunked
	switch {
	case r.status == 204 || r.status == 304 || r.call.Carry != nil && r.call.Carry.Method == "HEAD":
		r.ended = true
	case r.inChunks:
	case r.length >= 0:
		r.left = r.length
		r.ended = r.left == 0
	default:
		// The body lasts until the connection ends.
		r.left = -1
		r.reusable = false
	}
}

// fill reads more into the buffer, moving what is left to its start, growing
// it only while the head is read.
func (r *Response) fill() error {
	if r.r > 0 {
		r.w = copy(r.buf.B, r.buf.B[r.r:r.w])
		r.r = 0
	}
	// A busy stream gets larger reads, and one with a large head does not keep
	// the room for it.
	if n := len(r.buf.B); r.w == 0 && (r.busy && n < plainBuffer || n > plainBuffer) {
		r.buf.B = r.buf.B[:0]
		r.client.cfg.Buffers.Put(r.buf)
		r.buf = r.client.cfg.Buffers.Get(plainBuffer)
		r.buf.B = r.buf.B[:cap(r.buf.B)]
	}
	if r.w == len(r.buf.B) {
		if r.w > maxHead {
			return garbage("head is larger than %d bytes", maxHead)
		}
		r.buf = r.client.cfg.Buffers.Grow(r.buf, len(r.buf.B))
		r.buf.B = r.buf.B[:cap(r.buf.B)]
	}
	n, err := r.conn.nc.Read(r.buf.B[r.w:])
	r.w += n
	if n > 0 {
		// More waits to be read than fits: larger reads save system calls.
		r.busy = r.w == len(r.buf.B)
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// more reads within the body, where each pause has the idle timeout. The
// deadline is moved when it fires, not at each read: the clock is cheaper to
// read than a timer to move.
func (r *Response) more() error {
	if r.call.BeforeWait != nil {
		if err := r.call.BeforeWait(); err != nil {
			return err
		}
	}
	if r.lastRead.IsZero() {
		r.lastRead = time.Now()
		if err := r.call.Cancel.extend(r.lastRead.Add(r.idle)); err != nil {
			return err
		}
	}
	for {
		err := r.fill()
		now := time.Now()
		if err == nil {
			r.lastRead = now
			return nil
		}
		if cause := r.call.Cancel.Cause(); cause != nil {
			return cause
		}
		if !isTimeout(err) {
			return err
		}
		if until := r.lastRead.Add(r.idle); until.After(now) {
			if err := r.call.Cancel.extend(until); err != nil {
				return err
			}
			continue
		}
		return fault.New(fault.UpstreamTimeout, "The provider stopped in the middle of its answer.", err)
	}
}

// Next gives the next piece of the body as it is in the buffer: valid until
// the next call. At the clean end it gives io.EOF.
func (r *Response) Next() ([]byte, error) {
	p, err := r.next()
	if err == nil || err == io.EOF {
		return p, err
	}
	r.reusable = false
	return nil, r.bodyFault(err)
}

func (r *Response) bodyFault(err error) error {
	if cause := r.call.Cancel.Cause(); cause != nil {
		return cause
	}
	if err := r.sending.failed(); err != nil {
		return err
	}
	if _, ok := errors.AsType[*fault.Fault](err); ok {
		return err
	}
	return fault.New(fault.UpstreamReset, "", err)
}

func (r *Response) next() ([]byte, error) {
	for !r.ended {
		if r.inChunks && r.left == 0 {
			if err := r.chunkStart(); err != nil {
				return nil, err
			}
			continue
		}
		if r.r == r.w {
			if err := r.more(); err != nil {
				if err == io.EOF && r.left < 0 {
					r.ended = true
					return nil, io.EOF
				}
				return nil, noEOF(err)
			}
		}
		return r.piece()
	}
	return nil, io.EOF
}

// noEOF turns an end in the wrong place into an error.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// piece takes what the buffer holds of the body or chunk.
func (r *Response) piece() ([]byte, error) {
	n := r.w - r.r
	if r.left >= 0 && int64(n) > r.left {
		n = int(r.left)
	}
	p := r.buf.B[r.r : r.r+n]
	r.r += n
	if r.left < 0 {
		return p, nil
	}
	r.left -= int64(n)
	if r.left == 0 {
		if !r.inChunks {
			r.ended = true
			return p, nil
		}
		return p, r.chunkEnd()
	}
	return p, nil
}

// chunkEnd looks ahead for what ends a chunk, without reading: the piece in
// the buffer must stay where it is.
func (r *Response) chunkEnd() error {
	rest := r.buf.B[r.r:r.w]
	if len(rest) >= 2 && (rest[0] != '\r' || rest[1] != '\n') {
		return garbage("chunk does not end where it said")
	}
	r.chunkOpen = true
	return nil
}

// chunkStart reads the line that opens the next chunk, and at the last one
// the trailers.
func (r *Response) chunkStart() error {
	if r.chunkOpen {
		l, err := r.line(2)
		if err != nil {
			return err
		}
		if len(l) != 0 {
			return garbage("chunk does not end where it said")
		}
		r.chunkOpen = false
	}
	l, err := r.line(maxChunkLine)
	if err != nil {
		return err
	}
	size, err := chunkSize(l)
	if err != nil {
		return err
	}
	r.left = size
	if size > 0 {
		return nil
	}
	return r.trailers()
}

// trailers reads what may follow the last chunk. Nothing in it is used, but it
// must be what it should be, or the next answer would start in its middle.
func (r *Response) trailers() error {
	for total := 0; ; {
		l, err := r.line(maxChunkLine)
		if err != nil {
			return err
		}
		if len(l) == 0 {
			r.ended = true
			return nil
		}
		ignored := head{length: -1}
		if err := ignored.field(l); err != nil {
			return err
		}
		if total += len(l); total > maxTrailer {
			return garbage("trailers are too large")
		}
	}
}

// line reads up to CR LF, which it takes off.
func (r *Response) line(most int) ([]byte, error) {
	for {
		rest := r.buf.B[r.r:r.w]
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			if i == 0 || rest[i-1] != '\r' || i+1 > most {
				return nil, garbage("line of a chunk is not valid")
			}
			r.r += i + 1
			return rest[:i-1], nil
		}
		if len(rest) >= most {
			return nil, garbage("line of a chunk is too long")
		}
		if err := r.more(); err != nil {
			return nil, noEOF(err)
		}
	}
}

// chunkSize reads the hexadecimal length; extensions are passed over.
func chunkSize(l []byte) (int64, error) {
	if semi := bytes.IndexByte(l, ';'); semi >= 0 {
		if err := checkBytes(l[semi:]); err != nil {
			return 0, err
		}
		l = bytes.TrimRight(l[:semi], " \t")
	}
	if len(l) == 0 || len(l) > 12 {
		return 0, garbage("length of a chunk is not valid")
	}
	var n int64
	for _, c := range l {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, garbage("length of a chunk is not hexadecimal")
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}

// ReadAll gives the whole body, valid until Close. A body that came with its
// head is not copied.
func (r *Response) ReadAll(limit int) ([]byte, error) {
	if r.length > int64(limit) && !r.inChunks {
		r.reusable = false
		return nil, fault.New(fault.UpstreamTooLarge, "", nil)
	}
	if !r.inChunks && r.left >= 0 && r.left <= int64(r.w-r.r) {
		if r.ended {
			return nil, nil
		}
		return r.Next()
	}
	pool := r.client.cfg.Buffers
	size := plainBuffer
	if r.left > 0 && !r.inChunks {
		// The length is only announced: memory follows what arrives.
		size = int(min(r.left, 1<<20))
	}
	r.whole = pool.Get(size)
	for {
		p, err := r.Next()
		if err == io.EOF {
			return r.whole.B, nil
		}
		if err != nil {
			return nil, err
		}
		if len(r.whole.B)+len(p) > limit {
			r.reusable = false
			return nil, fault.New(fault.UpstreamTooLarge, "", nil)
		}
		r.whole = pool.Grow(r.whole, len(p))
		r.whole.B = append(r.whole.B, p...)
	}
}

// Drain reads to the end of a body of which nothing more is wanted, so that
// the connection can be used again; it waits no longer than this.
func (r *Response) Drain(wait time.Duration) {
	const most = 64 << 10
	if r.conn == nil || r.ended || !r.reusable {
		return
	}
	r.idle, r.lastRead = wait, time.Now()
	if r.call.Cancel.extend(r.lastRead.Add(wait)) != nil {
		return
	}
	for n := 0; n < most; {
		p, err := r.Next()
		if err != nil {
			return
		}
		n += len(p)
	}
}

// EndAtHand says whether the body's end was read already, so that Drain does
// not wait.
func (r *Response) EndAtHand() bool {
	return r.conn == nil || r.ended || r.inChunks && bytes.HasSuffix(r.buf.B[r.r:r.w], []byte("0\r\n\r\n"))
}

// Close gives the connection back when the answer was read to its end, and
// ends it otherwise, which is how a provider learns that nobody listens.
func (r *Response) Close() {
	if r.conn == nil {
		return
	}
	r.EndSending()
	r.call.Cancel.bind(nil, time.Time{})
	if r.ended && r.reusable && r.r == r.w && r.call.Cancel.Cause() == nil {
		r.conn.endpoint.give(r.conn, idlePerEndpoint)
	} else {
		r.conn.nc.Close()
	}
	r.release()
}

func (r *Response) fail() {
	if r.sending != nil {
		r.sending.stop(r.conn.nc)
	}
	r.call.Cancel.bind(nil, time.Time{})
	r.conn.nc.Close()
	r.release()
}

func (r *Response) release() {
	r.buf.B = r.buf.B[:0]
	r.client.cfg.Buffers.Put(r.buf)
	r.client.cfg.Buffers.Put(r.whole)
	r.conn, r.buf, r.whole, r.call, r.sending = nil, nil, nil, nil, nil
}
