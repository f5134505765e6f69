// Package control owns the way to the control plane: one pooled connection to
// its API, deadlines that tell a slow control plane from a dead one, and the
// errors that pages are made from. It must not know of pages.
package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

const (
	// After patience without an answer the control plane is asked whether it
	// lives; when it does not say so within probeTime the call is given up.
	// Together they stay below the two seconds in which a page must appear.
	patience  = 800 * time.Millisecond
	probeTime = 600 * time.Millisecond
	// callTime bounds a call of a control plane that lives but is slow.
	callTime = 20 * time.Second
)

// Plane is the control plane as the portal reaches it.
type Plane struct {
	url    string
	key    string
	client *http.Client
}

// Caller is in whose name a call is made.
type Caller struct {
	// Session is the person's session secret; empty before sign-in.
	Session string
	// RequestID goes along, so that one id finds both access logs.
	RequestID string
	// ClientIP is the browser's address, for the audit log and the brake on
	// guessing.
	ClientIP string
}

// New makes a Plane for the API at url. By key the control plane knows the
// portal; without one it may know it by its address.
func New(url, key string) *Plane {
	dialer := &net.Dialer{Timeout: time.Second, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConns:        64,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
		TLSHandshakeTimeout: time.Second,
	}
	return &Plane{url: url, key: key, client: &http.Client{Transport: &watchful{next: transport, livez: url + "/livez"}}}
}

// For gives the API's client for one caller.
func (p *Plane) For(c Caller) (*apiclient.ClientWithResponses, error) {
	edit := func(_ context.Context, r *http.Request) error {
		if c.Session != "" {
			r.Header.Set("Authorization", "Bearer "+c.Session)
		}
		if c.RequestID != "" {
			r.Header.Set("X-Request-Id", c.RequestID)
		}
		if c.ClientIP != "" {
			r.Header.Set("X-Forwarded-For", c.ClientIP)
			if p.key != "" {
				r.Header.Set(network.PortalKey, p.key)
			}
		}
		return nil
	}
	client, err := apiclient.NewClientWithResponses(p.url, apiclient.WithHTTPClient(p.client), apiclient.WithRequestEditorFn(edit))
	if err != nil {
		return nil, fmt.Errorf("control: client for %s: %w", p.url, err)
	}
	return client, nil
}

// errSilent is the cause when the control plane neither answers nor lives.
var errSilent = errors.New("the control plane does not answer")

// watchful gives up on a control plane that hangs, yet waits for one that is
// merely slow: a fixed short deadline would turn load into error pages, a long
// one would let people stare at nothing.
type watchful struct {
	next  http.RoundTripper
	livez string
}

func (t *watchful) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	var answered atomic.Bool
	timer := time.AfterFunc(patience, func() {
		if !t.alive(ctx) && !answered.Load() {
			cancel(errSilent)
		}
	})
	limit := time.AfterFunc(callTime, func() { cancel(context.DeadlineExceeded) })
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
	answered.Store(true)
	timer.Stop()
	if err != nil {
		limit.Stop()
		if cause := context.Cause(ctx); cause != nil && r.Context().Err() == nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &endingBody{ReadCloser: resp.Body, end: func() { limit.Stop(); cancel(nil) }}
	return resp, nil
}

func (t *watchful) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.livez, nil)
	if err != nil {
		return false
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
