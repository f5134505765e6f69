package web

import (
	"net/url"
	"time"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

var usageGroups = []view.Option{{Value: "model", Label: "Model"}, {Value: "key", Label: "API key"}, {Value: "project", Label: "Project"}, {Value: "route", Label: "Route"}, {Value: "provider", Label: "Provider"}}

var usagePeriods = []view.Option{{Value: "today", Label: "Today"}, {Value: "7d", Label: "Last 7 days"}, {Value: "30d", Label: "Last 30 days"}, {Value: "90d", Label: "Last 90 days"}, {Value: "custom", Label: "From … to"}}

// period is what a period picker chose.
type period struct {
	name, label    string
	from, to       time.Time // to is exclusive
	interval       string
	fromDay, toDay string
}

// periodOf reads the picker; what it cannot read is the last 30 days.
func periodOf(q url.Values, at time.Time) period {
	today := at.UTC().Truncate(24 * time.Hour)
	end := today.AddDate(0, 0, 1)
	p := period{name: q.Get("period"), interval: "day", to: end}
	switch p.name {
	case "today":
		p.from, p.label = today, "today"
	case "7d":
		p.from, p.label = today.AddDate(0, 0, -6), "last 7 days"
	case "90d":
		p.from, p.label = today.AddDate(0, 0, -89), "last 90 days"
	case "custom":
		from, err1 := time.Parse(time.DateOnly, q.Get("from"))
		to, err2 := time.Parse(time.DateOnly, q.Get("to"))
		if err1 == nil && err2 == nil && !to.Before(from) && to.Sub(from) <= 366*24*time.Hour {
			p.from, p.to, p.label = from, to.AddDate(0, 0, 1), q.Get("from")+" to "+q.Get("to")
			break
		}
		fallthrough
	default:
		p.name, p.from, p.label = "30d", today.AddDate(0, 0, -29), "last 30 days"
	}
	p.fromDay, p.toDay = p.from.Format(time.DateOnly), p.to.AddDate(0, 0, -1).Format(time.DateOnly)
	return p
}

func (s *Server) usage(v *visit) error {
	v.at("usage", "Usage")
	q := v.c.QueryParams()
	per := periodOf(q, now())
	m := view.Usage{
		Base: v.page.Tenant.URL("usage"), Groups: usageGroups, Group: "model", What: "Model",
		Periods: usagePeriods, Period: per.name, From: per.fromDay, To: per.toDay,
	}
	for _, o := range usageGroups {
		if o.Value == q.Get("by") {
			m.Group, m.What = o.Value, o.Label
		}
	}
	if per.name == "today" && m.Group != "key" && m.Group != "project" {
		per.interval = "hour"
	}
	u, err := control.OK(v.api.GetUsageWithResponse(v.ctx, v.slug, &apiclient.GetUsageParams{
		From: &per.from, To: &per.to, Interval: ptr(apiclient.GetUsageParamsInterval(per.interval)),
		GroupBy: ptr(apiclient.GetUsageParamsGroupBy(m.Group)),
	}))
	if err != nil {
		return err
	}
	m.Tiles = append(figureTiles("", u.Totals), view.Tile{ID: "attempts", Label: "Attempts", Tip: tipAttempts, Value: view.Count(u.Totals.Attempts)})
	a := newAxis(per.from, per.to, per.interval)
	for _, f := range []figure{costFigure(), requestFigure(), tokenFigure()} {
		layers, more := groupLayers(u.Groups, f)
		m.More = more
		total := view.Count(f.of(u.Totals))
		if f.id == "cost" {
			total = view.Amount(view.Money(u.Totals.PriceNano))
		}
		m.Plots = append(m.Plots, makePlot(f, a, u.Points, layers, true, per.label, total))
	}
	m.Rows = usageRows(u.Groups, u.Totals.PriceNano, v.groupURL(m.Group))
	return v.render(func(p view.Page) templ.Component { return view.UsagePage(p, m) })
}

// groupURL leads from a group to what it is about.
func (v *visit) groupURL(group string) func(string) string {
	t := v.page.Tenant
	switch group {
	case "key":
		return func(id string) string { return t.URL("keys", id) }
	case "project":
		return func(id string) string { return t.URL("projects", id) }
	case "route":
		return func(name string) string { return t.URL("requests") + "?route=" + url.QueryEscape(name) }
	}
	return nil
}
