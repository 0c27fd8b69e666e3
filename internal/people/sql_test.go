package people

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/weirproject/weir/internal/fault"
)

// exchange runs SCRAM between a real client and a real server that holds the verifier, and says whether both are satisfied. The client's own user name is empty, as libpq's.
func exchange(t *testing.T, v Verifier, password string) bool {
	t.Helper()
	client, err := scram.SHA256.NewClient("", password, "")
	must(t, err)
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(v.Salt), Iters: v.Iterations}, StoredKey: v.StoredKey, ServerKey: v.ServerKey}, nil
	})
	must(t, err)
	c, s := client.NewConversation(), server.NewConversation()
	text, err := c.Step("")
	must(t, err)
	for !c.Done() {
		if text, err = s.Step(text); err != nil {
			return false
		}
		if text, err = c.Step(text); err != nil {
			return false
		}
	}
	return c.Valid() && s.Valid()
}

// connect is a whole sign-in to SQL.
func connect(t *testing.T, h *house, who Caller, password string) (Principal, error) {
	t.Helper()
	v, err := h.SCRAMFor(h.t.Context(), who)
	if err != nil {
		return Principal{}, err
	}
	return h.AfterSCRAM(t.Context(), who, v, exchange(t, v, password))
}

func TestSQLSignInWithARealClient(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	p, err := connect(t, h, at("ana", office), ana.SQL.Password.Reveal())
	must(t, err)
	if p.Name != "ana" || p.Role != Analyst || p.Way != BySQL || !p.Expires.Equal(h.clock().Add(DefaultSQLLife)) {
		t.Errorf("got %+v", p)
	}
	if e := h.last(); e.Kind != SignedIn || e.Way != BySQL || e.Address != office.String() {
		t.Errorf("recorded %+v", e)
	}
	for _, c := range []struct{ name, password string }{{"ana", "wrong"}, {"ana", ana.PagePassword.Reveal()}, {"nobody-here", "x"}, {"", "x"}} {
		_, err := connect(t, h, at(c.name, office), c.password)
		isKind(t, err, fault.Refused)
		if e := h.last(); e.Kind != SignInRefused || e.Way != BySQL {
			t.Errorf("recorded %+v", e)
		}
	}
}

