package decision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (w *walker) expressions(l []any, s *scope, known *tables) {
	for _, e := range l {
		w.expression(asNode(e), s, known)
	}
}

// optional walks an expression that may be missing.
func (w *walker) optional(n node, key string, s *scope, known *tables) {
	if !empty(n[key]) {
		w.expression(object(n, key), s, known)
	}
}

// The keys that every expression may have.
const (
	keyClass = "class"
	keyType  = "type"
	keyAlias = "alias"
	keyAt    = "query_location"
)

// allowedTypes lists the types of the classes of expressions whose type says what they do.
var allowedTypes = map[string][]string{
	"COMPARISON": {
		"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO",
		"COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM",
	},
	"CONJUNCTION": {"CONJUNCTION_AND", "CONJUNCTION_OR"},
	"OPERATOR": {
		"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE", "ARRAY_EXTRACT", "ARRAY_SLICE",
		"STRUCT_EXTRACT", "ARRAY_CONSTRUCTOR", "GROUPING_FUNCTION", "OPERATOR_TRY", "OPERATOR_UNPACK",
	},
	"BETWEEN": {"COMPARE_BETWEEN"}, "CASE": {"CASE_EXPR"}, "CAST": {"OPERATOR_CAST"}, "CONSTANT": {"VALUE_CONSTANT"}, "COLUMN_REF": {"COLUMN_REF"},
	"FUNCTION": {"FUNCTION"}, "SUBQUERY": {"SUBQUERY"}, "LAMBDA": {"LAMBDA"}, "STAR": {"STAR"}, "POSITIONAL_REFERENCE": {"POSITIONAL_REFERENCE"},
	"PARAMETER": {"VALUE_PARAMETER"}, "COLLATE": {"COLLATE"},
	"WINDOW": {
		"WINDOW_AGGREGATE", "WINDOW_RANK", "WINDOW_RANK_DENSE", "WINDOW_NTILE", "WINDOW_PERCENT_RANK", "WINDOW_CUME_DIST", "WINDOW_ROW_NUMBER",
		"WINDOW_FIRST_VALUE", "WINDOW_LAST_VALUE", "WINDOW_LEAD", "WINDOW_LAG", "WINDOW_NTH_VALUE", "WINDOW_FILL",
	},
}

// expression walks an expression by its class; an unknown class, type or key is a refusal.
func (w *walker) expression(n node, s *scope, known *tables) {
	defer w.down(n)()
	if w.rule != "" {
		return
	}
	class := text(n, keyClass)
	if !slices.Contains(allowedTypes[class], text(n, keyType)) {
		w.refuse(RuleConstruct, location(n))
		return
	}
	allow := func(more ...string) { w.keys(n, append(more, keyClass, keyType, keyAlias, keyAt)...) }
	switch class {
	case "CONSTANT":
		allow("value")
		w.constant(n)
	case "COLUMN_REF":
		allow("column_names")
		w.column(n, s)
	case "COMPARISON":
		allow("left", "right")
		w.expression(object(n, "left"), s, known)
		w.expression(object(n, "right"), s, known)
	case "CONJUNCTION", "OPERATOR":
		allow("children")
		w.expressions(list(n, "children"), s, known)
	case "BETWEEN":
		allow("input", "lower", "upper")
		w.expressions([]any{n["input"], n["lower"], n["upper"]}, s, known)
	case "CASE":
		allow("case_checks", "else_expr")
		w.cases(n, s, known)
	case "CAST":
		allow("child", "cast_type", "try_cast")
		w.cast(n, s, known)
	case "COLLATE":
		allow("child", "collation")
		w.collation(n)
		w.expression(object(n, "child"), s, known)
	case "FUNCTION":
		w.function(n, s, known)
	case "WINDOW":
		w.window(n, s, known)
	case "SUBQUERY":
		allow("subquery_type", "subquery", "child", "comparison_type")
		w.subquery(n, s, known)
	case "LAMBDA": // outside of a function that takes one it is the arrow of JSON
		allow("lhs", "expr", "syntax_type")
		w.enum(n, "syntax_type", "", "SINGLE_ARROW")
		w.expression(object(n, "lhs"), s, known)
		w.expression(object(n, "expr"), s, known)
	case "STAR":
		allow("relation_name", "exclude_list", "qualified_exclude_list", "replace_list", "rename_list", "columns", "expr")
		w.star(n, s, known)
	case "POSITIONAL_REFERENCE":
		allow("index")
		s.readAll() // it counts the columns of the FROM
	case "PARAMETER":
		allow("identifier")
		w.parameter(n, "")
	default:
		w.refuse(RuleConstruct, location(n))
	}
}

