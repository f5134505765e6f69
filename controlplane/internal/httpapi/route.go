package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListRoutes lists a tenant's routes, oldest first.
func (s *Server) ListRoutes(ctx context.Context, r apiserver.ListRoutesRequestObject) (apiserver.ListRoutesResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Routes.Routes(ctx, r.TenantId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(r route.Route) []string { return []string{r.ID} })
	data := convert(rows, func(r route.Route) apiserver.Route { return routeJSON(r, 0) })
	return apiserver.ListRoutes200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateRoute makes one.
func (s *Server) CreateRoute(ctx context.Context, r apiserver.CreateRouteRequestObject) (apiserver.CreateRouteResponseObject, error) {
	onLoss := apiserver.Drop
	if r.Body.OnLoss != nil {
		onLoss = *r.Body.OnLoss
	}
	in := route.Route{Name: r.Body.Name, ModelID: r.Body.ModelId, OnLoss: string(onLoss)}
	if rules := rulesOf(r.Body.ParameterRules); rules != nil {
		in.Rules = *rules
	}
	made, changeID, err := s.Routes.Create(ctx, r.TenantId, actor(ctx), in)
	if err != nil {
		return nil, err
	}
	setETag(ctx, made.Version)
	return apiserver.CreateRoute201JSONResponse(routeJSON(made, changeID)), nil
}

// GetRoute shows one.
func (s *Server) GetRoute(ctx context.Context, r apiserver.GetRouteRequestObject) (apiserver.GetRouteResponseObject, error) {
	found, err := s.Routes.Route(ctx, r.TenantId, r.RouteId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, found.Version)
	return apiserver.GetRoute200JSONResponse(routeJSON(found, 0)), nil
}

// UpdateRoute renames one or leads it elsewhere.
func (s *Server) UpdateRoute(ctx context.Context, r apiserver.UpdateRouteRequestObject) (apiserver.UpdateRouteResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changed, changeID, err := s.Routes.Update(ctx, r.TenantId, actor(ctx), r.RouteId, match, route.Input{
		Name: r.Body.Name, ModelID: r.Body.ModelId, OnLoss: (*string)(r.Body.OnLoss), Rules: rulesOf(r.Body.ParameterRules),
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, changed.Version)
	return apiserver.UpdateRoute200JSONResponse(routeJSON(changed, changeID)), nil
}

// DeleteRoute removes one.
func (s *Server) DeleteRoute(ctx context.Context, r apiserver.DeleteRouteRequestObject) (apiserver.DeleteRouteResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changeID, err := s.Routes.DeleteRoute(ctx, r.TenantId, actor(ctx), r.RouteId, match)
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteRoute200JSONResponse{Id: r.RouteId, ChangeId: some(changeID)}, nil
}

func routeJSON(r route.Route, changeID int64) apiserver.Route {
	return apiserver.Route{
		Id: r.ID, Name: r.Name, ModelId: r.ModelID, OnLoss: apiserver.OnLoss(r.OnLoss), ParameterRules: rulesJSON(r.Rules),
		Version: r.Version, CreatedAt: r.CreatedAt, ChangeId: some(changeID),
	}
}
