// Package provider owns how this data plane talks to model providers: a lean
// HTTP/1.1 client over pools of connections, the guard that keeps
// tenant-given addresses away from private networks, and the strict reading of
// answers. It must not know what bodies mean (package dialect), nor routes,
// tenants' policies or callers.
//
// net/http's client costs about as much as all the rest of a proxied request,
// because it joins two goroutines per connection. Here the goroutine of the
// request writes and reads itself; another one can end the call through Cancel.
package provider

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tollgate/tollgate/dataplane/internal/buffer"
)

// Defaults of Config and of Call.
const (
	DefaultConnectTimeout   = 10 * time.Second
	DefaultFirstByteTimeout = 5 * time.Minute
	DefaultIdleTimeout      = time.Minute
	defaultKeep             = 90 * time.Second
	// idlePerEndpoint is how many idle connections are kept for one endpoint.
	idlePerEndpoint = 512
)

// Config of a Client. The zero value works and reaches public https addresses.
type Config struct {
	// Allowed are networks that may be reached though they are private or
	// loopback, and to which plain http may be spoken.
	Allowed []netip.Prefix
	// RootCAs verify providers; nil means those of the system.
	RootCAs *x509.CertPool
	// Keep is how long an idle connection is kept; 0 means 90 seconds.
	Keep time.Duration
	// Lookup resolves names; nil means the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Buffers are shared with the rest of the request path; nil makes its own.
	Buffers *buffer.Pool
}

// Client calls providers. It is safe for concurrent use.
type Client struct {
	cfg Config

	mu        sync.RWMutex
	endpoints map[endpointKey]*Endpoint
}

// New makes a client.
func New(cfg Config) *Client {
	if cfg.Keep <= 0 {
		cfg.Keep = defaultKeep
	}
	if cfg.Lookup == nil {
		cfg.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if cfg.Buffers == nil {
		cfg.Buffers = new(buffer.Pool)
	}
	return &Client{
		cfg:       cfg,
		endpoints: make(map[endpointKey]*Endpoint),
	}
}

// Run closes connections that were idle for too long, until ctx ends; then it
// closes all idle ones.
func (c *Client) Run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Keep / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.sweep(time.Now().Add(c.cfg.Keep * 2))
			return nil
		case now := <-tick.C:
			c.sweep(now)
		}
	}
}

// sweep closes what has been idle since before now - Keep and forgets
// endpoints without connections.
func (c *Client) sweep(now time.Time) {
	c.mu.RLock()
	all := make([]*Endpoint, 0, len(c.endpoints))
	for _, e := range c.endpoints {
		all = append(all, e)
	}
	c.mu.RUnlock()
	var unused []*Endpoint
	for _, e := range all {
		if e.expire(now.Add(-c.cfg.Keep)) {
			unused = append(unused, e)
		}
	}
	if len(unused) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range unused {
		// A call that holds e still works: its connection is closed when given
		// back, or swept with the endpoint that takes e's place.
		if e.unusedSince(now.Add(-c.cfg.Keep)) {
			delete(c.endpoints, e.key)
		}
	}
}

// Call is one request to a provider.
type Call struct {
	Endpoint *Endpoint
	// Path after the endpoint's own, for example "/chat/completions", and its
	// query.
	Path string
	// Headers are complete lines, each with its end, of harmless values.
	Headers string
	// AuthName is the header that carries the secret; empty sends none.
	AuthName string
	// AuthScheme stands before the secret, for example "Bearer ".
	AuthScheme string
	Secret     string
	// Traceparent is passed on when set.
	Traceparent string
	// Body in pieces, written in order.
	Body [][]byte
	// Carry is set when the body is sent as it arrives, or when method, headers
	// and answer are not those of a call with JSON.
	Carry *Carry
	// Stream says that events are awaited: it chooses buffer sizes and, unless
	// Accept says another, the content type to ask for.
	Stream bool
	Accept string
	// Timeouts; 0 means the default.
	Connect, FirstByte, Idle time.Duration
	// BeforeWait is called in the body before each wait for the network: the
	// moment to pass on what is there. An error of it ends the body.
	BeforeWait func() error
	// Cancel ends the call from outside.
	Cancel *Cancel
	// Sent is set by Do once the provider may have read the request.
	Sent bool
}

func (c *Call) size() (n int) {
	for _, p := range c.Body {
		n += len(p)
	}
	return n
}