func (w *walker) constant(n node) {
	v := object(n, "value")
	w.keys(v, "type", "is_null", "value")
	t := object(v, "type")
	w.typ(t, location(n))
	if kind := castConstant(n); kind != "" {
		cast := castNode(fmt.Sprint(v["value"]), kind)
		alias, at := n[keyAlias], n[keyAt]
		clear(n)
		maps.Copy(n, cast)
		if alias != nil {
			n[keyAlias] = alias
		}
		if at != nil {
			n[keyAt] = at
		}
	}
}

// castConstant returns the type of a constant whose text would be read back as something else: true as a cast, and 1e10, which is written as 10000000000.0, as
// a decimal. They go out as casts.
func castConstant(n node) string {
	v := object(n, "value")
	kind := text(object(v, "type"), "id")
	if text(n, keyClass) == "CONSTANT" && !truth(v, "is_null") && slices.Contains([]string{"BOOLEAN", "DOUBLE", "FLOAT"}, kind) {
		return kind
	}
	return ""
}

// clockNames are names that mean a function where no column has them.
var clockNames = []string{"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}

// sessionNames are the other such names; in the engine they tell of the engine, and of nobody who asks.
var sessionNames = []string{"current_catalog", "current_role", "current_schema", "current_user", "session_user", "user"}

// sessionFunctions tell of the session, too. A statement without a table gets their answer where PostgreSQL's own catalogue is answered for.
var sessionFunctions = []string{
	"current_database", "current_schema", "current_schemas", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "pg_backend_pid", "version",
}

func (w *walker) column(n node, s *scope) {
	var names []string
	for _, v := range list(n, "column_names") {
		name, _ := v.(string)
		names = append(names, name)
	}
	if len(names) == 0 || slices.Contains(names, "") {
		w.refuse(RuleConstruct, location(n))
		return
	}
	out := s.resolve(names)
	if out == nil {
		if len(names) == 1 && slices.Contains(clockNames, fold(names[0])) {
			return
		}
		if len(names) == 1 && slices.Contains(sessionNames, fold(names[0])) {
			w.refuse(RuleSession, location(n))
			return
		}
		w.refuse(RuleColumn, location(n))
		return
	}
	n["column_names"] = columnNode(out...)["column_names"]
}

func (w *walker) cases(n node, s *scope, known *tables) {
	for _, v := range list(n, "case_checks") {
		c := asNode(v)
		w.keys(c, "when_expr", "then_expr")
		w.expression(object(c, "when_expr"), s, known)
		w.expression(object(c, "then_expr"), s, known)
	}
	w.optional(n, "else_expr", s, known)
}

// collation allows those that are built in and come without locale data.
func (w *walker) collation(n node) {
	for part := range strings.SplitSeq(fold(text(n, "collation")), ".") {
		if !slices.Contains([]string{"nocase", "noaccent", "nfc", "binary", "c", "posix"}, part) {
			w.refuse(RuleConstruct, location(n))
		}
	}
}

func (w *walker) subquery(n node, s *scope, known *tables) {
	w.enum(n, "subquery_type", "SCALAR", "EXISTS", "NOT_EXISTS", "ANY")
	w.enum(n, "comparison_type", append([]string{"", "INVALID"}, allowedTypes["COMPARISON"]...)...)
	q := object(n, "subquery")
	w.keys(q, "node")
	w.optional(n, "child", s, known)
	w.anyOf(n, s)
	w.query(object(q, "node"), s, known)
}

const maxParameters = 1000

// star marks what a star stands for. What is excluded, replaced or renamed must be there, or it would tell what is not.
func (w *walker) star(n node, s *scope, known *tables) {
	relation := fold(text(n, "relation_name"))
	columns, unknown, ok := s.star(relation)
	if relation != "" && !ok {
		w.refuse(RuleColumn, location(n))
		return
	}
	there := func(name string) {
		if !unknown && !slices.Contains(columns, fold(name)) {
			w.refuse(RuleColumn, location(n))
		}
	}
	for _, v := range list(n, "exclude_list") {
		name, _ := v.(string)
		there(name)
	}
	for _, v := range list(n, "qualified_exclude_list") {
		w.qualifiedColumn(n, asNode(v), s)
	}
	for _, v := range list(n, "rename_list") {
		e := asNode(v)
		w.keys(e, "key", "value")
		w.qualifiedColumn(n, object(e, "key"), s)
	}
	for _, v := range list(n, "replace_list") {
		e := asNode(v)
		w.keys(e, "key", "value")
		there(text(e, "key"))
		w.expression(object(e, "value"), s, known)
	}
	if !empty(n["expr"]) {
		w.unnamed++
		w.chosen(object(n, "expr"), s, known)
		w.unnamed--
	}
}

// qualifiedColumn checks a column in an EXCLUDE or RENAME.
func (w *walker) qualifiedColumn(star, c node, s *scope) {
	w.keys(c, "column", "table", "schema")
	names := []string{text(c, "column")}
	if t := text(c, "table"); t != "" {
		names = append([]string{t}, names...)
	}
	if text(c, "schema") != "" || !s.own().anyColumn(names) {
		w.refuse(RuleColumn, location(star))
	}
}

// own is the scope without what is around it and without aliases.
func (s *scope) own() *scope { return &scope{relations: s.relations} }

func (s *scope) anyColumn(names []string) bool {
	for _, r := range s.relations {
		if (len(names) == 1 || r.alias == fold(names[0])) && (r.unknown || slices.Contains(r.columns, fold(names[len(names)-1]))) {
			return true
		}
	}
	return false
}

// chosen walks what is inside COLUMNS(…): a pattern, a list of columns, or a lambda over names.
func (w *walker) chosen(n node, s *scope, known *tables) {
	name := fold(text(n, "function_name"))
	children := list(n, "children")
	switch {
	case text(n, keyClass) == "CONSTANT":
		w.expression(n, s, known)
	case text(n, keyClass) == "FUNCTION" && name == "list_value":
		w.expression(n, s, known)
	case text(n, keyClass) == "FUNCTION" && name == "list_filter" && len(children) == 2 && text(asNode(children[0]), keyClass) == "STAR":
		w.function(n, s, known)
	default:
		w.refuse(RuleConstruct, location(n))
	}
}

// allowedTypeNames are the built-in types that can be cast to. A type by any other name would be somebody's own.
var allowedTypeNames = strings.Split("null|boolean|tinyint|smallint|integer|bigint|hugeint|utinyint|usmallint|uinteger|ubigint|uhugeint|float|double|"+
	"decimal|numeric|varchar|blob|bit|date|time|time with time zone|time_ns|timestamp|timestamp_s|timestamp_ms|timestamp_ns|timestamp with time zone|interval|uuid|"+
	"list|struct|map|array|union|json|bignum|integer_literal|string_literal|unsigned", "|")

// maxArray is how long an array type may be.
const maxArray = 10000

// typ walks a type. The parser writes the types of values in one way and those of casts, which are names that are looked up, in another.
func (w *walker) typ(t node, at int) {
	defer w.down(t)()
	if w.rule != "" {
		return
	}
	w.keys(t, "id", "type_info")
	info := object(t, "type_info")
	if text(t, "id") == "UNBOUND" {
		w.keys(info, "type", "expr", "name", "user_type_modifiers")
		if !empty(info["expr"]) {
			w.namedType(object(info, "expr"), at)
			return
		}
		w.typeName(text(info, "name"), at)
		for _, m := range list(info, "user_type_modifiers") {
			w.typeNumber(object(node{"value": m}, "value"), at)
		}
		return
	}
	w.typeName(text(t, "id"), at)
	w.keys(info, "type", "width", "scale", "child_type", "child_types", "size")
	w.typeNumber(node{"value": info["size"]}, at)
	if !empty(info["child_type"]) {
		w.typ(object(info, "child_type"), at)
	}
	for _, c := range list(info, "child_types") {
		w.keys(asNode(c), "first", "second")
		w.typ(object(asNode(c), "second"), at)
	}
}

func (w *walker) typeName(name string, at int) {
	if !slices.Contains(allowedTypeNames, fold(name)) {
		w.refuse(RuleType, at)
	}
}

// typeNumber allows the numbers of a type: widths, scales, lengths.
func (w *walker) typeNumber(value node, at int) {
	if empty(value["value"]) {
		return
	}
	number, ok := value["value"].(json.Number)
	if !ok {
		w.refuse(RuleType, at)
		return
	}
	if n, err := number.Int64(); err != nil || n < 0 || n > maxArray {
		w.refuse(RuleSize, at)
	}
}

// namedType walks a type that is written as an expression.
func (w *walker) namedType(n node, at int) {
	defer w.down(n)()
	if w.rule != "" {
		return
	}
	if text(n, keyClass) == "CONSTANT" {
		w.typeNumber(object(n, "value"), at)
		return
	}
	w.keys(n, keyClass, keyType, keyAlias, keyAt, "type_name", "children", "schema", "catalog")
	if text(n, keyClass) != "TYPE" || text(n, keyType) != "TYPE" || text(n, "schema") != "" || text(n, "catalog") != "" {
		w.refuse(RuleType, at)
		return
	}
	w.typeName(text(n, "type_name"), at)
	for _, c := range list(n, "children") {
		w.namedType(asNode(c), at)
	}
}
