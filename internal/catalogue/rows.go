package catalogue

import (
	"context"
	"iter"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Rows is an answer. Close it. One that lies half read when its time is over gives the engine back by itself, and ends in an error for whoever comes back to it.
type Rows struct {
	schema *arrow.Schema
	cancel func() bool // ends the watch over its time

	mu     sync.Mutex // guards all below, and is held while the reader is used
	reader Reader
	leave  func() // gives back what the answer holds; nil: it was
	closed error
}

func newRows(ctx context.Context, schema *arrow.Schema, reader Reader, leave func()) *Rows {
	r := &Rows{schema: schema, reader: reader, leave: leave}
	r.cancel = context.AfterFunc(ctx, r.end)
	return r
}

// Schema is the answer's schema; fields carry OIDKey.
func (r *Rows) Schema() *arrow.Schema { return r.schema }

// Batches are the answer's rows. A batch is valid until the next one; the columns are those of Schema.
func (r *Rows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		rows := int64(0)
		for {
			b, err := r.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if b == nil {
				return
			}
			if rows += b.NumRows(); rows > maxRows {
				b.Release()
				yield(nil, refuse("54000", "the answer of the catalogue has too many rows", "ask for less"))
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

// next is the next batch, which the caller releases; nil: there is none.
func (r *Rows) next() (arrow.RecordBatch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leave == nil {
		return nil, late()
	}
	if !r.reader.Next() {
		if err := r.reader.Err(); err != nil {
			return nil, engineFault(err)
		}
		return nil, nil //nolint:nilnil // the end is no error
	}
	b := r.reader.Batch()
	return array.NewRecordBatch(r.schema, b.Columns(), b.NumRows()), nil // the protocol reads the types of the batch's own schema
}

// Close ends the answer and gives its session back. It may be called twice.
func (r *Rows) Close() error {
	r.cancel()
	r.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *Rows) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leave == nil {
		return
	}
	r.closed = r.reader.Close()
	r.leave()
	r.leave = nil
}
