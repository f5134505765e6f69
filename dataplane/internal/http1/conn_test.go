package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// world is a server under test, and what it handed over.
type world struct {
	t      *testing.T
	s      *Server
	addr   string
	handed chan []byte
	logs   *lockedText
}

type lockedText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func serve(t *testing.T, handle func(*Conn) bool, change func(*Config)) *world {
	t.Helper()
	if !Supported {
		t.Skip("there is no fast path on this system")
	}
	w := &world{t: t, handed: make(chan []byte, 8), logs: new(lockedText)}
	cfg := Config{
		Logger: slog.New(slog.NewTextHandler(w.logs, nil)), Buffers: new(buffer.Pool), Headers: wantedInTests, MaxHead: 32 << 10,
		Handle: handle, Other: func(nc net.Conn, read []byte) { nc.Close(); w.handed <- read },
		FirstTime: 10 * time.Second, Rest: 10 * time.Second, BodyTime: 10 * time.Second, WriteStall: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.s, w.addr = s, ln.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error("serve:", err)
		}
		s.Close()
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		if err := s.Shutdown(ctx); err != nil {
			t.Error("connections are left:", err)
		}
	})
	return w
}

func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// request is a regular one.
func request(path string, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nX-Request-Id: r\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// body reads the whole body of a request.
func body(c *Conn) ([]byte, error) {
	b, from := c.Body()
	got := bytes.Clone(b.B[from:])
	c.s.cfg.Buffers.Put(b)
	rest, err := io.ReadAll(readerOf(c))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return append(got, rest...), err
}

type reader struct{ c *Conn }

func (r reader) Read(p []byte) (int, error) { return r.c.Read(p) }

func readerOf(c *Conn) io.Reader { return reader{c} }

// echo answers with the body.
func echo(c *Conn) bool {
	b, err := body(c)
	if err != nil {
		c.Break()
		return true
	}
	c.Begin(200, []Field{{"Content-Type", "text/plain"}, {"X-Path", c.Head.Path}}, len(b))
	c.Write(b)
	return true
}

func answerOf(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestBodiesOfAllSizesOnOneConnection(t *testing.T) {
	w := serve(t, echo, nil)
	c := w.dial()
	in := bufio.NewReader(c)
	for _, size := range []int{0, 1, 900, 4 << 10, 16<<10 - 200, 16 << 10, 60 << 10, 65<<10 - 100, 65 << 10, 300 << 10, 2 << 20} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		go io.WriteString(c, request("/p", text))
		resp, got := answerOf(t, in)
		if resp.StatusCode != 200 || got != text || resp.Header.Get("X-Path") != "/p" || resp.Header.Get("Date") == "" || resp.Close {
			t.Errorf("%d bytes: %d, %d bytes came back, %v", size, resp.StatusCode, len(got), resp.Header)
		}
	}
	// In two pieces, and in three.
	text := strings.Repeat("x", 1000)
	all := request("/p", text)
	head := strings.Index(all, "\r\n\r\n") + 4
	for _, cuts := range [][]int{{head}, {head + 1}, {head, head + 500}} {
		from := 0
		for _, cut := range append(cuts, len(all)) {
			io.WriteString(c, all[from:cut])
			from = cut
			time.Sleep(5 * time.Millisecond) // so that they are not read together
		}
		if _, got := answerOf(t, in); got != text {
			t.Errorf("cut at %v: %q", cuts, got)
		}
	}
}

func TestHandedOverWithAllThatWasRead(t *testing.T) {
	w := serve(t, func(c *Conn) bool { return c.Head.Path == "/known" && echo(c) }, nil)
	for _, text := range []string{"GET / HTTP/1.1\r\n", "P", request("/unknown", "body"), request("/unknown", "body") + "more"} {
		io.WriteString(w.dial(), text)
		if got := <-w.handed; string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	// What comes before an answer is handed over after it.
	c := w.dial()
	next := request("/known", "second")
	io.WriteString(c, request("/known", "first")+next)
	if _, got := answerOf(t, bufio.NewReader(c)); got != "first" {
		t.Errorf("first answer: %q", got)
	}
	if got := <-w.handed; string(got) != next {
		t.Errorf("handed over: %q", got)
	}
}

// TestStreamsArriveAsWritten: pieces of any size, with flushes anywhere, arrive
// whole and in order, and the trailer after them.
func TestStreamsArriveAsWritten(t *testing.T) {
	const streams = 200
	texts := make([][]byte, streams)
	w := serve(t, func(c *Conn) bool {
		var n int
		fmt.Sscanf(c.Head.Values[1], "%d", &n)
		rnd := rand.New(rand.NewPCG(uint64(n), 1))
		c.Begin(200, []Field{{"Trailer", "X-Cost"}}, -1)
		for rest := texts[n]; len(rest) > 0; {
			k := min(len(rest), 1+rnd.IntN([]int{10, 1000, 17000, 40000}[rnd.IntN(4)]))
			if c.Write(rest[:k]) != nil {
				return true
			}
			rest = rest[k:]
			if rnd.IntN(3) == 0 {
				c.Flush()
			}
		}
		c.Trailer(Field{"X-Cost", "1"})
		return true
	}, nil)
	c := w.dial()
	in := bufio.NewReader(c)
	for n := range streams {
		rnd := rand.New(rand.NewPCG(uint64(n), 2))
		texts[n] = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), 4000)[:rnd.IntN([]int{1, 100, 17000, 100000}[n%4])]
		io.WriteString(c, strings.Replace(request("/s", ""), "Id: r", fmt.Sprintf("Id: %d", n), 1))
		resp, got := answerOf(t, in)
		if got != string(texts[n]) || resp.Trailer.Get("X-Cost") != "1" || len(resp.TransferEncoding) != 1 {
			t.Fatalf("stream %d: %d of %d bytes, trailer %v", n, len(got), len(texts[n]), resp.Trailer)
		}
	}
}

