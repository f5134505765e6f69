package network_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/proto/network"
)

func list(t testing.TB, text string) network.List {
	t.Helper()
	l, err := network.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestParse(t *testing.T) {
	l := list(t, " 10.1.2.3/8, 192.0.2.7 ,,2001:db8::1/32,::1, ::ffff:172.16.0.0/108")
	for a, in := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "192.0.2.7": true, "192.0.2.8": false, "::ffff:10.0.0.1": true,
		"2001:db8:ffff::1": true, "2001:db9::1": false, "::1": true, "::2": false, "172.31.0.1": true, "172.32.0.1": false,
	} {
		if l.Contains(netip.MustParseAddr(a)) != in {
			t.Errorf("%s in the list: %v", a, !in)
		}
	}
	for _, bad := range []string{"10.0.0.0/33", "loopback", "10.0.0.1-10.0.0.9", "*", "10.0.0.0/8;192.0.2.1"} {
		if l, err := network.Parse("192.0.2.1," + bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v, %v", bad, l, err)
		}
	}
	if l := list(t, " , "); l != nil {
		t.Errorf("nothing is %v", l)
	}
}

func TestClient(t *testing.T) {
	const trusted = "10.0.0.0/8,::1,192.0.2.1,fe80::/10"
	for name, c := range map[string]struct {
		trusted, peer string
		forwarded     []string
		want          string
	}{
		"nobody is trusted":          {"", "127.0.0.1:80", []string{"203.0.113.9"}, "127.0.0.1"},
		"a stranger is not believed": {trusted, "198.51.100.1:80", []string{"203.0.113.9"}, "198.51.100.1"},
		"no header":                  {trusted, "10.0.0.1:80", nil, "10.0.0.1"},
		"one proxy":                  {trusted, "10.0.0.1:80", []string{"203.0.113.9"}, "203.0.113.9"},
		"two proxies":                {trusted, "10.0.0.1:80", []string{"203.0.113.9, 192.0.2.1"}, "203.0.113.9"},
		"what the client made up":    {trusted, "10.0.0.1:80", []string{"10.9.9.9, 1.2.3.4, 203.0.113.9,10.0.0.2"}, "203.0.113.9"},
		"several lines":              {trusted, "10.0.0.1:80", []string{"1.2.3.4, 203.0.113.9", "10.0.0.3", "10.0.0.2"}, "203.0.113.9"},
		"trusted all the way":        {trusted, "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"malformed at once":          {trusted, "10.0.0.1:80", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"malformed further left":     {trusted, "10.0.0.1:80", []string{"203.0.113.9, <script>, 10.0.0.2"}, "10.0.0.2"},
		"empty entry":                {trusted, "10.0.0.1:80", []string{"203.0.113.9,"}, "10.0.0.1"},
		"empty header":               {trusted, "10.0.0.1:80", []string{""}, "10.0.0.1"},
		"with a port":                {trusted, "10.0.0.1:80", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"v6":                         {trusted, "[::1]:80", []string{"2001:DB8:0::1"}, "2001:db8::1"},
		"v6 in brackets":             {trusted, "[::1]:80", []string{"[2001:db8::1], [::1]:99"}, "2001:db8::1"},
		"v6 peer with a zone":        {trusted, "[fe80::1%eth0]:80", []string{"203.0.113.9"}, "203.0.113.9"},
		"a zone is any text":         {trusted, "[::1]:80", []string{"fe80::1%x y"}, "::1"},
		"mapped":                     {trusted, "[::ffff:10.0.0.1]:80", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"no address at all":          {trusted, "@", []string{"203.0.113.9"}, "@"},
	} {
		if got := list(t, c.trusted).Client(c.peer, c.forwarded); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	// A peer known otherwise vouches for one entry, though no address is trusted.
	if got := (network.List)(nil).Behind("127.0.0.1:80", []string{"1.2.3.4, 203.0.113.9"}); got != "203.0.113.9" {
		t.Errorf("behind a known proxy: %s", got)
	}
}

func TestPortalKeys(t *testing.T) {
	for key, valid := range map[string]bool{
		"": false, "short": false, "0123456789abcde": false, "0123456789abcdef": true, "0123456789ABCDEFG": true,
		"0123456789 abcdef": false, "0123456789abcdef\n": false, "0123456789abcdéfg": false,
	} {
		if network.ValidPortalKey(key) != valid {
			t.Errorf("%q valid: %v", key, !valid)
		}
	}
}

func TestClientCostsNothingWhenNobodyIsTrusted(t *testing.T) {
	forwarded := []string{"203.0.113.9, 10.0.0.2"}
	if n := testing.AllocsPerRun(100, func() { network.List(nil).Client("127.0.0.1:80", forwarded) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is sent, the client is the peer or an address that stands in the
// header, and to the right of it are proxies of the list only.
func FuzzClient(f *testing.F) {
	f.Add("10.0.0.1:80", "203.0.113.9, 10.0.0.2", "10.0.0.3")
	f.Add("[::1]:80", "[2001:db8::1]:4, ::ffff:10.0.0.1", "")
	f.Add("10.0.0.1:80", ",,", "fe80::1%a,b")
	l, err := network.Parse("10.0.0.0/8,::1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, peer, one, two string) {
		bare := network.List(nil).Client(peer, nil)
		got := l.Client(peer, []string{one, two})
		if got == bare {
			return
		}
		a, err := netip.ParseAddr(got)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			t.Fatalf("the client is %q", got)
		}
		if p, err := netip.ParseAddr(bare); err != nil || !l.Contains(p) {
			t.Fatalf("%q is believed", peer)
		}
		// An address to the left of the client changes nothing.
		if again := l.Client(peer, []string{"1.2.3.4", one, two}); again != got && !l.Contains(a) {
			t.Fatalf("%q, with something made up in front %q", got, again)
		}
	})
}
