package dataplane

import (
	"io"
	"sync"
	"time"
)

// LogWriter gathers log lines and writes them together: an access line for
// each request would otherwise be a system call for each request. Lines wait
// for a tenth of a second at most, or until Close.
type LogWriter struct {
	w io.Writer

	mu      sync.Mutex
	buf     []byte
	waiting bool
	timer   *time.Timer
}

const (
	logBuffer = 32 << 10
	logDelay  = 100 * time.Millisecond
)

// NewLogWriter makes a writer in front of w.
func NewLogWriter(w io.Writer) *LogWriter {
	l := &LogWriter{w: w, buf: make([]byte, 0, logBuffer)}
	l.timer = time.AfterFunc(time.Hour, l.flush)
	l.timer.Stop()
	return l
}

// Write takes lines; an error of an earlier write is not reported, since there
// is nowhere to log it.
func (l *LogWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf)+len(p) > logBuffer {
		l.writeOut()
	}
	l.buf = append(l.buf, p...)
	if !l.waiting {
		l.waiting = true
		l.timer.Reset(logDelay)
	}
	return len(p), nil
}

func (l *LogWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writeOut()
	l.waiting = false
}

func (l *LogWriter) writeOut() {
	if len(l.buf) > 0 {
		_, _ = l.w.Write(l.buf)
		l.buf = l.buf[:0]
	}
}

// Close writes what waits. Lines after it are still written.
func (l *LogWriter) Close() error {
	l.timer.Stop()
	l.flush()
	return nil
}
