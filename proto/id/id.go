// Package id owns identifiers: a prefix that names the noun and 128 bits, of
// which the first 48 are the time, so that ids sort by creation.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// Prefixes of identifiers.
const (
	Tenant        = "ten"
	Project       = "prj"
	Member        = "mem"
	User          = "usr"
	APIKey        = "key"
	ManagementKey = "mgk"
	Credential    = "crd"
	Model         = "mdl"
	Route         = "rte"
	Price         = "prc"
	Request       = "req"
	Session       = "ses"
	Audit         = "aud"
	DataPlane     = "dpl"
)

var enc = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New makes an identifier such as "key_01k…": 26 characters after the prefix.
func New(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	rand.Read(b[6:])
	return prefix + "_" + enc.EncodeToString(b[:])
}

// Valid reports whether s is an identifier with this prefix.
func Valid(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(rest) != 26 {
		return false
	}
	_, err := enc.DecodeString(rest)
	return err == nil
}

// Bits gives the 128 bits of an identifier with this prefix, for tables that
// hold many; ok is false for anything that Format would not write.
func Bits(prefix, s string) (bits [16]byte, ok bool) {
	if len(s) != len(prefix)+27 || s[:len(prefix)] != prefix || s[len(prefix)] != '_' {
		return bits, false
	}
	var acc uint32
	n, have := 0, 0
	for _, c := range []byte(s[len(prefix)+1:]) {
		v := digit(c)
		if v > 31 {
			return bits, false
		}
		acc, have = acc<<5|uint32(v), have+5
		if have >= 8 {
			have -= 8
			bits[n] = byte(acc >> have)
			n++
		}
	}
	// 26 digits hold 130 bits: the two that are over must be zero.
	return bits, acc&3 == 0
}

// Format appends the identifier that Bits read to dst.
func Format(dst []byte, prefix string, bits [16]byte) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, '_')
	return enc.AppendEncode(dst, bits[:])
}

// digit is the value of a base32 character; 255 for any other.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'h':
		return c - 'a' + 10
	case c == 'j' || c == 'k':
		return c - 'j' + 18
	case c == 'm' || c == 'n':
		return c - 'm' + 20
	case c >= 'p' && c <= 't':
		return c - 'p' + 22
	case c >= 'v' && c <= 'z':
		return c - 'v' + 27
	}
	return 255
}
