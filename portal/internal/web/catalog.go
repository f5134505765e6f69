package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

func (s *Server) catalogAdmin(v *visit) error {
	return v.catalogPage(http.StatusOK, v.newForm("/admin/catalog", nil))
}

// catalogListed is how many models the operator's page has at most.
const catalogListed = 200

func (v *visit) catalogPage(status int, f view.Form) error {
	v.at("models", "Catalogue")
	all, err := v.catalog(v.ctx)
	if err != nil {
		return err
	}
	m := view.Catalog{Form: f, Provider: v.c.QueryParam("provider"), Query: strings.TrimSpace(v.c.QueryParam("q")), Providers: []view.Option{{Value: "", Label: "All"}}, Open: len(f.Errors) > 0}
	seen := map[string]bool{}
	for _, c := range all {
		if !seen[c.Provider] {
			seen[c.Provider] = true
			m.Providers = append(m.Providers, view.Option{Value: c.Provider, Label: c.Provider})
		}
		if m.Provider != "" && c.Provider != m.Provider || !isNamed(c, m.Query) {
			continue
		}
		if m.Found++; len(m.Rows) == catalogListed {
			continue
		}
		row := catalogRow(c)
		row.PriceURL = "/admin/catalog/price?model=" + url.QueryEscape(c.Id)
		if !c.BuiltIn {
			row.Pin = ptr(v.newForm("/admin/catalog/pin", nil))
		}
		m.Rows = append(m.Rows, row)
	}
	return v.renderStatus(status, func(p view.Page) templ.Component { return view.CatalogPage(p, m) })
}

// isNamed says whether a part of a model's name is what was searched for.
func isNamed(c apiclient.CatalogModel, query string) bool {
	return strings.Contains(strings.ToLower(c.Name+" "+c.ProviderModel), strings.ToLower(query))
}

func (s *Server) catalogCreate(v *visit) error {
	body := apiclient.CatalogModelCreate{Provider: v.field("provider"), ProviderModel: v.field("provider_model"), Name: v.optional("name")}
	var err error
	if w := v.field("context_window"); w != "" {
		n, convErr := strconv.Atoi(w)
		if convErr != nil {
			err = wrongField("context_window", "Give a whole number of tokens.")
		}
		body.ContextWindow = &n
	}
	if p, priceErr := v.sentPrice(); priceErr != nil {
		err = priceErr
	} else if p.Input != "" || p.Output != "" {
		body.Price = &p
	}
	var m *apiclient.CatalogModel
	if err == nil {
		m, err = control.Created(v.api.CreateCatalogModelWithResponse(v.ctx, &apiclient.CreateCatalogModelParams{IdempotencyKey: v.idempotencyKey()}, body))
	}
	if err != nil {
		return v.again(v.sentForm("/admin/catalog"), clashAt(err, "provider_model"), v.catalogPage)
	}
	return v.done("/admin/catalog", "“"+m.Id+"” is in the catalogue.", nil)
}

// catalogPin keeps imports from changing a price, or lets them again.
func (s *Server) catalogPin(v *visit) error {
	pin := v.field("pinned") == "yes"
	m, err := control.OK(v.api.UpdateCatalogModelWithResponse(v.ctx, &apiclient.UpdateCatalogModelParams{IdempotencyKey: v.idempotencyKey()},
		apiclient.CatalogModelPatch{Id: v.field("id"), Pinned: &pin}))
	if err != nil {
		return v.orTell("/admin/catalog", err)
	}
	to := "/admin/catalog?provider=" + url.QueryEscape(m.Provider)
	if pin {
		return v.done(to, "Imports leave the price of “"+m.Name+"” alone.", nil)
	}
	return v.done(to, "Imports may set the price of “"+m.Name+"”.", nil)
}

func (s *Server) operatorPrice(v *visit) error {
	return v.operatorPricePage(http.StatusOK, v.newForm("/admin/catalog/price", url.Values{"side": {"sell"}, "catalog_id": {v.c.QueryParam("model")}}))
}

func (v *visit) operatorPricePage(status int, f view.Form) error {
	all, err := v.catalog(v.ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Id != f.Value("catalog_id") {
			continue
		}
		m := view.OperatorPrice{Row: catalogRow(c), Form: f}
		v.at("models", "Price of "+m.Row.Name, view.Crumb{Name: "Catalogue", URL: "/admin/catalog"})
		return v.renderStatus(status, func(p view.Page) templ.Component { return view.OperatorPricePage(p, m) })
	}
	return errNotFound
}

func (s *Server) operatorPriceCreate(v *visit) error {
	price, err := v.sentPrice()
	if err == nil {
		_, err = control.Created(v.api.CreateOperatorPriceWithResponse(v.ctx, &apiclient.CreateOperatorPriceParams{IdempotencyKey: v.idempotencyKey()},
			apiclient.OperatorPriceCreate{CatalogId: v.optional("catalog_id"), Side: apiclient.PriceSide(v.field("side")), Price: price}))
	}
	if err != nil {
		return v.again(v.sentForm("/admin/catalog/price"), tiersOf(err), v.operatorPricePage)
	}
	return v.done("/admin/catalog", "The price of "+v.field("catalog_id")+" is set. Calls from now on use it.", nil)
}
