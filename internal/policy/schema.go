package policy

import (
	"fmt"
	"math"
	"slices"
)

// Schema is what a source's catalogue says, in the words of this package.
type Schema struct {
	Tables []SchemaTable
}

// Table returns the named table, or nil.
func (s *Schema) Table(name string) *SchemaTable {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// SchemaTable is a table of production.
type SchemaTable struct {
	Name       string // schema-qualified
	Columns    []SchemaColumn
	KeyProblem string // why no column is Key, when the source knows; lower case, no full stop
}

// Column returns the named column.
func (t *SchemaTable) Column(name string) (SchemaColumn, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return SchemaColumn{}, false
}

// SchemaColumn is a column of production.
type SchemaColumn struct {
	Name string
	Type string // as production calls it
	Kind string // one of Kinds; empty for a type that weir does not read yet
	Key  bool   // part of the replica identity
}

// Check finds where the policy does not fit the schema, sorted by place: tables and columns that are not there, keys that are not classed, treatments that do
// not take the type.
func (p *Policy) Check(s Schema) []Problem {
	c := &checker{schema: &s}
	for _, t := range p.Tables {
		c.table(t)
	}
	sortProblems(c.problems)
	return c.problems
}

type checker struct {
	schema   *Schema
	problems []Problem
}

func (c *checker) report(at Pos, what, right string) {
	c.problems = append(c.problems, Problem{Pos: at, What: what, Right: right})
}

func (c *checker) table(t *Table) {
	st := c.schema.Table(t.Name)
	if st == nil {
		var names []string
		for _, other := range c.schema.Tables {
			names = append(names, other.Name)
		}
		c.report(t.Pos, "production has no table "+shown(t.Name), didYouMean(t.Name, names, "remove its policy, or grant weir the right to see it"))
		return
	}
	for _, col := range t.Columns {
		sc, there := st.Column(col.Name)
		if !there {
			var names []string
			for _, other := range st.Columns {
				if _, named := t.Column(other.Name); !named {
					names = append(names, other.Name)
				}
			}
			c.report(col.Pos, fmt.Sprintf("%s has no column %s", t.Name, shown(col.Name)), didYouMean(col.Name, names, "remove the line"))
			continue
		}
		c.column(col, sc)
	}
	c.key(t, st)
}

// key judges the replica identity. A table of which nothing crosses needs none.
func (c *checker) key(t *Table, st *SchemaTable) {
	keyed := false
	for _, sc := range st.Columns {
		if !sc.Key {
			continue
		}
		keyed = true
		if _, classed := t.Column(sc.Name); !classed {
			c.report(t.Pos, fmt.Sprintf("%s is part of the key of %s and has no class", shown(sc.Name), t.Name),
				fmt.Sprintf("class it, held back if need be: %s: {class: identifier, treat: drop}", shown(sc.Name)))
		}
	}
	if keyed || !t.Crosses() {
		return
	}
	why := "no primary key or replica identity"
	if st.KeyProblem != "" {
		why = st.KeyProblem
	}
	c.report(t.Pos, fmt.Sprintf("%s cannot be followed: %s", t.Name, why), "hold all of its columns back with treat: drop, or give it a key in production")
}

func (c *checker) column(col Column, sc SchemaColumn) {
	name := shown(col.Name)
	switch {
	case col.Treat == Drop:
		return
	case sc.Kind == "":
		c.report(col.Pos, fmt.Sprintf("%s: weir does not read the type %s yet", name, sc.Type), "use drop")
		return
	case !col.Treat.Takes(sc.Kind):
		c.report(col.Pos, fmt.Sprintf("%s: %s does not take the type %s", name, col.Treat, sc.Type), "use "+list(takers(col.Class, col.Access, sc.Kind), "or"))
		return
	}
	switch col.Treat {
	case Truncate:
		if sc.Kind != KindDate {
			return
		}
		if slices.Index(grains, col.To) < slices.Index(grains, "day") {
			c.report(col.Pos, fmt.Sprintf("%s: a %s has no %s", name, sc.Type, col.To), "use to: "+list(grains[slices.Index(grains, "day"):], "or"))
		}
		if col.Zone != "" {
			c.report(col.Pos, fmt.Sprintf("%s: a %s has no time zone", name, sc.Type), "remove zone")
		}
	case Bucket:
		c.bucket(col, sc)
	case Prefix:
		if (sc.Kind == KindText) != (col.Chars > 0) {
			right := "use chars"
			if sc.Kind == KindInet {
				right = "use bits4 and bits6"
			}
			c.report(col.Pos, fmt.Sprintf("%s: this prefix does not take the type %s", name, sc.Type), right)
		}
	default:
	}
}

// bucket judges the numbers of a bucket against whole ones.
func (c *checker) bucket(col Column, sc SchemaColumn) {
	name := shown(col.Name)
	switch {
	case sc.Kind == KindDate && len(col.Edges) > 0:
		c.report(col.Pos, fmt.Sprintf("%s: edges do not take the type %s", name, sc.Type), "use width, in days, or truncate")
	case sc.Kind != KindInt && sc.Kind != KindDate:
	case col.Width != math.Trunc(col.Width) || col.Width > math.MaxInt32:
		c.report(col.Pos, fmt.Sprintf("%s: width is not a whole number for the type %s", name, sc.Type), "use a whole number up to 2147483647")
	case slices.ContainsFunc(col.Edges, func(e float64) bool { return e != math.Trunc(e) }):
		c.report(col.Pos, fmt.Sprintf("%s: edges are not whole numbers for the type %s", name, sc.Type), "use whole numbers")
	}
}

// Crosses tells whether anything of the table crosses.
func (t *Table) Crosses() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Treat != Drop })
}
