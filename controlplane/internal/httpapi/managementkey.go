package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListManagementKeys lists a tenant's keys, newest first.
func (s *Server) ListManagementKeys(ctx context.Context, r apiserver.ListManagementKeysRequestObject) (apiserver.ListManagementKeysResponseObject, error) {
	before, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.ManagementKeys.ManagementKeys(ctx, r.TenantId, before, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(k managementkey.Key) []string { return []string{k.ID} })
	return apiserver.ListManagementKeys200JSONResponse{Data: convert(rows, s.managementKeyJSON), HasMore: more, NextCursor: next}, nil
}

// CreateManagementKey makes a key and shows its secret, this once.
func (s *Server) CreateManagementKey(ctx context.Context, r apiserver.CreateManagementKeyRequestObject) (apiserver.CreateManagementKeyResponseObject, error) {
	k, secret, err := s.ManagementKeys.Create(ctx, r.TenantId, actor(ctx), role(ctx), r.Body.Name, access.Role(r.Body.Role), r.Body.ExpiresAt)
	if err != nil {
		return nil, err
	}
	j := s.managementKeyJSON(k)
	return apiserver.CreateManagementKey201JSONResponse{
		Id: j.Id, Name: j.Name, Role: j.Role, Hint: j.Hint, Status: apiserver.ManagementKeyWithSecretStatus(j.Status),
		ExpiresAt: j.ExpiresAt, RevokedAt: j.RevokedAt, CreatedAt: j.CreatedAt, Secret: secret,
	}, nil
}

// RevokeManagementKey refuses a key from now on.
func (s *Server) RevokeManagementKey(ctx context.Context, r apiserver.RevokeManagementKeyRequestObject) (apiserver.RevokeManagementKeyResponseObject, error) {
	k, err := s.ManagementKeys.Revoke(ctx, r.TenantId, actor(ctx), role(ctx), r.ManagementKeyId)
	if err != nil {
		return nil, err
	}
	return apiserver.RevokeManagementKey200JSONResponse(s.managementKeyJSON(k)), nil
}

func (s *Server) managementKeyJSON(k managementkey.Key) apiserver.ManagementKey {
	return apiserver.ManagementKey{
		Id: k.ID, Name: k.Name, Role: apiserver.Role(k.Role), Hint: k.Hint, Status: apiserver.ManagementKeyStatus(k.Status(s.cfg.Now())),
		ExpiresAt: some(k.ExpiresAt), RevokedAt: some(k.RevokedAt), CreatedAt: k.CreatedAt,
	}
}
