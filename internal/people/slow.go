package people

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// SlowDownError is the cause of a refusal that did not look at the password: there were too many wrong ones.
type SlowDownError struct {
	Wait time.Duration // until the next try is looked at
}

// Error says that it is too soon.
func (e *SlowDownError) Error() string { return "too many wrong sign-ins; wait " + e.Wait.String() }

// slowDown makes guessing slow. It lives in memory alone: a restart forgets it, which a guesser cannot cause. The ways count apart, so that a dashboard which goes on trying an expired SQL
// password does not keep its owner from the page.
type slowDown struct{ page, sql, certificate *brake }

func newSlowDown() slowDown {
	return slowDown{page: newBrake(pagePace), sql: newBrake(sqlPace), certificate: newBrake(sqlPace)}
}

// pace says how one counter slows: free wrong tries, then a wait of firstWait that doubles with each further one up to most.
type pace struct {
	free float64
	most time.Duration
}

const (
	firstWait = time.Second
	// forgetIn is how long it takes to forget one wrong try.
	forgetIn = 2 * time.Minute
	// knownFor is how long an address is remembered from which an account has signed in.
	knownFor = 30 * 24 * time.Hour
	// maxCounters bounds the memory of each kind of counter.
	maxCounters = 1 << 16
)

// paces are those of the counters of one brake.
type paces struct{ account, address, pair pace }

// An address may be a whole office, so it has more free tries. The waits are capped low: a password of 15 characters outlives any number of guesses at four a minute, and whoever is guessed at
// by somebody else must be able to get in. Nobody guesses an SQL password of 130 random bits; what is slowed there is the load and the length of the record, and a BI tool that opens all of its
// connections at once must not be taken for a guesser.
var (
	pagePace = paces{account: pace{free: 5, most: 15 * time.Second}, address: pace{free: 10, most: time.Minute}, pair: pace{free: 5, most: 30 * time.Second}}
	sqlPace  = paces{account: pace{free: 100, most: 15 * time.Second}, address: pace{free: 200, most: time.Minute}, pair: pace{free: 100, most: 30 * time.Second}}
)

// longestWait is what anybody is told to wait at most.
const longestWait = time.Minute

// pair is an account and an address.
type pair struct {
	name    string
	address netip.Addr
}

// brake counts wrong tries per name, per address, and per pair of both. The right person is not locked out by somebody else's guessing: from an address from which an account has signed in,
// only the wrong tries of that very pair count.
type brake struct {
	paces

	mu        sync.Mutex // guards all below
	accounts  map[string]counter
	addresses map[netip.Addr]counter
	pairs     map[pair]counter
	known     map[pair]time.Time
}

// counter is wrong tries that fade, and when the next may come.
type counter struct {
	wrong float64
	at    time.Time // of wrong
	next  time.Time
}

// admission is a try that was let through. It has been counted as wrong already, so that a hundred at once do not all pass before the first is known to be wrong.
type admission struct {
	pair  pair
	known bool
}

func newBrake(p paces) *brake {
	return &brake{paces: p, accounts: map[string]counter{}, addresses: map[netip.Addr]counter{}, pairs: map[pair]counter{}, known: map[pair]time.Time{}}
}

// network is what counts as one address: a /64 of IPv6 is what one customer gets, so its addresses are one.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

func pairOf(who Caller) pair {
	name := who.Name
	if !wellFormed(name) {
		name = "" // no account has it; all such names count as one, and take no memory
	}
	return pair{name, network(who.Address)}
}

// admit lets a try through or says how long to wait. It does not know which names are accounts.
func (b *brake) admit(now time.Time, who Caller) (admission, error) {
	a := admission{pair: pairOf(who)}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.known[a.pair]
	a.known = ok && now.Sub(at) < knownFor
	next := b.pairs[a.pair].next
	if !a.known {
		next = later(b.accounts[a.pair.name].next, b.addresses[a.pair.address].next)
	}
	if wait := next.Sub(now); wait > 0 {
		wait = min(wait, longestWait).Round(time.Second) + time.Second
		return a, fault.New(fault.Refused, "there were too many wrong sign-ins", "").WithHint("wait %d seconds and try again", int(wait.Seconds())).WithCause(&SlowDownError{Wait: wait})
	}
	if a.known {
		charge(b.pairs, a.pair, b.pair, now)
	} else {
		charge(b.accounts, a.pair.name, b.account, now)
		charge(b.addresses, a.pair.address, b.address, now)
	}
	return a, nil
}

// refund takes back what admit counted.
func (b *brake) refund(a admission) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.known {
		refund(b.pairs, a.pair, b.pair)
		return
	}
	refund(b.accounts, a.pair.name, b.account)
	refund(b.addresses, a.pair.address, b.address)
}

// succeeded remembers where the account signs in from. It forgives the account, and the address only this one try: whoever has an account could else guess at others for ever.
func (b *brake) succeeded(now time.Time, a admission) {
	b.refund(a)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, a.pair.name)
	delete(b.pairs, a.pair)
	makeRoom(b.known, a.pair, func(t time.Time) bool { return now.Sub(t) >= knownFor })
	b.known[a.pair] = now
}

func charge[K comparable](counters map[K]counter, key K, p pace, now time.Time) {
	if _, ok := counters[key]; !ok {
		makeRoom(counters, key, func(c counter) bool { return c.faded(now) == 0 })
	}
	wrong := min(counters[key].faded(now)+1, p.free+1+math.Log2(p.most.Seconds()/firstWait.Seconds()))
	counters[key] = counter{wrong: wrong, at: now, next: now.Add(p.wait(wrong))}
}

// refund takes one try back. What the others have earned stays: giving a try up must not open the way for the next.
func refund[K comparable](counters map[K]counter, key K, p pace) {
	if c, ok := counters[key]; ok {
		c.wrong = max(0, c.wrong-1)
		c.next = c.at.Add(p.wait(c.wrong))
		counters[key] = c
	}
}

// wait is how long nobody is let through after so many wrong tries.
func (p pace) wait(wrong float64) time.Duration {
	over := wrong - p.free
	if over <= 0 {
		return 0
	}
	return min(time.Duration(math.Exp2(over-1)*float64(firstWait)), p.most)
}

// faded is what is left of the wrong tries. A clock that went back takes nothing away.
func (c counter) faded(now time.Time) float64 {
	return max(0, c.wrong-max(0, now.Sub(c.at)).Seconds()/forgetIn.Seconds())
}

// makeRoom keeps a map bounded: first what means nothing any more goes, then anything.
func makeRoom[K comparable, V any](m map[K]V, key K, over func(V) bool) {
	if _, ok := m[key]; ok || len(m) < maxCounters {
		return
	}
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < maxCounters*9/10 {
			break
		}
		delete(m, k)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
