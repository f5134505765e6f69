package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListTenants lists all tenants with their last 30 days, newest first.
func (s *Server) ListTenants(ctx context.Context, r apiserver.ListTenantsRequestObject) (apiserver.ListTenantsResponseObject, error) {
	before, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	filter := tenant.Filter{Query: value(r.Params.Query), Status: string(value(r.Params.Status))}
	rows, err := s.Tenants.Tenants(ctx, filter, before, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(t tenant.Tenant) []string { return []string{t.ID} })
	totals, err := s.Usage.RecentTotals(ctx, convert(rows, func(t tenant.Tenant) string { return t.ID }))
	if err != nil {
		return nil, err
	}
	data := convert(rows, func(t tenant.Tenant) apiserver.TenantRow {
		return apiserver.TenantRow{Tenant: tenantJSON(t, 0), Totals: totalsJSON(totals[t.ID])}
	})
	return apiserver.ListTenants200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

func unitsJSON(u usage.Units) apiserver.Units {
	return apiserver.Units{Searches: u.Searches, Images: u.Images, AudioMilliseconds: u.AudioMilliseconds, Characters: u.Characters}
}

func totalsJSON(t usage.Totals) apiserver.Totals {
	return apiserver.Totals{
		Requests: t.Requests, Errors: t.Errors, Attempts: t.Attempts, Estimated: t.Estimated,
		InputTokens: t.Tokens.Input, OutputTokens: t.Tokens.Output, CacheReadTokens: t.Tokens.CacheRead,
		CacheWriteTokens: t.Tokens.CacheWrite, ReasoningTokens: t.Tokens.Reasoning, AudioInputTokens: t.Tokens.AudioInput,
		AudioOutputTokens: t.Tokens.AudioOutput, ImageInputTokens: t.Tokens.ImageInput,
		CacheWriteHourTokens: t.Tokens.CacheWriteHour, ImageOutputTokens: t.Tokens.ImageOutput, AudioCacheReadTokens: t.Tokens.AudioCacheRead,
		Units:    unitsJSON(t.Units),
		CostNano: t.CostNano, PriceNano: t.PriceNano,
	}
}
