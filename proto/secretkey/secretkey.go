// Package secretkey owns the form of the secrets that Tollgate issues. A
// secret is a prefix, 40 random characters (238 bits) and 6 characters of
// checksum, so that scanners can find leaked ones without false alarms and a
// typing error is told from an unknown key. Only SHA-256 hashes are ever
// stored: the secrets are random, so a slow hash would add nothing.
package secretkey

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"strings"
)

// Prefixes of secrets.
const (
	API        = "tgk_" // callers' keys
	Management = "tgm_" // keys of the control plane's API
	Session    = "tgs_" // browser sessions
)

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random   = 40
	checksum = 6
)

// New makes a secret with one of the prefixes.
func New(prefix string) string {
	var b strings.Builder
	b.WriteString(prefix)
	buf := make([]byte, 64)
	for n := 0; n < random; {
		rand.Read(buf)
		for _, c := range buf {
			// 248 is the largest multiple of 62 in a byte: no bias.
			if c < 248 && n < random {
				b.WriteByte(alphabet[c%62])
				n++
			}
		}
	}
	return b.String() + sum(b.String())
}

// Hash is what is stored and looked up.
func Hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// WellFormed reports whether s has this prefix, the right length and a
// matching checksum.
func WellFormed(prefix, s string) bool {
	if !strings.HasPrefix(s, prefix) || len(s) != len(prefix)+random+checksum {
		return false
	}
	body := s[:len(s)-checksum]
	return sum(body) == s[len(body):]
}

// Hint is the part of a secret that may be shown: its start and its end.
func Hint(secret string) string {
	if len(secret) < 16 {
		return "…"
	}
	return secret[:8] + "…" + secret[len(secret)-4:]
}

func sum(s string) string {
	v := crc32.ChecksumIEEE([]byte(s))
	var out [checksum]byte
	for i := range out {
		out[checksum-1-i] = alphabet[v%62]
		v /= 62
	}
	return string(out[:])
}
