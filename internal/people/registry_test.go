package people

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

const (
	chosen  = "four words nobody joins"
	chosen2 = "quite another sentence 7"
)

func TestAccountsOutliveARestart(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	h.service("metabase", "10.1.0.0/16")
	_, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	before, file := h.List(), h.bytes()
	h.reopen()
	after := h.List()
	if len(after) != 2 || after[0].Name != "ana" || after[0].Role != Analyst || !after[0].PageTemporary || !after[0].SQLExpires.Equal(*before[0].SQLExpires) ||
		after[1].Networks[0].String() != "10.1.0.0/16" || len(after[1].Certificates) != 1 || after[1].CreatedBy != "root" {
		t.Errorf("got %+v", after)
	}
	if !bytes.Equal(file, h.bytes()) {
		t.Error("opening changed the file")
	}
	info, err := os.Stat(filepath.Join(h.dir, accountsFile))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
}

func TestNothingClearStandsInTheFile(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	link, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	token, _, err := signIn(h, "ana", ana.PagePassword.Reveal())
	must(t, err)
	for what, secret := range map[string]Secret{"page password": ana.PagePassword, "SQL password": ana.SQL.Password, "link": link.Token, "token": token} {
		if len(secret.Reveal()) < 20 {
			t.Errorf("the %s is too short", what)
		}
		if bytes.Contains(h.bytes(), []byte(secret.Reveal())) {
			t.Errorf("the %s stands in the file", what)
		}
	}
}

func TestWhatCannotBeAddedIsRefused(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	network := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		what Addition
		kind fault.Kind
	}{
		"twice":                    {Addition{Name: "ana", Role: Viewer, Kind: Person}, fault.Refused},
		"a bad name":               {Addition{Name: "Ana", Role: Viewer, Kind: Person}, fault.Invalid},
		"no role":                  {Addition{Name: "bob", Kind: Person}, fault.Invalid},
		"an unknown role":          {Addition{Name: "bob", Role: "owner", Kind: Person}, fault.Invalid},
		"no kind":                  {Addition{Name: "bob", Role: Viewer}, fault.Invalid},
		"a machine administrator":  {Addition{Name: "bob", Role: Admin, Kind: Service}, fault.Refused},
		"a person's ranges":        {Addition{Name: "bob", Role: Viewer, Kind: Person, Networks: network}, fault.Invalid},
		"a password from anywhere": {Addition{Name: "bob", Role: Viewer, Kind: Service, SQL: time.Hour}, fault.Refused},
		"a password for a day":     {Addition{Name: "bob", Role: Viewer, Kind: Person, SQL: 24 * time.Hour}, fault.Invalid},
		"a password for a year":    {Addition{Name: "bob", Role: Viewer, Kind: Service, Networks: network, SQL: 365 * 24 * time.Hour}, fault.Invalid},
		"a negative life":          {Addition{Name: "bob", Role: Viewer, Kind: Person, SQL: -time.Hour}, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			before := h.recorded()
			_, err := h.Add(t.Context(), root, c.what)
			isKind(t, err, c.kind)
			if len(h.List()) != 1 || h.recorded() != before {
				t.Error("something happened")
			}
		})
	}
}

// changes are all that changes an account. ana and bob are people, metabase is a service with an SQL password and one certificate, ana has one session.
func changes(h *house, s Session, serial, invitation, password string) map[string]struct {
	kind EventKind
	do   func(ctx context.Context) error
} {
	network := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	return map[string]struct {
		kind EventKind
		do   func(ctx context.Context) error
	}{
		"add": {AccountAdded, func(ctx context.Context) error {
			_, err := h.Add(ctx, root, Addition{Name: "carl", Role: Viewer, Kind: Service})
			return err
		}},
		"remove":   {AccountRemoved, func(ctx context.Context) error { return h.Remove(ctx, root, "ana") }},
		"role":     {RoleChanged, func(ctx context.Context) error { return h.SetRole(ctx, root, "ana", Viewer) }},
		"disable":  {AccountDisabled, func(ctx context.Context) error { return h.Disable(ctx, root, "ana") }},
		"enable":   {AccountEnabled, func(ctx context.Context) error { return h.Enable(ctx, root, "bob") }},
		"networks": {NetworksChanged, func(ctx context.Context) error { return h.SetNetworks(ctx, root, "metabase", network) }},
		"password": {PasswordChanged, func(ctx context.Context) error {
			return h.ChangePassword(ctx, at("ana", office), password, chosen, s.ID)
		}},
		"renew": {SQLRenewed, func(ctx context.Context) error {
			_, err := h.RenewSQL(ctx, at("ana", office), "ana", 0)
			return err
		}},
		"end sql": {SQLEnded, func(ctx context.Context) error { return h.EndSQL(ctx, root, "metabase") }},
		"issue": {CertificateIssued, func(ctx context.Context) error {
			_, err := h.IssueCertificate(ctx, root, "metabase", time.Hour)
			return err
		}},
		"revoke": {CertificateRevoked, func(ctx context.Context) error { return h.RevokeCertificate(ctx, root, "metabase", serial) }},
		"session": {SessionBegun, func(ctx context.Context) error {
			p, err := h.VerifyPage(ctx, at("ana", office), password)
			if err == nil {
				_, _, err = h.BeginSession(ctx, p, at("ana", office), CommandSession)
			}
			return err
		}},
		"end session":  {SessionEnded, func(ctx context.Context) error { return h.EndSession(ctx, root, "ana", s.ID) }},
		"end sessions": {SessionsEnded, func(ctx context.Context) error { return h.EndSessions(ctx, root, "ana") }},
		"invite": {LinkMade, func(ctx context.Context) error {
			_, err := h.Invite(ctx, root, "ana")
			return err
		}},
		"administrator": {LinkMade, func(ctx context.Context) error {
			_, err := h.AdministratorLink(ctx, root)
			return err
		}},
		"use": {LinkUsed, func(ctx context.Context) error {
			_, err := h.Use(ctx, Caller{Address: office}, invitation, chosen2)
			return err
		}},
	}
}

