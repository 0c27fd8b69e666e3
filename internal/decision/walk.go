package decision

import (
	"fmt"
	"slices"
)

// walker goes through a tree, refuses what it does not know, and makes the tree ready to be written anew.
type walker struct {
	sql        string
	catalog    *Catalog
	bases      []*base
	ctes       int
	nodes      int
	depth      int
	types      []string       // of the parameters, as the client declared them
	parameters map[int]string // the type that the statement casts each of them to wherever it stands; "": none, or several
	leans      map[int]string // the type that it casts each of them to anywhere; "?": several
	unnamed    int            // in an expression whose columns get their names by the engine, so that functions must stay as they are written
	growth     int64          // how often the counts around this place repeat it
	rule       Rule           // the first rule that was broken
	at         int            // the byte at which it was
}

// refuse keeps the first refusal. The walk goes on to no effect.
func (w *walker) refuse(r Rule, at int) {
	if w.rule == "" {
		w.rule, w.at = r, at
	}
}

// keys refuses a node that has a key which is not listed: a newer engine may mean something by it.
func (w *walker) keys(n node, allowed ...string) {
	for k := range n {
		if !slices.Contains(allowed, k) && !empty(n[k]) {
			w.refuse(RuleConstruct, location(n))
		}
	}
}

func (w *walker) enum(n node, key string, allowed ...string) {
	if !slices.Contains(allowed, text(n, key)) {
		w.refuse(RuleConstruct, location(n))
	}
}

// down counts a node; the result goes up again.
func (w *walker) down(n node) func() {
	w.nodes++
	w.depth++
	if w.nodes > maxNodes || w.depth > maxDepth {
		w.refuse(RuleLength, location(n))
	}
	return func() { w.depth-- }
}

// query walks a SELECT or a set operation and returns the names of its columns.
func (w *walker) query(n node, outer *scope, known *tables) (columns []string, unknown bool) {
	defer w.down(n)()
	if w.rule != "" {
		return nil, true
	}
	switch text(n, "type") {
	case "SELECT_NODE":
		w.keys(n, "type", "modifiers", "cte_map", "select_list", "from_table", "where_clause", "group_expressions", "group_sets", "aggregate_handling", "having",
			"sample", "qualify")
		known = w.with(n, outer, known)
		return w.selects(n, outer, known)
	case "SET_OPERATION_NODE":
		w.keys(n, "type", "modifiers", "cte_map", "setop_type", "setop_all", "left", "right", "children")
		known = w.with(n, outer, known)
		return w.setOperation(n, outer, known)
	case "RECURSIVE_CTE_NODE":
		w.refuse(RuleRecursion, -1)
	default:
		w.refuse(RuleConstruct, -1)
	}
	return nil, true
}

// setOperation walks UNION and its kin. The columns have the names of the first part's.
func (w *walker) setOperation(n node, outer *scope, known *tables) (columns []string, unknown bool) {
	w.enum(n, "setop_type", "UNION", "UNION_BY_NAME", "EXCEPT", "INTERSECT")
	var all []string
	for i, part := range parts(n) {
		c, u := w.query(asNode(part), outer, known)
		all, unknown = append(all, c...), unknown || u
		if i == 0 {
			columns = c
		}
	}
	if text(n, "setop_type") == "UNION_BY_NAME" {
		columns = all
	}
	w.modifiers(n, &scope{parent: outer, relations: []*relation{{columns: all, unknown: unknown}}}, known)
	return columns, unknown
}

// parts are what a set operation works on: a list, or two by name, as the parser's version writes it.
func parts(n node) []any {
	if l := list(n, "children"); len(l) > 0 && empty(n["left"]) && empty(n["right"]) {
		return l
	}
	return append([]any{n["left"], n["right"]}, list(n, "children")...)
}

// cteName is what a CTE is called when it goes out: nothing in the store begins so, so a reference that the engine would take for something else finds nothing.
func cteName(n int) string { return fmt.Sprintf("_weir_with_%d", n) }

// with walks the CTEs of a query and returns what can be named after them.
func (w *walker) with(n node, outer *scope, known *tables) *tables {
	m := object(n, "cte_map")
	w.keys(m, "map")
	seen := []string{}
	for _, e := range list(m, "map") {
		entry, _ := e.(node)
		value := object(entry, "value")
		query := object(value, "query")
		w.keys(entry, "key", "value")
		if !empty(value["key_targets"]) {
			w.refuse(RuleRecursion, -1)
		}
		w.keys(value, "aliases", "query", "materialized", "key_targets")
		w.enum(value, "materialized", "", "CTE_MATERIALIZE_DEFAULT", "CTE_MATERIALIZE_ALWAYS", "CTE_MATERIALIZE_NEVER")
		w.keys(query, "node")
		name := fold(text(entry, "key"))
		if slices.Contains(seen, name) {
			w.refuse(RuleAmbiguous, -1)
		}
		seen = append(seen, name)
		columns, unknown := w.query(object(query, "node"), outer, known)
		w.ctes++
		known = &tables{parent: known, name: name, emitted: cteName(w.ctes), columns: renamed(columns, value["aliases"]), unknown: unknown}
		entry["key"] = known.emitted
	}
	return known
}

