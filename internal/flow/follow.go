package flow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// follow applies production's transactions in groups until ctx ends, the target is reached or something fails.
func (f *Flow) follow(ctx context.Context, p *plan, state store.State, from, target source.Position) error {
	s := &streamer{f: f, ctx: ctx, plan: p, from: from, target: target, changes: map[string]int64{}, heldBack: map[string]int{}}
	if state.Mark().Position != "" { // else the first group that is applied says as of when the copy is, and only then is it followed
		s.committed = time.Now()
		f.status.phase(Following)
	}
	for _, m := range state.Marks {
		if m.Position > from {
			s.boundaries = append(s.boundaries, m.Position)
		}
	}
	slices.Sort(s.boundaries)
	defer s.abandon()
	f.gate.streaming(true)
	defer f.gate.streaming(false)
	return f.o.Source.Read(ctx, p.selection(), from, s)
}

// streamer is the sink of Read. It gathers whole transactions into a group and applies the group at once: rows and position together, then the acknowledgement. All of
// it is called from one goroutine.
type streamer struct {
	f          *Flow
	ctx        context.Context //nolint:containedctx // the sink's methods are called by Read, which has the same context
	plan       *plan
	target     source.Position
	boundaries []source.Position // positions that some file of the store has already passed: no group may straddle one

	from      source.Position // where the open group begins
	end       treatment.Mark  // where it ends so far; zero when it is empty
	rows      int             // row changes in it
	began     time.Time       // when its first row came
	committed time.Time       // when the last group was applied
	at        source.Position // where the open transaction began
	asOf      time.Time
	tx        store.Tx // open once a part of the group was written
	changes   map[string]int64
	heldBack  map[string]int
}

var _ source.Sink = (*streamer)(nil)

func (s *streamer) Begin(at source.Position, committed time.Time) error {
	if err := s.boundary(at); err != nil {
		return err
	}
	if err := s.stopAt(at); err != nil {
		return err
	}
	s.at, s.asOf = at, committed
	return nil
}

// boundary is called between transactions: what a file has passed already and what it has not must not be in one group, because a file drops a group whole or takes it whole.
func (s *streamer) boundary(next source.Position) error {
	if len(s.boundaries) == 0 || s.boundaries[0] > next {
		return nil
	}
	if err := s.apply(); err != nil {
		return err
	}
	for len(s.boundaries) > 0 && s.boundaries[0] <= next {
		s.boundaries = s.boundaries[1:]
	}
	return nil
}

func (s *streamer) Rows(table string) (*treatment.Builder, error) {
	t := s.plan.byName[table]
	if t == nil || s.at < t.since {
		return nil, nil //nolint:nilnil // the seam says: nil, its rows are not wanted
	}
	if t.builder.Len() >= chunkRows {
		if err := s.write(t); err != nil {
			return nil, err
		}
	}
	if s.rows == 0 {
		s.began = time.Now()
	}
	s.rows++
	return t.builder, nil
}

func (s *streamer) Truncate(table string) error {
	t := s.plan.byName[table]
	if t == nil || s.at < t.since {
		return nil
	}
	if _, err := t.builder.Seal(); err != nil { // what came before is void
		return err
	}
	t.truncated = true
	if s.rows == 0 {
		s.began = time.Now()
	}
	s.rows++
	return nil
}

func (s *streamer) Commit(end source.Position) error {
	s.end = treatment.Mark{Position: end, AsOf: s.asOf}
	s.at = ""
	if s.rows >= groupRows || s.rows > 0 && time.Since(s.began) >= groupTime {
		return s.apply()
	}
	return nil
}

func (s *streamer) Progress(end source.Position, at time.Time) error {
	if err := s.boundary(end); err != nil {
		return err
	}
	if err := s.stopAt(end); err != nil {
		return err
	}
	s.end = treatment.Mark{Position: end, AsOf: at}
	if s.rows > 0 || time.Since(s.committed) >= idleTime || s.target != "" && end >= s.target {
		return s.apply()
	}
	return nil
}

func (s *streamer) Drift(d source.Drift) error {
	if d.Kind == source.Unpublished {
		s.f.unpublished[d.Table] = true
	}
	item := driftItem(d)
	heldBack := d.Kind == source.ColumnRetyped && !s.copies(d.Table, d.Column)
	if heldBack {
		item.Message = fmt.Sprintf("production changed the type of %s.%s; it is held back, so the copy is as it was", d.Table, d.Column)
		item.Hint = "nothing is to be done"
	}
	s.f.status.item(item)
	s.f.o.Log.WarnContext(s.ctx, "catalogue drifted", "kind", string(d.Kind), "table", d.Table, "column", d.Column)
	if heldBack { // the source goes on: a table that was emptied now would stay empty
		return nil
	}
	switch d.Kind {
	case source.PartitionChanged, source.Unpublished, source.KeyChanged, source.ColumnRetyped:
		return s.markStale(d.Table)
	case source.ColumnAdded, source.ColumnDropped, source.TableAdded, source.TableDropped:
	}
	return nil
}

// copies tells whether a column is one that the source is asked for.
func (s *streamer) copies(table, column string) bool {
	t := s.plan.byName[table]
	return t != nil && slices.ContainsFunc(t.plan.Layout().Columns, func(c treatment.Column) bool { return c.Name == column })
}

