package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
)

// Prices finds the price versions that requests name.
type Prices interface {
	PricesByID(ctx context.Context, tenantID string, ids ...string) (map[string]catalog.Price, error)
}

// GetUsage sums a period, over time and by group.
func (s *Server) GetUsage(ctx context.Context, r apiserver.GetUsageRequestObject) (apiserver.GetUsageResponseObject, error) {
	p := r.Params
	report, err := s.Usage.Report(ctx, r.TenantId, usage.Query{
		From: value(p.From), To: value(p.To), Interval: usage.Interval(value(p.Interval)), GroupBy: usage.GroupBy(value(p.GroupBy)),
		APIKeyID: value(p.ApiKeyId), ProjectID: value(p.ProjectId), Route: value(p.Route),
	})
	if err != nil {
		return nil, err
	}
	return apiserver.GetUsage200JSONResponse{From: report.From, To: report.To, Interval: string(report.Interval),
		Totals: totalsJSON(report.Totals), Groups: convert(report.Groups, groupJSON), Points: convert(report.Points, pointJSON)}, nil
}

// GetOverview sums all tenants.
func (s *Server) GetOverview(ctx context.Context, r apiserver.GetOverviewRequestObject) (apiserver.GetOverviewResponseObject, error) {
	o, err := s.Usage.Overview(ctx, value(r.Params.From), value(r.Params.To), usage.Interval(value(r.Params.Interval)))
	if err != nil {
		return nil, err
	}
	return apiserver.GetOverview200JSONResponse{From: o.From, To: o.To, Interval: string(o.Interval), Totals: totalsJSON(o.Totals),
		Tenants: o.Tenants, ActiveTenants: o.ActiveTenants, Points: convert(o.Points, pointJSON),
		TopTenants: convert(o.TopTenants, groupJSON), TopModels: convert(o.TopModels, groupJSON)}, nil
}

func groupJSON(g usage.Group) apiserver.UsageGroup {
	return apiserver.UsageGroup{Group: g.Group, Name: g.Name, Totals: totalsJSON(g.Totals)}
}

func pointJSON(p usage.Point) apiserver.UsagePoint {
	return apiserver.UsagePoint{At: p.At, Group: p.Group, Totals: totalsJSON(p.Totals)}
}

// ListRequests lists requests, newest first.
func (s *Server) ListRequests(ctx context.Context, r apiserver.ListRequestsRequestObject) (apiserver.ListRequestsResponseObject, error) {
	p := r.Params
	parts, err := s.after(ctx, p.Cursor)
	if err != nil {
		return nil, err
	}
	after, err := position(parts)
	if err != nil {
		return nil, err
	}
	page, err := s.Usage.Requests(ctx, r.TenantId, usage.RequestQuery{
		From: value(p.From), To: value(p.To), Route: value(p.Route), APIKeyID: value(p.ApiKeyId),
		Outcome: outcomeOf(value(p.Outcome)), ErrorsOnly: value(p.ErrorsOnly), After: after, Limit: pageLimit(p.Limit),
	})
	if err != nil {
		return nil, err
	}
	out := apiserver.ListRequests200JSONResponse{Data: convert(page.Requests, requestJSON), HasMore: page.Next != nil}
	if n := page.Next; n != nil {
		out.NextCursor = s.next(ctx, strconv.FormatInt(n.At.UnixMicro(), 10), n.DataPlaneID, strconv.FormatInt(n.Epoch, 10), strconv.FormatInt(n.Seq, 10))
	}
	return out, nil
}

// position reads what ListRequests wrote. Cursors are authenticated, so that
// anything else in them is a mistake of ours.
func position(parts []string) (*usage.Position, error) {
	if parts == nil {
		return nil, nil
	}
	if len(parts) != 4 {
		return nil, fmt.Errorf("a cursor of requests has %d parts", len(parts))
	}
	var n [3]int64
	for i, s := range []string{parts[0], parts[2], parts[3]} {
		var err error
		if n[i], err = strconv.ParseInt(s, 10, 64); err != nil {
			return nil, fmt.Errorf("a cursor of requests: %w", err)
		}
	}
	return &usage.Position{At: time.UnixMicro(n[0]).UTC(), DataPlaneID: parts[1], Epoch: n[1], Seq: n[2]}, nil
}

