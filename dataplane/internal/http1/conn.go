package http1

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// Conn is a connection, and the request on it that is being served. Its methods
// are for the goroutine of Handle.
type Conn struct {
	// Head of the request.
	Head Head
	// Remote is the address of the other end.
	Remote string

	s   *Server
	nc  net.Conn
	tcp *net.TCPConn
	raw syscall.RawConn
	// readable is tryRead, made once.
	readable func(fd uintptr) bool

	// buf holds what was read; nil while the connection rests. The body begins
	// at bodyAt.
	buf    *buffer.Buffer
	bodyAt int
	// missing is what of the body is not read yet, in bytes.
	missing int
	// next is what came after the body.
	next []byte

	answer

	// restUntil and writeUntil are the deadlines that stand.
	restUntil, writeUntil time.Time
	served                bool
	// resting says that no request is being served.
	resting atomic.Bool

	// gone says that the other end has closed, or closed its side.
	gone   atomic.Bool
	leaveM sync.Mutex
	leaver Leaver
	id     uint64
}

// Leaver wants to know that a caller has left.
type Leaver interface{ CallerLeft() }

// firstRead is how much is read at once: a connection at rest has no memory for
// it, so it can be enough for most requests.
const firstRead = 64 << 10

// run serves requests until the connection ends or is handed over.
func (c *Conn) run() {
	for {
		if !c.await() {
			c.close()
			return
		}
		if c.served {
			c.buf.B = c.buf.B[:copy(c.buf.B, afterBody(c.buf.B))]
			if len(c.buf.B) == 0 {
				c.giveBack()
				continue
			}
		}
		size := c.Head.parse(c.buf.B, c.s.cfg.Headers, c.s.cfg.MaxHead)
		if size == 0 {
			c.handOver(c.buf.B)
			return
		}
		c.divide(size)
		c.answer = answer{chunkAt: -1}
		if !c.s.cfg.Handle(c) {
			c.handOver(append(c.buf.B, c.next...))
			return
		}
		c.served = true
		if !c.finish() {
			c.close()
			return
		}
		if next := afterBody(c.next); len(next) > 0 {
			// Who sends before the answer came is rare, and not regular.
			c.handOver(next)
			return
		}
	}
}

// afterBody drops the ends of lines that some callers send after a body, as
// many as net/http does: they belong to no request.
func afterBody(b []byte) []byte {
	for n := 0; n < 4 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n'); n++ {
		b = b[1:]
	}
	return b
}

func (c *Conn) close() {
	c.giveBack()
	c.nc.Close()
}

// handOver gives the connection away, with what was read from it.
func (c *Conn) handOver(read []byte) {
	read = append([]byte(nil), read...)
	c.giveBack()
	c.s.watcher.remove(c)
	c.tcp.SetDeadline(time.Time{})
	c.s.cfg.Other(c.nc, read)
}

func (c *Conn) giveBack() {
	c.s.cfg.Buffers.Put(c.buf)
	c.s.cfg.Buffers.Put(c.out)
	c.buf, c.out = nil, nil
}

// await waits for a request and reads what is there of it.
func (c *Conn) await() bool {
	c.rest()
	c.resting.Store(true)
	if c.s.draining.Load() || c.raw.Read(c.readable) != nil {
		// The time is over: a request that is there all the same is answered.
		c.raw.Control(func(fd uintptr) { c.tryRead(fd) })
	}
	c.resting.Store(false)
	return c.buf != nil && len(c.buf.B) > 0
}

// rest sets how long the connection may be unused. A deadline that is nearly
// right stays: moving one costs more than it is worth.
func (c *Conn) rest() {
	rest := c.s.cfg.FirstTime
	if c.served {
		rest = c.s.cfg.Rest
	}
	now := time.Now()
	if left := c.restUntil.Sub(now); left < rest-rest/8 || left > rest {
		c.restUntil = now.Add(rest)
		c.tcp.SetReadDeadline(c.restUntil)
	}
}

// divide finds the body in what was read. A small request moves to a small
// buffer, which is held for as long as the request lasts.
func (c *Conn) divide(head int) {
	got := len(c.buf.B) - head
	c.next = nil
	if got > c.Head.Length {
		c.next = append(c.next, c.buf.B[head+c.Head.Length:]...)
		got = c.Head.Length
		c.buf.B = c.buf.B[:head+got]
	}
	c.bodyAt, c.missing = head, c.Head.Length-got
	if small := head + c.Head.Length; small <= cap(c.buf.B)/4 {
		b := c.s.cfg.Buffers.Get(small)
		b.B = append(b.B, c.buf.B...)
		c.s.cfg.Buffers.Put(c.buf)
		c.buf = b
	}
}

// Body gives away the buffer with what there is of the body, from an index on;
// the rest is read by Read.
func (c *Conn) Body() (b *buffer.Buffer, from int) {
	b, c.buf = c.buf, nil
	if c.missing > 0 {
		c.SetReadDeadline(time.Now().Add(c.s.cfg.BodyTime))
	}
	return b, c.bodyAt
}

// Read reads of the body what is still to come.
func (c *Conn) Read(p []byte) (int, error) {
	if c.missing == 0 {
		return 0, io.EOF
	}
	n, err := c.tcp.Read(p[:min(len(p), c.missing)])
	c.missing -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// SetReadDeadline moves the time until which the body may take.
func (c *Conn) SetReadDeadline(t time.Time) {
	c.restUntil = time.Time{}
	c.tcp.SetReadDeadline(t)
}

// Watch makes l be told when the caller leaves.
func (c *Conn) Watch(l Leaver) {
	c.leaveM.Lock()
	c.leaver = l
	c.leaveM.Unlock()
}

// Unwatch ends that: when it returns, nobody is told any more.
func (c *Conn) Unwatch() bool {
	c.Watch(nil)
	return true
}

// Gone says whether the caller has left.
func (c *Conn) Gone() bool { return c.gone.Load() }

// left is called by the watcher.
func (c *Conn) left() {
	c.gone.Store(true)
	c.leaveM.Lock()
	defer c.leaveM.Unlock()
	if c.leaver != nil {
		c.leaver.CallerLeft()
	}
}

// lingering is how long the rest of a body is taken in whose answer is sent.
const lingering = time.Second

// finish ends a request; it says whether another may come.
func (c *Conn) finish() bool {
	c.s.cfg.Buffers.Put(c.buf)
	c.buf = nil
	c.Head.forget()
	good := c.endAnswer()
	if c.missing == 0 || !c.begun {
		return good
	}
	// A connection that is closed with bytes unread is reset, and the reset
	// takes the answer with it: so what is left of the body is thrown away.
	c.SetReadDeadline(time.Now().Add(lingering))
	b := c.s.cfg.Buffers.Get(16 << 10)
	defer c.s.cfg.Buffers.Put(b)
	for c.missing > 0 {
		if _, err := c.Read(b.B[:cap(b.B)]); err != nil {
			return false
		}
	}
	return good
}
