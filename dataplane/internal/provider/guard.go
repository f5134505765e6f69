package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/network"
)

func (c *Client) allowed(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range c.cfg.Allowed {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// permit says whether this address may be dialled. Plain http would show the
// credential to the network, so it stays within the allowed ones.
func (c *Client) permit(a netip.Addr, secure bool) bool {
	return c.allowed(a) || (secure && !network.Forbidden(a))
}

// dial resolves the endpoint's host, checks each address and dials exactly
// one that passed: a name that resolves differently a moment later changes
// nothing. It costs a goroutine's wait and runs only when no idle connection
// is at hand.
func (c *Client) dial(ctx context.Context, e *Endpoint) (net.Conn, error) {
	addrs, err := c.resolve(ctx, e.hostname)
	if err != nil {
		return nil, fault.New(fault.UpstreamUnreachable, "", fmt.Errorf("resolve %s: %w", e.hostname, err))
	}
	var last error
	tried := 0
	for i, a := range addrs {
		if !c.permit(a, e.secure) {
			continue
		}
		tried++
		nc, err := dialOne(ctx, netip.AddrPortFrom(a.Unmap(), e.port), len(addrs)-i)
		if err == nil {
			return nc, nil
		}
		last = err
	}
	if tried == 0 {
		return nil, fault.New(fault.TargetBlocked, "", fmt.Errorf("dial %s: no permitted address among %v (tls %t)", e.hostname, addrs, e.secure))
	}
	if isTimeout(last) || ctx.Err() != nil {
		return nil, fault.New(fault.UpstreamTimeout, "The connection to the provider was not made in time.", last)
	}
	return nil, fault.New(fault.UpstreamUnreachable, "", last)
}

func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := c.cfg.Lookup(ctx, host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no addresses")
	}
	return addrs, err
}

// dialOne gives an address its share of the time that is left, so that one
// dead address does not use up all of it.
func dialOne(ctx context.Context, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", to.String())
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// Dial makes a connection for another client than this one, under the same
// rules; secure ones have TLS on them. With ownOnly it reaches the allowed
// networks and no others.
func (c *Client) Dial(ctx context.Context, address string, secure, ownOnly bool) (net.Conn, error) {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	e, err := parseEndpoint(endpointKey{baseURL: scheme + address})
	if err != nil {
		return nil, fault.New(fault.TargetBlocked, "", fmt.Errorf("dial %s: %w", address, err))
	}
	if ownOnly {
		e.secure = false
	}
	nc, err := c.dial(ctx, e)
	if err == nil && secure {
		nc, err = c.handshake(ctx, e, nc)
	}
	return nc, err
}
