package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// listSize is how many lines a list page has.
const listSize = 50

func outcomeBadge(o apiclient.Outcome) view.Badge {
	switch o {
	case apiclient.Ok:
		return view.Badge{Kind: "good", Text: "OK"}
	case apiclient.Refused:
		return view.Badge{Kind: "warn", Text: "Refused"}
	case apiclient.UpstreamError:
		return view.Badge{Kind: "bad", Text: "Provider failed"}
	case apiclient.ClientClosed:
		return view.Badge{Kind: "plain", Text: "Caller left"}
	case apiclient.Interrupted:
		return view.Badge{Kind: "bad", Text: "Interrupted"}
	case apiclient.Cut:
		return view.Badge{Kind: "bad", Text: "Cut"}
	}
	return view.Badge{Kind: "plain", Text: string(o)}
}

// stateOf is the outcome of a request in a word: a provider that says no has
// not failed.
func stateOf(r apiclient.Request) view.Badge {
	if r.Outcome == apiclient.UpstreamError && r.ErrorCode == fault.UpstreamRejected.Code {
		return view.Badge{Kind: "bad", Text: "Provider refused"}
	}
	return outcomeBadge(r.Outcome)
}

// outcomeText explains how a request ended in a sentence or two.
func outcomeText(r apiclient.Request, attempts []apiclient.Attempt) string {
	why := ""
	if k := fault.ByCode(r.ErrorCode); k != nil {
		why = k.Text + " " + k.Fix
	}
	switch r.Outcome {
	case apiclient.Ok:
		return "Answered in full."
	case apiclient.Refused:
		if len(attempts) == 0 {
			return strings.TrimSpace("Refused by Tollgate before a provider was called. " + why)
		}
		return strings.TrimSpace("Refused by Tollgate. " + why)
	case apiclient.UpstreamError:
		if r.ErrorCode == fault.UpstreamRejected.Code {
			// Its fix leads to the page on which this stands.
			why = fault.UpstreamRejected.Text
		}
		if n := len(attempts); n > 0 && attempts[n-1].Status >= 400 {
			return strings.TrimSpace("The provider answered " + strconv.Itoa(attempts[n-1].Status) + " " + http.StatusText(attempts[n-1].Status) + ". " + why)
		}
		return orText(why, "The provider failed or could not be reached.")
	case apiclient.ClientClosed:
		return "The caller closed the connection; what was delivered until then is charged."
	case apiclient.Interrupted:
		return "The data plane stopped in the middle; tokens are an estimate of what was delivered."
	case apiclient.Cut:
		return "The stream was cut because its key was revoked or its tenant suspended."
	}
	return ""
}

