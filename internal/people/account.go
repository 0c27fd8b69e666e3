package people

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Account is what may be shown of an account.
type Account struct {
	Name          Name           `json:"name"`
	Role          Role           `json:"role"`
	Kind          Kind           `json:"kind"`
	Created       time.Time      `json:"created"`
	CreatedBy     string         `json:"created_by"`
	Disabled      bool           `json:"disabled"`
	Page          bool           `json:"page"`           // has a password for the page
	PageTemporary bool           `json:"page_temporary"` // and weir made it, so that somebody else has seen it; its owner should change it
	SQLExpires    *time.Time     `json:"sql_expires"`    // nil: no SQL password
	Networks      []netip.Prefix `json:"networks"`       // of a service: where it may come from; empty: anywhere
	Certificates  []Certificate  `json:"certificates"`   // of a service
}

// Certificate is a client certificate that was issued and not revoked.
type Certificate struct {
	Serial  string    `json:"serial"` // hexadecimal
	Expires time.Time `json:"expires"`
}

func (a account) public() Account {
	out := Account{
		Name: a.Name, Role: a.Role, Kind: a.Kind, Created: a.Created, CreatedBy: a.CreatedBy, Disabled: a.Disabled, Page: a.Page != nil,
		PageTemporary: a.Page != nil && a.Page.Temporary, Networks: append([]netip.Prefix{}, a.Networks...), Certificates: append([]Certificate{}, a.Certificates...),
	}
	if a.SQL != nil {
		expires := a.SQL.Expires
		out.SQLExpires = &expires
	}
	return out
}

