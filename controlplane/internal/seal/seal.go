// Package seal owns how secrets rest in the database: envelope encryption.
// Each secret is closed with a data key of its own (AES-256-GCM), and the data
// key is wrapped by a key-encryption key that never touches the database. Both
// layers are bound to tenant and id, so that a ciphertext copied to another
// row does not open. It knows no rows and no kinds of secret; how credentials
// travel to the data planes is proto/seal's.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeySize is the size of every key here, in bytes.
const KeySize = 32

// KeyEncryptionKey wraps data keys. The local key file is one; a key
// management service would be another.
type KeyEncryptionKey interface {
	// ID names the key, so that secrets of an older key can be told apart.
	ID() string
	// Wrap closes a data key, bound to the associated data.
	Wrap(ctx context.Context, dataKey, associated []byte) ([]byte, error)
	// Unwrap opens what the key of this id wrapped.
	Unwrap(ctx context.Context, keyID string, wrapped, associated []byte) ([]byte, error)
}

// Sealed is a secret at rest: what goes into the database.
type Sealed struct {
	Ciphertext     []byte
	WrappedDataKey []byte
	KeyID          string
}

// Box seals and opens secrets.
type Box struct{ kek KeyEncryptionKey }

// NewBox uses kek for all data keys.
func NewBox(kek KeyEncryptionKey) *Box { return &Box{kek} }

// Seal closes a secret of a tenant under a fresh data key. The id names the
// row that holds it.
func (b *Box) Seal(ctx context.Context, tenantID, id string, secret []byte) (Sealed, error) {
	dataKey := make([]byte, KeySize)
	rand.Read(dataKey)
	defer clear(dataKey)
	ad := associated(tenantID, id)
	ciphertext, err := encrypt(dataKey, secret, ad)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal %s: %w", id, err)
	}
	wrapped, err := b.kek.Wrap(ctx, dataKey, ad)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal %s: wrap data key: %w", id, err)
	}
	return Sealed{Ciphertext: ciphertext, WrappedDataKey: wrapped, KeyID: b.kek.ID()}, nil
}

// Open gives the secret back; it fails for another tenant or id.
func (b *Box) Open(ctx context.Context, tenantID, id string, s Sealed) ([]byte, error) {
	ad := associated(tenantID, id)
	dataKey, err := b.kek.Unwrap(ctx, s.KeyID, s.WrappedDataKey, ad)
	if err != nil {
		return nil, fmt.Errorf("open %s: unwrap data key: %w", id, err)
	}
	defer clear(dataKey)
	secret, err := decrypt(dataKey, s.Ciphertext, ad)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", id, err)
	}
	return secret, nil
}

// Local is a key-encryption key held in memory, read from a file.
type Local struct {
	key [KeySize]byte
	id  string
}

// NewLocal makes a key-encryption key of 32 bytes.
func NewLocal(key []byte) (*Local, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a key-encryption key has %d bytes, this one has %d", KeySize, len(key))
	}
	l := &Local{}
	copy(l.key[:], key)
	// The id tells keys apart and tells nothing about them.
	l.id = fmt.Sprintf("local-%x", l.Derive("key id")[:6])
	return l, nil
}

// ID names the key.
func (l *Local) ID() string { return l.id }

// Wrap closes a data key.
func (l *Local) Wrap(_ context.Context, dataKey, associated []byte) ([]byte, error) {
	return encrypt(l.key[:], dataKey, associated)
}

// Unwrap opens a data key that this key wrapped.
func (l *Local) Unwrap(_ context.Context, keyID string, wrapped, associated []byte) ([]byte, error) {
	if keyID != l.id {
		return nil, fmt.Errorf("the secret was sealed with key %q, this program has %q: start it with the master key file of that time", keyID, l.id)
	}
	return decrypt(l.key[:], wrapped, associated)
}

// Derive makes a key for another purpose, which gives nothing away about this
// one.
func (l *Local) Derive(purpose string) []byte {
	k, err := hkdf.Key(sha256.New, l.key[:], nil, "tollgate "+purpose, KeySize)
	if err != nil {
		// HKDF fails for absurd lengths only.
		panic(err)
	}
	return k
}

// associated joins tenant and id; neither can hold the zero byte.
func associated(tenantID, id string) []byte { return []byte(tenantID + "\x00" + id) }

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES key: %w", err)
	}
	return cipher.NewGCM(block)
}

// encrypt returns nonce and ciphertext. Random nonces are safe here: a data
// key closes one secret, the key-encryption key far fewer than 2^32 keys.
func encrypt(key, plain, ad []byte) ([]byte, error) {
	g, err := aead(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, g.NonceSize(), g.NonceSize()+len(plain)+g.Overhead())
	rand.Read(nonce)
	return g.Seal(nonce, nonce, plain, ad), nil
}

func decrypt(key, sealed, ad []byte) ([]byte, error) {
	g, err := aead(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < g.NonceSize() {
		return nil, errors.New("ciphertext is too short")
	}
	plain, err := g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], ad)
	if err != nil {
		return nil, errors.New("ciphertext does not belong to this tenant and id, or was changed")
	}
	return plain, nil
}
