package duckdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

const (
	ownSchema   = "_weir"
	deltaPrefix = "δ"
	weightName  = "_weir_weight"
)

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// place is a name within a file.
type place struct{ schema, name string }

// parsePlace splits a schema-qualified name at its first dot. weir's own schema and the engine's are nobody else's.
func parsePlace(qualified string) (place, error) {
	schema, name, ok := strings.Cut(qualified, ".")
	if !ok || schema == "" || name == "" {
		return place{}, fault.Newf(fault.Invalid, "%q is no schema-qualified name", qualified).WithHint("write it as schema.name")
	}
	switch strings.ToLower(schema) {
	case ownSchema, "information_schema", "pg_catalog", "temp", "system":
		return place{}, fault.Newf(fault.Invalid, "the schema %q cannot be copied: its name is taken in the store", schema).
			WithHint("leave its tables out of the policy")
	}
	return place{schema, name}, nil
}

func (p place) sql() string { return ident(p.schema) + "." + ident(p.name) }

func (p place) table() engine.Table { return engine.Table{Schema: p.schema, Name: p.name} }

// column is one column of a table in a file.
type column struct {
	name  string
	field arrow.Field
	sql   string // type
}

// shape is a table as one file keeps it.
type shape struct {
	place
	full    string // the name as the layout has it
	hash    string
	columns []column
	schema  *arrow.Schema
}

// shapeOf returns the table as the access's file keeps it, nil when it does not.
func shapeOf(t store.Table, a store.Access) (*shape, error) {
	p, err := parsePlace(t.Name)
	if err != nil {
		return nil, err
	}
	fields := t.Schema.Fields()
	if len(fields) != len(t.Columns)+1 || fields[0].Name != treatment.KeyColumn {
		return nil, fault.Newf(fault.Internal, "the layout of %s does not fit its schema", t.Name).WithHint("report it with weir's version")
	}
	s := &shape{place: p, full: t.Name, hash: t.Hash}
	kept := []arrow.Field{fields[0]}
	for i, c := range t.Columns {
		for _, access := range c.Access {
			if access == a {
				kept = append(kept, fields[i+1])
				break
			}
		}
	}
	if len(kept) == 1 {
		return nil, nil //nolint:nilnil // a table that the file does not keep is no error
	}
	seen := map[string]bool{}
	for _, f := range kept {
		sql, err := sqlType(f)
		if err != nil {
			return nil, fault.Newf(fault.Invalid, "%s.%s: the store has no type for it", t.Name, f.Name).WithHint("give it another treatment")
		}
		if low := strings.ToLower(f.Name); seen[low] {
			return nil, fault.Newf(fault.Invalid, "%s has two columns that differ only by case: %s", t.Name, f.Name).WithHint("drop one of them in the policy")
		} else {
			seen[low] = true
		}
		s.columns = append(s.columns, column{f.Name, f, sql})
	}
	s.schema = arrow.NewSchema(kept, nil)
	return s, nil
}

// print is the shape's fingerprint: a table of another one is made anew.
func (s *shape) print() string {
	var b strings.Builder
	for _, c := range s.columns {
		fmt.Fprintf(&b, "%q %s;", c.name, c.sql)
	}
	return b.String()
}

func (s *shape) names() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.name
	}
	return names
}

func (s *shape) has(name string) bool {
	return slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name })
}

func (s *shape) create() string {
	parts := make([]string, len(s.columns))
	for i, c := range s.columns {
		parts[i] = ident(c.name) + " " + c.sql
	}
	return "CREATE SCHEMA IF NOT EXISTS " + ident(s.schemaName()) + "; CREATE TABLE " + s.sql() + " (" + strings.Join(parts, ", ") + ")"
}

func (s *shape) schemaName() string { return s.place.schema }

// project returns the batch's rows as the file keeps them, with extra columns (of the batch) behind them.
func (s *shape) project(rows arrow.RecordBatch, extra ...string) (arrow.RecordBatch, error) {
	fields := make([]arrow.Field, 0, len(s.columns)+len(extra))
	cols := make([]arrow.Array, 0, cap(fields))
	take := func(name string) (arrow.Field, error) {
		at := rows.Schema().FieldIndices(name)
		if len(at) != 1 {
			return arrow.Field{}, fault.Newf(fault.Internal, "a batch of %s does not have the column %s once", s.full, name).
				WithHint("report it with weir's version")
		}
		cols = append(cols, rows.Column(at[0]))
		return rows.Schema().Field(at[0]), nil
	}
	for _, c := range s.columns {
		f, err := take(c.name)
		if err != nil {
			return nil, err
		}
		if !arrow.TypeEqual(f.Type, c.field.Type) {
			return nil, fault.Newf(fault.Internal, "a batch of %s has another type for %s than the layout", s.full, c.name).
				WithHint("report it with weir's version")
		}
		fields = append(fields, f)
	}
	for _, name := range extra {
		f, err := take(name)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rows.NumRows()), nil
}

func sqlType(f arrow.Field) (string, error) {
	switch t := f.Type.(type) {
	case *arrow.BooleanType:
		return "BOOLEAN", nil
	case *arrow.Int8Type:
		return "TINYINT", nil
	case *arrow.Int16Type:
		return "SMALLINT", nil
	case *arrow.Int32Type:
		return "INTEGER", nil
	case *arrow.Int64Type:
		return "BIGINT", nil
	case *arrow.Float32Type:
		return "REAL", nil
	case *arrow.Float64Type:
		return "DOUBLE", nil
	case *arrow.Decimal128Type:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return "VARCHAR", nil
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return "BLOB", nil
	case *arrow.FixedSizeBinaryType:
		if name, _ := f.Metadata.GetValue("ARROW:extension:name"); name == "arrow.uuid" && t.ByteWidth == 16 {
			return "UUID", nil
		}
		return "BLOB", nil
	case *arrow.Date32Type:
		return "DATE", nil
	case *arrow.TimestampType:
		if t.Unit == arrow.Microsecond && t.TimeZone == "" {
			return "TIMESTAMP", nil
		}
	case *arrow.ListType:
		element, err := sqlType(t.ElemField())
		return element + "[]", err
	}
	return "", fmt.Errorf("no type for %s", f.Type)
}
