package catalogue

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
)

const (
	// answerTime is how long a question may take, and how long its answer may lie half read: clients' own take milliseconds.
	answerTime = 15 * time.Second
	// atOnce is how many questions of one catalogue may be with the engine at a time; more wait for their turn, so that nobody keeps the engine from others.
	atOnce = 2
	// maxRows is how many rows an answer may have.
	maxRows = 200_000
)

// OIDKey is the key of a field's metadata that holds the object id of its PostgreSQL type, where that is not the natural one of its Arrow type. Values of oid and xid come as int64; values of types that print as names (regclass,
// regproc, …) and vectors (int2vector, oidvector) come as the text that PostgreSQL prints.
const OIDKey = "pg.oid"

// Engine lends sessions of an engine without any file or data.
type Engine interface {
	// Session gives a session to the caller, who releases it. It waits while all are taken.
	Session(ctx context.Context) (Session, error)
}

// Session is one connection to that engine. Errors are *fault.Error and hold none of the engine's text.
type Session interface {
	// Exec runs statements that give no rows.
	Exec(ctx context.Context, sql string) (int64, error)
	// Select runs exactly one SELECT, and refuses anything else.
	Select(ctx context.Context, sql string) (Reader, error)
	Release()
}

// Reader is an answer of the engine; Close makes its session free.
type Reader interface {
	Schema() *arrow.Schema
	Next() bool
	Batch() arrow.RecordBatch // valid until Next
	Err() error
	Close() error
}

// Catalogue answers for one role. It is safe for concurrent use.
type Catalogue struct {
	engine Engine
	role   *role
	script string
	turns  chan struct{} // one for each question that may be with the engine

	mu sync.Mutex // makes the tables be made once; they are made again in an engine that was started anew
}

// made numbers the catalogues of the process, which share engines.
var made atomic.Uint64

// New makes a catalogue in which nothing exists but what catalog names. A user and a database are what the asker signed in as and to. Close it.
func New(ctx context.Context, engine Engine, user, database string, catalog *decision.Catalog) (*Catalogue, error) {
	c := &Catalogue{engine: engine, turns: make(chan struct{}, atOnce), role: newRole("weir_role_"+strconv.FormatUint(made.Add(1), 10), user, database, catalog)}
	script, err := c.role.script()
	if err != nil {
		return nil, err
	}
	c.script = script
	s, err := engine.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Release()
	if err := c.make(ctx, s); err != nil {
		return nil, err
	}
	return c, nil
}

// make makes the tables where the engine has none: it is new, or was started anew.
func (c *Catalogue) make(ctx context.Context, s Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows, err := s.Select(ctx, "SELECT 1 FROM "+c.role.own("weir_ready"))
	if err == nil {
		return rows.Close()
	}
	if ctx.Err() != nil || fault.KindOf(err) == fault.Unavailable {
		return err
	}
	if _, err := s.Exec(ctx, "DROP SCHEMA IF EXISTS "+quoteName(c.role.schema)+" CASCADE"); err != nil {
		return err
	}
	if _, err := s.Exec(ctx, c.script+"CREATE TABLE "+c.role.own("weir_ready")+" (i INTEGER)"); err != nil {
		return err
	}
	return nil
}

// Close removes what the engine holds of the catalogue.
func (c *Catalogue) Close(ctx context.Context) error {
	s, err := c.engine.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Release()
	_, err = s.Exec(ctx, "DROP SCHEMA IF EXISTS "+quoteName(c.role.schema)+" CASCADE")
	return err
}

// Recognises says whether sql is a question about the database itself: one SELECT that names no table but those of pg_catalog and information_schema, and at least one of them or a function
// that only a catalogue can answer. It never says so of a statement that names another table.
func Recognises(sql string) bool {
	_, p, ok := parse(sql)
	if !ok {
		return false
	}
	for _, t := range p.tables {
		if t.schema == "" && slices.Contains(p.ctes, t.name) {
			continue
		}
		if systemRelation(t.schema, t.name) == nil {
			return false
		}
	}
	if p.names || slices.ContainsFunc(p.calls, isTelling) {
		return len(p.tables) > 0 || !slices.ContainsFunc(p.calls, func(c *call) bool { return !isKnown(c) })
	}
	return slices.ContainsFunc(p.tables, func(t table) bool {
		return systemRelation(t.schema, t.name) != nil && (t.schema != "" || !slices.Contains(p.ctes, t.name))
	})
}

// translated is a statement as it runs.
type translated struct {
	sql        string
	columns    []output
	parameters []uint32
}

