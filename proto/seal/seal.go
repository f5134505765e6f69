// Package seal owns how a secret travels from the control plane to the data
// planes: HPKE (RFC 9180) to the data planes' key pair, X25519,
// HKDF-SHA256, AES-256-GCM, bound to tenant and resource as associated data.
// The control plane holds the public half only, so that neither NATS nor a
// snapshot nor the database gives provider keys away.
package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

var info = []byte("tollgate credential v1")

// PublicKey seals.
type PublicKey struct{ k hpke.PublicKey }

// PrivateKey opens.
type PrivateKey struct{ k hpke.PrivateKey }

// Generate makes a key pair.
func Generate() (*PrivateKey, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate data-plane key: %w", err)
	}
	return newPrivate(k.Bytes())
}

const (
	privatePrefix = "tgdp_private_"
	publicPrefix  = "tgdp_public_"
)

// ParsePrivate reads what PrivateKey.String wrote.
func ParsePrivate(s string) (*PrivateKey, error) {
	b, err := decode(privatePrefix, s)
	if err != nil {
		return nil, err
	}
	return newPrivate(b)
}

// ParsePublic reads what PublicKey.String wrote.
func ParsePublic(s string) (*PublicKey, error) {
	b, err := decode(publicPrefix, s)
	if err != nil {
		return nil, err
	}
	k, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("data-plane public key: %w", err)
	}
	return &PublicKey{k}, nil
}

func newPrivate(b []byte) (*PrivateKey, error) {
	k, err := hpke.DHKEM(ecdh.X25519()).NewPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("data-plane private key: %w", err)
	}
	return &PrivateKey{k}, nil
}

func decode(prefix, s string) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), prefix)
	if !ok {
		return nil, fmt.Errorf("a data-plane key of this kind starts with %q", prefix)
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return nil, errors.New("data-plane key is not base64url")
	}
	return b, nil
}

// String is the secret form of the key, for a file readable by the data
// planes alone.
func (p *PrivateKey) String() string {
	b, err := p.k.Bytes()
	if err != nil {
		// Only keys made by Generate or ParsePrivate exist, and those have bytes.
		panic(err)
	}
	return privatePrefix + base64.RawURLEncoding.EncodeToString(b)
}

// Public is the half that the control plane holds.
func (p *PrivateKey) Public() *PublicKey { return &PublicKey{p.k.PublicKey()} }

// String is the public form of the key.
func (p *PublicKey) String() string {
	return publicPrefix + base64.RawURLEncoding.EncodeToString(p.k.Bytes())
}

// Seal closes secret to the key, for this tenant and resource only.
func (p *PublicKey) Seal(tenantID, resourceID string, secret []byte) ([]byte, error) {
	enc, s, err := hpke.NewSender(p.k, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, fmt.Errorf("seal credential: %w", err)
	}
	ct, err := s.Seal(aad(tenantID, resourceID), secret)
	if err != nil {
		return nil, fmt.Errorf("seal credential: %w", err)
	}
	return append(enc, ct...), nil
}

// Open gives the secret back; it fails for another tenant or resource.
func (p *PrivateKey) Open(tenantID, resourceID string, sealed []byte) ([]byte, error) {
	const encSize = 32
	if len(sealed) < encSize {
		return nil, errors.New("sealed credential is too short")
	}
	r, err := hpke.NewRecipient(sealed[:encSize], p.k, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
	if err != nil {
		return nil, fmt.Errorf("open credential: %w", err)
	}
	b, err := r.Open(aad(tenantID, resourceID), sealed[encSize:])
	if err != nil {
		return nil, fmt.Errorf("open credential: %w", err)
	}
	return b, nil
}

func aad(tenantID, resourceID string) []byte { return []byte(tenantID + "\x00" + resourceID) }
