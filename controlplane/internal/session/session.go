// Package session owns people and their way in: e-mail addresses and
// passwords, sessions, and the brake on guessing. It knows neither rows nor
// HTTP, and nothing of what somebody may do once inside.
package session

import (
	"context"
	"fmt"
	"net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
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
	// SetPassword writes a new hash and ends the user's sessions but one, unless
	// the password is no longer the one that u has.
	SetPassword(ctx context.Context, by change.Actor, u User, hash, keepSession string) error
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
	s.release(email, clientIP)
	session := s.Make(user.ID)
	return session, s.CreateSession(ctx, session)
}

// release gives the try back: those who know the password do not use them up.
func (s *Service) release(email, clientIP string) {
	from := network(clientIP)
	s.byPair.release(pair(email, from))
	s.byEmail.release(email)
	s.byAddress.release(from)
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

// CheckNewEmail is CheckEmail for an account to be made: its domain has a dot,
// as all have that mail reaches from elsewhere.
func CheckNewEmail(s string) (string, error) {
	email, err := CheckEmail(s)
	if err != nil {
		return "", err
	}
	domain := email[strings.LastIndexByte(email, '@')+1:]
	if !strings.Contains(strings.Trim(domain, "."), ".") || strings.HasPrefix(domain, "[") {
		return "", fault.Invalid("body.email", "has no whole domain behind the @", "Send an address such as ada@example.com.")
	}
	return email, nil
}

// leastDistinct is how many different characters a password has at least:
// ten times the same is no ten characters.
const leastDistinct = 4

// CheckPassword says whether somebody may choose this password; at is where
// it stands in the request. Its length is the API's business.
func CheckPassword(at, password, email string) error {
	if strings.EqualFold(strings.TrimSpace(password), strings.TrimSpace(email)) {
		return fault.Invalid(at, "is the e-mail address", "Choose one that nobody can guess.")
	}
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	if len(distinct) < leastDistinct {
		return fault.Invalid(at, "has fewer than four different characters", "Choose one that nobody can guess.")
	}
	return nil
}

// ChangePassword gives a person another password and ends all their sessions
// but the one that asks. Wrong tries count as those of signing in do.
func (s *Service) ChangePassword(ctx context.Context, p access.Principal, by change.Actor, current, next string) error {
	if p.Kind != access.KindUser {
		return fault.New(fault.Forbidden, "A management key has no password.", nil).WithFix("Sign in, and send the session in place of the key.")
	}
	if err := CheckPassword("body.new", next, p.Email); err != nil {
		return err
	}
	if err := s.slowDown(p.Email, by.ClientIP); err != nil {
		return err
	}
	user, err := s.UserByEmail(ctx, p.Email)
	if err != nil {
		return fmt.Errorf("find user %s: %w", p.ID, err)
	}
	ok, err := s.passwords.Verify(ctx, user.PasswordHash, current)
	if err != nil {
		return err
	}
	if !ok {
		return fault.Invalid("body.current", "is not your password", "Type the password that you sign in with now.")
	}
	s.release(p.Email, by.ClientIP)
	hash, err := s.passwords.Hash(ctx, next)
	if err != nil {
		return err
	}
	return s.SetPassword(ctx, by, user, hash, p.SessionID)
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
