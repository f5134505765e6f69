package pipeline

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/tollgate/tollgate/dataplane/internal/auth"
	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/meter"
	"github.com/tollgate/tollgate/dataplane/internal/provider/demo"
	"github.com/tollgate/tollgate/dataplane/internal/tenantconfig"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/money"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// authenticate finds the key, and makes the request one that can be cut.
// About 1 µs: a hash, a lookup, a lock that nobody contends for.
func (x *exchange) authenticate() error {
	for {
		// A key revoked between the lookup and the entry below would be missed
		// by Cut: then it is looked up again.
		cuts := x.p.cuts.Load()
		k, f := auth.Authenticate(x.p.Config, x.req.Secret, x.req.Started)
		x.key = k
		if k.Tenant != nil {
			x.req.Facts.TenantID, x.req.Facts.KeyID = k.Tenant.ID, k.ID
		}
		if f != nil {
			return f
		}
		x.p.open.add(x, uint64(uintptr(unsafe.Pointer(x)))>>10)
		if x.p.cuts.Load() == cuts {
			return nil
		}
		x.p.open.remove(x)
	}
}

// pin takes the tenant's config for the life of the request. One load.
func (x *exchange) pin() error {
	x.config = x.key.Tenant.Pin()
	x.req.Facts.Revision = x.p.Config.Revision()
	switch {
	case x.config.Slug == "":
		// The key is here and its tenant is not yet.
		return fault.New(fault.ConfigUnavailable, "", nil)
	case x.req.TenantSlug != "" && x.req.TenantSlug != x.config.Slug:
		return fault.New(fault.TenantMismatch, "", nil)
	case x.config.Suspended:
		return fault.New(fault.TenantSuspended, "", nil)
	}
	return nil
}

// mayCall says whether the key is for this route.
func (x *exchange) mayCall(route string) bool {
	return len(x.key.AllowedRoutes) == 0 || slices.Contains(x.key.AllowedRoutes, route)
}

// list answers what can be called with this key.
func (x *exchange) list() error {
	var models []canon.Model
	for _, r := range x.config.Routes() {
		if x.mayCall(r.Name) && (x.req.Operation == Models || r.Name == x.req.ModelID) {
			models = append(models, listed(&r))
		}
	}
	if x.req.Operation == Models {
		x.plain = wireOf(x.req.Dialect).models(nil, models)
		return nil
	}
	x.req.Facts.Route = x.req.ModelID
	if len(models) == 0 {
		return fault.New(fault.ModelNotFound, "", nil).WithParam("model")
	}
	x.plain = wireOf(x.req.Dialect).model(nil, models[0])
	return nil
}

// listed is a route as the models list tells of it.
func listed(r *tenantconfig.RouteInfo) canon.Model {
	m := canon.Model{ID: r.Name, OwnedBy: r.Provider, Created: r.CreatedAtUnix, Label: r.Label,
		ContextWindow: int64(r.ContextWindow), MaxOutputTokens: int64(r.MaxOutputTokens), RetiresAt: r.DeprecatedAtUnix}
	if c := r.Known; c != nil {
		m.Abilities = &canon.Abilities{Operations: c.GetOperations(), Input: c.GetInput(), Output: c.GetOutput(),
			Tools: c.GetTools(), Reasoning: c.GetReasoning(), JSONSchema: c.GetJsonSchema(), Temperature: c.GetTemperature()}
	}
	return m
}

// read takes in the body and finds the fields that a gateway needs.
func (x *exchange) read() error {
	body, err := x.caller.Body()
	if err != nil {
		return err
	}
	x.body = body
	x.from = wireOf(x.req.Dialect)
	if f := x.peek.Read(body, x.from.shape); f != nil {
		return f
	}
	x.streamed = x.peek.Stream || x.req.URL.Stream
	return nil
}

// maxRouteShown bounds what is kept of a name that is no route.
const maxRouteShown = 128

