package people

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

func TestASessionLivesAndEnds(t *testing.T) {
	h := openHouse(t)
	password := h.add("ana", Analyst).PagePassword.Reveal()
	token, s, err := signIn(h, "ana", password)
	must(t, err)
	if len(token.Reveal()) != 43 || s.Account != "ana" || s.Address != office.String() || s.Kind != PageSession || !s.Expires.Equal(h.clock().Add(SessionLife)) {
		t.Errorf("got %+v", s)
	}
	p, _, err := h.Session(t.Context(), token.Reveal())
	must(t, err)
	if p.Name != "ana" || p.Role != Analyst {
		t.Errorf("got %+v", p)
	}
	must(t, h.SetRole(t.Context(), root, "ana", Viewer))
	p, _, err = h.Session(t.Context(), token.Reveal())
	must(t, err)
	if p.Role != Viewer {
		t.Error("the session keeps the old role")
	}
	for _, bad := range []string{"", "x", token.Reveal() + "x", string(s.ID)} {
		_, _, err := h.Session(t.Context(), bad)
		isKind(t, err, fault.Refused)
	}
	must(t, h.EndSession(t.Context(), root, "ana", s.ID))
	_, _, err = h.Session(t.Context(), token.Reveal())
	isKind(t, err, fault.Refused)
}

func TestASessionExpires(t *testing.T) {
	h := openHouse(t)
	password := h.add("ana", Analyst).PagePassword.Reveal()
	token, _, err := signIn(h, "ana", password)
	must(t, err)
	idle, _, err := signIn(h, "ana", password)
	must(t, err)
	for range 23 { // used each half hour, it lives to its end
		h.pass(30 * time.Minute)
		_, _, err = h.Session(t.Context(), token.Reveal())
		must(t, err)
	}
	_, _, err = h.Session(t.Context(), idle.Reveal())
	isKind(t, err, fault.Refused)
	if n := len(h.Sessions("ana")); n != 1 {
		t.Errorf("%d sessions are listed", n)
	}
	h.reopen() // what it knows of the last use outlives a restart
	_, _, err = h.Session(t.Context(), token.Reveal())
	must(t, err)
	h.pass(30 * time.Minute)
	_, _, err = h.Session(t.Context(), token.Reveal())
	isKind(t, err, fault.Refused)
	must(t, h.EndSessions(t.Context(), root, "ana"))
	if n := len(h.kept().sessions); n != 0 {
		t.Errorf("%d sessions are kept", n)
	}
}

func TestWhatEndsSessions(t *testing.T) {
	for name, end := range map[string]func(h *house) error{
		"remove":  func(h *house) error { return h.Remove(h.t.Context(), root, "ana") },
		"disable": func(h *house) error { return h.Disable(h.t.Context(), root, "ana") },
		"all":     func(h *house) error { return h.EndSessions(h.t.Context(), root, "ana") },
		"link": func(h *house) error {
			l, err := h.Invite(h.t.Context(), root, "ana")
			if err == nil {
				_, err = h.Use(h.t.Context(), Caller{Address: office}, l.Token.Reveal(), chosen)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t)
			token, _, err := signIn(h, "ana", h.add("ana", Analyst).PagePassword.Reveal())
			must(t, err)
			must(t, end(h))
			for range 2 {
				_, _, err = h.Session(t.Context(), token.Reveal())
				isKind(t, err, fault.Refused)
				h.reopen()
			}
		})
	}
}

func TestSessionsAreListedAndBounded(t *testing.T) {
	h := openHouse(t)
	password := h.add("ana", Analyst).PagePassword.Reveal()
	p, err := h.VerifyPage(t.Context(), at("ana", office), password)
	must(t, err)
	var first Secret
	for i := range maxPerAccount + 3 {
		token, s, err := h.BeginSession(t.Context(), p, at("ana", office), CommandSession)
		must(t, err)
		if i == 0 {
			first = token
		}
		if list := h.Sessions("ana"); list[0].ID != s.ID {
			t.Fatal("the newest is not the first")
		}
		h.pass(time.Second)
	}
	if n := len(h.Sessions("ana")); n != maxPerAccount {
		t.Errorf("%d sessions", n)
	}
	_, _, err = h.Session(t.Context(), first.Reveal())
	isKind(t, err, fault.Refused)
	if n := len(h.Sessions("bob")); n != 0 {
		t.Errorf("%d sessions of another", n)
	}
}

