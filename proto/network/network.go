// Package network owns lists of networks as operators write them, which
// addresses are none of the public internet, and the answer to who a request
// came from when proxies stand in between. It must not know what the lists are
// for, nor HTTP beyond two headers.
package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// PortalKey is the header in which the portal sends the control plane the key
// that they share, which makes it a proxy wherever it stands.
const PortalKey = "Tollgate-Portal-Key"

// ValidPortalKey reports whether a key is long enough not to be guessed, and
// can stand in a header as it is.
func ValidPortalKey(key string) bool {
	for _, c := range []byte(key) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(key) >= 16
}

// List is some networks; an empty one contains nobody.
type List []netip.Prefix

// Parse reads networks and single addresses, separated by commas.
func Parse(text string) (List, error) {
	var out List
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		p, err := prefix(s)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/8", s)
		}
		out = append(out, p)
	}
	return out, nil
}

func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	// ::ffff:10.0.0.0/104 is 10.0.0.0/8: addresses are compared without the map.
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

// Contains reports whether an address lies in one of the networks.
func (l List) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Client is who a request came from: the peer at remoteAddr (host:port),
// unless that is a proxy of the list. forwarded is X-Forwarded-For, line by
// line. It is read from its end, where the nearest proxy wrote: each proxy of
// the list vouches for the entry before its own, and what is further left
// anybody may have made up.
func (l List) Client(remoteAddr string, forwarded []string) string {
	host := host(remoteAddr)
	// Most installations trust nobody, and pay nothing here.
	if len(l) == 0 || len(forwarded) == 0 {
		return host
	}
	if peer, err := netip.ParseAddr(host); err != nil || !l.Contains(peer) {
		return host
	}
	return l.Behind(remoteAddr, forwarded)
}

// Behind is Client for a peer that is known to be a proxy by other means than
// its address.
func (l List) Behind(remoteAddr string, forwarded []string) string {
	client := host(remoteAddr)
	for i := len(forwarded) - 1; i >= 0; i-- {
		for rest, more := forwarded[i], true; more; {
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				entry, more = rest, false
			}
			a, ok := address(strings.TrimSpace(entry))
			if !ok {
				return client
			}
			client = a.String()
			if !l.Contains(a) {
				return client
			}
		}
	}
	return client
}

// address reads an entry: an address, which some proxies write with a port. A
// zone means nothing to others, and may be any text.
func address(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			a = ap.Addr()
		} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
			a, err = netip.ParseAddr(s[1 : len(s)-1])
		}
	}
	return a.Unmap(), err == nil && a.Zone() == ""
}

// host is what stands before the port.
func host(addr string) string {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr
	}
	return strings.Trim(addr[:i], "[]")
}
