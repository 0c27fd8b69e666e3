package duckdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

// rows is the answer of a statement; done frees what it ran on. When its context ends while whoever reads it has stopped in the middle, it closes itself: the engine is killed under everybody when a
// statement that was broken off does not end, and an answer that nobody reads on cannot tell that it has ended.
type rows struct {
	r    *engine.Rows
	done func() error
	stop func() bool // ends the watch over the context

	mu     sync.Mutex // guards all below
	inUse  bool       // somebody waits for the next batch
	over   bool       // the context has ended
	closed bool
	err    error // of closing
}

func newRows(r *engine.Rows, done func() error) *rows { return &rows{r: r, done: done} }

// lease lets the rows live as long as ctx, and returns them.
func (r *rows) lease(ctx context.Context) *rows {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.over = true; !r.inUse {
			r.close()
		}
	})
	return r
}

// Schema implements store.Rows.
func (r *rows) Schema() *arrow.Schema { return r.r.Schema() }

// Batches implements store.Rows.
func (r *rows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for {
			b, err := r.next()
			if err != nil {
				yield(nil, err)
			}
			if b == nil {
				return
			}
			more := yield(b, nil)
			b.Release()
			if !more {
				return
			}
		}
	}
}

// next returns the next batch, which the caller releases: it may be read after the rows have closed themselves. At the end there is none.
func (r *rows) next() (arrow.RecordBatch, error) {
	if goOn, err := r.take(); !goOn {
		return nil, err
	}
	defer r.give()
	if !r.r.Next() {
		if err := r.r.Err(); err != nil {
			return nil, fmt.Errorf("query store: %w", err)
		}
		return nil, nil //nolint:nilnil // the end
	}
	b := r.r.Batch()
	b.Retain()
	return b, nil
}

// take says whether there is more to read, and that it is being read.
func (r *rows) take() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		if r.over {
			return false, fault.New(fault.Unavailable, "the answer was left half read until its time was over", "ask again, and read it to its end")
		}
		return false, nil
	}
	r.inUse = true
	return true, nil
}

func (r *rows) give() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inUse = false; r.over {
		r.close()
	}
}

// Close implements store.Rows. It may be called twice.
func (r *rows) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop()
	}
	r.close()
	return r.err
}

// close is called with mu held.
func (r *rows) close() {
	if !r.closed {
		r.closed = true
		err := r.r.Close()
		r.err = errors.Join(err, r.done())
	}
}
