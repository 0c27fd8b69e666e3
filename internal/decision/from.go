package decision

import (
	"fmt"
	"slices"
	"strings"
)

// from walks a table reference and adds its relations to the scope. What stands to its left can be named in it.
func (w *walker) from(n node, s *scope, known *tables) {
	defer w.down(n)()
	if w.rule != "" {
		return
	}
	if !empty(n["sample"]) {
		w.refuse(RuleSample, location(n))
	}
	const kind, alias, at, sample = "type", "alias", "query_location", "sample"
	switch text(n, "type") {
	case "EMPTY":
		w.keys(n, kind, alias, at, sample)
	case "BASE_TABLE":
		w.keys(n, kind, alias, at, sample, "schema_name", "table_name", "catalog_name", "column_name_alias", "at_clause")
		w.table(n, s, known)
	case "SUBQUERY":
		w.keys(n, kind, alias, at, sample, "subquery", "column_name_alias")
		w.keys(object(n, "subquery"), "node")
		columns, unknown := w.query(object(object(n, "subquery"), "node"), s, known)
		w.add(s, &relation{alias: fold(text(n, "alias")), columns: renamed(columns, n["column_name_alias"]), unknown: unknown}, n)
	case "JOIN":
		w.keys(n, kind, alias, at, sample, "left", "right", "condition", "join_type", "ref_type", "using_columns", "is_implicit")
		w.join(n, s, known)
	case "TABLE_FUNCTION":
		w.keys(n, kind, alias, at, sample, "function", "column_name_alias", "with_ordinality")
		w.tableFunction(n, s, known)
	case "EXPRESSION_LIST":
		w.keys(n, kind, alias, at, sample, "expected_names", "values", "column_name_alias")
		w.values(n, s, known)
	default: // SHOW_REF, PIVOT, whatever comes
		w.refuse(RuleSource, location(n))
	}
}

// add adds a relation to a FROM. Two of one name would leave the engine to choose.
func (w *walker) add(s *scope, r *relation, n node) {
	for _, other := range s.relations {
		if r.alias != "" && other.alias == r.alias {
			w.refuse(RuleAmbiguous, location(n))
		}
	}
	s.relations = append(s.relations, r)
}

// table finds out what a name in a FROM stands for.
func (w *walker) table(n node, s *scope, known *tables) {
	if !empty(n["at_clause"]) {
		w.refuse(RuleConstruct, location(n))
		return
	}
	name, schema := text(n, "table_name"), text(n, "schema_name")
	alias := text(n, "alias")
	own := alias != ""
	if !own {
		alias = name
	}
	if text(n, "catalog_name") == "" && schema == "" {
		if cte := known.find(fold(name)); cte != nil {
			n["table_name"], n["alias"] = cte.emitted, alias
			w.add(s, &relation{alias: fold(alias), columns: renamed(cte.columns, n["column_name_alias"]), unknown: cte.unknown}, n)
			return
		}
	}
	table := w.lookup(n)
	if table == nil {
		return
	}
	b := &base{table: table, node: n, alias: alias, names: make([]string, len(table.Columns)), read: make([]bool, len(table.Columns))}
	aliases := list(n, "column_name_alias")
	if len(aliases) > len(b.names) {
		w.refuse(RuleColumn, location(n))
		return
	}
	r := &relation{alias: fold(alias), base: b, columns: make([]string, len(b.names))}
	for i, c := range table.Columns {
		b.names[i] = c.Name
		if i < len(aliases) {
			b.names[i], _ = aliases[i].(string)
		}
		r.columns[i] = fold(b.names[i])
	}
	if !own {
		r.schema = fold(table.Schema)
	}
	w.bases = append(w.bases, b)
	w.add(s, r, n)
}

// lookup finds a table of the catalogue; without a schema it must be the only one of its name. What is forbidden is as missing as what is not there.
func (w *walker) lookup(n node) *Table {
	name, schema := fold(text(n, "table_name")), fold(text(n, "schema_name"))
	var found *Table
	if text(n, "catalog_name") == "" && !hidden(name) && !hidden(schema) {
		for _, t := range w.catalog.indexed().tables[name] {
			if hidden(t.Schema) || schema != "" && fold(t.Schema) != schema {
				continue
			}
			if found != nil {
				w.refuse(RuleAmbiguous, location(n))
				return nil
			}
			found = t
		}
	}
	if found == nil {
		w.refuse(RuleTable, location(n))
		return nil
	}
	if found.Copying {
		w.refuse(RuleCopying, location(n))
		return nil
	}
	return visible(found)
}

// hidden tells names that are weir's own in the store.
func hidden(name string) bool { return strings.HasPrefix(fold(name), "_weir") }

// visible is a table without weir's own columns, should a catalogue have them.
func visible(t *Table) *Table {
	if !slices.ContainsFunc(t.Columns, func(c Column) bool { return hidden(c.Name) }) {
		return t
	}
	c := *t
	c.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return hidden(c.Name) })
	return &c
}

