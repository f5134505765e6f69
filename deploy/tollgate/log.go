package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// maxLog is when the log file turns; one older file is kept, so that a laptop
// never fills up.
const maxLog = 32 << 20

// logFile is a log that turns at maxLog.
type logFile struct {
	name string

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(name string) (*logFile, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l := &logFile{name: abs}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log: %w", err), f.Close())
	}
	l.f, l.size = f, st.Size()
	return nil
}

// Write appends one log line.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(b)) > maxLog {
		l.turn()
	}
	n, err := l.f.Write(b)
	l.size += int64(n)
	return n, err
}

// turn begins a new file. Where that cannot be, the old one goes on: a log too
// long is better than none. It is tried again after another maxLog.
func (l *logFile) turn() {
	l.size = 0
	if err := os.Rename(l.name, l.name+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return
	}
	before := l.f
	if l.open() == nil {
		before.Close()
	}
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
