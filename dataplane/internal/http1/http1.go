// Package http1 owns the fast path of the front: a server for entirely regular
// HTTP/1.1 requests, those with a plain head that came in one piece and a body
// of known length. Anything else is not refused but handed over, with the bytes
// that were read, to a server that knows all of HTTP; so there is nothing here
// that is lenient, and nothing that guesses. It must not know the pipeline,
// tenants or what is asked for.
//
// What it saves against net/http is system calls, wake-ups and copies: a
// request is read by one call and answered by one, and a goroutine serves its
// connection alone. Callers who leave are seen by one epoll for all of them.
package http1

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// Config of a Server. All fields must be set.
type Config struct {
	Logger  *slog.Logger
	Buffers *buffer.Pool
	// Headers are the names of the headers that Handle wants to see, in lower
	// case; Head.Values has their values in this order.
	Headers []string
	// MaxHead in bytes: a longer one is handed over.
	MaxHead int
	// Handle answers a request. It may say, before it has done anything, that
	// the request is not for it: then it is handed over.
	Handle func(*Conn) (served bool)
	// Other takes over a connection together with what was read from it.
	Other func(nc net.Conn, read []byte)
	// FirstTime is how long the first head of a connection may take, Rest how
	// long a connection may be unused after a request, BodyTime how long a body
	// may take before Handle moves that, WriteStall how long a caller may take
	// none of an answer.
	FirstTime, Rest, BodyTime, WriteStall time.Duration
}

// Supported says whether this system can see that a caller has left. Without
// that there is no fast path.
const Supported = supported

// Server serves connections.
type Server struct {
	cfg      Config
	watcher  *watcher
	draining atomic.Bool
	date     atomic.Pointer[dateText]

	mu    sync.Mutex
	conns map[*Conn]struct{}
	// none is closed when the last connection has gone, once draining.
	none chan struct{}
}

// New makes a server, which must be closed.
func New(cfg Config) (*Server, error) {
	w, err := newWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch callers: %w", err)
	}
	return &Server{cfg: cfg, watcher: w, conns: map[*Conn]struct{}{}, none: make(chan struct{})}, nil
}

// Serve serves what ln accepts until that fails.
func (s *Server) Serve(ln net.Listener) error {
	const longest = time.Second
	pause := time.Duration(0)
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			go s.serve(nc)
			continue
		}
		if !passing(err) {
			return err
		}
		// Most often too many files are open: some will be closed.
		pause = min(max(2*pause, 5*time.Millisecond), longest)
		s.cfg.Logger.Warn("cannot accept", "error", err, "again_in", pause)
		time.Sleep(pause)
	}
}

// passing says whether an accept may work later.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// serve serves a connection, on the goroutine that it is given.
func (s *Server) serve(nc net.Conn) {
	c := s.open(nc)
	if c == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Logger.Error("fast path panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			nc.Close()
		}
		s.forget(c)
	}()
	c.run()
}

// open gives nil for a connection that is not served here: then it is handed
// over, or closed when the server stops.
func (s *Server) open(nc net.Conn) *Conn {
	inner := nc
	if n, ok := nc.(interface{ NetConn() net.Conn }); ok {
		inner = n.NetConn()
	}
	tcp, ok := inner.(*net.TCPConn)
	if !ok {
		s.cfg.Other(nc, nil)
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		nc.Close()
		return nil
	}
	c := &Conn{s: s, nc: nc, tcp: tcp, raw: raw, Remote: nc.RemoteAddr().String()}
	c.readable = c.tryRead
	c.Head.Values = make([]string, len(s.cfg.Headers))
	if !s.remember(c) {
		nc.Close()
		return nil
	}
	if s.watcher.add(c) != nil {
		s.forget(c)
		s.cfg.Other(nc, nil)
		return nil
	}
	return c
}

// remember notes c, unless the server stops.
func (s *Server) remember(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *Conn) {
	s.watcher.remove(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.draining.Load() && len(s.conns) == 0 {
		s.closeNone()
	}
}

func (s *Server) closeNone() {
	select {
	case <-s.none:
	default:
		close(s.none)
	}
}

// Shutdown ends connections that rest, and the others after their answer; it
// waits for them until ctx ends. It may be called again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	for c := range s.conns {
		if c.resting.Load() {
			c.tcp.SetReadDeadline(time.Unix(1, 0))
		}
	}
	left := len(s.conns)
	if left == 0 {
		s.closeNone()
	}
	s.mu.Unlock()
	if left == 0 {
		return nil
	}
	select {
	case <-s.none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close breaks the connections that are still there, and ends the watch for
// callers who leave.
func (s *Server) Close() error {
	s.mu.Lock()
	for c := range s.conns {
		c.nc.Close()
	}
	s.mu.Unlock()
	return s.watcher.close()
}

// dateText is the Date header of one second.
type dateText struct {
	second int64
	text   string
}

func (s *Server) dateOf(now time.Time) string {
	second := now.Unix()
	if d := s.date.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &dateText{second, "Date: " + now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "\r\n"}
	s.date.Store(d)
	return d.text
}
