// Package access owns who may be behind a call of the control plane's API:
// principals, the roles they have in a tenant, and how a secret turns into a
// principal. Which role may do what is the API's table, in httpapi.
package access

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// Role is what somebody may do in a tenant. Owner, admin and developer
// include each other in this order; billing and viewer stand beside them.
type Role string

// The roles.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Developer Role = "developer"
	Billing   Role = "billing"
	Viewer    Role = "viewer"
)

// Roles lists all of them.
func Roles() []Role { return []Role{Owner, Admin, Developer, Billing, Viewer} }

// Kinds of principals, as the audit trail names them.
const (
	KindUser          = "user"
	KindManagementKey = "management_key"
)

// Principal is who makes a call.
type Principal struct {
	Kind  string
	ID    string // usr_… or mgk_…
	Name  string
	Email string
	// Operator may do everything in every tenant.
	Operator bool
	// TenantID and Role are set for a tenant's management key, which has no
	// other tenant; a user's roles are in the tenants' member lists.
	TenantID string
	Role     Role
	// SessionID is set for users.
	SessionID string
	// ExpiresAt ends the session or key; zero is never.
	ExpiresAt time.Time
	// Revoked keys are known, so that their holder reads why they fail.
	Revoked bool
}

// Actor is the principal as the audit trail knows it.
func (p Principal) Actor(requestID, clientIP string) change.Actor {
	name := p.Name
	if p.Email != "" {
		name = p.Email
	}
	return change.Actor{Kind: p.Kind, ID: p.ID, Name: name, RequestID: requestID, ClientIP: clientIP}
}

// Place is a tenant as one principal sees it.
type Place struct {
	TenantID string
	Slug     string
	// Role is empty for somebody who is no member.
	Role Role
}

// Store finds principals. Both finders return fault.NotFound for an unknown
// hash.
type Store interface {
	SessionPrincipal(ctx context.Context, tokenHash [32]byte) (Principal, error)
	ManagementKeyPrincipal(ctx context.Context, secretHash [32]byte) (Principal, error)
	// Place finds a tenant by id or slug, with the role of a user in it.
	Place(ctx context.Context, idOrSlug, userID string) (Place, error)
}

// Authenticate turns the secret of a call into the principal behind it.
func Authenticate(ctx context.Context, store Store, secret string, now time.Time) (Principal, error) {
	switch {
	case secretkey.WellFormed(secretkey.Session, secret):
		p, err := store.SessionPrincipal(ctx, secretkey.Hash(secret))
		if isNotFound(err) || err == nil && ended(p, now) {
			return Principal{}, fault.New(fault.SessionExpired, "", nil)
		}
		return p, err
	case secretkey.WellFormed(secretkey.Management, secret):
		p, err := store.ManagementKeyPrincipal(ctx, secretkey.Hash(secret))
		switch {
		case isNotFound(err):
			return Principal{}, fault.New(fault.NotSignedIn, "This management key is not known.", nil)
		case err != nil:
			return Principal{}, err
		case p.Revoked:
			return Principal{}, fault.New(fault.NotSignedIn, "This management key was revoked.", nil)
		case ended(p, now):
			return Principal{}, fault.New(fault.NotSignedIn, "This management key has expired.", nil)
		}
		return p, nil
	case secretkey.WellFormed(secretkey.API, secret):
		return Principal{}, fault.New(fault.NotSignedIn, "API keys call models; this API takes a session or a management key.", nil)
	}
	return Principal{}, fault.New(fault.NotSignedIn, "The Authorization header holds neither a session nor a management key.", nil)
}

// Enter gives the place of a principal in a tenant. A tenant that the
// principal may not see does not exist for it.
func Enter(ctx context.Context, store Store, p Principal, idOrSlug string) (Place, error) {
	user := ""
	if p.Kind == KindUser {
		user = p.ID
	}
	place, err := store.Place(ctx, idOrSlug, user)
	if err != nil {
		return Place{}, err
	}
	if p.Kind == KindManagementKey && p.TenantID == place.TenantID {
		place.Role = p.Role
	}
	if place.Role == "" && !p.Operator {
		return Place{}, fault.New(fault.NotFound, "", nil)
	}
	return place, nil
}

func ended(p Principal, now time.Time) bool { return !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt) }

func isNotFound(err error) bool { return err != nil && fault.From(err).Kind == fault.NotFound }
