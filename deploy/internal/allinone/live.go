package allinone

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

// waitUntilLive returns when the data plane has the demo key, so that the call
// on the start page works for who copies it at once. It asks for revisions and
// not with the key: what a key asks stands in the tenant's requests.
func waitUntilLive(ctx context.Context, apiURL, gatewayURL string, s *secrets) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, err := apiclient.NewClientWithResponses(apiURL, apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+s.kept.ManagementKey)
		return nil
	}))
	if err != nil {
		return fmt.Errorf("wait for the demo key: %w", err)
	}
	var wanted int64
	err = poll(ctx, func() (done bool, err error) {
		wanted, done, err = wantedRevision(ctx, c, s.kept.DemoChange)
		return done, err
	})
	if err != nil {
		return fmt.Errorf("the control plane does not publish the demo key: %w", err)
	}
	err = poll(ctx, func() (bool, error) {
		has, err := liveRevision(ctx, gatewayURL)
		if err == nil && has < wanted {
			err = fmt.Errorf("it has revision %d of the config and needs %d", has, wanted)
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("the data plane does not have the demo key: %w", err)
	}
	return nil
}

// wantedRevision is that of the change which made the demo key; the newest
// there is when the change was so long ago that it is forgotten. It is known
// when the publisher has numbered the change.
func wantedRevision(ctx context.Context, c *apiclient.ClientWithResponses, change int64) (revision int64, known bool, err error) {
	if change != 0 {
		res, err := c.GetChangeWithResponse(ctx, DemoTenant, change)
		switch {
		case err != nil:
			return 0, false, err
		case res.JSON200 != nil && res.JSON200.Revision != nil:
			return *res.JSON200.Revision, true, nil
		case res.JSON200 != nil:
			return 0, false, fmt.Errorf("change %d has no revision yet", change)
		case res.StatusCode() != http.StatusNotFound:
			return 0, false, fmt.Errorf("the control plane answered %s: %s", res.Status(), res.Body)
		}
	}
	res, err := c.ListDataPlanesWithResponse(ctx)
	if err != nil {
		return 0, false, err
	}
	if res.JSON200 == nil {
		return 0, false, fmt.Errorf("the control plane answered %s: %s", res.Status(), res.Body)
	}
	return res.JSON200.NewestRevision, true, nil
}

// liveRevision asks a data plane what it serves with.
func liveRevision(ctx context.Context, gatewayURL string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gatewayURL+"/readyz", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var ready struct {
		Reason         string
		ConfigRevision int64 `json:"config_revision"`
	}
	if err := json.NewDecoder(res.Body).Decode(&ready); err != nil {
		return 0, fmt.Errorf("/readyz: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("/readyz answered %s: %s", res.Status, ready.Reason)
	}
	return ready.ConfigRevision, nil
}

// poll asks until it is done, or ctx ends; then the last answer is the reason.
func poll(ctx context.Context, try func() (done bool, err error)) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		done, err := try()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}
