package decision

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirproject/weir/internal/arrays"
)

// declarable are the types that a client can declare a parameter with, in the engine's words; each also as a list, with [] behind it.
var declarable = []string{
	"BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "JSON", "BLOB", "UUID", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTERVAL",
	"TINYINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
}

// typeNode is a type in the tree; nil for a name that is none of declarable, nor a decimal, nor a list of them.
func typeNode(name string) node {
	e := typeExpression(name)
	if e == nil {
		return nil
	}
	return node{"id": "UNBOUND", "type_info": node{"type": "UNBOUND_TYPE_INFO", "expr": e}}
}

// typeExpression is a type as the parser reads it: an expression.
func typeExpression(name string) node {
	made := func(name string, children ...any) node {
		n := node{keyClass: "TYPE", keyType: "TYPE", "type_name": name}
		if len(children) > 0 {
			n["children"] = children
		}
		return n
	}
	if element, ok := strings.CutSuffix(name, "[]"); ok {
		child := typeExpression(element)
		if child == nil || strings.HasSuffix(element, "[]") {
			return nil
		}
		return made("list", child)
	}
	if digits, ok := strings.CutPrefix(name, "DECIMAL("); ok {
		w, s, _ := strings.Cut(strings.TrimSuffix(digits, ")"), ",")
		width, werr := strconv.ParseInt(w, 10, 64)
		scale, serr := strconv.ParseInt(s, 10, 64)
		if werr != nil || serr != nil || width < 1 || width > 38 || scale < 0 || scale > width {
			return nil
		}
		return made("DECIMAL", numberNode(width), numberNode(scale))
	}
	if !slices.Contains(declarable, name) {
		return nil
	}
	return made(name)
}

// typeText is what a type of the tree is called, as far as it is one of typeNode's without numbers; "" for all others.
func typeText(t node) string {
	if text(t, "id") != "UNBOUND" {
		if name := text(t, "id"); slices.Contains(declarable, name) {
			return name
		}
		return ""
	}
	return expressionText(object(object(t, "type_info"), "expr"))
}

func expressionText(e node) string {
	name, children := strings.ToUpper(text(e, "type_name")), list(e, "children")
	switch {
	case name == "LIST" && len(children) == 1:
		if element := expressionText(asNode(children[0])); element != "" && !strings.HasSuffix(element, "[]") {
			return element + "[]"
		}
	case len(children) == 0 && slices.Contains(declarable, name):
		return name
	}
	return ""
}

// isList says whether a type of the tree is a list or an array.
func isList(t node) bool {
	name := fold(text(object(object(t, "type_info"), "expr"), "type_name"))
	return name == "list" || name == "array"
}

// parameter allows $1, $2, … A parameter whose type was declared goes out cast to it, so that what the engine says of the statement does not depend on values. Where the statement casts it, that
// stands.
func (w *walker) parameter(n node, cast string) {
	i, err := strconv.Atoi(text(n, "identifier"))
	if err != nil || i < 1 || i > maxParameters {
		w.refuse(RuleParameter, location(n))
		return
	}
	if before, met := w.parameters[i]; met && before != cast {
		w.parameters[i] = ""
	} else {
		w.parameters[i] = cast
	}
	if t := typeNode(w.declared(i)); cast == "" && t != nil {
		wrap(n, t)
	}
}

// declared is the type that the client says a parameter has.
func (w *walker) declared(i int) string {
	if i > 0 && i <= len(w.types) {
		return w.types[i-1]
	}
	return ""
}

func isParameter(n node) bool { return text(n, keyClass) == "PARAMETER" }

// declaredOf is the type that the client says the parameter has that n is.
func (w *walker) declaredOf(n node) string {
	i, err := strconv.Atoi(text(n, "identifier"))
	if err != nil {
		return ""
	}
	return w.declared(i)
}

// wrap puts a cast around a node, in its place.
func wrap(n node, t node) {
	inner := make(node, len(n))
	for k, v := range n {
		if k != keyAlias {
			inner[k] = v
		}
	}
	alias, named := n[keyAlias]
	clear(n)
	n[keyClass], n[keyType], n["child"], n["cast_type"] = "CAST", "OPERATOR_CAST", inner, t
	if named {
		n[keyAlias] = alias
	}
}

// cast walks the child of a cast. A text in PostgreSQL's form of an array becomes one in the engine's form of a list.
func (w *walker) cast(n node, s *scope, known *tables) {
	t, child := object(n, "cast_type"), object(n, "child")
	w.typ(t, location(n))
	switch {
	case isParameter(child):
		w.keys(child, "identifier", keyClass, keyType, keyAlias, keyAt)
		cast := typeText(t)
		if cast == "" {
			cast = "?" // one that no client can declare
		}
		w.parameter(child, cast)
		return
	case isList(t):
		w.arrayText(child)
	}
	w.expression(child, s, known)
}

