package duckdb

import (
	"context"

	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// CommitOnly commits one file of the transaction and drops the others, as a crash between two files does.
func CommitOnly(ctx context.Context, x store.Tx, a store.Access, to treatment.Mark) error {
	t, ok := x.(*tx)
	if !ok {
		panic("another store's transaction")
	}
	defer t.Rollback()
	if err := t.settle(ctx, a, to); err != nil {
		return err
	}
	return t.files[a].exec(ctx, "COMMIT")
}

// Tamper writes into a file past everything.
func (s *Store) Tamper(ctx context.Context, a store.Access, sql string) error {
	w, err := s.openWriter(ctx, s.file(a))
	if err != nil {
		return err
	}
	defer w.close()
	return w.exec(ctx, sql)
}

// Readers is how many questions a file answers at a time.
const Readers = readers
