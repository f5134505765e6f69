package seal

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
)

// LoadKeyFile reads a key-encryption key: 32 bytes in base64, in a file that
// its owner alone may read.
func LoadKeyFile(path string) (*Local, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("master key file %s can be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	defer clear(text)
	// The decoder's error would quote the key's place, never mind its text.
	key, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(text))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("master key file %s does not hold 32 bytes in base64: make one with `head -c 32 /dev/urandom | base64`", path)
	}
	defer clear(key)
	return NewLocal(key)
}
