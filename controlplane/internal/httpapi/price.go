package httpapi

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/money"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListModelPrices lists what holds for a model, newest first.
func (s *Server) ListModelPrices(ctx context.Context, r apiserver.ListModelPricesRequestObject) (apiserver.ListModelPricesResponseObject, error) {
	position, err := s.after(ctx, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	var after *catalog.PricePlace
	if len(position) == 2 {
		at, err := time.Parse(time.RFC3339Nano, position[0])
		if err != nil {
			return nil, fault.New(fault.ValidationFailed, "", err).WithField("query.cursor", "is not a cursor of this list", "")
		}
		after = &catalog.PricePlace{At: at, ID: position[1]}
	}
	limit := pageLimit(r.Params.Limit)
	rows, err := s.Catalog.ModelPrices(ctx, r.TenantId, r.ModelId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(p catalog.Price) []string {
		return []string{p.EffectiveFrom.UTC().Format(time.RFC3339Nano), p.ID}
	})
	data := convert(rows, func(p catalog.Price) apiserver.Price { return priceJSON(p, 0) })
	return apiserver.ListModelPrices200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateModelPrice sets what a tenant's provider charges it, from a moment on.
func (s *Server) CreateModelPrice(ctx context.Context, r apiserver.CreateModelPriceRequestObject) (apiserver.CreateModelPriceResponseObject, error) {
	in, err := newPrice("body.", r.Body)
	if err != nil {
		return nil, err
	}
	p, changeID, err := s.Catalog.SetModelPrice(ctx, r.TenantId, actor(ctx), r.ModelId, *in)
	if err != nil {
		return nil, err
	}
	return apiserver.CreateModelPrice201JSONResponse(priceJSON(p, changeID)), nil
}

// CreateOperatorPrice sets a price of the catalogue, or for one tenant.
func (s *Server) CreateOperatorPrice(ctx context.Context, r apiserver.CreateOperatorPriceRequestObject) (apiserver.CreateOperatorPriceResponseObject, error) {
	in, err := newPrice("body.price.", &r.Body.Price)
	if err != nil {
		return nil, err
	}
	p, changeID, err := s.Catalog.SetOperatorPrice(ctx, actor(ctx), value(r.Body.CatalogId), value(r.Body.TenantId), value(r.Body.ModelId),
		catalog.Side(r.Body.Side), *in)
	if err != nil {
		return nil, err
	}
	return apiserver.CreateOperatorPrice201JSONResponse(priceJSON(p, changeID)), nil
}

// newPrice reads the amounts; at is where in the request they stand.
func newPrice(at string, in *apiserver.PriceCreate) (*catalog.NewPrice, error) {
	if in == nil {
		return nil, nil
	}
	out := &catalog.NewPrice{EffectiveFrom: value(in.EffectiveFrom), Source: value(in.Source), At: at}
	bad := fault.New(fault.ValidationFailed, "", nil)
	read := func(name, text string) money.Nano {
		n, err := money.Parse(text)
		if err != nil || n < 0 {
			bad.WithField(at+name, "is not an amount in dollars", "Send a decimal number with up to 9 decimals, such as 0.15.")
		}
		return n
	}
	optional := func(name string, text *string) *money.Nano {
		if text == nil {
			return nil
		}
		n := read(name, *text)
		return &n
	}
	out.Rates = catalog.Rates{
		Input: read("input", in.Input), Output: read("output", in.Output),
		CacheRead: optional("cache_read", in.CacheRead), CacheWrite: optional("cache_write", in.CacheWrite),
		AudioInput: optional("audio_input", in.AudioInput), AudioOutput: optional("audio_output", in.AudioOutput),
		ImageInput: optional("image_input", in.ImageInput),
	}
	if n := optional("per_request", in.PerRequest); n != nil {
		out.Rates.PerRequest = *n
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return out, nil
}

func priceJSON(p catalog.Price, changeID int64) apiserver.Price {
	optional := func(n *money.Nano) *string {
		if n == nil {
			return nil
		}
		text := n.String()
		return &text
	}
	r := p.Rates
	return apiserver.Price{
		Id: p.ID, Side: apiserver.PriceSide(p.Side), Origin: apiserver.PriceOrigin(p.Origin), EffectiveFrom: p.EffectiveFrom.UTC(),
		Input: r.Input.String(), Output: r.Output.String(), CacheRead: optional(r.CacheRead), CacheWrite: optional(r.CacheWrite),
		AudioInput: optional(r.AudioInput), AudioOutput: optional(r.AudioOutput), ImageInput: optional(r.ImageInput),
		PerRequest: r.PerRequest.String(), Source: p.Source, ChangeId: some(changeID),
	}
}

// pricePointer is priceJSON of a price that may not be there.
func pricePointer(p *catalog.Price) *apiserver.Price {
	if p == nil {
		return nil
	}
	j := priceJSON(*p, 0)
	return &j
}
