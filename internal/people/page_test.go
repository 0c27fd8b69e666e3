package people

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

func signIn(h *house, name, password string) (Secret, Session, error) {
	p, err := h.VerifyPage(h.t.Context(), at(name, office), password)
	if err != nil {
		return Secret{}, Session{}, err
	}
	return h.BeginSession(h.t.Context(), p, at(name, office), PageSession)
}

func TestOnlyTheRightPasswordComesIn(t *testing.T) {
	h := openHouse(t)
	ana := h.add("ana", Analyst)
	p, err := h.VerifyPage(t.Context(), at("ana", office), ana.PagePassword.Reveal())
	must(t, err)
	if p.Name != "ana" || p.Role != Analyst || p.Kind != Person || p.Way != ByPage || !p.PageTemporary {
		t.Errorf("got %+v", p)
	}
	if e := h.last(); e.Kind != SignedIn || e.Account != "ana" || e.Address != office.String() {
		t.Errorf("recorded %+v", e)
	}
	h.service("metabase", "10.0.0.0/8")
	h.add("gone", Viewer)
	must(t, h.Disable(t.Context(), root, "gone"))
	var first *fault.Error
	for _, c := range []struct{ name, password string }{
		{"ana", "wrong"},
		{"ana", ""},
		{"ana", ana.PagePassword.Reveal() + " "},
		{"ana", ana.PagePassword.Reveal() + strings.Repeat("x", 1000)},
		{"ana", ana.SQL.Password.Reveal()},
		{"nobody-here", ana.PagePassword.Reveal()},
		{"Ana", ana.PagePassword.Reveal()},
		{"", ""},
		{"metabase", ""},
		{"gone", ana.PagePassword.Reveal()},
		{strings.Repeat("x", 1<<16), "x"},
	} {
		h.pass(time.Hour) // not to be slowed down
		_, err := h.VerifyPage(t.Context(), at(c.name, office), c.password)
		isKind(t, err, fault.Refused)
		var f *fault.Error
		errors.As(err, &f)
		if first == nil {
			first = f
		}
		if f.Message != first.Message || f.Hint != first.Hint || f.Unwrap() != nil {
			t.Errorf("%.20q is told apart: %q", c.name, f.Message)
		}
		if e := h.last(); e.Kind != SignInRefused || e.Account == "" && e.By != "" {
			t.Errorf("recorded %+v", e)
		}
	}
}

// What takes the time is one argon2id, whoever is asked for. It is this process's time on the processors that is measured, which passes only while it works, and the medians are compared coarsely;
// that the work is the same is by construction.
func TestUnknownAndWrongLookAndTimeAlike(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	h.add("gone", Analyst)
	must(t, h.Disable(t.Context(), root, "gone"))
	took := map[string][]time.Duration{}
	for range 7 {
		for _, name := range []string{"ana", "nobody-here", "gone", "No Name"} {
			h.pass(time.Hour)
			began := worked(t)
			if _, err := h.VerifyPage(t.Context(), at(name, office), "wrong"); err == nil {
				t.Fatal("came in")
			}
			took[name] = append(took[name], worked(t)-began)
		}
	}
	median := func(name string) time.Duration { slices.Sort(took[name]); return took[name][len(took[name])/2] }
	known := median("ana")
	for name := range took {
		if m := median(name); m < known/2 || m > known*2 {
			t.Errorf("%s takes %v, a wrong password %v", name, m, known)
		}
	}
}

