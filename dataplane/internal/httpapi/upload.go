package httpapi

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
	"github.com/tollgate/tollgate/dataplane/internal/provider"
	"github.com/tollgate/tollgate/proto/fault"
)

// uploadPiece is how much of a body is held that passes as it arrives.
const uploadPiece = 16 << 10

// upload is a body that passes as it arrives. One goroutine reads it, another
// may stop it.
type upload struct {
	c    *call
	net  *netWire
	buf  *buffer.Buffer
	left int64
	pace pace
	err  error
}

// Stream gives the body to be read as it arrives.
func (c *call) Stream() (provider.Source, int64, error) {
	length := c.length
	if length == 0 {
		// From here on a read deadline would look like a caller who left.
		c.wire.SetReadDeadline(time.Time{})
		return nil, 0, nil
	}
	if length > c.s.limits.Upload {
		return nil, 0, c.uploadTooLarge()
	}
	return &upload{c: c, net: &c.net, left: c.s.limits.Upload}, length, nil
}

func (c *call) uploadTooLarge() error {
	return fault.Newf(fault.BodyTooLarge, "The body is larger than %d MiB.", c.s.limits.Upload>>20)
}

// Next reads a piece.
func (u *upload) Next() ([]byte, error) {
	c := u.c
	if u.err != nil {
		return nil, u.err
	}
	if u.buf == nil {
		u.buf = c.s.cfg.Buffers.Get(uploadPiece)
		c.body = u.buf // given back at the end of the call
		u.net.mayWrite()
		// The provider may answer while the body is still coming.
		u.net.rc.EnableFullDuplex()
		c.reading.Store(true)
	}
	n, err := u.net.Read(u.buf.B[:uploadPiece])
	p := u.buf.B[:n]
	u.left -= int64(n)
	switch {
	case u.left < 0:
		u.err = c.uploadTooLarge()
		return nil, u.err
	case err == io.EOF:
		c.reading.Store(false)
		u.err = io.EOF
		if u.net.Gone() {
			u.err = pipeline.ErrCallerLeft
		}
		return p, u.err
	case err != nil:
		u.err = readFault(err)
		return nil, u.err
	}
	if until, ok := u.pace.more(n, c.s.limits.BodyStall); ok {
		u.net.SetReadDeadline(until)
	}
	return p, nil
}

// Stop makes a Next return that waits for the caller.
func (u *upload) Stop() {
	if u.c.reading.Load() {
		u.net.SetReadDeadline(time.Unix(1, 0))
	}
}

// lingering is how long the rest of a body is taken in whose answer is sent.
const lingering = time.Second

// linger lets a caller who still sends read the answer: a connection that is
// closed with bytes unread is reset, and the reset takes the answer with it. So
// the rest is thrown away for a while. It is read from the connection, which is
// not used again: a body whose reading was stopped gives nothing any more.
func (c *call) linger() {
	if !c.reading.Load() || c.broken {
		return
	}
	conn, ok := c.net.r.Context().Value(connKey{}).(*limitedConn)
	if !ok || c.net.rc.Flush() != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(lingering))
	io.Copy(io.Discard, conn.Conn)
}

// Pass sends the head of a carried answer.
func (c *call) Pass(status int, fields []provider.Field, length int64) {
	c.facts()
	ours := len(c.head)
	for _, f := range fields {
		f := http1.Field{Name: http.CanonicalHeaderKey(f.Name), Value: f.Value}
		if !slices.ContainsFunc(c.head[:ours], func(o http1.Field) bool { return o.Name == f.Name }) {
			c.head = append(c.head, f)
		}
	}
	if c.reading.Load() {
		// The answer came before all of the body.
		c.set("Connection", "close")
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		length = noBody
	}
	c.open(status, int(length))
}

// Break ends the connection without ending the answer.
func (c *call) Break() { c.broken = true }
