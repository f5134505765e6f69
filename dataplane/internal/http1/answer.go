package http1

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// Field is a header of an answer.
type Field struct{ Name, Value string }

// answer is the state of the answer to a request.
type answer struct {
	begun bool
	// last says that the connection ends after this answer, broken that the
	// answer must not look as if it had ended well.
	last, broken bool
	chunked      bool
	// owed is what is still to come of a body of known length, in bytes.
	owed int
	// out is what waits to be sent; nil while nothing does. chunkAt is where
	// the open chunk begins in it, -1 when none is.
	out     *buffer.Buffer
	chunkAt int
	trailer Field
	err     error
}

// sendAtOnce is up to how much is copied to be sent together; more is sent from
// where it is.
const sendAtOnce = 16 << 10

// headRoom is more than most heads need.
const headRoom = 1 << 10

// chunkHead is how long the line before a chunk is: four digits, CR, LF.
const chunkHead = 6

// Begin writes the head of the answer, which is sent with the first bytes of
// its body. The length of the body is -1 for a stream. A field Connection:
// close makes this the last answer.
func (c *Conn) Begin(status int, fields []Field, length int) {
	now := time.Now()
	c.allow(now)
	c.begun, c.owed, c.chunked = true, length, length < 0
	room := sendAtOnce
	if length >= 0 && length <= sendAtOnce-headRoom {
		room = headRoom + length
	}
	c.out = c.s.cfg.Buffers.Get(room)
	b := append(c.out.B, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	for _, f := range fields {
		if f.Name == "Connection" && f.Value == "close" {
			c.last = true
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = appendValue(b, f.Value)
		b = append(b, "\r\n"...)
	}
	b = append(b, c.s.dateOf(now)...)
	if c.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n\r\n"...)
	} else {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(length), 10)
		b = append(b, "\r\n\r\n"...)
	}
	c.out.B = b
}

// appendValue never lets a value end its line.
func appendValue(b []byte, v string) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			b = append(b, ' ')
			continue
		}
		b = append(b, v[i])
	}
	return b
}

// Write sends a piece of the body. Of a stream, pieces wait for Flush or for
// enough of them; of a body of known length the last sends all.
func (c *Conn) Write(p []byte) error {
	if c.err != nil || len(p) == 0 {
		return c.err
	}
	if c.chunked {
		return c.writeChunk(p)
	}
	if len(p) > c.owed {
		// The answer would run into the next one.
		c.broken, c.err = true, net.ErrClosed
		return c.err
	}
	c.owed -= len(p)
	if c.out != nil && len(c.out.B)+len(p) <= cap(c.out.B) {
		c.out.B = append(c.out.B, p...)
		if c.owed > 0 {
			return nil
		}
		return c.send(nil)
	}
	return c.send(p)
}

func (c *Conn) writeChunk(p []byte) error {
	for len(p) > 0 {
		if c.out == nil {
			c.out = c.s.cfg.Buffers.Get(sendAtOnce)
		}
		if c.chunkAt < 0 && cap(c.out.B)-len(c.out.B) > chunkHead+2 {
			c.chunkAt = len(c.out.B)
			c.out.B = append(c.out.B, "0000\r\n"...)
		}
		room := 0
		if c.chunkAt >= 0 {
			room = cap(c.out.B) - len(c.out.B) - 2
		}
		n := min(room, len(p))
		c.out.B = append(c.out.B, p[:n]...)
		p = p[n:]
		if len(p) > 0 {
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeChunk ends the open chunk and writes its length before it.
func (c *Conn) closeChunk() {
	if c.chunkAt < 0 {
		return
	}
	const digits = "0123456789abcdef"
	n := len(c.out.B) - c.chunkAt - chunkHead
	if n == 0 {
		c.out.B = c.out.B[:c.chunkAt]
		c.chunkAt = -1
		return
	}
	for i := 3; i >= 0; i-- {
		c.out.B[c.chunkAt+i] = digits[n&15]
		n >>= 4
	}
	c.out.B = append(c.out.B, "\r\n"...)
	c.chunkAt = -1
}

// Flush sends what waits.
func (c *Conn) Flush() error {
	if c.err != nil || c.out == nil {
		return c.err
	}
	c.closeChunk()
	return c.send(nil)
}

// send sends what waits and then p, large ones in parts, so that a slow caller
// of a large answer is not taken for one that takes nothing.
func (c *Conn) send(p []byte) error {
	const part = 256 << 10
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), part)
		c.allow(time.Now())
		if c.err = c.sendOnce(p[:n]); c.err != nil {
			c.broken = true
			return c.err
		}
		p = p[n:]
	}
	return nil
}

func (c *Conn) sendOnce(p []byte) (err error) {
	out := c.out
	c.out = nil
	switch {
	case out == nil:
		_, err = c.tcp.Write(p)
	case len(p) == 0:
		_, err = c.tcp.Write(out.B)
	default:
		both := net.Buffers{out.B, p}
		_, err = both.WriteTo(c.tcp)
	}
	c.s.cfg.Buffers.Put(out)
	return err
}

// allow gives the caller time to take what is sent, unless it has nearly all
// of that time yet.
func (c *Conn) allow(now time.Time) {
	stall := c.s.cfg.WriteStall
	if c.writeUntil.Sub(now) < stall-stall/8 {
		c.writeUntil = now.Add(stall)
		c.tcp.SetWriteDeadline(c.writeUntil)
	}
}

// Trailer sets the field that follows a stream.
func (c *Conn) Trailer(f Field) { c.trailer = f }

// Break ends the answer in a way that cannot be taken for its end.
func (c *Conn) Break() { c.broken = true }

// endAnswer sends the end; it says whether the connection can be used again.
func (c *Conn) endAnswer() bool {
	if !c.begun || c.broken || c.err != nil {
		return false
	}
	if c.chunked {
		if c.out == nil {
			c.out = c.s.cfg.Buffers.Get(256)
		}
		c.closeChunk()
		c.out.B = append(c.out.B, "0\r\n"...)
		if c.trailer.Name != "" {
			c.out.B = append(c.out.B, c.trailer.Name...)
			c.out.B = append(c.out.B, ": "...)
			c.out.B = appendValue(c.out.B, c.trailer.Value)
			c.out.B = append(c.out.B, "\r\n"...)
		}
		c.out.B = append(c.out.B, "\r\n"...)
	}
	if c.out != nil && c.send(nil) != nil {
		return false
	}
	return c.owed <= 0 && !c.last && !c.s.draining.Load()
}
