package people

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Name is the name of an account: 1 to 63 of a-z, 0-9, '.', '_', '-' and '@', beginning and ending with a letter or digit. Get one from ParseName.
type Name string

const maxName = 63

// reservedNames would read in the record as somebody else: weir itself, the user that runs it, everybody, nobody.
var reservedNames = []string{"all", "anonymous", "any", "local", "nobody", "none", "postgres", "public", "replication", "root", "system", "unknown", "weir"}

// reservedPrefix begins the names that PostgreSQL keeps for its own roles; clients believe things about them.
const reservedPrefix = "pg_"

// ParseName returns s as a name, or a fault of kind Invalid that does not repeat it: what people type where a name is asked can be a secret.
func ParseName(s string) (Name, error) {
	if !wellFormed(s) {
		return "", fault.New(fault.Invalid, "this is no name for an account", "use 1 to 63 of a-z, 0-9, '.', '_', '-' and '@', beginning and ending with a letter or a digit")
	}
	if slices.Contains(reservedNames, s) || strings.HasPrefix(s, reservedPrefix) {
		return "", fault.New(fault.Invalid, "this name is reserved", "choose the name of the person or the machine that will use it")
	}
	return Name(s), nil
}

func wellFormed(s string) bool {
	if s == "" || len(s) > maxName || !letterOrDigit(s[0]) || !letterOrDigit(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !letterOrDigit(s[i]) && !strings.ContainsRune("._-@", rune(s[i])) {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// Role is what somebody may do. The gate decides what that means for a question; here it is only kept.
type Role string

// The roles.
const (
	Viewer  Role = "viewer"  // metrics
	Analyst Role = "analyst" // metrics, and SELECT over the tables with access: sql
	Admin   Role = "admin"   // people and settings; no data by that
)

// ParseRole returns s as a role, or a fault of kind Invalid.
func ParseRole(s string) (Role, error) {
	if r := Role(s); r.rights() != 0 {
		return r, nil
	}
	return "", fault.New(fault.Invalid, "there is no such role", "the roles are viewer (metrics), analyst (metrics and SQL) and admin (people and settings)")
}

type rights uint8

const (
	rightMetrics rights = 1 << iota
	rightSQL
	rightPeople
)

// rights is zero for what is no role.
func (r Role) rights() rights {
	switch r {
	case Viewer:
		return rightMetrics
	case Analyst:
		return rightMetrics | rightSQL
	case Admin:
		return rightPeople
	}
	return 0
}

// Widens says whether changing the role from one to another gives a right that was not there. An administrator made viewer is widened too: metrics are new to them. A widening takes
// a second person's approval, which is the business of whoever calls SetRole.
func Widens(from, to Role) bool { return to.rights()&^from.rights() != 0 }

// Kind says whether an account is somebody's or a machine's.
type Kind string

// The kinds.
const (
	Person  Kind = "person"
	Service Kind = "service"
)

// ParseKind returns s as a kind, or a fault of kind Invalid.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case Person, Service:
		return k, nil
	}
	return "", fault.New(fault.Invalid, "there is no such kind of account", "an account is a person's or a service's")
}

// Caller is somebody who wants something, by the name they give and the address they come from. It is also who did a change.
type Caller struct {
	Name    string     // as given; only ParseName makes it a Name
	Address netip.Addr // the zero address is this machine's control socket
	Session string     // of the SQL door: what the connection is called in the record; empty otherwise
}

// place is the address as the record shows it.
func (c Caller) place() string {
	if !c.Address.IsValid() {
		return "local"
	}
	return c.Address.Unmap().WithZone("").String()
}

// The widest address ranges that a service may be bound to. Wider ones would bind nothing.
const (
	minBits4 = 8
	minBits6 = 32
)

const maxNetworks = 64

// checkNetworks returns networks masked and in order, or a fault of kind Invalid.
func checkNetworks(networks []netip.Prefix) ([]netip.Prefix, error) {
	if len(networks) > maxNetworks {
		return nil, fault.Newf(fault.Invalid, "%d address ranges are too many", len(networks)).WithHint("name at most %d", maxNetworks)
	}
	out := make([]netip.Prefix, 0, len(networks))
	for _, p := range networks {
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, fault.New(fault.Invalid, "an address range cannot be understood", "write it as 10.1.2.0/24 or 2001:db8:1::/48")
		}
		if p.Addr().Is4() && p.Bits() < minBits4 || p.Addr().Is6() && p.Bits() < minBits6 {
			return nil, fault.Newf(fault.Invalid, "the address range %s is too wide to protect anything", p).WithHint("name the addresses that the machine really has; at most a /%d, or a /%d of IPv6", minBits4, minBits6)
		}
		out = append(out, p.Masked())
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), nil
}

// within says whether the address lies in one of the ranges; without ranges every address does, without an address (the control socket) none.
func within(networks []netip.Prefix, a netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	a = a.Unmap().WithZone("")
	in := false
	for _, p := range networks { // all are looked at: how long it takes does not tell which
		in = p.Contains(a) || in
	}
	return in
}
