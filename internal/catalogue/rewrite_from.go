package catalogue

import (
	"slices"
	"strconv"
)

// from rewrites what stands in FROM, and tells what names it brings.
func (r *rewriter) from(e expr) (string, []source) {
	switch e := e.(type) {
	case *table:
		return r.table(e)
	case *derived:
		text, columns := r.query(e.of, false)
		alias := e.alias
		if alias == "" {
			alias = "weir_derived"
		}
		return "(" + text + ") AS " + quoteName(alias) + columnList(e.columns), []source{{alias: alias, columns: renamed(columns, e.columns)}}
	case *function:
		return r.function(e)
	case *join:
		return r.join(e)
	}
	r.fail(unsupported())
	return "", nil
}

func (r *rewriter) table(t *table) (string, []source) {
	alias := t.alias
	if alias == "" {
		alias = t.name
	}
	if t.schema == "" {
		for s := r.at; s != nil; s = s.outer {
			if columns, ok := s.ctes[t.name]; ok {
				return quoteName(t.name) + " AS " + quoteName(alias) + columnList(t.columns), []source{{alias: alias, columns: renamed(columns, t.columns)}}
			}
		}
	}
	rel := systemRelation(t.schema, t.name)
	if rel == nil {
		r.fail(refuse("42P01", "a table of the statement does not exist in the catalogue", "ask for tables of pg_catalog and information_schema alone"))
		return "", nil
	}
	if rel.schema == systemSchema && withheld[rel.name] {
		r.fail(denied(rel.name))
		return "", nil
	}
	columns := make([]output, len(rel.columns))
	for i, c := range rel.columns {
		columns[i] = output{c.name, c.kind}
	}
	return r.role.place(rel) + " AS " + quoteName(alias) + columnList(t.columns), []source{{alias: alias, columns: renamed(columns, t.columns), relation: rel}}
}

func (r *rewriter) join(j *join) (string, []source) {
	left, sources := r.from(j.left)
	// What is right of a comma or a join may refer to what is left of it.
	before := len(r.at.sources)
	r.at.sources = append(r.at.sources, sources...)
	right, others := r.from(j.right)
	r.at.sources = r.at.sources[:before]
	all := slices.Concat(sources, others)
	text := left + " "
	if j.natural {
		text += "NATURAL "
	}
	text += j.kind + " JOIN " + right
	switch {
	case len(j.using) > 0:
		text += " USING" + columnList(j.using)
	case j.on != nil:
		r.at.sources = append(r.at.sources, all...)
		text += " ON " + r.truth(j.on)
		r.at.sources = r.at.sources[:before]
	}
	return "(" + text + ")", all
}

// column resolves a name and returns it qualified.
func (r *rewriter) column(c *column) (string, uint32) {
	name := c.parts[len(c.parts)-1]
	if c.star || len(c.parts) > 3 {
		r.fail(unsupported())
		return "", 0
	}
	alias := ""
	if len(c.parts) > 1 {
		alias = c.parts[len(c.parts)-2]
	}
	for s := r.at; s != nil; s = s.outer {
		for _, src := range s.sources {
			if alias != "" && src.alias != alias {
				continue
			}
			if i := slices.IndexFunc(src.columns, func(o output) bool { return o.name == name }); i >= 0 {
				if alias == "" && s.ambiguous(name) {
					return quoteName(name), src.columns[i].kind // a column of USING, or an error that the engine finds
				}
				return qualified(src.alias, name), src.columns[i].kind
			}
			if text, kind := systemColumn(src.relation, name); kind != 0 {
				return text, kind
			}
		}
	}
	r.fail(refuse("42703", "a column of the statement does not exist", "look at the columns of its relations in pg_attribute"))
	return "", 0
}

func (s *scope) has(name string) bool { return s.count(name) > 0 }

func (s *scope) ambiguous(name string) bool { return s.count(name) > 1 }

func (s *scope) count(name string) int {
	n := 0
	for _, src := range s.sources {
		if slices.ContainsFunc(src.columns, func(o output) bool { return o.name == name }) {
			n++
		}
	}
	return n
}

// systemColumn is what PostgreSQL gives every table besides its columns.
func systemColumn(rel *relation, name string) (string, uint32) {
	if rel == nil {
		return "", 0
	}
	switch name {
	case "tableoid":
		return "CAST(" + strconv.FormatUint(uint64(rel.oid), 10) + " AS UINTEGER)", oidOid
	case "xmin", "xmax", "cmin", "cmax":
		return "CAST(1 AS UINTEGER)", oidXid
	case "ctid":
		return "'(0,1)'", oidText
	}
	return "", 0
}
