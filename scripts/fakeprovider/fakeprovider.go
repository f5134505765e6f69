// Package fakeprovider is a provider for tests, benchmarks and chaos runs. It
// answers chat completions, plain and streamed, with sizes, delays and
// failures that each request chooses (see Behaviour), and keeps an append-only
// log of what it really served, which is one side of the oracle that the ledger
// is held against.
//
// It speaks Anthropic's and Gemini's dialects too: there, and in chat
// completions when Options.Converse is set, it reads the whole request, refuses
// what the real API would refuse, and behaves as a model: package dialogue. What
// it does besides chat is package operations.
//
// It speaks HTTP/1.1 by itself instead of through net/http, for two reasons:
// most of what it must be able to do is break that protocol, and in benchmarks
// it shares a core with the load generator, so it must cost next to nothing.
// It knows nothing of Tollgate.
//
// Beside the provider's API it serves:
//
//	GET /_fake/log?since=N   the records after the first N, as JSON lines
//	GET /_fake/stats         counts
//	PUT /_fake/default       a directive that from now on is the default
package fakeprovider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/scripts/fakeprovider/operations"
)

// Options of a server. The zero value works.
type Options struct {
	// Addr to listen on; 127.0.0.1:0 when empty. Only loopback is allowed.
	Addr string
	// Default directive, without "fake:", for requests that have none.
	Default string
	// Key that callers must send as bearer; empty means that any will do.
	Key string
	// Converse reads chat completions as the other dialects are read, which
	// costs more: see package dialogue.
	Converse bool
	// NoLog keeps counts only: for benchmarks.
	NoLog bool
	// Hasty reads the first of the conversations that have the same model and
	// directive and gives the others its answer: for benchmarks.
	Hasty bool
	// KeepBodies keeps request bodies in the log.
	KeepBodies bool
	// LogFile also appends each record to a file.
	LogFile string
}

// Server is a running fake provider.
type Server struct {
	opts     Options
	ln       net.Listener
	journal  *journal
	fallback atomic.Pointer[Behaviour]
	wg       sync.WaitGroup

	desk *operations.Desk

	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]struct{}
	answers map[string]*prepared
}

// maxAnswers bounds the prebuilt answers; more are built for each request.
const maxAnswers = 1024

// Start listens and serves until ctx ends or Close is called.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	b, err := Parse(standard, opts.Default)
	if err != nil {
		return nil, fmt.Errorf("fake provider: %w", err)
	}
	host, _, err := net.SplitHostPort(opts.Addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("fake provider: %q is not a loopback address", opts.Addr)
	}
	ln, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("fake provider: %w", err)
	}
	j, err := newJournal(!opts.NoLog, opts.LogFile)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("fake provider: %w", err)
	}
	s := &Server{opts: opts, ln: ln, journal: j, desk: operations.New(), conns: map[net.Conn]struct{}{}, answers: map[string]*prepared{}}
	s.fallback.Store(&b)
	s.wg.Go(s.accept)
	context.AfterFunc(ctx, func() { s.Close() })
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL is the base URL for an OpenAI client: it ends in /v1.
func (s *Server) URL() string { return "http://" + s.Addr() + "/v1" }

// GeminiURL is the base URL for a Gemini client: it ends in /v1beta.
func (s *Server) GeminiURL() string { return "http://" + s.Addr() + "/v1beta" }

// SetDefault changes what requests without directive get.
func (s *Server) SetDefault(directive string) error {
	b, err := Parse(standard, directive)
	if err != nil {
		return err
	}
	s.fallback.Store(&b)
	return nil
}

// Log returns what was served so far. A client can have the whole of an answer
// a moment before the record is there: Wait says when.
func (s *Server) Log() []Record {
	records, _ := s.journal.since(0)
	return records
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats { return s.journal.now() }

// Wait returns the log as soon as it satisfies ok.
func (s *Server) Wait(ctx context.Context, ok func([]Record) bool) ([]Record, error) {
	for {
		records, changed := s.journal.since(0)
		if ok(records) {
			return records, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return records, fmt.Errorf("fake provider: wait for the log (%d records): %w", len(records), ctx.Err())
		}
	}
}

// Close stops serving, cuts open connections and waits until all have ended.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	err := s.ln.Close()
	s.wg.Wait()
	if !first {
		return nil
	}
	return errors.Join(err, s.journal.close())
}

func (s *Server) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors: they come back.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Server) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	(&conn{s: s, c: c, buf: make([]byte, 64<<10)}).run()
}

// prepared is an answer with the behaviour it was built from.
type prepared struct {
	ask
	// base is the default that the behaviour was read on top of.
	base   *Behaviour
	answer *answer
}

// prepare finds or builds the answer to a request. The key is a scratch buffer
// that identifies the answer, so that the usual request is one map lookup.
func (s *Server) prepare(key, model, directive []byte, stream, usage bool) (*prepared, []byte, error) {
	base := s.fallback.Load()
	key = append(key[:0], byte('0'+b2i(stream)+2*b2i(usage)))
	key = append(key, model...)
	key = append(key, 0)
	key = append(key, directive...)
	s.mu.Lock()
	p := s.answers[string(key)]
	s.mu.Unlock()
	if p != nil && (p.base == base) {
		return p, key, nil
	}
	b, err := Parse(*base, string(directive))
	if err != nil {
		return nil, key, err
	}
	p = &prepared{ask: ask{model: string(model), stream: stream, usage: usage, b: b}, base: base}
	p.answer = p.build()
	s.mu.Lock()
	defer s.mu.Unlock()
	if (len(s.answers) < maxAnswers || s.answers[string(key)] != nil) && b.Size <= 1<<20 {
		s.answers[string(key)] = p
	}
	return p, key, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
