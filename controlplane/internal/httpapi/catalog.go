package httpapi

import (
	"context"
	"maps"
	"slices"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/pricelist"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListCatalogModels lists the catalogue with the prices in force.
func (s *Server) ListCatalogModels(ctx context.Context, r apiserver.ListCatalogModelsRequestObject) (apiserver.ListCatalogModelsResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Catalog.CatalogEntries(ctx, catalog.Filter{Provider: value(r.Params.Provider), BuiltIn: value(r.Params.BuiltIn)}, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(e catalog.Entry) []string { return []string{e.ID} })
	data := convert(rows, func(e catalog.Entry) apiserver.CatalogModel { return s.entryJSON(e, 0) })
	return apiserver.ListCatalogModels200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateCatalogModel adds a model to the catalogue.
func (s *Server) CreateCatalogModel(ctx context.Context, r apiserver.CreateCatalogModelRequestObject) (apiserver.CreateCatalogModelResponseObject, error) {
	price, err := newPrice("body.price.", r.Body.Price)
	if err != nil {
		return nil, err
	}
	e, changeID, err := s.Catalog.CreateEntry(ctx, actor(ctx), catalog.Entry{
		Provider: r.Body.Provider, ProviderModel: r.Body.ProviderModel, Name: value(r.Body.Name), Facts: catalog.Facts{
			ContextWindow: value(r.Body.ContextWindow), MaxOutputTokens: value(r.Body.MaxOutputTokens), DeprecatedAt: r.Body.DeprecatedAt,
			Capabilities: capabilities(r.Body.Capabilities),
		},
	}, price)
	if err != nil {
		return nil, err
	}
	return apiserver.CreateCatalogModel201JSONResponse(s.entryJSON(e, changeID)), nil
}

// UpdateCatalogModel changes what is known of a model, or pins its price.
func (s *Server) UpdateCatalogModel(ctx context.Context, r apiserver.UpdateCatalogModelRequestObject) (apiserver.UpdateCatalogModelResponseObject, error) {
	e, changeID, err := s.Catalog.UpdateEntry(ctx, actor(ctx), r.Body.Id, catalog.EntryPatch{
		Name: r.Body.Name, Pinned: r.Body.Pinned, ContextWindow: r.Body.ContextWindow, MaxOutputTokens: r.Body.MaxOutputTokens,
		DeprecatedAt: r.Body.DeprecatedAt, Capabilities: capabilities(r.Body.Capabilities),
	})
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateCatalogModel200JSONResponse(s.entryJSON(e, changeID)), nil
}

// ImportPrices takes over a public price list.
func (s *Server) ImportPrices(ctx context.Context, r apiserver.ImportPricesRequestObject) (apiserver.ImportPricesResponseObject, error) {
	req := catalog.ImportRequest{Format: string(value(r.Body.Format)), Source: value(r.Body.Source), EffectiveFrom: value(r.Body.EffectiveFrom),
		DryRun: value(r.Body.DryRun)}
	for _, f := range r.Body.Files {
		req.Files = append(req.Files, pricelist.File{Name: f.Name, Text: f.Text})
	}
	i, changeID, err := s.Catalog.ImportPrices(ctx, actor(ctx), req)
	if err != nil {
		return nil, err
	}
	out := apiserver.ImportPrices200JSONResponse{
		Format: i.Format, Source: i.Source, EffectiveFrom: i.EffectiveFrom, DryRun: i.DryRun, Same: i.Same, ChangeId: some(changeID),
		New: i.Count(catalog.ImportNew), Changed: i.Count(catalog.ImportChanged), Gone: i.Count(catalog.ImportGone), Pinned: i.Count(catalog.ImportPinned),
		Items: convert(i.Items, func(x catalog.ImportItem) apiserver.PriceImportItem {
			return apiserver.PriceImportItem{CatalogId: x.CatalogID, Action: apiserver.PriceImportItemAction(x.Action), EffectiveFrom: x.EffectiveFrom,
				Changes: convert(x.Changes, func(c catalog.ImportChange) apiserver.PriceImportChange {
					return apiserver.PriceImportChange{Name: c.Name, Old: some(c.Old), New: some(c.New)}
				})}
		}),
		Left: convert(i.Left, func(n pricelist.Note) apiserver.PriceImportNote {
			return apiserver.PriceImportNote{Where: n.Where, Text: n.Text}
		}),
		Unknown: convert(slices.Sorted(maps.Keys(i.Unknown)), func(name string) apiserver.PriceImportUnknown {
			return apiserver.PriceImportUnknown{Provider: name, Models: i.Unknown[name]}
		}),
	}
	return out, nil
}

func capabilities(in *apiserver.Capabilities) *catalog.Capabilities {
	if in == nil {
		return nil
	}
	return &catalog.Capabilities{Operations: in.Operations, Input: in.Input, Output: in.Output, Tools: in.Tools, Reasoning: in.Reasoning,
		JSONSchema: in.JsonSchema, Temperature: in.Temperature}
}

func capabilitiesJSON(c *catalog.Capabilities) *apiserver.Capabilities {
	if c == nil {
		return nil
	}
	list := func(s []string) []string { return append([]string{}, s...) }
	return &apiserver.Capabilities{Operations: list(c.Operations), Input: list(c.Input), Output: list(c.Output), Tools: c.Tools, Reasoning: c.Reasoning,
		JsonSchema: c.JSONSchema, Temperature: c.Temperature}
}

func (s *Server) entryJSON(e catalog.Entry, changeID int64) apiserver.CatalogModel {
	now := s.cfg.Now()
	return apiserver.CatalogModel{
		Id: e.ID, Provider: e.Provider, ProviderModel: e.ProviderModel, Name: e.Name, ContextWindow: e.ContextWindow, BuiltIn: e.BuiltIn, Pinned: e.Pinned,
		MaxOutputTokens: some(e.MaxOutputTokens), DeprecatedAt: e.DeprecatedAt, Capabilities: capabilitiesJSON(e.Capabilities),
		CostPrice: pricePointer(catalog.Effective(catalog.CatalogCost(e.Prices), now)),
		SellPrice: pricePointer(catalog.Effective(catalog.SellPrices(e.Prices), now)), ChangeId: some(changeID),
	}
}
