package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// Batch is the body of a ledger entry of type "batch": rows that are about to be applied. After a crash the same (From, To) may be recorded again; it is then one batch that was
// applied once.
type Batch struct {
	From   source.Position  `json:"from"`           // empty for a snapshot
	To     source.Position  `json:"to"`             // for a snapshot its position
	Tables map[string]int64 `json:"tables"`         // row changes by table
	Hash   string           `json:"policy"`         // of the policy
	Held   map[string]int   `json:"held,omitempty"` // values held back, by table.column
}

// copyTables copies each table whole at one moment of production, each in one transaction of the store.
func (f *Flow) copyTables(ctx context.Context, tables []*tablePlan) error {
	f.status.phase(Copying)
	snap, err := f.o.Source.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close() }()
	for _, t := range tables {
		if err := f.copyTable(ctx, snap, t); err != nil {
			return err
		}
		delete(f.stale, t.name())
	}
	return nil
}

func (f *Flow) copyTable(ctx context.Context, snap source.Snapshot, t *tablePlan) error {
	began := time.Now()
	tx, err := f.o.Store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Reset(ctx, t.name()); err != nil {
		return err
	}
	rows, held := int64(0), map[string]int{}
	err = treated(ctx, snap, t.plan, func(b *treatment.Batch) error {
		if err := tx.Write(ctx, b); err != nil {
			return err
		}
		rows += int64(b.Changes())
		for c, n := range b.Held() {
			held[t.name()+"."+c] += n
		}
		f.status.held(t.name(), b.Held())
		f.status.copying(t.name(), rows, false)
		return nil
	})
	if err != nil {
		return err
	}
	body := Batch{To: snap.Position(), Tables: map[string]int64{t.name(): rows}, Hash: f.o.Policy.Hash(), Held: held}
	if err := f.record(ctx, body); err != nil {
		return err
	}
	if err := tx.Copied(ctx, t.name(), snap.Position()); err != nil {
		return err
	}
	if err := tx.Commit(ctx, treatment.Mark{}); err != nil {
		return err
	}
	f.status.copying(t.name(), rows, true)
	f.o.Log.InfoContext(ctx, "table copied", "table", t.name(), "rows", rows, "seconds", time.Since(began).Seconds())
	return nil
}

func (f *Flow) record(ctx context.Context, b Batch) error {
	_, err := f.o.Ledger.Append(ctx, ledger.Entry{Time: time.Now().UTC(), Type: "batch", Principal: "weir", Body: b})
	if err != nil && ctx.Err() == nil {
		return &unrecordedError{err}
	}
	return err
}

// unrecordedError says that the ledger did not take an entry. The flow ends with it: a ledger that failed once takes nothing more, and what is not recorded does not happen.
type unrecordedError struct{ error }

func (e *unrecordedError) Unwrap() error { return e.error }

// treated reads a table of a snapshot and hands its rows over treated, in batches. Reading, treating and use run side by side, each one batch ahead of the next.
func treated(ctx context.Context, snap source.Snapshot, p *treatment.Plan, use func(*treatment.Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	raws := make(chan treatment.Raw, 1)
	batches := make(chan *treatment.Batch, 1)
	go func() {
		defer close(raws)
		builder := treatment.NewBuilder(p.Layout())
		send := func() error {
			raw, err := builder.Seal()
			if err != nil {
				return err
			}
			select {
			case raws <- raw:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		err := snap.Copy(ctx, p.Layout(), func() (*treatment.Builder, error) {
			if builder.Len() < chunkRows {
				return builder, nil
			}
			return builder, send()
		})
		if err == nil && builder.Len() > 0 {
			err = send()
		}
		if err != nil {
			cancel(err)
		}
	}()
	go func() {
		defer close(batches)
		for raw := range raws {
			b, err := p.Treat(raw)
			if err != nil {
				cancel(err)
				break
			}
			select {
			case batches <- b:
			case <-ctx.Done():
				b.Release()
			}
		}
		for range raws {
		}
	}()
	for b := range batches {
		if ctx.Err() == nil {
			if err := use(b); err != nil {
				cancel(err)
			}
		}
		b.Release()
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("copy %s: %w", p.Layout().Table, err)
	}
	return nil
}