func requestRows(t *view.Tenant, list []apiclient.Request) []view.RequestRow {
	rows := make([]view.RequestRow, 0, len(list))
	for _, r := range list {
		row := view.RequestRow{
			ID: r.RequestId, URL: t.URL("requests", r.RequestId), At: view.Instant{Time: r.StartedAt},
			Route: r.Route, Key: r.ApiKeyId, Outcome: stateOf(r),
			Input: r.InputTokens, Output: r.OutputTokens, Estimated: r.Estimated, Streamed: r.Streamed,
			Price: view.Money(r.PriceNano), Took: view.Micros(r.DurationUs), Attempts: r.Attempts,
		}
		if r.ApiKeyName != nil && *r.ApiKeyName != "" {
			row.Key = *r.ApiKeyName
		}
		if r.HttpStatus != 0 && (r.HttpStatus != http.StatusOK || r.ErrorCode != "") {
			row.Status = strings.TrimSpace(strconv.Itoa(r.HttpStatus) + " " + r.ErrorCode)
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *Server) requests(v *visit) error {
	v.at("requests", "Requests")
	q := v.c.QueryParams()
	t := v.page.Tenant
	m := view.Requests{
		Base: t.URL("requests"), StartURL: t.URL("start"), Route: q.Get("route"), Key: q.Get("key"),
		Outcome: q.Get("outcome"), Period: chosenPeriod(q), From: q.Get("from"), To: q.Get("to"), ErrorsOnly: q.Get("errors") == "1",
		Outcomes: []view.Option{{Value: "", Label: "Any"}}, Periods: append([]view.Option{{Value: "", Label: "Last 30 days"}}, requestPeriods...),
	}
	for _, o := range []apiclient.Outcome{apiclient.Ok, apiclient.Refused, apiclient.UpstreamError, apiclient.ClientClosed, apiclient.Interrupted, apiclient.Cut} {
		m.Outcomes = append(m.Outcomes, view.Option{Value: string(o), Label: outcomeBadge(o).Text})
	}
	m.Filtered = m.Route != "" || m.Key != "" || m.Outcome != "" || m.Period != "" || m.ErrorsOnly
	if m.Period != custom {
		m.From, m.To = "", ""
	}
	params, wrong := requestParams(m, q)
	status, problem := wrongFilter(wrong, oneOf("outcome", m.Outcome, m.Outcomes), oneOf("period", m.Period, m.Periods))
	m.Problem = problem
	g, ctx := errgroup.WithContext(v.ctx)
	page := &apiclient.RequestPage{}
	if problem == nil {
		g.Go(func() (err error) {
			page, err = control.OK(v.api.ListRequestsWithResponse(ctx, v.slug, params))
			return err
		})
	}
	m.Keys, m.Routes = []view.Option{{Value: "", Label: "All keys"}}, []view.Option{{Value: "", Label: "All routes"}}
	if t.Can.Read {
		g.Go(func() error {
			list, err := v.keyOptions(ctx)
			m.Keys = list.first("All keys")
			return err
		})
		g.Go(func() error {
			list, err := v.routeNames(ctx)
			m.Routes = list.first("All routes")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	m.Routes, m.Keys = keepChosen(m.Routes, m.Route), keepChosen(m.Keys, m.Key)
	m.Rows = requestRows(t, page.Data)
	m.Pager = pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.RequestsPage(p, m) })
}

var requestPeriods = []view.Option{{Value: "1h", Label: "Last hour"}, {Value: "24h", Label: "Last 24 hours"}, {Value: "7d", Label: "Last 7 days"}, {Value: "90d", Label: "Last 90 days"}, {Value: custom, Label: "From … to"}}

// minute is how browsers write a moment that was picked.
const minute = "2006-01-02T15:04"

func requestParams(m view.Requests, q url.Values) (p *apiclient.ListRequestsParams, wrong string) {
	p = &apiclient.ListRequestsParams{Limit: ptr(listSize)}
	if c := q.Get("cursor"); c != "" {
		p.Cursor = &c
	}
	if m.Route != "" {
		p.Route = &m.Route
	}
	if m.Key != "" {
		p.ApiKeyId = &m.Key
	}
	if o := apiclient.Outcome(m.Outcome); o.Valid() {
		p.Outcome = &o
	}
	if m.ErrorsOnly {
		p.ErrorsOnly = &m.ErrorsOnly
	}
	spans := map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "90d": 90 * 24 * time.Hour}
	if d, ok := spans[m.Period]; ok {
		// Whole minutes, so that the next page is of the same list.
		from := now().Add(-d).Truncate(time.Minute)
		p.From = &from
	}
	if m.Period == custom {
		from, to, why := span(q, minute, now())
		if why != "" {
			return p, why
		}
		p.From = &from
		if m.To != "" {
			// The minute that was picked is part of the period.
			p.To = ptr(to.Add(time.Minute))
		}
	}
	return p, ""
}

// keepChosen adds the chosen value when the list does not have it: a route
// that was deleted still has requests.
func keepChosen(options []view.Option, chosen string) []view.Option {
	for _, o := range options {
		if o.Value == chosen {
			return options
		}
	}
	return append(options, view.Option{Value: chosen, Label: chosen})
}

// pagerOf leads on through a list whose filters stand in the address.
func pagerOf(u *url.URL, next *string, more bool) view.Pager {
	var p view.Pager
	q := u.Query()
	q.Del("change")
	if q.Get("cursor") != "" {
		first := u.Query()
		first.Del("cursor")
		first.Del("change")
		p.First = u.Path
		if len(first) > 0 {
			p.First += "?" + first.Encode()
		}
	}
	if more && next != nil && *next != "" {
		q.Set("cursor", *next)
		p.Next = u.Path + "?" + q.Encode()
	}
	return p
}

// find opens the request whose id was pasted.
func (s *Server) find(v *visit) error {
	q := v.field("q")
	if q == "" {
		return v.redirect(v.page.Tenant.URL("requests"))
	}
	_, err := control.OK(v.api.GetRequestWithResponse(v.ctx, v.slug, q))
	if p, ok := problemOf(err); ok && (p.Status == http.StatusNotFound || p.Status == http.StatusUnprocessableEntity || p.Status == http.StatusBadRequest) {
		return v.doneWith(v.page.Tenant.URL("requests"), view.Flash{
			Kind: "error", Text: fmt.Sprintf("No request of this tenant has the id %q.", q),
			Fix: "Copy the whole x-request-id of the answer; a new request takes up to two seconds to appear.",
		}, nil)
	}
	if err != nil {
		return err
	}
	return v.redirect(v.page.Tenant.URL("requests", q))
}
