// Package session owns people and their way in: e-mail addresses and
// passwords, sessions, and the brake on guessing. It knows neither rows nor
// HTTP, and nothing of what somebody may do once inside.
package session

import (
	"context"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/secretkey"
)

// Lifetime of a session.
const Lifetime = 14 * 24 * time.Hour

// MostLive is how many sessions somebody can have at once. The oldest end when
// there would be more: a program that signs in for each call fills no table.
const MostLive = 20

// User is a person. One may be a member of several tenants.
type User struct {
	ID           string
	Email, Name  string
	PasswordHash string
	Operator     bool
}

// Session is a sign-in; Token is its secret and is nowhere else.
type Session struct {
	ID, UserID string
	Token      string
	ExpiresAt  time.Time
}

// Membership is a tenant that somebody reaches.
type Membership struct {
	TenantID, Slug, Name string
	Status               string
	Role                 access.Role
}

// Store keeps users and sessions.
type Store interface {
	// UserByEmail returns fault.NotFound for nobody.
	UserByEmail(ctx context.Context, email string) (User, error)
	// CreateSession ends the user's oldest sessions beyond MostLive.
	CreateSession(ctx context.Context, s Session) error
	DeleteSession(ctx context.Context, sessionID string) error
	// Memberships lists the tenants of a user, up to a hundred.
	Memberships(ctx context.Context, userID string) ([]Membership, error)
	// TenantMembership is the one tenant of a management key.
	TenantMembership(ctx context.Context, tenantID string, role access.Role) (Membership, error)
}

// Service lets people in.
type Service struct {
	Store
	passwords *password.Hasher
	now       func() time.Time
	// byPair counts an account's tries from one address, byEmail those from
	// all. The first is narrow, against guessing; the second is wide, so that a
	// stranger's wrong tries do not keep the account's owner out.
	byPair, byEmail, byAddress *brake
}

// NewService decides over the store, by the given clock.
func NewService(s Store, passwords *password.Hasher, now func() time.Time) *Service {
	return &Service{
		Store: s, passwords: passwords, now: now,
		byPair:    newBrake(now, 10, 6*time.Second),
		byEmail:   newBrake(now, 100, 3*time.Second),
		byAddress: newBrake(now, 60, time.Second),
	}
}

// SignIn opens a session. Wrong addresses and wrong passwords look alike, and
// take alike long.
func (s *Service) SignIn(ctx context.Context, email, password, clientIP string) (Session, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := s.slowDown(email, clientIP); err != nil {
		return Session{}, err
	}
	user, err := s.UserByEmail(ctx, email)
	if err != nil && fault.From(err).Kind != fault.NotFound {
		return Session{}, err
	}
	// An empty hash is nobody's.
	ok, err := s.passwords.Verify(ctx, user.PasswordHash, password)
	if err != nil {
		return Session{}, err
	}
	if !ok {
		return Session{}, fault.New(fault.WrongPassword, "", nil)
	}
	// Those who know the password do not use the tries up.
	from := network(clientIP)
	s.byPair.release(pair(email, from))
	s.byEmail.release(email)
	s.byAddress.release(from)
	session := s.Make(user.ID)
	return session, s.CreateSession(ctx, session)
}

// SlowDown counts a try of an address to do something dear, such as to sign up.
func (s *Service) SlowDown(clientIP string) error { return s.slowDown("", clientIP) }

func (s *Service) slowDown(email, clientIP string) error {
	from := network(clientIP)
	wait := s.byAddress.try(from)
	if wait == 0 && email != "" {
		wait = s.byPair.try(pair(email, from))
	}
	if wait == 0 && email != "" {
		wait = s.byEmail.try(email)
	}
	if wait > 0 {
		return fault.New(fault.TooManyAttempts, "", &throttled{wait})
	}
	return nil
}

// pair names an account's tries from a network.
func pair(email, from string) string { return email + " " + from }

// network is what counts as one address: of IPv6 the /64, which one subscriber
// has whole.
func network(clientIP string) string {
	a, err := netip.ParseAddr(clientIP)
	if err != nil {
		return clientIP
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64)
	return p.String()
}

// Make is a session that is not stored yet.
func (s *Service) Make(userID string) Session {
	return Session{ID: id.New(id.Session), UserID: userID, Token: secretkey.New(secretkey.Session),
		ExpiresAt: s.now().UTC().Add(Lifetime).Truncate(time.Second)}
}

// CheckEmail gives the form in which an address is kept.
func CheckEmail(s string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(s))
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > 254 || strings.ContainsAny(email, " \"") {
		return "", fault.Invalid("body.email", "is not an e-mail address", "Send an address such as ada@example.com.")
	}
	return email, nil
}
