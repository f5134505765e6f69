package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListModels lists a tenant's models with the prices in force, oldest first.
func (s *Server) ListModels(ctx context.Context, r apiserver.ListModelsRequestObject) (apiserver.ListModelsResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Catalog.Models(ctx, r.TenantId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(m catalog.Model) []string { return []string{m.ID} })
	data := convert(rows, func(m catalog.Model) apiserver.Model { return s.modelJSON(m, 0) })
	return apiserver.ListModels200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateModel adds one, with its own price and a route if wanted.
func (s *Server) CreateModel(ctx context.Context, r apiserver.CreateModelRequestObject) (apiserver.CreateModelResponseObject, error) {
	price, err := newPrice("body.price.", r.Body.Price)
	if err != nil {
		return nil, err
	}
	m, changeID, err := s.Catalog.CreateForTenant(ctx, r.TenantId, actor(ctx), catalog.Model{
		CredentialID: r.Body.CredentialId, ProviderModel: r.Body.ProviderModel, CatalogID: value(r.Body.CatalogId),
		UnknownPrice: string(value(r.Body.UnknownPrice)),
	}, price, value(r.Body.RouteName))
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.CreateModel201JSONResponse(s.modelJSON(m, changeID)), nil
}

// GetModel shows one.
func (s *Server) GetModel(ctx context.Context, r apiserver.GetModelRequestObject) (apiserver.GetModelResponseObject, error) {
	m, err := s.Catalog.Model(ctx, r.TenantId, r.ModelId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.GetModel200JSONResponse(s.modelJSON(m, 0)), nil
}

// UpdateModel changes what happens to calls without a price.
func (s *Server) UpdateModel(ctx context.Context, r apiserver.UpdateModelRequestObject) (apiserver.UpdateModelResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	m, changeID, err := s.Catalog.UpdateModel(ctx, r.TenantId, actor(ctx), r.ModelId, match, string(value(r.Body.UnknownPrice)))
	if err != nil {
		return nil, err
	}
	setETag(ctx, m.Version)
	return apiserver.UpdateModel200JSONResponse(s.modelJSON(m, changeID)), nil
}

// DeleteModel retires one that no route leads to.
func (s *Server) DeleteModel(ctx context.Context, r apiserver.DeleteModelRequestObject) (apiserver.DeleteModelResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changeID, err := s.Catalog.DeleteModel(ctx, r.TenantId, actor(ctx), r.ModelId, match)
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteModel200JSONResponse{Id: r.ModelId, ChangeId: some(changeID)}, nil
}

func (s *Server) modelJSON(m catalog.Model, changeID int64) apiserver.Model {
	now := s.cfg.Now()
	cost := m.CostAt(now)
	return apiserver.Model{
		Id: m.ID, CredentialId: m.CredentialID, Provider: m.Provider, ProviderModel: m.ProviderModel, CatalogId: some(m.CatalogID),
		UnknownPrice: apiserver.UnknownPrice(m.UnknownPrice), Priced: cost != nil, CostPrice: pricePointer(cost),
		SellPrice: pricePointer(m.SellAt(now)), Version: m.Version, CreatedAt: m.CreatedAt, ChangeId: some(changeID),
	}
}
