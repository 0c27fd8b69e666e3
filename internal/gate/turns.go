package gate

import (
	"context"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
)

// ruleConcurrency is the rule that refuses what is asked at the same time as too much else.
const ruleConcurrency = "concurrency"

const (
	// smallAtATime is how many decisions and lookups of one principal are worked on at a time. They are short: clients ask a burst of them when they start, and what is too much of it waits.
	smallAtATime = 8
	// patience is how long a metric's question, a decision or a lookup waits for its turn. SQL does not wait: what is before it may be an answer that somebody keeps open.
	patience = 2 * time.Second
)

// turn says whose turn it is and for what: questions that read the copy, or small ones.
type turn struct {
	name  string
	small bool
}

// turns are those of one principal. They are forgotten when nobody has or wants one.
type turns struct {
	taken chan struct{} // as much room as there may be at a time
	users int           // who have one or want one; under Gate.mu
}

// enter takes a turn, and waits for it as long as wait. What it refuses is a *fault.Error with the rule concurrency as its cause.
func (g *Gate) enter(ctx context.Context, t turn, limit int, wait time.Duration) (leave func(), err error) {
	g.mu.Lock()
	all := g.asking[t]
	if all == nil {
		all = &turns{taken: make(chan struct{}, limit)}
		g.asking[t] = all
	}
	all.users++
	g.mu.Unlock()
	forget := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if all.users--; all.users == 0 {
			delete(g.asking, t)
		}
	}
	if !all.take(ctx, wait) {
		forget()
		return nil, fault.Newf(fault.Refused, "you are asking %d questions at a time already, which is the limit", limit).WithHint("wait for one to end").
			WithCause(&decision.RefusalError{Rule: ruleConcurrency, SQLState: "53400"})
	}
	return sync.OnceFunc(func() {
		<-all.taken
		forget()
	}), nil
}

func (t *turns) take(ctx context.Context, wait time.Duration) bool {
	select {
	case t.taken <- struct{}{}:
		return true
	default:
	}
	if wait <= 0 {
		return false
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case t.taken <- struct{}{}:
		return true
	case <-over.C:
	case <-ctx.Done():
	}
	return false
}

// question takes a turn for a question that reads the copy.
func (s *Session) question(ctx context.Context, wait time.Duration) (leave func(), err error) {
	return s.gate.enter(ctx, turn{name: s.principal.Name}, s.Rights().Concurrent, wait)
}

// small takes a turn for what reads nothing of the copy.
func (s *Session) small(ctx context.Context) (leave func(), err error) {
	return s.gate.enter(ctx, turn{name: s.principal.Name, small: true}, smallAtATime, patience)
}
