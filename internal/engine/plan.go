package engine

import (
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

const (
	// keptPlans is how many statements a connection keeps prepared.
	keptPlans = 32
	// keptText is how long a statement may be that is kept, in bytes.
	keptText = 32 << 10
)

const (
	beginReadOnly = "BEGIN TRANSACTION READ ONLY"
	rollback      = "ROLLBACK"
)

// plans are the statements that a connection keeps prepared: to plan a short question takes as long as to answer it.
//
// DuckDB plans anew by itself when a table changed, but it also plans with what it knows of the values in a table, the least and the greatest and whether there are NULLs, and
// that is true only for what was committed then. So a plan is used again only while nothing was written to the database since before it was made, whoever wrote it, and only
// by statements whose transaction began after that: never inside a transaction that somebody holds open.
type plans struct {
	changes *atomic.Uint64 // of the database; nil: nothing is kept
	kept    []*plan        // the last used is the last
}

// plan is one prepared statement.
type plan struct {
	sql   string
	stmt  mapping.PreparedStatement
	made  uint64 // changes when it was begun
	keep  bool
	again bool // it was kept

	raw, schema *arrow.Schema // of its answer, where that does not depend on values
}

// changing counts a statement that may write, before and after it: a plan that is made meanwhile is not used again.
func (p *plans) changing(sql string) func() {
	if p.changes == nil || sql == beginReadOnly || sql == rollback {
		return func() {}
	}
	p.changes.Add(1)
	return func() { p.changes.Add(1) }
}

func (p *plans) begin(sql string, keep bool) *plan {
	out := &plan{sql: sql, keep: keep && p.changes != nil && len(sql) <= keptText}
	if out.keep {
		out.made = p.changes.Load()
	}
	return out
}

func (p *plans) current(pl *plan) bool { return p.changes != nil && pl.made == p.changes.Load() }

// take returns the plan of a statement, which is the caller's until keep; nil when there is none.
func (p *plans) take(sql string) *plan {
	i := slices.IndexFunc(p.kept, func(pl *plan) bool { return pl.sql == sql })
	if i < 0 {
		return nil
	}
	pl := p.kept[i]
	p.kept = slices.Delete(p.kept, i, i+1)
	if !p.current(pl) {
		mapping.DestroyPrepare(&pl.stmt)
		return nil
	}
	pl.again = true
	return pl
}

// keep keeps a plan. When it says no, the plan is still the caller's.
func (p *plans) keep(pl *plan) bool {
	if !pl.keep || !p.current(pl) {
		return false
	}
	mapping.ClearBindings(pl.stmt)
	if len(p.kept) >= keptPlans {
		mapping.DestroyPrepare(&p.kept[0].stmt)
		p.kept = slices.Delete(p.kept, 0, 1)
	}
	p.kept = append(p.kept, pl)
	return true
}

func (p *plans) drop() {
	for _, pl := range p.kept {
		mapping.DestroyPrepare(&pl.stmt)
	}
	p.kept = nil
}

// beginRead begins a read-only transaction. One that was left open by a failed end is ended first.
func (c *connection) beginRead() Class {
	class := c.again(&c.begin, beginReadOnly)
	if class == ClassTransaction {
		c.endRead()
		class = c.again(&c.begin, beginReadOnly)
	}
	return class
}

func (c *connection) endRead() { _ = c.again(&c.end, rollback) }

// again runs a statement without rows that is prepared once for the connection's life.
func (c *connection) again(stmt *mapping.PreparedStatement, sql string) Class {
	if stmt.Ptr == nil && mapping.Prepare(c.conn, sql, stmt) == mapping.StateError {
		mapping.DestroyPrepare(stmt)
		return ClassOther
	}
	var res mapping.Result
	state := mapping.ExecutePrepared(*stmt, &res)
	defer mapping.DestroyResult(&res)
	if state == mapping.StateError {
		return classify(mapping.ResultErrorType(&res))
	}
	return 0
}
