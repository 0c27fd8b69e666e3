package decision

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var functionKeys = []string{
	keyClass, keyType, keyAlias, keyAt, "function_name", "schema", "catalog", "children", "filter", "order_bys", "distinct", "is_operator", "export_state",
}

// ours says whether a function is written without a schema or with the one of all built-in functions.
func ours(n node) bool {
	schema, catalog := fold(text(n, "schema")), fold(text(n, "catalog"))
	return catalog == "" && (schema == "" || schema == "main") || catalog == "system" && schema == "main"
}

// table of functions: name → kind.
var allowedFunctions = sync.OnceValue(func() map[string]functionKind {
	m := map[string]functionKind{}
	for _, g := range functionGroups {
		for name := range strings.FieldsSeq(g.names) {
			m[name] = g.kind
		}
	}
	return m
})

// function walks a call.
func (w *walker) function(n node, s *scope, known *tables) {
	w.keys(n, functionKeys...)
	w.method(n, s)
	name := fold(text(n, "function_name"))
	n["function_name"] = name
	kind, ok := allowedFunctions()[name]
	operator := truth(n, "is_operator")
	switch {
	case patternOperator(name, n, w.sql), patternOfSubstring(name, n):
		w.refuse(RulePattern, location(n))
		return
	case !ok && slices.Contains(sessionFunctions, name):
		w.refuse(RuleSession, location(n))
		return
	case !ours(n), !ok, operator != (kind == kindOperator), truth(n, "export_state"), kind == kindWindow:
		w.refuse(RuleFunction, location(n))
		return
	}
	if w.rule != "" {
		return
	}
	// What is not told apart by a user's own function of the same name is told apart by its place.
	if !operator && name != "unnest" {
		if w.unnamed == 0 {
			n["catalog"], n["schema"] = "system", "main"
		}
	}
	children := list(n, "children")
	grown := w.guard(name, n, children)
	w.typed(name, children, s)
	w.growth *= grown
	if kind == kindLambda {
		w.lambda(children, s, known)
	} else {
		w.expressions(children, s, known)
	}
	w.growth /= grown
	w.optional(n, "filter", s, known)
	orders := object(n, "order_bys")
	w.keys(orders, "type", "orders")
	if len(orders) > 0 {
		w.enum(orders, "type", "ORDER_MODIFIER")
	}
	w.orders(list(orders, "orders"), s, known)
	if kind != kindAggregate && (!empty(n["filter"]) || !empty(orders["orders"]) || truth(n, "distinct")) {
		w.refuse(RuleConstruct, location(n))
	}
}

// method turns column.function(…) into function(column, …).
func (w *walker) method(n node, s *scope) {
	if ours(n) || text(n, "schema") == "" {
		return
	}
	names := []string{text(n, "schema")}
	if c := text(n, "catalog"); c != "" {
		names = []string{c, names[0]}
	}
	if s.resolve(names) == nil {
		return // it stays what it was, and is refused
	}
	ref := columnNode(names...)
	if at, ok := n[keyAt]; ok {
		ref[keyAt] = at
	}
	n["children"] = append([]any{ref}, list(n, "children")...)
	delete(n, "schema")
	delete(n, "catalog")
}

// patternOperator tells ~ and its kin. The parser makes ~ and SIMILAR TO into calls of regexp_full_match: what is not written as one is one of them.
func patternOperator(name string, n node, sql string) bool {
	if slices.Contains([]string{"~*", "!~*", "!~"}, name) || name == "~" && len(list(n, "children")) == 2 {
		return true
	}
	if name != "regexp_full_match" {
		return false
	}
	at := location(n)
	if at < 0 || at >= len(sql) {
		return true
	}
	rest := fold(sql[at:min(len(sql), at+40)])
	rest = strings.NewReplacer(`"`, "", " ", "").Replace(rest)
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "system."), "main.")
	return !strings.HasPrefix(rest, "regexp_full_match")
}

