package decision

import "slices"

// relation is one thing in a FROM: a table of the catalogue, a CTE, a subquery, a list of values, a table function.
type relation struct {
	alias   string // folded; what qualifies its columns
	schema  string // folded; only of a table without an alias of its own
	columns []string
	single  bool  // it is a function's with one column, and its alias alone stands for that column, as in PostgreSQL
	unknown bool  // it may have more columns than are known here; the engine will tell
	base    *base // a table of the catalogue
}

// base is a place in the statement where a table of the catalogue stands. It is replaced by a projection onto the columns that are read, so that nothing
// else of the table can be reached through it, whatever the rest of the statement says.
type base struct {
	table *Table
	node  node     // the BASE_TABLE in the tree, rewritten in place at the end
	alias string   // as it is written
	names []string // of the columns, in this place
	read  []bool   // by column
}

func (r *relation) readAll() {
	if r.base != nil {
		for i := range r.base.read {
			r.base.read[i] = true
		}
	}
}

// has says whether the relation has the column and marks it as read. Names are folded.
func (r *relation) has(column string) bool {
	found := false
	for i, c := range r.columns {
		if c == column {
			found = true
			if r.base != nil {
				r.base.read[i] = true
			}
		}
	}
	return found
}

// scope is what an expression can name: the relations of its FROM, the aliases of its SELECT list, the parameters of a lambda, and what is around it.
type scope struct {
	parent    *scope
	relations []*relation
	aliases   []string // folded
	lambda    []string // folded; a scope of lambda parameters has nothing else
}

// resolve marks whatever the name can mean as read and returns the name as it goes out; nil when it means nothing. It may mark too much and accept too much, and
// then the engine refuses; it never makes reachable what is not in the catalogue.
func (s *scope) resolve(names []string) []string {
	folded := make([]string, len(names))
	for i, n := range names {
		folded[i] = fold(n)
	}
	loose := false // an unknown relation may have it; outer scopes may, too
	for ; s != nil; s = s.parent {
		if slices.Contains(s.lambda, folded[0]) || len(folded) > 1 && s.qualified(folded) {
			return names
		}
		if len(folded) > 2 && s.withSchema(folded) {
			return names[1:]
		}
		if len(folded) == 1 && len(s.lambda) == 0 {
			if column := s.value(folded[0]); column != "" {
				return []string{names[0], column}
			}
		}
		if s.bare(folded[0], len(folded) == 1) {
			return names
		}
		for _, r := range s.relations {
			if r.unknown && (len(folded) == 1 || r.alias == folded[0] || r.alias == "") {
				loose = true
			}
		}
	}
	if loose {
		return names
	}
	return nil
}

// value is the column of a function in FROM that is named by its alias alone: SELECT d FROM generate_series(1, 3) AS d. The engine would take it for a row.
func (s *scope) value(name string) string {
	found := ""
	for _, r := range s.relations {
		switch {
		case slices.Contains(r.columns, name):
			return ""
		case r.single && r.alias == name && len(r.columns) == 1:
			found = r.columns[0]
		}
	}
	return found
}

// qualified is alias.column, with fields behind it.
func (s *scope) qualified(names []string) bool {
	found := false
	for _, r := range s.relations {
		if r.alias == names[0] && r.has(names[1]) {
			found = true
		}
	}
	return found
}

// withSchema is schema.table.column.
func (s *scope) withSchema(names []string) bool {
	found := false
	for _, r := range s.relations {
		if r.schema != "" && r.schema == names[0] && r.alias == names[1] && r.has(names[2]) {
			found = true
		}
	}
	return found
}

// bare is a column, an alias, or a whole row.
func (s *scope) bare(name string, alone bool) bool {
	found := false
	for _, r := range s.relations {
		if r.has(name) {
			found = true
		}
	}
	if !found && alone {
		for _, r := range s.relations {
			if r.alias == name {
				r.readAll()
				found = true
			}
		}
	}
	return found || slices.Contains(s.aliases, name)
}

// readAll marks every column of the FROM.
func (s *scope) readAll() {
	for _, r := range s.relations {
		r.readAll()
	}
}

// star returns the columns that a star stands for, and whether there may be more.
func (s *scope) star(relationName string) (columns []string, unknown, ok bool) {
	for _, r := range s.relations {
		if relationName == "" || r.alias == relationName {
			ok = true
			r.readAll()
			columns = append(columns, r.columns...)
			unknown = unknown || r.unknown
		}
	}
	return columns, unknown, ok
}

// tables is a chain of the CTEs that can be named in a place.
type tables struct {
	parent  *tables
	name    string // folded
	emitted string // how it goes out: a name that nothing else can have
	columns []string
	unknown bool
}

func (t *tables) find(name string) *tables {
	for ; t != nil; t = t.parent {
		if t.name == name {
			return t
		}
	}
	return nil
}
