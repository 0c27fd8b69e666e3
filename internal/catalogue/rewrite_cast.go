package catalogue

import (
	"strconv"
	"strings"
)

// lookupType finds the type that a name in a cast means; nil when there is none.
func lookupType(t typeName) *aType {
	name := t.name
	if t.schema != "" && t.schema != systemSchema {
		return nil
	}
	if other, ok := spellings[name]; ok && (t.schema == "" || baseTypes().byName[name] == nil) {
		name = other
	}
	switch name {
	case "timetz", "timestamptz", "time", "timestamp":
	case "sql_identifier":
		name = "name"
	case "cardinal_number":
		name = "int4"
	case "character_data", "yes_or_no":
		name = "varchar"
	}
	found := baseTypes().byName[name]
	if found != nil && t.array {
		return baseTypes().byOID[found.array]
	}
	return found
}

// cast rewrites x::type. To a reg… type, text is looked up by name and a number stays one.
func (r *rewriter) cast(c *cast) (string, uint32) {
	to := lookupType(c.to)
	if to == nil || to.kind == "p" {
		r.fail(refuse("42704", "a type of the statement does not exist in the catalogue", "use PostgreSQL's own types"))
		return "NULL", 0
	}
	if l, ok := r.constant(c.of, to.oid); ok {
		return r.castLiteral(l, to, c.to)
	}
	text, from := r.expr(c.of)
	return r.castValue(text, from, to, c.to)
}

func (r *rewriter) castLiteral(l literal, to *aType, written typeName) (string, uint32) {
	if l.kind == literalString {
		switch {
		case elementOf(to.oid) != 0:
			return r.arrayText(l.text, to.oid), to.oid
		case isNamed(to.oid):
			return r.lookup(l.text, to.oid), to.oid
		}
		return r.castValue(quoteText(l.text), oidText, to, written)
	}
	if l.kind == literalNull {
		return "CAST(NULL AS " + storage(to.oid) + ")", to.oid
	}
	text, from := literalOf(l)
	return r.castValue(text, from, to, written)
}

func (r *rewriter) castValue(text string, from uint32, to *aType, written typeName) (string, uint32) {
	kind := to.oid
	switch {
	case isNamed(kind):
		if isText(from) {
			return r.lookupValue(text, kind), kind
		}
		return "CAST(" + text + " AS UINTEGER)", kind
	case isText(kind) || kind == oidNodeTree || kind == oidJSON:
		text = "CAST(" + r.asText(text, from) + " AS VARCHAR)"
		length := ""
		if len(written.modifiers) == 1 && strings.Trim(written.modifiers[0], "0123456789") == "" {
			length = written.modifiers[0]
		}
		if length == "" && (kind == oidBpchar || kind == oidChar) {
			length = "1"
		}
		if length != "" {
			text = "left(" + text + ", " + length + ")"
		}
		return text, kind
	}
	if s := storage(kind); s != "" {
		return "CAST(" + text + " AS " + s + ")", kind
	}
	r.fail(unsupported())
	return "NULL", 0
}

// asText is a value as PostgreSQL prints it.
func (r *rewriter) asText(text string, kind uint32) string {
	switch {
	case isNamed(kind):
		return r.role.nameOf(text, kind)
	case isVector(kind):
		return "array_to_string(" + text + ", ' ')"
	case elementOf(kind) != 0:
		return "('{' || array_to_string(CAST(" + text + " AS VARCHAR[]), ',') || '}')"
	}
	return text
}

// arrayText turns '{a,b}' into a list of the engine's, '1 2' into a vector.
func (r *rewriter) arrayText(text string, kind uint32) string {
	element := elementOf(kind)
	var items []string
	if isVector(kind) {
		items = strings.Fields(text)
	} else {
		var ok bool
		if items, ok = splitArray(text); !ok {
			r.fail(refuse("22P02", "a text is no array", "write arrays as {a,b}"))
			return "NULL"
		}
	}
	quoted := make([]string, len(items))
	for i, item := range items {
		switch {
		case item == "\x00":
			quoted[i] = "NULL"
		case isNamed(element):
			quoted[i] = r.lookup(item, element)
		default:
			quoted[i] = quoteText(item)
		}
	}
	return "CAST([" + strings.Join(quoted, ", ") + "] AS " + storage(kind) + ")"
}

// splitArray reads a flat array's text, or that of a list of the engine's, which parameters that are arrays come as: ["a", NULL]. A NULL is the text "\x00".
func splitArray(text string) ([]string, bool) {
	inner := strings.TrimSpace(text)
	if len(inner) < 2 || inner[:1]+inner[len(inner)-1:] != "{}" && inner[:1]+inner[len(inner)-1:] != "[]" {
		return nil, false
	}
	inner = inner[1 : len(inner)-1]
	if strings.TrimSpace(inner) == "" {
		return nil, true
	}
	var items []string
	var b strings.Builder
	quoted, inQuotes := false, false
	finish := func() {
		item := b.String()
		if !quoted {
			if item = strings.TrimSpace(item); strings.EqualFold(item, "null") {
				item = "\x00"
			}
		}
		items = append(items, item)
		b.Reset()
		quoted = false
	}
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\' && i+1 < len(inner):
			i++
			b.WriteByte(inner[i])
		case c == '"':
			inQuotes = !inQuotes
			quoted = true
		case c == ',' && !inQuotes:
			finish()
		case (c == '{' || c == '}') && !inQuotes:
			return nil, false
		case strings.IndexByte(" \t\r\n", c) >= 0 && !inQuotes && (quoted || b.Len() == 0): // around an element in quotes
		default:
			b.WriteByte(c)
		}
	}
	finish()
	return items, !inQuotes
}

// splitName reads "schema"."name" as the reg… types do.
func splitName(text string) ([]string, bool) {
	list, ok := tokens(strings.TrimSpace(text))
	if !ok {
		return nil, false
	}
	var parts []string
	for i, t := range list {
		switch {
		case t.kind == tokenEnd:
			return parts, i > 0 && i%2 == 1
		case i%2 == 0 && (t.kind == tokenWord || t.kind == tokenQuoted):
			parts = append(parts, t.text)
		case i%2 == 1 && t.isPunct("."):
		default:
			return nil, false
		}
	}
	return nil, false
}

// lookup is the object id that a name written in the statement means.
func (r *rewriter) lookup(text string, kind uint32) string {
	if text == "-" {
		return "CAST(0 AS UINTEGER)"
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		return "CAST(" + text + " AS UINTEGER)"
	}
	if oid, ok := r.role.find(text, kind); ok {
		return "CAST(" + strconv.FormatUint(uint64(oid), 10) + " AS UINTEGER)"
	}
	state, what := "42P01", "relation"
	switch kind {
	case oidRegtype:
		state, what = "42704", "type"
	case oidRegproc:
		state, what = "42883", "function"
	case oidRegnspace:
		state, what = "3F000", "schema"
	case oidRegrole:
		state, what = "42704", "role"
	}
	r.fail(refuse(state, "a "+what+" that the statement names does not exist", "look at what there is in the catalogue"))
	return "NULL"
}

// lookupValue is the same for a value that is known only while the statement runs; what is not found is NULL.
func (r *rewriter) lookupValue(text string, kind uint32) string {
	return "(SELECT min(weir_oid) FROM " + r.role.own("weir_names") + " WHERE weir_kind = " + strconv.FormatUint(uint64(kind), 10) +
		" AND weir_alias = CAST(" + text + " AS VARCHAR))"
}
