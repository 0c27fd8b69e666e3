package catalogue

import (
	"strconv"
	"strings"
)

// ofRole are the functions whose answer depends on who asks.
var ofRole map[string]func(*rewriter, *call) (string, uint32)

// shapedRoutines are the functions whose text depends on the types of their arguments.
var shapedRoutines map[string]func(*rewriter, *call) (string, uint32)

func init() {
	text := func(kind uint32, of func(*role) string) func(*rewriter, *call) (string, uint32) {
		return func(r *rewriter, c *call) (string, uint32) {
			if len(c.args) > 0 {
				r.fail(noFunction(c.name))
			}
			return "CAST(" + quoteText(of(r.role)) + " AS VARCHAR)", kind
		}
	}
	user := text(oidName, func(o *role) string { return o.user })
	ofRole = map[string]func(*rewriter, *call) (string, uint32){
		"version":         text(oidText, func(*role) string { return banner }),
		"current_user":    user,
		"session_user":    user,
		"user":            user,
		"current_role":    user,
		"current_catalog": text(oidName, func(o *role) string { return o.database }),
		"current_database": text(oidName, func(o *role) string {
			return o.database
		}),
		"current_schema":           (*rewriter).currentSchema,
		"current_schemas":          (*rewriter).currentSchemas,
		"current_setting":          (*rewriter).currentSetting,
		"set_config":               (*rewriter).setConfig,
		"pg_get_userbyid":          (*rewriter).userByID,
		"pg_table_is_visible":      (*rewriter).tableIsVisible,
		"format_type":              (*rewriter).formatType,
		"has_table_privilege":      privilege([]string{"select"}),
		"has_any_column_privilege": privilege([]string{"select"}),
		"has_schema_privilege":     privilege([]string{"usage"}),
		"has_database_privilege":   privilege([]string{"connect"}),
		"has_function_privilege":   privilege([]string{"execute"}),
		"has_language_privilege":   privilege([]string{"usage"}),
		"has_type_privilege":       privilege([]string{"usage"}),
		"has_sequence_privilege":   privilege(nil),
		"has_tablespace_privilege": privilege(nil),
		"has_server_privilege":     privilege(nil),
		"to_regclass":              toNamed(oidRegclass),
		"to_regtype":               toNamed(oidRegtype),
		"to_regproc":               toNamed(oidRegproc),
		"to_regnamespace":          toNamed(oidRegnspace),
		"to_regrole":               toNamed(oidRegrole),
		"pg_typeof":                (*rewriter).typeOf,
	}
	shapedRoutines = map[string]func(*rewriter, *call) (string, uint32){
		"array_upper":  arrayBound(func(list string) string { return "nullif(len(" + list + "), 0)" }, -1),
		"array_length": arrayBound(func(list string) string { return "nullif(len(" + list + "), 0)" }, 0),
		"array_lower":  arrayBound(func(list string) string { return "CASE WHEN len(" + list + ") > 0 THEN 1 END" }, -1),
		"format":       (*rewriter).format,
	}
}

// arguments rewrites the arguments of a call that must have between least and most.
func (r *rewriter) argumentsOf(c *call, least, most int) []string {
	if len(c.args) < least || len(c.args) > most {
		r.fail(noFunction(c.name))
		return make([]string, max(most, 1))
	}
	texts := make([]string, len(c.args))
	for i, a := range c.args {
		texts[i], _ = r.expr(a)
	}
	return texts
}

func (r *rewriter) currentSchema(c *call) (string, uint32) {
	r.argumentsOf(c, 0, 0)
	if len(r.role.path) == 0 {
		return "CAST(NULL AS VARCHAR)", oidName
	}
	return "CAST(" + quoteText(r.role.path[0]) + " AS VARCHAR)", oidName
}

func textList(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quoteText(s)
	}
	return "CAST([" + strings.Join(quoted, ", ") + "] AS VARCHAR[])"
}

