// Package auth owns how callers prove who they are: where a key may stand in
// a request, and what makes one good. It reads memory only. It must not know
// routes, providers or net/http.
package auth

import (
	"crypto/sha256"
	"strings"
	"time"
	"unsafe"

	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// Keys is where keys are looked up.
type Keys interface {
	LookupKey(hash *[32]byte) (tenantconfig.Key, bool)
	// Complete says whether all keys there are are known here.
	Complete() bool
}

// maxSecret bounds what is hashed; ours are 50 bytes.
const maxSecret = 512

// Secret finds the key in the headers that SDKs put it into.
func Secret(authorization, apiKey, googAPIKey string) string {
	const bearer = "bearer "
	if len(authorization) > len(bearer) && strings.EqualFold(authorization[:len(bearer)], bearer) {
		return strings.TrimSpace(authorization[len(bearer):])
	}
	if apiKey != "" {
		return apiKey
	}
	if googAPIKey != "" {
		return googAPIKey
	}
	// The commonest slip: the key without the word before it. What is no key of
	// ours is no slip, but another scheme.
	if strings.HasPrefix(authorization, "tg") && !strings.Contains(authorization, " ") {
		return authorization
	}
	return ""
}

// Authenticate finds the key that a secret stands for. When it is known but
// not good, the key comes back with the fault, so that its tenant sees the
// refusal. It costs a hash and a lookup, about 0.7 µs, and does no I/O: an
// unknown key is refused from memory, or, while not all keys are here, with
// 503, because an infrastructure fault must never look like a wrong key.
func Authenticate(keys Keys, secret string, now time.Time) (tenantconfig.Key, *fault.Fault) {
	if secret == "" {
		return tenantconfig.Key{}, fault.New(fault.MissingKey, "", nil)
	}
	if len(secret) > maxSecret {
		return tenantconfig.Key{}, fault.New(fault.InvalidKey, "", nil)
	}
	// The bytes are only read.
	hash := sha256.Sum256(unsafe.Slice(unsafe.StringData(secret), len(secret)))
	k, ok := keys.LookupKey(&hash)
	if !ok {
		return k, unknown(keys, secret)
	}
	return k, check(&k, now.Unix())
}

func unknown(keys Keys, secret string) *fault.Fault {
	switch {
	case strings.HasPrefix(secret, secretkey.Management):
		return fault.New(fault.InvalidKey, "This is a management key, which calls the control plane's API.", nil).
			WithFix("Calls of models need an API key: make one in the portal; it starts with " + secretkey.API + ".")
	case strings.HasPrefix(secret, secretkey.Session):
		return fault.New(fault.InvalidKey, "This is the token of a session, which calls the control plane's API.", nil).
			WithFix("Calls of models need an API key: make one in the portal; it starts with " + secretkey.API + ".")
	}
	if !keys.Complete() {
		return fault.New(fault.ConfigUnavailable, "", nil)
	}
	if !secretkey.WellFormed(secretkey.API, secret) {
		return fault.New(fault.InvalidKey, "This is not a Tollgate key, or a part of it is missing: keys start with "+secretkey.API+".", nil)
	}
	return fault.New(fault.InvalidKey, "", nil)
}

func check(k *tenantconfig.Key, now int64) *fault.Fault {
	switch {
	case k.Revoked:
		return fault.New(fault.KeyRevoked, "", nil)
	case k.PreviousValidUntilUnix != 0 && now >= k.PreviousValidUntilUnix:
		return fault.New(fault.KeyExpired, "This API key was rotated and the time to change over has ended.", nil)
	case k.ExpiresAtUnix != 0 && now >= k.ExpiresAtUnix:
		return fault.New(fault.KeyExpired, "", nil)
	}
	return nil
}