// GetRequest shows one request with its attempts and prices.
func (s *Server) GetRequest(ctx context.Context, r apiserver.GetRequestRequestObject) (apiserver.GetRequestResponseObject, error) {
	e, err := s.Usage.Request(ctx, r.TenantId, r.RequestId)
	if err != nil {
		return nil, err
	}
	prices, err := s.Prices.PricesByID(ctx, r.TenantId, e.CostPriceID, e.SellPriceID)
	if err != nil {
		return nil, err
	}
	out := apiserver.GetRequest200JSONResponse{
		Request: requestJSON(e), Attempts: convert(e.Attempts, attemptJSON), AudioInputTokens: e.Tokens.AudioInput,
		AudioOutputTokens: e.Tokens.AudioOutput, ImageInputTokens: e.Tokens.ImageInput,
		CacheWriteHourTokens: e.Tokens.CacheWriteHour, ImageOutputTokens: e.Tokens.ImageOutput, AudioCacheReadTokens: e.Tokens.AudioCacheRead,
		Units: unitsJSON(e.Units), ServiceTier: e.ServiceTier, CostReported: e.CostReported, ConfigRevision: e.ConfigRevision,
		ClientIp: e.ClientIP, UserAgent: e.UserAgent, DataPlaneId: e.DataPlaneID, Epoch: e.Epoch, Seq: e.Seq, IngestedAt: e.IngestedAt,
	}
	if p, ok := prices[e.CostPriceID]; ok {
		out.CostPrice = pricePointer(&p)
	}
	if p, ok := prices[e.SellPriceID]; ok {
		out.SellPrice = pricePointer(&p)
	}
	return out, nil
}

func requestJSON(e usage.Request) apiserver.Request {
	t := e.Tokens
	return apiserver.Request{
		RequestId: e.RequestID, StartedAt: e.StartedAt, DurationUs: e.DurationUS, FirstTokenUs: e.FirstTokenUS, ApiKeyId: e.APIKeyID,
		ApiKeyName: some(e.APIKeyName), ProjectId: e.ProjectID, Route: e.Route, Operation: e.Operation, Provider: e.Provider,
		ProviderModel: e.ProviderModel, Outcome: outcomeJSON(e.Outcome), HttpStatus: int(e.HTTPStatus), ErrorCode: e.ErrorCode,
		Streamed: e.Streamed, Estimated: e.Estimated, InputTokens: t.Input, OutputTokens: t.Output, CacheReadTokens: t.CacheRead,
		CacheWriteTokens: t.CacheWrite, ReasoningTokens: t.Reasoning, CostNano: e.CostNano, PriceNano: e.PriceNano, Attempts: len(e.Attempts),
	}
}

func attemptJSON(a usage.Attempt) apiserver.Attempt {
	return apiserver.Attempt{Provider: a.Provider, ProviderModel: a.ProviderModel, CredentialId: a.CredentialID, Status: int(a.Status),
		ErrorCode: a.ErrorCode, StartedAt: a.StartedAt, DurationUs: a.DurationUS, FirstByteUs: a.FirstByteUS}
}

const outcomePrefix = "OUTCOME_"

// outcomeJSON is the name of an outcome in the API. One that this version does
// not know counts as answered: data planes may be newer.
func outcomeJSON(o usagev1.Outcome) apiserver.Outcome {
	name := apiserver.Outcome(strings.ToLower(strings.TrimPrefix(o.String(), outcomePrefix)))
	if !name.Valid() {
		return apiserver.Ok
	}
	return name
}

// outcomeOf is the outcome with a name of the API; unspecified when empty.
func outcomeOf(o apiserver.Outcome) usagev1.Outcome {
	return usagev1.Outcome(usagev1.Outcome_value[outcomePrefix+strings.ToUpper(string(o))])
}