// arrayText rewrites a constant that is an array in PostgreSQL's form.
func (w *walker) arrayText(n node) (was bool) {
	v := object(n, "value")
	s, ok := v["value"].(string)
	if text(n, keyClass) != "CONSTANT" || text(object(v, "type"), "id") != "VARCHAR" || !ok || !strings.HasPrefix(strings.TrimSpace(s), "{") {
		return false
	}
	elements, err := arrays.Parse(s)
	if err != nil {
		w.refuse(RuleArray, location(n))
		return false
	}
	v["value"] = arrays.List(elements)
	return true
}

// anyOf gives the list in = ANY(…) its type: that of the column that it is compared with, or what the client declared. The engine compares only what is of one kind, and knows no type of a parameter here.
func (w *walker) anyOf(n node, s *scope) {
	query := object(object(n, "subquery"), "node")
	items := list(query, "select_list")
	if text(n, "subquery_type") != "ANY" || len(items) != 1 || text(object(query, "from_table"), "type") != "EMPTY" {
		return
	}
	call := asNode(items[0])
	arguments := list(call, "children")
	if text(call, keyClass) != "FUNCTION" || fold(text(call, "function_name")) != "unnest" || len(arguments) != 1 {
		return
	}
	what := asNode(arguments[0])
	column := ""
	if child := object(n, "child"); text(child, keyClass) == "COLUMN_REF" {
		if column = s.typeOf(columnNames(child)); column != "" {
			column += "[]"
		}
	}
	switch {
	case isParameter(what):
		declared := w.declaredOf(what)
		if !strings.HasSuffix(declared, "[]") || declared == "VARCHAR[]" && typeNode(column) != nil {
			declared = column
		}
		if t := typeNode(declared); t != nil {
			wrap(what, t)
		}
	case w.arrayText(what):
		t := typeNode(column)
		if t == nil {
			t = typeNode("VARCHAR[]")
		}
		wrap(what, t)
	}
}

func columnNames(n node) []string {
	var names []string
	for _, v := range list(n, "column_names") {
		name, _ := v.(string)
		names = append(names, name)
	}
	return names
}

// typeOf is the type of a column of a table, as the catalogue has it; "" when the name is something else, or may be.
func (s *scope) typeOf(names []string) string {
	if len(names) == 0 || len(names) > 2 {
		return ""
	}
	last := fold(names[len(names)-1])
	for ; s != nil; s = s.parent {
		if len(s.lambda) > 0 {
			return ""
		}
		found, n := "", 0
		for _, r := range s.relations {
			if len(names) == 2 && r.alias != fold(names[0]) {
				continue
			}
			if r.unknown {
				return ""
			}
			for i, c := range r.columns {
				if c != last {
					continue
				}
				if n++; r.base != nil {
					found = r.base.table.Columns[i].Type
				}
			}
		}
		if n > 0 {
			if n > 1 {
				return ""
			}
			return found
		}
	}
	return ""
}

// textFirst are the functions whose first argument is the name of a part of a date, and so a text.
var textFirst = []string{"date_trunc", "datetrunc", "date_part", "datepart", "date_diff", "datediff", "date_sub", "datesub"}

// texts gives the parameters of a call their type that can only be texts, or are made texts of: the engine does not say so by itself.
func (w *walker) texts(name string, children []any) {
	varchar := func(n node) {
		if isParameter(n) && typeNode(w.declaredOf(n)) == nil {
			wrap(n, typeNode("VARCHAR"))
		}
	}
	switch {
	case slices.Contains(textFirst, name) && len(children) > 0:
		varchar(asNode(children[0]))
	case name == "concat" || name == "concat_ws":
		for _, c := range children {
			varchar(asNode(c))
		}
	case name == "||" && len(children) == 2:
		for i, c := range children {
			if other := asNode(children[1-i]); text(other, keyClass) == "CONSTANT" && text(object(object(other, "value"), "type"), "id") == "VARCHAR" {
				varchar(asNode(c))
			}
		}
	}
}

// casts are the types to which the statement casts its parameters.
func (w *walker) casts() []string {
	out := make([]string, len(w.parameters))
	for i, t := range w.parameters {
		if t != "?" {
			out[i-1] = strings.Clone(t) // it is a piece of the tree, which nobody needs any more
		}
	}
	return out
}
