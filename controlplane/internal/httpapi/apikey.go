package httpapi

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/proto/openapi/apiserver"
)

// ListApiKeys lists a tenant's keys, newest first.
func (s *Server) ListApiKeys(ctx context.Context, r apiserver.ListApiKeysRequestObject) (apiserver.ListApiKeysResponseObject, error) {
	before, limit, err := s.window(ctx, r.Params.Cursor, r.Params.Limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.APIKeys.APIKeys(ctx, r.TenantId, before, limit+1)
	if err != nil {
		return nil, err
	}
	rows, more, next := page(ctx, s, rows, limit, func(k apikey.Key) []string { return []string{k.ID} })
	data := convert(rows, func(k apikey.Key) apiserver.ApiKey { return s.apiKeyJSON(k, 0) })
	return apiserver.ListApiKeys200JSONResponse{Data: data, HasMore: more, NextCursor: next}, nil
}

// CreateApiKey makes a key and shows its secret, this once.
func (s *Server) CreateApiKey(ctx context.Context, r apiserver.CreateApiKeyRequestObject) (apiserver.CreateApiKeyResponseObject, error) {
	k, secret, changeID, err := s.APIKeys.Create(ctx, r.TenantId, actor(ctx), apikey.Input{
		Name: &r.Body.Name, ProjectID: value(r.Body.ProjectId), AllowedRoutes: r.Body.AllowedRoutes, ExpiresAt: r.Body.ExpiresAt,
		Rules: rulesOf(r.Body.ParameterRules),
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, k.Version)
	return apiserver.CreateApiKey201JSONResponse(s.apiKeyWithSecretJSON(k, secret, changeID)), nil
}

// GetApiKey shows one.
func (s *Server) GetApiKey(ctx context.Context, r apiserver.GetApiKeyRequestObject) (apiserver.GetApiKeyResponseObject, error) {
	k, err := s.APIKeys.APIKey(ctx, r.TenantId, r.ApiKeyId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, k.Version)
	return apiserver.GetApiKey200JSONResponse(s.apiKeyJSON(k, 0)), nil
}

// UpdateApiKey changes what a key is called, may call, and until when.
func (s *Server) UpdateApiKey(ctx context.Context, r apiserver.UpdateApiKeyRequestObject) (apiserver.UpdateApiKeyResponseObject, error) {
	match, err := ifVersion(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	k, changeID, err := s.APIKeys.Update(ctx, r.TenantId, actor(ctx), r.ApiKeyId, match, apikey.Input{
		Name: r.Body.Name, AllowedRoutes: r.Body.AllowedRoutes, ExpiresAt: r.Body.ExpiresAt, NeverExpires: value(r.Body.NeverExpires),
		Rules: rulesOf(r.Body.ParameterRules),
	})
	if err != nil {
		return nil, err
	}
	setETag(ctx, k.Version)
	return apiserver.UpdateApiKey200JSONResponse(s.apiKeyJSON(k, changeID)), nil
}

// RotateApiKey gives a key a new secret and shows it, this once.
func (s *Server) RotateApiKey(ctx context.Context, r apiserver.RotateApiKeyRequestObject) (apiserver.RotateApiKeyResponseObject, error) {
	overlap := apikey.DefaultOverlap
	if r.Body.OverlapSeconds != nil {
		overlap = time.Duration(*r.Body.OverlapSeconds) * time.Second
	}
	rotated, err := s.APIKeys.Rotate(ctx, r.TenantId, actor(ctx), r.ApiKeyId, overlap)
	if err != nil {
		return nil, err
	}
	setETag(ctx, rotated.Key.Version)
	j := s.apiKeyWithSecretJSON(rotated.Key, rotated.Secret, rotated.ChangeID)
	j.EndedEarly = some(rotated.EndedEarly)
	return apiserver.RotateApiKey200JSONResponse(j), nil
}

// RevokeApiKey refuses a key from now on.
func (s *Server) RevokeApiKey(ctx context.Context, r apiserver.RevokeApiKeyRequestObject) (apiserver.RevokeApiKeyResponseObject, error) {
	k, changeID, err := s.APIKeys.Revoke(ctx, r.TenantId, actor(ctx), r.ApiKeyId)
	if err != nil {
		return nil, err
	}
	setETag(ctx, k.Version)
	return apiserver.RevokeApiKey200JSONResponse(s.apiKeyJSON(k, changeID)), nil
}

func (s *Server) apiKeyJSON(k apikey.Key, changeID int64) apiserver.ApiKey {
	now := s.cfg.Now()
	j := apiserver.ApiKey{
		Id: k.ID, ProjectId: k.ProjectID, Name: k.Name, Hint: k.Hint, Status: apiserver.ApiKeyStatus(k.Status(now)),
		AllowedRoutes: append([]string{}, k.AllowedRoutes...), ParameterRules: rulesJSON(k.Rules),
		ExpiresAt: some(k.ExpiresAt), RevokedAt: some(k.RevokedAt), RotatedAt: some(k.RotatedAt), LastUsedAt: some(k.LastUsedAt),
		Version: k.Version, CreatedAt: k.CreatedAt, ChangeId: some(changeID),
	}
	if k.PreviousValidUntil.After(now) {
		j.PreviousValidUntil = some(k.PreviousValidUntil)
	}
	return j
}

func (s *Server) apiKeyWithSecretJSON(k apikey.Key, secret string, changeID int64) apiserver.ApiKeyWithSecret {
	j := s.apiKeyJSON(k, changeID)
	return apiserver.ApiKeyWithSecret{
		Id: j.Id, ProjectId: j.ProjectId, Name: j.Name, Hint: j.Hint, Status: apiserver.ApiKeyWithSecretStatus(j.Status),
		AllowedRoutes: j.AllowedRoutes, ParameterRules: j.ParameterRules, ExpiresAt: j.ExpiresAt, RevokedAt: j.RevokedAt, RotatedAt: j.RotatedAt,
		LastUsedAt: j.LastUsedAt, PreviousValidUntil: j.PreviousValidUntil, Version: j.Version, CreatedAt: j.CreatedAt,
		ChangeId: j.ChangeId, Secret: secret,
	}
}
