//go:build !unix

package meter

import "os"

// lockFile opens the lock for writing; systems without flock refuse a second
// writer by the open itself or not at all.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
