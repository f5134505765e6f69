// Package apikey owns the keys that callers of models present: who may call
// which routes until when, and how a key changes its secret without a gap. It
// keeps hashes of secrets only, and knows neither rows nor HTTP.
package apikey

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/parameter"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// MaxPerTenant is how many keys of a tenant may work at a time: data planes
// hold all of them in memory.
const MaxPerTenant = 10_000

// DefaultOverlap is how long the old secret works after a rotation.
const DefaultOverlap = 24 * time.Hour

// Key is an API key. Zero times are unset.
type Key struct {
	ID, TenantID       string
	ProjectID          string
	Name               string
	SecretSHA256       []byte
	Hint               string
	PreviousSHA256     []byte
	PreviousValidUntil time.Time
	AllowedRoutes      []string
	Rules              parameter.Rules
	ExpiresAt          time.Time
	RevokedAt          time.Time
	RotatedAt          time.Time
	LastUsedAt         time.Time
	CreatedBy          string
	Version            int64
	CreatedAt          time.Time
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

// Record is what a change of the key leaves. Urgent changes take something
// away from whoever holds the key.
func (k *Key) Record(action string, urgent bool) (change.Record, error) {
	res, err := change.NewResource(k.TenantID, configv1.Kind_KIND_API_KEY, k.ID, &configv1.ApiKey{
		Id: k.ID, ProjectId: k.ProjectID,
		SecretSha256: k.SecretSHA256, PreviousSha256: k.PreviousSHA256, PreviousValidUntilUnix: unix(k.PreviousValidUntil),
		ExpiresAtUnix: unix(k.ExpiresAt), Revoked: !k.RevokedAt.IsZero(), AllowedRoutes: k.AllowedRoutes,
		ParameterRules: k.Rules.Proto(),
	})
	res.Urgent = urgent
	detail := map[string]any{"name": k.Name, "project_id": k.ProjectID, "hint": k.Hint}
	if len(k.AllowedRoutes) > 0 {
		detail["allowed_routes"] = k.AllowedRoutes
	}
	k.Rules.Detail(detail)
	if !k.ExpiresAt.IsZero() {
		detail["expires_at"] = k.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return change.Record{
		Entry:     change.Entry{Action: action, ResourceKind: "api_key", ResourceID: k.ID, Detail: detail},
		Resources: []change.Resource{res},
	}, err
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Store keeps keys. Each change is one transaction with its audit entry and
// its config resource.
type Store interface {
	// APIKeys lists those of a tenant, newest first, with their last use.
	APIKeys(ctx context.Context, tenantID, before string, limit int) ([]Key, error)
	APIKey(ctx context.Context, tenantID, keyID string) (Key, error)
	// CreateAPIKey inserts a key, in the tenant's oldest project when it names
	// none, unless the tenant has most keys that work. The routes that the key may
	// call must exist; so must those that an update adds.
	CreateAPIKey(ctx context.Context, tenantID string, by change.Actor, k Key, most int) (Key, int64, error)
	UpdateAPIKey(ctx context.Context, tenantID string, by change.Actor, keyID string, match int64, edit func(*Key) (change.Record, error)) (Key, int64, error)
}

// Service decides about API keys.
type Service struct {
	Store
	now func() time.Time
}

// NewService decides over the store, by the given clock.
func NewService(s Store, now func() time.Time) *Service { return &Service{s, now} }

// Input is what a caller sends to make or change a key; nil means: as it is.
type Input struct {
	Name          *string
	ProjectID     string
	AllowedRoutes *[]string
	Rules         *parameter.Rules
	ExpiresAt     *time.Time
	NeverExpires  bool
}

// Make builds a key that is not stored yet, with its secret, which is nowhere
// else.
func (s *Service) Make(tenantID string, by change.Actor, in Input) (Key, string, error) {
	secret := secretkey.New(secretkey.API)
	hash := secretkey.Hash(secret)
	k := Key{
		ID: id.New(id.APIKey), TenantID: tenantID, ProjectID: in.ProjectID,
		SecretSHA256: hash[:], Hint: secretkey.Hint(secret), CreatedBy: by.ID,
	}
	return k, secret, s.apply(&k, in)
}

// Create makes a key and returns its secret, this once.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, in Input) (Key, string, int64, error) {
	k, secret, err := s.Make(tenantID, by, in)
	if err != nil {
		return Key{}, "", 0, err
	}
	k, changeID, err := s.CreateAPIKey(ctx, tenantID, by, k, MaxPerTenant)
	return k, secret, changeID, err
}

// Update renames a key, moves its expiry or changes the routes it may call.
func (s *Service) Update(ctx context.Context, tenantID string, by change.Actor, keyID string, match int64, in Input) (Key, int64, error) {
	return s.UpdateAPIKey(ctx, tenantID, by, keyID, match, func(k *Key) (change.Record, error) {
		if !k.RevokedAt.IsZero() {
			return change.Record{}, revoked()
		}
		if err := s.apply(k, in); err != nil {
			return change.Record{}, err
		}
		return k.Record("api_key.update", false)
	})
}

// Rotation is what a rotation gives.
type Rotation struct {
	Key Key
	// Secret is the new one, nowhere else.
	Secret string
	// EndedEarly is until when the old secret of an earlier rotation would have
	// worked, had this one not ended it; zero when it ended none.
	EndedEarly time.Time
	ChangeID   int64
}

// Rotate gives a key a new secret. The old one works on for the overlap; the
// one before that ends now.
func (s *Service) Rotate(ctx context.Context, tenantID string, by change.Actor, keyID string, overlap time.Duration) (Rotation, error) {
	secret := secretkey.New(secretkey.API)
	var endedEarly time.Time
	k, changeID, err := s.UpdateAPIKey(ctx, tenantID, by, keyID, 0, func(k *Key) (change.Record, error) {
		if !k.RevokedAt.IsZero() {
			return change.Record{}, revoked()
		}
		now := s.now().UTC().Truncate(time.Second)
		ended := len(k.PreviousSHA256) > 0 && k.PreviousValidUntil.After(now)
		if ended {
			endedEarly = k.PreviousValidUntil
		}
		if k.PreviousSHA256, k.PreviousValidUntil = nil, (time.Time{}); overlap > 0 {
			k.PreviousSHA256, k.PreviousValidUntil = k.SecretSHA256, now.Add(overlap)
		}
		hash := secretkey.Hash(secret)
		k.SecretSHA256, k.Hint, k.RotatedAt = hash[:], secretkey.Hint(secret), now
		rec, err := k.Record("api_key.rotate", overlap == 0 || ended)
		if err == nil {
			rec.Entry.Detail["overlap_seconds"] = int64(overlap.Seconds())
		}
		return rec, err
	})
	return Rotation{k, secret, endedEarly, changeID}, err
}

// Revoke refuses a key from now on, for good; data planes are told at once.
func (s *Service) Revoke(ctx context.Context, tenantID string, by change.Actor, keyID string) (Key, int64, error) {
	return s.UpdateAPIKey(ctx, tenantID, by, keyID, 0, func(k *Key) (change.Record, error) {
		if k.RevokedAt.IsZero() {
			k.RevokedAt = s.now().UTC().Truncate(time.Microsecond)
		}
		// A key that is revoked already is told again: the caller is in need.
		return k.Record("api_key.revoke", true)
	})
}

// apply fills in what the caller sent.
func (s *Service) apply(k *Key, in Input) error {
	bad := fault.New(fault.ValidationFailed, "", nil)
	if in.Name != nil {
		if k.Name = strings.TrimSpace(*in.Name); k.Name == "" {
			bad.WithField("body.name", "must not be empty", "Fill it in.")
		}
	}
	if in.AllowedRoutes != nil {
		k.AllowedRoutes = *in.AllowedRoutes
		for i, r := range k.AllowedRoutes {
			if !configcheck.ValidName(r) {
				bad.WithField(fmt.Sprintf("body.allowed_routes[%d]", i), "is not a name that a route can have", "Send the names of routes.")
			}
		}
	}
	if in.Rules != nil {
		k.Rules = *in.Rules
		k.Rules.Check(bad)
	}
	switch {
	case in.NeverExpires && in.ExpiresAt != nil:
		bad.WithField("body.never_expires", "contradicts expires_at", "Send one of the two.")
	case in.NeverExpires:
		k.ExpiresAt = time.Time{}
	case in.ExpiresAt != nil:
		k.ExpiresAt = in.ExpiresAt.UTC().Truncate(time.Second)
		if !k.ExpiresAt.After(s.now()) {
			bad.WithField("body.expires_at", "is in the past", "Send a time to come, or revoke the key.")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

func revoked() error {
	return fault.New(fault.Conflict, "This key was revoked, which is for good. Make a new key.", nil)
}