func TestTheVerifierIsPostgreSQLs(t *testing.T) {
	a := account{Name: "ana", Kind: Person}
	c, err := a.renew([]byte("key"), time.Hour, time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	must(t, err)
	salted, err := pbkdf2.Key(sha256.New, c.Password.Reveal(), a.SQL.Salt, 4096, 32)
	must(t, err)
	stored := sha256.Sum256(mac(salted, "Client Key"))
	if !bytes.Equal(stored[:], a.SQL.StoredKey) || !bytes.Equal(mac(salted, "Server Key"), a.SQL.ServerKey) || len(c.Password.Reveal()) < 26 {
		t.Error("it is not")
	}
}

func TestAMockIsStableAndOpensNothing(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	who := at("nobody-here", office)
	one, err := h.SCRAMFor(h.t.Context(), who)
	must(t, err)
	h.reopen()
	two, err := h.SCRAMFor(h.t.Context(), who)
	must(t, err)
	other, err := h.SCRAMFor(h.t.Context(), at("somebody-else", office))
	must(t, err)
	if !bytes.Equal(one.Salt, two.Salt) || !bytes.Equal(one.StoredKey, two.StoredKey) || bytes.Equal(one.Salt, other.Salt) || bytes.Equal(one.StoredKey, other.StoredKey) {
		t.Error("the mock is not the name's own")
	}
	real, err := h.SCRAMFor(h.t.Context(), at("ana", office))
	must(t, err)
	if len(real.Salt) != len(one.Salt) || real.Iterations != one.Iterations || len(real.StoredKey) != len(one.StoredKey) || len(real.ServerKey) != len(one.ServerKey) {
		t.Error("a mock is told by its form")
	}
	// Even somebody who says that the proof was right does not come in with a mock, or with another's verifier.
	for _, c := range []struct {
		who Caller
		v   Verifier
	}{{who, two}, {at("ana", office), two}, {who, real}, {at("ana", office), Verifier{}}} {
		_, err := h.AfterSCRAM(t.Context(), c.who, c.v, true)
		isKind(t, err, fault.Refused)
	}
	if _, err := connect(t, h, at(strings.Repeat("x", 1<<20), office), ana.SQL.Password.Reveal()); err == nil {
		t.Error("a long name came in")
	}
}

// Whoever asks for the salt of a name now and then must not learn that an account came, changed its password, was shut or went.
func TestTheSaltOfANameNeverChanges(t *testing.T) {
	h := openHouse(t)
	salt := func() string {
		h.pass(time.Hour)
		v, err := h.SCRAMFor(h.t.Context(), at("ana", office))
		must(t, err)
		return string(v.Salt)
	}
	first := salt()
	check := func(when string) {
		t.Helper()
		if salt() != first {
			t.Errorf("the salt changed when the account %s", when)
		}
	}
	h.add("ana", Analyst)
	check("came")
	_, err := h.RenewSQL(t.Context(), at("ana", office), "ana", 0)
	must(t, err)
	check("was renewed")
	must(t, h.Disable(t.Context(), root, "ana"))
	check("was disabled")
	must(t, h.Remove(t.Context(), root, "ana"))
	check("went")
}

func TestAnSQLPasswordExpires(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	who := at("ana", office)
	p, err := connect(t, h, who, ana.SQL.Password.Reveal())
	must(t, err)
	h.pass(DefaultSQLLife - time.Second)
	_, err = h.Standing(p, who)
	must(t, err)
	h.pass(time.Second)
	_, err = h.Standing(p, who)
	isKind(t, err, fault.Refused)
	_, err = connect(t, h, who, ana.SQL.Password.Reveal())
	isKind(t, err, fault.Refused)
	if !strings.Contains(err.Error(), "expired") {
		t.Errorf("who has the password is not told why: %v", err)
	}
	_, wrong := connect(t, h, who, "wrong")
	if strings.Contains(wrong.Error(), "expired") {
		t.Error("who has not the password is told")
	}
	again, err := h.RenewSQL(t.Context(), who, "ana", time.Hour)
	must(t, err)
	if again.Password.Reveal() == ana.SQL.Password.Reveal() || again.User != "ana" || !again.Expires.Equal(h.clock().Add(time.Hour)) {
		t.Errorf("got %+v", again)
	}
	_, err = connect(t, h, who, ana.SQL.Password.Reveal())
	isKind(t, err, fault.Refused)
	_, err = connect(t, h, who, again.Password.Reveal())
	must(t, err)
}

func TestWhoMayRenewWhatForHowLong(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	h.service("metabase", "10.0.0.0/8")
	h.service("unbound")
	for name, c := range map[string]struct {
		by   Caller
		name Name
		life time.Duration
		kind fault.Kind
	}{
		"a person's, by another":     {root, "ana", time.Hour, fault.Refused},
		"a person's, too long":       {at("ana", office), "ana", MaxSQLLife + time.Second, fault.Invalid},
		"a service's, too long":      {root, "metabase", MaxServiceLife + time.Second, fault.Invalid},
		"a service's without ranges": {root, "unbound", time.Hour, fault.Refused},
		"no time":                    {root, "metabase", -1, fault.Invalid},
		"nobody's":                   {root, "nix", time.Hour, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			c2, err := h.RenewSQL(t.Context(), c.by, c.name, c.life)
			isKind(t, err, c.kind)
			if !c2.Password.IsZero() {
				t.Error("a password came with it")
			}
		})
	}
	c, err := h.RenewSQL(t.Context(), root, "metabase", 0)
	must(t, err)
	if !c.Expires.Equal(h.clock().Add(MaxServiceLife)) {
		t.Errorf("expires %v", c.Expires)
	}
	isKind(t, h.SetNetworks(t.Context(), root, "metabase", nil), fault.Refused)
	isKind(t, h.SetNetworks(t.Context(), root, "ana", nil), fault.Invalid)
	must(t, h.SetNetworks(t.Context(), root, "metabase", []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}))
	if e := h.last(); e.Widens {
		t.Error("a narrower range is called wider")
	}
	must(t, h.SetNetworks(t.Context(), root, "metabase", []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")}))
	if e := h.last(); !e.Widens {
		t.Error("a wider range is not called so")
	}
	_, err = h.RenewSQL(t.Context(), root, "metabase", 0)
	must(t, err)
}

func TestAServiceSignsInFromItsAddressesAlone(t *testing.T) {
	h := openHouse(t)
	password := h.service("metabase", "10.1.0.0/16").SQL.Password.Reveal()
	inside := at("metabase", netip.MustParseAddr("::ffff:10.1.2.3"))
	p, err := connect(t, h, inside, password)
	must(t, err)
	for _, elsewhere := range []netip.Addr{office, {}, netip.MustParseAddr("2001:db8::1")} {
		_, err = connect(t, h, at("metabase", elsewhere), password)
		isKind(t, err, fault.Refused)
	}
	_, err = h.Standing(p, inside)
	must(t, err)
	must(t, h.SetNetworks(t.Context(), root, "metabase", []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}))
	_, err = h.Standing(p, inside)
	isKind(t, err, fault.Refused)
}

