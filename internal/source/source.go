// Package source owns what every production database can be asked: its schema, a consistent snapshot, its changes in commit order, and what our being there
// can do to it.
//
// It will not know policies: it is told which columns to ask for and asks for no other.
package source

import (
	"context"
	"time"

	"github.com/weirproject/weir/internal/treatment"
)

// Position is how far a source has been read.
type Position = treatment.Position

// Schema is what a source's catalogue says, without any value of its tables.
type Schema struct {
	Identity string // which database this is (for PostgreSQL: system identifier and database name); another one is not the same source
	Tables   []Table
}

// Table returns the named table, or nil.
func (s *Schema) Table(name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// Table is a table of production; a partitioned one is its root.
type Table struct {
	Name       string // schema-qualified
	Columns    []Column
	Key        []string    // the columns of its replica identity; empty when updates and deletes cannot be followed
	KeyProblem string      // why Key is empty or unusable, for people; what to do stands in Check
	Rows       int64       // an estimate for progress
	Partitions []Partition // the leaves of a partitioned table, sorted by name
}

// Partition is a leaf of a partitioned table. What happens to a leaf alone is not announced by the stream; comparing two looks shows it.
type Partition struct {
	Name    string `json:"name"`
	ID      string `json:"id"`      // of this leaf for as long as it exists
	Storage string `json:"storage"` // another one after its rows were thrown away or written anew
	Empty   bool   `json:"empty"`   // made in its place, so that it had no rows when it came
}

// Unannounced tells whether rows of a partitioned table may have come or gone between two looks without the stream saying so. A TRUNCATE of the whole table, which is
// announced, looks the same: copying again is then needless and harmless.
func Unannounced(before, now []Partition) bool {
	known := make(map[string]Partition, len(before))
	for _, p := range before {
		known[p.ID] = p
	}
	for _, p := range now {
		b, was := known[p.ID]
		if !was && !p.Empty || was && b.Storage != p.Storage {
			return true
		}
		delete(known, p.ID)
	}
	return len(known) > 0
}

// Column is a column of production.
type Column struct {
	Name      string
	Type      treatment.Type // Kind 0: a type that weir does not read yet
	TypeName  string         // as production calls it
	NotNull   bool
	Generated bool // computed by production from other columns
}

// Selection is what is asked for: for each table the columns that the policy lets cross, and its key.
type Selection []*treatment.Layout

// Source is one production database.
//
// Errors are *fault.Error and hold no value of production and none of the driver's text.
type Source interface {
	// Schema reads the catalogue.
	Schema(ctx context.Context) (*Schema, error)
	// Check says, for the selection, what is ready and what is not, with the exact fix, and what our being there can do to production.
	Check(ctx context.Context, sel Selection) ([]Finding, error)
	// Script returns the SQL that a DBA runs so that the selection can be read; it is empty when all is in place.
	Script(ctx context.Context, sel Selection) (string, error)
	// ReleaseScript returns the SQL that takes away everything of ours from the source.
	ReleaseScript(ctx context.Context) (string, error)
	// Execute runs a script of Script or ReleaseScript; only the operator's --apply leads here.
	Execute(ctx context.Context, script string) error
	// Now returns the position that production has reached, durable there.
	Now(ctx context.Context) (Position, error)
	// Start returns the position from which Read can read, making what must exist for it (for PostgreSQL: the slot) when it is not there.
	// made tells that it was not: everything that was copied before has a gap and must be copied again.
	Start(ctx context.Context) (from Position, made bool, err error)
	// Snapshot opens a consistent view of the whole source at one position, usable beside a running Read.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Read calls the sink for every transaction that committed at or after from, in commit order, each whole, until ctx ends or the sink returns an error,
	// which it returns unchanged. Only columns of the selection reach the sink. All calls come from one goroutine.
	Read(ctx context.Context, sel Selection, from Position, sink Sink) error
	// Ack says that everything before the position is durable in the store and may be forgotten. It may be called while Read runs.
	Ack(p Position)
	// Close ends all connections and removes nothing.
	Close() error
}

// Snapshot is a view of the source at one moment. Every transaction whose Begin position is before Position is in it, no other.
type Snapshot interface {
	Position() Position
	// Time is production's clock at the snapshot.
	Time() time.Time
	// Copy appends every row of the layout's table as Insert. It calls rows before each row, which returns the builder to append to, or an error that ends the copy.
	// It may be called several times and for the same table again.
	Copy(ctx context.Context, l *treatment.Layout, rows func() (*treatment.Builder, error)) error
	Close() error
}

// Sink takes what Read reads.
type Sink interface {
	// Begin opens a transaction. It is in every snapshot whose position is greater than at.
	Begin(at Position, committed time.Time) error
	// Rows returns the builder for the next row change of the table, or nil when its rows are not wanted. It is called before each row change (once before
	// a MoveFrom and MoveTo pair).
	Rows(table string) (*treatment.Builder, error)
	// Truncate says that all rows of the table are gone at this point of the transaction.
	Truncate(table string) error
	// Commit ends the transaction; a Read from end begins with the next one.
	Commit(end Position) error
	// Progress says that nothing of the selection happened before end; production's clock is at. It never comes inside a transaction.
	Progress(end Position, at time.Time) error
	// Drift says that the catalogue differs from the selection or from what was last seen. When the drift makes the selection wrong, Read returns
	// ErrSelection after it.
	Drift(Drift) error
}

// DriftKind is how a catalogue changed.
type DriftKind string

// The kinds of drift.
const (
	ColumnAdded      DriftKind = "column_added"
	ColumnDropped    DriftKind = "column_dropped"
	ColumnRetyped    DriftKind = "column_retyped"
	TableAdded       DriftKind = "table_added"
	TableDropped     DriftKind = "table_dropped"
	KeyChanged       DriftKind = "key_changed"
	PartitionChanged DriftKind = "partition_changed" // attached, detached, dropped, truncated alone: its rows were not announced
	Unpublished      DriftKind = "unpublished"       // production's own statement took the table out of what we can read
)

// Drift is one change of the catalogue. A renamed column is one dropped and one added.
type Drift struct {
	Kind   DriftKind
	Table  string
	Column string
}

// Severity ranks a check's finding.
type Severity string

// The severities.
const (
	OK   Severity = "ok"
	Warn Severity = "warn" // weir can run; somebody should know
	// Consent is something that our being there can do to production and that cannot be avoided: weir will not run unless the configuration accepts its code.
	Consent Severity = "consent"
	Stop    Severity = "stop" // weir will not run
)

// Finding is one line of weir check.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // stable, snake case
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // what to do, exactly
}
