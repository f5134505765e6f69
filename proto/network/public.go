package network

import "net/netip"

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
