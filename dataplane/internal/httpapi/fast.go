package httpapi

import (
	"net"
	"strings"
	"sync"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/http1"
	"github.com/tollgate/tollgate/dataplane/internal/pipeline"
)

// fastRoutes finds the routes of the fast path: calls of models whose body is
// read whole. By their paths but for Gemini's, which hold the model.
func fastRoutes() map[string]route {
	found := map[string]route{}
	for _, r := range routes {
		if r.method == "POST" && !strings.HasSuffix(r.path, "*") {
			found[r.path] = r
		}
	}
	return found
}

// geminiPath is what Gemini's paths begin with.
const geminiPath = "/v1beta/models/"

// fastRoute finds what a head asks for.
func (s *Server) fastRoute(h *http1.Head, a *asked) (route, bool) {
	path := h.Path
	if rest, ok := strings.CutPrefix(path, "/t/"); ok {
		tenant, _, ok := strings.Cut(rest, "/")
		if !ok || tenant == "" {
			return route{}, false
		}
		a.tenant, path = tenant, rest[len(tenant):]
	}
	if r, ok := s.fastPaths[path]; ok {
		// A query means nothing here; what it is meant for is not guessed.
		return r, h.Query == ""
	}
	rest, ok := strings.CutPrefix(path, geminiPath)
	a.rest, a.query = rest, h.Query
	return route{operation: pipeline.Chat, dialect: canon.Gemini}, ok && (h.Query == "" || h.Query == "alt=sse")
}

// fast makes the fast path.
func (s *Server) fast(other *handed) (*http1.Server, error) {
	names := make([]string, len(headerNames))
	for i, n := range headerNames {
		names[i] = strings.ToLower(n)
	}
	return http1.New(http1.Config{
		Logger: s.cfg.Logger, Buffers: s.cfg.Buffers, Headers: names, MaxHead: s.limits.Headers,
		Handle: s.serveFast, Other: other.take,
		FirstTime: s.limits.HeaderTime, Rest: s.limits.Rest,
		BodyTime: s.limits.HeaderTime + s.limits.BodyStall, WriteStall: s.limits.WriteStall,
	})
}

// serveFast serves a request of the fast path; it leaves to net/http what it
// does not know.
func (s *Server) serveFast(conn *http1.Conn) bool {
	h := &conn.Head
	a := asked{values: h.Values, remote: conn.Remote}
	r, ok := s.fastRoute(h, &a)
	if !ok || h.Length > s.limits.Body || h.Bytes > s.limits.Headers {
		return false
	}
	if v := h.Values[forwardedFor : forwardedFor+1]; v[0] != "" {
		a.forwarded = v
	}
	c := s.newCall()
	c.wire, c.length = conn, int64(h.Length)
	c.fill(r.operation, r.dialect, &a)
	c.serve()
	if c.broken {
		conn.Break()
	}
	c.release()
	*c = call{}
	s.calls.Put(c)
	return true
}

// handed is the listener of net/http: it gives the connections that the fast
// path has handed over.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newHanded(addr net.Addr) *handed {
	return &handed{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// take hands a connection over, with what was read from it. All that the fast
// path accepts are limited ones.
func (h *handed) take(nc net.Conn, read []byte) {
	nc.(*limitedConn).read = read
	select {
	case h.conns <- nc:
	case <-h.done:
		nc.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handed) Addr() net.Addr { return h.addr }
