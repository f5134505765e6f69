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

// maxGiven bounds the ids of requests that callers choose.
const maxGiven = 128

// OfRequest is the id that a caller gave its request, if that can stand in
// logs and addresses and says something, else a new one.
func OfRequest(given string) string {
	named := false
	for i := 0; i < len(given); i++ {
		switch c := given[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			named = true
		case c == '.', c == '_', c == '-':
		default:
			return New(Request)
		}
	}
	if !named || len(given) > maxGiven {
		return New(Request)
	}
	return given
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
		v := digits[c]
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

// digits holds the value of each base32 character; 255 for any other byte.
const digits = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\xff\x12\x13\xff\x14\x15\xff\x16\x17\x18\x19\x1a\xff\x1b\x1c\x1d\x1e\x1f\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
