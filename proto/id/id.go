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
