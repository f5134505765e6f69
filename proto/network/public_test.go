package network_test

import (
	"net/netip"
	"testing"

	"github.com/tollgate/tollgate/proto/network"
)

func TestForbidden(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "100.64.0.1", "0.0.0.0", "0.1.2.3",
		"224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1", "168.63.129.16",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "2001::1", "100::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"2002:7f00:1::", "2002:a9fe:a9fe::1", "::ffff:0:127.0.0.1",
	} {
		if !network.Forbidden(netip.MustParseAddr(s)) {
			t.Errorf("%s gets through", s)
		}
	}
	for _, s := range []string{"8.8.8.8", "1.1.1.1", "104.18.6.192", "2606:4700::6810:84e5", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"} {
		if network.Forbidden(netip.MustParseAddr(s)) {
			t.Errorf("%s is blocked", s)
		}
	}
}

// No form of an address that is not public gets through.
func FuzzForbidden(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fe80::1", "8.8.8.8"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		u := a.Unmap()
		if !network.Forbidden(a) && (u.IsLoopback() || u.IsPrivate() || u.IsLinkLocalUnicast() || u.IsUnspecified() || u.IsMulticast()) {
			t.Fatalf("%v gets through", a)
		}
		if u.Is4() {
			for _, prefix := range []string{"64:ff9b::", "::ffff:0:0"} {
				m := netip.MustParseAddr(prefix).As16()
				v4 := u.As4()
				copy(m[12:], v4[:])
				if network.Forbidden(u) && !network.Forbidden(netip.AddrFrom16(m)) {
					t.Fatalf("%v gets through as %v", u, netip.AddrFrom16(m))
				}
			}
		}
	})
}
