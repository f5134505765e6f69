// Package member owns who belongs to a tenant and in which role. It knows
// neither rows nor HTTP.
package member

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
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
	RemoveMember(ctx context.Context, tenantID string, by change.Actor, memberID string, match int64, check func(m Member, owners int) (change.Record, error)) error
}

// Service decides about members.
type Service struct{ Store }

// NewService decides over the store.
func NewService(s Store) *Service { return &Service{s} }

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
