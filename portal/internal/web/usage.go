package web

import (
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

var usageGroups = []view.Option{{Value: "model", Label: "Model"}, {Value: "key", Label: "API key"}, {Value: "project", Label: "Project"}, {Value: "route", Label: "Route"}, {Value: "provider", Label: "Provider"}}

func (s *Server) usage(v *visit) error {
	v.at("usage", "Usage")
	q := v.c.QueryParams()
	per, wrong := periodOf(q, now())
	m := view.Usage{
		Base: v.page.Tenant.URL("usage"), Groups: usageGroups, Group: "model", What: "Model",
		Periods: usagePeriods, Period: per.name, From: per.fromDay, To: per.toDay, Was: per.fromDay + "/" + per.toDay,
	}
	for _, o := range usageGroups {
		if o.Value == q.Get("by") {
			m.Group, m.What = o.Value, o.Label
		}
	}
	status, problem := wrongFilter(wrong, oneOf("grouping", q.Get("by"), usageGroups))
	if m.Problem = problem; problem == nil {
		if err := v.usageFigures(&m, per); err != nil {
			return err
		}
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.UsagePage(p, m) })
}

// usageFigures fills in what was used in a period.
func (v *visit) usageFigures(m *view.Usage, per period) error {
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
	nameUngrouped(u, m.Group)
	m.Tiles = figureTiles("", u.Totals)
	// Attempts have a tile of their own here.
	m.Tiles[0].Sub = ""
	m.Tiles = append(m.Tiles, view.Tile{ID: "attempts", Label: "Attempts", Tip: tipAttempts, Value: view.Count(u.Totals.Attempts)})
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
	return nil
}

// nameUngrouped names the requests that belong to no group: a call that is
// refused early reaches no model, nor does a list of models. One by the proxy
// can reach a provider and name no model.
func nameUngrouped(u *apiclient.Usage, by string) {
	name := map[string]string{"model": "(no model)", "provider": "(no provider)", "route": "(none named)", "key": "(no known key)", "project": "(no project)"}[by]
	for i := range u.Groups {
		g := &u.Groups[i]
		if g.Group == "" {
			g.Name = name
		} else if provider, ok := strings.CutSuffix(g.Group, "/"); ok && by == "model" {
			g.Name = provider + " (no model)"
		}
	}
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
