package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// GetTenant shows one tenant.
func (s *Server) GetTenant(ctx context.Context, r apiserver.GetTenantRequestObject) (apiserver.GetTenantResponseObject, error) {
	t, err := s.Tenants.Tenant(ctx, r.TenantId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, t.Version)
	return apiserver.GetTenant200JSONResponse(tenantJSON(t, 0)), nil
}

// CreateTenant makes one for somebody else.
func (s *Server) CreateTenant(ctx context.Context, r apiserver.CreateTenantRequestObject) (apiserver.CreateTenantResponseObject, error) {
	b, err := s.Signups.Create(ctx, signup.Input{
		TenantName: r.Body.TenantName, Slug: value(r.Body.Slug), Name: value(r.Body.Name), Email: r.Body.Email, Password: value(r.Body.Password),
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CreateTenant201JSONResponse{Tenant: tenantJSON(b.Tenant, b.ChangeID), Project: projectJSON(b.Project, 0), Owner: memberJSON(b.Owner)}, nil
}

// UpdateTenant renames one.
func (s *Server) UpdateTenant(ctx context.Context, r apiserver.UpdateTenantRequestObject) (apiserver.UpdateTenantResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	t, changeID, err := s.Tenants.Rename(ctx, r.TenantId, actor(ctx), match, r.Body.Name)
	if err != nil {
		return nil, err
	}
	setETag(ctx, t.Version)
	return apiserver.UpdateTenant200JSONResponse(tenantJSON(t, changeID)), nil
}

// SuspendTenant refuses all of a tenant's calls.
func (s *Server) SuspendTenant(ctx context.Context, r apiserver.SuspendTenantRequestObject) (apiserver.SuspendTenantResponseObject, error) {
	t, changeID, err := s.Tenants.Suspend(ctx, r.TenantId, actor(ctx))
	if err != nil {
		return nil, err
	}
	setETag(ctx, t.Version)
	return apiserver.SuspendTenant200JSONResponse(tenantJSON(t, changeID)), nil
}

// ResumeTenant lifts a suspension.
func (s *Server) ResumeTenant(ctx context.Context, r apiserver.ResumeTenantRequestObject) (apiserver.ResumeTenantResponseObject, error) {
	t, changeID, err := s.Tenants.Resume(ctx, r.TenantId, actor(ctx))
	if err != nil {
		return nil, err
	}
	setETag(ctx, t.Version)
	return apiserver.ResumeTenant200JSONResponse(tenantJSON(t, changeID)), nil
}

func tenantJSON(t tenant.Tenant, changeID int64) apiserver.Tenant {
	return apiserver.Tenant{Id: t.ID, Slug: t.Slug, Name: t.Name, Status: apiserver.TenantStatus(t.Status),
		Version: t.Version, CreatedAt: t.CreatedAt, ChangeId: some(changeID)}
}