// peopled is a house in which every one of changes can happen.
func peopled(t *testing.T) (h *house, s Session, serial, invitation, password string) {
	t.Helper()
	h = openHouse(t)
	password = h.add("ana", Analyst).PagePassword.Reveal()
	h.add("bob", Viewer)
	must(t, h.Disable(t.Context(), root, "bob"))
	h.service("metabase", "10.1.0.0/16")
	c, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	link, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	_, s, err = signIn(h, "ana", password)
	must(t, err)
	return h, s, c.Serial, link.Token.Reveal(), password
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	h, s, serial, invitation, password := peopled(t)
	before := h.bytes()
	h.breakRecord(errors.New("the ledger's disk is full"))
	for name, c := range changes(h, s, serial, invitation, password) {
		isKind(t, c.do(t.Context()), fault.Unavailable)
		if !bytes.Equal(before, h.bytes()) {
			t.Fatalf("%s changed the file", name)
		}
	}
	data, err := encode(h.kept())
	must(t, err)
	if !bytes.Equal(before, data) {
		t.Error("memory is not what the file is")
	}
	v, err := h.SCRAMFor(h.t.Context(), at("ana", office))
	must(t, err)
	if _, err := h.AfterSCRAM(t.Context(), at("ana", office), v, true); err == nil {
		t.Error("somebody came in without a record")
	}
}

func (h *house) kept() *state { return h.Registry.now.Load() }

func TestEveryChangeIsRecordedOnceWithWhoDidIt(t *testing.T) {
	h, s, serial, invitation, password := peopled(t)
	began := h.bytes()
	for name, c := range changes(h, s, serial, invitation, password) {
		t.Run(name, func(t *testing.T) {
			must(t, h.Close())
			must(t, os.WriteFile(filepath.Join(h.dir, accountsFile), began, 0o600))
			h.open()
			before := h.recorded()
			must(t, c.do(t.Context()))
			e := h.last()
			if e.Kind != c.kind || e.By == "" || e.Address == "" || !e.At.Equal(h.clock()) {
				t.Errorf("got %+v", e)
			}
			want := 1
			if c.kind == SessionBegun || c.kind == PasswordChanged {
				want = 2 // they come after a sign-in, which is recorded too
			}
			if n := h.recorded() - before; n != want {
				t.Errorf("%d events", n)
			}
			after := h.bytes()
			if bytes.Equal(began, after) {
				t.Error("the file did not change")
			}
			h.reopen()
			if !bytes.Equal(after, h.bytes()) {
				t.Error("the change does not outlive a restart")
			}
		})
	}
}

