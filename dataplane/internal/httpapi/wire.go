package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
)

// wire is the HTTP below a call: net/http, or a connection of the fast path,
// which has these methods by itself.
type wire interface {
	// Body gives the buffer for the body, with what is there of it from an
	// index on. Read reads more, for as long as the read deadline allows.
	Body() (b *buffer.Buffer, from int)
	Read(p []byte) (int, error)
	SetReadDeadline(t time.Time)
	// Watch has l told when the caller leaves; Unwatch ends that and says
	// whether nobody can be told any more. Gone is true once the caller left.
	Watch(l http1.Leaver)
	Unwatch() bool
	Gone() bool
	// Begin sends a head; the fields are not used after it. Pieces that are
	// written may wait for Flush or for the end of the body.
	Begin(status int, fields []http1.Field, length int)
	Write(p []byte) error
	Flush() error
	Trailer(f http1.Field)
}

// Lengths of bodies that are no number: of streams, and of answers that have
// none.
const (
	unknownLength = -1
	noBody        = -2
)

// netWire is the wire over net/http.
type netWire struct {
	s  *Server
	w  http.ResponseWriter
	r  *http.Request
	rc *http.ResponseController
	// unwatch ends the watch for a caller who leaves.
	unwatch func() bool
	// got is how much of the body is read.
	got    int64
	stream bool
	// conn is set while its writes are held back.
	conn *limitedConn
	// until is when the write deadline strikes.
	until time.Time
	// values back the header values, so that they are not allocated one by one;
	// net/http copies them with the head.
	values [24]string
}

func (n *netWire) open(s *Server, w http.ResponseWriter, r *http.Request) {
	n.s, n.w, n.r, n.rc = s, w, r, http.NewResponseController(w)
}

// firstRead is how much room a body of unknown size gets; more follows what
// arrives, never what is announced.
const firstRead = 16 << 10

func (n *netWire) Body() (*buffer.Buffer, int) {
	n.mayWrite()
	room := firstRead
	if length := n.r.ContentLength; length >= 0 {
		room = int(min(length, 64<<10)) + 1
	}
	if n.r.ContentLength == 0 {
		n.SetReadDeadline(time.Time{})
	}
	return n.s.cfg.Buffers.Get(room), 0
}

// mayWrite is called before a body is read: net/http writes "100 Continue" at
// the first read, under whatever write deadline the request before left behind.
func (n *netWire) mayWrite() {
	if len(n.r.Header["Expect"]) > 0 {
		n.rc.SetWriteDeadline(time.Now().Add(n.s.limits.WriteStall))
	}
}

func (n *netWire) Read(p []byte) (int, error) {
	k, err := n.r.Body.Read(p)
	n.got += int64(k)
	if err == io.EOF || err == nil && n.got == n.r.ContentLength {
		// From here on a read deadline would look like a caller who left.
		n.SetReadDeadline(time.Time{})
	}
	return k, err
}

func (n *netWire) SetReadDeadline(t time.Time) { n.rc.SetReadDeadline(t) }

func (n *netWire) Watch(l http1.Leaver) {
	n.unwatch = context.AfterFunc(n.r.Context(), l.CallerLeft)
}

func (n *netWire) Unwatch() bool { return n.unwatch() }

func (n *netWire) Gone() bool { return n.r.Context().Err() != nil }

func (n *netWire) Begin(status int, fields []http1.Field, length int) {
	h := n.w.Header()
	for i, f := range fields {
		if there := h[f.Name]; there != nil || i >= len(n.values) {
			h[f.Name] = append(there, f.Value)
			continue
		}
		n.values[i] = f.Value
		h[f.Name] = n.values[i : i+1 : i+1]
	}
	if length >= 0 {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	n.stream = length == unknownLength
	n.until = time.Now().Add(n.s.limits.WriteStall)
	n.rc.SetWriteDeadline(n.until)
	n.w.WriteHeader(status)
}

// extend moves the write deadline on, when half of it is gone: a caller that
// takes nothing is cut after at least half the time and at most all of it.
func (n *netWire) extend() {
	now := time.Now()
	if n.until.Sub(now) < n.s.limits.WriteStall/2 {
		n.until = now.Add(n.s.limits.WriteStall)
		n.rc.SetWriteDeadline(n.until)
	}
}

// Write sends large pieces in parts, so that a slow caller of a large answer is
// not taken for one that takes nothing.
func (n *netWire) Write(p []byte) error {
	const part = 256 << 10
	if n.stream || len(p) > inOnePiece && len(p) < heldWrites-inOnePiece {
		n.hold()
	}
	for len(p) > part {
		if _, err := n.w.Write(p[:part]); err != nil {
			return err
		}
		n.extend()
		p = p[part:]
	}
	_, err := n.w.Write(p)
	if err == nil && n.conn != nil && !n.stream {
		return n.flush()
	}
	return err
}

// Sizes for holding writes back: net/http sends less than inOnePiece in one
// piece by itself.
const (
	inOnePiece = 3 << 10
	heldWrites = 16 << 10
)

// hold makes what net/http writes wait until Flush or the end of the call.
func (n *netWire) hold() {
	if n.conn != nil {
		return
	}
	conn, ok := n.r.Context().Value(connKey{}).(*limitedConn)
	if !ok {
		return
	}
	n.conn = conn
	conn.hold(n.s.cfg.Buffers.Get(heldWrites))
}

// unhold sends what waits in the connection.
func (n *netWire) unhold() error {
	if n.conn == nil {
		return nil
	}
	b, err := n.conn.send()
	n.s.cfg.Buffers.Put(b)
	n.conn = nil
	return err
}

func (n *netWire) Flush() error {
	n.extend()
	return n.flush()
}

func (n *netWire) flush() error { return errors.Join(n.rc.Flush(), n.unhold()) }

func (n *netWire) Trailer(f http1.Field) { n.w.Header()[f.Name] = []string{f.Value} }