// worked is for how long processors have worked for this process.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestHashingIsBounded(t *testing.T) {
	h := newHasher()
	for range hashSlots {
		h.slots <- struct{}{} // all are at work
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range hashSlots + hashQueue {
		wg.Go(func() {
			_, err := h.verify(ctx, "x", nil)
			if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	for h.waiting.Load() < hashSlots+hashQueue {
		runtime.Gosched()
	}
	_, err := h.verify(ctx, "x", nil)
	isKind(t, err, fault.Unavailable)
	if errors.Is(err, context.Canceled) {
		t.Error("it waited")
	}
	cancel()
	wg.Wait()
	if h.waiting.Load() != 0 {
		t.Error("somebody still waits")
	}
}

func TestChangingOnesPassword(t *testing.T) {
	h := openHouse(t)
	old := h.add("ana", Analyst).PagePassword.Reveal()
	token, mine, err := signIn(h, "ana", old)
	must(t, err)
	other, _, err := signIn(h, "ana", old)
	must(t, err)
	isKind(t, h.ChangePassword(t.Context(), at("ana", office), "wrong", chosen, mine.ID), fault.Refused)
	must(t, h.ChangePassword(t.Context(), at("ana", office), old, chosen, mine.ID))
	if a, _ := h.Account("ana"); a.PageTemporary {
		t.Error("still called temporary")
	}
	if _, _, err := h.Session(t.Context(), token.Reveal()); err != nil {
		t.Errorf("the own session ended: %v", err)
	}
	_, _, err = h.Session(t.Context(), other.Reveal())
	isKind(t, err, fault.Refused)
	_, err = h.VerifyPage(t.Context(), at("ana", office), old)
	isKind(t, err, fault.Refused)
	_, err = h.VerifyPage(t.Context(), at("ana", office), chosen)
	must(t, err)
	err = h.ChangePassword(t.Context(), at("ana", office), chosen, chosen, mine.ID)
	if isKind(t, err, fault.Invalid); !strings.Contains(err.Error(), "the new password is the old one") {
		t.Error(err)
	}
	isKind(t, h.ChangePassword(t.Context(), at("ana", office), chosen2, chosen2, mine.ID), fault.Refused) // it tells nobody what the password is
}

func TestPasswordsThatAreNotTaken(t *testing.T) {
	for _, bad := range []string{"", "short", "fourteen chars", strings.Repeat("a", 40), strings.Repeat("ab", 20), "anastasia-1234567"[:16], strings.Repeat("x y z", 100), "four words\x00nobody joins", "four words\xffnobody joins", "abcabcabcabcabcabc"} {
		isKind(t, checkPassword("anastasia", bad), fault.Invalid)
	}
	for _, easy := range []string{
		"passwordpassword", "PasswordPassword1", "password12345678", "Password!Password!", "p@ssw0rdp@ssw0rd", "qwertyqwertyqwerty", "qwertyuiopasdfgh", "letmeinletmein12", "summersummer2026", "anastasiaadmin123",
		"123456789012345", "9876543210987654", "abcdefghijklmnop", "adminadminadmin", "2026-password-2026", "zebrafishzebrafish", "test1test2test3test4", "passwordadminpassword",
	} {
		err := checkPassword("anastasia", easy)
		if err == nil {
			t.Errorf("%s is taken", easy)
			continue
		}
		if isKind(t, err, fault.Invalid); !strings.Contains(err.Error(), "one of the first that somebody would guess") {
			t.Errorf("%s: %v", easy, err)
		}
	}
	for _, good := range []string{"password of the lake", "orange monkey winter berlin", "summer8302749104738", "830274910473826", "the summer of the otter", chosen, chosen2, "äöü ß 日本語の長い合言葉です", newPagePassword().Reveal()} {
		must(t, checkPassword("ana", good))
	}
}

func TestMadePasswordsAreAllDifferent(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		p := newPagePassword().Reveal()
		if seen[p] || len(p) != 23 || strings.Trim(p, passwordAlphabet+"-") != "" {
			t.Fatalf("got %q", p)
		}
		seen[p] = true
	}
}

func TestAPasswordChangedMeanwhileIsNotGood(t *testing.T) {
	h := openHouse(t)
	old := h.add("ana", Analyst).PagePassword.Reveal()
	for range hashSlots {
		h.hash.slots <- struct{}{}
	}
	got := make(chan error, 1)
	go func() {
		_, err := h.VerifyPage(t.Context(), at("ana", office), old)
		got <- err
	}()
	for h.hash.waiting.Load() == 0 {
		runtime.Gosched()
	}
	must(t, h.Disable(t.Context(), root, "ana"))
	for range hashSlots {
		<-h.hash.slots
	}
	isKind(t, <-got, fault.Refused)
}

func BenchmarkVerifyPage(b *testing.B) {
	r := benchRegistry(b)
	for name, who := range map[string]string{"wrong": "ana", "unknown": "nobody-here"} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				if _, err := r.VerifyPage(b.Context(), at(who, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})), "wrong"); err == nil {
					b.Fatal("came in")
				}
			}
		})
	}
}

// benchRegistry has a clock that runs an hour with each look, so that nobody is slowed down.
func benchRegistry(b *testing.B) *Registry {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	r, err := Open(Options{Dir: filepath.Join(b.TempDir(), "people"), Record: func(context.Context, Event) error { return nil }, Clock: func() time.Time { now = now.Add(time.Hour); return now }})
	if err == nil {
		_, err = r.Add(b.Context(), root, Addition{Name: "ana", Role: Analyst, Kind: Person, SQL: time.Hour})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	return r
}
