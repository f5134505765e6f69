package allinone

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lock makes sure that one run at a time uses the data directory. The kernel
// drops the lock when the process ends, however it ends.
func lock(dir string) (unlock func(), err error) {
	name := filepath.Join(dir, "tollgate.lock")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory: %w", err)
		}
		pid := "another process"
		if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
			pid = "process " + strings.TrimSpace(string(b))
		}
		return nil, sorted{fmt.Errorf("%s already runs on %s (%s): stop it, or set TOLLGATE_DATA_DIR to another directory",
			"tollgate up", dir, pid), ErrInUse}
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if _, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return func() { f.Close() }, nil
}
