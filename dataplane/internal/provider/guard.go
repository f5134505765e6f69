package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/tollgate/tollgate/proto/fault"
)

// forbidden are the networks that a tenant-given address must not lead to,
// beyond what netip tells by itself.
var forbidden = prefixes(
	"0.0.0.0/8",        // "this" network
	"100.64.0.0/10",    // carrier-grade NAT; holds a cloud's metadata address too
	"168.63.129.16/32", // a cloud's host services
	"192.0.0.0/24",     // protocol assignments, one cloud's metadata
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"240.0.0.0/4",      // reserved, broadcast
	"::/96",            // unspecified, loopback, IPv4-compatible
	"64:ff9b:1::/48",   // local NAT64
	"100::/64",         // discard
	"2001::/23",        // Teredo and other protocol assignments
	"2001:db8::/32",    // documentation
	"3fff::/20",        // documentation
	"5f00::/16",        // segment routing
	"fec0::/10",        // old site-local
	"::ffff:0:0:0/96",  // IPv4-translated
)

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

func prefixes(s ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(s))
	for i, p := range s {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Forbidden reports whether an address is not one of the public internet, in
// whatever form it is written.
func Forbidden(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return true
	}
	a = a.Unmap()
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() ||
		a.IsInterfaceLocalMulticast() || a.IsUnspecified() || !a.IsGlobalUnicast() {
		return true
	}
	for _, p := range forbidden {
		if p.Contains(a) {
			return true
		}
	}
	// Addresses that carry an IPv4 address inside lead to that one.
	b := a.As16()
	if a.Is6() && nat64.Contains(a) {
		return Forbidden(netip.AddrFrom4([4]byte(b[12:16])))
	}
	if a.Is6() && sixToFour.Contains(a) {
		return Forbidden(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return false
}

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
	return c.allowed(a) || (secure && !Forbidden(a))
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
