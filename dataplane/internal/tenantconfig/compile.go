package tenantconfig

import (
	"strings"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/parameters"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
	"google.golang.org/protobuf/proto"
)

// catalog is the operator's catalogue, compiled; it never changes.
type catalog struct {
	models map[string]*configv1.CatalogModel
	// routes that every tenant has, by the provider's name of the model.
	routes map[string]*Route
}

func newCatalog(entries map[string]catalogEntry) *catalog {
	c := &catalog{models: make(map[string]*configv1.CatalogModel, len(entries)), routes: map[string]*Route{}}
	newest := map[string]uint64{}
	for id, e := range entries {
		c.models[id] = e.model
		name := e.model.GetProviderModel()
		if !e.model.GetBuiltIn() || newest[name] > e.revision {
			continue
		}
		newest[name] = e.revision
		c.routes[name] = &Route{
			Name: name, ID: id, BuiltIn: true, CommittedAtUnix: e.committed / 1e9,
			Targets: []Target{{
				ModelID: id, Provider: e.model.GetProvider(), ProviderModel: name,
				Kind: kindOf(e.model.GetProvider()), Dialect: canon.OpenAIChat,
				AuthStyle: configv1.AuthStyle_AUTH_STYLE_NONE, Way: Way{plain: true, Model: name},
				CostPrices: e.model.GetCostPrices(), SellPrices: e.model.GetSellPrices(),
				UnknownPrice: configv1.UnknownPrice_UNKNOWN_PRICE_BLOCK,
				Abilities:    abilitiesOf(e.model),
			}},
		}
	}
	return c
}

// catalogEntry is a catalogue model and when it came.
type catalogEntry struct {
	model     *configv1.CatalogModel
	revision  uint64
	committed int64
}

// compiler joins the resources of one tenant. Resources travel alone, so what
// one refers to may be missing: its target then carries a fault and heals when
// the missing part arrives.
type compiler struct {
	tenant  *Tenant
	catalog *catalog
	// at is the resource being looked at, for the report of a panic.
	at          int
	credentials map[string]*credential
	models      map[string]*configv1.Model
}

type credential struct {
	*configv1.Credential
	baseURL string
	opened  *openedSecret
}

// compile runs with the tenant locked.
func (k *compiler) compile() *Compiled {
	t := k.tenant
	c := &Compiled{ID: t.ID, routes: map[string]*Route{}, builtIn: k.catalog.routes}
	k.credentials, k.models = map[string]*credential{}, map[string]*configv1.Model{}
	var routes []int
	for i := range t.resources {
		r := &t.resources[i]
		if r.broken {
			continue
		}
		k.at = i
		switch r.kind {
		case configv1.Kind_KIND_TENANT:
			var m configv1.Tenant
			mustParse(r, &m)
			c.Slug = m.GetSlug()
			c.Suspended = m.GetStatus() != configv1.TenantStatus_TENANT_STATUS_ACTIVE
		case configv1.Kind_KIND_CREDENTIAL:
			k.addCredential(r)
		case configv1.Kind_KIND_MODEL:
			m := &configv1.Model{}
			mustParse(r, m)
			k.models[r.id] = m
		case configv1.Kind_KIND_ROUTE:
			routes = append(routes, i)
		case configv1.Kind_KIND_PROJECT:
			c.addProject(r)
		}
	}
	k.addRoutes(c, routes)
	k.at = -1
	c.owners, c.catalog = k.owners(), k.catalog
	return c
}

func (c *Compiled) addProject(r *resource) {
	var m configv1.Project
	mustParse(r, &m)
	rules := parameters.Compile(m.GetParameterRules())
	if rules == nil {
		return
	}
	if c.projects == nil {
		c.projects = map[string]*parameters.Rules{}
	}
	c.projects[strings.Clone(r.id)] = rules
}

// mustParse parses what configcheck has parsed before.
func mustParse(r *resource, m proto.Message) {
	if err := proto.Unmarshal([]byte(r.payload), m); err != nil {
		panic("checked resource does not parse")
	}
}