func TestUnknownAccountsAndThingsAreNotFound(t *testing.T) {
	h := openHouse(t)
	h.service("metabase")
	for name, err := range map[string]error{
		"remove":   h.Remove(t.Context(), root, "nix"),
		"role":     h.SetRole(t.Context(), root, "nix", Viewer),
		"disable":  h.Disable(t.Context(), root, "nix"),
		"enable":   h.Enable(t.Context(), root, "nix"),
		"sessions": h.EndSessions(t.Context(), root, "nix"),
		"session":  h.EndSession(t.Context(), root, "nix", "x"),
		"sql":      h.EndSQL(t.Context(), root, "metabase"),
		"revoke":   h.RevokeCertificate(t.Context(), root, "metabase", "00"),
	} {
		t.Run(name, func(t *testing.T) { isKind(t, err, fault.NotFound) })
	}
	if _, err := h.Account("nix"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	isKind(t, h.SetRole(t.Context(), root, "metabase", Admin), fault.Refused)
}

func TestASecondRegistryOnOneFolderIsRefused(t *testing.T) {
	h := openHouse(t)
	_, err := Open(h.options())
	isKind(t, err, fault.Unavailable)
	must(t, h.Close())
	isKind(t, h.Remove(t.Context(), root, "ana"), fault.Unavailable)
	h.open()
}

func TestOpenToOthersIsRefused(t *testing.T) {
	h := openHouse(t)
	must(t, h.Close())
	for _, path := range []string{h.dir, filepath.Join(h.dir, accountsFile)} {
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.Chmod(path, info.Mode().Perm()|0o040))
		_, err = Open(h.options())
		isKind(t, err, fault.Refused)
		must(t, os.Chmod(path, info.Mode().Perm()))
	}
	h.open()
}

func TestARegistryWithoutARecordIsNoRegistry(t *testing.T) {
	if _, err := Open(Options{Dir: t.TempDir()}); err == nil {
		t.Error("it was opened")
	}
}

func TestADamagedOrNewerFileIsRefused(t *testing.T) {
	h, _, _, _, _ := peopled(t)
	must(t, h.Close())
	good := string(h.bytes())
	for name, c := range map[string]struct {
		file string
		kind fault.Kind
	}{
		"empty":            {"", fault.Invalid},
		"an empty object":  {"{}", fault.Invalid},
		"null":             {"null", fault.Invalid},
		"cut":              {good[:len(good)/2], fault.Invalid},
		"newer":            {`{"format": 2, "people": {}}`, fault.Refused},
		"more after it":    {good + "{}", fault.Invalid},
		"an unknown role":  {strings.Replace(good, `"analyst"`, `"owner"`, 1), fault.Invalid},
		"an unknown field": {strings.Replace(good, `"role"`, `"rule"`, 1), fault.Invalid},
		"no mock key":      {strings.Replace(good, `"mock_key": "`, `"mock_key": "AAAA`, 1), fault.Invalid},
		"less work":        {strings.Replace(good, "m=65536,t=3", "m=8,t=1", 1), fault.Invalid},
		"fewer iterations": {strings.Replace(good, `"iterations": 4096`, `"iterations": 1`, 1), fault.Invalid},
		"no ranges":        {strings.Replace(good, "\"networks\": [\n        \"10.1.0.0/16\"\n      ],", "", 1), fault.Invalid},
		"a wide range":     {strings.Replace(good, `10.1.0.0/16`, `0.0.0.0/0`, 1), fault.Invalid},
		"a machine's page": {strings.Replace(good, `"kind": "person"`, `"kind": "service"`, 1), fault.Invalid},
		"a lost account":   {strings.Replace(good, `"name": "ana"`, `"name": "eve"`, 1), fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file == good {
				t.Fatal("the case changes nothing")
			}
			must(t, os.WriteFile(filepath.Join(h.dir, accountsFile), []byte(c.file), 0o600))
			_, err := Open(h.options())
			isKind(t, err, c.kind)
			if string(h.bytes()) != c.file {
				t.Error("the file was touched")
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	s := &state{mockKey: make([]byte, mockKeySize), accounts: map[Name]account{}, sessions: map[digest]session{}, links: map[digest]link{}}
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	a := account{ID: "1", Name: "ana", Role: Analyst, Kind: Person, Created: at, CreatedBy: "root", Page: &pagePassword{}}
	_, err := a.renew(s.mockKey, time.Hour, at)
	if err != nil {
		f.Fatal(err)
	}
	s.accounts["ana"] = a
	s.accounts["m"] = account{ID: "2", Name: "m", Role: Viewer, Kind: Service, Created: at, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Certificates: []Certificate{{"ab", at}}}
	s.sessions[digest{1}] = session{Token: digest{1}, ID: "3", Account: "ana", Kind: PageSession, Created: at, LastSeen: at, Expires: at}
	s.links[digest{2}] = link{Token: digest{2}, Kind: InvitationLink, Account: "ana", Expires: &at}
	s.links[digest{3}] = link{Token: digest{3}, Kind: AdministratorLink}
	good, err := encode(s)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := decode(good); err != nil {
		f.Fatal("the seed is not good")
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"mock_key":"","accounts":null,"sessions":[],"links":[]}`))
	f.Add([]byte(`{"format":9}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		once, err := encode(s)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := decode(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		twice, err := encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Error("there are two spellings")
		}
		for name, a := range s.accounts {
			if a.Role.rights() == 0 || name != a.Name || a.Kind == Service && (a.Role == Admin || a.SQL != nil && len(a.Networks) == 0) {
				t.Errorf("%+v is accepted", a.public())
			}
		}
	})
}

// TestMain is also the child that is killed in the middle of a change.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PEOPLE_CHILD_DIR"); dir != "" {
		child(dir, step(os.Getenv("PEOPLE_CHILD_STEP")))
		os.Exit(3) // it should have been killed
	}
	os.Exit(m.Run())
}

