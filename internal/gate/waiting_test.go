package gate

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/ledger"
)

// pad is a record that can be looked into.
type pad struct {
	mu      sync.Mutex
	entries []Asked
}

func (p *pad) Append(_ context.Context, e ledger.Entry) (ledger.Index, error) {
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

func TestWhatIsDescribedAndNotRunIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pad{}
		s := New(Options{Ledger: p}).Session(Principal{Name: "ada", Session: "s1"})
		statement := func(shape string) *Statement {
			st := &Statement{session: s, decision: &decision.Decision{Shape: shape, Reads: []decision.Read{{Table: "t", Columns: []string{"c"}}}}}
			st.Waits()
			return st
		}
		ran, late := statement("ran"), statement("late")
		s.waiting.run(ran)
		<-time.After(runsWithin - time.Second)
		synctest.Wait()
		if n := len(p.shapes()); n != 0 {
			t.Errorf("%d entries too early", n)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if got := p.shapes(); len(got) != 1 || got[0] != "late" {
			t.Errorf("recorded %q", got)
		}
		s.waiting.run(late) // has its own entry besides
		statement("left")
		s.End()
		if got := p.shapes(); len(got) != 2 || got[1] != "left" {
			t.Errorf("at the end: %q", got)
		}
		s.End()
		<-time.After(time.Hour)
		synctest.Wait()
		if n := len(p.shapes()); n != 2 || len(s.waiting.all) != 0 {
			t.Errorf("%d entries in the end, %d statements wait", n, len(s.waiting.all))
		}
	})
}
