package flow

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// Recorder writes to the ledger; what it cannot record does not happen.
type Recorder interface {
	Append(ctx context.Context, e ledger.Entry) (ledger.Index, error)
}

// Options are what a flow works with. All but Log are needed.
type Options struct {
	Source source.Source
	Store  store.Store
	Ledger Recorder
	Policy *policy.Policy
	Keys   *treatment.Keys
	Facts  []store.Fact // derived in the store, kept current after every batch
	Log    *slog.Logger
	Memory Memory // may be nil: then what happened to single partitions while weir did not run is found by a verification alone
}

const (
	chunkRows = 100_000                // rows treated and written together
	groupRows = 20_000                 // changes after which a group of transactions is applied
	groupTime = 250 * time.Millisecond // or the time after which it is
	idleTime  = time.Second            // how often the position moves while nothing happens
	retryMin  = 250 * time.Millisecond
	retryMax  = 10 * time.Second
	maxItems  = 10_000
)

// Flow moves one source into one store.
type Flow struct {
	o       Options
	status  tracker
	gate    hold
	running sync.Mutex           // one Run at a time
	current atomic.Pointer[plan] // what is followed; a verification reads its immutable parts

	// Owned by the goroutine of Run: stale tables must be copied again although their hash is the same; unpublished ones cannot be followed until
	// a DBA has run the script again.
	stale, unpublished map[string]bool
}

// New returns a flow that does nothing until Run.
func New(o Options) *Flow {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Flow{o: o, stale: map[string]bool{}, unpublished: map[string]bool{}}
	f.status.init()
	return f
}

// errReached ends a Run that had a target.
var errReached = errors.New("the target is reached")

// Run copies what is not copied yet and follows the changes until ctx ends, which is no error. It waits out a source that is away. What it cannot mend (a policy
// that does not fit, a ledger that cannot be written, a store that cannot be used) ends it.
func (f *Flow) Run(ctx context.Context) error {
	return f.run(ctx, false)
}

// RunOnce is Run that ends as soon as everything is applied that production had committed when it was called.
func (f *Flow) RunOnce(ctx context.Context) error {
	return f.run(ctx, true)
}

func (f *Flow) run(ctx context.Context, once bool) error {
	f.running.Lock()
	defer f.running.Unlock()
	defer f.status.phase(Stopped)
	var target source.Position
	wait := retryMin
	for {
		began := time.Now()
		if once && target == "" {
			now, err := f.o.Source.Now(ctx)
			if err == nil {
				target = now
			}
		}
		err := f.session(ctx, target)
		var unrecorded *unrecordedError
		switch {
		case errors.Is(err, errReached):
			return nil
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &unrecorded):
			return err
		case errors.Is(err, source.ErrSelection):
			f.o.Log.InfoContext(ctx, "catalogue changed, planning anew")
			continue
		case errors.Is(err, source.ErrGone):
			f.o.Log.WarnContext(ctx, "the source forgot changes that were not read, copying everything again")
			f.status.item(Item{Kind: "copied_again", Message: "the source had dropped changes that were not read yet, so everything was copied again", Hint: "raise max_slot_wal_keep_size at the source if this happens often"})
			if err := f.resetAll(ctx); err != nil {
				return err
			}
			continue
		case fault.KindOf(err) != fault.Unavailable:
			return err
		}
		if time.Since(began) > 2*retryMax {
			wait = retryMin
		}
		f.status.retrying(fault.Public(err).Message)
		f.o.Log.WarnContext(ctx, "waiting to try again", "reason", fault.Public(err).Message, "wait", wait.String())
		if once && wait >= retryMax {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // jitter
		}
		wait = min(2*wait, retryMax)
	}
}

// session is one connection's life: plan, copy what must be copied, follow.
func (f *Flow) session(ctx context.Context, target source.Position) error {
	f.status.phase(Planning)
	p, err := f.plan(ctx)
	if err != nil {
		return err
	}
	if err := f.o.Store.Prepare(ctx, p.layout); err != nil {
		return err
	}
	from, made, err := f.o.Source.Start(ctx)
	if err != nil {
		return err
	}
	state, err := f.o.Store.State(ctx)
	if err != nil {
		return err
	}
	mark := state.Mark()
	if mark.Position != "" && (made || mark.Position < from) || mark.Position == "" && copiedBefore(state, from) {
		return source.ErrGone
	}
	if err := f.notAhead(ctx, mark.Position); err != nil {
		return err
	}
	if mark.Position != "" {
		from = mark.Position
	}
	if err := f.recall(p); err != nil {
		return err
	}
	var todo []*tablePlan
	for _, t := range p.tables {
		if s := state.Tables[t.name()]; made || !s.Copied || f.stale[t.name()] {
			todo = append(todo, t)
		}
	}
	if len(todo) > 0 {
		if err := f.copyTables(ctx, todo); err != nil {
			return err
		}
		if state, err = f.o.Store.State(ctx); err != nil {
			return err
		}
	}
	if err := f.remember(p); err != nil {
		return err
	}
	for _, t := range p.tables {
		t.since = state.Tables[t.name()].Since
	}
	f.status.loaded(state)
	f.current.Store(p)
	if err := f.o.Store.Refresh(ctx); err != nil {
		return err
	}
	return f.follow(ctx, p, state, from, target)
}

// copiedBefore tells whether a table was copied before from and nothing was followed since: between the two lies a gap.
func copiedBefore(state store.State, from source.Position) bool {
	for _, t := range state.Tables {
		if t.Copied && t.Since < from {
			return true
		}
	}
	return false
}

// notAhead refuses a source that is behind what was already copied from it.
func (f *Flow) notAhead(ctx context.Context, held source.Position) error {
	now, err := f.o.Source.Now(ctx)
	if err != nil {
		return err
	}
	if held > now {
		return fault.New(fault.Refused, "the copy is ahead of the source, so the source was restored from a backup or replaced",
			"move the state folder away and start again: everything is copied anew")
	}
	return nil
}

// resetAll marks every table as not copied and forgets the position by starting from the source's own.
func (f *Flow) resetAll(ctx context.Context) error {
	state, err := f.o.Store.State(ctx)
	if err != nil {
		return err
	}
	tx, err := f.o.Store.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for name := range state.Tables {
		if err := tx.Reset(ctx, name); err != nil {
			return err
		}
	}
	now, err := f.o.Source.Now(ctx)
	if err != nil {
		return err
	}
	// The slot's own beginning is not before now: everything between is in the snapshots that follow.
	return tx.Commit(ctx, treatment.Mark{Position: now, AsOf: time.Now().UTC()})
}