func (r *rewriter) currentSchemas(c *call) (string, uint32) {
	a := r.argumentsOf(c, 1, 1)
	return "(CASE WHEN " + a[0] + " THEN " + textList(append([]string{systemSchema}, r.role.path...)) + " ELSE " + textList(r.role.path) + " END)", oidNameArray
}

func (r *rewriter) currentSetting(c *call) (string, uint32) {
	a := r.argumentsOf(c, 1, 2)
	if len(c.args) > 0 && len(c.args) < 2 {
		if l, ok := r.constant(c.args[0], oidText); ok && l.kind == literalString && !r.role.hasSetting(l.text) {
			r.fail(refuse("42704", "a setting that the statement names does not exist", "look at pg_settings for those that do"))
		}
	}
	return "(SELECT min(weir_value) FROM " + r.role.own("weir_settings") + " WHERE weir_setting = lower(CAST(" + a[0] + " AS VARCHAR)))", oidText
}

// harmless are the settings that a client may say it sets: nothing here depends on them.
var harmless = map[string]bool{
	"search_path": true, "application_name": true, "extra_float_digits": true, "bytea_output": true, "client_min_messages": true, "datestyle": true,
	"intervalstyle": true, "timezone": true, "client_encoding": true, "statement_timeout": true, "lock_timeout": true, "idle_in_transaction_session_timeout": true,
	"standard_conforming_strings": true, "jit": true, "default_transaction_read_only": true,
}

func (r *rewriter) setConfig(c *call) (string, uint32) {
	a := r.argumentsOf(c, 3, 3)
	if len(c.args) == 3 {
		if l, ok := r.constant(c.args[0], oidText); !r.described && (!ok || l.kind != literalString || !harmless[strings.ToLower(l.text)]) {
			r.fail(refuse("42501", "a setting cannot be changed that way", "leave it as it is"))
		}
	}
	if len(a) < 2 {
		return "NULL", oidText
	}
	return "CAST(" + a[1] + " AS VARCHAR)", oidText
}

func (r *rewriter) userByID(c *call) (string, uint32) {
	a := r.argumentsOf(c, 1, 1)
	return "(CASE " + a[0] + " WHEN " + strconv.FormatUint(uint64(oidOwner), 10) + " THEN " + quoteText(ownerName) + " WHEN " + strconv.FormatUint(uint64(r.role.userOID), 10) +
		" THEN " + quoteText(r.role.user) + " ELSE 'unknown (OID=' || CAST(" + a[0] + " AS VARCHAR) || ')' END)", oidName
}

func (r *rewriter) tableIsVisible(c *call) (string, uint32) {
	a := r.argumentsOf(c, 1, 1)
	return "(CASE WHEN " + a[0] + " IS NOT NULL THEN EXISTS (SELECT 1 FROM " + r.role.own("weir_visible") + " WHERE weir_oid = " + a[0] + ") END)", oidBool
}

func (r *rewriter) formatType(c *call) (string, uint32) {
	a := r.argumentsOf(c, 2, 2)
	if len(a) < 2 {
		return "NULL", oidText
	}
	m := "coalesce(CAST(" + a[1] + " AS INTEGER), -1)"
	return "(CASE WHEN " + a[0] + " IS NULL THEN NULL ELSE coalesce((SELECT min(CASE WHEN " + m + " < 0 THEN weir_shown" +
		" WHEN weir_form = 'numeric' THEN replace(weir_shown, 'numeric', 'numeric(' || ((" + m + " - 4) >> 16) || ',' || ((" + m + " - 4) & 65535) || ')')" +
		" WHEN weir_form = 'varchar' THEN replace(weir_shown, 'character varying', 'character varying(' || (" + m + " - 4) || ')')" +
		" WHEN weir_form = 'bpchar' THEN replace(weir_shown, 'character', 'character(' || (" + m + " - 4) || ')')" +
		" ELSE weir_shown END) FROM " + r.role.own("weir_types") + " WHERE weir_oid = " + a[0] + "), '???') END)", oidText
}

