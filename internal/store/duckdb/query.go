package duckdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

const beginRead = "BEGIN TRANSACTION READ ONLY"

// openReader returns a reading session of the access's file, for the statement one that has it prepared, if it may; an empty statement is for any.
func (s *Store) openReader(ctx context.Context, a store.Access, sql string) (*session, error) {
	f := s.file(a)
	if f == nil {
		return nil, fault.Newf(fault.NotFound, "the store has nothing of the access %s", a).WithHint("name it in the policy first")
	}
	e, release, err := f.acquire(ctx)
	if err != nil {
		return nil, err
	}
	sess, err := e.ReaderOf(ctx, sql)
	if err != nil {
		release()
		return nil, fmt.Errorf("open reader of %s: %w", a, err)
	}
	return &session{sess, func() { sess.Release(); release() }}, nil
}

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, a store.Access, sql string, args ...any) (store.Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	sess, err := s.openReader(ctx, a, sql)
	if err != nil {
		cancel()
		return nil, err
	}
	done := sync.OnceValue(func() error {
		sess.free()
		cancel()
		return nil
	})
	r, err := sess.Read(ctx, sql, args...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("query store: %w", err), done())
	}
	return newRows(r, done).lease(ctx), nil
}

// Version implements store.Store. Prepare changes tables, and a Commit what is known to be complete; an access that has no file yet has the version 0.
func (s *Store) Version(a store.Access) uint64 {
	if f := s.file(a); f != nil {
		return f.version.now()
	}
	return 0
}

// Describe implements store.Store.
func (s *Store) Describe(ctx context.Context, a store.Access, sql string) (*store.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	sess, err := s.openReader(ctx, a, sql)
	if err != nil {
		return nil, err
	}
	defer sess.free()
	d, err := sess.Describe(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("describe statement: %w", err)
	}
	return &store.Description{Parameters: d.Parameters, Schema: d.Schema}, nil
}

// pinned is a read transaction in each file.
type pinned struct {
	state  store.State
	files  map[store.Access]*pinnedFile
	limits store.Limits
	once   sync.Once
}

// pinnedFile serves one statement at a time.
type pinnedFile struct {
	*session
	turn chan struct{} // holds the right to use the session
	open atomic.Pointer[rows]
}

// Pin implements store.Store. A statement that fails while it runs ends the view of its file: DuckDB drops the transaction.
func (s *Store) Pin(ctx context.Context) (store.Pinned, error) {
	s.commits.RLock()
	defer s.commits.RUnlock()
	p := &pinned{files: map[store.Access]*pinnedFile{}, limits: s.limits}
	states := map[store.Access]fileState{}
	for _, f := range s.opened() {
		sess, err := s.openReader(ctx, f.access, "")
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.files[f.access] = &pinnedFile{session: sess, turn: make(chan struct{}, 1)}
		p.files[f.access].turn <- struct{}{}
		if err := sess.exec(ctx, beginRead); err != nil {
			return nil, errors.Join(err, p.Close())
		}
		// The first statement fixes what the transaction sees.
		if states[f.access], err = sess.state(ctx, true); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	p.state = merge(states)
	return p, nil
}

func (p *pinned) State() store.State { return p.state }

func (p *pinned) Scan(ctx context.Context, a store.Access, table string) (store.Rows, error) {
	at, err := parsePlace(table)
	if err != nil {
		return nil, err
	}
	if _, ok := p.state.Tables[table]; !ok {
		return nil, fault.Newf(fault.NotFound, "the store does not hold %s", table).WithHint("look at the policy")
	}
	// A scan of a whole table takes as long as it takes.
	return p.run(ctx, a, func() {}, "SELECT * FROM "+at.sql())
}

func (p *pinned) Query(ctx context.Context, a store.Access, sql string, args ...any) (store.Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limits.Timeout)
	r, err := p.run(ctx, a, cancel, sql, args...)
	if err != nil {
		cancel()
	}
	return r, err
}

func (p *pinned) run(ctx context.Context, a store.Access, after func(), sql string, args ...any) (store.Rows, error) {
	f := p.files[a]
	if f == nil {
		return nil, fault.Newf(fault.NotFound, "the store has nothing of the access %s", a).WithHint("name it in the policy first")
	}
	select {
	case _, ok := <-f.turn:
		if !ok {
			return nil, fault.New(fault.Internal, "the view is closed", "pin another")
		}
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "another statement of the view has not ended", "close its rows").WithCause(ctx.Err())
	}
	done := sync.OnceValue(func() error {
		after()
		f.open.Store(nil)
		f.turn <- struct{}{}
		return nil
	})
	r, err := f.Select(ctx, sql, args...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("query view: %w", err), done())
	}
	out := newRows(r, done)
	f.open.Store(out)
	return out.lease(ctx), nil
}

// Close ends the view; rows of it that are still open end with it.
func (p *pinned) Close() error {
	p.once.Do(func() {
		for _, f := range p.files {
			if r := f.open.Load(); r != nil {
				_ = r.Close()
			}
			<-f.turn
			close(f.turn)
			f.rollback(context.Background())
			f.free()
		}
	})
	return nil
}
