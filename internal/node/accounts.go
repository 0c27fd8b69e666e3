package node

import (
	"context"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/people"
)

// User is everything that may be shown of an account.
type User struct {
	people.Account
	Sessions []people.Session `json:"sessions"` // the one used last first
}

// Invitation is a link with which a person chooses a page password. It is shown once.
type Invitation struct {
	User    string    `json:"user"`
	Link    string    `json:"link"` // opens the page, once
	Expires time.Time `json:"expires"`
}

// NewCertificate is a client certificate of a service that was just issued. It is shown once; of the key nothing is kept.
type NewCertificate struct {
	User        string    `json:"user"`
	Serial      string    `json:"serial"`
	Expires     time.Time `json:"expires"`
	Certificate string    `json:"certificate,omitempty"` // PEM; empty once KeyFiles has it
	Key         string    `json:"key,omitempty"`         // PEM; empty once KeyFiles has it
	SQL         *Login    `json:"sql"`                   // where to connect
}

// everySession ends all sessions of an account where one could be named. No session has this name.
const everySession = "all"

// account finds an account by what was typed. Whoever asks administers people: they may learn which accounts there are.
func (n *Node) account(typed string) (people.Account, error) {
	a, err := n.people.Account(people.Name(typed))
	if fault.KindOf(err) != fault.NotFound {
		return a, err
	}
	var names []string
	for _, a := range n.people.List() {
		names = append(names, string(a.Name))
	}
	return a, fault.New(fault.NotFound, "there is no such account", meant(typed, names, "weir user list shows which there are")).WithCause(err)
}

// meant is a hint that names what a typing error hid, when it can be told.
func meant(typed string, known []string, more string) string {
	best, least := "", 3
	for _, k := range known {
		if d := fault.EditDistance(typed, k); d < least && d < len(typed) {
			best, least = k, d
		}
	}
	if best == "" {
		return more
	}
	return "did you mean " + best + "? " + more
}

// User shows one account.
func (n *Node) User(name string) (*User, error) {
	a, err := n.account(name)
	if err != nil {
		return nil, err
	}
	return &User{Account: a, Sessions: n.people.Sessions(a.Name)}, nil
}

// Invite makes a link with which a person chooses a new page password.
func (n *Node) Invite(ctx context.Context, by people.Caller, name string) (*Invitation, error) {
	a, err := n.account(name)
	if err != nil {
		return nil, err
	}
	if n.pageURL() == "" {
		return nil, fault.New(fault.Unavailable, "there is no page on which a link could be opened", "set gate.web in the configuration, for example 127.0.0.1:8443, and start weir run with it")
	}
	l, err := n.people.Invite(ctx, by, a.Name)
	if err != nil {
		return nil, err
	}
	return &Invitation{User: string(a.Name), Link: n.linkURL(l), Expires: l.Expires.UTC()}, nil
}

// RenewPassword gives a service a new SQL password; the one before, and the connections that were begun with it, end.
func (n *Node) RenewPassword(ctx context.Context, by people.Caller, name string) (*Login, error) {
	a, err := n.account(name)
	if err != nil {
		return nil, err
	}
	// The registry lets people renew their own, whom it knows by name; a user of this machine may have the same name and is nobody's account.
	if a.Kind != people.Service {
		return nil, fault.New(fault.Refused, "a person's SQL password is renewed by that person alone", "they renew it with weir login; weir user password NAME --end takes it back")
	}
	if err := asksSQL(a.Role); err != nil {
		return nil, err
	}
	c, err := n.people.RenewSQL(ctx, by, a.Name, 0)
	if err != nil {
		return nil, err
	}
	return n.login(c), nil
}

// asksSQL refuses what opens SQL to a role that may not ask in it.
func asksSQL(role people.Role) error {
	if gate.Role(role).Widest().SQL {
		return nil
	}
	return fault.Newf(fault.Refused, "the role %s may not ask SQL", role).WithHint("the role analyst may; an administrator makes an account of that role with weir user add")
}

// EndPassword takes an account's SQL password back; connections that were begun with it end.
func (n *Node) EndPassword(ctx context.Context, by people.Caller, name string) error {
	a, err := n.account(name)
	if err != nil {
		return err
	}
	return n.people.EndSQL(ctx, by, a.Name)
}

// IssueCertificate gives a service a client certificate.
func (n *Node) IssueCertificate(ctx context.Context, by people.Caller, name string) (*NewCertificate, error) {
	a, err := n.account(name)
	if err != nil {
		return nil, err
	}
	if a.Kind == people.Service { // people get none whatever their role, which the registry says
		if err := asksSQL(a.Role); err != nil {
			return nil, err
		}
	}
	c, err := n.people.IssueCertificate(ctx, by, a.Name, 0)
	if err != nil {
		return nil, err
	}
	l := n.login(people.SQLCredential{User: c.User, Expires: c.Expires})
	return &NewCertificate{User: l.User, Serial: c.Serial, Expires: l.Expires, Certificate: string(c.Certificate), Key: c.Key.Reveal(), SQL: l}, nil
}

// RevokeCertificate makes one certificate of a service worthless, and ends the connections that were begun with it.
func (n *Node) RevokeCertificate(ctx context.Context, by people.Caller, name, serial string) error {
	a, err := n.account(name)
	if err != nil {
		return err
	}
	serials := make([]string, len(a.Certificates))
	for i, c := range a.Certificates {
		serials[i] = c.Serial
	}
	err = n.people.RevokeCertificate(ctx, by, a.Name, serial)
	if fault.KindOf(err) == fault.NotFound {
		return fault.New(fault.NotFound, "this account has no such certificate", meant(serial, serials, "weir user show NAME shows their serial numbers")).WithCause(err)
	}
	return err
}

// EndSessions ends one session of an account, or all of them.
func (n *Node) EndSessions(ctx context.Context, by people.Caller, name, session string) error {
	a, err := n.account(name)
	if err != nil {
		return err
	}
	if session == everySession {
		return n.people.EndSessions(ctx, by, a.Name)
	}
	return n.people.EndSession(ctx, by, a.Name, people.SessionID(session))
}
