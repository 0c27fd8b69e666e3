package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// set is a function that returns rows: the elements of a list, which may be records.
type set struct {
	telling     bool
	least, most int
	fields      []output // of records
	// list is the list of what it returns, and the type of one.
	list func(r *rewriter, arguments []string, kinds []uint32) (string, uint32)
}

var sets map[string]set

func init() {
	record := func(fields string) func(*rewriter, []string, []uint32) (string, uint32) {
		return func(*rewriter, []string, []uint32) (string, uint32) {
			return "CAST([] AS STRUCT(" + fields + ")[])", oidRecord
		}
	}
	sets = map[string]set{
		"unnest": {least: 1, most: 1, list: func(_ *rewriter, a []string, k []uint32) (string, uint32) { return a[0], elementOf(k[0]) }},
		"generate_series": {least: 2, most: 3, list: func(_ *rewriter, a []string, _ []uint32) (string, uint32) {
			return "generate_series(" + castAll(a, "BIGINT") + ")", oidInt4
		}},
		"generate_subscripts": {least: 2, most: 2, list: func(_ *rewriter, a []string, k []uint32) (string, uint32) {
			if isVector(k[0]) {
				return "range(0, len(" + a[0] + "))", oidInt4
			}
			return "range(1, len(" + a[0] + ") + 1)", oidInt4
		}},
		"regexp_split_to_table": {least: 2, most: 2, list: func(_ *rewriter, a []string, _ []uint32) (string, uint32) {
			return "string_split_regex(" + strings.Join(a, ", ") + ")", oidText
		}},
		"string_to_table": {least: 2, most: 2, list: func(_ *rewriter, a []string, _ []uint32) (string, uint32) {
			return "string_split(" + strings.Join(a, ", ") + ")", oidText
		}},
		"_pg_expandarray": {
			telling: true, least: 1, most: 1, fields: []output{{"x", oidInt4}, {"n", oidInt4}},
			list: func(_ *rewriter, a []string, _ []uint32) (string, uint32) {
				return "list_transform(range(1, len(" + a[0] + ") + 1), lambda weir_i: {'x': " + a[0] + "[weir_i], 'n': weir_i})", oidRecord
			},
		},
		"aclexplode": {
			telling: true, least: 1, most: 1,
			fields: []output{{"grantor", oidOid}, {"grantee", oidOid}, {"privilege_type", oidText}, {"is_grantable", oidBool}},
			list:   record("grantor UINTEGER, grantee UINTEGER, privilege_type VARCHAR, is_grantable BOOLEAN"),
		},
		"pg_options_to_table": {
			telling: true, least: 1, most: 1, fields: []output{{"option_name", oidText}, {"option_value", oidText}},
			list: record("option_name VARCHAR, option_value VARCHAR"),
		},
		"pg_partition_ancestors": {
			telling: true, least: 1, most: 1, fields: []output{{"relid", oidRegclass}}, list: record("relid UINTEGER"),
		},
		"pg_partition_tree": {
			telling: true, least: 1, most: 1, fields: []output{{"relid", oidRegclass}, {"parentrelid", oidRegclass}, {"isleaf", oidBool}, {"level", oidInt4}},
			list: record("relid UINTEGER, parentrelid UINTEGER, isleaf BOOLEAN, level INTEGER"),
		},
		"pg_get_keywords": {
			telling: true, fields: []output{{"word", oidText}, {"catcode", oidChar}, {"barelabel", oidBool}, {"catdesc", oidText}, {"baredesc", oidText}},
			list: func(r *rewriter, _ []string, _ []uint32) (string, uint32) {
				return "(SELECT list(weir_k) FROM " + r.role.own("weir_keywords") + " AS weir_k)", oidRecord
			},
		},
		"pg_get_publication_tables": {
			telling: true, least: 1, most: 1, fields: []output{{"relid", oidOid}}, list: record("relid UINTEGER"),
		},
	}
}

func castAll(texts []string, to string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = "CAST(" + t + " AS " + to + ")"
	}
	return strings.Join(out, ", ")
}

// listOf is the list that a call of a set function returns.
func (r *rewriter) listOf(c *call, s set) (string, uint32) {
	if len(c.args) < s.least || len(c.args) > s.most || c.star || c.distinct || c.filter != nil || c.over != nil || len(c.order) > 0 {
		r.fail(noFunction(c.name))
		return "NULL", 0
	}
	texts, kinds := make([]string, len(c.args)), make([]uint32, len(c.args))
	for i, a := range c.args {
		texts[i], kinds[i] = r.expr(a)
	}
	if (c.name == "unnest" || c.name == "generate_subscripts" || c.name == "_pg_expandarray") && elementOf(kinds[0]) == 0 {
		r.fail(noFunction(c.name))
		return "NULL", 0
	}
	return s.list(r, texts, kinds)
}

// setInline is a set function outside FROM: a row for each of what it returns.
func (r *rewriter) setInline(c *call, s set) (string, uint32) {
	list, kind := r.listOf(c, s)
	return "unnest(" + list + ")", kind
}

// function is a function in FROM.
func (r *rewriter) function(f *function) (string, []source) {
	alias := f.alias
	if alias == "" {
		alias = f.of.name
	}
	if f.of.schema != "" && f.of.schema != systemSchema && f.of.schema != informationSchema {
		r.fail(noFunction(f.of.name))
		return "", nil
	}
	s, isSet := sets[f.of.name]
	name := f.of.name
	if f.alias != "" {
		name = f.alias
	}
	var columns []output
	var inner string
	switch {
	case !isSet:
		text, kind := r.expr(f.of)
		columns = []output{{name, kind}}
		inner = "SELECT " + text + " AS " + quoteName(name)
	case s.fields != nil:
		list, _ := r.listOf(f.of, s)
		columns = slices.Clone(s.fields)
		var items []string
		for _, c := range columns {
			items = append(items, "unnest(list_transform("+list+", lambda weir_e: weir_e."+quoteName(c.name)+")) AS "+quoteName(c.name))
		}
		inner = "SELECT " + strings.Join(items, ", ")
	default:
		list, kind := r.listOf(f.of, s)
		columns = []output{{name, kind}}
		inner = "SELECT unnest(" + list + ") AS " + quoteName(name)
	}
	if f.ordinality {
		if !isSet {
			inner += ", CAST(1 AS BIGINT) AS \"ordinality\""
		} else {
			list, _ := r.listOf(f.of, s)
			inner += ", unnest(range(1, len(" + list + ") + 1)) AS \"ordinality\""
		}
		columns = append(columns, output{"ordinality", oidInt8})
	}
	columns = renamed(columns, f.columns)
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return "(" + inner + ") AS " + quoteName(alias) + columnList(names), []source{{alias: alias, columns: columns}}
}

// decimal writes an object id.
func decimal(oid uint32) string { return strconv.FormatUint(uint64(oid), 10) }
