package meter

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// allocate reserves a file's blocks on the disk now, so that writing it later
// never meets a full disk.
func allocate(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return writeZeros(f, size)
		default:
			return err
		}
	}
}

// mapFile maps a file for writing. What is copied into the map survives the
// death of the process.
func mapFile(f *os.File, size int) (mem []byte, mapped bool, err error) {
	mem, err = syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, false, fmt.Errorf("map file: %w", err)
	}
	return mem, true, nil
}

func unmapFile(mem []byte) error { return syscall.Munmap(mem) }

func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// madvPopulateWrite is MADV_POPULATE_WRITE, since Linux 5.14.
const madvPopulateWrite = 23

// populate makes pages of a map writable ahead of their use: together they
// cost a tenth of what each costs when it is touched. Kernels that do not know
// it only leave it slower.
func populate(mem []byte) { _ = syscall.Madvise(mem, madvPopulateWrite) }
