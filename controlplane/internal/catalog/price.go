package catalog

import (
	"cmp"
	"slices"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Side says whose price it is.
type Side string

// Sides of a price.
const (
	Cost Side = "cost" // what the provider charges
	Sell Side = "sell" // what the tenant pays
)

// Origin says who set a price.
type Origin string

// Origins of a price.
const (
	FromCatalog  Origin = "catalog"  // our list
	FromImport   Origin = "import"   // a public list that the operator had read
	FromOperator Origin = "operator" // who runs Tollgate
	FromTenant   Origin = "tenant"   // who pays the provider
)

// Price is one dated price. It is never changed, only followed by newer ones,
// because usage events name it. It belongs to a tenant's model or to a model
// of the catalogue.
type Price struct {
	ID            string
	TenantID      string
	ModelID       string
	CatalogID     string
	Side          Side
	Origin        Origin
	EffectiveFrom time.Time
	Rates         Rates
	Source        string
	// List is the format of the list that it was imported from.
	List      string
	CreatedBy string
	CreatedAt time.Time
}

// NewPrice is what a caller asks for.
type NewPrice struct {
	// EffectiveFrom is now when zero.
	EffectiveFrom time.Time
	Rates         Rates
	Source        string
	// At is where in the request it stood, for messages: "body.price.".
	At string
}

// clockSlack forgives callers whose clock is behind.
const clockSlack = time.Minute

// Validate checks the amounts and settles the moment. Prices never begin in
// the past: what was charged stays charged.
func (n *NewPrice) Validate(now time.Time) error {
	if err := n.Rates.check(n.At); err != nil {
		return err
	}
	if n.EffectiveFrom.IsZero() {
		n.EffectiveFrom = now
	}
	if n.EffectiveFrom.Before(now.Add(-clockSlack)) {
		return fault.Invalid(n.At+"effective_from", "is in the past", "Leave it out for now, or name a moment to come.")
	}
	if n.EffectiveFrom.Before(now) {
		n.EffectiveFrom = now
	}
	if n.EffectiveFrom.Unix() > configcheck.MaxUnix {
		return fault.Invalid(n.At+"effective_from", "is after the year 9999", "")
	}
	// Data planes count in seconds.
	n.EffectiveFrom = n.EffectiveFrom.UTC().Truncate(time.Second)
	return nil
}

// Timeline flattens layers of prices, strongest first, into one dated list,
// oldest first: from the first moment of a stronger layer on, weaker ones do
// not count. Within a layer a newer price follows an older one.
func Timeline(layers ...[]Price) []Price {
	var out []Price
	for _, layer := range layers {
		layer = slices.Clone(layer)
		slices.SortStableFunc(layer, byTime)
		if len(out) > 0 {
			first := out[0].EffectiveFrom
			layer = slices.DeleteFunc(layer, func(p Price) bool { return !p.EffectiveFrom.Before(first) })
		}
		out = append(layer, out...)
	}
	return out
}

func byTime(a, b Price) int {
	return cmp.Or(a.EffectiveFrom.Compare(b.EffectiveFrom), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// Effective is the price of a timeline at a moment; nil when none has begun.
func Effective(timeline []Price, at time.Time) *Price {
	for i := len(timeline) - 1; i >= 0; i-- {
		if !timeline[i].EffectiveFrom.After(at) {
			return &timeline[i]
		}
	}
	return nil
}

// keepPast is how many superseded prices still travel: a data plane whose
// clock is behind must find the one before.
const keepPast = 3

func trim(timeline []Price, now time.Time) []Price {
	current := -1
	for i, p := range timeline {
		if !p.EffectiveFrom.After(now) {
			current = i
		}
	}
	return timeline[max(0, current-keepPast):]
}

// pick filters prices by side and origin.
func pick(prices []Price, side Side, origin Origin) []Price {
	var out []Price
	for _, p := range prices {
		if p.Side == side && p.Origin == origin {
			out = append(out, p)
		}
	}
	return out
}

// CatalogCost is what the provider of a catalogue model charges, by time: what
// the operator set wins over what was imported, and that over our list.
func CatalogCost(prices []Price) []Price {
	return Timeline(pick(prices, Cost, FromOperator), pick(prices, Cost, FromImport), pick(prices, Cost, FromCatalog))
}

// SellPrices is what the operator set as the tenant's price, by time.
func SellPrices(prices []Price) []Price { return Timeline(pick(prices, Sell, FromOperator)) }

// ModelCost is what a tenant's model costs, by time: the tenant's own price,
// else what the operator set for this tenant. It is empty when neither was
// set. When they only begin in the future, the catalogue's prices lead up to
// them, because data planes look at the catalogue only when the list is empty.
func ModelCost(own, shared []Price, now time.Time) []Price {
	t := Timeline(pick(own, Cost, FromTenant), pick(own, Cost, FromOperator))
	if len(t) == 0 || !t[0].EffectiveFrom.After(now) {
		return t
	}
	return Timeline(t, CatalogCost(shared))
}

// ModelSell is what the tenant pays for a model, by time; as ModelCost.
func ModelSell(own, shared []Price, now time.Time) []Price {
	t := SellPrices(own)
	if len(t) == 0 || !t[0].EffectiveFrom.After(now) {
		return t
	}
	return Timeline(t, SellPrices(shared))
}

func toProto(timeline []Price, now time.Time) []*configv1.Price {
	var out []*configv1.Price
	for _, p := range trim(timeline, now) {
		one := p.Rates.Proto()
		one.Id, one.EffectiveFromUnix = p.ID, p.EffectiveFrom.Unix()
		out = append(out, one)
	}
	return out
}
