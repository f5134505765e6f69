package provider

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
)

// endpointKey starts with the tenant: connections are never shared between
// tenants, so that no answer can reach the wrong one.
type endpointKey struct{ tenantID, baseURL string }

// Endpoint is a provider's base URL, parsed, with its idle connections.
type Endpoint struct {
	key      endpointKey
	secure   bool
	hostname string
	host     string
	port     uint16
	// start is the request line up to the base path, end what follows the
	// call's path: both are the same for every call.
	start string
	end   string
	// bare is end without what says that JSON is sent.
	bare string
	// sessions is the tenant's own too.
	sessions tls.ClientSessionCache

	mu   sync.Mutex
	idle []*conn // newest last
	used time.Time
}

// Endpoint finds or makes the endpoint of a tenant's base URL. It costs a
// read lock and a map lookup.
func (c *Client) Endpoint(tenantID, baseURL string) (*Endpoint, error) {
	key := endpointKey{tenantID, baseURL}
	c.mu.RLock()
	e := c.endpoints[key]
	c.mu.RUnlock()
	if e != nil {
		return e, nil
	}
	e, err := parseEndpoint(key)
	if err != nil {
		return nil, fault.Newf(fault.TargetBlocked, "The credential's base URL cannot be used: %v.", err)
	}
	e.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.endpoints[key]; other != nil {
		return other, nil
	}
	c.endpoints[key] = e
	return e, nil
}

const contentType = "application/json"

// parseEndpoint takes what the validator of both planes takes.
func parseEndpoint(key endpointKey) (*Endpoint, error) {
	if err := configcheck.CheckBaseURL(key.baseURL); err != nil {
		return nil, err
	}
	u, err := url.Parse(key.baseURL)
	if err != nil {
		return nil, errors.New("is not a URL") // its own text may hold a password
	}
	e := &Endpoint{key: key, secure: u.Scheme == "https", hostname: u.Hostname(), host: u.Host, port: 443}
	if e.secure {
		e.sessions = tls.NewLRUClientSessionCache(8)
	} else {
		e.port = 80
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, errors.New("has no valid port")
		}
		e.port = uint16(n)
	}
	e.start = "POST " + strings.TrimRight(u.EscapedPath(), "/")
	e.end = " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: tollgate\r\nContent-Type: " + contentType + "\r\nAccept-Encoding: identity\r\n"
	e.bare = " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: tollgate\r\nAccept-Encoding: identity\r\n"
	return e, nil
}

// Host is what the header of that name says, for signatures.
func (e *Endpoint) Host() string { return e.host }

// BasePath stands before the path of each call, escaped.
func (e *Endpoint) BasePath() string { return strings.TrimPrefix(e.start, "POST ") }

// ContentType is that of all bodies.
func (e *Endpoint) ContentType() string { return contentType }

// take gives the newest idle connection that is still open, nil when there is
// none.
func (e *Endpoint) take(now time.Time) *conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.used = now
	for n := len(e.idle); n > 0; n = len(e.idle) {
		cn := e.idle[n-1]
		e.idle[n-1] = nil
		e.idle = e.idle[:n-1]
		// Under load a connection rests for less than this and the look at the
		// socket would cost a system call for nothing.
		if now.Sub(cn.rested) > 200*time.Millisecond && !cn.alive() {
			cn.nc.Close()
			continue
		}
		return cn
	}
	return nil
}

func (e *Endpoint) give(cn *conn, most int) {
	cn.rested = time.Now()
	e.mu.Lock()
	if len(e.idle) < most {
		e.idle = append(e.idle, cn)
		cn = nil
	}
	e.mu.Unlock()
	if cn != nil {
		cn.nc.Close()
	}
}

// expire closes connections that rest since before then; it reports whether
// the endpoint has none left.
func (e *Endpoint) expire(then time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	keep := e.idle[:0]
	for _, cn := range e.idle {
		if cn.rested.Before(then) {
			cn.nc.Close()
		} else {
			keep = append(keep, cn)
		}
	}
	clear(e.idle[len(keep):])
	e.idle = keep
	return len(keep) == 0 && e.used.Before(then)
}

func (e *Endpoint) unusedSince(then time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.idle) == 0 && e.used.Before(then)
}

// connect makes a new connection, TLS included, within the call's time.
func (c *Client) connect(call *Call) (*conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), cmp.Or(call.Connect, DefaultConnectTimeout))
	defer stop()
	if err := call.Cancel.dialling(stop); err != nil {
		return nil, err
	}
	defer call.Cancel.dialling(nil)
	e := call.Endpoint
	nc, err := c.dial(ctx, e)
	if err == nil && e.secure {
		nc, err = c.handshake(ctx, e, nc)
	}
	if cause := call.Cancel.Cause(); cause != nil {
		if err == nil {
			nc.Close()
		}
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	return &conn{nc: nc, endpoint: e}, nil
}

func (c *Client) handshake(ctx context.Context, e *Endpoint, raw net.Conn) (net.Conn, error) {
	tc := tls.Client(raw, &tls.Config{
		ServerName:         e.hostname,
		RootCAs:            c.cfg.RootCAs,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: e.sessions,
	})
	if err := tc.HandshakeContext(ctx); err != nil {
		raw.Close()
		if ctx.Err() != nil {
			return nil, fault.New(fault.UpstreamTimeout, "The TLS handshake with the provider was not done in time.", err)
		}
		return nil, fault.New(fault.UpstreamUnreachable, "The TLS handshake with the provider failed.", err)
	}
	return tc, nil
}
