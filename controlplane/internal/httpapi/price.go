package httpapi

import (
	"context"
	"fmt"
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
	out.Rates = readRates(bad, at, apiserver.Rates{
		Input: in.Input, Output: in.Output, CacheRead: in.CacheRead, CacheWrite: in.CacheWrite, CacheWriteHour: in.CacheWriteHour,
		AudioInput: in.AudioInput, AudioOutput: in.AudioOutput, AudioCacheRead: in.AudioCacheRead,
		ImageInput: in.ImageInput, ImageOutput: in.ImageOutput, Reasoning: in.Reasoning,
		PerRequest: in.PerRequest, PerSearch: in.PerSearch, PerImage: in.PerImage,
		PerAudioMinute: in.PerAudioMinute, PerMillionCharacters: in.PerMillionCharacters,
	})
	for i, v := range value(in.Variants) {
		out.Rates.Variants = append(out.Rates.Variants, catalog.Variant{
			AboveInputTokens: value(v.AboveInputTokens), ServiceTier: value(v.ServiceTier),
			FromMinute: uint32(value(v.FromMinute)), ToMinute: uint32(value(v.ToMinute)),
			Rates: readRates(bad, fmt.Sprintf("%svariants[%d].price.", at, i), v.Price),
		})
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return out, nil
}

// readRates reads the amounts and notes those that are none.
func readRates(bad *fault.Fault, at string, in apiserver.Rates) (out catalog.Rates) {
	read := func(name, text string) money.Nano {
		n, err := money.Parse(text)
		if err != nil || n < 0 {
			bad.WithField(at+name, "is not an amount in dollars", "Send a decimal number with up to 9 decimals, such as 0.15.")
		}
		return n
	}
	out.Input, out.Output = read("input", in.Input), read("output", in.Output)
	for _, c := range []struct {
		name string
		text *string
		to   **money.Nano
	}{
		{"cache_read", in.CacheRead, &out.CacheRead}, {"cache_write", in.CacheWrite, &out.CacheWrite},
		{"cache_write_hour", in.CacheWriteHour, &out.CacheWriteHour}, {"audio_input", in.AudioInput, &out.AudioInput},
		{"audio_output", in.AudioOutput, &out.AudioOutput}, {"audio_cache_read", in.AudioCacheRead, &out.AudioCacheRead},
		{"image_input", in.ImageInput, &out.ImageInput}, {"image_output", in.ImageOutput, &out.ImageOutput},
		{"reasoning", in.Reasoning, &out.Reasoning},
	} {
		if c.text != nil {
			*c.to = new(read(c.name, *c.text))
		}
	}
	for _, c := range []struct {
		name string
		text *string
		to   *money.Nano
	}{
		{"per_request", in.PerRequest, &out.PerRequest}, {"per_search", in.PerSearch, &out.PerSearch}, {"per_image", in.PerImage, &out.PerImage},
		{"per_audio_minute", in.PerAudioMinute, &out.PerAudioMinute}, {"per_million_characters", in.PerMillionCharacters, &out.PerMillionCharacters},
	} {
		if c.text != nil {
			*c.to = read(c.name, *c.text)
		}
	}
	return out
}

func ratesJSON(r catalog.Rates) apiserver.Rates {
	optional := func(n *money.Nano) *string {
		if n == nil {
			return nil
		}
		return new(n.String())
	}
	unit := func(n money.Nano) *string {
		if n == 0 {
			return nil
		}
		return new(n.String())
	}
	return apiserver.Rates{
		Input: r.Input.String(), Output: r.Output.String(),
		CacheRead: optional(r.CacheRead), CacheWrite: optional(r.CacheWrite), CacheWriteHour: optional(r.CacheWriteHour),
		AudioInput: optional(r.AudioInput), AudioOutput: optional(r.AudioOutput), AudioCacheRead: optional(r.AudioCacheRead),
		ImageInput: optional(r.ImageInput), ImageOutput: optional(r.ImageOutput), Reasoning: optional(r.Reasoning),
		PerRequest: unit(r.PerRequest), PerSearch: unit(r.PerSearch), PerImage: unit(r.PerImage),
		PerAudioMinute: unit(r.PerAudioMinute), PerMillionCharacters: unit(r.PerMillionCharacters),
	}
}

func priceJSON(p catalog.Price, changeID int64) apiserver.Price {
	r := ratesJSON(p.Rates)
	out := apiserver.Price{
		Id: p.ID, Side: apiserver.PriceSide(p.Side), Origin: apiserver.PriceOrigin(p.Origin), EffectiveFrom: p.EffectiveFrom.UTC(),
		Input: r.Input, Output: r.Output, CacheRead: r.CacheRead, CacheWrite: r.CacheWrite, CacheWriteHour: r.CacheWriteHour,
		AudioInput: r.AudioInput, AudioOutput: r.AudioOutput, AudioCacheRead: r.AudioCacheRead,
		ImageInput: r.ImageInput, ImageOutput: r.ImageOutput, Reasoning: r.Reasoning,
		PerRequest: p.Rates.PerRequest.String(), PerSearch: r.PerSearch, PerImage: r.PerImage,
		PerAudioMinute: r.PerAudioMinute, PerMillionCharacters: r.PerMillionCharacters, Source: p.Source, ChangeId: some(changeID),
	}
	if len(p.Rates.Variants) > 0 {
		out.Variants = new(convert(p.Rates.Variants, func(v catalog.Variant) apiserver.PriceVariant {
			j := apiserver.PriceVariant{AboveInputTokens: some(v.AboveInputTokens), ServiceTier: some(v.ServiceTier), Price: ratesJSON(v.Rates)}
			if v.FromMinute != v.ToMinute {
				j.FromMinute, j.ToMinute = new(int(v.FromMinute)), new(int(v.ToMinute))
			}
			return j
		}))
	}
	return out
}

// pricePointer is priceJSON of a price that may not be there.
func pricePointer(p *catalog.Price) *apiserver.Price {
	if p == nil {
		return nil
	}
	j := priceJSON(*p, 0)
	return &j
}