// patternOfSubstring tells substring(text FROM 'pattern'), which would be taken for a number that is none.
func patternOfSubstring(name string, n node) bool {
	if name != "substring" && name != "substr" {
		return false
	}
	arguments := list(n, "children")
	if len(arguments) < 2 {
		return false
	}
	second, _ := arguments[1].(node)
	return text(second, "class") == "CONSTANT" && text(object(object(second, "value"), "type"), "id") == "VARCHAR"
}

// lambda walks the arguments of a function that takes one: in it its parameters can be named.
func (w *walker) lambda(children []any, s *scope, known *tables) {
	for i, v := range children {
		c := asNode(v)
		if i == 0 || text(c, keyClass) != "LAMBDA" {
			w.expression(c, s, known)
			continue
		}
		w.keys(c, keyClass, keyType, keyAlias, keyAt, "lhs", "expr", "syntax_type")
		w.enum(c, "syntax_type", "", "SINGLE_ARROW", "LAMBDA_KEYWORD")
		if !empty(c["syntax_type"]) {
			c["syntax_type"] = "LAMBDA_KEYWORD" // the arrow is JSON's
		}
		inner := &scope{parent: s, lambda: w.lambdaParameters(object(c, "lhs"))}
		w.expression(object(c, "expr"), inner, known)
	}
}

func (w *walker) lambdaParameters(lhs node) []string {
	var out []string
	refs := []any{lhs}
	if text(lhs, keyClass) == "FUNCTION" {
		if fold(text(lhs, "function_name")) != "row" || !ours(lhs) {
			w.refuse(RuleConstruct, location(lhs))
		}
		w.keys(lhs, functionKeys...)
		refs = list(lhs, "children")
	}
	for _, v := range refs {
		r := asNode(v)
		names := list(r, "column_names")
		if text(r, keyClass) != "COLUMN_REF" || len(names) != 1 {
			w.refuse(RuleConstruct, location(lhs))
			return nil
		}
		w.keys(r, keyClass, keyType, keyAlias, keyAt, "column_names")
		name, _ := names[0].(string)
		out = append(out, fold(name))
	}
	return out
}

const (
	maxRepeat = 10_000    // of one call
	maxGrowth = 1_000_000 // of calls in one another
	maxList   = 1_000_000 // values that a call of range or generate_series gives
)

// sizeArguments says which argument of a function says how big its answer is.
var sizeArguments = map[string]int{
	"repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1, "bitstring": 1, "equi_width_bins": 2, "to_base": 2, "bar": 3,
}

// guard refuses the calls whose numbers would fill the memory by themselves, and returns how much one of them multiplies.
func (w *walker) guard(name string, n node, children []any) int64 {
	at := location(n)
	if i, ok := sizeArguments[name]; ok && len(children) > i {
		count, ok := whole(asNode(children[i]))
		if !ok || count > maxRepeat || max(count, 1)*w.growth > maxGrowth {
			w.refuse(RuleSize, at)
			return 1
		}
		return max(count, 1)
	}
	switch name {
	case "range", "generate_series":
		if size := series(children); size*float64(w.growth) > maxList {
			w.refuse(RuleSize, at)
		}
	case "format", "printf":
		w.format(children, at)
	case "list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate":
		if len(children) < 2 || !allowedAggregate(asNode(children[1])) {
			w.refuse(RuleFunction, at)
		}
	}
	return 1
}

// allowedAggregate says whether an aggregate that is named by a string is one that may be called.
func allowedAggregate(n node) bool {
	name, ok := object(n, "value")["value"].(string)
	return ok && text(n, keyClass) == "CONSTANT" && allowedFunctions()[fold(name)] == kindAggregate
}

