package gate

import (
	"context"
	"sync"
)

// kindPrepare is the kind of a question that was answered with the names and types of its columns, and was not run.
const kindPrepare = "prepare"

// waiting are the statements of a session that somebody will be told of and that have no entry yet, in the order in which they were prepared.
type waiting struct {
	mu  sync.Mutex // guards all
	all []*Statement
}

// run says that a statement is run, which has an entry of its own.
func (w *waiting) run(s *Statement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, st := range w.all {
		if st == s {
			w.all = append(w.all[:i], w.all[i+1:]...)
			return
		}
	}
}

// mostWaiting is how many statements wait at most: somebody can prepare for hours without taking a word of the answers, and each statement is as long as its text.
const mostWaiting = 16

// Waits says that somebody will be told what the statement takes and gives: unless it is run before, Settle records that. Where many wait already, they are recorded first, whether they will be run or not.
func (s *Statement) Waits(ctx context.Context) error {
	w := &s.session.waiting
	w.mu.Lock()
	many := len(w.all) >= mostWaiting
	w.mu.Unlock()
	if many {
		if err := s.session.Settle(ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, s)
	return nil
}

// Settle records the statements that wait and were not run, each as a question of the kind prepare. Whoever answers calls it before anything is sent; after an error nothing may be. They are owed even if the
// asker is gone by now.
func (s *Session) Settle(ctx context.Context) error {
	w := &s.waiting
	w.mu.Lock()
	all := w.all
	w.all = nil
	w.mu.Unlock()
	for _, st := range all {
		asked := s.asked(kindPrepare)
		asked.Shape = st.decision.Shape
		if _, err := s.record(ctx, "question", asked); err != nil {
			return err
		}
	}
	return nil
}
