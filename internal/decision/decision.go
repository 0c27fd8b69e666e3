package decision

import (
	"context"
	"sync"
)

// Parser is the engine's own parser, in an engine without files or data. Errors hold none of the engine's text.
type Parser interface {
	// Serialize returns the engine's serialised tree of the statements in sql (DuckDB: json_serialize_sql), also when that tree says that sql is no statement that can be serialised.
	Serialize(ctx context.Context, sql string) (tree []byte, err error)
	// Deserialize returns the text of a serialised tree (DuckDB: json_deserialize_sql).
	Deserialize(ctx context.Context, tree []byte) (sql string, err error)
}

// Column is a column that the asker may read.
type Column struct {
	Name string
	Type string // as the engine calls it: VARCHAR, UUID, TIMESTAMP
}

// Table is a table that the asker may read, with those of its columns that the asker may read. Nothing else exists for them.
type Table struct {
	Schema, Name string
	Columns      []Column
	Copying      bool // its first copy is not whole yet: what reads it is refused, because fewer rows look like an answer
}

// Catalog is everything that exists for the asker. Nothing in it may change once something was decided by it: what changes is another catalogue.
type Catalog struct {
	Tables []Table

	once  sync.Once
	index index // of the tables; made at the first decision
}

// index finds what a catalogue holds.
type index struct {
	tables map[string][]*Table // by their names, folded
	names  map[string]bool     // of schemas, tables and columns, folded
}

func (c *Catalog) indexed() *index {
	c.once.Do(func() {
		c.index = index{tables: map[string][]*Table{}, names: map[string]bool{}}
		for i := range c.Tables {
			t := &c.Tables[i]
			name := fold(t.Name)
			c.index.tables[name] = append(c.index.tables[name], t)
			c.index.names[fold(t.Schema)], c.index.names[name] = true, true
			for _, col := range t.Columns {
				c.index.names[fold(col.Name)] = true
			}
		}
	})
	return &c.index
}

// Request is a statement to decide on.
type Request struct {
	SQL     string
	Catalog *Catalog
	Types   []string // of $1, $2, … as the asker declared them, in the engine's words (INTEGER, VARCHAR[]); "" or missing: not declared. Others than a client can declare count as that
	MaxRows int64    // the limit that goes into the text, plus one so that a cut can be told; 0: none
}

// Read is a table that an allowed statement reads, and the columns of it that it reads anywhere: in its output, its conditions, its groups.
type Read struct {
	Table   string   `json:"table"` // schema-qualified
	Columns []string `json:"columns"`
}

// Decision allows a statement.
type Decision struct {
	SQL        string   // what runs: regenerated, every name resolved and qualified, limits put in
	Parameters int      // $1…$n
	Casts      []string // of the parameters: the type to which the statement casts it wherever it stands, as in Request.Types; "": none
	Leans      []string // of the parameters: the type to which the statement casts it somewhere, when it is one alone; "": none
	Reads      []Read   // sorted
	Shape      string   // the statement with every literal replaced by a keyed hash of it: what the record holds
}

// Rule names why a statement was refused. It is stable; the documentation lists them.
type Rule string

// RefusalError is a refusal: the cause of the *fault.Error (kind Refused) that Decide returns, for protocols that need a code and a place.
type RefusalError struct {
	Rule     Rule
	SQLState string // five characters: 42501, 42P01, 42703, 42601, 0A000, …
	Position int    // 1-based character in the request's SQL; 0: none
}

// Error names the rule.
func (e *RefusalError) Error() string { return "refused: " + string(e.Rule) }
