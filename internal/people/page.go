package people

import (
	"context"
	"maps"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Principal is somebody who has shown who they are. Its name and role are the account's, not what was typed.
type Principal struct {
	Name          Name
	Role          Role
	Kind          Kind
	Way           Way
	Expires       time.Time // when the credential ends, and with it what was begun with it; zero: with the session
	PageTemporary bool      // signed in with a password that somebody else has seen: ask for another

	account    string // the account's ID: a new account of an old name is somebody else
	credential string // of BySQL and ByCertificate: the password's ID, the certificate's serial
}

// wrongSignIn is the one answer to an unknown name, a wrong password, a disabled account and one without a password.
func wrongSignIn() error {
	return fault.New(fault.Refused, "the name or the password is wrong", "try again; an administrator can make a link for a new password")
}

// VerifyPage says who has this name and page password, after the same work and with the same error for whoever has not. The verdict is recorded before it is given. Errors are faults: Refused with a
// *SlowDownError as cause when it was not even tried, Refused when it is wrong, Unavailable when there is too much to do or the record cannot be written.
func (r *Registry) VerifyPage(ctx context.Context, who Caller, password string) (Principal, error) {
	a, err := r.verifyPage(ctx, who, password)
	if err != nil {
		return Principal{}, err
	}
	return Principal{Name: a.Name, Role: a.Role, Kind: a.Kind, Way: ByPage, PageTemporary: a.Page.Temporary, account: a.ID}, nil
}

func (r *Registry) verifyPage(ctx context.Context, who Caller, password string) (account, error) {
	pass, err := r.admit(ctx, r.slow.page, who, ByPage)
	if err != nil {
		return account{}, err
	}
	name := Name(who.Name)
	a, there := r.now.Load().accounts[name]
	ok, err := r.hash.verify(ctx, password, a.pageHash())
	if err != nil {
		r.slow.page.refund(pass) // nothing was learnt
		return account{}, r.untried(ctx, who, ByPage, err)
	}
	// The account may have changed while the hash was computed.
	now, still := r.now.Load().accounts[name]
	ok = ok && still && now.ID == a.ID && now.Page == a.Page && !now.Disabled
	e := who.event(SignInRefused, "")
	e.Way, e.At, e.By = ByPage, r.time(), ""
	if there {
		e.Account, e.By = name, who.Name
	}
	if ok {
		e.Kind, e.Role = SignedIn, now.Role
	}
	if err := r.record(context.WithoutCancel(ctx), e); err != nil { // owed also when whoever tried is gone by now
		return account{}, err
	}
	if !ok {
		return account{}, wrongSignIn()
	}
	r.slow.page.succeeded(r.o.Clock(), pass)
	return now, nil
}

// pageHash is nil when there is no account, when it is disabled, or when it has no password.
func (a account) pageHash() *argonHash {
	if a.Page == nil || a.Disabled {
		return nil
	}
	return &a.Page.Hash
}

// ChangePassword gives somebody a page password of their own choice, when they know the old one. All sessions but keep, which may be empty, end: whoever else has one is out.
func (r *Registry) ChangePassword(ctx context.Context, who Caller, old, chosen string, keep SessionID) error {
	if err := checkPassword(Name(who.Name), chosen); err != nil {
		return err
	}
	was, err := r.verifyPage(ctx, who, old)
	if err != nil {
		return err
	}
	if old == chosen { // said only to whoever knew it
		return fault.New(fault.Invalid, "the new password is the old one", "choose another")
	}
	hash, err := r.hash.make(ctx, chosen)
	if err != nil {
		return err
	}
	return r.update(ctx, was.Name, func(s *state, a *account, _ time.Time) (Event, error) {
		if a.ID != was.ID || a.Page != was.Page || a.Disabled { // changed by somebody else meanwhile
			return Event{}, wrongSignIn()
		}
		a.Page = &pagePassword{Hash: hash}
		maps.DeleteFunc(s.sessions, func(_ digest, v session) bool { return v.Account == was.Name && v.ID != string(keep) })
		maps.DeleteFunc(s.links, func(_ digest, l link) bool { return l.Account == was.Name })
		return who.event(PasswordChanged, was.Name), nil
	})
}
