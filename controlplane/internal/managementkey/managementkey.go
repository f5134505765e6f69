// Package managementkey owns the keys that programs call this API with, in a
// tenant and in a role. It keeps hashes of secrets only, and knows neither
// rows nor HTTP.
package managementkey

import (
	"context"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// Key is a management key. Zero times are unset.
type Key struct {
	ID, TenantID string
	Name         string
	Role         access.Role
	SecretSHA256 []byte
	Hint         string
	ExpiresAt    time.Time
	RevokedAt    time.Time
	CreatedBy    string
	CreatedAt    time.Time
}

// Status is "active", "expired" or "revoked".
func (k *Key) Status(now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return "active"
}

// Record is what a change of the key leaves. Data planes do not know these
// keys.
func (k *Key) Record(action string) change.Record {
	return change.Record{Entry: change.Entry{Action: action, ResourceKind: "management_key", ResourceID: k.ID,
		Detail: map[string]any{"name": k.Name, "role": string(k.Role), "hint": k.Hint}}}
}

// Store keeps keys.
type Store interface {
	ManagementKeys(ctx context.Context, tenantID, before string, limit int) ([]Key, error)
	CreateManagementKey(ctx context.Context, tenantID string, by change.Actor, k Key) (Key, error)
	RevokeManagementKey(ctx context.Context, tenantID string, by change.Actor, keyID string, edit func(*Key) (change.Record, error)) (Key, error)
}

// Service decides about management keys.
type Service struct {
	Store
	now func() time.Time
}

// NewService decides over the store, by the given clock.
func NewService(s Store, now func() time.Time) *Service { return &Service{s, now} }

// Create makes a key and returns its secret, this once. Nobody makes a key
// that may do more than they may themselves: as is the maker's role.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, as access.Role, name string, role access.Role, expires *time.Time) (Key, string, error) {
	if role == access.Owner && as != access.Owner {
		return Key{}, "", fault.New(fault.Forbidden, "Only an owner makes a management key with the role of owner.", nil)
	}
	bad := fault.New(fault.ValidationFailed, "", nil)
	if name = strings.TrimSpace(name); name == "" {
		bad.WithField("body.name", "must not be empty", "Fill it in.")
	}
	secret := secretkey.New(secretkey.Management)
	hash := secretkey.Hash(secret)
	k := Key{ID: id.New(id.ManagementKey), TenantID: tenantID, Name: name, Role: role, SecretSHA256: hash[:], Hint: secretkey.Hint(secret), CreatedBy: by.ID}
	if expires != nil {
		if k.ExpiresAt = expires.UTC().Truncate(time.Second); !k.ExpiresAt.After(s.now()) {
			bad.WithField("body.expires_at", "is in the past", "Send a time to come, or leave it out.")
		}
	}
	if len(bad.Fields) > 0 {
		return Key{}, "", bad
	}
	k, err := s.CreateManagementKey(ctx, tenantID, by, k)
	return k, secret, err
}

// Revoke refuses a key from now on, for good. An owner's key is revoked by
// owners alone.
func (s *Service) Revoke(ctx context.Context, tenantID string, by change.Actor, as access.Role, keyID string) (Key, error) {
	return s.RevokeManagementKey(ctx, tenantID, by, keyID, func(k *Key) (change.Record, error) {
		if k.Role == access.Owner && as != access.Owner {
			return change.Record{}, fault.New(fault.Forbidden, "Only an owner revokes a management key with the role of owner.", nil)
		}
		if k.RevokedAt.IsZero() {
			k.RevokedAt = s.now().UTC().Truncate(time.Microsecond)
		}
		return k.Record("management_key.revoke"), nil
	})
}
