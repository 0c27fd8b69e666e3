package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// all are the catalogue's own relations and the role's.
func (o *role) all() []*relation { return slices.Concat(systemRelations().list, o.relations) }

func isSystem(rel *relation) bool {
	return rel.schema == systemSchema || rel.schema == informationSchema
}

// relations fills what pg_catalog says of tables.
func (b *builder) relations() {
	o := b.role
	namespaces := [][]string{{"99", "pg_toast"}}
	for name, oid := range o.namespaces {
		namespaces = append(namespaces, []string{decimal(oid), name})
	}
	b.fill("pg_namespace", "oid nspname", map[string]string{"nspowner": "10"}, namespaces)

	var classes, attributes, tables, views, counts [][]string
	for _, rel := range o.all() {
		oid, system := decimal(rel.oid), isSystem(rel)
		method, identity, rules := "2", "d", "false"
		if rel.kind == "v" {
			method, rules = "0", "true"
		}
		if system {
			identity = "n"
		}
		classes = append(classes, []string{
			oid, rel.name, decimal(o.namespaces[rel.schema]), decimal(o.rowTypes[rel]), rel.kind, strconv.Itoa(len(rel.columns)), method, identity, rules,
		})
		for i, c := range rel.columns {
			attributes = append(attributes, attributeRow(oid, i, c))
		}
		if rel.kind == "v" {
			views = append(views, []string{rel.schema, rel.name})
		} else {
			tables = append(tables, []string{rel.schema, rel.name})
		}
		if !system {
			counts = append(counts, []string{oid, rel.schema, rel.name})
		}
	}
	b.fill("pg_class", "oid relname relnamespace reltype relkind relnatts relam relreplident relhasrules", map[string]string{
		"relowner": "10", "reltuples": "-1", "relpersistence": "p", "relispopulated": "true",
	}, classes)
	b.fill("pg_attribute", "attrelid attname atttypid attlen attnum attndims atttypmod attbyval attalign attstorage attnotnull attcollation", map[string]string{
		"attstattarget": "-1", "attcacheoff": "-1", "attislocal": "true",
	}, attributes)
	b.fill("pg_tables", "schemaname tablename", map[string]string{
		"tableowner": ownerName, "hasindexes": "false", "hasrules": "false", "hastriggers": "false", "rowsecurity": "false",
	}, tables)
	b.fill("pg_views", "schemaname viewname", map[string]string{"viewowner": ownerName}, views)
	for _, name := range []string{"pg_stat_user_tables", "pg_stat_all_tables"} {
		b.fill(name, "relid schemaname relname", map[string]string{"seq_scan": "0", "seq_tup_read": "0", "n_live_tup": "0", "n_dead_tup": "0"}, counts)
	}
}

func attributeRow(table string, i int, c attribute) []string {
	length, byValue, align, storage, collation := "-1", "false", "i", "x", "0"
	if t := baseTypes().byOID[c.kind]; t != nil {
		length, byValue, align, storage, collation = t.fields[typeLength], boolean(t.fields[typeByValue]), t.fields[typeAlign], t.fields[typeStorage], t.fields[typeCollation]
	}
	dimensions := "0"
	if elementOf(c.kind) != 0 && !isVector(c.kind) {
		dimensions = "1"
	}
	return []string{
		table, c.name, decimal(c.kind), length, strconv.Itoa(i + 1), dimensions, strconv.Itoa(int(c.modifier)), byValue, align, storage, strconv.FormatBool(c.required), collation,
	}
}