// route finds what the model's name stands for, and its price.
func (x *exchange) route() error {
	name := x.req.URL.Model
	if b := x.peek.Model(); len(b) > 0 {
		// The map only compares the bytes, which stay as long as the request.
		name = unsafe.String(unsafe.SliceData(b), len(b))
	}
	rt, ok := x.config.Route(name)
	if !ok {
		rt, ok = x.demoRoute(name)
	}
	if !ok {
		shown := strings.ToValidUTF8(strings.Clone(name[:min(len(name), maxRouteShown)]), "\uFFFD")
		x.req.Facts.Route = shown
		return fault.Newf(fault.ModelNotFound, "No route is named %q.", shown).WithParam("model")
	}
	x.rt, x.target = rt, &rt.Targets[0]
	// Who speaks what the provider speaks is passed on. One comparison for
	// most, a look at a short list where a provider speaks several dialects.
	if x.from != nil && x.target.Speaks(x.from.name) {
		x.to = x.from
	} else {
		x.to = wireOf(x.target.Dialect)
	}
	x.req.Facts.Route = rt.Name
	if !x.mayCall(rt.Name) {
		return fault.New(fault.ModelNotAllowed, "", nil).WithParam("model")
	}
	x.req.Facts.Provider, x.req.Facts.Model = x.target.Provider, x.target.ProviderModel
	if x.target.Fault != nil {
		return x.target.Fault
	}
	if x.req.Operation != Chat {
		if err := x.serve(); err != nil {
			return err
		}
	} else if x.target.Kind.NoChat {
		return x.unserved()
	}
	return x.price()
}

// demoRoute finds the route of a name such as "demo:latency=200ms": what
// follows the colon tells the demo provider what to do.
func (x *exchange) demoRoute(name string) (*routeOf, bool) {
	base, suffix, found := strings.Cut(name, ":")
	if !found {
		return nil, false
	}
	rt, ok := x.config.Route(base)
	if !ok || rt.Targets[0].Provider != demo.Name {
		return nil, false
	}
	x.suffix = strings.Clone(suffix)
	return rt, true
}

// price chooses the price versions of this moment.
func (x *exchange) price() error {
	now := x.req.Started.Unix()
	x.costPrice, x.ownCost = money.Effective(x.target.CostPrices, now), x.target.OwnCost
	x.sellPrice = money.Effective(x.target.SellPrices, now)
	if x.sellPrice == nil {
		x.sellPrice = x.costPrice
	}
	if x.sellPrice != nil {
		return nil
	}
	if x.target.UnknownPrice != configv1.UnknownPrice_UNKNOWN_PRICE_ZERO {
		return fault.New(fault.PriceUnknown, "", nil).WithParam("model")
	}
	x.req.Facts.PriceUnknown = true
	return nil
}

// admit puts the request on record. Under 1 µs: a copy into mapped memory. A
// call for a credential itself has neither route nor model.
func (x *exchange) admit() error {
	t := x.target
	a, err := x.p.Meter.Admit(meter.AdmitInfo{
		TenantID:          x.config.ID,
		ProjectID:         x.key.ProjectID,
		APIKeyID:          x.key.ID,
		RequestID:         x.req.ID,
		Route:             x.req.Facts.Route,
		Operation:         string(x.req.Operation),
		Provider:          t.Provider,
		ProviderModel:     t.ProviderModel,
		CredentialID:      t.CredentialID,
		ModelID:           t.ModelID,
		Cost:              x.costPrice,
		Sell:              x.sellPrice,
		InputTokens:       int64(len(x.peek.Prompt())+len(x.peek.Context())+3) / 4,
		StartedAtUnixNano: x.req.Started.UnixNano(),
		ConfigRevision:    x.req.Facts.Revision,
		Streamed:          x.streamed,
	})
	if err != nil {
		return err
	}
	x.admission = a
	return nil
}
