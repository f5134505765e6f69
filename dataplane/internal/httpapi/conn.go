package httpapi

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/proto/fault"
)

// limit refuses connections beyond the limit with an answer, so that callers
// know why, at the cost of one write.
func (s *Server) limit(ln net.Listener) net.Listener {
	f := fault.New(fault.Overloaded, "", nil)
	return &limitedListener{Listener: ln, most: int64(s.limits.Connections), refusal: rawRefusal(f)}
}

type limitedListener struct {
	net.Listener
	most    int64
	open    atomic.Int64
	refusal []byte
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &limitedConn{Conn: c, l: l}, nil
		}
		l.open.Add(-1)
		// An empty send buffer takes this without waiting.
		c.SetDeadline(time.Now().Add(time.Second))
		c.Write(l.refusal)
		c.Close()
	}
}

// limitedConn is a caller's connection. It can hold writes back and send them
// as one: net/http would write an answer of 10 KB in pieces of 4 KB and less,
// and system calls are what a request costs most.
type limitedConn struct {
	net.Conn
	l    *limitedListener
	once sync.Once
	// held is where writes wait; nil while they do not. Only the goroutine
	// that serves the connection writes.
	held *buffer.Buffer
	// read is what was read before net/http had the connection.
	read []byte
}

// NetConn is the connection below.
func (c *limitedConn) NetConn() net.Conn { return c.Conn }

// Read gives what was read before, and then reads.
func (c *limitedConn) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// connKey finds the connection of a request in its context.
type connKey struct{}

// hold makes writes wait in b.
func (c *limitedConn) hold(b *buffer.Buffer) { c.held = b }

// send writes what waits and ends the waiting; it gives the buffer back.
func (c *limitedConn) send() (*buffer.Buffer, error) {
	b := c.held
	c.held = nil
	if len(b.B) == 0 {
		return b, nil
	}
	_, err := c.Conn.Write(b.B)
	return b, err
}

// Write sends p, or holds it back when it fits.
func (c *limitedConn) Write(p []byte) (int, error) {
	if c.held == nil {
		return c.Conn.Write(p)
	}
	if len(c.held.B)+len(p) > cap(c.held.B) {
		if _, err := c.Conn.Write(c.held.B); err != nil {
			return 0, err
		}
		c.held.B = c.held.B[:0]
		if len(p) > cap(c.held.B) {
			return c.Conn.Write(p)
		}
	}
	c.held.B = append(c.held.B, p...)
	return len(p), nil
}

// CloseWrite ends our side alone, so that a caller who still sends reads the
// answer before the connection breaks.
func (c *limitedConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// Close gives the place back.
func (c *limitedConn) Close() error {
	c.once.Do(func() { c.l.open.Add(-1) })
	return c.Conn.Close()
}