func child(dir string, last step) {
	r, err := Open(Options{Dir: dir, Record: func(context.Context, Event) error { return nil }})
	if err != nil {
		os.Exit(4)
	}
	r.at = func(s step) error {
		if s == last {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	_ = r.Remove(context.Background(), Caller{Name: "root"}, "ana")
}

func TestAProcessKilledInAChangeLeavesTheOldOrTheNew(t *testing.T) {
	for last, removed := range map[step]bool{stepWritten: false, stepSynced: false, stepReplaced: true} {
		t.Run(string(last), func(t *testing.T) {
			h := openHouse(t)
			h.add("ana", Analyst)
			must(t, h.Close())
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), "PEOPLE_CHILD_DIR="+h.dir, "PEOPLE_CHILD_STEP="+string(last))
			var exit *exec.ExitError
			if err := c.Run(); !errors.As(err, &exit) {
				t.Fatalf("the child was not killed: %v", err)
			}
			if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the child ended otherwise: %v", exit)
			}
			h.open()
			if got := len(h.List()) == 0; got != removed {
				t.Errorf("removed: %v", got)
			}
			h.add("bob", Viewer) // what the crash left behind is in nobody's way
			if _, err := os.Stat(filepath.Join(h.dir, accountsFile+newSuffix)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a leftover stays: %v", err)
			}
		})
	}
}

func TestMemoryIsWhatTheFileIsWhenTheDiskFails(t *testing.T) {
	for last, removed := range map[step]bool{stepWritten: false, stepSynced: false, stepReplaced: true} {
		t.Run(string(last), func(t *testing.T) {
			h := openHouse(t)
			h.add("ana", Analyst)
			h.at = func(s step) error {
				if s == last {
					return syscall.EIO
				}
				return nil
			}
			err := h.Remove(t.Context(), root, "ana")
			isKind(t, err, fault.Unavailable)
			if got := len(h.List()) == 0; got != removed {
				t.Errorf("removed in memory: %v", got)
			}
			h.reopen()
			if got := len(h.List()) == 0; got != removed {
				t.Errorf("removed in the file: %v", got)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	h := openHouse(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := Name("svc" + strconv.Itoa(i))
			from := Caller{Name: string(name), Address: netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})}
			added, err := h.Add(t.Context(), root, Addition{Name: name, Role: Viewer, Kind: Service, Networks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, SQL: time.Hour})
			if err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				v, err := h.SCRAMFor(h.t.Context(), from)
				if err != nil {
					t.Error(err)
					return
				}
				p, err := h.AfterSCRAM(t.Context(), from, v, true)
				if err != nil || p.Name != added.Account.Name {
					t.Errorf("got %v, %v", p, err)
					return
				}
				if _, err := h.Standing(p, from); err != nil {
					t.Error(err)
				}
				_ = h.List()
				if err := h.SetRole(t.Context(), root, name, Analyst); err != nil {
					t.Error(err)
				}
			}
			if i%2 == 0 {
				if err := h.Remove(t.Context(), root, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(h.List()); n != 4 {
		t.Errorf("%d accounts", n)
	}
	h.reopen()
	if n := len(h.List()); n != 4 {
		t.Errorf("%d accounts after a restart", n)
	}
}

func TestChangedIsTold(t *testing.T) {
	var told []Name
	h := openHouse(t)
	must(t, h.Close())
	o := h.options()
	o.Changed = func(e Event) { told = append(told, e.Account) }
	r, err := Open(o)
	must(t, err)
	h.Registry = r
	h.service("metabase")
	must(t, h.Remove(t.Context(), root, "metabase"))
	h.breakRecord(errors.New("no"))
	_ = h.Remove(t.Context(), root, "metabase")
	if len(told) != 2 || told[0] != "metabase" || told[1] != "metabase" {
		t.Errorf("told %v", told)
	}
}

func TestWhatCouldNotBeReadAgainIsNotWritten(t *testing.T) {
	h := openHouse(t)
	h.service("metabase")
	before, now := h.bytes(), h.clock()
	h.pass(time.Unix(0, 0).Sub(now))
	_, err := h.Add(t.Context(), root, Addition{Name: "other", Role: Viewer, Kind: Service})
	isKind(t, err, fault.Internal)
	if !bytes.Equal(before, h.bytes()) || len(h.List()) != 1 {
		t.Error("something was written")
	}
}