// List returns all accounts by name.
func (r *Registry) List() []Account {
	s := r.now.Load()
	out := make([]Account, 0, len(s.accounts))
	for _, a := range s.accounts {
		out = append(out, a.public())
	}
	slices.SortFunc(out, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Account returns one account, or a fault of kind NotFound. It is for administrators: somebody who is not signed in must not learn who has an account.
func (r *Registry) Account(name Name) (Account, error) {
	a, ok := r.now.Load().accounts[name]
	if !ok {
		return Account{}, noAccount()
	}
	return a.public(), nil
}

func noAccount() error {
	return fault.New(fault.NotFound, "there is no such account", "weir user list shows which there are")
}

// Addition says what account to add.
type Addition struct {
	Name     Name
	Role     Role
	Kind     Kind
	Networks []netip.Prefix // of a service: where it may come from
	// SQL is the life of a first SQL password; 0: none is made. The limits are RenewSQL's.
	SQL time.Duration
}

// Added is a new account and what opens it, which is shown this once.
type Added struct {
	Account      Account
	PagePassword Secret         // a person's
	SQL          *SQLCredential // nil: none was asked for
}

// Add makes an account. A person gets a page password that weir makes; an SQL password is made when it is asked for.
func (r *Registry) Add(ctx context.Context, by Caller, what Addition) (Added, error) {
	name, err := ParseName(string(what.Name))
	if err != nil {
		return Added{}, err
	}
	a := account{ID: newID(), Name: name, Role: what.Role, Kind: what.Kind, CreatedBy: by.Name}
	if err := checkAddition(&a, what); err != nil {
		return Added{}, err
	}
	var out Added
	if a.Kind == Person {
		out.PagePassword = newPagePassword()
		hash, err := r.hash.make(ctx, out.PagePassword.Reveal())
		if err != nil {
			return Added{}, err
		}
		a.Page = &pagePassword{Hash: hash, Temporary: true}
	}
	err = r.change(ctx, func(s *state, now time.Time) (Event, error) {
		if _, there := s.accounts[name]; there {
			return Event{}, fault.New(fault.Refused, "there is an account of this name", "choose another name, or remove that one first (weir user remove)")
		}
		if len(s.accounts) >= maxAccounts {
			return Event{}, fault.Newf(fault.Refused, "there are %d accounts, and that is the limit", maxAccounts).WithHint("remove those that nobody uses")
		}
		a.Created = now
		e := by.event(AccountAdded, name)
		e.Role, e.Of, e.Networks, e.Widens = a.Role, a.Kind, a.Networks, true
		if what.SQL != 0 {
			credential, err := a.renew(s.mockKey, what.SQL, now)
			if err != nil {
				return Event{}, err
			}
			out.SQL, e.Expires = &credential, &credential.Expires
		}
		s.accounts[name] = a
		return e, nil
	})
	if err != nil {
		return Added{}, err
	}
	out.Account = a.public()
	return out, nil
}

func checkAddition(a *account, what Addition) (err error) {
	if _, err := ParseRole(string(what.Role)); err != nil {
		return err
	}
	if _, err := ParseKind(string(what.Kind)); err != nil {
		return err
	}
	if what.Kind == Service && what.Role == Admin {
		return adminService()
	}
	if what.Kind == Person && len(what.Networks) > 0 {
		return fault.New(fault.Invalid, "only a service is bound to address ranges", "leave the ranges out, or add a service")
	}
	if a.Networks, err = checkNetworks(what.Networks); err != nil {
		return err
	}
	return nil
}

func adminService() error {
	return fault.New(fault.Refused, "a machine cannot be an administrator", "give the service the role viewer or analyst; people administer people")
}

// update changes one account that must be there.
func (r *Registry) update(ctx context.Context, name Name, apply func(s *state, a *account, now time.Time) (Event, error)) error {
	return r.change(ctx, func(s *state, now time.Time) (Event, error) {
		a, ok := s.accounts[name]
		if !ok {
			return Event{}, noAccount()
		}
		e, err := apply(s, &a, now)
		if err != nil {
			return Event{}, err
		}
		s.accounts[name] = a
		return e, nil
	})
}

// Remove ends an account: its sessions, links, passwords and certificates are gone with it. The last administrator can be removed as well, because taking rights away is never refused; the next
// start makes a link for a new one.
func (r *Registry) Remove(ctx context.Context, by Caller, name Name) error {
	return r.change(ctx, func(s *state, _ time.Time) (Event, error) {
		a, ok := s.accounts[name]
		if !ok {
			return Event{}, noAccount()
		}
		s.endAll(name)
		delete(s.accounts, name)
		e := by.event(AccountRemoved, name)
		e.FromRole, e.Of = a.Role, a.Kind
		return e, nil
	})
}

// endAll ends the account's sessions and links.
func (s *state) endAll(name Name) {
	maps.DeleteFunc(s.sessions, func(_ digest, v session) bool { return v.Account == name })
	maps.DeleteFunc(s.links, func(_ digest, l link) bool { return l.Account == name })
}

// SetRole changes what somebody may do, at once and in their open sessions too. Whether a widening (see Widens) was approved by a second person is its caller's to know; the event says that
// it was one, and who did it.
func (r *Registry) SetRole(ctx context.Context, by Caller, name Name, role Role) error {
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	return r.update(ctx, name, func(_ *state, a *account, _ time.Time) (Event, error) {
		if a.Kind == Service && role == Admin {
			return Event{}, adminService()
		}
		e := by.event(RoleChanged, name)
		e.FromRole, e.Role, e.Widens = a.Role, role, Widens(a.Role, role)
		a.Role = role
		return e, nil
	})
}

// Disable shuts an account without forgetting it: its sessions and links end, and nothing signs it in.
func (r *Registry) Disable(ctx context.Context, by Caller, name Name) error {
	return r.update(ctx, name, func(s *state, a *account, _ time.Time) (Event, error) {
		s.endAll(name)
		a.Disabled = true
		e := by.event(AccountDisabled, name)
		e.Role = a.Role
		return e, nil
	})
}

// Enable opens a disabled account again, with the passwords and certificates that it had and that have not expired.
func (r *Registry) Enable(ctx context.Context, by Caller, name Name) error {
	return r.update(ctx, name, func(_ *state, a *account, _ time.Time) (Event, error) {
		e := by.event(AccountEnabled, name)
		e.Role, e.Widens = a.Role, a.Disabled
		a.Disabled = false
		return e, nil
	})
}

// SetNetworks changes where a service may come from. A service with a password must have address ranges.
func (r *Registry) SetNetworks(ctx context.Context, by Caller, name Name, networks []netip.Prefix) error {
	networks, err := checkNetworks(networks)
	if err != nil {
		return err
	}
	return r.update(ctx, name, func(_ *state, a *account, _ time.Time) (Event, error) {
		if a.Kind != Service {
			return Event{}, fault.New(fault.Invalid, "only a service is bound to address ranges", "people sign in from anywhere, and their SQL password lives hours")
		}
		if a.SQL != nil && len(networks) == 0 {
			return Event{}, needsNetworks()
		}
		e := by.event(NetworksChanged, name)
		e.Networks, e.Widens = networks, !narrower(networks, a.Networks)
		a.Networks = networks
		return e, nil
	})
}

// narrower says whether every address of a lies in b.
func narrower(a, b []netip.Prefix) bool {
	if len(b) == 0 {
		return true
	}
	if len(a) == 0 {
		return false
	}
	for _, p := range a {
		if !slices.ContainsFunc(b, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
			return false
		}
	}
	return true
}
