package people

import (
	"context"
	"maps"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// LinkLife is how long an invitation is good. The link of the first administrator is good until it is used or another is made: it is printed where only whoever runs weir reads it, and
// without it nobody could ever come in.
const LinkLife = 24 * time.Hour

// LinkKind says what a link is for.
type LinkKind string

// The kinds of links.
const (
	AdministratorLink LinkKind = "administrator" // makes the first administrator
	InvitationLink    LinkKind = "invitation"    // lets an account choose its page password
)

// Link is a way in that works once. The token is shown this once; of it only a hash is kept.
type Link struct {
	Kind    LinkKind
	Account Name // of an invitation
	Token   Secret
	Expires time.Time // zero: until used
}

// over says that the link is too old.
func (l link) over(now time.Time) bool { return l.Expires != nil && !now.Before(*l.Expires) }

// HasAdministrator says whether somebody can administer people: an account of that role that is not disabled.
func (r *Registry) HasAdministrator() bool { return r.now.Load().hasAdministrator() }

func (s *state) hasAdministrator() bool {
	for _, a := range s.accounts {
		if a.Role == Admin && !a.Disabled {
			return true
		}
	}
	return false
}

// AdministratorLink makes the link of the first administrator, and makes any earlier one worthless. It is refused while there is an administrator.
func (r *Registry) AdministratorLink(ctx context.Context, by Caller) (Link, error) {
	token, kept := newToken()
	err := r.change(ctx, func(s *state, _ time.Time) (Event, error) {
		if s.hasAdministrator() {
			return Event{}, fault.New(fault.Refused, "there is an administrator", "let them add people; if they cannot get in, remove the account and start weir again")
		}
		maps.DeleteFunc(s.links, func(_ digest, l link) bool { return l.Kind == AdministratorLink })
		s.links[kept] = link{Token: kept, Kind: AdministratorLink}
		e := by.event(LinkMade, "")
		e.Role, e.Widens = Admin, true
		return e, nil
	})
	if err != nil {
		return Link{}, err
	}
	return Link{Kind: AdministratorLink, Token: token}, nil
}

// Invite makes a link with which a person chooses a new page password. An earlier invitation of the account becomes worthless; its password stays good until the link is used.
func (r *Registry) Invite(ctx context.Context, by Caller, name Name) (Link, error) {
	token, kept := newToken()
	out := Link{Kind: InvitationLink, Account: name, Token: token}
	err := r.update(ctx, name, func(s *state, a *account, now time.Time) (Event, error) {
		if a.Kind != Person {
			return Event{}, fault.New(fault.Refused, "a service has no page password", "give it an SQL password or a certificate")
		}
		if a.Disabled {
			return Event{}, fault.New(fault.Refused, "this account is disabled", "enable it first")
		}
		maps.DeleteFunc(s.links, func(_ digest, l link) bool { return l.Account == name && l.Kind == InvitationLink })
		if len(s.links) >= maxLinks {
			return Event{}, fault.New(fault.Refused, "there are too many open invitations", "wait until some have been used or have expired")
		}
		out.Expires = now.Add(LinkLife)
		s.links[kept] = link{Token: kept, Kind: InvitationLink, Account: name, Expires: &out.Expires}
		e := by.event(LinkMade, name)
		e.Role, e.Expires = a.Role, &out.Expires
		return e, nil
	})
	if err != nil {
		return Link{}, err
	}
	return out, nil
}

// badLink is the one answer to a link that never was, was used, or is too old.
func badLink() error {
	return fault.New(fault.Refused, "this link is not good, or not good any more", "ask an administrator for a new one; for the first administrator, start weir again")
}

// find returns a good link.
func (s *state) find(token string, now time.Time) (digest, link, error) {
	kept := digestOf(token)
	l, ok := s.links[kept]
	if !ok || l.over(now) || l.Kind == AdministratorLink && s.hasAdministrator() {
		return kept, link{}, badLink()
	}
	return kept, l, nil
}

// Look says what a link is for, without using it: a page shows it, and the programs that look at links in messages do not use them up. The token is not repeated. That it was looked at is recorded,
// or counted: a link that somebody else has seen before its owner used it is worth knowing.
func (r *Registry) Look(ctx context.Context, who Caller, token string) (Link, error) {
	_, l, err := r.now.Load().find(token, r.time())
	if err != nil {
		return Link{}, r.linkRefused(ctx, who, err)
	}
	if err := r.tally.happened(ctx, who, Event{Kind: LinkOpened, Account: l.Account, Address: who.place(), At: r.time()}); err != nil {
		return Link{}, err
	}
	out := Link{Kind: l.Kind, Account: l.Account}
	if l.Expires != nil {
		out.Expires = *l.Expires
	}
	return out, nil
}

// Use uses a link up: who chooses the password, and for the first administrator the account's name; for an invitation the name is the account's, and who.Name may be empty. Of many at once
// one wins. All sessions of the account end, and the principal returned can begin a new one.
func (r *Registry) Use(ctx context.Context, who Caller, token, password string) (Principal, error) {
	_, l, err := r.now.Load().find(token, r.time())
	if err != nil {
		return Principal{}, r.linkRefused(ctx, who, err)
	}
	name := l.Account
	if l.Kind == AdministratorLink {
		if name, err = ParseName(who.Name); err != nil {
			return Principal{}, err
		}
	} else if who.Name != "" && who.Name != string(name) {
		return Principal{}, r.linkRefused(ctx, who, badLink())
	}
	if err := checkPassword(name, password); err != nil {
		return Principal{}, err
	}
	hash, err := r.hash.make(ctx, password)
	if err != nil {
		return Principal{}, err
	}
	var a account
	var late error // another try was faster
	err = r.change(ctx, func(s *state, now time.Time) (Event, error) {
		kept, l, err := s.find(token, now)
		if err != nil {
			late = err
			return Event{}, err
		}
		by := Caller{Name: string(name), Address: who.Address}
		e := by.event(LinkUsed, name)
		if a, err = s.opened(l, name, now); err != nil {
			return Event{}, err
		}
		a.Page = &pagePassword{Hash: hash}
		s.endAll(name)
		delete(s.links, kept)
		s.accounts[name] = a
		e.Role, e.Of, e.Way, e.Widens = a.Role, a.Kind, ByPage, l.Kind == AdministratorLink
		return e, nil
	})
	if late != nil {
		return Principal{}, r.linkRefused(ctx, who, late)
	}
	if err != nil {
		return Principal{}, err
	}
	return Principal{Name: a.Name, Role: a.Role, Kind: a.Kind, Way: ByPage, account: a.ID}, nil
}

// linkRefused records or counts that a link was not good, and returns why. It names no account: whoever has no good link is nobody.
func (r *Registry) linkRefused(ctx context.Context, who Caller, why error) error {
	if err := r.tally.happened(ctx, who, Event{Kind: LinkRefused, Address: who.place(), At: r.time()}); err != nil {
		return err
	}
	return why
}

// opened is the account that a link opens: a new one for the first administrator, or the one invited.
func (s *state) opened(l link, name Name, now time.Time) (account, error) {
	a, there := s.accounts[name]
	if l.Kind == InvitationLink {
		if !there || a.Disabled {
			return account{}, badLink()
		}
		return a, nil
	}
	if there {
		return account{}, fault.New(fault.Refused, "there is an account of this name", "choose another name")
	}
	return account{ID: newID(), Name: name, Role: Admin, Kind: Person, Created: now, CreatedBy: string(name)}, nil
}
