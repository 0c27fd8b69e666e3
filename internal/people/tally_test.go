package people

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// since are the events recorded from the nth on.
func (h *house) since(n int) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Event(nil), h.events[n:]...)
}

// slow tries wrongly until who has to wait.
func (h *house) slow(who Caller) {
	h.t.Helper()
	for range 50 {
		if _, err := h.SCRAMFor(h.t.Context(), who); isSlow(err) {
			return
		}
		if _, err := h.VerifyPage(h.t.Context(), who, "wrong"); isSlow(err) {
			return
		}
	}
	h.t.Fatal("nobody has to wait")
}

func isSlow(err error) bool {
	var slow *SlowDownError
	return errors.As(err, &slow)
}

func TestTriesDuringTheWaitStandInTheRecord(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	for _, c := range []struct {
		typed   string
		account Name
	}{{"ana", "ana"}, {"My Password 1", ""}} {
		address := netip.MustParseAddr("192.0.2.1")
		if c.account == "" {
			address = netip.MustParseAddr("2001:db8:1:2::1")
		}
		who := at(c.typed, address)
		before := h.recorded()
		h.slow(who)
		// The first is recorded before it is told.
		first := h.since(before)[len(h.since(before))-1]
		if first.Kind != SignInUntried || first.Account != c.account || first.By != string(c.account) || first.Address != who.place() || first.Way != ByPage || first.Count != 0 || first.Since != nil || !first.At.Equal(h.clock()) {
			t.Errorf("%s: the first is %+v", c.typed, first)
		}
		// Further ones are counted.
		before = h.recorded()
		begun := h.clock()
		for range 100 {
			if _, err := h.VerifyPage(t.Context(), who, "wrong"); !isSlow(err) {
				t.Fatalf("%s: %v", c.typed, err)
			}
			h.pass(time.Millisecond)
		}
		if n := h.recorded(); n != before {
			t.Errorf("%s: %d entries for what is counted", c.typed, n-before)
		}
		h.Settle(t.Context())
		counted := h.since(before)
		if len(counted) != 1 || counted[0].Kind != SignInUntried || counted[0].Account != c.account || counted[0].Count != 100 || !counted[0].Since.Equal(begun) || !counted[0].At.Equal(begun.Add(99*time.Millisecond)) {
			t.Errorf("%s: counted are %+v", c.typed, counted)
		}
		if want := map[Name]string{"ana": "192.0.2.1", "": "2001:db8:1:2::/64"}[c.account]; counted[0].Address != want {
			t.Errorf("%s: counted from %s", c.typed, counted[0].Address)
		}
		h.Settle(t.Context())
		if n := h.recorded(); n != before+1 {
			t.Errorf("%s: %d entries more", c.typed, n-before-1)
		}
	}
}

// What cannot be recorded is not answered, not even that somebody has to wait.
func TestWithoutARecordNobodyIsToldToWait(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	who := at("ana", office)
	h.slow(who)
	h.Settle(t.Context())
	h.breakRecord(errors.New("full"))
	for range 3 {
		_, err := h.VerifyPage(t.Context(), who, "wrong")
		isKind(t, err, fault.Unavailable)
		if isSlow(err) {
			t.Fatal("somebody was told to wait")
		}
	}
	h.breakRecord(nil)
	before := h.recorded()
	if _, err := h.VerifyPage(t.Context(), who, "wrong"); !isSlow(err) {
		t.Fatal(err)
	}
	h.Settle(t.Context())
	if events := h.since(before); len(events) != 1 || events[0].Kind != SignInUntried || events[0].Count != 0 {
		t.Errorf("recorded: %+v", events)
	}
}

