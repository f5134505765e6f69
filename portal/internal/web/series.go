package web

import (
	"fmt"
	"time"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/chart"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// What each figure counts, in the words of its tooltip.
const (
	tipRequests = "Calls of yours that reached Tollgate, each counted once, however many attempts at providers it took."
	tipErrors   = "Requests that were refused, failed at the provider, or were interrupted. They are part of the requests."
	tipAttempts = "Calls of providers made for the requests. A retried request has several attempts, a refused one none."
	tipTokens   = "Input, output, cache, audio and image tokens as the provider reported them; counted here, and marked as estimates, where it did not."
	tipCost     = "What you are charged: tokens × the price in force at each request, exact to the nano-dollar."
)

// topSeries is how many groups have a colour of their own.
const topSeries = 7

func allTokens(t apiclient.Totals) int64 {
	return t.InputTokens + t.OutputTokens + t.CacheReadTokens + t.CacheWriteTokens +
		t.AudioInputTokens + t.AudioOutputTokens + t.ImageInputTokens +
		t.CacheWriteHourTokens + t.ImageOutputTokens + t.AudioCacheReadTokens
}

// sumTotals adds what today's or a group's points hold.
func sumTotals(points []apiclient.UsagePoint, keep func(apiclient.UsagePoint) bool) apiclient.Totals {
	var sum apiclient.Totals
	for _, p := range points {
		if !keep(p) {
			continue
		}
		t := p.Totals
		sum.Requests += t.Requests
		sum.Errors += t.Errors
		sum.Attempts += t.Attempts
		sum.Estimated += t.Estimated
		sum.InputTokens += t.InputTokens
		sum.OutputTokens += t.OutputTokens
		sum.CacheReadTokens += t.CacheReadTokens
		sum.CacheWriteTokens += t.CacheWriteTokens
		sum.ReasoningTokens += t.ReasoningTokens
		sum.AudioInputTokens += t.AudioInputTokens
		sum.AudioOutputTokens += t.AudioOutputTokens
		sum.ImageInputTokens += t.ImageInputTokens
		sum.CacheWriteHourTokens += t.CacheWriteHourTokens
		sum.ImageOutputTokens += t.ImageOutputTokens
		sum.AudioCacheReadTokens += t.AudioCacheReadTokens
		sum.CostNano += t.CostNano
		sum.PriceNano += t.PriceNano
	}
	return sum
}

// figureTiles are the four figures of a period.
func figureTiles(prefix string, t apiclient.Totals) []view.Tile {
	estimated := ""
	if t.Estimated > 0 {
		estimated = view.Plural(t.Estimated, "request", "requests") + " estimated"
	}
	return []view.Tile{
		{ID: prefix + "requests", Label: "Requests", Tip: tipRequests, Value: view.Count(t.Requests), Sub: view.Plural(t.Attempts, "attempt", "attempts")},
		{ID: prefix + "tokens", Label: "Tokens", Tip: tipTokens, Value: view.Count(allTokens(t)), Sub: orText(estimated, view.Int(t.InputTokens)+" in, "+view.Int(t.OutputTokens)+" out")},
		{ID: prefix + "cost", Label: "Cost", Tip: tipCost, Value: view.Amount(view.Money(t.PriceNano))},
		{ID: prefix + "errors", Label: "Errors", Tip: tipErrors, Value: view.Count(t.Errors), Sub: view.Percent(t.Errors, t.Requests) + " of requests", Bad: t.Errors > 0},
	}
}

func orText(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// axis is the row of days (or hours) that a chart shows.
type axis struct {
	labels []string
	index  map[int64]int
}

func newAxis(from, to time.Time, interval string) axis {
	a := axis{index: map[int64]int{}}
	step := func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	layout, at := "Mon 2 Jan", from.UTC().Truncate(24*time.Hour)
	if interval == "hour" {
		step = func(t time.Time) time.Time { return t.Add(time.Hour) }
		layout, at = "2 Jan 15:04", from.UTC().Truncate(time.Hour)
	}
	// The bound keeps a mad period from making a mad page.
	for ; at.Before(to) && len(a.labels) < 5000; at = step(at) {
		a.index[at.Unix()] = len(a.labels)
		a.labels = append(a.labels, at.Format(layout))
	}
	return a
}

// figure is what a chart draws of a total.
type figure struct {
	id, heading, tip string
	of               func(apiclient.Totals) int64
	axis, exact      func(int64) string
}

func requestFigure() figure {
	return figure{"requests", "Requests", tipRequests, func(t apiclient.Totals) int64 { return t.Requests }, view.Short, view.Int}
}

func tokenFigure() figure {
	return figure{"tokens", "Tokens", tipTokens, allTokens, view.Short, view.Int}
}

func costFigure() figure {
	return figure{"cost", "Cost", tipCost, func(t apiclient.Totals) int64 { return t.PriceNano }, view.AxisDollars, view.Dollars}
}

// layer is a series before it is drawn.
type layer struct {
	key, name, class string
	pick             func(apiclient.Totals) int64
}

// groupLayers gives the largest groups a colour each and the rest one grey.
func groupLayers(groups []apiclient.UsageGroup, f figure) (layers []layer, more int) {
	for i, g := range groups {
		if i == topSeries {
			more = len(groups) - topSeries
			layers = append(layers, layer{key: restKey, name: "Other", class: "cx", pick: f.of})
			break
		}
		layers = append(layers, layer{key: g.Group, name: groupName(g), class: fmt.Sprintf("c%d", i), pick: f.of})
	}
	return layers, more
}

// restKey cannot be a group's name.
const restKey = "\x00rest"

func groupName(g apiclient.UsageGroup) string {
	switch {
	case g.Name != "":
		return g.Name
	case g.Group != "":
		return g.Group
	}
	return "(none)"
}

// makePlot draws points over an axis. With grouped layers a point belongs to
// its group's layer; with plain ones each layer takes its part of every point.
func makePlot(f figure, a axis, points []apiclient.UsagePoint, layers []layer, grouped bool, period string, total templ.Component) view.Plot {
	c := chart.Chart{ID: f.id, Title: f.heading + ", " + period, Labels: a.labels, Format: f.exact}
	where := map[string]int{}
	for i, l := range layers {
		where[l.key] = i
		c.Series = append(c.Series, chart.Series{Name: l.name, Class: l.class, Values: make([]int64, len(a.labels))})
	}
	for _, p := range points {
		i, ok := a.index[p.At.UTC().Unix()]
		if !ok {
			continue
		}
		if !grouped {
			for j, l := range layers {
				c.Series[j].Values[i] += l.pick(p.Totals)
			}
			continue
		}
		j, ok := where[p.Group]
		if !ok {
			if j, ok = where[restKey]; !ok {
				continue
			}
		}
		c.Series[j].Values[i] += f.of(p.Totals)
	}
	c = c.Fit()
	c.Desc = describe(c)
	plot := view.Plot{Chart: c, Heading: f.heading, Tip: f.tip, Total: total}
	plot.Columns, plot.Rows = twin(c, f.exact)
	plot.Axis = axisFormat(c, f.axis)
	return plot
}

func axisFormat(c chart.Chart, format func(int64) string) []string {
	c.Format = format
	return c.AxisLabels()
}

// describe says in words what the drawing shows.
func describe(c chart.Chart) string {
	var top, sum int64
	at := ""
	for i, l := range c.Labels {
		var v int64
		for _, s := range c.Series {
			v += s.Values[i]
		}
		sum += v
		if v > top {
			top, at = v, l
		}
	}
	if sum == 0 {
		return "Nothing in this period."
	}
	return fmt.Sprintf("Bars over time, %s in all, at most %s at %s. The table below has each value.", c.Format(sum), c.Format(top), at)
}

// twin is the table that says what the drawing does: newest first, intervals
// without usage left out.
func twin(c chart.Chart, format func(int64) string) (columns []string, rows [][]string) {
	columns = []string{"When"}
	for _, s := range c.Series {
		columns = append(columns, s.Name)
	}
	if len(c.Series) > 1 {
		columns = append(columns, "Total")
	}
	for i := len(c.Labels) - 1; i >= 0; i-- {
		row := []string{c.Labels[i]}
		var sum int64
		for _, s := range c.Series {
			sum += s.Values[i]
			row = append(row, format(s.Values[i]))
		}
		if sum == 0 {
			continue
		}
		if len(c.Series) > 1 {
			row = append(row, format(sum))
		}
		rows = append(rows, row)
	}
	return columns, rows
}

// usageRows are the groups as table lines.
func usageRows(groups []apiclient.UsageGroup, total int64, url func(group string) string) []view.UsageRow {
	rows := make([]view.UsageRow, 0, len(groups))
	for i, g := range groups {
		class := "cx"
		if i < topSeries {
			class = fmt.Sprintf("c%d", i)
		}
		t := g.Totals
		r := view.UsageRow{
			ID: g.Group, Name: groupName(g), Class: class, Requests: t.Requests, Errors: t.Errors, Attempts: t.Attempts,
			Input: t.InputTokens, Output: t.OutputTokens, Reasoning: t.ReasoningTokens,
			Tokens: allTokens(t), CacheRead: t.CacheReadTokens, CacheWrite: t.CacheWriteTokens,
			Price: view.Money(t.PriceNano), Share: view.Percent(t.PriceNano, total),
		}
		if url != nil && g.Group != "" {
			r.URL = url(g.Group)
		}
		rows = append(rows, r)
	}
	return rows
}