// format allows written formats with written widths of at most three digits.
func (w *walker) format(children []any, at int) {
	if len(children) == 0 {
		return
	}
	f, ok := object(asNode(children[0]), "value")["value"].(string)
	if !ok || text(asNode(children[0]), keyClass) != "CONSTANT" {
		w.refuse(RuleSize, at)
		return
	}
	digits := 0
	for i, c := range f {
		switch {
		case c >= '0' && c <= '9':
			digits++
		default:
			digits = 0
		}
		if digits > 3 || c == '*' || c == '{' && strings.ContainsRune(untilClose(f[i+1:]), '{') {
			w.refuse(RuleSize, at)
			return
		}
	}
}

// untilClose is what stands before the next closing brace; of an escaped brace nothing.
func untilClose(s string) string {
	if strings.HasPrefix(s, "{") {
		return ""
	}
	before, _, _ := strings.Cut(s, "}")
	return before
}

// whole is the value of a number that is written out.
func whole(n node) (int64, bool) {
	if text(n, keyClass) == "FUNCTION" && text(n, "function_name") == "-" && len(list(n, "children")) == 1 {
		v, ok := whole(asNode(list(n, "children")[0]))
		return -v, ok
	}
	if text(n, keyClass) != "CONSTANT" {
		return 0, false
	}
	number, ok := object(n, "value")["value"].(json.Number)
	if !ok || text(object(object(n, "value"), "type"), "id") == "DECIMAL" {
		return 0, false
	}
	v, err := strconv.ParseInt(number.String(), 10, 64)
	return v, err == nil
}

// series is how many values range or generate_series gives, as far as its numbers are written out; 0 when they are not.
func series(children []any) float64 {
	var v []int64
	for _, c := range children {
		n, ok := whole(asNode(c))
		if !ok {
			return 0
		}
		v = append(v, n)
	}
	switch len(v) {
	case 1:
		return float64(v[0])
	case 2:
		return float64(v[1]) - float64(v[0])
	case 3:
		if v[2] != 0 {
			return math.Abs((float64(v[1]) - float64(v[0])) / float64(v[2]))
		}
	}
	return 0
}

// window walks a call with OVER. Such a call cannot be shadowed by a user's function, so its name stays as it is.
func (w *walker) window(n node, s *scope, known *tables) {
	w.keys(n, keyClass, keyType, keyAlias, keyAt, "function_name", "schema", "catalog", "children", "partitions", "orders", "start", "end", "start_expr", "end_expr",
		"offset_expr", "default_expr", "ignore_nulls", "filter_expr", "exclude_clause", "distinct", "arg_orders")
	frames := []string{
		"", "UNBOUNDED_PRECEDING", "UNBOUNDED_FOLLOWING", "CURRENT_ROW_RANGE", "CURRENT_ROW_ROWS", "CURRENT_ROW_GROUPS", "EXPR_PRECEDING_ROWS", "EXPR_FOLLOWING_ROWS",
		"EXPR_PRECEDING_RANGE", "EXPR_FOLLOWING_RANGE", "EXPR_PRECEDING_GROUPS", "EXPR_FOLLOWING_GROUPS",
	}
	w.enum(n, "start", frames...)
	w.enum(n, "end", frames...)
	w.enum(n, "exclude_clause", "", "NO_OTHER", "CURRENT_ROW", "GROUP", "TIES")
	name := fold(text(n, "function_name"))
	kind := allowedFunctions()[name]
	aggregate := text(n, keyType) == "WINDOW_AGGREGATE"
	if !ours(n) || aggregate && kind != kindAggregate || !aggregate && kind != kindWindow && !slices.Contains(alsoWindow, name) {
		w.refuse(RuleFunction, location(n))
		return
	}
	n["function_name"] = name
	delete(n, "schema")
	delete(n, "catalog")
	w.expressions(list(n, "children"), s, known)
	w.expressions(list(n, "partitions"), s, known)
	w.orders(list(n, "orders"), s, known)
	w.orders(list(n, "arg_orders"), s, known)
	for _, key := range []string{"start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr"} {
		w.optional(n, key, s, known)
	}
}

// alsoWindow are the functions that are aggregates without OVER and something else with it.
var alsoWindow = []string{"first", "last", "first_value", "last_value", "nth_value"}
