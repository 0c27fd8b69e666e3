package catalogue

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Rows go to the engine as one text, cut there: that is faster than a list of values by far. No name may hold these.
const (
	rowMark  = "\x1e"
	cellMark = "\x1f"
	nullMark = "\x1d"
)

// builder writes the statements that make a role's tables.
type builder struct {
	role *role
	sql  strings.Builder
	bad  bool
}

// script returns the statements that make everything that exists for the role.
func (o *role) script() (string, error) {
	b := &builder{role: o}
	b.sql.WriteString("CREATE SCHEMA " + quoteName(o.schema) + ";\n")
	b.names()
	b.system()
	b.types()
	b.people()
	b.relations()
	b.information()
	if b.bad {
		return "", fault.New(fault.Invalid, "a name in the catalogue holds a control character", "name tables and columns without them")
	}
	return b.sql.String(), nil
}

// raw makes a table from rows of cells; columns are "name TYPE".
func (b *builder) raw(table string, columns []string, rows [][]string) {
	var data strings.Builder
	for i, row := range rows {
		if i > 0 {
			data.WriteString(rowMark)
		}
		for j, cell := range row {
			if j > 0 {
				data.WriteString(cellMark)
			}
			if cell != nullMark && strings.ContainsAny(cell, rowMark+cellMark+nullMark+"\x00") {
				b.bad = true
			}
			data.WriteString(cell)
		}
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		items[i] = "CAST(nullif(f[" + strconv.Itoa(i+1) + "], chr(29)) AS " + kind + ") AS " + quoteName(name)
	}
	b.sql.WriteString("CREATE TABLE " + b.role.own(table) + " AS SELECT " + strings.Join(items, ", ") +
		" FROM (SELECT string_split(unnest(string_split(" + quoteText(data.String()) + ", chr(30))), chr(31)) AS f)")
	if len(rows) == 0 {
		b.sql.WriteString(" WHERE false")
	}
	b.sql.WriteString(";\n")
}

// fill makes the table of a system relation. Columns that are not named are constants' values, or empty, or NULL where that may be.
func (b *builder) fill(name, columns string, constants map[string]string, rows [][]string) {
	schema, bare, ok := strings.Cut(name, ".")
	if !ok {
		schema, bare = systemSchema, name
	}
	rel := systemRelation(schema, bare)
	given := strings.Fields(columns)
	kinds := make([]string, 0, len(rel.columns))
	order := make([]int, 0, len(rel.columns))
	fixed := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		order = append(order, slices.Index(given, c.name))
		kinds = append(kinds, c.name+" "+storage(c.kind))
		value, set := constants[c.name]
		switch {
		case set:
			fixed[i] = value
		case !c.required:
			fixed[i] = nullMark
		default:
			fixed[i] = zero(c.kind)
		}
	}
	full := make([][]string, len(rows))
	for n, row := range rows {
		line := slices.Clone(fixed)
		for i, at := range order {
			if at >= 0 {
				line[i] = row[at]
			}
		}
		full[n] = line
	}
	key := rel.schema + "." + rel.name
	b.role.filled[key] = true
	b.raw(key, kinds, full)
}

func zero(kind uint32) string {
	switch {
	case kind == oidBool:
		return "false"
	case elementOf(kind) != 0:
		return "[]"
	case storage(kind) == "VARCHAR":
		return ""
	case kind == oidTimestamptz:
		return nullMark
	}
	return "0"
}

