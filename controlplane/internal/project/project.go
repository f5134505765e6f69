// Package project owns how a tenant groups its keys and its usage. It knows
// neither rows nor HTTP.
package project

import (
	"context"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/parameter"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

// Project groups API keys inside a tenant.
type Project struct {
	ID, TenantID string
	Name         string
	Rules        parameter.Rules
	Version      int64
	CreatedAt    time.Time
}

// Record is what a change of the project leaves. Data planes know projects as
// part of a key, so there is a resource only while there are rules to tell; it
// goes when they go, so had says whether there were some before.
func (p *Project) Record(action string, had bool) (rec change.Record, err error) {
	detail := map[string]any{"name": p.Name}
	p.Rules.Detail(detail)
	rec.Entry = change.Entry{Action: action, ResourceKind: "project", ResourceID: p.ID, Detail: detail}
	switch {
	case len(p.Rules) > 0:
		res, err := change.NewResource(p.TenantID, configv1.Kind_KIND_PROJECT, p.ID, &configv1.Project{Id: p.ID, ParameterRules: p.Rules.Proto()})
		rec.Resources = []change.Resource{res}
		return rec, err
	case had:
		rec.Resources = []change.Resource{change.Tombstone(configv1.Kind_KIND_PROJECT, p.ID)}
	}
	return rec, nil
}

// Input is what a caller sends to make or change a project; nil leaves it as it
// is.
type Input struct {
	Name  *string
	Rules *parameter.Rules
}

// Store keeps projects.
type Store interface {
	Projects(ctx context.Context, tenantID, after string, limit int) ([]Project, error)
	Project(ctx context.Context, tenantID, projectID string) (Project, error)
	CreateProject(ctx context.Context, tenantID string, by change.Actor, p Project) (Project, int64, error)
	UpdateProject(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, edit func(*Project) (change.Record, error)) (Project, int64, error)
	// DeleteProject removes a project that check agrees to, given how many
	// projects the tenant has and how many keys, revoked ones too, are in it.
	DeleteProject(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, check func(projects, keys int) error) (int64, error)
}

// Service decides about projects.
type Service struct{ Store }

// NewService decides over the store.
func NewService(s Store) *Service { return &Service{s} }

// Create makes a project.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, in Input) (Project, int64, error) {
	p := Project{ID: id.New(id.Project), TenantID: tenantID}
	if err := p.apply(in); err != nil {
		return Project{}, 0, err
	}
	return s.CreateProject(ctx, tenantID, by, p)
}

// Update gives a project another name or other rules.
func (s *Service) Update(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, in Input) (Project, int64, error) {
	return s.UpdateProject(ctx, tenantID, by, projectID, match, func(p *Project) (change.Record, error) {
		had := len(p.Rules) > 0
		if err := p.apply(in); err != nil {
			return change.Record{}, err
		}
		return p.Record("project.update", had)
	})
}

// Delete removes an empty project. Keys hold on to theirs even when revoked,
// because the usage of the past is told by project.
func (s *Service) Delete(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64) (int64, error) {
	return s.DeleteProject(ctx, tenantID, by, projectID, match, func(projects, keys int) error {
		switch {
		case keys > 0:
			return fault.Newf(fault.InUse, "%d API keys belong to this project; revoked ones count, because past usage is told by project.", keys)
		case projects <= 1:
			return fault.New(fault.InUse, "A tenant keeps at least one project.", nil)
		}
		return nil
	})
}

// apply fills in what the caller sent.
func (p *Project) apply(in Input) error {
	bad := fault.New(fault.ValidationFailed, "", nil)
	if in.Name != nil {
		if p.Name = strings.TrimSpace(*in.Name); p.Name == "" {
			bad.WithField("body.name", "must not be empty", "Fill it in.")
		}
	}
	if in.Rules != nil {
		p.Rules = *in.Rules
		p.Rules.Check(bad)
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}
