package duckdb

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// renew writes the file anew and notes that it is done.
func (s *Store) renew(ctx context.Context, f *file) error {
	if err := f.renew(ctx); err != nil {
		return err
	}
	w, err := s.openWriter(ctx, f)
	if err != nil {
		return err
	}
	defer w.close()
	return w.exec(ctx, "UPDATE _weir.meta SET renew = false WHERE renew")
}

// Rewrite implements store.Store. Queries and pins of the file are waited for as long as a query may take, and ended then.
func (s *Store) Rewrite(ctx context.Context, a store.Access) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	f := s.file(a)
	if f == nil {
		return fault.Newf(fault.NotFound, "the store has nothing of the access %s", a).WithHint("name it in the policy first")
	}
	return s.renew(ctx, f)
}

// Erase implements store.Store. Facts that read the table are renewed at once: they must not show the erased rows. One that cannot be is emptied.
func (s *Store) Erase(ctx context.Context, name string, keys [][16]byte) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.prepared()
	if err != nil {
		return err
	}
	tb := l.tables[name]
	if tb == nil {
		return fault.Newf(fault.NotFound, "the store does not hold %s", name).WithHint("look at the policy")
	}
	if len(keys) == 0 {
		return nil
	}
	record := keyRecord(keys)
	defer record.Release()
	for _, a := range tb.keeps() {
		if err := s.eraseIn(ctx, l, a, tb, record); err != nil {
			return fmt.Errorf("erase in %s: %w", a, err)
		}
	}
	if tb.delta != nil {
		if err := s.refresh(ctx); err != nil {
			return err
		}
		if err := s.emptyStale(ctx, tb); err != nil {
			return err
		}
	}
	for _, a := range tb.keeps() {
		if err := s.renew(ctx, s.file(a)); err != nil {
			return err
		}
	}
	return nil
}

func keyRecord(keys [][16]byte) arrow.RecordBatch {
	field := arrow.Field{Name: treatment.KeyColumn, Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}, Metadata: arrow.NewMetadata(
		[]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.uuid", ""})}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{field}, nil))
	defer b.Release()
	if col, ok := b.Field(0).(*array.FixedSizeBinaryBuilder); ok {
		for i := range keys {
			col.Append(keys[i][:])
		}
	}
	return b.NewRecordBatch()
}

// eraseIn removes the rows from one file. That it must be written anew is committed with it.
func (s *Store) eraseIn(ctx context.Context, l *layout, a store.Access, tb *table, keys arrow.RecordBatch) error {
	t := &tx{s: s, l: l, unlock: func() {}, files: map[store.Access]*txFile{}}
	defer t.Rollback()
	tf, err := t.file(ctx, a)
	if err != nil {
		return err
	}
	if err := tf.remove(ctx, tb, tb.shapes[a], keys); err != nil {
		return err
	}
	if err := tf.exec(ctx, "UPDATE _weir.meta SET renew = true"); err != nil {
		return err
	}
	return t.Commit(ctx, treatment.Mark{})
}

// emptyStale empties the facts of the table that could not be renewed.
func (s *Store) emptyStale(ctx context.Context, tb *table) error {
	w, err := s.openWriter(ctx, s.file(store.Metrics))
	if err != nil {
		return err
	}
	defer w.close()
	st, err := w.state(ctx, false)
	if err != nil {
		return err
	}
	for _, f := range tb.facts {
		if !st.facts[f.Name].derive {
			continue
		}
		if err := w.exec(ctx, "DELETE FROM "+f.sql()); err != nil {
			return err
		}
	}
	return nil
}
