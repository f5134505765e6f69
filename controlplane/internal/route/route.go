// Package route owns the names that callers put into "model" and what each of
// them leads to. It knows neither rows nor HTTP.
package route

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
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
type Input struct{ Name, ModelID, OnLoss *string }

// Record is what a change of the route leaves.
func (r *Route) Record(action string) (change.Record, error) {
	onLoss := configv1.OnLoss_ON_LOSS_DROP
	if r.OnLoss == Refuse {
		onLoss = configv1.OnLoss_ON_LOSS_REFUSE
	}
	res, err := change.NewResource(r.TenantID, configv1.Kind_KIND_ROUTE, r.ID, &configv1.Route{
		Id: r.ID, Name: r.Name, Targets: []*configv1.Target{{ModelId: r.ModelID}}, OnLoss: onLoss,
	})
	return change.Record{
		Entry:     change.Entry{Action: action, ResourceKind: "route", ResourceID: r.ID, Detail: map[string]any{"name": r.Name, "model_id": r.ModelID}},
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

// Create makes a route.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, name, modelID, onLoss string) (Route, int64, error) {
	if err := checkName(name); err != nil {
		return Route{}, 0, err
	}
	return s.CreateRoute(ctx, tenantID, by, Route{ID: id.New(id.Route), TenantID: tenantID, Name: name, ModelID: modelID, OnLoss: onLoss})
}

// Update renames a route or leads it elsewhere.
func (s *Service) Update(ctx context.Context, tenantID string, by change.Actor, routeID string, match int64, to Input) (Route, int64, error) {
	if to.Name != nil {
		if err := checkName(*to.Name); err != nil {
			return Route{}, 0, err
		}
	}
	return s.UpdateRoute(ctx, tenantID, by, routeID, match, to)
}

func checkName(name string) error {
	if configcheck.ValidName(name) {
		return nil
	}
	return fault.Invalid("body.name",
		"must be 1 to 200 of letters, digits and ._:/@+-, beginning with a letter or digit", "Choose a name such as gpt-4o-mini or team/fast.")
}
