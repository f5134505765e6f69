package tenantconfig

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/tollgate/tollgate/dataplane/internal/dialect/canon"
	"github.com/tollgate/tollgate/dataplane/internal/parameters"
	"github.com/tollgate/tollgate/dataplane/internal/sigv4"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/providerkind"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Key is what an API key's hash stands for.
type Key struct {
	ID        string
	ProjectID string
	// Tenant owns the key; never nil.
	Tenant *Tenant
	// ExpiresAtUnix is 0 for a key that does not expire.
	ExpiresAtUnix int64
	// PreviousValidUntilUnix is not 0 when the hash is the one from before the
	// last rotation: it is good until then.
	PreviousValidUntilUnix int64
	Revoked                bool
	// AllowedRoutes are the only routes the key may call; empty means all.
	// Shared: not to be changed.
	AllowedRoutes []string
	// Rules about parameters; nil for most keys. Shared like the routes.
	Rules *parameters.Rules
}

// Compiled is one tenant's config at one revision. It never changes; a request
// pins it once and uses it to its end.
type Compiled struct {
	ID        string
	Slug      string
	Suspended bool
	routes    map[string]*Route
	builtIn   map[string]*Route
	// owners are the credentials, for calls that are of no model.
	owners  []Target
	catalog *catalog
	// projects are those that have rules; nil when none has.
	projects map[string]*parameters.Rules
}

// ProjectRules gives a project's rules about parameters; nil when it has none.
// Tenants none of whose projects has rules pay one comparison.
func (c *Compiled) ProjectRules(projectID string) *parameters.Rules {
	if c.projects == nil {
		return nil
	}
	return c.projects[projectID]
}

// Route finds what a caller's "model" names: the tenant's own routes first,
// then those of the built-in catalogue.
func (c *Compiled) Route(name string) (*Route, bool) {
	if r, ok := c.routes[name]; ok {
		return r, true
	}
	r, ok := c.builtIn[name]
	return r, ok
}

// Routes lists all routes that the tenant can call, by name.
func (c *Compiled) Routes() []RouteInfo {
	all := maps.Clone(c.builtIn)
	if all == nil {
		all = make(map[string]*Route, len(c.routes))
	}
	maps.Copy(all, c.routes)
	infos := make([]RouteInfo, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name]
		info := RouteInfo{Name: name, BuiltIn: r.BuiltIn, CreatedAtUnix: r.CommittedAtUnix}
		if len(r.Targets) > 0 {
			info.Provider, info.ProviderModel = r.Targets[0].Provider, r.Targets[0].ProviderModel
			info.Abilities = r.Targets[0].Abilities
		}
		infos = append(infos, info)
	}
	return infos
}

// RouteInfo is a route as the models list shows it.
type RouteInfo struct {
	Name          string
	Provider      string
	ProviderModel string
	BuiltIn       bool
	// CreatedAtUnix is when the route was last changed.
	CreatedAtUnix int64
	// Abilities of its first target.
	Abilities
}

// Route is the compiled form of what a caller's "model" names.
type Route struct {
	Name string
	// ID is the route's id; for a built-in route the catalogue id.
	ID              string
	BuiltIn         bool
	CommittedAtUnix int64
	// Targets in order; at least one.
	Targets []Target
	// RefuseLoss says that a call is refused rather than stripped of what the
	// target's dialect cannot express.
	RefuseLoss bool
	// Rules about parameters; nil for most routes.
	Rules *parameters.Rules
}

// Target is one thing to call, with all that the call needs.
type Target struct {
	// Fault is set when the target cannot be called: what it refers to is
	// missing, or its credential does not open.
	Fault *fault.Fault

	ModelID  string
	Provider string
	// Kind is what is known of the provider; never nil without a Fault.
	Kind *providerkind.Kind
	// Dialect is the wire format that the endpoint speaks.
	Dialect canon.Dialect
	// Way is where its calls are.
	Way
	ProviderModel string
	CredentialID  string
	BaseURL       string
	AuthStyle     configv1.AuthStyle
	AuthHeader    string
	// APIVersion goes into the URLs of providers that want one; Region is what
	// requests are signed for.
	APIVersion, Region string
	Secret             Secret
	// Signer signs the calls of credentials that are access keys; nil for all
	// others.
	Signer *sigv4.Signer
	// Limits in milliseconds; 0 means the data plane's default.
	ConnectTimeoutMs   uint32
	FirstByteTimeoutMs uint32
	IdleTimeoutMs      uint32
	// CostPrices are what the provider charges, SellPrices what the tenant
	// pays; empty SellPrices mean the cost. Choose with money.Effective.
	CostPrices   []*configv1.Price
	SellPrices   []*configv1.Price
	UnknownPrice configv1.UnknownPrice
	// OwnCost says that CostPrices were set for this very model, and do not
	// come from the catalogue.
	OwnCost bool
	// Abilities are what the catalogue says of the model.
	Abilities
}

// Secret is a provider's secret that no log, error or encoder shows.
type Secret struct{ plain string }

// NewSecret wraps a provider's secret.
func NewSecret(plain string) Secret { return Secret{plain} }

const redacted = "[redacted]"

// Reveal gives the secret, for the header that carries it and nothing else.
func (s Secret) Reveal() string { return s.plain }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret.
func (s Secret) GoString() string { return redacted }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
