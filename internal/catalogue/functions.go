package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// returns that are no fixed type.
const (
	likeFirst   uint32 = 1<<32 - 1 - iota // the type of the first argument
	arrayFirst                            // an array of it
	elementOne                            // its element
	typeUnknown uint32 = 0
)

// routine is a function that may be called. Nothing else may be.
type routine struct {
	returns  uint32
	min, max int
	// text is what runs, with {1}, {2} … for the arguments, {*} for all of them and {S} for the role's schema; empty: the function of the same name.
	text string
	// telling functions are asked of a catalogue: a statement that calls one and names no table is a question for it.
	telling bool
	// aggregate functions take DISTINCT, ORDER BY, FILTER; window functions need OVER.
	aggregate, window bool
}

// routines are the functions that need nothing of the role but its tables.
var routines = map[string]routine{}

func define(names string, r routine) {
	for _, n := range strings.Fields(names) {
		routines[n] = r
	}
}

func init() {
	defineAsked()
	definePlain()
}

func defineAsked() {
	const none = "CAST(NULL AS VARCHAR)"
	ask := func(names string, returns uint32, least, most int, text string) {
		define(names, routine{returns: returns, min: least, max: most, text: text, telling: true})
	}
	ask("pg_get_expr", oidText, 2, 3, "CAST({1} AS VARCHAR)")
	ask("pg_get_constraintdef pg_get_indexdef pg_get_viewdef pg_get_triggerdef pg_get_ruledef pg_get_functiondef pg_get_function_arguments pg_get_function_identity_arguments"+
		" pg_get_function_result pg_get_function_arg_default pg_get_function_sqlbody pg_get_partkeydef pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_serial_sequence"+
		" pg_describe_object obj_description shobj_description col_description pg_get_replica_identity_index pg_collation_for pg_get_partition_constraintdef"+
		" pg_get_statisticsobjdef_expressions", oidText, 1, 3, none)
	ask("pg_type_is_visible pg_function_is_visible pg_operator_is_visible pg_opclass_is_visible pg_opfamily_is_visible pg_collation_is_visible pg_conversion_is_visible pg_ts_config_is_visible"+
		" pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_statistics_obj_is_visible", oidBool, 1, 1, "({1} IS NOT NULL)")
	ask("pg_encoding_to_char", oidName, 1, 1, "CASE WHEN {1} = 6 THEN 'UTF8' ELSE '' END")
	ask("pg_char_to_encoding", oidInt4, 1, 1, "CASE WHEN upper({1}) IN ('UTF8', 'UTF-8', 'UNICODE') THEN 6 ELSE -1 END")
	ask("getdatabaseencoding pg_client_encoding", oidName, 0, 0, "'UTF8'")
	ask("pg_relation_size pg_total_relation_size pg_table_size pg_indexes_size pg_database_size pg_tablespace_size", oidInt8, 1, 2, "CAST(0 AS BIGINT)")
	ask("pg_size_pretty", oidText, 1, 1, "(CAST({1} AS VARCHAR) || ' bytes')")
	ask("pg_tablespace_location", oidText, 1, 1, "''")
	ask("pg_relation_is_publishable pg_column_is_updatable pg_is_other_temp_schema pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_try_advisory_lock", oidBool, 1, 3, "false")
	ask("pg_relation_is_updatable", oidInt4, 2, 2, "0")
	ask("pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available pg_is_in_backup", oidBool, 0, 0, "false")
	ask("pg_backend_pid", oidInt4, 0, 0, "1")
	ask("txid_current", oidInt8, 0, 0, "CAST(1 AS BIGINT)")
	ask("txid_current_if_assigned", oidInt8, 0, 0, "CAST(NULL AS BIGINT)")
	ask("pg_my_temp_schema", oidOid, 0, 0, "0")
	ask("pg_postmaster_start_time pg_conf_load_time", oidTimestamptz, 0, 0, "now()")
	ask("now current_timestamp clock_timestamp statement_timestamp transaction_timestamp", oidTimestamptz, 0, 0, "now()")
	ask("inet_server_addr inet_client_addr", oidText, 0, 0, none)
	ask("inet_server_port inet_client_port", oidInt4, 0, 0, "CAST(NULL AS INTEGER)")
	ask("pg_partition_root", oidRegclass, 1, 1, "{1}")
	ask("pg_sequence_last_value", oidInt8, 1, 1, "CAST(NULL AS BIGINT)")
	ask("pg_has_role", oidBool, 1, 3, "true")
	ask("has_column_privilege", oidBool, 3, 4, "true")
	ask("quote_ident", oidText, 1, 1, quoteIdentText())
	ask("quote_literal", oidText, 1, 1, "('''' || replace(CAST({1} AS VARCHAR), '''', '''''') || '''')")
	ask("quote_nullable", oidText, 1, 1, "coalesce('''' || replace(CAST({1} AS VARCHAR), '''', '''''') || '''', 'NULL')")
}