// join walks both sides and what joins them.
func (w *walker) join(n node, s *scope, known *tables) {
	w.enum(n, "join_type", "INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI")
	w.enum(n, "ref_type", "REGULAR", "NATURAL", "CROSS", "POSITIONAL", "ASOF")
	first := len(s.relations)
	w.from(object(n, "left"), s, known)
	second := len(s.relations)
	w.from(object(n, "right"), s, known)
	left, right := s.relations[first:second], s.relations[second:]
	if text(n, "ref_type") == "NATURAL" {
		natural(left, right)
	}
	for _, v := range list(n, "using_columns") {
		c, _ := v.(string)
		l, r := (&scope{relations: left}).column(fold(c)), (&scope{relations: right}).column(fold(c))
		if !l || !r {
			w.refuse(RuleColumn, location(n))
		}
	}
	if !empty(n["condition"]) {
		w.expression(object(n, "condition"), s, known)
	}
	if kind := text(n, "join_type"); kind == "SEMI" || kind == "ANTI" {
		s.relations = s.relations[:second] // the right side only decides
	}
}

// column says whether a relation has the column, or may have it.
func (s *scope) column(name string) bool {
	found := false
	for _, r := range s.relations {
		if r.has(name) || r.unknown {
			found = true
		}
	}
	return found
}

// natural marks the columns that two sides have in common. Where a side is not known, everything may be.
func natural(left, right []*relation) {
	unknown := false
	for _, r := range append(slices.Clone(left), right...) {
		unknown = unknown || r.unknown
	}
	for _, l := range left {
		for _, r := range right {
			if unknown {
				l.readAll()
				r.readAll()
			}
			for _, c := range r.columns {
				if slices.Contains(l.columns, c) {
					l.has(c)
					r.has(c)
				}
			}
		}
	}
}

// maxRange is how many rows a series with written bounds may have.
const maxRange = 10_000_000

func (w *walker) tableFunction(n node, s *scope, known *tables) {
	w.enum(n, "with_ordinality", "", "WITHOUT_ORDINALITY", "WITH_ORDINALITY")
	f := object(n, "function")
	name := fold(text(f, "function_name"))
	if text(f, "class") != "FUNCTION" || !slices.Contains([]string{"unnest", "range", "generate_series"}, name) || !ours(f) {
		w.refuse(RuleSource, location(n))
		return
	}
	w.keys(f, functionKeys...)
	if !empty(f["filter"]) || !empty(object(f, "order_bys")["orders"]) || truth(f, "distinct") || truth(f, "is_operator") || truth(f, "export_state") {
		w.refuse(RuleConstruct, location(n))
	}
	f["function_name"] = name
	w.expressions(list(f, "children"), s, known)
	if name != "unnest" && series(list(f, "children")) > maxRange {
		w.refuse(RuleSize, location(n))
	}
	r := &relation{alias: fold(text(n, "alias")), columns: []string{name}, unknown: name == "unnest" && len(list(f, "children")) > 1}
	if r.alias == "" {
		r.alias = name
	}
	if text(n, "with_ordinality") == "WITH_ORDINALITY" {
		r.columns = append(r.columns, "ordinality")
	}
	r.single = len(r.columns) == 1 && !r.unknown
	r.columns = renamed(r.columns, n["column_name_alias"])
	w.add(s, r, n)
}

func (w *walker) values(n node, s *scope, known *tables) {
	r := &relation{alias: fold(text(n, "alias"))}
	for _, row := range list(n, "values") {
		l, ok := row.([]any)
		if !ok {
			w.refuse(RuleConstruct, -1)
			return
		}
		w.expressions(l, s, known)
		for i := len(r.columns); i < len(l); i++ {
			r.columns = append(r.columns, fmt.Sprintf("col%d", i))
		}
	}
	r.columns = renamed(renamed(r.columns, n["expected_names"]), n["column_name_alias"])
	w.add(s, r, n)
}

// project turns every table of the catalogue into a projection onto what is read of it. This is what makes the rest of the walk matter less: the text that runs
// has no other way to a table.
func (w *walker) project() {
	for _, b := range w.bases {
		var columns []any
		for i, c := range b.table.Columns {
			if b.read[i] {
				ref := columnNode(c.Name)
				if b.names[i] != c.Name {
					ref["alias"] = b.names[i]
				}
				columns = append(columns, ref)
			}
		}
		if len(columns) == 0 { // count(*) and the like
			one := nullNode()
			one["alias"] = "_weir_none"
			columns = []any{one}
		}
		from := node{"type": "BASE_TABLE", "alias": "", "schema_name": b.table.Schema, "table_name": b.table.Name, "column_name_alias": []any{}, "catalog_name": ""}
		clear(b.node)
		b.node["type"], b.node["alias"], b.node["column_name_alias"] = "SUBQUERY", b.alias, []any{}
		b.node["subquery"] = node{"node": selectNode(columns, from)}
	}
}

// reads lists what was read, in order.
func (w *walker) reads() []Read {
	byTable := map[string][]string{}
	for _, b := range w.bases {
		name := b.table.Schema + "." + b.table.Name
		byTable[name] = append([]string{}, byTable[name]...) // a table that is only counted is read, too
		for i, c := range b.table.Columns {
			if b.read[i] {
				byTable[name] = append(byTable[name], c.Name)
			}
		}
	}
	out := []Read{}
	for name, columns := range byTable {
		slices.Sort(columns)
		out = append(out, Read{Table: name, Columns: slices.Compact(columns)})
	}
	slices.SortFunc(out, func(a, b Read) int { return strings.Compare(a.Table, b.Table) })
	return out
}
