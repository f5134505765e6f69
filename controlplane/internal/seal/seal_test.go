package seal_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/controlplane/internal/seal"
)

func box(t *testing.T, fill byte) *seal.Box {
	t.Helper()
	k, err := seal.NewLocal(bytes.Repeat([]byte{fill}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return seal.NewBox(k)
}

func TestASecretOpensForItsOwnTenantAndRowAlone(t *testing.T) {
	ctx, b := context.Background(), box(t, 1)
	secret := []byte("sk-very-secret")
	s, err := b.Seal(ctx, "ten_a", "crd_1", secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s.Ciphertext, secret) {
		t.Fatal("the ciphertext holds the secret")
	}
	got, err := b.Open(ctx, "ten_a", "crd_1", s)
	if err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("Open = %q, %v", got, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another tenant": func() ([]byte, error) { return b.Open(ctx, "ten_b", "crd_1", s) },
		"another row":    func() ([]byte, error) { return b.Open(ctx, "ten_a", "crd_2", s) },
		"another key":    func() ([]byte, error) { return box(t, 2).Open(ctx, "ten_a", "crd_1", s) },
		"a flipped bit": func() ([]byte, error) {
			c := s
			c.Ciphertext = bytes.Clone(s.Ciphertext)
			c.Ciphertext[len(c.Ciphertext)-1] ^= 1
			return b.Open(ctx, "ten_a", "crd_1", c)
		},
		"a flipped bit in the data key": func() ([]byte, error) {
			c := s
			c.WrappedDataKey = bytes.Clone(s.WrappedDataKey)
			c.WrappedDataKey[0] ^= 1
			return b.Open(ctx, "ten_a", "crd_1", c)
		},
		"an empty ciphertext": func() ([]byte, error) {
			return b.Open(ctx, "ten_a", "crd_1", seal.Sealed{KeyID: s.KeyID, WrappedDataKey: s.WrappedDataKey})
		},
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: opened as %q", name, got)
		}
	}
}

func TestEqualSecretsDoNotLookEqual(t *testing.T) {
	ctx, b := context.Background(), box(t, 1)
	s1, _ := b.Seal(ctx, "ten_a", "crd_1", []byte("x"))
	s2, _ := b.Seal(ctx, "ten_a", "crd_1", []byte("x"))
	if bytes.Equal(s1.Ciphertext, s2.Ciphertext) || bytes.Equal(s1.WrappedDataKey, s2.WrappedDataKey) {
		t.Error("sealing twice gave the same bytes")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, seal.KeySize)) + "\n"
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := seal.LoadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.LoadKeyFile(path)
	if err != nil || k.ID() != again.ID() {
		t.Fatalf("the same file gave %v and %v, %v", k.ID(), again, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadKeyFile(path); err == nil {
		t.Error("a key file that all may read was taken")
	}
	bad := filepath.Join(t.TempDir(), "bad.key")
	if err := os.WriteFile(bad, []byte("c2hvcnQ="), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadKeyFile(bad); err == nil {
		t.Error("a short key was taken")
	}
}

func TestDerivedKeysDifferByPurpose(t *testing.T) {
	k, err := seal.NewLocal(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(k.Derive("a"), k.Derive("b")) || !bytes.Equal(k.Derive("a"), k.Derive("a")) {
		t.Error("derived keys must depend on the purpose alone")
	}
}