func (k *compiler) addCredential(r *resource) {
	m := &configv1.Credential{}
	mustParse(r, m)
	if r.opened == nil {
		if err := k.tenant.state.open(k.tenant.ID, r); err != nil {
			k.tenant.state.report(refusalOf(k.tenant.ID, r, "sealed_secret", "does not open with this data plane's key for this tenant and credential"))
		}
	}
	k.credentials[r.id] = &credential{Credential: m, baseURL: strings.TrimRight(m.GetBaseUrl(), "/"), opened: r.opened}
}

// addRoutes resolves routes. Two routes of one name can meet while changes
// arrive out of order; the newer one counts.
func (k *compiler) addRoutes(c *Compiled, routes []int) {
	newest := make(map[string]uint64, len(routes))
	for _, i := range routes {
		k.at = i
		r := &k.tenant.resources[i]
		var m configv1.Route
		mustParse(r, &m)
		if newest[m.GetName()] > r.revision {
			continue
		}
		newest[m.GetName()] = r.revision
		route := &Route{Name: m.GetName(), ID: m.GetId(), CommittedAtUnix: r.committed / 1e9,
			RefuseLoss: m.GetOnLoss() == configv1.OnLoss_ON_LOSS_REFUSE, Targets: make([]Target, len(m.GetTargets())),
			Rules: parameters.Compile(m.GetParameterRules())}
		for j, t := range m.GetTargets() {
			route.Targets[j] = k.target(t.GetModelId())
		}
		c.routes[route.Name] = route
	}
}

// kindOf gives the row of a provider, that of a custom one for unknown names.
func kindOf(provider string) *providerkind.Kind {
	k, _ := providerkind.Find(provider)
	return k
}

func (k *compiler) target(modelID string) Target {
	t := Target{ModelID: modelID}
	m := k.models[modelID]
	if m == nil {
		t.Fault = fault.New(fault.ConfigRefused, "The route names a model that does not exist any more.", nil)
		return t
	}
	t.ProviderModel, t.CredentialID, t.UnknownPrice = m.GetProviderModel(), m.GetCredentialId(), m.GetUnknownPrice()
	t.CostPrices, t.SellPrices = m.GetCostPrices(), m.GetSellPrices()
	t.OwnCost = len(t.CostPrices) > 0
	if shared := k.catalog.models[m.GetCatalogId()]; shared != nil {
		t.Abilities = abilitiesOf(shared)
		if len(t.CostPrices) == 0 {
			t.CostPrices = shared.GetCostPrices()
		}
		if len(t.SellPrices) == 0 {
			t.SellPrices = shared.GetSellPrices()
		}
	}
	cred := k.credentials[m.GetCredentialId()]
	if cred == nil {
		t.Fault = fault.New(fault.CredentialUnusable, "The model's credential does not exist any more.", nil)
		return t
	}
	t.use(cred)
	return t
}

// use fills in what a credential says.
func (t *Target) use(cred *credential) {
	t.Provider, t.BaseURL = cred.GetProvider(), cred.baseURL
	t.Kind, t.Dialect = kindOf(t.Provider), canon.Dialect(cred.GetDialect())
	if t.Dialect == "" {
		t.Dialect = canon.OpenAIChat
	}
	t.AuthStyle, t.AuthHeader = cred.GetAuthStyle(), cred.GetAuthHeader()
	t.APIVersion, t.Region = cred.GetApiVersion(), cred.GetRegion()
	t.setWay()
	t.ConnectTimeoutMs, t.FirstByteTimeoutMs, t.IdleTimeoutMs = cred.GetConnectTimeoutMs(), cred.GetFirstByteTimeoutMs(), cred.GetIdleTimeoutMs()
	if cred.opened.err != nil {
		t.Fault = fault.New(fault.CredentialUnusable, "", cred.opened.err)
		return
	}
	t.Secret = cred.opened.secret
	t.setSigner()
}
