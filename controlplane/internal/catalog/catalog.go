// Package catalog owns models and what they cost: the operator's catalogue
// with our own price list, the models that tenants use, dated prices and which
// of them is in force. It decides; rows are the business of the store it is
// given, and it knows nothing of HTTP.
package catalog

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Entry is a model of the catalogue; its id is "provider/model".
type Entry struct {
	ID            string
	Provider      string
	ProviderModel string
	Name          string
	BuiltIn       bool
	// Pinned keeps lists from changing its price.
	Pinned bool
	Facts
	Prices []Price
}

// Model is a tenant's use of one provider model through one credential.
type Model struct {
	ID            string
	TenantID      string
	CredentialID  string
	Provider      string
	ProviderModel string
	CatalogID     string
	UnknownPrice  string // "block" or "zero"
	Version       int64
	CreatedAt     time.Time
	// Own prices, and those of the catalogue entry.
	Own, Shared []Price
}

// Choices for models without a price.
const (
	Block = "block"
	Zero  = "zero"
)

// CostAt is the price the provider charges at a moment; nil when unknown.
func (m *Model) CostAt(at time.Time) *Price {
	if p := Effective(ModelCost(m.Own, m.Shared, at), at); p != nil {
		return p
	}
	return Effective(CatalogCost(m.Shared), at)
}

// SellAt is the price the tenant pays when the operator has set one.
func (m *Model) SellAt(at time.Time) *Price {
	if p := Effective(ModelSell(m.Own, m.Shared, at), at); p != nil {
		return p
	}
	return Effective(SellPrices(m.Shared), at)
}

// Resource is what data planes get.
func (m *Model) Resource(now time.Time) (change.Resource, error) {
	unknown := configv1.UnknownPrice_UNKNOWN_PRICE_BLOCK
	if m.UnknownPrice == Zero {
		unknown = configv1.UnknownPrice_UNKNOWN_PRICE_ZERO
	}
	return change.NewResource(m.TenantID, configv1.Kind_KIND_MODEL, m.ID, &configv1.Model{
		Id: m.ID, CredentialId: m.CredentialID, ProviderModel: m.ProviderModel, CatalogId: m.CatalogID,
		CostPrices: toProto(ModelCost(m.Own, m.Shared, now), now), SellPrices: toProto(ModelSell(m.Own, m.Shared, now), now),
		UnknownPrice: unknown,
	})
}

// Resource is what data planes get.
func (e *Entry) Resource(now time.Time) (change.Resource, error) {
	var deprecated int64
	if e.DeprecatedAt != nil {
		deprecated = e.DeprecatedAt.Unix()
	}
	return change.NewResource("", configv1.Kind_KIND_CATALOG_MODEL, e.ID, &configv1.CatalogModel{
		Id: e.ID, Provider: e.Provider, ProviderModel: e.ProviderModel,
		CostPrices: toProto(CatalogCost(e.Prices), now), SellPrices: toProto(SellPrices(e.Prices), now),
		BuiltIn: e.BuiltIn, ContextWindow: uint32(e.ContextWindow), MaxOutputTokens: uint32(e.MaxOutputTokens),
		Capabilities: e.Capabilities.proto(), DeprecatedAtUnix: deprecated, Label: e.Name,
	})
}

// Store keeps models and prices. Each change is one transaction with its audit
// entry and its config resources; change ids are 0 when data planes need not
// know.
type Store interface {
	CatalogEntries(ctx context.Context, only Filter, after string, limit int) ([]Entry, error)
	CreateCatalogEntry(ctx context.Context, by change.Actor, e Entry, first *Price) (Entry, int64, error)
	UpdateCatalogEntry(ctx context.Context, by change.Actor, catalogID string, patch EntryPatch) (Entry, int64, error)
	// ImportCatalog locks the catalogue, asks what to write and writes it, all
	// of it or nothing; nothing for a dry run.
	ImportCatalog(ctx context.Context, by change.Actor, plan func([]Entry) (*Import, error)) (int64, error)
	SeedCatalog(ctx context.Context, by change.Actor, list []Listing) (int, error)
	// CreateOperatorPrice takes a price of a catalogue entry or of a tenant's model.
	CreateOperatorPrice(ctx context.Context, by change.Actor, p Price) (Price, int64, error)

	Models(ctx context.Context, tenantID, after string, limit int) ([]Model, error)
	Model(ctx context.Context, tenantID, modelID string) (Model, error)
	CreateModel(ctx context.Context, tenantID string, by change.Actor, m Model, price *Price, route *NewRoute) (Model, int64, error)
	UpdateModel(ctx context.Context, tenantID string, by change.Actor, modelID string, match int64, unknownPrice string) (Model, int64, error)
	DeleteModel(ctx context.Context, tenantID string, by change.Actor, modelID string, match int64) (int64, error)
	ModelPrices(ctx context.Context, tenantID, modelID string, after *PricePlace, limit int) ([]Price, error)
	CreateModelPrice(ctx context.Context, tenantID string, by change.Actor, p Price) (Price, int64, error)
}