func TestASessionIsOnlyBegunWithAPagePassword(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	p, err := connect(t, h, at("ana", office), ana.SQL.Password.Reveal())
	must(t, err)
	for _, p := range []Principal{p, {}, {Name: "ana", Role: Admin, Kind: Person, Way: ByPage}} {
		_, _, err = h.BeginSession(t.Context(), p, at("ana", office), PageSession)
		isKind(t, err, fault.Refused)
	}
}

func TestTheFirstAdministratorsLinkWorksOnce(t *testing.T) {
	h := openHouse(t)
	if h.HasAdministrator() {
		t.Fatal("there is one already")
	}
	old, err := h.AdministratorLink(t.Context(), root)
	must(t, err)
	link, err := h.AdministratorLink(t.Context(), root)
	must(t, err)
	h.pass(1000 * time.Hour)
	h.reopen()
	looked, err := h.Look(t.Context(), Caller{Address: office}, link.Token.Reveal())
	must(t, err)
	if looked.Kind != AdministratorLink || !looked.Token.IsZero() {
		t.Errorf("got %+v", looked)
	}
	_, err = h.Use(t.Context(), at("boss", office), old.Token.Reveal(), chosen)
	isKind(t, err, fault.Refused)
	_, err = h.Use(t.Context(), at("root", office), link.Token.Reveal(), chosen)
	isKind(t, err, fault.Invalid)
	_, err = h.Use(t.Context(), at("boss", office), link.Token.Reveal(), "short")
	isKind(t, err, fault.Invalid)

	// Of many at once one wins.
	var wins atomic.Int32
	var wg sync.WaitGroup
	for _, name := range []string{"boss", "boss", "eve", "eve2", "eve3", "boss"} {
		wg.Go(func() {
			if _, err := h.Use(t.Context(), at(name, office), link.Token.Reveal(), chosen); err == nil {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 || len(h.List()) != 1 || h.List()[0].Role != Admin || !h.HasAdministrator() {
		t.Errorf("%d won: %+v", wins.Load(), h.List())
	}
	_, err = h.AdministratorLink(t.Context(), root)
	isKind(t, err, fault.Refused)
	admin := h.List()[0].Name
	p, err := h.VerifyPage(t.Context(), at(string(admin), office), chosen)
	must(t, err)
	if p.PageTemporary {
		t.Error("a chosen password is called temporary")
	}
	must(t, h.Remove(t.Context(), root, admin)) // taking rights away is never refused
	_, err = h.AdministratorLink(t.Context(), root)
	must(t, err)
}

func TestAnInvitationWorksOnceForADay(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	h.service("metabase")
	_, err := h.Invite(t.Context(), root, "metabase")
	isKind(t, err, fault.Refused)
	_, err = h.Invite(t.Context(), root, "nix")
	isKind(t, err, fault.NotFound)
	first, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	second, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	if !second.Expires.Equal(h.clock().Add(LinkLife)) {
		t.Errorf("expires %v", second.Expires)
	}
	for _, c := range []struct {
		who   Caller
		token string
	}{{Caller{}, first.Token.Reveal()}, {Caller{Name: "bob"}, second.Token.Reveal()}, {Caller{}, ""}, {Caller{}, "x"}} {
		_, err = h.Use(t.Context(), c.who, c.token, chosen)
		isKind(t, err, fault.Refused)
	}
	p, err := h.Use(t.Context(), Caller{Address: office}, second.Token.Reveal(), chosen)
	must(t, err)
	if _, _, err := h.BeginSession(t.Context(), p, at("ana", office), PageSession); err != nil {
		t.Error(err)
	}
	_, err = h.Use(t.Context(), Caller{Address: office}, second.Token.Reveal(), chosen2)
	isKind(t, err, fault.Refused)
	_, err = h.VerifyPage(t.Context(), at("ana", office), chosen)
	must(t, err)

	third, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	h.pass(LinkLife)
	_, err = h.Look(t.Context(), Caller{Address: office}, third.Token.Reveal())
	isKind(t, err, fault.Refused)
	_, err = h.Use(t.Context(), Caller{Address: office}, third.Token.Reveal(), chosen2)
	isKind(t, err, fault.Refused)
	must(t, h.Disable(t.Context(), root, "ana"))
	_, err = h.Invite(t.Context(), root, "ana")
	isKind(t, err, fault.Refused)
}
