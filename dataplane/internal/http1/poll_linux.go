package http1

import (
	"os"
	"sync"
	"syscall"
)

const supported = true

// tryRead reads what is there, into memory that is taken only now. At the end
// of what is there to come, c.buf is empty or nil.
func (c *Conn) tryRead(fd uintptr) bool {
	b := c.s.cfg.Buffers.Get(firstRead)
	for {
		n, err := syscall.Read(int(fd), b.B[:cap(b.B)])
		switch err {
		case nil:
			b.B = b.B[:n]
			c.buf = b
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			c.s.cfg.Buffers.Put(b)
			return false
		default:
			c.s.cfg.Buffers.Put(b)
			return true
		}
	}
}

// watcher tells connections that their other end has closed. It asks the
// kernel for nothing but that, so requests and answers do not wake it.
type watcher struct {
	fd   int
	end  *os.File // its closing ends the wait
	done chan struct{}

	mu     sync.Mutex
	last   uint64
	open   map[uint64]*Conn
	closed bool
}

func newWatcher() (*watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	r, end, err := os.Pipe()
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	w := &watcher{fd: fd, end: end, open: map[uint64]*Conn{}, done: make(chan struct{})}
	raw, err := r.SyscallConn()
	if err == nil {
		err = w.ask(raw, 0)
	}
	if err != nil {
		r.Close()
		end.Close()
		syscall.Close(fd)
		return nil, err
	}
	go func() {
		defer close(w.done)
		defer syscall.Close(fd)
		defer r.Close()
		w.wait()
	}()
	return w, nil
}

// ask wants to know when the other end of raw closes, once. Nothing needs to be
// taken back: a closed descriptor is forgotten.
func (w *watcher) ask(raw syscall.RawConn, id uint64) error {
	ev := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | edge, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, int(fd), &ev))
	}); cerr != nil {
		return cerr
	}
	return err
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// add watches c. What already happened is told, too.
func (w *watcher) add(c *Conn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	w.last++
	c.id = w.last
	w.open[c.id] = c
	err := w.ask(c.raw, c.id)
	if err != nil {
		delete(w.open, c.id)
	}
	return err
}

func (w *watcher) remove(c *Conn) {
	w.mu.Lock()
	delete(w.open, c.id)
	w.mu.Unlock()
}

func (w *watcher) wait() {
	var events [128]syscall.EpollEvent
	for {
		n, err := syscall.EpollWait(w.fd, events[:], -1)
		if err != nil && err != syscall.EINTR {
			return
		}
		for _, ev := range events[:max(n, 0)] {
			id := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
			if id == 0 {
				return
			}
			w.mu.Lock()
			c := w.open[id]
			w.mu.Unlock()
			if c != nil {
				c.left()
			}
		}
	}
}

func (w *watcher) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	err := w.end.Close()
	<-w.done
	return err
}
