package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
	"github.com/tollgate/tollgate/proto/subject"
)

// Snapshots opens the newest config snapshot.
type Snapshots interface {
	OpenSnapshot(ctx context.Context) (file io.ReadCloser, size int64, err error)
}

// maxRefusals is how many refusals one answer lists; a page shows no more.
const maxRefusals = 200

// GetChange tells how far a change has come, by its id.
func (s *Server) GetChange(ctx context.Context, r apiserver.GetChangeRequestObject) (apiserver.GetChangeResponseObject, error) {
	c, err := s.Rollout.ChangeStatus(ctx, r.TenantId, r.ChangeId)
	if err != nil {
		return nil, err
	}
	return apiserver.GetChange200JSONResponse(changeJSON(c)), nil
}

// GetRevision tells the same, by revision.
func (s *Server) GetRevision(ctx context.Context, r apiserver.GetRevisionRequestObject) (apiserver.GetRevisionResponseObject, error) {
	c, err := s.Rollout.RevisionStatus(ctx, r.TenantId, r.Revision)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRevision200JSONResponse(changeJSON(c)), nil
}

// ListRefusals lists what data planes did not take of a tenant.
func (s *Server) ListRefusals(ctx context.Context, r apiserver.ListRefusalsRequestObject) (apiserver.ListRefusalsResponseObject, error) {
	rows, err := s.Rollout.Refusals(ctx, r.TenantId, maxRefusals)
	if err != nil {
		return nil, err
	}
	return apiserver.ListRefusals200JSONResponse{Data: convert(rows, refusalJSON)}, nil
}

// ListDataPlanes lists all that were heard of.
func (s *Server) ListDataPlanes(ctx context.Context, _ apiserver.ListDataPlanesRequestObject) (apiserver.ListDataPlanesResponseObject, error) {
	newest, rows, err := s.Rollout.DataPlanes(ctx)
	if err != nil {
		return nil, err
	}
	data := convert(rows, func(d rollout.DataPlane) apiserver.DataPlane { return dataPlaneJSON(d, newest) })
	return apiserver.ListDataPlanes200JSONResponse{NewestRevision: newest, Data: data}, nil
}

// GetConfigSnapshot sends the whole config as data planes read it.
func (s *Server) GetConfigSnapshot(ctx context.Context, _ apiserver.GetConfigSnapshotRequestObject) (apiserver.GetConfigSnapshotResponseObject, error) {
	file, size, err := s.Snapshots.OpenSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	return apiserver.GetConfigSnapshot200ApplicationoctetStreamResponse{Body: file, ContentLength: size}, nil
}

func changeJSON(c rollout.Change) apiserver.ChangeStatus {
	live, slowest := c.Live()
	out := apiserver.ChangeStatus{
		ChangeId: c.ChangeID, Revision: some(c.Revision), ResourceKind: subject.KindName(c.Kind), ResourceId: c.ResourceID,
		CommittedAt: c.CommittedAt, Live: live, Total: len(c.DataPlanes), SlowestMs: milliseconds(slowest),
		DataPlanes: convert(c.DataPlanes, func(p rollout.Place) apiserver.ChangeOnDataPlane {
			on := apiserver.ChangeOnDataPlane{DataPlaneId: p.DataPlaneID, Live: p.Live, AfterMs: milliseconds(p.After)}
			if p.Refused != nil {
				refused := refusalJSON(*p.Refused)
				on.Refused = &refused
			}
			return on
		}),
	}
	if !c.PublishedAt.IsZero() {
		out.PublishedAt = &c.PublishedAt
	}
	return out
}

func refusalJSON(r rollout.Refusal) apiserver.Refusal {
	return apiserver.Refusal{
		DataPlaneId: r.DataPlaneID, ResourceKind: subject.KindName(r.Kind), ResourceId: r.ResourceID, Revision: r.Revision,
		Path: r.Path, Message: r.Message, ReceivedAt: r.ReceivedAt,
	}
}

func dataPlaneJSON(d rollout.DataPlane, newest int64) apiserver.DataPlane {
	return apiserver.DataPlane{
		Id: d.ID, Epoch: d.Epoch, Version: d.Version, Address: d.Address, StartedAt: d.StartedAt, LastSeenAt: d.LastSeenAt,
		State: apiserver.DataPlaneState(d.State), Revision: d.Revision, Behind: max(0, newest-d.Revision), LagMs: milliseconds(d.Lag),
		Tenants: d.Tenants, ApiKeys: d.APIKeys, InFlight: d.InFlight, SpoolBytes: d.SpoolBytes, SpoolUnconfirmed: d.SpoolUnconfirmed,
		UsageLost: d.UsageLost,
	}
}

func milliseconds(d *time.Duration) *float32 {
	if d == nil {
		return nil
	}
	ms := float32(d.Microseconds()) / 1000
	return &ms
}
