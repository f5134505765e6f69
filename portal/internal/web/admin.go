package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

const (
	tipProviderCost = "What providers charge for these requests."
	tipTenantPrice  = "What tenants pay for these requests."
	tipMargin       = "Price less provider cost."
)

func (s *Server) admin(v *visit) error {
	m, err := v.adminModel()
	if err != nil {
		return err
	}
	v.at("overview", "Overview")
	v.page.Live = true
	return v.render(func(p view.Page) templ.Component { return view.AdminPage(p, m) })
}

func (s *Server) adminLive(v *visit) error {
	m, err := v.adminModel()
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, view.AdminLive(v.page, m))
}

func (v *visit) adminModel() (view.Admin, error) {
	per, wrong := periodOf(v.c.QueryParams(), now())
	if per.name == "today" {
		per.interval = "hour"
	}
	m := view.Admin{
		Periods: usagePeriods[:len(usagePeriods)-1], Period: per.name,
		LiveURL: "/admin/live?period=" + url.QueryEscape(per.name),
	}
	if _, m.Problem = wrongFilter(wrong); m.Problem != nil {
		m.Problem.Fix = "Choose one above; these are the last 30 days."
	}
	var o *apiclient.Overview
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		o, err = control.OK(v.api.GetOverviewWithResponse(ctx, &apiclient.GetOverviewParams{
			From: &per.from, To: &per.to, Interval: ptr(apiclient.GetOverviewParamsInterval(per.interval)),
		}))
		return err
	})
	g.Go(func() error {
		list, err := control.OK(v.api.ListDataPlanesWithResponse(ctx))
		if err == nil {
			m.DataPlanes = dataPlaneRows(list)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return m, err
	}
	t := o.Totals
	m.Tiles = []view.Tile{
		{ID: "price", Label: "Price", Tip: tipTenantPrice, Value: view.Amount(view.Money(t.PriceNano))},
		{ID: "cost", Label: "Provider cost", Tip: tipProviderCost, Value: view.Amount(view.Money(t.CostNano))},
		{ID: "margin", Label: "Margin", Tip: tipMargin, Value: view.Amount(view.Money(t.PriceNano - t.CostNano)), Bad: t.PriceNano < t.CostNano},
		{ID: "requests", Label: "Requests", Tip: "Calls that reached Tollgate, each counted once.", Value: view.Count(t.Requests), Sub: view.Plural(t.Attempts, "attempt", "attempts")},
		{ID: "tokens", Label: "Tokens", Tip: tipTokens, Value: view.Count(allTokens(t)), Sub: view.Plural(t.Estimated, "request", "requests") + " estimated"},
		{ID: "errors", Label: "Errors", Tip: tipErrors, Value: view.Count(t.Errors), Sub: view.Percent(t.Errors, t.Requests) + " of requests", Bad: t.Errors > 0},
		{ID: "tenants", Label: "Active tenants", Tip: "Tenants with a request in the period, of all tenants.", Value: view.Count(o.ActiveTenants), Sub: "of " + view.Int(o.Tenants)},
	}
	m.Plots = adminPlots(o, newAxis(per.from, per.to, per.interval), per.label)
	m.Tenants = marginRows(o.TopTenants, func(id string) string { return "/admin/tenants/" + url.PathEscape(id) })
	m.Models = marginRows(o.TopModels, nil)
	return m, nil
}

func adminPlots(o *apiclient.Overview, a axis, label string) []view.Plot {
	money := figure{"money", "Price: cost and margin", "What tenants pay, split into what providers charge and what is left.", func(t apiclient.Totals) int64 { return t.PriceNano }, view.AxisDollars, view.Dollars}
	layers := []layer{
		{key: "cost", name: "Provider cost", class: "c0", pick: func(t apiclient.Totals) int64 { return t.CostNano }},
		{key: "margin", name: "Margin", class: "c1", pick: func(t apiclient.Totals) int64 { return t.PriceNano - t.CostNano }},
	}
	return []view.Plot{
		makePlot(money, a, o.Points, layers, false, label, view.Amount(view.Money(o.Totals.PriceNano))),
		makePlot(requestFigure(), a, o.Points, outcomeLayers(), false, label, view.Count(o.Totals.Requests)),
		makePlot(tokenFigure(), a, o.Points, tokenLayers(), false, label, view.Count(allTokens(o.Totals))),
	}
}

func marginRows(groups []apiclient.UsageGroup, link func(string) string) []view.UsageRow {
	rows := usageRows(groups, 0, link)
	for i := range rows {
		rows[i].Class = ""
		rows[i].Margin = view.Money(groups[i].Totals.PriceNano - groups[i].Totals.CostNano)
	}
	return rows
}

func dataPlaneRows(list *apiclient.DataPlaneList) []view.DataPlaneRow {
	var rows []view.DataPlaneRow
	for _, d := range list.Data {
		row := view.DataPlaneRow{
			ID: d.Id, Version: d.Version, Address: d.Address, Started: view.Instant{Time: d.StartedAt}, Seen: view.Instant{Time: d.LastSeenAt},
			Revision: view.Int(d.Revision), Behind: view.Int(d.Behind), Late: d.Behind > 0, Lag: "–",
			Tenants: d.Tenants, Keys: d.ApiKeys, InFlight: d.InFlight, Spool: view.Bytes(d.SpoolBytes),
			Unconfirmed: d.SpoolUnconfirmed, Lost: d.UsageLost, Epoch: strconv.FormatInt(d.Epoch, 10),
		}
		if d.LagMs != nil {
			row.Lag = view.Millis(float64(*d.LagMs))
		}
		switch d.State {
		case apiclient.Live:
			row.State = view.Badge{Kind: "good", Text: "Live"}
		case apiclient.Stopped:
			row.State = view.Badge{Kind: "plain", Text: "Stopped"}
		default:
			row.State = view.Badge{Kind: "bad", Text: "Lost"}
		}
		rows = append(rows, row)
	}
	return rows
}

func (v *visit) dataPlanesModel() (view.DataPlanes, error) {
	list, err := control.OK(v.api.ListDataPlanesWithResponse(v.ctx))
	if err != nil {
		return view.DataPlanes{}, err
	}
	return view.DataPlanes{Newest: view.Int(list.NewestRevision), Rows: dataPlaneRows(list)}, nil
}

func (s *Server) dataPlanes(v *visit) error {
	v.at("data-planes", "Data planes")
	m, err := v.dataPlanesModel()
	if err != nil {
		return err
	}
	v.page.Live = true
	return v.render(func(p view.Page) templ.Component { return view.DataPlanesPage(p, m) })
}

func (s *Server) dataPlanesLive(v *visit) error {
	m, err := v.dataPlanesModel()
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, view.DataPlanesLive(m))
}

func (s *Server) doctor(v *visit) error {
	v.at("doctor", "Doctor")
	report, err := control.OK(v.api.RunDoctorWithResponse(v.ctx))
	if err != nil {
		return err
	}
	m := view.Doctor{OK: report.Ok}
	for _, c := range report.Checks {
		m.Checks = append(m.Checks, view.Check{Name: c.Name, Explanation: c.Explanation, OK: c.Ok, Rows: c.Rows})
	}
	return v.render(func(p view.Page) templ.Component { return view.DoctorPage(p, m) })
}
