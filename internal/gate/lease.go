package gate

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/store"
)

// errLeft ends an answer whose reader came back after its time.
var errLeft = errors.New("the answer was left half read until its time was over")

// leased are rows that give the store back what they hold when their time is over, also while whoever reads them has stopped in the middle: cursors that nobody reads on would keep everybody else out.
type leased struct {
	store.Rows
	cancel func() bool // ends the watch over the time

	mu     sync.Mutex // guards all below
	parked bool       // somebody has a batch, and nothing of the rows is in use
	over   bool
	closed bool
	err    error // of closing
}

func lease(ctx context.Context, rows store.Rows) *leased {
	l := &leased{Rows: rows}
	l.cancel = context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.over = true; l.parked {
			l.close()
		}
	})
	return l
}

// Batches yields the rows until their time is over.
func (l *leased) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range l.Rows.Batches() {
			if err != nil {
				yield(nil, err)
				return
			}
			b.Retain() // it may be read after the rows are closed
			l.park(true)
			more := yield(b, nil)
			over := l.park(false)
			b.Release()
			if more && over {
				yield(nil, errLeft)
			}
			if !more || over {
				return
			}
		}
	}
}

// park says that the rows are not in use, or are again, and returns whether their time is over.
func (l *leased) park(parked bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked = parked; parked && l.over {
		l.close()
	}
	return l.over
}

// Close implements store.Rows. It may be called twice.
func (l *leased) Close() error {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
	return l.err
}

// close is called with mu held.
func (l *leased) close() {
	if !l.closed {
		l.closed = true
		l.err = l.Rows.Close()
	}
}