// TestFlushSends: nothing waits that was flushed.
func TestFlushSends(t *testing.T) {
	seen := make(chan struct{})
	w := serve(t, func(c *Conn) bool {
		c.Begin(200, nil, -1)
		for range 3 {
			c.Write([]byte("event"))
			c.Flush()
			<-seen
		}
		return true
	}, nil)
	c := w.dial()
	io.WriteString(c, request("/", ""))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		seen <- struct{}{}
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q %v", rest, err)
	}
}

func TestAnswersThatMustNotLookWhole(t *testing.T) {
	for name, handle := range map[string]func(*Conn) bool{
		"stream": func(c *Conn) bool { c.Begin(200, nil, -1); c.Write([]byte("a")); c.Flush(); c.Break(); return true },
		"short":  func(c *Conn) bool { c.Begin(200, nil, 10); c.Write([]byte("a")); return true },
		"long":   func(c *Conn) bool { c.Begin(200, nil, 1); c.Write([]byte("ab")); return true },
		"none":   func(*Conn) bool { return true },
		"panic":  func(*Conn) bool { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, handle, nil).dial()
			io.WriteString(c, request("/", ""))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil {
				t.Error("it looks whole")
			}
		})
	}
}

func TestValuesCannotEndALine(t *testing.T) {
	c := serve(t, func(c *Conn) bool {
		c.Begin(200, []Field{{"X-A", "a\r\nX-B: b\x00\x7f"}}, 0)
		return true
	}, nil).dial()
	io.WriteString(c, request("/", ""))
	resp, _ := answerOf(t, bufio.NewReader(c))
	if resp.Header.Get("X-B") != "" || resp.Header.Get("X-A") != "a  X-B: b" {
		t.Errorf("%q", resp.Header)
	}
}

