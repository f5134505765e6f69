// Package route owns the names that callers put into "model" and what each of
// them leads to. It knows neither rows nor HTTP.
package route

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/parameter"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Route leads from a name to a model.
type Route struct {
	ID, TenantID  string
	Name, ModelID string
	// OnLoss is Drop or Refuse.
	OnLoss    string
	Rules     parameter.Rules
	Version   int64
	CreatedAt time.Time
}

// What happens to fields of a call that the target's dialect cannot express.
const (
	Drop   = "drop"
	Refuse = "refuse"
)

// Input is what a caller sends to make or change a route; nil leaves it as it
// is.
type Input struct {
	Name, ModelID, OnLoss *string
	Rules                 *parameter.Rules
}

// Record is what a change of the route leaves.
func (r *Route) Record(action string) (change.Record, error) {
	onLoss := configv1.OnLoss_ON_LOSS_DROP
	if r.OnLoss == Refuse {
		onLoss = configv1.OnLoss_ON_LOSS_REFUSE
	}
	res, err := change.NewResource(r.TenantID, configv1.Kind_KIND_ROUTE, r.ID, &configv1.Route{
		Id: r.ID, Name: r.Name, Targets: []*configv1.Target{{ModelId: r.ModelID}}, OnLoss: onLoss,
		ParameterRules: r.Rules.Proto(),
	})
	detail := map[string]any{"name": r.Name, "model_id": r.ModelID}
	r.Rules.Detail(detail)
	return change.Record{
		Entry:     change.Entry{Action: action, ResourceKind: "route", ResourceID: r.ID, Detail: detail},
		Resources: []change.Resource{res},
	}, err
}

// Store keeps routes. Each change is one transaction with its audit entry and
// its config resource.
type Store interface {
	Routes(ctx context.Context, tenantID, after string, limit int) ([]Route, error)
	Route(ctx context.Context, tenantID, routeID string) (Route, error)
	CreateRoute(ctx context.Context, tenantID string, by change.Actor, r Route) (Route, int64, error)
	// UpdateRoute leaves what is nil as it is; match is the version the caller
	// saw, or 0.
	UpdateRoute(ctx context.Context, tenantID string, by change.Actor, routeID string, match int64, to Input) (Route, int64, error)
	DeleteRoute(ctx context.Context, tenantID string, by change.Actor, routeID string, match int64) (int64, error)
}

// Service decides about routes.
type Service struct{ Store }

// NewService decides over the store.
func NewService(s Store) *Service { return &Service{s} }

// Create makes a route; id and tenant are filled in.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, r Route) (Route, int64, error) {
	if err := check(&r.Name, r.Rules); err != nil {
		return Route{}, 0, err
	}
	r.ID, r.TenantID = id.New(id.Route), tenantID
	return s.CreateRoute(ctx, tenantID, by, r)
}

// Update renames a route or leads it elsewhere.
func (s *Service) Update(ctx context.Context, tenantID string, by change.Actor, routeID string, match int64, to Input) (Route, int64, error) {
	var rules parameter.Rules
	if to.Rules != nil {
		rules = *to.Rules
	}
	if err := check(to.Name, rules); err != nil {
		return Route{}, 0, err
	}
	return s.UpdateRoute(ctx, tenantID, by, routeID, match, to)
}

func check(name *string, rules parameter.Rules) error {
	bad := fault.New(fault.ValidationFailed, "", nil)
	if name != nil && !configcheck.ValidName(*name) {
		bad.WithField("body.name",
			"must be 1 to 200 of letters, digits and ._:/@+-, beginning with a letter or digit", "Choose a name such as gpt-4o-mini or team/fast.")
	}
	if rules.Check(bad); len(bad.Fields) > 0 {
		return bad
	}
	return nil
}