// quoteIdentText quotes what is no plain name, and PostgreSQL's keywords.
func quoteIdentText() string {
	var words []string
	for _, f := range strings.Fields(keywordFacts) {
		if p := strings.Split(f, ":"); len(p) == 3 && p[1] != "U" {
			words = append(words, quoteText(p[0]))
		}
	}
	return "CASE WHEN regexp_full_match(CAST({1} AS VARCHAR), '[a-z_][a-z0-9_]*') AND CAST({1} AS VARCHAR) NOT IN (" + strings.Join(words, ", ") +
		`) THEN CAST({1} AS VARCHAR) ELSE '"' || replace(CAST({1} AS VARCHAR), '"', '""') || '"' END`
}

func definePlain() {
	plain := func(names string, returns uint32, least, most int, text string) {
		define(names, routine{returns: returns, min: least, max: most, text: text})
	}
	plain("coalesce greatest least", likeFirst, 1, 99, "")
	plain("nullif", likeFirst, 2, 2, "")
	plain("lower upper reverse md5", oidText, 1, 1, "")
	plain("btrim", oidText, 1, 2, "trim({*})")
	plain("ltrim rtrim", oidText, 1, 2, "")
	plain("replace translate", oidText, 3, 3, "")
	plain("substring substr", oidText, 2, 3, "substring(CAST({1} AS VARCHAR){,2*})")
	plain("left right", oidText, 2, 2, "")
	plain("split_part", oidText, 3, 3, "")
	plain("concat", oidText, 1, 99, "")
	plain("concat_ws", oidText, 2, 99, "")
	plain("regexp_replace", oidText, 3, 4, "")
	plain("chr", oidText, 1, 1, "")
	plain("ascii length char_length character_length", oidInt4, 1, 1, "")
	plain("octet_length", oidInt4, 1, 1, "strlen(CAST({1} AS VARCHAR))")
	plain("position", oidInt4, 2, 2, "strpos({2}, {1})")
	plain("strpos", oidInt4, 2, 2, "")
	plain("starts_with", oidBool, 2, 2, "")
	plain("abs ceil ceiling floor sign", likeFirst, 1, 1, "")
	plain("round trunc", likeFirst, 1, 2, "")
	plain("mod", likeFirst, 2, 2, "({1} % {2})")
	plain("date_part", oidFloat8, 2, 2, "")
	plain("timezone", oidTimestamp, 2, 2, "")
	plain("current_date", oidDate, 0, 0, "CAST(CAST(now() AS TIMESTAMP) AS DATE)") // its own name would be that of the column beside it
	plain("localtimestamp", oidTimestamp, 0, 0, "CAST(now() AS TIMESTAMP)")
	plain("localtime", oidTime, 0, 0, "CAST(CAST(now() AS TIMESTAMP) AS TIME)")
	plain("array_to_string", oidText, 2, 3, "CASE WHEN {1} IS NULL THEN NULL ELSE coalesce(array_to_string(CAST({1} AS VARCHAR[]), {2}), '') END")
	plain("string_to_array", oidTextArray, 2, 3, "string_split(CAST({1} AS VARCHAR), {2})")
	plain("cardinality", oidInt4, 1, 1, "CAST(len({1}) AS INTEGER)")
	plain("array_ndims", oidInt4, 1, 1, "CASE WHEN len({1}) > 0 THEN 1 END")
	plain("array_append", likeFirst, 2, 2, "list_append({1}, {2})")
	plain("array_cat", likeFirst, 2, 2, "list_concat({1}, {2})")
	plain("array_remove", likeFirst, 2, 2, "list_filter({1}, lambda weir_e: weir_e IS DISTINCT FROM {2})")
	plain("array_position", oidInt4, 2, 2, "list_position({1}, {2})")
	plain("json_build_object", oidJSON, 0, 99, "json_object({*})")
	plain("json_build_array", oidJSON, 0, 99, "json_array({*})")

	aggregate := func(names string, returns uint32, least, most int, text string) {
		define(names, routine{returns: returns, min: least, max: most, text: text, aggregate: true})
	}
	aggregate("count", oidInt8, 0, 1, "")
	aggregate("min max", likeFirst, 1, 1, "")
	aggregate("sum", oidInt8, 1, 1, "")
	aggregate("avg", oidFloat8, 1, 1, "")
	aggregate("bool_and bool_or", oidBool, 1, 1, "")
	aggregate("every", oidBool, 1, 1, "bool_and")
	aggregate("array_agg", arrayFirst, 1, 1, "")
	aggregate("string_agg", oidText, 2, 2, "")
	define("row_number rank dense_rank", routine{returns: oidInt8, window: true})
	define("lag lead", routine{returns: likeFirst, min: 1, max: 3, window: true})
	define("first_value last_value", routine{returns: likeFirst, min: 1, max: 1, window: true})
}