// driftItem says what drifted and what is done about it.
func driftItem(d source.Drift) Item {
	item := Item{Kind: string(d.Kind), Table: d.Table, Column: d.Column}
	switch d.Kind {
	case source.ColumnAdded:
		item.Message = fmt.Sprintf("production added %s.%s; it is held back", d.Table, d.Column)
		item.Hint = "give it a class in the policy if a question needs it"
	case source.ColumnDropped:
		item.Message = fmt.Sprintf("production dropped or renamed %s.%s; it is held back", d.Table, d.Column)
		item.Hint = "if it was renamed, classify the new name in the policy, then run weir source script"
	case source.ColumnRetyped:
		item.Message = fmt.Sprintf("production changed the type of %s.%s; the table is copied anew", d.Table, d.Column)
		item.Hint = "run weir plan to see how it crosses now"
	case source.TableAdded:
		item.Message = fmt.Sprintf("production added the table %s; it is held back", d.Table)
		item.Hint = "name it in the policy if a question needs it"
	case source.TableDropped:
		item.Message = fmt.Sprintf("production dropped the table %s; its copy is removed", d.Table)
		item.Hint = "take it out of the policy"
	case source.KeyChanged:
		item.Message = fmt.Sprintf("production changed the key of %s; the table is copied anew", d.Table)
		item.Hint = "run weir check: production's updates of it may fail until the publication covers the new key"
	case source.PartitionChanged:
		item.Message = fmt.Sprintf("a partition of %s was attached, detached, dropped or truncated alone, which is not announced; the table is copied anew", d.Table)
		item.Hint = "nothing is to be done"
	case source.Unpublished:
		item.Message = fmt.Sprintf("production took %s out of the publication, so its changes can no longer be followed and its copy is removed", d.Table)
		item.Hint = "run weir source script, let the DBA run what it prints, then start weir again"
	}
	return item
}

// markStale makes sure, also across a crash, that the table is copied again before its rows are believed.
func (s *streamer) markStale(table string) error {
	if s.plan.byName[table] == nil {
		return nil
	}
	if err := s.apply(); err != nil {
		return err
	}
	s.f.stale[table] = true
	// Inside a transaction nothing could be applied: what was gathered is dropped, and the source sends it again.
	inside := s.at != ""
	s.abandon()
	tx, err := s.f.o.Store.Begin(s.ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.Reset(s.ctx, table); err != nil {
		return err
	}
	if err := tx.Commit(s.ctx, treatment.Mark{}); err != nil {
		return err
	}
	if inside {
		return source.ErrSelection
	}
	return nil
}

// stopAt is called between transactions, before anything at or after the position is taken: here the flow stops for whoever asked it to.
func (s *streamer) stopAt(next source.Position) error {
	return s.f.gate.pass(s.ctx, next, s.apply)
}

// write treats what a table has gathered and writes it into the open transaction of the store.
func (s *streamer) write(t *tablePlan) error {
	raw, err := t.builder.Seal()
	if err != nil {
		return err
	}
	treat := t.plan.Treat
	if t.truncated {
		treat = t.plan.TreatTruncated
	}
	b, err := treat(raw)
	if err != nil {
		return err
	}
	defer b.Release()
	t.truncated = false
	if s.tx == nil {
		if s.tx, err = s.f.o.Store.Begin(s.ctx); err != nil {
			return err
		}
	}
	if err := s.tx.Write(s.ctx, b); err != nil {
		return err
	}
	s.changes[t.name()] += int64(b.Changes())
	for c, n := range b.Held() {
		s.heldBack[t.name()+"."+c] += n
	}
	s.f.status.held(t.name(), b.Held())
	return nil
}

// apply applies the open group. Its order is the flow's promise: recorded, then durable with its position, then acknowledged.
func (s *streamer) apply() error {
	if s.end.Position == "" || s.at != "" {
		return nil // nothing whole to apply
	}
	for _, t := range s.plan.tables {
		if t.builder.Len() == 0 && !t.truncated {
			continue
		}
		if err := s.write(t); err != nil {
			return err
		}
	}
	changed := len(s.changes) > 0
	if changed {
		if err := s.f.record(s.ctx, Batch{From: s.from, To: s.end.Position, Tables: s.changes, Hash: s.f.o.Policy.Hash(), Held: s.heldBack}); err != nil {
			return err
		}
	}
	if s.tx == nil {
		var err error
		if s.tx, err = s.f.o.Store.Begin(s.ctx); err != nil {
			return err
		}
	}
	err := s.tx.Commit(s.ctx, s.end)
	s.tx.Rollback()
	s.tx = nil
	if err != nil {
		return err
	}
	s.f.o.Source.Ack(s.end.Position)
	if err := s.f.o.Store.Refresh(s.ctx); err != nil {
		return err
	}
	s.f.status.applied(s.end.Position, s.end.AsOf, s.changes) // after the facts, so that whoever sees it finds their numbers
	done := s.target != "" && s.end.Position >= s.target
	s.from, s.end, s.rows, s.committed = s.end.Position, treatment.Mark{}, 0, time.Now()
	s.changes, s.heldBack = map[string]int64{}, map[string]int{}
	if done {
		return errReached
	}
	return nil
}

// abandon drops what was not applied; the source sends it again.
func (s *streamer) abandon() {
	if s.tx != nil {
		s.tx.Rollback()
		s.tx = nil
	}
}