// TestARefusedBodyIsTakenIn: an answer before the body has come reaches the
// caller, and the connection goes on when the body came.
func TestARefusedBodyIsTakenIn(t *testing.T) {
	w := serve(t, func(c *Conn) bool {
		c.Begin(401, nil, 2)
		c.Write([]byte("no"))
		return true
	}, nil)
	c := w.dial()
	in := bufio.NewReader(c)
	for range 2 {
		go io.WriteString(c, request("/", strings.Repeat("x", 1<<20)))
		if resp, got := answerOf(t, in); resp.StatusCode != 401 || got != "no" {
			t.Fatalf("%d %q", resp.StatusCode, got)
		}
	}
	// Half of a body, and no more: answered, and closed.
	half := request("/", strings.Repeat("x", 1<<20))
	io.WriteString(c, half[:len(half)/2])
	if resp, _ := answerOf(t, in); resp.StatusCode != 401 {
		t.Fatal(resp.StatusCode)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("it is still open")
	}
}

type left chan struct{}

func (l left) CallerLeft() { close(l) }

func TestLeavingIsSeen(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn){
		"closed":      func(c *net.TCPConn) { c.Close() },
		"reset":       func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"half closed": func(c *net.TCPConn) { c.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			serving, done := make(chan struct{}), make(chan struct{})
			c := serve(t, func(c *Conn) bool {
				l := make(left)
				c.Watch(l)
				close(serving)
				select {
				case <-l:
				case <-time.After(5 * time.Second):
					t.Error("it was not seen")
				}
				c.Unwatch()
				if !c.Gone() {
					t.Error("not gone")
				}
				close(done)
				return true
			}, nil).dial()
			io.WriteString(c, request("/", ""))
			<-serving
			leave(c)
			<-done
		})
	}
}

func TestDeadlines(t *testing.T) {
	const short = 50 * time.Millisecond
	closes := func(t *testing.T, c net.Conn) {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error("it is still open:", err)
		}
	}
	t.Run("first", func(t *testing.T) {
		closes(t, serve(t, echo, func(c *Config) { c.FirstTime = short }).dial())
	})
	t.Run("rest", func(t *testing.T) {
		c := serve(t, echo, func(c *Config) { c.Rest = short }).dial()
		io.WriteString(c, request("/", "a"))
		closes(t, c)
	})
	t.Run("body", func(t *testing.T) {
		c := serve(t, echo, func(c *Config) { c.BodyTime = short }).dial()
		io.WriteString(c, request("/", "a")[:len(request("/", "a"))-1])
		closes(t, c)
	})
	t.Run("write", func(t *testing.T) {
		failed := make(chan error, 1)
		c := serve(t, func(c *Conn) bool {
			c.Begin(200, nil, 64<<20)
			failed <- c.Write(make([]byte, 64<<20))
			return true
		}, func(c *Config) { c.WriteStall = short }).dial()
		io.WriteString(c, request("/", ""))
		select {
		case err := <-failed:
			if err == nil {
				t.Error("all was written to nobody")
			}
		case <-time.After(5 * time.Second):
			t.Error("it still writes")
		}
	})
}

func TestShutdown(t *testing.T) {
	serving, goOn := make(chan struct{}), make(chan struct{})
	w := serve(t, func(c *Conn) bool {
		if c.Head.Path == "/slow" {
			close(serving)
			<-goOn
		}
		return echo(c)
	}, nil)
	fresh, resting, busy := w.dial(), w.dial(), w.dial()
	io.WriteString(resting, request("/", "a"))
	restingIn := bufio.NewReader(resting)
	answerOf(t, restingIn)
	io.WriteString(busy, request("/slow", "b"))
	<-serving
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if err := w.s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("it did not wait:", err)
	}
	for _, in := range []io.Reader{fresh, restingIn} {
		if _, err := in.Read(make([]byte, 1)); err == nil {
			t.Error("a connection at rest is still open")
		}
	}
	close(goOn)
	in := bufio.NewReader(busy)
	if _, got := answerOf(t, in); got != "b" {
		t.Errorf("the open request got %q", got)
	}
	if err := w.s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := in.ReadByte(); err == nil {
		t.Error("the connection goes on after its answer")
	}
}
