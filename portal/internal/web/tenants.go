package web

import (
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func (s *Server) tenants(v *visit) error {
	v.at("tenants", "Tenants")
	m := view.Tenants{
		Query: v.c.QueryParam("query"), Status: v.c.QueryParam("status"),
		Statuses: []view.Option{{Value: "", Label: "Any"}, {Value: "active", Label: "Active"}, {Value: "suspended", Label: "Suspended"}},
	}
	params := &apiclient.ListTenantsParams{Limit: ptr(listSize), Cursor: v.cursor()}
	if m.Query != "" {
		params.Query = &m.Query
	}
	if m.Status != "" {
		params.Status = ptr(apiclient.TenantStatus(m.Status))
	}
	m.Filtered = m.Query != "" || m.Status != ""
	status, problem := wrongFilter(oneOf("state", m.Status, m.Statuses))
	if m.Problem = problem; problem != nil {
		return v.renderStatus(status, func(p view.Page) templ.Component { return view.TenantsPage(p, m) })
	}
	page, err := control.OK(v.api.ListTenantsWithResponse(v.ctx, params))
	if err != nil {
		return err
	}
	m.Pager = pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)
	for _, r := range page.Data {
		row := tenantRow(r.Tenant)
		t := r.Totals
		row.Requests, row.Errors, row.Tokens = t.Requests, t.Errors, allTokens(t)
		row.Price, row.Margin = view.Money(t.PriceNano), view.Money(t.PriceNano-t.CostNano)
		m.Rows = append(m.Rows, row)
	}
	return v.render(func(p view.Page) templ.Component { return view.TenantsPage(p, m) })
}

func tenantRow(t apiclient.Tenant) view.TenantRow {
	return view.TenantRow{
		ID: t.Id, Slug: t.Slug, Name: t.Name, URL: adminTenantURL(t.Slug), State: tenantState(t.Status), Created: view.Instant{Time: t.CreatedAt},
	}
}

func adminTenantURL(slug string) string { return "/admin/tenants/" + url.PathEscape(slug) }

func (s *Server) tenantAdmin(v *visit) error {
	t, err := control.OK(v.api.GetTenantWithResponse(v.ctx, v.c.Param("id")))
	if err != nil {
		return err
	}
	v.slug = t.Slug
	v.at("tenants", t.Name, view.Crumb{Name: "Tenants", URL: "/admin/tenants"})
	pages := view.Tenant{Slug: t.Slug}
	m := view.TenantAdmin{
		Row: tenantRow(*t), Form: v.newForm("", nil), Suspended: t.Status == apiclient.TenantStatusSuspended,
		SuspendURL: adminTenantURL(t.Slug) + "/suspend", ResumeURL: adminTenantURL(t.Slug) + "/resume", OpenURL: pages.URL(),
	}
	if err := v.tenantFigures(&m, pages); err != nil {
		return err
	}
	if id, err := strconv.ParseInt(v.c.QueryParam("change"), 10, 64); err == nil {
		m.Change = ptr(v.changeStatus(id, 0))
		v.page.Live = true
	}
	return v.render(func(p view.Page) templ.Component { return view.TenantAdminPage(p, m) })
}

// tenantFigures fills in what a tenant uses and has.
func (v *visit) tenantFigures(m *view.TenantAdmin, pages view.Tenant) error {
	today := now().Truncate(24 * time.Hour)
	from, to := today.AddDate(0, 0, -29), today.AddDate(0, 0, 1)
	var u *apiclient.Usage
	var members []apiclient.Member
	var keys choices
	var cut bool
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		u, err = control.OK(v.api.GetUsageWithResponse(ctx, v.slug, &apiclient.GetUsageParams{
			From: &from, To: &to, Interval: ptr(apiclient.GetUsageParamsIntervalDay), GroupBy: ptr(apiclient.GetUsageParamsGroupByModel),
		}))
		return err
	})
	g.Go(func() (err error) {
		members, cut, err = readAll(func(cursor *string) ([]apiclient.Member, *string, bool, error) {
			p, err := control.OK(v.api.ListMembersWithResponse(ctx, v.slug, &apiclient.ListMembersParams{Limit: ptr(pageSize), Cursor: cursor}))
			if err != nil {
				return nil, nil, false, err
			}
			return p.Data, p.NextCursor, p.HasMore, nil
		})
		return err
	})
	g.Go(func() (err error) {
		keys, err = v.keyOptions(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m.Tiles = figureTiles("", u.Totals)
	m.Links = []view.CountLink{
		{Name: "Members", URL: pages.URL("members"), Count: atLeast(len(members), cut)},
		{Name: "API keys", URL: pages.URL("keys"), Count: atLeast(len(keys.options), keys.cut)},
		{Name: "Usage", URL: pages.URL("usage")}, {Name: "Requests", URL: pages.URL("requests")}, {Name: "Audit", URL: pages.URL("audit")},
	}
	return nil
}

// atLeast writes a count that may not have been counted to its end.
func atLeast(n int, cut bool) string {
	if cut {
		return view.Int(int64(n)) + " or more"
	}
	return view.Int(int64(n))
}

func (s *Server) tenantSuspend(v *visit) error {
	id := v.c.Param("id")
	t, err := control.OK(v.api.SuspendTenantWithResponse(v.ctx, id, &apiclient.SuspendTenantParams{IdempotencyKey: v.idempotencyKey()}))
	if err != nil {
		return v.orTell(adminTenantURL(id), err)
	}
	return v.done(adminTenantURL(t.Slug), t.Name+" is suspended: its calls are refused from now on.", t.ChangeId)
}

func (s *Server) tenantResume(v *visit) error {
	id := v.c.Param("id")
	t, err := control.OK(v.api.ResumeTenantWithResponse(v.ctx, id, &apiclient.ResumeTenantParams{IdempotencyKey: v.idempotencyKey()}))
	if err != nil {
		return v.orTell(adminTenantURL(id), err)
	}
	return v.done(adminTenantURL(t.Slug), t.Name+" is active again.", t.ChangeId)
}