func TestStandingFollowsTheAccount(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	who := at("ana", office)
	p, err := connect(t, h, who, ana.SQL.Password.Reveal())
	must(t, err)
	must(t, h.SetRole(t.Context(), root, "ana", Viewer))
	if e := h.last(); e.FromRole != Analyst || e.Role != Viewer || e.Widens {
		t.Errorf("recorded %+v", e)
	}
	now, err := h.Standing(p, who)
	must(t, err)
	if now.Role != Viewer {
		t.Errorf("still %s", now.Role)
	}
	_, err = h.RenewSQL(t.Context(), who, "ana", 0)
	must(t, err)
	_, err = h.Standing(p, who)
	must(t, err) // a person's work goes on
	must(t, h.EndSQL(t.Context(), root, "ana"))
	_, err = h.Standing(p, who)
	isKind(t, err, fault.Refused)
	must(t, h.Remove(t.Context(), root, "ana"))
	h.add("ana", Admin)
	_, err = h.Standing(p, who)
	isKind(t, err, fault.Refused) // another ana

	service := h.service("metabase", "10.1.0.0/16")
	from := at("metabase", netip.MustParseAddr("10.1.2.3"))
	s, err := connect(t, h, from, service.SQL.Password.Reveal())
	must(t, err)
	_, err = h.RenewSQL(t.Context(), root, "metabase", 0)
	must(t, err)
	_, err = h.Standing(s, from)
	isKind(t, err, fault.Refused)
}

func TestAVerifierTakenBeforeARenewalIsWorthless(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	who := at("ana", office)
	v, err := h.SCRAMFor(h.t.Context(), who)
	must(t, err)
	_, err = h.RenewSQL(t.Context(), who, "ana", 0)
	must(t, err)
	_, err = h.AfterSCRAM(t.Context(), who, v, true)
	isKind(t, err, fault.Refused)
	v, err = h.SCRAMFor(h.t.Context(), who)
	must(t, err)
	must(t, h.Disable(t.Context(), root, "ana"))
	_, err = h.AfterSCRAM(t.Context(), who, v, true)
	isKind(t, err, fault.Refused)
}

func TestSQLGuessingDoesNotSlowThePage(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	var slow *SlowDownError
	for range 200 {
		if _, err := h.SCRAMFor(h.t.Context(), at("ana", office)); errors.As(err, &slow) {
			break
		}
	}
	if slow == nil {
		t.Fatal("guessing was not slowed down")
	}
	_, err := h.VerifyPage(t.Context(), at("ana", office), ana.PagePassword.Reveal())
	must(t, err)
}

func BenchmarkSCRAMFor(b *testing.B) {
	r := benchRegistry(b)
	for name, who := range map[string]string{"known": "ana", "mock": "nobody-here"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.SCRAMFor(b.Context(), at(who, office)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStanding(b *testing.B) {
	r, err := Open(Options{Dir: b.TempDir() + "/people", Record: func(context.Context, Event) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	if _, err = r.Add(b.Context(), root, Addition{Name: "ana", Role: Analyst, Kind: Person, SQL: time.Hour}); err != nil {
		b.Fatal(err)
	}
	v, err := r.SCRAMFor(b.Context(), at("ana", office))
	if err != nil {
		b.Fatal(err)
	}
	p, err := r.AfterSCRAM(b.Context(), at("ana", office), v, true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Standing(p, at("ana", office)); err != nil {
			b.Fatal(err)
		}
	}
}
