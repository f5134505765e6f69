// Package keyfile owns the key files of an installation: the key-encryption key
// of the control plane and the key pair that credentials are sealed to. It
// makes what is missing, never replaces what is there, and knows no program.
package keyfile

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tollgate/tollgate/proto/seal"
)

// Files are the paths of the keys.
type Files struct {
	Master  string // control plane alone
	Public  string // control plane
	Private string // data planes alone
}

// In names the files in the control plane's and the data planes' directory.
func In(controlDir, dataplaneDir string) Files {
	return Files{
		Master:  filepath.Join(controlDir, "master.key"),
		Public:  filepath.Join(controlDir, "dataplane.public"),
		Private: filepath.Join(dataplaneDir, "dataplane.private"),
	}
}

// Ensure makes the keys that are missing and returns the names of those files.
func Ensure(f Files) (made []string, err error) {
	for _, name := range []string{f.Master, f.Public, f.Private} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of keys: %w", err)
		}
	}
	if _, err := os.Stat(f.Master); errors.Is(err, os.ErrNotExist) {
		key := make([]byte, 32)
		rand.Read(key)
		if err := Write(f.Master, base64.StdEncoding.EncodeToString(key)); err != nil {
			return nil, err
		}
		made = append(made, f.Master)
	}
	pair, fresh, err := ensurePair(f.Private)
	if err != nil {
		return nil, err
	}
	if fresh {
		made = append(made, f.Private)
	}
	if _, err := os.Stat(f.Public); fresh || errors.Is(err, os.ErrNotExist) {
		if err := Write(f.Public, pair.Public().String()); err != nil {
			return nil, err
		}
		made = append(made, f.Public)
	}
	return made, nil
}

func ensurePair(name string) (pair *seal.PrivateKey, fresh bool, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		if pair, err = seal.Generate(); err != nil {
			return nil, false, err
		}
		return pair, true, Write(name, pair.String())
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the data planes' key: %w", err)
	}
	if pair, err = seal.ParsePrivate(string(b)); err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return pair, false, nil
}

// Write replaces a secret file as a whole, readable by its owner alone: a crash
// leaves the old one.
func Write(name, content string) error {
	tmp := name + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	_, err = f.WriteString(content + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	if err := os.Rename(tmp, name); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}
