package gate_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/gate"
)

// barrier holds up whoever comes, until it is opened.
type barrier struct {
	came chan struct{} // one for each
	open chan struct{}
}

func newBarrier() *barrier {
	return &barrier{came: make(chan struct{}, 100), open: make(chan struct{})}
}

func (b *barrier) hold() {
	b.came <- struct{}{}
	<-b.open
}

// several starts n of what is done, and returns when all are held up; end opens the barrier and joins them.
func (b *barrier) several(t *testing.T, n int, do func() error) (end func()) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
	}
	for range n {
		select {
		case <-b.came:
		case <-time.After(2 * time.Minute):
			t.Fatal("not all of them run at the same time")
		}
	}
	return func() {
		close(b.open)
		all.Wait()
	}
}

// tooMany checks that something is refused because of what else is asked, and that this is recorded.
func tooMany(t *testing.T, s *site, kind string, ask func(name string) error) {
	t.Helper()
	if err := ask("ann"); ruleOf(err) != "concurrency" {
		t.Errorf("one more: %v", err)
	}
	recorded := 0
	for _, q := range entries[gate.Asked](t, s, "question") {
		if q.Rule == "concurrency" && q.Kind == kind {
			recorded++
		}
	}
	refused := 0
	for _, o := range entries[gate.Outcome](t, s, "answer") {
		if o.Verdict == gate.Refused && o.Reason == "concurrency" {
			refused++
		}
	}
	if recorded != 1 || refused != 1 {
		t.Errorf("%d questions are recorded as too many, and %d refusals", recorded, refused)
	}
}

func TestMetricsBeyondTheLimitAtATimeWaitAndAreRefusedInTheEnd(t *testing.T) {
	s := newSite(t, time.Minute, true)
	held := newBarrier()
	s.store.hold = held.hold
	ask := func(name string) error {
		_, err := s.gate.Session(gate.Principal{Name: name, Address: "local", Role: gate.Viewer}).Ask(t.Context(), turnover())
		return err
	}
	end := held.several(t, gate.Viewer.Widest().Concurrent, func() error { return ask("ann") })
	tooMany(t, s, "metric", ask)
	ended := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() {
		end()
		close(ended)
	})
	if err := ask("ann"); err != nil {
		t.Errorf("one that could wait: %v", err)
	}
	<-ended
}

func TestDecisionsBeyondTheLimitAtATimeAreRefused(t *testing.T) {
	a := newAsking(t)
	held := newBarrier()
	a.decider.hold = held.hold
	prepare := func(name string) error {
		_, err := a.gate.Session(gate.Principal{Name: name, Address: "local", Role: gate.Analyst}).Prepare(t.Context(), "SELECT 1")
		return err
	}
	end := held.several(t, gate.SmallAtATime, func() error { return prepare("ann") })
	tooMany(t, a.site, "sql", prepare)
	end()
	if err := prepare("ann"); err != nil {
		t.Error(err)
	}
}

func TestLookupsBeyondTheLimitAtATimeAreRefused(t *testing.T) {
	s := newSite(t, time.Minute, false)
	lookup := func(ctx context.Context, name string) (func(string, error) error, error) {
		return s.gate.Session(gate.Principal{Name: name, Address: "local", Role: gate.Admin}).Lookup(ctx, "record")
	}
	running, end := context.WithCancel(t.Context())
	var failed func(string, error) error
	for range gate.SmallAtATime {
		var err error
		failed, err = lookup(running, "ann")
		check(t, err)
	}
	tooMany(t, s, "record", func(name string) error {
		_, err := lookup(t.Context(), name)
		return err
	})
	if _, err := lookup(running, "bea"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	_ = failed("record", &decision.RefusalError{})
	if _, err := lookup(running, "ann"); err != nil {
		t.Errorf("after one that failed: %v", err)
	}
	end()
	for range gate.SmallAtATime {
		if _, err := lookup(context.WithoutCancel(running), "ann"); err != nil {
			t.Errorf("after all that were asked: %v", err)
		}
	}
	s.gate.AwaitNoTurns(t)
}
