package people

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// guess tries wrongly until d has passed, as fast as it may, and says how often it was looked at.
func guess(t *testing.T, b *brake, now *time.Time, who Caller, d time.Duration) (tries int) {
	t.Helper()
	for end := now.Add(d); now.Before(end); {
		_, err := b.admit(*now, who)
		var slow *SlowDownError
		switch {
		case err == nil:
			tries++
		case errors.As(err, &slow) && slow.Wait > 0 && slow.Wait <= longestWait+time.Second:
			*now = now.Add(slow.Wait)
		default:
			t.Fatalf("got %v", err)
		}
	}
	return tries
}

func TestGuessingIsSlow(t *testing.T) {
	now := start
	if n := guess(t, newBrake(pagePace), &now, at("ana", office), 24*time.Hour); n < 1000 || n > 24*60+20 {
		t.Errorf("%d guesses in a day", n)
	}
	// Names do not help: the address counts.
	b, n := newBrake(pagePace), 0
	for i := range 200 {
		if _, err := b.admit(start, at(fmt.Sprintf("name%d", i), office)); err == nil {
			n++
		}
	}
	if n != 11 {
		t.Errorf("%d names at once", n)
	}
	// Addresses do not help: the account counts.
	b, n = newBrake(pagePace), 0
	for i := range 200 {
		if _, err := b.admit(start, at("ana", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))); err == nil {
			n++
		}
	}
	if n != 6 {
		t.Errorf("%d addresses at once", n)
	}
	// One customer has a /64.
	b, n = newBrake(pagePace), 0
	for i := range 200 {
		if _, err := b.admit(start, at(fmt.Sprintf("name%d", i), netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i)))); err == nil {
			n++
		}
	}
	if n != 11 {
		t.Errorf("%d addresses of one /64", n)
	}
	if network(netip.MustParseAddr("2001:db8:1:2::1")) == network(netip.MustParseAddr("2001:db8:1:3::1")) || network(netip.MustParseAddr("::ffff:10.0.0.1")) != netip.MustParseAddr("10.0.0.1") {
		t.Error("networks are told apart wrongly")
	}
}

func TestAHundredAtOnceDoNotAllPass(t *testing.T) {
	b := newBrake(pagePace)
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 100 {
		wg.Go(func() {
			if _, err := b.admit(start, at("ana", office)); err == nil {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 6 {
		t.Errorf("%d passed", n)
	}
}

func TestWrongTriesFade(t *testing.T) {
	b, now := newBrake(pagePace), start
	guess(t, b, &now, at("ana", office), time.Hour)
	now = now.Add(time.Hour)
	for i := range 6 {
		if _, err := b.admit(now, at("ana", office)); err != nil {
			t.Fatalf("try %d: %v", i, err)
		}
	}
}

// Somebody guesses at ana day and night, from many places and from her own office. She still comes in.
func TestNobodyLocksTheRightPersonOut(t *testing.T) {
	b, now := newBrake(pagePace), start
	pass, err := b.admit(now, at("ana", office))
	must(t, err)
	b.succeeded(now, pass)
	for i := range 256 {
		guess(t, b, &now, at("ana", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})), time.Minute)
	}
	for i := range 100 {
		_, _ = b.admit(now, at(fmt.Sprintf("name%d", i), office))
	}
	if _, err := b.admit(now, at("ana", office)); err != nil {
		t.Errorf("from where she has signed in: %v", err)
	}
	// From a new place she waits no longer than the cap.
	_, err = b.admit(now, at("ana", netip.MustParseAddr("192.0.2.1")))
	var slow *SlowDownError
	if err != nil && (!errors.As(err, &slow) || slow.Wait > pagePace.account.most+time.Second) {
		t.Errorf("from a new place: %v", err)
	}
	now = now.Add(pagePace.account.most)
	if _, err := b.admit(now, at("ana", netip.MustParseAddr("192.0.2.1"))); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	// Where she is known, her own pair is slowed.
	n := 0
	for range 100 {
		if _, err := b.admit(now, at("ana", office)); err == nil {
			n++
		}
	}
	if n == 0 || n > 6 {
		t.Errorf("%d guesses at once from a known place", n)
	}
}

func TestAnAccountOfOnesOwnDoesNotBuyGuesses(t *testing.T) {
	b, n := newBrake(pagePace), 0
	for i := range 1000 {
		if pass, err := b.admit(start, at("eve", office)); err == nil {
			b.succeeded(start, pass)
		}
		if _, err := b.admit(start, at(fmt.Sprintf("name%d", i), office)); err == nil {
			n++
		}
	}
	if n > 12 {
		t.Errorf("%d guesses", n)
	}
}

func TestGivingUpDoesNotOpenTheWay(t *testing.T) {
	b := newBrake(pagePace)
	n := 0
	for range 1000 {
		if _, err := b.admit(start, at("ana", office)); err == nil {
			n++
		}
		if pass, err := b.admit(start, at("ana", office)); err == nil {
			b.refund(pass)
		}
	}
	if n > 6 {
		t.Errorf("%d guesses", n)
	}
}

func TestCountersDoNotGrowForEver(t *testing.T) {
	b := newBrake(pagePace)
	for i := range maxCounters + 5000 {
		_, _ = b.admit(start, at(fmt.Sprintf("n%d", i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})))
	}
	if len(b.accounts) > maxCounters || len(b.addresses) > maxCounters || len(b.accounts) < maxCounters/2 {
		t.Errorf("%d accounts, %d addresses", len(b.accounts), len(b.addresses))
	}
	if _, err := b.admit(start, at("N O N A M E", office)); err != nil {
		t.Error(err)
	}
	if _, there := b.accounts["N O N A M E"]; there {
		t.Error("what is no name takes memory")
	}
}

func TestAToolThatConnectsManyTimesAtOnceIsNoGuesser(t *testing.T) {
	b := newBrake(sqlPace)
	for i := range 100 {
		if _, err := b.admit(start, at("metabase", office)); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}
