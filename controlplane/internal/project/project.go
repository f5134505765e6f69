// Package project owns how a tenant groups its keys and its usage. It knows
// neither rows nor HTTP.
package project

import (
	"context"
	"strings"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
)

// Project groups API keys inside a tenant.
type Project struct {
	ID, TenantID string
	Name         string
	Version      int64
	CreatedAt    time.Time
}

// Record is what a change of the project leaves. Data planes know projects as
// part of a key, so there is no resource.
func (p *Project) Record(action string) change.Record {
	return change.Record{Entry: change.Entry{Action: action, ResourceKind: "project", ResourceID: p.ID, Detail: map[string]any{"name": p.Name}}}
}

// Store keeps projects.
type Store interface {
	Projects(ctx context.Context, tenantID, after string, limit int) ([]Project, error)
	Project(ctx context.Context, tenantID, projectID string) (Project, error)
	CreateProject(ctx context.Context, tenantID string, by change.Actor, p Project) (Project, error)
	UpdateProject(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, edit func(*Project) (change.Record, error)) (Project, error)
	// DeleteProject removes a project that check agrees to, given how many
	// projects the tenant has and how many keys, revoked ones too, are in it.
	DeleteProject(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, check func(projects, keys int) error) error
}

// Service decides about projects.
type Service struct{ Store }

// NewService decides over the store.
func NewService(s Store) *Service { return &Service{s} }

// Create makes a project.
func (s *Service) Create(ctx context.Context, tenantID string, by change.Actor, name string) (Project, error) {
	name, err := checkName(name)
	if err != nil {
		return Project{}, err
	}
	return s.CreateProject(ctx, tenantID, by, Project{ID: id.New(id.Project), TenantID: tenantID, Name: name})
}

// Rename gives a project another name.
func (s *Service) Rename(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64, name *string) (Project, error) {
	return s.UpdateProject(ctx, tenantID, by, projectID, match, func(p *Project) (rec change.Record, err error) {
		if name != nil {
			if p.Name, err = checkName(*name); err != nil {
				return rec, err
			}
		}
		return p.Record("project.update"), nil
	})
}

// Delete removes an empty project. Keys hold on to theirs even when revoked,
// because the usage of the past is told by project.
func (s *Service) Delete(ctx context.Context, tenantID string, by change.Actor, projectID string, match int64) error {
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

func checkName(name string) (string, error) {
	if name = strings.TrimSpace(name); name == "" {
		return "", fault.Invalid("body.name", "must not be empty", "Fill it in.")
	}
	return name, nil
}
