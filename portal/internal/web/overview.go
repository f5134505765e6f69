package web

import (
	"net/http"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func (s *Server) overview(v *visit) error {
	v.at("overview", "Overview")
	m, err := v.overviewModel()
	if err != nil {
		return err
	}
	v.page.Live = true
	return v.render(func(p view.Page) templ.Component { return view.OverviewPage(p, m) })
}

// overviewLive is the part of the overview that updates itself.
func (s *Server) overviewLive(v *visit) error {
	m, err := v.overviewModel()
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, view.OverviewLive(v.page, m))
}

func (v *visit) overviewModel() (view.Overview, error) {
	t := v.page.Tenant
	m := view.Overview{
		LiveURL: t.URL("live"), RequestsURL: t.URL("requests"), UsageURL: t.URL("usage"), StartURL: t.URL("start"),
	}
	today := now().Truncate(24 * time.Hour)
	from, to := today.AddDate(0, 0, -29), today.AddDate(0, 0, 1)
	var usage *apiclient.Usage
	var recent *apiclient.RequestPage
	refused := &apiclient.RefusalList{}
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		usage, err = control.OK(v.api.GetUsageWithResponse(ctx, v.slug, &apiclient.GetUsageParams{
			From: &from, To: &to, Interval: ptr(apiclient.GetUsageParamsIntervalDay), GroupBy: ptr(apiclient.GetUsageParamsGroupByModel),
		}))
		return err
	})
	g.Go(func() (err error) {
		recent, err = control.OK(v.api.ListRequestsWithResponse(ctx, v.slug, &apiclient.ListRequestsParams{Limit: ptr(7)}))
		return err
	})
	if t.Can.Read {
		g.Go(func() (err error) {
			refused, err = control.OK(v.api.ListRefusalsWithResponse(ctx, v.slug))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return m, err
	}
	nameUngrouped(usage, "model")
	for _, r := range refused.Data {
		m.Refusals = append(m.Refusals, refusal(r))
	}
	m.Recent = requestRows(t, recent.Data)
	m.Fresh = usage.Totals.Requests == 0 && len(recent.Data) == 0
	m.Today = figureTiles("today-", sumTotals(usage.Points, func(p apiclient.UsagePoint) bool { return p.At.UTC().Equal(today) }))
	m.Month = figureTiles("month-", usage.Totals)
	m.Plots = overviewPlots(usage, newAxis(from, to, "day"), "last 30 days")
	m.Top = usageRows(usage.Groups[:min(len(usage.Groups), 6)], usage.Totals.PriceNano, nil)
	return m, nil
}

// overviewPlots are the three charts of an overview: cost by group, requests
// with their errors, tokens by direction.
func overviewPlots(u *apiclient.Usage, a axis, period string) []view.Plot {
	cost, requests, tokens := costFigure(), requestFigure(), tokenFigure()
	byGroup, _ := groupLayers(u.Groups, cost)
	return []view.Plot{
		makePlot(cost, a, u.Points, byGroup, true, period, view.Amount(view.Money(u.Totals.PriceNano))),
		makePlot(requests, a, u.Points, outcomeLayers(), false, period, view.Count(u.Totals.Requests)),
		makePlot(tokens, a, u.Points, tokenLayers(), false, period, view.Count(allTokens(u.Totals))),
	}
}

func outcomeLayers() []layer {
	return []layer{
		{key: "ok", name: "Answered", class: "c0", pick: func(t apiclient.Totals) int64 { return t.Requests - t.Errors }},
		{key: "errors", name: "Errors", class: "ce", pick: func(t apiclient.Totals) int64 { return t.Errors }},
	}
}

func tokenLayers() []layer {
	return []layer{
		{key: "in", name: "Input", class: "c0", pick: func(t apiclient.Totals) int64 { return t.InputTokens }},
		{key: "out", name: "Output", class: "c1", pick: func(t apiclient.Totals) int64 { return t.OutputTokens }},
		{key: "rest", name: "Cache, audio, image", class: "c2", pick: func(t apiclient.Totals) int64 { return allTokens(t) - t.InputTokens - t.OutputTokens }},
	}
}
