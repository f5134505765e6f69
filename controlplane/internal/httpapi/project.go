package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListProjects lists a tenant's projects, oldest first.
func (s *Server) ListProjects(ctx context.Context, r apiserver.ListProjectsRequestObject) (apiserver.ListProjectsResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Projects.Projects(ctx, r.TenantId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(p project.Project) []string { return []string{p.ID} })
	return apiserver.ListProjects200JSONResponse{Data: convert(rows, func(p project.Project) apiserver.Project { return projectJSON(p, 0) }), HasMore: more, NextCursor: next}, nil
}

// CreateProject makes one.
func (s *Server) CreateProject(ctx context.Context, r apiserver.CreateProjectRequestObject) (apiserver.CreateProjectResponseObject, error) {
	p, changeID, err := s.Projects.Create(ctx, r.TenantId, actor(ctx), project.Input{Name: &r.Body.Name, Rules: rulesOf(r.Body.ParameterRules)})
	if err != nil {
		return nil, err
	}
	setETag(ctx, p.Version)
	return apiserver.CreateProject201JSONResponse(projectJSON(p, changeID)), nil
}

// GetProject shows one.
func (s *Server) GetProject(ctx context.Context, r apiserver.GetProjectRequestObject) (apiserver.GetProjectResponseObject, error) {
	p, err := s.Projects.Project(ctx, r.TenantId, r.ProjectId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, p.Version)
	return apiserver.GetProject200JSONResponse(projectJSON(p, 0)), nil
}

// UpdateProject renames one or gives it other rules.
func (s *Server) UpdateProject(ctx context.Context, r apiserver.UpdateProjectRequestObject) (apiserver.UpdateProjectResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	p, changeID, err := s.Projects.Update(ctx, r.TenantId, actor(ctx), r.ProjectId, match, project.Input{Name: r.Body.Name, Rules: rulesOf(r.Body.ParameterRules)})
	if err != nil {
		return nil, err
	}
	setETag(ctx, p.Version)
	return apiserver.UpdateProject200JSONResponse(projectJSON(p, changeID)), nil
}

// DeleteProject removes an empty one.
func (s *Server) DeleteProject(ctx context.Context, r apiserver.DeleteProjectRequestObject) (apiserver.DeleteProjectResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changeID, err := s.Projects.Delete(ctx, r.TenantId, actor(ctx), r.ProjectId, match)
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteProject200JSONResponse{Id: r.ProjectId, ChangeId: some(changeID)}, nil
}

func projectJSON(p project.Project, changeID int64) apiserver.Project {
	return apiserver.Project{
		Id: p.ID, Name: p.Name, ParameterRules: rulesJSON(p.Rules), Version: p.Version, CreatedAt: p.CreatedAt, ChangeId: some(changeID),
	}
}
