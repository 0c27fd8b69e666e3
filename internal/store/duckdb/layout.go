package duckdb

import (
	"slices"
	"strings"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

// layout is a store.Layout, read for the files.
type layout struct {
	identity string
	tables   map[string]*table
	order    []*table
	facts    []*fact // those whose inputs the Metrics file keeps
}

type table struct {
	name   string
	shapes map[store.Access]*shape
	delta  *delta  // in the Metrics file, when facts read the table
	facts  []*fact // that read it
}

// delta is where the changes of a table are kept for the facts that read it.
type delta struct {
	place
	columns []column
}

func (d *delta) names() []string {
	names := make([]string, len(d.columns))
	for i, c := range d.columns {
		names[i] = c.name
	}
	return names
}

func (d *delta) print() string {
	var b strings.Builder
	for _, c := range d.columns {
		b.WriteString(ident(c.name) + " " + c.sql + ";")
	}
	return b.String()
}

func (d *delta) create() string {
	parts := []string{ident(weightName) + " TINYINT"}
	for _, c := range d.columns {
		parts = append(parts, ident(c.name)+" "+c.sql)
	}
	return "CREATE TABLE " + d.sql() + " (" + strings.Join(parts, ", ") + ")"
}

// fact is a store.Fact whose inputs are there.
type fact struct {
	store.Fact
	place
	inputs []input
}

type input struct {
	store.Input
	table *table
	shape *shape
}

func readLayout(l store.Layout) (*layout, error) {
	out := &layout{identity: l.Identity, tables: map[string]*table{}}
	seen := map[string]string{}
	claim := func(name string) error {
		low := strings.ToLower(name)
		if other, ok := seen[low]; ok {
			return fault.Newf(fault.Invalid, "the store cannot hold both %s and %s", other, name).WithHint("rename one or leave it out")
		}
		seen[low] = name
		return nil
	}
	for _, t := range l.Tables {
		if err := claim(t.Name); err != nil {
			return nil, err
		}
		entry := &table{name: t.Name, shapes: map[store.Access]*shape{}}
		for _, a := range accesses {
			s, err := shapeOf(t, a)
			if err != nil {
				return nil, err
			}
			if s != nil {
				entry.shapes[a] = s
			}
		}
		out.tables[t.Name] = entry
		out.order = append(out.order, entry)
	}
	for _, f := range l.Facts {
		if err := claim(f.Name); err != nil {
			return nil, err
		}
		got, err := out.fact(f)
		if err != nil {
			return nil, err
		}
		if got == nil {
			continue
		}
		out.facts = append(out.facts, got)
		for _, in := range got.inputs {
			in.table.read(got, in)
		}
	}
	return out, nil
}

// fact returns nil when the Metrics file lacks a table or a column that the fact reads: it is not derived then.
func (l *layout) fact(f store.Fact) (*fact, error) {
	p, err := parsePlace(f.Name)
	if err != nil {
		return nil, err
	}
	out := &fact{Fact: f, place: p}
	out.Select = trimStatement(f.Select)
	for _, in := range f.Inputs {
		t := l.tables[in.Table]
		if t == nil || t.shapes[store.Metrics] == nil {
			return nil, nil //nolint:nilnil // not derivable is no error
		}
		s := t.shapes[store.Metrics]
		in.Columns = slices.Clone(in.Columns)
		if in.Driving && !slices.Contains(in.Columns, in.KeyColumn) {
			in.Columns = append(in.Columns, in.KeyColumn)
		}
		for _, c := range in.Columns {
			if !s.has(c) {
				return nil, nil //nolint:nilnil // not derivable is no error
			}
		}
		in.Keys = trimStatement(in.Keys)
		out.inputs = append(out.inputs, input{in, t, s})
	}
	return out, nil
}

func trimStatement(sql string) string { return strings.TrimRight(sql, "; \t\r\n") }

// read notes that the fact reads the table.
func (t *table) read(f *fact, in input) {
	if !slices.Contains(t.facts, f) {
		t.facts = append(t.facts, f)
	}
	if t.delta == nil {
		t.delta = &delta{place: place{ownSchema, deltaPrefix + t.name}}
	}
	// In the table's order, so that the same facts give the same shape.
	have := t.delta.names()
	t.delta.columns = t.delta.columns[:0]
	for _, c := range in.shape.columns {
		if slices.Contains(have, c.name) || slices.Contains(in.Columns, c.name) {
			t.delta.columns = append(t.delta.columns, c)
		}
	}
}

// keeps returns the files that keep the table, in order.
func (t *table) keeps() []store.Access {
	var out []store.Access
	for _, a := range accesses {
		if t.shapes[a] != nil {
			out = append(out, a)
		}
	}
	return out
}
