package decision

import (
	"encoding/hex"
	"fmt"
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

// typeText is what a type of the tree is called, as far as it is one of typeNode's; "" for all others.
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
	case name == "DECIMAL" && len(children) == 2:
		whole := fmt.Sprintf("DECIMAL(%v,%v)", object(asNode(children[0]), "value")["value"], object(asNode(children[1]), "value")["value"])
		if typeExpression(whole) != nil {
			return whole
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
	before, met := w.parameters[i]
	if met && before != cast {
		w.parameters[i] = ""
	} else {
		w.parameters[i] = cast
	}
	if w.leans == nil {
		w.leans = map[int]string{}
	}
	switch lean := w.leans[i]; {
	case cast == "" || lean == cast:
	case lean == "":
		w.leans[i] = cast
	default:
		w.leans[i] = "?"
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
		ofBytes := typeText(t) == "BLOB[]"
		w.arrayText(child, ofBytes)
		if ofBytes {
			bytesInList(child)
		}
	case typeText(t) == "BLOB":
		bytesText(child)
	}
	w.expression(child, s, known)
}

// bytesText rewrites a constant that is bytes in PostgreSQL's form, \x and two digits for each, which is how its drivers write them, into the engine's, which has \x in front of each.
func bytesText(n node) {
	v := object(n, "value")
	if s, ok := v["value"].(string); ok && text(n, keyClass) == "CONSTANT" && text(object(v, "type"), "id") == "VARCHAR" {
		v["value"] = engineBytes(s)
	}
}

// engineBytes is a text of bytes in the engine's form, where it was PostgreSQL's.
func engineBytes(s string) string {
	digits, ok := strings.CutPrefix(s, `\x`)
	if !ok {
		return s
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return s // what the engine says of it holds
	}
	var b strings.Builder
	for _, c := range raw {
		b.WriteString(`\x` + hex.EncodeToString([]byte{c}))
	}
	return b.String()
}

// bytesInList does the same to the elements of a constant list that the client wrote as one text.
func bytesInList(n node) {
	if text(n, keyClass) == "FUNCTION" || text(n, keyClass) == "OPERATOR" { // ARRAY[…]
		for _, c := range list(n, "children") {
			bytesText(asNode(c))
		}
	}
}

// arrayText rewrites a constant that is an array in PostgreSQL's form.
func (w *walker) arrayText(n node, ofBytes bool) (was bool) {
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
	for i, e := range elements {
		if e != nil && strings.HasPrefix(*e, `\x`) && ofBytes {
			b := engineBytes(*e)
			elements[i] = &b
		}
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
	column := kindOf(object(n, "child"), s)
	if column != "" {
		column += "[]"
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
	case w.arrayText(what, column == "BLOB[]"):
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

// kindOf is the type of an expression as far as its form alone tells it: a column's, that of a cast, that of a text; "" when it doesn't.
func kindOf(n node, s *scope) string {
	switch text(n, keyClass) {
	case "COLUMN_REF":
		return s.typeOf(columnNames(n))
	case "CAST":
		return typeText(object(n, "cast_type"))
	case "CONSTANT":
		if text(object(object(n, "value"), "type"), "id") == "VARCHAR" {
			return "VARCHAR"
		}
	case "FUNCTION":
		name := fold(text(n, "function_name"))
		if slices.Contains(givesText, name) && ours(n) || name == "||" && slices.ContainsFunc(list(n, "children"), func(c any) bool { return kindOf(asNode(c), s) == "VARCHAR" }) {
			return "VARCHAR"
		}
	}
	return ""
}

// givesText are functions that always give a text.
var givesText = []string{
	"lower", "upper", "lcase", "ucase", "trim", "ltrim", "rtrim", "substr", "substring", "replace", "concat", "concat_ws", "strip_accents", "strftime", "split_part", "lpad", "rpad", "translate",
	"regexp_replace", "md5", "sha256", "hex", "dayname", "monthname",
}

// textAt are the places of functions where only a text can stand, and integerAt those where only a 32-bit integer can. The engine does not say the first by itself, and takes no wider integer in the second.
var (
	textAt = map[string][]int{
		"date_trunc": {0}, "datetrunc": {0}, "date_part": {0}, "datepart": {0}, "date_diff": {0}, "datediff": {0}, "date_sub": {0}, "datesub": {0},
		"strftime": {1}, "strptime": {1}, "try_strptime": {1}, "string_agg": {1}, "listagg": {1}, "group_concat": {1}, "regexp_extract": {1}, "regexp_extract_all": {1},
	}
	integerAt = map[string][]int{
		"round": {1}, "trunc": {1}, "round_even": {1}, "roundbankers": {1}, "lpad": {1}, "rpad": {1}, "chr": {0}, "to_base": {1, 2}, "bitstring": {1}, "get_bit": {1}, "set_bit": {1, 2},
		"regexp_extract": {2}, "regexp_extract_all": {2},
	}
)

// typed gives the parameters of a call their type where it can be one alone.
func (w *walker) typed(name string, children []any, s *scope) {
	varchar := func(n node) {
		if isParameter(n) && typeNode(w.declaredOf(n)) == nil {
			wrap(n, typeNode("VARCHAR"))
		}
	}
	for _, i := range textAt[name] {
		if i < len(children) {
			varchar(asNode(children[i]))
		}
	}
	for _, i := range integerAt[name] {
		if i < len(children) && isParameter(asNode(children[i])) {
			wrap(asNode(children[i]), typeNode("INTEGER"))
		}
	}
	switch {
	case name == "concat" || name == "concat_ws":
		for _, c := range children {
			varchar(asNode(c))
		}
	case name == "||" && len(children) == 2:
		for i, c := range children {
			if kindOf(asNode(children[1-i]), s) == "VARCHAR" {
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

// leanings are the types to which the statement casts its parameters anywhere, when it is one type.
func (w *walker) leanings() []string {
	out := make([]string, len(w.parameters))
	for i, t := range w.leans {
		if t != "?" && i <= len(out) {
			out[i-1] = t
		}
	}
	return out
}
