package http1

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLineEndsAfterABody: some callers send them; they are no request, and
// nobody is told that they are a bad one.
func TestLineEndsAfterABody(t *testing.T) {
	w := serve(t, echo, nil)
	c := w.dial()
	in := bufio.NewReader(c)
	for _, ends := range []string{"\r\n", "\n", "\r\n\r\n"} {
		// Together with the request, before the next one, and alone.
		for _, pieces := range [][]string{{request("/", "a") + ends}, {request("/", "b"), ends + request("/", "c")}, {request("/", "d"), ends}} {
			for _, p := range pieces {
				io.WriteString(c, p)
				if strings.Contains(p, "POST") {
					if resp, _ := answerOf(t, in); resp.StatusCode != 200 {
						t.Fatal(resp.StatusCode)
					}
				}
			}
			select {
			case got := <-w.handed:
				t.Fatalf("handed over: %q", got)
			default:
			}
		}
	}
	// Too many of them are handed over, and with what comes before a request.
	for _, text := range []string{"\r\n" + request("/", ""), request("/", "") + "\r\n\r\n\r\n"} {
		c := w.dial()
		io.WriteString(c, text)
		if got := <-w.handed; !strings.HasPrefix(string(got), "\r\n") {
			t.Errorf("%q: handed over %q", text, got)
		}
	}
}

// accepted is a connection that is open and not served yet, and its other end.
func accepted(t *testing.T, w *world) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	other, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	other.SetDeadline(time.Now().Add(10 * time.Second))
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := w.s.open(nc)
	if c == nil {
		t.Fatal("it was not taken")
	}
	return c, other.(*net.TCPConn)
}

// TestARequestThatCameBeforeTheStopIsAnswered: a stop, and a rest that is over,
// end connections that rest, not those whose request waits to be read.
func TestARequestThatCameBeforeTheStopIsAnswered(t *testing.T) {
	for name, stop := range map[string]func(*Conn){
		"stop":      func(c *Conn) { c.s.draining.Store(true) },
		"rest over": func(c *Conn) { c.s.cfg.FirstTime = time.Nanosecond },
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, echo, nil)
			c, other := accepted(t, w)
			io.WriteString(other, request("/", "in time"))
			c.raw.Read(func(fd uintptr) bool { // until it is there
				_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
				return err != syscall.EAGAIN
			})
			stop(c)
			go func() {
				c.run()
				w.s.forget(c)
			}()
			if _, got := answerOf(t, bufio.NewReader(other)); got != "in time" {
				t.Errorf("%q", got)
			}
			other.Close()
		})
	}
}

// TestRestingConnectionsHoldNoHead: what a caller sent is not kept while its
// connection rests.
func TestRestingConnectionsHoldNoHead(t *testing.T) {
	w := serve(t, echo, nil)
	c := w.dial()
	io.WriteString(c, strings.Replace(request("/", "a"), "Id: r", "Id: "+strings.Repeat("r", 30<<10), 1))
	answerOf(t, bufio.NewReader(c))
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		w.s.mu.Lock()
		for c := range w.s.conns {
			if c.resting.Load() {
				if c.Head.Path != "" || strings.Join(c.Head.Values, "") != "" {
					t.Errorf("it holds %.50v", c.Head)
				}
				until = time.Time{}
			}
		}
		w.s.mu.Unlock()
		if until.IsZero() {
			return
		}
		if time.Now().After(until) {
			t.Fatal("it does not rest")
		}
	}
}

// TestUnwatchedConnectionsAreHandedOver: without a lock that others wait for.
func TestUnwatchedConnectionsAreHandedOver(t *testing.T) {
	over, known := make(chan error, 1), make(chan *world, 1)
	w := serve(t, echo, func(c *Config) {
		c.Other = func(nc net.Conn, _ []byte) {
			nc.Close()
			w := <-known
			ctx, stop := context.WithTimeout(context.Background(), time.Second)
			defer stop()
			over <- w.s.Shutdown(ctx)
		}
	})
	known <- w
	w.s.watcher.close()
	w.dial()
	select {
	case err := <-over:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the lock is held")
	}
}
