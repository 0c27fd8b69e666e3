package decision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// node is an object of a serialised tree. Numbers are json.Number, so that none loses a digit.
type node = map[string]any

func text(n node, key string) string {
	s, _ := n[key].(string)
	return s
}

func object(n node, key string) node {
	o, _ := n[key].(node)
	return o
}

func list(n node, key string) []any {
	l, _ := n[key].([]any)
	return l
}

func truth(n node, key string) bool {
	b, _ := n[key].(bool)
	return b
}

// location is the byte at which the parser saw a node, -1 when it does not say.
func location(n node) int {
	number, ok := n["query_location"].(json.Number)
	if !ok {
		return -1
	}
	at, err := number.Int64()
	if err != nil || at < 0 || at > maxLength {
		return -1
	}
	return int(at)
}

// empty tells the values that a tree may as well leave out.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case node:
		for _, x := range v {
			if !empty(x) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// same compares two trees. Places do not count, nor what may as well be left out.
func same(a, b any) bool {
	switch x := a.(type) {
	case node:
		y, ok := b.(node)
		if !ok {
			return empty(a) && empty(b)
		}
		x, y = known(x), known(y)
		for k, v := range x {
			if k != "query_location" && !same(v, y[k]) {
				return false
			}
		}
		for k, v := range y {
			if _, ok := x[k]; !ok && k != "query_location" && !empty(v) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok {
			return empty(a) && empty(b)
		}
		return slices.EqualFunc(x, y, same)
	case nil:
		return empty(b)
	case string:
		y, ok := b.(string)
		return ok && x == y || !ok && x == "" && empty(b)
	default:
		return a == b
	}
}

// valuesAlias is the name that the parser gives a list of values.
const valuesAlias = "valueslist"

// known turns a node into what the parser may make of its text. These are all the differences that are known between a tree and the tree of its own text.
func known(n node) node {
	if text(n, "id") == "UNBOUND" {
		return shortType(n)
	}
	return unwrapped(n)
}

// shortType is the short way of writing a type that is nothing but a name: the parser writes types of casts that it makes up itself in that way.
func shortType(n node) node {
	info := object(n, "type_info")
	expr := object(info, "expr")
	name := text(expr, "type_name")
	if len(n) != 2 || len(info) != 2 || text(expr, keyClass) != "TYPE" || name == "" {
		return n
	}
	for k, v := range expr {
		if k != keyClass && k != keyType && k != keyAt && k != "type_name" && !empty(v) {
			return n
		}
	}
	return node{"id": name}
}

// unwrapped returns the list of values inside of the SELECT that the parser writes around every list of values it reads in a FROM.
func unwrapped(n node) node {
	if text(n, "type") != "SUBQUERY" || text(n, "alias") != valuesAlias || !empty(n["column_name_alias"]) || !empty(n["sample"]) {
		return n
	}
	inner := object(object(n, "subquery"), "node")
	from := object(inner, "from_table")
	if text(inner, "type") != "SELECT_NODE" || text(from, "type") != "EXPRESSION_LIST" || text(from, "alias") != valuesAlias {
		return n
	}
	bare := node{
		"type": "SELECT_NODE", "select_list": []any{node{"class": "STAR", "type": "STAR"}}, "from_table": from,
		"aggregate_handling": "STANDARD_HANDLING",
	}
	if !same(withoutValues(inner), withoutValues(bare)) {
		return n
	}
	return from
}

// withoutValues is the SELECT around a list of values, without the list.
func withoutValues(n node) node {
	n = maps.Clone(n)
	delete(n, "from_table")
	return n
}

// The makers of new nodes. They hold what reading a tree asks for.

func columnNode(names ...string) node {
	l := make([]any, len(names))
	for i, n := range names {
		l[i] = n
	}
	return node{"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": l}
}

func numberNode(n int64) node {
	id := "INTEGER"
	if n > 1<<31-1 {
		id = "BIGINT"
	}
	return node{"class": "CONSTANT", "type": "VALUE_CONSTANT", "value": node{"type": node{"id": id}, "is_null": false, "value": json.Number(fmt.Sprint(n))}}
}

func nullNode() node {
	return node{"class": "CONSTANT", "type": "VALUE_CONSTANT", "value": node{"type": node{"id": "NULL"}, "is_null": true}}
}

// castNode is a text cast to a type.
func castNode(s, typ string) node {
	return node{
		"class": "CAST", "type": "OPERATOR_CAST", "cast_type": node{"id": typ},
		"child": node{"class": "CONSTANT", "type": "VALUE_CONSTANT", "value": node{"type": node{"id": "VARCHAR"}, "is_null": false, "value": s}},
	}
}

func functionNode(name string, args ...any) node {
	return node{
		"class": "FUNCTION", "type": "FUNCTION", "function_name": name, "catalog": "system", "schema": "main", "children": args,
		"order_bys": node{"type": "ORDER_MODIFIER", "orders": []any{}},
	}
}

func selectNode(columns []any, from node) node {
	return node{
		"type": "SELECT_NODE", "modifiers": []any{}, "cte_map": node{"map": []any{}}, "select_list": columns, "from_table": from,
		"group_expressions": []any{}, "group_sets": []any{}, "aggregate_handling": "STANDARD_HANDLING",
	}
}

func statementNode(n node, params any) node {
	s := node{"node": n}
	if params != nil {
		s["named_param_map"] = params
	}
	return node{"error": false, "statements": []any{s}}
}
