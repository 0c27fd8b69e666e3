package people

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

func TestNamesThatAreAndAreNot(t *testing.T) {
	for _, good := range []string{"a", "ana", "ana@example.com", "x-1_2.b", "7", strings.Repeat("a", 63), "admin"} {
		if n, err := ParseName(good); err != nil || string(n) != good {
			t.Errorf("%q: got %q, %v", good, n, err)
		}
	}
	for _, bad := range []string{
		"", strings.Repeat("a", 64), "Ana", "ana ", " ana", "-ana", "ana.", "@", "ana\n", "ana\x00", "än", "a/b", "a:b", "a'b", "root", "weir", "postgres", "pg_read_all_data", "local", "unknown", "../a",
	} {
		_, err := ParseName(bad)
		isKind(t, err, fault.Invalid)
		if len(bad) > 3 && strings.Contains(err.Error(), bad) {
			t.Errorf("the refusal repeats %q", bad)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"ana", "pg_x", "a@b", "", "é", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			if n != "" {
				t.Errorf("%q came with an error", n)
			}
			return
		}
		if string(n) != s || len(s) == 0 || len(s) > 63 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-@") != "" || strings.HasPrefix(s, "pg_") {
			t.Errorf("%q is accepted", s)
		}
	})
}

func TestRolesKindsAndWidening(t *testing.T) {
	for _, s := range []string{"", "owner", "Admin", "viewer ", "superuser"} {
		_, err := ParseRole(s)
		isKind(t, err, fault.Invalid)
		_, err = ParseKind(s)
		isKind(t, err, fault.Invalid)
	}
	for _, c := range []struct {
		from, to Role
		widens   bool
	}{
		{Viewer, Viewer, false},
		{Viewer, Analyst, true},
		{Viewer, Admin, true},
		{Analyst, Viewer, false},
		{Analyst, Admin, true},
		{Admin, Viewer, true}, // an administrator has no data
		{Admin, Analyst, true},
		{Admin, Admin, false},
	} {
		if got := Widens(c.from, c.to); got != c.widens {
			t.Errorf("%s to %s: widens %v", c.from, c.to, got)
		}
	}
}

func TestAddressRangesBind(t *testing.T) {
	for _, wide := range []string{"0.0.0.0/0", "::/0", "10.0.0.0/7", "2001::/16", "::ffff:10.0.0.0/104"} {
		_, err := checkNetworks([]netip.Prefix{netip.MustParsePrefix(wide)})
		isKind(t, err, fault.Invalid)
	}
	networks, err := checkNetworks([]netip.Prefix{netip.MustParsePrefix("10.1.2.3/16"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("10.1.0.0/16")})
	must(t, err)
	if len(networks) != 2 || networks[0].String() != "10.1.0.0/16" {
		t.Errorf("got %v", networks)
	}
	for address, in := range map[string]bool{"10.1.255.1": true, "::ffff:10.1.0.1": true, "10.2.0.1": false, "2001:db8:1:5::1": true, "2001:db8:2::1": false} {
		if within(networks, netip.MustParseAddr(address)) != in {
			t.Errorf("%s: want %v", address, in)
		}
	}
	if within(networks, netip.Addr{}) {
		t.Error("no address lies in a range")
	}
	if !within(nil, netip.Addr{}) {
		t.Error("without ranges everybody is in")
	}
}
