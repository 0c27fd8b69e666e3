package gate

import (
	"context"
	"sync"
	"time"
)

// kindPrepare is the kind of a question that was answered with the names and types of its columns, and never run.
const kindPrepare = "prepare"

// runsWithin is how soon a statement that was described is run by every client that prepares what it is about to ask. Only what has waited longer is worth an entry.
const runsWithin = 10 * time.Second

// waiting are the statements of a session that were described and have not been run.
type waiting struct {
	mu        sync.Mutex // guards all below
	all       map[*Statement]*time.Timer
	recording sync.WaitGroup // entries that are being written
}

// Waits says that the statement was described to somebody who may run it later. When they do not within ten seconds, or the session ends first, the record gets a question of the kind prepare. It waits
// for no disk: why, and what a crash can lose, stands in docs/decisions. The session must be ended.
func (s *Statement) Waits() {
	w := &s.session.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*Statement]*time.Timer{}
	}
	w.all[s] = time.AfterFunc(runsWithin, func() {
		if w.take(s) {
			defer w.recording.Done()
			s.recordDescribed()
		}
	})
}

// take takes a statement out, if it still waits, for somebody who owes its entry.
func (w *waiting) take(s *Statement) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.drop(s) {
		return false
	}
	w.recording.Add(1)
	return true
}

// drop takes a statement out, if it still waits. The caller holds w.mu.
func (w *waiting) drop(s *Statement) bool {
	t, waits := w.all[s]
	if waits {
		t.Stop()
		delete(w.all, s)
	}
	return waits
}

// run says that a statement is run, which has an entry of its own.
func (w *waiting) run(s *Statement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(s)
}

// End records what the session has been told of statements that it has not run, and returns when that is done. Nothing is asked in the session any more.
func (s *Session) End() {
	w := &s.waiting
	w.mu.Lock()
	var all []*Statement
	for st := range w.all {
		w.drop(st)
		all = append(all, st)
	}
	w.mu.Unlock()
	for _, st := range all {
		st.recordDescribed()
	}
	w.recording.Wait()
}

// recordDescribed records that the statement was described. When it cannot be, nothing can: whoever asks next is refused.
func (s *Statement) recordDescribed() {
	asked := s.session.asked(kindPrepare)
	asked.Shape = s.decision.Shape
	_, _ = s.session.record(context.Background(), "question", asked)
}
