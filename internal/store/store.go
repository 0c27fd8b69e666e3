// Package store owns what every analytics database of treated data can be asked: its layout, the atomic application of rows and position, read-only
// queries, derived facts, erasure and rewriting.
//
// It will not take anything but treated batches, and it will not decide who may ask.
package store

import (
	"context"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/treatment"
)

// Access is who may ever read a table: sql, metrics or releases. Each is one file with its own engine and its own position.
type Access string

// The accesses.
const (
	SQL      Access = "sql"
	Metrics  Access = "metrics"
	Releases Access = "releases"
)

// Layout is all that a store holds.
type Layout struct {
	Identity string // of the source, from its schema; a store of another source is refused
	Tables   []Table
	Facts    []Fact
}

// Table is one table of the copy. A store's table of the same name is schema-qualified in the same way: "fleet"."device".
type Table struct {
	Name    string
	Hash    string        // of everything that decides what its rows look like; another hash empties the table, so that it is copied anew
	Schema  *arrow.Schema // Plan.Schema: KeyColumn first
	Columns []Placement   // for each field of Schema after KeyColumn, in order
}

// Placement says which files a column is kept in. A file that keeps no column of a table does not have the table; one that keeps some also keeps KeyColumn.
type Placement struct {
	Access []Access
}

// Fact is a table that is derived inside the Metrics file from copied tables and kept current.
type Fact struct {
	Name   string // schema-qualified: metric.connection_attempt
	Hash   string // of its definition; another hash derives it anew
	Key    string // the column of the fact by which it is renewed piece by piece
	Inputs []Input
	// Select is the SELECT that derives the fact. It reads its inputs by their aliases, unqualified, and nothing else.
	Select string
}

// Input is a copied table that a fact reads: the columns that it may see, under an alias.
type Input struct {
	Alias   string
	Table   string
	Columns []string
	// Keys selects the fact keys that changed rows of this input touch, in one column. It reads the changed rows as "changed" (with this input's
	// columns: the rows as they were and as they are) and all inputs and the fact itself (as "fact").
	Keys string
	// Driving marks the input which has the fact's key itself: the derivation of some keys reads only its rows of those keys.
	Driving   bool
	KeyColumn string // the driving input's column that holds the fact's key
}

// State is what a store holds.
type State struct {
	Identity string
	Marks    map[Access]treatment.Mark // how far each file is; a file without a mark was never written
	Tables   map[string]TableState
	Facts    map[string]FactState
}

// Mark returns the smallest mark of all files: what may be acknowledged. It is zero when a file was never written.
func (s State) Mark() treatment.Mark {
	var low treatment.Mark
	first := true
	for _, m := range s.Marks {
		if first || m.Position < low.Position {
			low, first = m, false
		}
	}
	return low
}

// TableState is what a store knows of a table.
type TableState struct {
	Hash   string
	Copied bool               // its snapshot is complete in every file that keeps it
	Since  treatment.Position // the snapshot's position; changes that began before it are in it
	Rows   int64
}

// FactState is what a store knows of a fact.
type FactState struct {
	Hash string
	Mark treatment.Mark // for which position its rows are true
	Rows int64
}

// Store is one analytics database.
//
// Errors are *fault.Error and hold none of the engine's text. One goroutine at a time may hold a Tx; queries and pins run beside it.
type Store interface {
	// State reads what is held. It survives crashes: it never shows what was not committed.
	State(ctx context.Context) (State, error)
	// Prepare makes tables and facts fit the layout: new ones are made empty; tables of another hash, and those the layout does not name, are removed, and
	// their old bytes are gone from the disk when Prepare returns. It keeps all others with their rows.
	Prepare(ctx context.Context, l Layout) error
	// Begin opens the one write transaction.
	Begin(ctx context.Context) (Tx, error)
	// Refresh brings every fact to the position that the Metrics file holds, in one transaction.
	Refresh(ctx context.Context) error
	// Query runs one read-only SELECT in the access's file and streams its answer. Arguments are bound by position ($1…).
	Query(ctx context.Context, a Access, sql string, args ...any) (Rows, error)
	// Describe says what one SELECT takes and gives in the access's file, without running it.
	Describe(ctx context.Context, a Access, sql string) (*Description, error)
	// Version is a number that is another one after every change of the access's tables or columns, and of which tables are copied, from the moment at which the change can be seen. It is of this process and
	// costs nothing: whoever reads it before looking at tables and columns may keep what they saw for as long as it stays.
	Version(a Access) uint64
	// Pin opens a view of all files at the committed state of this moment, which later transactions do not change.
	Pin(ctx context.Context) (Pinned, error)
	// Erase removes the rows with these keys from the table and their bytes from the disk.
	Erase(ctx context.Context, table string, keys [][16]byte) error
	// Rewrite writes the access's file anew, so that bytes of removed rows are gone from the disk.
	Rewrite(ctx context.Context, a Access) error
	// Close ends the engines; nothing committed is lost.
	Close() error
}

// Tx is a write transaction over all files. Each file commits by itself: after a crash between two of them, the files' marks differ, and a later Commit of the
// same marks skips the files that are already there.
type Tx interface {
	// Reset empties the table and marks it as not copied: the beginning of its snapshot.
	Reset(ctx context.Context, table string) error
	// Write applies a batch. The caller still releases it.
	Write(ctx context.Context, b *treatment.Batch) error
	// Copied marks the table's snapshot as complete at since.
	Copied(ctx context.Context, table string, since treatment.Position) error
	// Commit makes everything durable, with the mark, before it returns. A file whose mark is at or past to keeps it (at the same position only its AsOf may move on) and what was written for it is
	// dropped. An empty to keeps the marks as they are (a snapshot is not a position of the stream).
	Commit(ctx context.Context, to treatment.Mark) error
	// Rollback drops everything; after Commit it does nothing.
	Rollback()
}

// Description is what a SELECT takes and gives. A parameter whose type would only be known from its value is of type Null.
type Description struct {
	Parameters []arrow.Field // a type alone does not tell a UUID from bytes
	Schema     *arrow.Schema
}

// Rows is a streamed answer. Close it.
type Rows interface {
	Schema() *arrow.Schema
	// Batches yields record batches, each valid until the next step. An error ends it.
	Batches() iter.Seq2[arrow.RecordBatch, error]
	Close() error
}

// Pinned is a view of all files at one moment. Close it soon: it holds old versions in the engines.
type Pinned interface {
	State() State
	// Scan yields every row of the table as the access's file keeps it: KeyColumn, then the columns placed there, in the layout's order.
	Scan(ctx context.Context, a Access, table string) (Rows, error)
	// Query is Store.Query at this moment.
	Query(ctx context.Context, a Access, sql string, args ...any) (Rows, error)
	Close() error
}

// Limits bound what a store's engines may use.
type Limits struct {
	MemoryBytes int64
	Threads     int
	Timeout     time.Duration // of one Query
}
