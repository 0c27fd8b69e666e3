package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/ledger"
)

// pad is a record that can be looked into.
type pad struct {
	mu      sync.Mutex
	entries []Asked
	full    error
}

func (p *pad) Append(ctx context.Context, e ledger.Entry) (ledger.Index, error) {
	if err := errors.Join(ctx.Err(), p.full); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if asked, ok := e.Body.(Asked); ok {
		p.entries = append(p.entries, asked)
	}
	return ledger.Index(len(p.entries)), nil
}

func (p *pad) shapes() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.entries {
		if a.Kind != kindPrepare || a.Session != "s1" || len(a.Columns) > 0 {
			all = append(all, "wrong")
		}
		all = append(all, a.Shape)
	}
	return all
}

func TestWhatIsDescribedAndNotRunIsRecordedBeforeItIsTold(t *testing.T) {
	p := &pad{}
	s := New(Options{Ledger: p}).Session(Principal{Name: "ada", Session: "s1"})
	statement := func(shape string) *Statement {
		st := &Statement{session: s, decision: &decision.Decision{Shape: shape, Reads: []decision.Read{{Table: "t", Columns: []string{"c"}}}}}
		if err := st.Waits(t.Context()); err != nil {
			t.Error(err)
		}
		return st
	}
	one, ran, two := statement("one"), statement("ran"), statement("two")
	s.waiting.run(ran)
	check := func(want ...string) {
		t.Helper()
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := p.shapes(); !slices.Equal(got, want) {
			t.Errorf("recorded %q, want %q", got, want)
		}
	}
	check("one", "two")
	check("one", "two") // once
	s.waiting.run(one)  // has entries of its own besides
	s.waiting.run(two)
	statement("three")
	check("one", "two", "three")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	statement("gone")
	if err := s.Settle(gone); err != nil || !slices.Contains(p.shapes(), "gone") {
		t.Errorf("for somebody who is gone: %v, %q", err, p.shapes())
	}
	for range 10 * mostWaiting { // told to nobody as yet, and run by nobody
		statement("many")
	}
	if recorded, waiting := len(p.shapes()), len(s.waiting.all); waiting > mostWaiting || recorded < 9*mostWaiting {
		t.Errorf("%d statements wait, %d are recorded", waiting, recorded)
	}
	p.full = errors.New("full")
	for range mostWaiting - len(s.waiting.all) {
		statement("lost")
	}
	if err := (&Statement{session: s, decision: &decision.Decision{}}).Waits(t.Context()); !errors.Is(err, p.full) {
		t.Errorf("one more with a ledger that takes nothing: %v", err)
	}
	statement("lost")
	if err := s.Settle(t.Context()); !errors.Is(err, p.full) {
		t.Errorf("with a ledger that takes nothing: %v", err)
	}
}
