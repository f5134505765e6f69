package allinone

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// DemoTenant is the slug of the tenant that every installation begins with.
const DemoTenant = "demo"

// ensureDemo makes the demo tenant and its key through the control plane's
// API, once; the key is kept, since its secret is shown only then.
func ensureDemo(ctx context.Context, apiURL string, s *secrets) error {
	if s.kept.DemoAPIKey != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := apiclient.NewClientWithResponses(apiURL)
	if err != nil {
		return fmt.Errorf("make the demo tenant: %w", err)
	}
	slug, name := DemoTenant, "Demo"
	operator := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+s.kept.ManagementKey)
		return nil
	}
	// As the operator, because sign-up may be closed to strangers.
	res, err := c.CreateTenantWithResponse(ctx, &apiclient.CreateTenantParams{IdempotencyKey: &s.kept.DemoSignUp}, apiclient.TenantCreate{
		TenantName: "Demo", Slug: &slug, Name: &name, Email: s.kept.DemoEmail, Password: &s.kept.DemoPassword,
	}, operator)
	if err != nil {
		return fmt.Errorf("make the demo tenant: %w", err)
	}
	// A conflict says that it exists, and that its key was lost before it was
	// on the disk.
	if res.JSON201 == nil && res.StatusCode() != http.StatusConflict {
		return fmt.Errorf("make the demo tenant: the control plane answered %s: %s", res.Status(), res.Body)
	}
	return makeDemoKey(ctx, c, s)
}

func makeDemoKey(ctx context.Context, c *apiclient.ClientWithResponses, s *secrets) error {
	in, err := c.SignInWithResponse(ctx, apiclient.SignIn{Email: s.kept.DemoEmail, Password: s.kept.DemoPassword})
	if err != nil {
		return fmt.Errorf("sign in to the demo tenant: %w", err)
	}
	if in.JSON201 == nil {
		return fmt.Errorf("the database has a demo tenant that this data directory did not make (sign-in answered %s): "+
			"use the data directory that belongs to the database", in.Status())
	}
	bearer := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+in.JSON201.Token)
		return nil
	}
	me, err := c.GetMeWithResponse(ctx, bearer)
	if err != nil {
		return fmt.Errorf("look up the demo tenant: %w", err)
	}
	if me.JSON200 == nil || len(me.JSON200.Memberships) == 0 {
		return fmt.Errorf("look up the demo tenant: the control plane answered %s", me.Status())
	}
	tenant := me.JSON200.Memberships[0].TenantId
	key, err := c.CreateApiKeyWithResponse(ctx, tenant, nil, apiclient.ApiKeyCreate{Name: "Demo"}, bearer)
	if err != nil {
		return fmt.Errorf("make the demo key: %w", err)
	}
	if key.JSON201 == nil {
		return fmt.Errorf("make the demo key: the control plane answered %s: %s", key.Status(), key.Body)
	}
	return keepDemo(s, key.JSON201)
}

// keepDemo notes the key, and the change that brings it to the data plane.
func keepDemo(s *secrets, key *apiclient.ApiKeyWithSecret) error {
	s.kept.DemoAPIKey, s.kept.DemoChange = key.Secret, 0
	if key.ChangeId != nil {
		s.kept.DemoChange = *key.ChangeId
	}
	return s.save()
}
