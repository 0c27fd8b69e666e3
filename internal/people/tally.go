package people

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

const (
	// spanLife is how long tries are counted before the count is recorded. It is what a crash can lose.
	spanLife = 5 * time.Minute
	// maxSpans bounds the addresses that are told apart at a time, and maxCounts the counts of all of them together: with spanLife they bound what whoever tries can write, however many
	// machines and names they have.
	maxSpans  = 128
	maxCounts = 256
)

// tally records what costs whoever causes it nothing: sign-ins that are not looked at because of wrong ones before, links that are not good, looks at links that are. The first of a span is recorded before it
// is told, with who and from where. Further ones of the same kind from the same network are counted, and the counts are recorded when the span ends, one entry for each account that was named. So
// none goes by without an entry, and trying as fast as the network allows does not fill the disk. Only what is counted tells of accounts, never what has to be waited for: how long a refusal takes
// says nothing of who has one.
type tally struct {
	record func(context.Context, Event) error
	log    *slog.Logger

	mu     sync.Mutex // guards all below
	spans  map[spanKey]*span
	counts int // in all spans together
	closed bool
	ending sync.WaitGroup // of ends that timers began
}

// spanKey is what is counted together.
type spanKey struct {
	kind    EventKind
	way     Way
	network netip.Addr // the zero address is the control socket
	many    bool       // the networks that are too many to be told apart
	link    Name       // whose link was looked at: looking again within the span is no news
}

// span is some minutes of the same.
type span struct {
	key    spanKey
	opened chan struct{} // closed when it was tried to record the first
	err    error         // why the first could not be recorded; set before opened is closed
	counts map[Name]*count
	timer  *time.Timer
}

// count is how often one account was named, or none, after the first.
type count struct {
	n           int64
	since, last time.Time
}

func newTally(record func(context.Context, Event) error, log *slog.Logger) *tally {
	return &tally{record: record, log: log, spans: map[spanKey]*span{}}
}

// admit lets a sign-in through, or says how long to wait when that is recorded or counted.
func (r *Registry) admit(ctx context.Context, b *brake, who Caller, way Way) (admission, error) {
	pass, slow := b.admit(r.o.Clock(), who)
	if slow == nil {
		return pass, nil
	}
	return pass, r.untried(ctx, who, way, slow)
}

// untried records or counts a sign-in that was not looked at, and returns why it was not.
func (r *Registry) untried(ctx context.Context, who Caller, way Way, why error) error {
	e := who.event(SignInUntried, "")
	e.Way, e.At, e.By = way, r.time(), ""
	if _, there := r.now.Load().accounts[Name(who.Name)]; there {
		e.Account, e.By = Name(who.Name), who.Name
	}
	if err := r.tally.happened(ctx, who, e); err != nil {
		return err
	}
	return why
}

// Settle records now what was counted of refusals: before the record says that weir stops.
func (r *Registry) Settle(ctx context.Context) { r.tally.settle(ctx) }

// happened records an event by who, or counts it, and says whether that was possible: what cannot be recorded must not be told.
func (t *tally) happened(ctx context.Context, who Caller, e Event) error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return fault.New(fault.Unavailable, "the accounts are closed", "weir is stopping; try again when it runs")
	}
	key := spanKey{kind: e.Kind, way: e.Way, network: network(who.Address)}
	if e.Kind == LinkOpened {
		key.link = e.Account
	}
	s, there := t.spans[key]
	if !there && len(t.spans) >= maxSpans {
		key.network, key.many, key.link = netip.Addr{}, true, ""
		s, there = t.spans[key]
	}
	if there {
		t.count(s, e)
		t.mu.Unlock()
		<-s.opened
		return s.err
	}
	s = &span{key: key, opened: make(chan struct{}), counts: map[Name]*count{}}
	s.timer = time.AfterFunc(spanLife, func() { t.end(s) })
	t.spans[key] = s
	t.mu.Unlock()
	// Owed also when whoever tried is gone by now.
	s.err = t.record(context.WithoutCancel(ctx), e)
	if s.err != nil {
		t.mu.Lock()
		t.forget(s)
		t.mu.Unlock()
	}
	close(s.opened)
	return s.err
}

// count adds one to a span. The caller holds t.mu.
func (t *tally) count(s *span, e Event) {
	if s.key.kind == LinkOpened && !s.key.many {
		return
	}
	name := e.Account
	c, there := s.counts[name]
	if !there && name != "" && t.counts >= maxCounts {
		name = "" // too many to be told apart
		c, there = s.counts[name]
	}
	if !there {
		c = &count{since: e.At}
		s.counts[name] = c
		t.counts++
	}
	c.n++
	c.last = later(c.last, e.At)
}

// forget takes a span out, if it still is in, and says whether it was. The caller holds t.mu.
func (t *tally) forget(s *span) bool {
	if t.spans[s.key] != s {
		return false
	}
	s.timer.Stop()
	delete(t.spans, s.key)
	t.counts -= len(s.counts)
	return true
}

// end ends a span when its time is over.
func (t *tally) end(s *span) {
	t.mu.Lock()
	mine := !t.closed && t.forget(s)
	if mine {
		t.ending.Add(1)
	}
	t.mu.Unlock()
	if mine {
		defer t.ending.Done()
		t.write(context.Background(), s)
	}
}

// settle ends all spans now.
func (t *tally) settle(ctx context.Context) {
	t.mu.Lock()
	all := slices.Collect(maps.Values(t.spans))
	for _, s := range all {
		t.forget(s)
	}
	t.mu.Unlock()
	for _, s := range all {
		t.write(ctx, s)
	}
}

// close is settle for good; it returns when nothing is being recorded any more.
func (t *tally) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.settle(context.Background())
	t.ending.Wait()
}

// write records what a span has counted. What cannot be recorded is lost, and the log says so: every one of these refusals had the entry of the span's first, and a record that cannot be written
// lets nobody in any more.
func (t *tally) write(ctx context.Context, s *span) {
	<-s.opened
	if s.err != nil {
		return // nobody was told anything
	}
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		c := s.counts[name]
		e := Event{Kind: s.key.kind, Account: name, By: string(name), Address: s.key.place(), At: c.last, Way: s.key.way, Count: c.n, Since: &c.since}
		if err := t.record(context.WithoutCancel(ctx), e); err != nil {
			t.log.ErrorContext(ctx, "what was counted at the door could not be recorded", "count", c.n)
		}
	}
}

// place is the key's network as the record shows it.
func (k spanKey) place() string {
	if k.many {
		return "many"
	}
	if k.network.Is6() {
		return netip.PrefixFrom(k.network, 64).String()
	}
	return Caller{Address: k.network}.place()
}
