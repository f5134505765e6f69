package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListMembers lists a tenant's members, oldest first.
func (s *Server) ListMembers(ctx context.Context, r apiserver.ListMembersRequestObject) (apiserver.ListMembersResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Members.Members(ctx, r.TenantId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(m member.Member) []string { return []string{m.ID} })
	return apiserver.ListMembers200JSONResponse{Data: convert(rows, memberJSON), HasMore: more, NextCursor: next}, nil
}

// AddMember adds somebody who has an account.
func (s *Server) AddMember(ctx context.Context, r apiserver.AddMemberRequestObject) (apiserver.AddMemberResponseObject, error) {
	// The answer tells whether an address has an account, as that of a sign-up
	// does: neither may be asked without end.
	if err := s.Sessions.SlowDown(current(ctx).clientIP); err != nil {
		return nil, err
	}
	m, err := s.Members.Add(ctx, r.TenantId, actor(ctx), role(ctx), principal(ctx).Operator, member.Input{
		Email: r.Body.Email, Role: access.Role(r.Body.Role), Name: value(r.Body.Name), Password: value(r.Body.Password),
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.AddMember201JSONResponse(memberJSON(m)), nil
}

// GetMember shows one.
func (s *Server) GetMember(ctx context.Context, r apiserver.GetMemberRequestObject) (apiserver.GetMemberResponseObject, error) {
	m, err := s.Members.Member(ctx, r.TenantId, r.MemberId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.GetMember200JSONResponse(memberJSON(m)), nil
}

// UpdateMember gives a member another role.
func (s *Server) UpdateMember(ctx context.Context, r apiserver.UpdateMemberRequestObject) (apiserver.UpdateMemberResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	m, err := s.Members.SetRole(ctx, r.TenantId, actor(ctx), role(ctx), r.MemberId, match, access.Role(r.Body.Role))
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.UpdateMember200JSONResponse(memberJSON(m)), nil
}

// RemoveMember takes one out of the tenant.
func (s *Server) RemoveMember(ctx context.Context, r apiserver.RemoveMemberRequestObject) (apiserver.RemoveMemberResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := s.Members.Remove(ctx, r.TenantId, actor(ctx), role(ctx), r.MemberId, match); err != nil {
		return nil, err
	}
	return apiserver.RemoveMember200JSONResponse{Id: r.MemberId}, nil
}

func memberJSON(m member.Member) apiserver.Member {
	return apiserver.Member{Id: m.ID, UserId: m.UserID, Email: m.Email, Name: m.Name, Role: apiserver.Role(m.Role),
		Version: m.Version, CreatedAt: m.CreatedAt}
}
