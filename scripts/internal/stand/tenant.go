package stand

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Tenant is a tenant that can call the fake provider.
type Tenant struct {
	ID, Slug string
	// Key calls models, API the control plane as the tenant's owner.
	Key   string
	KeyID string
	API   *API
	// CredentialID and ModelID are those of the fake provider.
	CredentialID, ModelID string
}

// Route is the model name under which tenants call the fake provider.
const Route = "fake"

// ProviderSecret is the key that the fake provider is called with.
const ProviderSecret = "sk-fake-provider-secret-0123456789"

type changed struct {
	ID       string `json:"id"`
	ChangeID int64  `json:"change_id"`
}

// NewTenant signs a tenant up, gives it a credential, a priced model and a
// route to the provider, and waits until all running data planes have them.
func (s *Stand) NewTenant(ctx context.Context, name string) (*Tenant, error) {
	var up struct {
		Tenant  struct{ ID, Slug string }
		Session struct{ Token string }
		APIKey  struct{ ID, Secret string } `json:"api_key"`
	}
	anonymous := s.API.As("")
	if err := anonymous.Do(ctx, "POST", "/v1/signup", map[string]any{
		"tenant_name": name, "email": name + "@tollgate.test", "password": "a long enough password",
	}, &up); err != nil {
		return nil, fmt.Errorf("sign up %s: %w", name, err)
	}
	t := &Tenant{ID: up.Tenant.ID, Slug: up.Tenant.Slug, Key: up.APIKey.Secret, KeyID: up.APIKey.ID, API: s.API.As(up.Session.Token)}
	var credential, model changed
	if err := t.API.Do(ctx, "POST", t.Path("/credentials"), map[string]any{
		"name": "fake", "provider": "custom", "base_url": s.providerURL, "secret": ProviderSecret,
	}, &credential); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", name, err)
	}
	if err := t.API.Do(ctx, "POST", t.Path("/models"), map[string]any{
		"credential_id": credential.ID, "provider_model": "fake-model", "route_name": Route,
		"price": map[string]any{"input": "0.15", "output": "0.6"},
	}, &model); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", name, err)
	}
	t.CredentialID, t.ModelID = credential.ID, model.ID
	return t, s.AwaitLive(ctx, t, model.ChangeID)
}

// Path is a path below the tenant.
func (t *Tenant) Path(rest string) string { return "/v1/tenants/" + t.ID + rest }

// ChangeStatus is how far a change has come.
type ChangeStatus struct {
	Live       int     `json:"live"`
	Total      int     `json:"total"`
	SlowestMS  float64 `json:"slowest_ms"`
	DataPlanes []struct {
		ID      string  `json:"data_plane_id"`
		Live    bool    `json:"live"`
		AfterMS float64 `json:"after_ms"`
	} `json:"data_planes"`
}

// Change reads how far a change has come.
func (t *Tenant) Change(ctx context.Context, id int64) (c ChangeStatus, err error) {
	err = t.API.Do(ctx, "GET", t.Path(fmt.Sprintf("/config/changes/%d", id)), nil, &c)
	return c, err
}

// AwaitLive waits until a change is live on every data plane that runs.
func (s *Stand) AwaitLive(ctx context.Context, t *Tenant, change int64) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		running := 0
		for _, p := range s.Planes {
			if p.Running() {
				running++
			}
		}
		c, err := t.Change(ctx, change)
		if err == nil && c.Live >= running {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("change %d of tenant %s: live on %d of %d data planes, want %d: %w (%v)", change, t.ID, c.Live, c.Total, running, ctx.Err(), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Call sends one chat request to a data plane and returns the open response.
func (t *Tenant) Call(ctx context.Context, addr string, body []byte) (*http.Response, error) {
	return Post(ctx, "http://"+addr+"/v1/chat/completions", t.Key, body)
}
