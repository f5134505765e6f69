package web

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func routeRow(t *view.Tenant, r apiclient.Route, models map[string]string) view.RouteRow {
	return view.RouteRow{
		ID: r.Id, URL: t.URL("routes", r.Id), Name: r.Name, Model: orText(models[r.ModelId], r.ModelId), ModelURL: t.URL("models", r.ModelId),
		Created: view.Instant{Time: r.CreatedAt}, RequestsURL: t.URL("requests") + "?route=" + url.QueryEscape(r.Name),
	}
}

func (s *Server) routes(v *visit) error {
	v.at("routes", "Routes")
	t := v.page.Tenant
	var page *apiclient.RoutePage
	var models choices
	var all []apiclient.CatalogModel
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		page, err = control.OK(v.api.ListRoutesWithResponse(ctx, v.slug, &apiclient.ListRoutesParams{Limit: ptr(listSize), Cursor: v.cursor()}))
		return err
	})
	g.Go(func() (err error) {
		models, err = v.modelOptions(ctx)
		return err
	})
	g.Go(func() (err error) {
		all, err = v.catalog(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m := view.Routes{NewURL: t.URL("routes", "new"), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	own := map[string]bool{}
	for _, r := range page.Data {
		own[r.Name] = true
		m.Rows = append(m.Rows, routeRow(t, r, models.names))
	}
	if v.cursor() == nil {
		for _, c := range all {
			if c.BuiltIn && !own[c.ProviderModel] {
				m.Rows = append(m.Rows, view.RouteRow{Name: c.ProviderModel, Model: orText(c.Name, c.ProviderModel), BuiltIn: true, RequestsURL: t.URL("requests") + "?route=" + url.QueryEscape(c.ProviderModel)})
			}
		}
	}
	return v.render(func(p view.Page) templ.Component { return view.RoutesPage(p, m) })
}

func (s *Server) routeNew(v *visit) error {
	return v.routeNewPage(http.StatusOK, v.newForm(v.page.Tenant.URL("routes"), url.Values{"model_id": {v.c.QueryParam("model")}}))
}

func (v *visit) routeNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("routes", "New route", view.Crumb{Name: "Routes", URL: t.URL("routes")})
	models, err := v.modelOptions(v.ctx)
	if err != nil {
		return err
	}
	m := view.RouteForm{Form: f, Models: models.options, Cut: models.cut, BackURL: t.URL("routes"), ModelsURL: t.URL("models", "new")}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.RouteNewPage(p, m) })
}

func (s *Server) routeCreate(v *visit) error {
	t := v.page.Tenant
	r, err := v.createRoute()
	if err != nil {
		return v.again(v.sentForm(t.URL("routes")), clashAt(err, "name"), v.routeNewPage)
	}
	return v.done(t.URL("routes", r.Id), "“"+r.Name+"” is made.", r.ChangeId)
}

func (v *visit) createRoute() (*apiclient.Route, error) {
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	return control.Created(v.api.CreateRouteWithResponse(v.ctx, v.slug, &apiclient.CreateRouteParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.RouteCreate{Name: v.field("name"), ModelId: v.field("model_id"), OnLoss: v.onLoss(), ParameterRules: rules}))
}

func (v *visit) onLoss() *apiclient.OnLoss {
	if s := v.field("on_loss"); s != "" {
		return ptr(apiclient.OnLoss(s))
	}
	return nil
}

func (s *Server) route(v *visit) error { return v.routePage(http.StatusOK, view.Form{}) }

func (v *visit) routePage(status int, refused view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	r, err := control.OK(v.api.GetRouteWithResponse(v.ctx, v.slug, id))
	if err != nil {
		return err
	}
	models, err := v.modelOptions(v.ctx)
	if err != nil {
		return err
	}
	v.at("routes", r.Name, view.Crumb{Name: "Routes", URL: t.URL("routes")})
	m := view.RouteForm{
		Form: refused, Models: keepChosen(models.options, r.ModelId), Cut: models.cut, Row: routeRow(t, *r, models.names), Rules: ruleRows(r.ParameterRules),
		Delete: v.newForm("", url.Values{"version": version(r.Version)}), DeleteURL: t.URL("routes", id, "delete"),
	}
	if m.Form.Action == "" {
		m.Form = v.newForm(t.URL("routes", id), url.Values{"name": {r.Name}, "model_id": {r.ModelId}, "on_loss": {string(r.OnLoss)}, "version": version(r.Version)})
		withRules(m.Form.Values, r.ParameterRules)
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.RoutePage(p, m) })
}

func (s *Server) routeUpdate(v *visit) error {
	to := v.page.Tenant.URL("routes", v.c.Param("id"))
	r, err := v.updateRoute()
	if err != nil {
		return v.again(v.sentForm(to), clashAt(err, "name"), v.routePage)
	}
	return v.done(to, "Saved.", r.ChangeId)
}

func (v *visit) updateRoute() (*apiclient.Route, error) {
	rules, err := v.rules()
	if err != nil {
		return nil, err
	}
	return control.OK(v.api.UpdateRouteWithResponse(v.ctx, v.slug, v.c.Param("id"),
		&apiclient.UpdateRouteParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()},
		apiclient.RoutePatch{Name: ptr(v.field("name")), ModelId: ptr(v.field("model_id")), OnLoss: v.onLoss(), ParameterRules: rules}))
}

func (s *Server) routeDelete(v *visit) error {
	t := v.page.Tenant
	d, err := control.OK(v.api.DeleteRouteWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.DeleteRouteParams{IfMatch: v.ifMatch()}))
	if err != nil {
		return v.orTell(t.URL("routes", v.c.Param("id")), err)
	}
	return v.done(t.URL("routes"), "The route is deleted.", d.ChangeId)
}