// renamed puts a list of column aliases over the first columns.
func renamed(columns []string, aliases any) []string {
	l, _ := aliases.([]any)
	out := slices.Clone(columns)
	for i, a := range l {
		s, _ := a.(string)
		if i < len(out) {
			out[i] = fold(s)
		} else {
			out = append(out, fold(s))
		}
	}
	return out
}

// selects walks the parts of a SELECT.
func (w *walker) selects(n node, outer *scope, known *tables) (columns []string, unknown bool) {
	s := &scope{parent: outer}
	if !empty(n["sample"]) {
		w.refuse(RuleSample, -1)
	}
	w.enum(n, "aggregate_handling", "", "STANDARD_HANDLING", "FORCE_AGGREGATES", "NO_AGGREGATES_ALLOWED")
	w.from(object(n, "from_table"), s, known)
	items := list(n, "select_list")
	for _, i := range items {
		item := asNode(i)
		own := plural(item)
		if own {
			w.unnamed++
		}
		before := columnNames(item)
		w.expression(item, s, known)
		if own {
			w.unnamed--
		}
		if after := columnNames(item); len(before) == 1 && len(after) == 2 && text(item, keyAlias) == "" { // a value of a function, which has the function's name in FROM
			item[keyAlias] = before[0]
		}
		if a := text(item, "alias"); a != "" { // what comes after it may name it
			s.aliases = append(s.aliases, fold(a))
		}
		c, u := itemNames(item, s)
		columns, unknown = append(columns, c...), unknown || u
	}
	for _, key := range []string{"where_clause", "having", "qualify"} {
		if !empty(n[key]) {
			w.expression(object(n, key), s, known)
		}
	}
	w.expressions(list(n, "group_expressions"), s, known)
	for _, set := range list(n, "group_sets") {
		if _, ok := set.([]any); !ok {
			w.refuse(RuleConstruct, -1)
		}
	}
	w.modifiers(n, s, known)
	return columns, unknown
}

func asNode(v any) node {
	n, _ := v.(node)
	return n
}

// plural tells an expression of the SELECT list that the engine may turn into several columns and names by itself.
func plural(n node) bool {
	found := false
	inside(n, func(c node) {
		if text(c, "class") == "STAR" || text(c, "class") == "FUNCTION" && fold(text(c, "function_name")) == "unnest" {
			found = true
		}
	})
	return found
}

// inside calls visit for n and every node in it, but not for those of subqueries.
func inside(v any, visit func(node)) {
	switch x := v.(type) {
	case node:
		if text(x, "class") == "SUBQUERY" {
			inside(x["child"], visit)
			return
		}
		visit(x)
		for _, c := range x {
			inside(c, visit)
		}
	case []any:
		for _, c := range x {
			inside(c, visit)
		}
	}
}

// itemNames returns the names of the columns that an item of a SELECT list becomes.
func itemNames(n node, s *scope) (columns []string, unknown bool) {
	switch {
	case text(n, "class") == "STAR" && !truth(n, "columns"):
		columns, unknown, _ = s.star(fold(text(n, "relation_name")))
		for _, r := range list(n, "rename_list") {
			columns = append(columns, fold(text(asNode(r), "value")))
		}
		return columns, unknown
	case plural(n):
		return nil, true
	case text(n, "alias") != "":
		return []string{fold(text(n, "alias"))}, false
	case text(n, "class") == "COLUMN_REF":
		names := list(n, "column_names")
		last, _ := names[len(names)-1].(string)
		return []string{fold(last)}, false
	default:
		return nil, true
	}
}

// modifiers walks ORDER BY, LIMIT and DISTINCT.
func (w *walker) modifiers(n node, s *scope, known *tables) {
	for _, v := range list(n, "modifiers") {
		m := asNode(v)
		switch text(m, "type") {
		case "ORDER_MODIFIER":
			w.keys(m, "type", "orders")
			orders := list(m, "orders")
			if len(orders) == 1 && orderAll(object(asNode(orders[0]), "expression")) {
				w.order(asNode(orders[0]))
				continue
			}
			w.orders(orders, s, known)
		case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
			w.keys(m, "type", "limit", "offset")
			for _, key := range []string{"limit", "offset"} {
				if !empty(m[key]) {
					w.expression(object(m, key), &scope{parent: s.parent}, known)
				}
			}
		case "DISTINCT_MODIFIER":
			w.keys(m, "type", "distinct_on_targets")
			w.expressions(list(m, "distinct_on_targets"), s, known)
		default:
			w.refuse(RuleConstruct, -1)
		}
	}
}

func (w *walker) orders(orders []any, s *scope, known *tables) {
	for _, v := range orders {
		w.order(asNode(v))
		w.expression(object(asNode(v), "expression"), s, known)
	}
}

// order checks how an expression is ordered by.
func (w *walker) order(o node) {
	w.keys(o, "type", "null_order", "expression")
	w.enum(o, "type", "ORDER_DEFAULT", "ASCENDING", "DESCENDING")
	w.enum(o, "null_order", "ORDER_DEFAULT", "NULLS FIRST", "NULLS LAST")
}

// orderAll tells ORDER BY ALL, which is a star with nothing to it: it orders by what is selected, and reads nothing else.
func orderAll(n node) bool {
	for k, v := range n {
		if k != keyClass && k != keyType && k != keyAt && k != "columns" && !empty(v) {
			return false
		}
	}
	return text(n, keyClass) == "STAR" && text(n, keyType) == "STAR" && truth(n, "columns")
}