// privilege answers has_…_privilege: everything that exists here may be read, and nothing may be changed.
func privilege(granted []string) func(*rewriter, *call) (string, uint32) {
	return func(r *rewriter, c *call) (string, uint32) {
		a := r.argumentsOf(c, 2, 3)
		quoted := make([]string, 0, len(granted)+1)
		for _, g := range granted {
			quoted = append(quoted, quoteText(g))
		}
		quoted = append(quoted, "''")
		last := a[len(a)-1]
		return "(CASE WHEN " + a[len(a)-2] + " IS NULL THEN NULL ELSE list_has_any(list_transform(string_split(lower(CAST(" + last + " AS VARCHAR)), ','), lambda weir_e: trim(weir_e)), [" +
			strings.Join(quoted, ", ") + "]) END)", oidBool
	}
}

func toNamed(kind uint32) func(*rewriter, *call) (string, uint32) {
	return func(r *rewriter, c *call) (string, uint32) {
		a := r.argumentsOf(c, 1, 1)
		return r.lookupValue(a[0], kind), kind
	}
}

func (r *rewriter) typeOf(c *call) (string, uint32) {
	if len(c.args) != 1 {
		r.fail(noFunction(c.name))
		return "NULL", oidRegtype
	}
	_, kind := r.expr(c.args[0])
	if kind == 0 {
		kind = oidUnknown
	}
	return "CAST(" + strconv.FormatUint(uint64(kind), 10) + " AS UINTEGER)", oidRegtype
}

// arrayBound is a bound or the length of the one dimension that arrays have here; vectors count from 0, which shifts their bounds.
func arrayBound(of func(list string) string, shift int) func(*rewriter, *call) (string, uint32) {
	return func(r *rewriter, c *call) (string, uint32) {
		if len(c.args) != 2 {
			r.fail(noFunction(c.name))
			return "NULL", oidInt4
		}
		list, kind := r.expr(c.args[0])
		if elementOf(kind) == 0 {
			r.fail(noFunction(c.name))
			return "NULL", oidInt4
		}
		text := of(list)
		if isVector(kind) && shift != 0 {
			text += " + (" + strconv.Itoa(shift) + ")"
		}
		return "CAST(" + text + " AS INTEGER)", oidInt4
	}
}

// format is format('%s %I %L', …) with a constant first argument.
func (r *rewriter) format(c *call) (string, uint32) {
	if len(c.args) == 0 {
		r.fail(noFunction(c.name))
		return "NULL", oidText
	}
	l, ok := r.constant(c.args[0], oidText)
	if !ok || r.described && l.kind == literalNull {
		if ok {
			return "CAST(NULL AS VARCHAR)", oidText
		}
		r.fail(unsupported())
		return "NULL", oidText
	}
	var parts []string
	rest := c.args[1:]
	for text := l.text; text != ""; {
		before, after, found := strings.Cut(text, "%")
		if before != "" {
			parts = append(parts, quoteText(before))
		}
		if !found {
			break
		}
		if after == "" {
			r.fail(unsupported())
			break
		}
		verb := after[0]
		text = after[1:]
		if verb == '%' {
			parts = append(parts, "'%'")
			continue
		}
		if len(rest) == 0 {
			r.fail(refuse("22023", "format has too few arguments", "give one for each %"))
			break
		}
		value, kind := r.expr(rest[0])
		rest = rest[1:]
		value = "CAST(" + r.asText(value, kind) + " AS VARCHAR)"
		switch verb {
		case 's':
			parts = append(parts, "coalesce("+value+", '')")
		case 'I':
			parts = append(parts, fill(routines["quote_ident"].text, []string{value}))
		case 'L':
			parts = append(parts, fill(routines["quote_nullable"].text, []string{value}))
		default:
			r.fail(unsupported())
		}
	}
	if len(parts) == 0 {
		return "''", oidText
	}
	return "(" + strings.Join(parts, " || ") + ")", oidText
}
