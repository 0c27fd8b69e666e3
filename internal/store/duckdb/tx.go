package duckdb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// tx is the one write transaction. It is used by one goroutine.
type tx struct {
	s      *Store
	l      *layout
	unlock func()
	files  map[store.Access]*txFile
	whole  bool  // which tables are complete changes with it
	failed error // the first error: nothing can be committed after it
	over   bool
}

// txFile is the transaction in one file.
type txFile struct {
	*writer
	mark   treatment.Mark
	derive map[string]bool // facts that will be derived from all rows anyway
	lost   error           // rows whose unchanged values were not found; an error unless the file drops what was written for it
}

// Begin implements store.Store.
func (s *Store) Begin(ctx context.Context) (store.Tx, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	l, err := s.prepared()
	if err != nil {
		unlock()
		return nil, err
	}
	return &tx{s: s, l: l, unlock: unlock, files: map[store.Access]*txFile{}}, nil
}

// file opens the transaction in the access's file, if it isn't open.
func (t *tx) file(ctx context.Context, a store.Access) (*txFile, error) {
	if tf := t.files[a]; tf != nil {
		return tf, nil
	}
	w, err := t.s.openWriter(ctx, t.s.file(a))
	if err != nil {
		return nil, err
	}
	tf := &txFile{writer: w, derive: map[string]bool{}}
	if err := tf.begin(ctx); err != nil {
		w.rollback(context.WithoutCancel(ctx))
		w.close()
		return nil, err
	}
	t.files[a] = tf
	return tf, nil
}

func (tf *txFile) begin(ctx context.Context) error {
	if err := tf.exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	var err error
	if tf.mark, err = tf.session.mark(ctx); err != nil {
		return err
	}
	if tf.f.access != store.Metrics {
		return nil
	}
	rows, err := tf.texts(ctx, "SELECT name FROM _weir.facts WHERE derive")
	for _, r := range rows {
		tf.derive[r[0]] = true
	}
	return err
}

// each runs work in every file that keeps the table, and keeps the first error: what was half written must not be committed.
func (t *tx) each(ctx context.Context, name string, work func(tf *txFile, tb *table, s *shape) error) error {
	if err := t.usable(); err != nil {
		return err
	}
	tb := t.l.tables[name]
	if tb == nil {
		return t.fail(fault.Newf(fault.NotFound, "the store does not hold %s", name).WithHint("prepare the store for a layout that has it"))
	}
	for _, a := range tb.keeps() {
		tf, err := t.file(ctx, a)
		if err == nil {
			err = work(tf, tb, tb.shapes[a])
		}
		if err != nil {
			return t.fail(fmt.Errorf("write %s in %s: %w", name, a, err))
		}
	}
	return nil
}

func (t *tx) usable() error {
	if t.over {
		return fault.New(fault.Internal, "the transaction is over", "begin another")
	}
	return t.failed
}

func (t *tx) fail(err error) error {
	t.failed = err
	return err
}

// Reset implements store.Tx.
func (t *tx) Reset(ctx context.Context, name string) error {
	t.whole = true
	return t.each(ctx, name, func(tf *txFile, tb *table, s *shape) error {
		if err := tf.empty(ctx, tb, s); err != nil {
			return err
		}
		return tf.exec(ctx, "UPDATE _weir.tables SET copied = false, since = '' WHERE name = "+literal(name))
	})
}

// Copied implements store.Tx.
func (t *tx) Copied(ctx context.Context, name string, since treatment.Position) error {
	t.whole = true
	return t.each(ctx, name, func(tf *txFile, _ *table, _ *shape) error {
		return tf.exec(ctx, "UPDATE _weir.tables SET copied = true, since = "+literal(string(since))+" WHERE name = "+literal(name))
	})
}

// Write implements store.Tx.
func (t *tx) Write(ctx context.Context, b *treatment.Batch) error {
	return t.each(ctx, b.Table(), func(tf *txFile, tb *table, s *shape) error { return tf.apply(ctx, tb, s, b) })
}

// Commit implements store.Tx.
func (t *tx) Commit(ctx context.Context, to treatment.Mark) error {
	if err := t.usable(); err != nil {
		return err
	}
	defer t.Rollback()
	for _, f := range t.s.opened() {
		if to.Position == "" && t.files[f.access] == nil {
			continue
		}
		if err := t.settle(ctx, f.access, to); err != nil {
			return fmt.Errorf("commit %s: %w", f.access, err)
		}
	}
	t.s.commits.Lock()
	defer t.s.commits.Unlock()
	// What the caller cancels now is too late: whether it is committed must be known.
	ctx = context.WithoutCancel(ctx)
	if t.whole { // what is complete is so in all files at once, for whoever looks
		for _, f := range t.s.opened() {
			defer f.version.changes()()
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(accesses))
	for i, a := range accesses {
		if tf := t.files[a]; tf != nil {
			wg.Go(func() {
				if err := tf.exec(ctx, "COMMIT"); err != nil {
					errs[i] = fmt.Errorf("commit %s: %w", a, err)
				}
			})
		}
	}
	wg.Wait()
	for i, a := range accesses {
		if tf := t.files[a]; tf != nil && errs[i] == nil {
			tf.close()
			delete(t.files, a)
		}
	}
	return errors.Join(errs...)
}

// settle waits until everything is in the file's transaction and sets its mark; a file that is already there drops what was written for it, and when the source has said that
// nothing happened there since, takes the later time at which that was true.
func (t *tx) settle(ctx context.Context, a store.Access, to treatment.Mark) error {
	tf, err := t.file(ctx, a)
	if err != nil {
		return err
	}
	if to.Position != "" && tf.mark.Position >= to.Position {
		tf.rollback(ctx)
		if tf.mark.Position == to.Position && to.AsOf.After(tf.mark.AsOf) {
			if err := tf.begin(ctx); err != nil {
				return err
			}
			_, asOf := markSQL(to)
			return tf.exec(ctx, "UPDATE _weir.meta SET as_of = "+asOf)
		}
		tf.close()
		delete(t.files, a)
		return nil
	}
	if tf.lost != nil {
		return tf.lost
	}
	if err := tf.Flush(ctx); err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	if to.Position == "" {
		return nil
	}
	position, asOf := markSQL(to)
	return tf.exec(ctx, "UPDATE _weir.meta SET position = "+position+", as_of = "+asOf)
}

// Rollback implements store.Tx.
func (t *tx) Rollback() {
	if t.over {
		return
	}
	t.over = true
	for a, tf := range t.files {
		tf.rollback(context.Background())
		tf.close()
		delete(t.files, a)
	}
	t.unlock()
}