// information fills what the SQL standard's views say of tables.
func (b *builder) information() {
	o := b.role
	var schemas, tables, views, columns, elements, grants, columnGrants [][]string
	for name := range o.namespaces {
		schemas = append(schemas, []string{name})
	}
	schemas = append(schemas, []string{"pg_toast"})
	for _, rel := range o.all() {
		kind := "BASE TABLE"
		if rel.kind == "v" {
			kind = "VIEW"
			views = append(views, []string{rel.schema, rel.name})
		}
		tables = append(tables, []string{rel.schema, rel.name, kind})
		grants = append(grants, []string{rel.schema, rel.name})
		for i, c := range rel.columns {
			columns = append(columns, b.informationColumn(rel, i, c))
			if !isSystem(rel) {
				columnGrants = append(columnGrants, []string{rel.schema, rel.name, c.name})
			}
			if t := baseTypes().byOID[elementOf(c.kind)]; t != nil && !isSystem(rel) {
				elements = append(elements, []string{rel.schema, rel.name, strconv.Itoa(i + 1), standardName(t), t.name})
			}
		}
	}
	d := o.database
	b.fill("information_schema.schemata", "schema_name", map[string]string{"catalog_name": d, "schema_owner": ownerName}, schemas)
	b.fill("information_schema.tables", "table_schema table_name table_type", map[string]string{"table_catalog": d, "is_insertable_into": "NO", "is_typed": "NO"}, tables)
	b.fill("information_schema.views", "table_schema table_name", map[string]string{
		"table_catalog": d, "check_option": "NONE", "is_updatable": "NO", "is_insertable_into": "NO", "is_trigger_updatable": "NO", "is_trigger_deletable": "NO",
		"is_trigger_insertable_into": "NO",
	}, views)
	b.fill("information_schema.columns", "table_schema table_name column_name ordinal_position is_nullable data_type character_maximum_length character_octet_length numeric_precision"+
		" numeric_precision_radix numeric_scale datetime_precision udt_name dtd_identifier", map[string]string{
		"table_catalog": d, "udt_catalog": d, "udt_schema": systemSchema, "is_self_referencing": "NO", "is_identity": "NO", "identity_cycle": "NO", "is_generated": "NEVER", "is_updatable": "NO",
	}, columns)
	b.fill("information_schema.element_types", "object_schema object_name collection_type_identifier data_type udt_name", map[string]string{
		"object_catalog": d, "object_type": "TABLE", "udt_catalog": d, "udt_schema": systemSchema, "dtd_identifier": "1",
	}, elements)
	granted := map[string]string{"grantor": ownerName, "grantee": o.user, "table_catalog": d, "privilege_type": "SELECT", "is_grantable": "NO", "with_hierarchy": "YES"}
	for _, name := range []string{"table_privileges", "role_table_grants"} {
		b.fill("information_schema."+name, "table_schema table_name", granted, grants)
	}
	for _, name := range []string{"column_privileges", "role_column_grants"} {
		b.fill("information_schema."+name, "table_schema table_name column_name", granted, columnGrants)
	}
}

// standardName is a type as information_schema names it.
func standardName(t *aType) string {
	if t.element != 0 {
		return "ARRAY"
	}
	return display(t)
}

// informationColumn is a column's row; the lengths and precisions are those that PostgreSQL derives.
func (b *builder) informationColumn(rel *relation, i int, c attribute) []string {
	name, kind := "text", "text"
	if t := baseTypes().byOID[c.kind]; t != nil {
		name, kind = t.name, standardName(t)
	}
	nullable := "YES"
	if c.required {
		nullable = "NO"
	}
	length, octets, precision, radix, scale, moment := nullMark, nullMark, nullMark, nullMark, nullMark, nullMark
	switch c.kind {
	case oidText, oidVarchar:
		octets = "1073741824"
		if c.modifier > 4 {
			length, octets = strconv.Itoa(int(c.modifier-4)), strconv.Itoa(4*int(c.modifier-4))
		}
	case oidInt2:
		precision, radix, scale = "16", "2", "0"
	case oidInt4:
		precision, radix, scale = "32", "2", "0"
	case oidInt8:
		precision, radix, scale = "64", "2", "0"
	case oidFloat4:
		precision, radix = "24", "2"
	case oidFloat8:
		precision, radix = "53", "2"
	case oidNumeric:
		radix = "10"
		if c.modifier > 4 {
			precision, scale = strconv.Itoa(int((c.modifier-4)>>16)), strconv.Itoa(int((c.modifier-4)&0xffff))
		}
	case oidDate:
		moment = "0"
	case oidTime, oidTimetz, oidTimestamp, oidTimestamptz, oidInterval:
		moment = "6"
	}
	if strings.HasPrefix(name, "_") {
		kind = "ARRAY"
	}
	return []string{rel.schema, rel.name, c.name, strconv.Itoa(i + 1), nullable, kind, length, octets, precision, radix, scale, moment, name, strconv.Itoa(i + 1)}
}