// Filter narrows a list of the catalogue; its zero value is all of it.
type Filter struct {
	Provider string
	BuiltIn  bool
}

// PricePlace marks a place in a list of prices, newest first.
type PricePlace struct {
	At time.Time
	ID string
}

// NewRoute is a route that is made together with its model.
type NewRoute struct{ ID, Name string }

// Service decides about models and prices.
type Service struct {
	Store
	now func() time.Time
}

// NewService decides by the clock now.
func NewService(s Store, now func() time.Time) *Service { return &Service{Store: s, now: now} }

// CreateEntry adds a model to the operator's catalogue.
func (s *Service) CreateEntry(ctx context.Context, by change.Actor, e Entry, price *NewPrice) (Entry, int64, error) {
	e.ID = e.Provider + "/" + e.ProviderModel
	if e.Name == "" {
		e.Name = e.ProviderModel
	}
	if !configcheck.ValidCatalogID(e.ID) {
		return Entry{}, 0, fault.Invalid("body.provider_model", "must be 1 to 200 of letters, digits and ._:/@+-", "")
	}
	first, err := s.price(by, price)
	if err != nil {
		return Entry{}, 0, err
	}
	if first != nil {
		first.CatalogID, first.Side, first.Origin = e.ID, Cost, FromOperator
	}
	return s.CreateCatalogEntry(ctx, by, e, first)
}

// CreateForTenant adds a model that a tenant can route to.
func (s *Service) CreateForTenant(ctx context.Context, tenantID string, by change.Actor, m Model, price *NewPrice, routeName string) (Model, int64, error) {
	m.ID, m.TenantID = id.New(id.Model), tenantID
	if m.UnknownPrice == "" {
		m.UnknownPrice = Block
	}
	if !configcheck.ValidName(m.ProviderModel) {
		return Model{}, 0, fault.Invalid("body.provider_model", "must be 1 to 200 of letters, digits and ._:/@+-", "Use the name that the provider's documentation gives.")
	}
	own, err := s.price(by, price)
	if err != nil {
		return Model{}, 0, err
	}
	if own != nil {
		own.TenantID, own.ModelID, own.Side, own.Origin = tenantID, m.ID, Cost, FromTenant
	}
	var route *NewRoute
	if routeName != "" {
		if !configcheck.ValidName(routeName) {
			return Model{}, 0, fault.Invalid("body.route_name", "must be 1 to 200 of letters, digits and ._:/@+-", "")
		}
		route = &NewRoute{ID: id.New(id.Route), Name: routeName}
	}
	return s.CreateModel(ctx, tenantID, by, m, own, route)
}

// SetModelPrice sets what a tenant's own provider account is charged.
func (s *Service) SetModelPrice(ctx context.Context, tenantID string, by change.Actor, modelID string, price NewPrice) (Price, int64, error) {
	p, err := s.price(by, &price)
	if err != nil {
		return Price{}, 0, err
	}
	p.TenantID, p.ModelID, p.Side, p.Origin = tenantID, modelID, Cost, FromTenant
	return s.CreateModelPrice(ctx, tenantID, by, *p)
}

// SetOperatorPrice sets a price of a catalogue entry for all tenants, or of
// one tenant's model.
func (s *Service) SetOperatorPrice(ctx context.Context, by change.Actor, catalogID, tenantID, modelID string, side Side, price NewPrice) (Price, int64, error) {
	if (catalogID == "") == (tenantID == "" || modelID == "") {
		return Price{}, 0, fault.Invalid("body.catalog_id", "either catalog_id, or tenant_id and model_id, must be given", "Name the model of the catalogue to set a price for all tenants, or a tenant and its model.")
	}
	p, err := s.price(by, &price)
	if err != nil {
		return Price{}, 0, err
	}
	p.CatalogID, p.TenantID, p.ModelID, p.Side, p.Origin = catalogID, tenantID, modelID, side, FromOperator
	return s.CreateOperatorPrice(ctx, by, *p)
}

func (s *Service) price(by change.Actor, n *NewPrice) (*Price, error) {
	if n == nil {
		return nil, nil
	}
	if err := n.Validate(s.now()); err != nil {
		return nil, err
	}
	source := n.Source
	if source == "" {
		source = "set by " + by.Name
	}
	return &Price{ID: id.New(id.Price), EffectiveFrom: n.EffectiveFrom, Rates: n.Rates, Source: source, CreatedBy: by.ID}, nil
}
