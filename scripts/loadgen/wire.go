package loadgen

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// wire is a connection and what was read from it: buf[r:w] is not yet used.
type wire struct {
	c    net.Conn
	buf  []byte
	r, w int
	used time.Time // last
}

// closed says whether the other side has closed an idle connection.
func (c *wire) closed() bool {
	raw, err := c.c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	gone := true
	var one [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = err != syscall.EAGAIN // nothing to read, which is how it should be
		return true
	})
	return err != nil || gone
}

// answer skims one response: it keeps the status, sizes, and both ends of the
// body, and drops the rest.
type answer struct {
	*wire
	leave bool

	status int
	close  bool
	whole  bool // the body arrived as long as it was announced
	left   bool // we hung up
	first  time.Time
	size   int64
	events int
	head   []byte // start of an error's body
	tail   []byte // end of the body
}

var errProtocol = errors.New("not an HTTP answer")

const keep = 1024

func (c *wire) more() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w == len(c.buf):
		if c.r == 0 {
			return errProtocol // a line longer than the buffer
		}
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (a *answer) read() error {
	end := -1
	for end < 0 {
		if end = bytes.Index(a.buf[a.r:a.w], []byte("\r\n\r\n")); end < 0 {
			if err := a.more(); err != nil {
				return err
			}
		}
	}
	head := a.buf[a.r : a.r+end+2]
	a.r += end + 4
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return errProtocol
	}
	a.status, _ = strconv.Atoi(string(head[9:12]))
	a.close = bytes.EqualFold(header(head, "connection"), []byte("close"))
	var err error
	if length := header(head, "content-length"); length != nil {
		var n int
		if n, err = strconv.Atoi(string(length)); err != nil {
			return errProtocol
		}
		err = a.skip(n)
	} else if bytes.EqualFold(header(head, "transfer-encoding"), []byte("chunked")) {
		err = a.chunks()
	} else {
		err = a.untilClose()
	}
	a.whole = err == nil
	return err
}

func header(head []byte, name string) []byte {
	for rest := head; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}

// skip reads n bytes of body.
func (a *answer) skip(n int) error {
	for n > 0 && !a.left {
		if a.r == a.w {
			if err := a.more(); err != nil {
				return err
			}
		}
		part := a.buf[a.r:min(a.w, a.r+n)]
		a.r += len(part)
		n -= len(part)
		a.see(part)
	}
	return nil
}

// see takes note of a piece of the body.
func (a *answer) see(part []byte) {
	if a.first.IsZero() {
		a.first = time.Now()
		a.left = a.leave
	}
	a.size += int64(len(part))
	a.events += bytes.Count(part, []byte("data: "))
	if a.status != 200 && len(a.head) < keep {
		a.head = append(a.head, part[:min(len(part), keep-len(a.head))]...)
	}
	if len(part) >= keep {
		a.tail = append(a.tail[:0], part[len(part)-keep:]...)
		return
	}
	if over := len(a.tail) + len(part) - keep; over > 0 {
		a.tail = a.tail[:copy(a.tail, a.tail[over:])]
	}
	a.tail = append(a.tail, part...)
}

func (a *answer) chunks() error {
	for !a.left {
		line, err := a.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return errProtocol
		}
		if n == 0 {
			return a.trailers()
		}
		if err := a.skip(int(n)); err != nil {
			return err
		}
		if a.left {
			return nil
		}
		if line, err = a.line(); err != nil {
			return err
		}
		if len(line) != 0 {
			return errProtocol
		}
	}
	return nil
}

func (a *answer) trailers() error {
	for {
		line, err := a.line()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

func (a *answer) line() ([]byte, error) {
	for {
		if i := bytes.Index(a.buf[a.r:a.w], []byte("\r\n")); i >= 0 {
			line := a.buf[a.r : a.r+i]
			a.r += i + 2
			return line, nil
		}
		if err := a.more(); err != nil {
			return nil, err
		}
	}
}

func (a *answer) untilClose() error {
	a.close = true
	for !a.left {
		if a.r < a.w {
			a.see(a.buf[a.r:a.w])
			a.r = a.w
		}
		if err := a.more(); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
