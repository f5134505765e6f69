package provider

import (
	"net"
	"sync"
	"time"
)

// Cancel ends a call from another goroutine: the caller left, the key was
// revoked, the server stops. It is a small thing of its own because deriving
// a context for each request costs more. The zero value is ready; Reset makes
// it ready again.
type Cancel struct {
	mu    sync.Mutex
	cause error
	// conn is blocked on by the call; stop is set while it is dialling.
	conn net.Conn
	stop func()
	done chan struct{}
}

// past is a deadline that has gone by.
var past = time.Unix(1, 0)

// Cancel ends the call with this cause. The first cause stays.
func (c *Cancel) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if c.conn != nil {
		// The blocked read or write returns at once and finds the cause.
		c.conn.SetDeadline(past)
	}
	if c.stop != nil {
		c.stop()
	}
	if c.done != nil {
		close(c.done)
	}
}

// Cause says why the call was ended, nil when it was not.
func (c *Cancel) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Done is closed by Cancel.
func (c *Cancel) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.cause != nil {
			close(c.done)
		}
	}
	return c.done
}

// bind says which connection the call blocks on, and until when it may; nil
// ends the binding.
func (c *Cancel) bind(conn net.Conn, until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		c.conn = nil
		return c.cause
	}
	c.conn = conn
	if conn == nil {
		return nil
	}
	return conn.SetDeadline(until)
}

// extend moves the read deadline; it never undoes a cancellation.
func (c *Cancel) extend(until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	return c.conn.SetReadDeadline(until)
}

// await is extend for a call that may be over.
func (c *Cancel) await(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && c.conn != nil {
		c.conn.SetReadDeadline(until)
	}
}

// push moves the write deadline of a body that is sent in pieces.
func (c *Cancel) push(until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cause != nil:
		return c.cause
	case c.conn == nil:
		return net.ErrClosed
	}
	return c.conn.SetWriteDeadline(until)
}

// dialling sets what stops the dial.
func (c *Cancel) dialling(stop func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = stop
	return c.cause
}
