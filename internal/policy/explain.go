package policy

import (
	"fmt"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Explain says in sentences what becomes of a column and who asked for it. A column that neither the policy nor production knows is a fault of kind NotFound.
func (r *Report) Explain(table, column string) (string, error) {
	var names []string
	for i := range r.Tables {
		t := &r.Tables[i]
		names = append(names, t.Table)
		if t.Table != table {
			continue
		}
		var columns []string
		for _, c := range t.Columns {
			if c.Column == column {
				return t.explain(c), nil
			}
			columns = append(columns, c.Column)
		}
		return "", fault.Newf(fault.NotFound, "%s has no column %s", t.Table, shown(column)).
			WithHint("%s", didYouMean(column, columns, "weir plan lists its columns"))
	}
	for _, u := range r.Unnamed {
		names = append(names, u.Table)
		if u.Table == table {
			return fmt.Sprintf("The policy does not name the table %s, so nothing of it crosses.", table), nil
		}
	}
	return "", fault.Newf(fault.NotFound, "production has no table %s", shown(table)).WithHint("%s", didYouMean(table, names, "weir plan lists the tables"))
}

func (t *TableReport) explain(c ColumnReport) string {
	name := t.Table + "." + c.Column
	var s []string
	if c.State == Unnamed {
		s = append(s, fmt.Sprintf("The policy does not name %s (%s), so it is held back: weir never asks production for it.", name, c.Type))
	} else {
		s = append(s, fmt.Sprintf("%s (%s) is of the class %s: %s.", name, c.Type, c.Class, c.Class.Is()))
	}
	switch c.State {
	case Crosses:
		crosses := c.Treatment.Does()
		if row := treatmentOf(c.Treatment); row != nil && len(row.parameters) > 0 {
			crosses += " (" + c.Form + ")"
		}
		s = append(s, fmt.Sprintf("With %s, what crosses is %s; %s may read it.", c.Treatment, crosses, readers(c.Access)))
	case HeldBack:
		s = append(s, "It is held back: it does not exist in the copy.", c.Class.Why())
	case Unnamed:
	}
	if c.Key {
		s = append(s, "It is part of the table's key: it is read in any case, and a one-way row key is computed from it.")
	}
	switch {
	case len(c.Metrics) > 0 && c.Explored:
		s = append(s, fmt.Sprintf("Asked for by %s, and by an exploration: %q.", list(c.Metrics, "and"), t.Exploration))
	case len(c.Metrics) > 0:
		s = append(s, fmt.Sprintf("Asked for by %s.", list(c.Metrics, "and")))
	case c.Explored:
		s = append(s, fmt.Sprintf("Asked for by an exploration: %q.", t.Exploration))
	default:
		s = append(s, "Nothing asked for it.")
	}
	return strings.Join(s, " ")
}

// readers says who may read what has the access.
func readers(a Access) string {
	if a == AccessSQL {
		return "people by SQL, and metrics,"
	}
	return "metrics alone, and no SQL of anybody,"
}
