package tenantconfig

import (
	"maps"
	"slices"

	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// owners makes a target without a model of each credential, in the order of
// their ids.
func (k *compiler) owners() []Target {
	if len(k.credentials) == 0 {
		return nil
	}
	out := make([]Target, 0, len(k.credentials))
	for _, id := range slices.Sorted(maps.Keys(k.credentials)) {
		// Who calls without a route names no price; what can be found is.
		t := Target{CredentialID: k.credentials[id].GetId(), UnknownPrice: configv1.UnknownPrice_UNKNOWN_PRICE_ZERO}
		t.use(k.credentials[id])
		out = append(out, t)
	}
	return out
}

// Owners lists the tenant's credentials as targets without a model: they own
// files and batches. Shared: not to be changed.
func (c *Compiled) Owners() []Target { return c.owners }

// PricesOf finds the prices of a provider's model that was called by its own
// name: those of the tenant's model with this credential, else the
// catalogue's; own says that the cost was set for that very model. It looks through all routes, which only calls without a route
// need.
func (c *Compiled) PricesOf(owner *Target, model string) (modelID string, cost, sell []*configv1.Price, own bool) {
	for _, r := range c.routes {
		for i := range r.Targets {
			if t := &r.Targets[i]; t.CredentialID == owner.CredentialID && t.ProviderModel == model && modelID < t.ModelID {
				modelID, cost, sell, own = t.ModelID, t.CostPrices, t.SellPrices, t.OwnCost
			}
		}
	}
	if modelID != "" {
		return modelID, cost, sell, own
	}
	m := c.catalog.models[owner.Provider+"/"+model]
	return "", m.GetCostPrices(), m.GetSellPrices(), false
}