// isTelling says whether a call is a question for a catalogue.
func isTelling(c *call) bool {
	if c.schema != "" && c.schema != systemSchema {
		return c.schema == informationSchema && sets[c.name].telling
	}
	if routines[c.name].telling || sets[c.name].telling {
		return true
	}
	_, ok := ofRole[c.name]
	return ok
}

// isKnown says whether the call of a function can be answered.
func isKnown(c *call) bool {
	_, plain := routines[c.name]
	_, set := sets[c.name]
	_, role := ofRole[c.name]
	_, shaped := shapedRoutines[c.name]
	return plain || set || role || shaped || strings.HasPrefix(c.name, "pg_stat_get_")
}

func (r *rewriter) call(c *call) (string, uint32) {
	if c.schema != "" && c.schema != systemSchema && c.schema != informationSchema {
		r.fail(noFunction(c.name))
		return "NULL", 0
	}
	if c.over != nil && !routines[c.name].window && !routines[c.name].aggregate {
		r.fail(unsupported())
		return "NULL", 0
	}
	if set, ok := sets[c.name]; ok {
		return r.setInline(c, set)
	}
	if c.over == nil && !routines[c.name].aggregate && (c.distinct || c.star || c.filter != nil || len(c.order) > 0) {
		r.fail(unsupported())
		return "NULL", 0
	}
	if f, ok := ofRole[c.name]; ok {
		return f(r, c)
	}
	if f, ok := shapedRoutines[c.name]; ok {
		return f(r, c)
	}
	if strings.HasPrefix(c.name, "pg_stat_get_") {
		return "CAST(NULL AS BIGINT)", oidInt8
	}
	known, ok := routines[c.name]
	if !ok || !c.star && (len(c.args) < known.min || len(c.args) > known.max) || known.window && c.over == nil {
		r.fail(noFunction(c.name))
		return "NULL", 0
	}
	if known.aggregate || known.window {
		return r.aggregate(c, known)
	}
	return r.routine(c, known)
}

func (r *rewriter) routine(c *call, known routine) (string, uint32) {
	texts := make([]string, len(c.args))
	first := oidUnknown
	for i, a := range c.args {
		var kind uint32
		texts[i], kind = r.expr(a)
		if isNamed(kind) && known.returns == oidText || isVector(kind) && known.returns == oidText {
			texts[i] = r.asText(texts[i], kind)
		}
		if first == oidUnknown {
			first = kind
		}
	}
	text := known.text
	if text == "" {
		text = c.name + "({*})"
	}
	return "(" + fill(text, texts) + ")", resultOf(known.returns, first)
}

// fill puts arguments into a text.
func fill(text string, arguments []string) string {
	if strings.Contains(text, "{,2*}") {
		rest := ""
		if len(arguments) > 1 {
			rest = ", " + strings.Join(arguments[1:], ", ")
		}
		before, after, _ := strings.Cut(text, "{,2*}")
		text = before + "\x00" + after
		return strings.ReplaceAll(fill(text, arguments[:1]), "\x00", rest)
	}
	pairs := []string{"{*}", strings.Join(arguments, ", ")}
	for i, a := range arguments {
		pairs = append(pairs, "{"+strconv.Itoa(i+1)+"}", a)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func resultOf(returns, first uint32) uint32 {
	switch returns {
	case likeFirst:
		return first
	case arrayFirst:
		return arrayOf(first)
	case elementOne:
		return elementOf(first)
	}
	return returns
}

func (r *rewriter) aggregate(c *call, known routine) (string, uint32) {
	name := c.name
	if known.text != "" {
		name = known.text
	}
	first := oidUnknown
	texts := make([]string, len(c.args))
	for i, a := range c.args {
		var kind uint32
		texts[i], kind = r.expr(a)
		if i == 0 {
			first = kind
			if name == "string_agg" {
				texts[i] = "CAST(" + r.asText(texts[i], kind) + " AS VARCHAR)"
			}
		}
	}
	arguments := strings.Join(texts, ", ")
	if c.star {
		if name != "count" {
			r.fail(noFunction(c.name))
		}
		arguments = "*"
	}
	if c.distinct {
		arguments = "DISTINCT " + arguments
	}
	text := name + "(" + arguments + r.orderBy(c.order, nil) + ")"
	if c.filter != nil {
		text += " FILTER (WHERE " + r.truth(c.filter) + ")"
	}
	if c.over != nil {
		text += " OVER " + r.window(c.over)
	}
	kind := resultOf(known.returns, first)
	if name == "sum" && !slices.Contains([]uint32{oidInt2, oidInt4}, first) {
		kind = oidNumeric
		if first == oidFloat4 || first == oidFloat8 {
			kind = first
		}
	}
	return text, kind
}
