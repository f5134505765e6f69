package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func modelState(m apiclient.Model) view.Badge {
	switch {
	case m.Priced:
		return view.Badge{Kind: "good", Text: "Priced"}
	case m.UnknownPrice == apiclient.Zero:
		return view.Badge{Kind: "warn", Text: "Counts as zero"}
	}
	return view.Badge{Kind: "bad", Text: "Blocked: no price"}
}

func modelRow(t *view.Tenant, m apiclient.Model, credentials map[string]string) view.ModelRow {
	sell := priceText(m.SellPrice)
	if sell == nil {
		sell = priceText(m.CostPrice)
	}
	return view.ModelRow{
		ID: m.Id, URL: t.URL("models", m.Id), Name: m.ProviderModel, Provider: m.Provider, Credential: orText(credentials[m.CredentialId], m.CredentialId),
		State: modelState(m), Cost: priceText(m.CostPrice), Sell: sell, Created: view.Instant{Time: m.CreatedAt},
	}
}

func (s *Server) models(v *visit) error {
	v.at("models", "Models")
	t := v.page.Tenant
	var page *apiclient.ModelPage
	var credentials choices
	var all []apiclient.CatalogModel
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		page, err = control.OK(v.api.ListModelsWithResponse(ctx, v.slug, &apiclient.ListModelsParams{Limit: ptr(listSize), Cursor: v.cursor()}))
		return err
	})
	g.Go(func() (err error) {
		credentials, err = v.credentialNames(ctx)
		return err
	})
	g.Go(func() (err error) {
		all, err = v.builtIn(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	m := view.Models{NewURL: t.URL("models", "new"), Pager: pagerOf(v.c.Request().URL, page.NextCursor, page.HasMore)}
	for _, x := range page.Data {
		m.Rows = append(m.Rows, modelRow(t, x, credentials.names))
	}
	for _, c := range all {
		if c.BuiltIn {
			m.BuiltIn = append(m.BuiltIn, catalogRow(c))
		}
	}
	return v.render(func(p view.Page) templ.Component { return view.ModelsPage(p, m) })
}

func (s *Server) modelNew(v *visit) error {
	f := v.newForm(v.page.Tenant.URL("models"), url.Values{
		"pricing": {"block"}, "credential_id": {v.c.QueryParam("credential")}, "provider_model": {v.c.QueryParam("model")},
	})
	return v.modelNewPage(http.StatusOK, f)
}

func (v *visit) modelNewPage(status int, f view.Form) error {
	t := v.page.Tenant
	v.at("models", "Add a model", view.Crumb{Name: "Models", URL: t.URL("models")})
	m := view.ModelForm{Form: f, BackURL: t.URL("models"), NewCredURL: t.URL("credentials", "new")}
	var credentials []apiclient.Credential
	var catalog []apiclient.CatalogModel
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		credentials, m.Cut, err = v.credentialList(ctx)
		return err
	})
	g.Go(func() (err error) {
		catalog, err = v.catalog(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	provider := ""
	for i, c := range credentials {
		m.Credentials = append(m.Credentials, view.Option{Value: c.Id, Label: c.Name + " (" + c.Provider + ")"})
		if i == 0 || c.Id == f.Value("credential_id") {
			provider = c.Provider
		}
	}
	m.Filter = catalogFilter(v.c.QueryParams(), provider, catalog)
	m.Filter.Base, m.Filter.Credential = t.URL("models", "new"), f.Value("credential_id")
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.ModelNewPage(p, m) })
}

// catalogShown is how many models of the catalogue one page has.
const catalogShown = 25

// catalogFilter are the models that can be added: those of the credential's
// provider, unless another one or a part of a name is asked for.
func catalogFilter(q url.Values, provider string, all []apiclient.CatalogModel) view.CatalogFilter {
	f := view.CatalogFilter{Query: strings.TrimSpace(q.Get("q")), Provider: provider, Providers: []view.Option{{Value: "all", Label: "All"}}}
	have := map[string]bool{"all": true}
	for _, c := range all {
		if !c.BuiltIn && !have[c.Provider] {
			have[c.Provider] = true
			f.Providers = append(f.Providers, view.Option{Value: c.Provider, Label: c.Provider})
		}
	}
	if q.Has("provider") {
		f.Provider = q.Get("provider")
	}
	if !have[f.Provider] {
		f.Provider = "all"
	}
	for _, c := range all {
		wanted := f.Provider == "all" || c.Provider == f.Provider
		if c.BuiltIn || !wanted || !isNamed(c, f.Query) {
			continue
		}
		f.Found++
		if len(f.Rows) < catalogShown {
			f.Rows = append(f.Rows, catalogRow(c))
		}
	}
	return f
}

func (s *Server) modelCreate(v *visit) error {
	t := v.page.Tenant
	m, err := v.createModel()
	if err != nil {
		return v.again(v.sentForm(t.URL("models")), err, v.modelNewPage)
	}
	return v.done(t.URL("models", m.Id), "“"+m.ProviderModel+"” is added.", m.ChangeId)
}

func (v *visit) createModel() (*apiclient.Model, error) {
	body := apiclient.ModelCreate{CredentialId: v.field("credential_id"), ProviderModel: v.field("provider_model"), RouteName: v.optional("route_name")}
	pricing := v.field("pricing")
	price, err := v.sentPrice()
	if err != nil {
		return nil, err
	}
	if pricing != "set" && price != (apiclient.PriceCreate{}) {
		return nil, wrongField("pricing", "Prices are typed below, but not chosen. Choose “Set a price”, or clear them.")
	}
	switch pricing {
	case "zero":
		body.UnknownPrice = ptr(apiclient.Zero)
	case "set":
		body.UnknownPrice, body.Price = ptr(apiclient.Block), &price
	default:
		body.UnknownPrice = ptr(apiclient.Block)
	}
	return control.Created(v.api.CreateModelWithResponse(v.ctx, v.slug, &apiclient.CreateModelParams{IdempotencyKey: v.idempotencyKey()}, body))
}

func (s *Server) model(v *visit) error {
	return v.modelPage(http.StatusOK, view.Form{}, view.Form{})
}

func (v *visit) modelPage(status int, price, unknown view.Form) error {
	t, id := v.page.Tenant, v.c.Param("id")
	var x *apiclient.Model
	var prices *apiclient.PricePage
	var credentials choices
	g, ctx := errgroup.WithContext(v.ctx)
	g.Go(func() (err error) {
		x, err = control.OK(v.api.GetModelWithResponse(ctx, v.slug, id))
		return err
	})
	g.Go(func() (err error) {
		prices, err = control.OK(v.api.ListModelPricesWithResponse(ctx, v.slug, id, &apiclient.ListModelPricesParams{Limit: ptr(50)}))
		return err
	})
	g.Go(func() (err error) {
		credentials, err = v.credentialNames(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	v.at("models", x.ProviderModel, view.Crumb{Name: "Models", URL: t.URL("models")})
	m := view.Model{
		Row: modelRow(t, *x, credentials.names), Price: price, Unknown: unknown, Priced: x.Priced, Zero: x.UnknownPrice == apiclient.Zero,
		Delete: v.newForm("", url.Values{"version": version(x.Version)}), DeleteURL: t.URL("models", id, "delete"),
		RouteURL: t.URL("routes", "new") + "?model=" + url.QueryEscape(id),
	}
	for _, p := range prices.Data {
		m.Prices = append(m.Prices, *priceText(&p))
	}
	if m.Price.Action == "" {
		m.Price = v.newForm(t.URL("models", id, "prices"), nil)
	}
	if m.Unknown.Action == "" {
		m.Unknown = v.newForm(t.URL("models", id), url.Values{"unknown_price": {string(x.UnknownPrice)}, "version": version(x.Version)})
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.ModelPage(p, m) })
}

func (s *Server) modelUpdate(v *visit) error {
	to := v.page.Tenant.URL("models", v.c.Param("id"))
	m, err := control.OK(v.api.UpdateModelWithResponse(v.ctx, v.slug, v.c.Param("id"),
		&apiclient.UpdateModelParams{IdempotencyKey: v.idempotencyKey(), IfMatch: v.ifMatch()},
		apiclient.ModelPatch{UnknownPrice: ptr(apiclient.UnknownPrice(v.field("unknown_price")))}))
	if err != nil {
		return v.again(v.sentForm(to), err, func(status int, f view.Form) error { return v.modelPage(status, view.Form{}, f) })
	}
	return v.done(to, "Saved.", m.ChangeId)
}

func (s *Server) modelPrice(v *visit) error {
	t, id := v.page.Tenant, v.c.Param("id")
	price, err := v.sentPrice()
	var p *apiclient.Price
	if err == nil {
		p, err = control.Created(v.api.CreateModelPriceWithResponse(v.ctx, v.slug, id, &apiclient.CreateModelPriceParams{IdempotencyKey: v.idempotencyKey()}, price))
	}
	if err != nil {
		return v.again(v.sentForm(t.URL("models", id, "prices")), underPrice(err), func(status int, f view.Form) error { return v.modelPage(status, f, view.Form{}) })
	}
	return v.done(t.URL("models", id), "The price is set. Calls from now on use it.", p.ChangeId)
}

func (s *Server) modelDelete(v *visit) error {
	t := v.page.Tenant
	d, err := control.OK(v.api.DeleteModelWithResponse(v.ctx, v.slug, v.c.Param("id"), &apiclient.DeleteModelParams{IfMatch: v.ifMatch()}))
	if err != nil {
		return v.orTell(t.URL("models", v.c.Param("id")), err)
	}
	return v.done(t.URL("models"), "The model is deleted.", d.ChangeId)
}
