package httpapi

import (
	"context"

	"github.com/tollgate/tollgate/controlplane/internal/credential"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListCredentials lists a tenant's credentials, oldest first.
func (s *Server) ListCredentials(ctx context.Context, r apiserver.ListCredentialsRequestObject) (apiserver.ListCredentialsResponseObject, error) {
	after, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.Credentials.Credentials(ctx, r.TenantId, after, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(c credential.Credential) []string { return []string{c.ID} })
	data := convert(rows, func(c credential.Credential) apiserver.Credential { return credentialJSON(c, 0) })
	return apiserver.ListCredentials200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateCredential stores one.
func (s *Server) CreateCredential(ctx context.Context, r apiserver.CreateCredentialRequestObject) (apiserver.CreateCredentialResponseObject, error) {
	b := r.Body
	c, changeID, err := s.Credentials.Create(ctx, r.TenantId, actor(ctx), b.Provider, credential.Input{
		Name: &b.Name, Dialect: (*string)(b.Dialect), BaseURL: b.BaseUrl, AuthStyle: (*string)(b.AuthStyle), AuthHeader: b.AuthHeader, Secret: b.Secret,
		APIVersion: b.ApiVersion, Region: b.Region,
		ConnectTimeoutMS: b.ConnectTimeoutMs, FirstByteTimeoutMS: b.FirstByteTimeoutMs, IdleTimeoutMS: b.IdleTimeoutMs,
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, c.Version)
	return apiserver.CreateCredential201JSONResponse(credentialJSON(c, changeID)), nil
}

// GetCredential shows one, without its secret.
func (s *Server) GetCredential(ctx context.Context, r apiserver.GetCredentialRequestObject) (apiserver.GetCredentialResponseObject, error) {
	c, err := s.Credentials.Credential(ctx, r.TenantId, r.CredentialId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, c.Version)
	return apiserver.GetCredential200JSONResponse(credentialJSON(c, 0)), nil
}

// UpdateCredential changes one.
func (s *Server) UpdateCredential(ctx context.Context, r apiserver.UpdateCredentialRequestObject) (apiserver.UpdateCredentialResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	b := r.Body
	c, changeID, err := s.Credentials.Update(ctx, r.TenantId, actor(ctx), r.CredentialId, match, credential.Input{
		Name: b.Name, Dialect: (*string)(b.Dialect), BaseURL: b.BaseUrl, AuthStyle: (*string)(b.AuthStyle), AuthHeader: b.AuthHeader, Secret: b.Secret,
		APIVersion: b.ApiVersion, Region: b.Region,
		ConnectTimeoutMS: b.ConnectTimeoutMs, FirstByteTimeoutMS: b.FirstByteTimeoutMs, IdleTimeoutMS: b.IdleTimeoutMs,
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, c.Version)
	return apiserver.UpdateCredential200JSONResponse(credentialJSON(c, changeID)), nil
}

// DeleteCredential removes one that no model uses.
func (s *Server) DeleteCredential(ctx context.Context, r apiserver.DeleteCredentialRequestObject) (apiserver.DeleteCredentialResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changeID, err := s.Credentials.DeleteCredential(ctx, r.TenantId, actor(ctx), r.CredentialId, match)
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteCredential200JSONResponse{Id: r.CredentialId, ChangeId: some(changeID)}, nil
}

func credentialJSON(c credential.Credential, changeID int64) apiserver.Credential {
	return apiserver.Credential{
		Id: c.ID, Name: c.Name, Provider: c.Provider, Dialect: apiserver.Dialect(c.Dialect), BaseUrl: c.BaseURL, AuthStyle: apiserver.AuthStyle(c.AuthStyle),
		AuthHeader: c.AuthHeader, ApiVersion: c.APIVersion, Region: c.Region, SecretHint: c.SecretHint, ConnectTimeoutMs: c.ConnectTimeoutMS,
		FirstByteTimeoutMs: c.FirstByteTimeoutMS, IdleTimeoutMs: c.IdleTimeoutMS, Version: c.Version, CreatedAt: c.CreatedAt,
		ChangeId: some(changeID),
	}
}