func (c *Catalogue) translate(sql string, arguments []any, described bool) (*translated, error) {
	if !Recognises(sql) {
		return nil, refuse("0A000", "the statement is no question for the catalogue", "ask for tables of pg_catalog and information_schema alone")
	}
	q, _, _ := parse(sql)
	r := &rewriter{role: c.role, arguments: arguments, described: described, parameters: map[int]uint32{}}
	text, columns, err := r.statement(q)
	if err != nil {
		return nil, err
	}
	t := &translated{sql: text, columns: columns}
	for n, kind := range r.parameters {
		if len(t.parameters) < n {
			t.parameters = append(t.parameters, slices.Repeat([]uint32{oidText}, n-len(t.parameters))...)
		}
		if kind != 0 && kind != oidUnknown {
			t.parameters[n-1] = kind
		}
	}
	return t, nil
}

// Query answers a statement that Recognises; arguments are string, int64, float64, bool or nil, one for each parameter. Errors are *fault.Error with a *StateError in the chain where the
// statement is at fault.
func (c *Catalogue) Query(ctx context.Context, sql string, arguments ...any) (*Rows, error) {
	t, err := c.translate(sql, arguments, false)
	if err != nil {
		return nil, err
	}
	return c.run(ctx, t)
}

// Describe returns the columns of a statement's answer and the types of its parameters, without running it on any value.
func (c *Catalogue) Describe(ctx context.Context, sql string) (*arrow.Schema, []uint32, error) {
	t, err := c.translate(sql, nil, true)
	if err != nil {
		return nil, nil, err
	}
	rows, err := c.run(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	schema := rows.Schema()
	if err := rows.Close(); err != nil {
		return nil, nil, err
	}
	return schema, t.parameters, nil
}

func (c *Catalogue) run(ctx context.Context, t *translated) (rows *Rows, err error) {
	ctx, stop := context.WithTimeout(ctx, answerTime)
	select {
	case c.turns <- struct{}{}:
	case <-ctx.Done():
		stop()
		return nil, late()
	}
	leave := func() { stop(); <-c.turns }
	s, err := c.engine.Session(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Release()
			leave()
		}
	}()
	if err := c.make(ctx, s); err != nil {
		return nil, err
	}
	reader, err := s.Select(ctx, t.sql)
	if err != nil {
		return nil, engineFault(err)
	}
	return newRows(ctx, describe(reader.Schema(), t.columns), reader, func() { s.Release(); leave() }), nil
}

func late() error {
	return fault.New(fault.Unavailable, "the catalogue could not answer in its time", "ask again, or for less").WithCause(&StateError{SQLState: "57014"})
}

// engineFault gives an engine's error, whose text says nothing, a state.
func engineFault(err error) error {
	if fault.KindOf(err) == fault.Unavailable {
		return late()
	}
	return refuse("42601", "the catalogue cannot answer the statement: its names, types or values don't fit", "look at its names, types and casts")
}

// describe puts PostgreSQL's types and names on the engine's schema.
func describe(s *arrow.Schema, columns []output) *arrow.Schema {
	fields := slices.Clone(s.Fields())
	for i := range fields {
		if i >= len(columns) {
			break
		}
		fields[i].Name = columns[i].name
		if kind := columns[i].kind; kind != 0 && kind != natural(fields[i].Type) {
			m := fields[i].Metadata
			fields[i].Metadata = arrow.NewMetadata(append(slices.Clone(m.Keys()), OIDKey), append(slices.Clone(m.Values()), decimal(kind)))
		}
	}
	return arrow.NewSchema(fields, nil)
}

// natural is the PostgreSQL type that values of an Arrow type have unless a field says otherwise.
func natural(t arrow.DataType) uint32 {
	switch t.ID() {
	case arrow.BOOL:
		return oidBool
	case arrow.INT8, arrow.UINT8, arrow.INT16:
		return oidInt2
	case arrow.UINT16, arrow.INT32:
		return oidInt4
	case arrow.UINT32, arrow.INT64:
		return oidInt8
	case arrow.FLOAT32:
		return oidFloat4
	case arrow.FLOAT64:
		return oidFloat8
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return oidText
	case arrow.DECIMAL128:
		return oidNumeric
	case arrow.DATE32:
		return oidDate
	case arrow.LIST:
		if l, ok := t.(*arrow.ListType); ok {
			return arrayOf(natural(l.Elem()))
		}
	case arrow.TIMESTAMP:
		if ts, ok := t.(*arrow.TimestampType); ok && ts.TimeZone != "" {
			return oidTimestamptz
		}
		return oidTimestamp
	default:
	}
	return 0
}
