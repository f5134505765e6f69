package httpapi

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListAudit lists what was changed in a tenant, newest first.
func (s *Server) ListAudit(ctx context.Context, r apiserver.ListAuditRequestObject) (apiserver.ListAuditResponseObject, error) {
	p, err := s.auditPage(ctx, r.TenantId, r.Params.Cursor, r.Params.Limit)
	return apiserver.ListAudit200JSONResponse(p), err
}

// ListOperatorAudit lists what operators changed, newest first.
func (s *Server) ListOperatorAudit(ctx context.Context, r apiserver.ListOperatorAuditRequestObject) (apiserver.ListOperatorAuditResponseObject, error) {
	p, err := s.auditPage(ctx, "", r.Params.Cursor, r.Params.Limit)
	return apiserver.ListOperatorAudit200JSONResponse(p), err
}

func (s *Server) auditPage(ctx context.Context, tenantID string, cursor *string, limit *int) (apiserver.AuditPage, error) {
	position, size, err := s.window(ctx, cursor, limit)
	if err != nil {
		return apiserver.AuditPage{}, err
	}
	var before int64
	if position != "" {
		// Cursors are authenticated: this is a number that we wrote.
		if before, err = strconv.ParseInt(position, 10, 64); err != nil {
			return apiserver.AuditPage{}, err
		}
	}
	rows, err := s.Audit.AuditEntries(ctx, tenantID, before, size+1)
	if err != nil {
		return apiserver.AuditPage{}, err
	}
	rows, more, next := page(ctx, s, rows, size, func(e audit.Entry) []string { return []string{strconv.FormatInt(e.Seq, 10)} })
	return apiserver.AuditPage{Data: convert(rows, auditJSON), HasMore: more, NextCursor: next}, nil
}

func auditJSON(e audit.Entry) apiserver.AuditEntry {
	return apiserver.AuditEntry{
		Seq: e.Seq, At: e.At, ActorKind: e.Actor.Kind, ActorId: e.Actor.ID, ActorName: e.Actor.Name, Action: e.Action,
		ResourceKind: e.ResourceKind, ResourceId: e.ResourceID, RequestId: e.Actor.RequestID, ClientIp: e.Actor.ClientIP,
		Detail: e.Detail, Hash: hex.EncodeToString(e.Hash),
	}
}
