package usage

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// UnknownRoute stands in rollups for every name that is no route. Callers can
// invent any number of names, and a rollup that kept each would grow with
// them. It is no valid route name.
const UnknownRoute = "(unknown)"

// modelNotFound is the code of the fault that an unknown route meets.
const modelNotFound = "model_not_found"

// Totals are sums over requests.
type Totals struct {
	Requests, Errors, Attempts, Estimated int64
	Tokens                                Tokens
	Units                                 Units
	CostNano, PriceNano                   int64
	DurationUS                            int64
}

// Add adds o to t.
func (t *Totals) Add(o Totals) {
	t.Requests += o.Requests
	t.Errors += o.Errors
	t.Attempts += o.Attempts
	t.Estimated += o.Estimated
	t.Tokens.Input += o.Tokens.Input
	t.Tokens.Output += o.Tokens.Output
	t.Tokens.CacheRead += o.Tokens.CacheRead
	t.Tokens.CacheWrite += o.Tokens.CacheWrite
	t.Tokens.Reasoning += o.Tokens.Reasoning
	t.Tokens.AudioInput += o.Tokens.AudioInput
	t.Tokens.AudioOutput += o.Tokens.AudioOutput
	t.Tokens.ImageInput += o.Tokens.ImageInput
	t.Tokens.CacheWriteHour += o.Tokens.CacheWriteHour
	t.Tokens.ImageOutput += o.Tokens.ImageOutput
	t.Tokens.AudioCacheRead += o.Tokens.AudioCacheRead
	t.Units.Searches += o.Units.Searches
	t.Units.Images += o.Units.Images
	t.Units.AudioMilliseconds += o.Units.AudioMilliseconds
	t.Units.Characters += o.Units.Characters
	t.CostNano = addMoney(t.CostNano, o.CostNano)
	t.PriceNano = addMoney(t.PriceNano, o.PriceNano)
	t.DurationUS += o.DurationUS
}

// addMoney holds a sum at the end of its range, as the rollups do: tenants set
// prices, and a sum must not turn negative by them.
func addMoney(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Count adds one event to t.
func (t *Totals) Count(e *Event) {
	o := Totals{Requests: 1, Attempts: int64(len(e.Attempts)), Tokens: e.Tokens, Units: e.Units,
		CostNano: e.CostNano, PriceNano: e.PriceNano, DurationUS: e.DurationUS}
	if e.IsError() {
		o.Errors = 1
	}
	if e.Estimated {
		o.Estimated = 1
	}
	t.Add(o)
}

// HourKey names a row of the rollup by hour.
type HourKey struct {
	TenantID                       string
	Hour                           int64 // seconds since 1970 UTC
	Route, Provider, ProviderModel string
}

// DayKey names a row of the rollup by day.
type DayKey struct {
	TenantID                       string
	Day                            int64 // seconds since 1970 UTC
	ProjectID, APIKeyID            string
	Route, Provider, ProviderModel string
}

// HourRow and DayRow are rows of the rollups, or what to add to them.
type HourRow struct {
	Key    HourKey
	Totals Totals
}

// DayRow is HourRow by day and key.
type DayRow struct {
	Key    DayKey
	Totals Totals
	LastAt time.Time
}

// Rollup sums events. Rows come in the order of their keys, which is the order
// in which they must be locked: two writers that overlap then wait for each
// other instead of deadlocking.
func Rollup(events []*Event) ([]HourRow, []DayRow) {
	hours, days := map[HourKey]*HourRow{}, map[DayKey]*DayRow{}
	for _, e := range events {
		at := e.StartedAt.Unix()
		route := RollupRoute(e)
		hk := HourKey{e.TenantID, at - mod(at, 3600), route, e.Provider, e.ProviderModel}
		h := hours[hk]
		if h == nil {
			h = &HourRow{Key: hk}
			hours[hk] = h
		}
		h.Totals.Count(e)
		dk := DayKey{e.TenantID, at - mod(at, 86400), e.ProjectID, e.APIKeyID, route, e.Provider, e.ProviderModel}
		d := days[dk]
		if d == nil {
			d = &DayRow{Key: dk}
			days[dk] = d
		}
		d.Totals.Count(e)
		if e.StartedAt.After(d.LastAt) {
			d.LastAt = e.StartedAt
		}
	}
	hr := make([]HourRow, 0, len(hours))
	for _, h := range hours {
		hr = append(hr, *h)
	}
	dr := make([]DayRow, 0, len(days))
	for _, d := range days {
		dr = append(dr, *d)
	}
	slices.SortFunc(hr, func(a, b HourRow) int { return a.Key.compare(b.Key) })
	slices.SortFunc(dr, func(a, b DayRow) int { return a.Key.compare(b.Key) })
	return hr, dr
}

// RollupRoute is the route that an event counts under.
func RollupRoute(e *Event) string {
	if e.ErrorCode == modelNotFound {
		return UnknownRoute
	}
	return e.Route
}

func (k HourKey) compare(o HourKey) int {
	return cmp.Or(cmp.Compare(k.TenantID, o.TenantID), cmp.Compare(k.Hour, o.Hour), cmp.Compare(k.Route, o.Route),
		cmp.Compare(k.Provider, o.Provider), cmp.Compare(k.ProviderModel, o.ProviderModel))
}

func (k DayKey) compare(o DayKey) int {
	return cmp.Or(cmp.Compare(k.TenantID, o.TenantID), cmp.Compare(k.Day, o.Day), cmp.Compare(k.ProjectID, o.ProjectID),
		cmp.Compare(k.APIKeyID, o.APIKeyID), cmp.Compare(k.Route, o.Route),
		cmp.Compare(k.Provider, o.Provider), cmp.Compare(k.ProviderModel, o.ProviderModel))
}

// mod is the remainder that is never negative.
func mod(a, b int64) int64 { return ((a % b) + b) % b }