// names makes the tables that functions look into.
func (b *builder) names() {
	o := b.role
	var aliases, shown, visible, types, settings, words [][]string
	for kind, m := range o.aliases {
		for alias, oid := range m {
			aliases = append(aliases, []string{decimal(kind), decimal(oid), alias})
		}
	}
	for kind, m := range o.shown {
		for oid, name := range m {
			shown = append(shown, []string{decimal(kind), decimal(oid), name})
		}
	}
	for oid := range o.visible {
		visible = append(visible, []string{decimal(oid)})
	}
	for oid, name := range o.shown[oidRegtype] {
		form := ""
		if t := baseTypes().byOID[oid]; t != nil {
			form = strings.TrimPrefix(t.name, "_")
		}
		types = append(types, []string{decimal(oid), name, form})
	}
	for name, value := range o.settings {
		settings = append(settings, []string{name, value})
	}
	described := map[string]string{
		"U": "unreserved", "C": "unreserved (cannot be function or type name)", "T": "reserved (can be function or type name)", "R": "reserved",
	}
	for _, f := range strings.Fields(keywordFacts) {
		p := strings.Split(f, ":")
		bare := "can be bare label"
		if p[2] != "true" {
			bare = "requires AS"
		}
		words = append(words, []string{p[0], p[1], p[2], described[p[1]], bare})
	}
	b.raw("weir_names", []string{"weir_kind UINTEGER", "weir_oid UINTEGER", "weir_alias VARCHAR"}, aliases)
	b.raw("weir_shown", []string{"weir_kind UINTEGER", "weir_oid UINTEGER", "weir_name VARCHAR"}, shown)
	b.raw("weir_visible", []string{"weir_oid UINTEGER"}, visible)
	b.raw("weir_types", []string{"weir_oid UINTEGER", "weir_shown VARCHAR", "weir_form VARCHAR"}, types)
	b.raw("weir_settings", []string{"weir_setting VARCHAR", "weir_value VARCHAR"}, settings)
	b.raw("weir_keywords", []string{"word VARCHAR", "catcode VARCHAR", "barelabel BOOLEAN", "catdesc VARCHAR", "baredesc VARCHAR"}, words)
}

// system fills what is the same for everybody.
func (b *builder) system() {
	b.fill("pg_am", "oid amname amhandler amtype", nil, [][]string{
		{"2", "heap", "3", "t"},
		{"403", "btree", "330", "i"},
		{"405", "hash", "331", "i"},
		{"783", "gist", "332", "i"},
		{"2742", "gin", "333", "i"},
		{"4000", "spgist", "334", "i"},
		{"3580", "brin", "335", "i"},
	})
	b.fill("pg_tablespace", "oid spcname spcowner", nil, [][]string{{"1663", "pg_default", "10"}, {"1664", "pg_global", "10"}})
	b.fill("pg_language", "oid lanname lanpltrusted", map[string]string{"lanowner": "10"}, [][]string{{"12", "internal", "false"}, {"13", "c", "false"}, {"14", "sql", "true"}})
	b.fill("pg_collation", "oid collname collprovider collencoding collcollate collctype", map[string]string{"collnamespace": "11", "collowner": "10", "collisdeterministic": "true"}, [][]string{
		{"100", "default", "d", "-1", nullMark, nullMark}, {"950", "C", "c", "-1", "C", "C"}, {"951", "POSIX", "c", "-1", "POSIX", "POSIX"}, {"12340", "ucs_basic", "c", "6", "C", "C"},
	})
	b.fill("pg_range", "rngtypid rngsubtype rngmultitypid rngsubopc", nil, [][]string{
		{"3904", "23", "4451", "1978"},
		{"3906", "1700", "4532", "3125"},
		{"3908", "1114", "4533", "3128"},
		{"3910", "1184", "4534", "3127"},
		{"3912", "1082", "4535", "3122"},
		{"3926", "20", "4536", "3124"},
	})
	var settings [][]string
	for _, f := range settingLines() {
		value := b.role.settings[strings.ToLower(f[0])]
		unit := f[2]
		if unit == "" {
			unit = nullMark
		}
		settings = append(settings, []string{f[0], value, unit, f[3], f[4], f[5], f[6], value, value})
	}
	b.fill("pg_settings", "name setting unit category context vartype short_desc boot_val reset_val", map[string]string{"source": "default", "pending_restart": "false"}, settings)
	var functions [][]string
	for line := range strings.Lines(procedureFacts) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "|"); len(f) == 5 {
			arguments := strings.Fields(f[3])
			functions = append(functions, []string{f[0], f[1], f[2], "[" + strings.Join(arguments, ",") + "]", f[4], strconv.Itoa(len(arguments)), f[1]})
		}
	}
	b.fill("pg_proc", "oid proname prorettype proargtypes provolatile pronargs prosrc", map[string]string{
		"pronamespace": "11", "proowner": "10", "prolang": "12", "procost": "1", "prokind": "f", "proisstrict": "true", "proparallel": "s",
	}, functions)
}

