// Package member owns who belongs to a tenant and in which role. It knows
// neither rows nor HTTP.
package member

import (
	"context"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/password"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// Member is a person in a tenant.
type Member struct {
	ID, TenantID string
	UserID       string
	Email, Name  string
	Role         access.Role
	Version      int64
	CreatedAt    time.Time
}

// Record is what a change of the member leaves.
func (m *Member) Record(action string) change.Record {
	return change.Record{Entry: change.Entry{Action: action, ResourceKind: "member", ResourceID: m.ID,
		Detail: map[string]any{"email": m.Email, "role": string(m.Role)}}}
}

// Store keeps members.
type Store interface {
	Members(ctx context.Context, tenantID, after string, limit int) ([]Member, error)
	Member(ctx context.Context, tenantID, memberID string) (Member, error)
	// UpdateMember locks the member and all owners, and lets edit change the
	// member, given how many owners there are.
	UpdateMember(ctx context.Context, tenantID string, by change.Actor, memberID string, match int64, edit func(m *Member, owners int) (change.Record, error)) (Member, error)
	// AddMember adds whoever has the address of u, or, if nobody has and u has a
	// password, u. Otherwise it fails with fault.NotFound and the advice.
	AddMember(ctx context.Context, tenantID string, by change.Actor, m Member, u session.User, advice string) (Member, error)
	RemoveMember(ctx context.Context, tenantID string, by change.Actor, memberID string, match int64, check func(m Member, owners int) (change.Record, error)) error
}

// Service decides about members.
type Service struct {
	Store
	passwords *password.Hasher
	// signUpOpen says what somebody without an account can do.
	signUpOpen bool
}

// NewService decides over the store.
func NewService(s Store, passwords *password.Hasher, signUpOpen bool) *Service {
	return &Service{s, passwords, signUpOpen}
}

// Input is what somebody sends to add a member. Name and Password are for an
// account to be made, which operators alone do.
type Input struct {
	Email          string
	Role           access.Role
	Name, Password string
}

// Add makes somebody a member. as is the role of who asks: owners are added by
// owners alone.
func (s *Service) Add(ctx context.Context, tenantID string, by change.Actor, as access.Role, operator bool, in Input) (Member, error) {
	if in.Role == access.Owner && as != access.Owner {
		return Member{}, ownersOnly()
	}
	if !operator && (in.Password != "" || in.Name != "") {
		return Member{}, fault.Invalid("body.password", "and name are for operators, who make accounts", "Leave both out.")
	}
	// An account may be older than today's rules of addresses.
	check := session.CheckEmail
	if in.Password != "" {
		check = session.CheckNewEmail
	}
	email, err := check(in.Email)
	if err != nil {
		return Member{}, err
	}
	u := session.User{ID: id.New(id.User), Email: email, Name: strings.TrimSpace(in.Name)}
	if in.Password != "" {
		if err := session.CheckPassword("body.password", in.Password, email); err != nil {
			return Member{}, err
		}
		if u.PasswordHash, err = s.passwords.Hash(ctx, in.Password); err != nil {
			return Member{}, err
		}
	}
	m := Member{ID: id.New(id.Member), TenantID: tenantID, Email: email, Role: in.Role}
	return s.AddMember(ctx, tenantID, by, m, u, s.advice(operator))
}

func (s *Service) advice(operator bool) string {
	switch {
	case operator:
		return "Send a password as well, which makes an account, or ask them to sign up first."
	case s.signUpOpen:
		return "Ask them to sign up first, then add them."
	}
	return "Ask the operator to add them: sign-up is closed here."
}

// SetRole changes a member's role. as is the role of who asks: the role of
// owner is given and taken by owners alone, and the last owner keeps it.
func (s *Service) SetRole(ctx context.Context, tenantID string, by change.Actor, as access.Role, memberID string, match int64, role access.Role) (Member, error) {
	return s.UpdateMember(ctx, tenantID, by, memberID, match, func(m *Member, owners int) (change.Record, error) {
		if (m.Role == access.Owner || role == access.Owner) && as != access.Owner {
			return change.Record{}, ownersOnly()
		}
		if m.Role == access.Owner && role != access.Owner && owners <= 1 {
			return change.Record{}, fault.New(fault.LastOwner, "", nil)
		}
		from := m.Role
		m.Role = role
		rec := m.Record("member.update")
		rec.Entry.Detail["from"] = string(from)
		return rec, nil
	})
}

// Remove takes a member out of the tenant.
func (s *Service) Remove(ctx context.Context, tenantID string, by change.Actor, as access.Role, memberID string, match int64) error {
	return s.RemoveMember(ctx, tenantID, by, memberID, match, func(m Member, owners int) (change.Record, error) {
		if m.Role == access.Owner && as != access.Owner {
			return change.Record{}, ownersOnly()
		}
		if m.Role == access.Owner && owners <= 1 {
			return change.Record{}, fault.New(fault.LastOwner, "", nil)
		}
		return m.Record("member.remove"), nil
	})
}

func ownersOnly() error {
	return fault.New(fault.Forbidden, "Only an owner gives or takes the role of owner.", nil)
}
