package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
)

// Explained is a decision, as weir query --explain shows it.
type Explained struct {
	Allowed bool            `json:"allowed"`
	SQL     string          `json:"sql,omitempty"` // what runs in the statement's place
	Reads   []decision.Read `json:"reads,omitempty"`
	Columns []string        `json:"columns,omitempty"` // of the answer
}

// analyst is the user of this machine who runs weir, asking SQL.
func analyst(p gate.Principal) gate.Principal {
	p.Role = gate.Analyst
	return p
}

// ExplainQuery decides on a statement without running it.
func (n *Node) ExplainQuery(ctx context.Context, p gate.Principal, sql string) (*Explained, error) {
	return explain(ctx, n.gate.Session(analyst(p)), sql)
}

func explain(ctx context.Context, s *gate.Session, sql string) (*Explained, error) {
	st, err := s.Prepare(ctx, sql)
	if err != nil {
		return nil, err
	}
	if _, err := s.Lookup(ctx, "explain"); err != nil { // a refusal is recorded as one of the statement
		return nil, err
	}
	e := &Explained{Allowed: true, SQL: st.Decision().SQL, Reads: st.Decision().Reads}
	for _, f := range st.Schema().Fields() {
		e.Columns = append(e.Columns, f.Name)
	}
	return e, nil
}

// Table is a small answer as text, for terminals and scripts.
type Table struct {
	Columns []string    `json:"columns"`
	Types   []string    `json:"types"` // of DuckDB
	Rows    [][]*string `json:"rows"`  // nil is NULL
}

// An answer as text is made whole in memory, for the control socket and the page: it is for looking, the SQL door is for moving.
const (
	tableRows  = 100_000
	tableBytes = 64 << 20 // of text
	cellBytes  = 8        // that a cell counts beside its text, also one that is NULL
)

// Query answers a statement.
func (n *Node) Query(ctx context.Context, p gate.Principal, sql string) (*Table, error) {
	return answerTable(ctx, n.gate.Session(analyst(p)), sql)
}

// answerTable answers a statement whole.
func answerTable(ctx context.Context, s *gate.Session, sql string) (_ *Table, err error) {
	st, err := s.Prepare(ctx, strings.TrimSpace(sql))
	if err != nil {
		return nil, err
	}
	if len(st.Parameters()) > 0 {
		err := fault.New(fault.Usage, "the statement has parameters, and here there is nobody to give them", "write the values into the statement")
		return nil, s.Refuse(ctx, kindSQL, "parameter", err)
	}
	a, err := st.Run(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := a.Close(); err == nil {
			err = closeErr
		}
	}()
	t, room := &Table{Rows: [][]*string{}}, tableBytes
	for _, f := range st.Schema().Fields() {
		t.Columns = append(t.Columns, f.Name)
		t.Types = append(t.Types, duckType(f.Type))
	}
	for b, err := range a.Batches() {
		if err != nil {
			return nil, err
		}
		if err := t.add(b, &room); err != nil {
			return nil, a.GiveUp(err)
		}
	}
	return t, nil
}

// add appends the rows of a batch, as long as there is room for their text.
func (t *Table) add(b arrow.RecordBatch, room *int) *fault.Error {
	for i := range int(b.NumRows()) {
		if len(t.Rows) == tableRows {
			return tooLarge("rows", fmt.Sprintf("%d rows", tableRows))
		}
		row := make([]*string, b.NumCols())
		for j, c := range b.Columns() {
			*room -= cellBytes
			if !c.IsNull(i) {
				text := cellText(c, i)
				*room -= len(text)
				row[j] = &text
			}
			if *room < 0 {
				return tooLarge("bytes", fmt.Sprintf("%d MB of text", tableBytes>>20))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return nil
}

func tooLarge(rule decision.Rule, than string) *fault.Error {
	return fault.Newf(fault.Refused, "the answer has more than %s, too much for one that is given whole", than).
		WithHint("ask for less, or for a part at a time; the gate's SQL door (psql, or a driver of PostgreSQL) gives long answers piece by piece").
		WithCause(&decision.RefusalError{Rule: rule, SQLState: "54000"})
}

// cellText is a value as people read it; its bytes are the text's own.
func cellText(c arrow.Array, i int) string {
	if u, ok := c.(*array.FixedSizeBinary); ok && u.DataType().(*arrow.FixedSizeBinaryType).ByteWidth == 16 { //nolint:errcheck,forcetypeassert // its own type
		h := hex.EncodeToString(u.Value(i))
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	switch c := c.(type) {
	case *array.Timestamp:
		return timeText(int64(c.Value(i)), c.ValueStr(i))
	case *array.Date32:
		return dateText(c.Value(i), c.ValueStr(i))
	case *array.Decimal128:
		if d, ok := c.DataType().(*arrow.Decimal128Type); ok {
			return c.Value(i).ToString(d.Scale) // with all of its decimals, as PostgreSQL writes it
		}
	}
	return strings.Clone(c.ValueStr(i))
}

// The engine's infinite times are the ends of their numbers, whatever the unit: the library would count them as moments.
func timeText(v int64, text string) string {
	switch v {
	case math.MaxInt64:
		return "infinity"
	case -math.MaxInt64:
		return "-infinity"
	}
	return strings.Clone(text)
}

func dateText(v arrow.Date32, text string) string {
	switch v {
	case math.MaxInt32:
		return "infinity"
	case -math.MaxInt32:
		return "-infinity"
	}
	return strings.Clone(text)
}

// duckType is the name that the language of the questions has for a type of an answer.
func duckType(t arrow.DataType) string {
	names := map[arrow.Type]string{
		arrow.BOOL: "BOOLEAN", arrow.INT8: "TINYINT", arrow.INT16: "SMALLINT", arrow.INT32: "INTEGER", arrow.INT64: "BIGINT", arrow.UINT8: "UTINYINT", arrow.UINT16: "USMALLINT",
		arrow.UINT32: "UINTEGER", arrow.UINT64: "UBIGINT", arrow.FLOAT32: "FLOAT", arrow.FLOAT64: "DOUBLE", arrow.STRING: "VARCHAR", arrow.LARGE_STRING: "VARCHAR",
		arrow.STRING_VIEW: "VARCHAR", arrow.BINARY: "BLOB", arrow.LARGE_BINARY: "BLOB", arrow.BINARY_VIEW: "BLOB", arrow.DATE32: "DATE", arrow.TIMESTAMP: "TIMESTAMP",
		arrow.TIME64: "TIME", arrow.INTERVAL_MONTH_DAY_NANO: "INTERVAL", arrow.STRUCT: "STRUCT", arrow.MAP: "MAP", arrow.DICTIONARY: "ENUM",
	}
	switch t := t.(type) {
	case *arrow.FixedSizeBinaryType:
		if t.ByteWidth == 16 {
			return "UUID"
		}
	case *arrow.Decimal128Type:
		return "DECIMAL(" + strconv.Itoa(int(t.Precision)) + "," + strconv.Itoa(int(t.Scale)) + ")"
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "TIMESTAMP WITH TIME ZONE"
		}
	case arrow.ListLikeType:
		if t.ID() != arrow.MAP {
			return duckType(t.Elem()) + "[]"
		}
	}
	if name, ok := names[t.ID()]; ok {
		return name
	}
	return "UNKNOWN"
}