// An attacker with many machines and many names writes a bounded number of entries, and every try is in one of them.
func TestGuessersDoNotFillTheRecord(t *testing.T) {
	var mu sync.Mutex
	entries, tries := 0, int64(0)
	record := func(_ context.Context, e Event) error {
		mu.Lock()
		defer mu.Unlock()
		entries++
		tries += max(1, e.Count)
		return nil
	}
	ta := newTally(record, slog.New(slog.DiscardHandler))
	var running sync.WaitGroup
	const each = 5000
	for g := range 4 {
		running.Go(func() {
			for i := range each {
				who := at("", netip.AddrFrom4([4]byte{10, byte(g), byte(i >> 8), byte(i)}))
				e := Event{Kind: SignInUntried, Way: ByPage, Account: Name(fmt.Sprintf("name%d", i%700)), At: start}
				if err := ta.happened(t.Context(), who, e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	ta.close()
	if tries != 4*each {
		t.Errorf("%d tries stand in the record, and there were %d", tries, 4*each)
	}
	if most := maxSpans + 1 + maxCounts + maxSpans + 1; entries > most {
		t.Errorf("%d entries, at most %d", entries, most)
	}
	if ta.counts != 0 || len(ta.spans) != 0 {
		t.Errorf("%d counts and %d spans are left", ta.counts, len(ta.spans))
	}
	if err := ta.happened(t.Context(), at("", office), Event{Kind: SignInUntried}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

func TestASpanEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		var mu sync.Mutex
		ta := newTally(func(_ context.Context, e Event) error {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			return nil
		}, slog.New(slog.DiscardHandler))
		for range 5 {
			must(t, ta.happened(t.Context(), at("", office), Event{Kind: SignInUntried, Way: BySQL, At: time.Now()}))
		}
		<-time.After(spanLife + time.Second)
		synctest.Wait()
		mu.Lock()
		if len(events) != 2 || events[1].Count != 4 {
			t.Errorf("recorded: %+v", events)
		}
		mu.Unlock()
		must(t, ta.happened(t.Context(), at("", office), Event{Kind: SignInUntried, Way: BySQL, At: time.Now()}))
		ta.close()
		if len(events) != 3 || events[2].Count != 0 {
			t.Errorf("the next span: %+v", events)
		}
	})
}

// While the first of a span is being recorded nobody else is answered, and when it cannot be, nobody is.
func TestNobodyIsAnsweredBeforeTheFirstIsRecorded(t *testing.T) {
	for _, fails := range []error{nil, errors.New("full")} {
		synctest.Test(t, func(t *testing.T) {
			recorded := make(chan error)
			ta := newTally(func(context.Context, Event) error { return <-recorded }, slog.New(slog.DiscardHandler))
			answers := make(chan error, 10)
			for range 10 {
				go func() { answers <- ta.happened(t.Context(), at("", office), Event{Kind: SignInUntried, At: start}) }()
			}
			synctest.Wait()
			if len(answers) > 0 {
				t.Errorf("%d were answered before anything was recorded", len(answers))
			}
			recorded <- fails
			synctest.Wait()
			for range 10 {
				if err := <-answers; !errors.Is(err, fails) {
					t.Errorf("got %v, want %v", err, fails)
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				ta.close()
			}()
			if fails == nil {
				recorded <- nil // the count
			}
			<-done
		})
	}
}

func TestWhatWasCountedIsRecordedAtTheEnd(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	h.slow(at("ana", office))
	_, _ = h.VerifyPage(t.Context(), at("ana", office), "wrong")
	before := h.recorded()
	must(t, h.Close())
	if events := h.since(before); len(events) != 1 || events[0].Count == 0 {
		t.Errorf("recorded: %+v", events)
	}
}

// Whoever has a certificate that is not good any more does not write an entry with each try for ever.
func TestRefusedCertificatesAreSlowedToo(t *testing.T) {
	h := openHouse(t)
	h.service("metabase")
	issued, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	must(t, h.RevokeCertificate(t.Context(), root, "metabase", issued.Serial))
	before := h.recorded()
	slowed := 0
	for range 1000 {
		if _, err := h.VerifyCertificate(t.Context(), at("metabase", office), pairOfIssued(t, issued).Leaf); isSlow(err) {
			slowed++
		}
	}
	if n := h.recorded() - before; slowed < 800 || n > 200 {
		t.Errorf("%d were slowed, %d entries", slowed, n)
	}
	other, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	h.pass(sqlPace.account.most)
	if _, err := h.VerifyCertificate(t.Context(), at("metabase", office), pairOfIssued(t, other).Leaf); err != nil {
		t.Errorf("a good one after the wait: %v", err)
	}
}

func TestLinksAreSeenInTheRecord(t *testing.T) {
	h := openHouse(t)
	h.add("ana", Analyst)
	link, err := h.Invite(t.Context(), root, "ana")
	must(t, err)
	before := h.recorded()
	for range 3 {
		_, err = h.Look(t.Context(), Caller{Address: office}, link.Token.Reveal())
		must(t, err)
	}
	for range 20 {
		_, err = h.Look(t.Context(), Caller{Address: office}, "nothing")
		isKind(t, err, fault.Refused)
		_, err = h.Use(t.Context(), Caller{Address: office}, "nothing", "a password that is long enough")
		isKind(t, err, fault.Refused)
	}
	h.Settle(t.Context())
	events := h.since(before)
	if len(events) != 3 || events[0].Kind != LinkOpened || events[0].Account != "ana" || events[0].Address != office.String() ||
		events[1].Kind != LinkRefused || events[1].Account != "" || events[2].Kind != LinkRefused || events[2].Count != 39 {
		t.Errorf("recorded: %+v", events)
	}
	h.breakRecord(errors.New("full"))
	_, err = h.Look(t.Context(), Caller{Address: office}, "nothing")
	isKind(t, err, fault.Unavailable)
	_, err = h.Look(t.Context(), Caller{Address: office}, link.Token.Reveal())
	isKind(t, err, fault.Unavailable)
	h.breakRecord(nil)
	h.pass(LinkLife)
	before = h.recorded()
	must(t, h.Expire(t.Context()))
	must(t, h.Expire(t.Context()))
	if events := h.since(before); len(events) != 1 || events[0].Kind != LinkExpired || events[0].Account != "ana" || events[0].By != "weir" {
		t.Errorf("recorded: %+v", events)
	}
}

// Every end of a session stands in the record: by itself, by a change, and by another one that needed its place.
func TestEveryEndOfASessionIsRecorded(t *testing.T) {
	h := openHouse(t)
	added := h.add("ana", Analyst)
	who := at("ana", office)
	p, err := h.VerifyPage(t.Context(), who, added.PagePassword.Reveal())
	must(t, err)
	begin := func() Session {
		_, s, err := h.BeginSession(t.Context(), p, who, PageSession)
		must(t, err)
		return s
	}
	first := begin()
	h.pass(time.Minute)
	for range maxPerAccount - 1 {
		begin()
	}
	crowded := begin()
	if e := h.last(); e.Kind != SessionBegun || e.Session != string(crowded.ID) || len(e.Ended) != 1 || e.Ended[0] != string(first.ID) {
		t.Errorf("one too many: %+v", e)
	}
	must(t, h.EndSession(t.Context(), who, "ana", crowded.ID))
	if e := h.last(); e.Kind != SessionEnded || e.Session != string(crowded.ID) || len(e.Ended) != 0 {
		t.Errorf("one ended: %+v", e)
	}
	must(t, h.ChangePassword(t.Context(), who, added.PagePassword.Reveal(), "another one that is long enough", ""))
	if e := h.last(); e.Kind != PasswordChanged || len(e.Ended) != maxPerAccount-1 {
		t.Errorf("another password ended %d sessions, want %d", len(e.Ended), maxPerAccount-1)
	}
	_, idle, err := h.BeginSession(t.Context(), p, who, PageSession)
	must(t, err)
	h.pass(SessionIdle)
	before := h.recorded()
	must(t, h.Expire(t.Context()))
	must(t, h.Expire(t.Context()))
	if events := h.since(before); len(events) != 1 || events[0].Kind != SessionsExpired || events[0].Account != "ana" || events[0].By != "weir" || len(events[0].Ended) != 1 || events[0].Ended[0] != string(idle.ID) {
		t.Errorf("recorded: %+v", events)
	}
	if n := len(h.Sessions("ana")); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	// What a change finds expired is told apart from what it ended.
	_, _, err = h.BeginSession(t.Context(), p, who, PageSession)
	must(t, err)
	h.pass(SessionIdle)
	before = h.recorded()
	must(t, h.Remove(t.Context(), root, "ana"))
	if events := h.since(before); len(events) != 2 || events[0].Kind != SessionsExpired || events[1].Kind != AccountRemoved || len(events[1].Ended) != 0 {
		t.Errorf("recorded: %+v", events)
	}
}

// Whoever leaves in the middle of a change has not changed anything, and the record says nothing else.
func TestALeaverLeavesNoChangeInTheRecordAlone(t *testing.T) {
	h := openHouse(t)
	h.service("metabase")
	must(t, h.Close())
	ctx, leave := context.WithCancel(t.Context())
	o := h.options()
	o.Record = func(ctx context.Context, e Event) error {
		leave() // while the entry is being written
		if err := ctx.Err(); err != nil {
			_ = h.record(ctx, e)
			return err
		}
		return h.record(ctx, e)
	}
	r, err := Open(o)
	must(t, err)
	h.Registry = r
	before := h.recorded()
	err = h.Remove(ctx, root, "metabase")
	_, gone := h.Account("metabase")
	if recorded := h.recorded() - before; recorded != 1 || err != nil || gone == nil {
		t.Errorf("%d entries, error %v, account gone: %v", recorded, err, gone != nil)
	}
	isKind(t, h.Remove(ctx, root, "other"), fault.Unavailable)
	if h.recorded() != before+1 {
		t.Error("something was recorded of a change by somebody who had left before")
	}
}