// types fills pg_type: PostgreSQL's own, and the row types of the role's tables.
func (b *builder) types() {
	columns := "oid typname typlen typbyval typtype typcategory typispreferred typdelim typsubscript typelem typarray typinput typoutput typreceive typsend typmodin typmodout typalign" +
		" typstorage typcollation typnamespace typrelid"
	var rows [][]string
	for _, t := range baseTypes().list {
		row := slices.Concat(t.fields, []string{decimal(oidSystemSchema), "0"})
		row[typeByValue] = boolean(t.fields[typeByValue])
		row[typePreferred] = boolean(t.fields[typePreferred])
		rows = append(rows, row)
	}
	p := procedures()
	for _, rel := range b.role.relations {
		rows = append(rows, []string{
			decimal(b.role.rowTypes[rel]), rel.name, "-1", "false", "c", "C", "false", ",", "0", "0", decimal(b.role.rowArrays[rel]), decimal(p["record_in"]), decimal(p["record_out"]),
			decimal(p["record_recv"]), decimal(p["record_send"]), "0", "0", "d", "x", "0", decimal(b.role.namespaces[rel.schema]), decimal(rel.oid),
		}, []string{
			decimal(b.role.rowArrays[rel]), "_" + rel.name, "-1", "false", "b", "A", "false", ",", decimal(p["array_subscript_handler"]), decimal(b.role.rowTypes[rel]), "0",
			decimal(p["array_in"]), decimal(p["array_out"]), decimal(p["array_recv"]), decimal(p["array_send"]), "0", "0", "d", "x", "0",
			decimal(b.role.namespaces[rel.schema]), "0",
		})
	}
	b.fill("pg_type", columns, map[string]string{"typowner": "10", "typisdefined": "true", "typtypmod": "-1"}, rows)
}

func boolean(t string) string { return strconv.FormatBool(t == "t" || t == "true") }

// people fills what is known of users and the database: oneself, and the owner of everything.
func (b *builder) people() {
	o := b.role
	roles := [][]string{{ownerName, "false", decimal(oidOwner)}}
	users := [][]string{}
	if o.user == ownerName {
		roles = nil
	}
	roles = append(roles, []string{o.user, "true", decimal(o.userOID)})
	users = append(users, []string{o.user, decimal(o.userOID)})
	b.fill("pg_roles", "rolname rolcanlogin oid", map[string]string{
		"rolsuper": "false", "rolinherit": "true", "rolcreaterole": "false", "rolcreatedb": "false", "rolreplication": "false", "rolconnlimit": "-1", "rolpassword": "********",
		"rolbypassrls": "false",
	}, roles)
	b.fill("pg_user", "usename usesysid", map[string]string{
		"usecreatedb": "false", "usesuper": "false", "userepl": "false", "usebypassrls": "false", "passwd": "********",
	}, users)
	b.fill("pg_database", "oid datname", map[string]string{
		"datdba": "10", "encoding": "6", "datlocprovider": "c", "datallowconn": "true", "datconnlimit": "-1", "dattablespace": "1663", "datcollate": "C.UTF-8", "datctype": "C.UTF-8",
		"datfrozenxid": "716", "datminmxid": "1",
	}, [][]string{{decimal(stableOID("database", o.database)), o.database}})
	b.fill("information_schema.information_schema_catalog_name", "catalog_name", nil, [][]string{{o.database}})
	b.fill("information_schema.enabled_roles", "role_name", nil, [][]string{{o.user}})
}
