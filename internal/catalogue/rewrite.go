package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// output is a column of an answer: its name and PostgreSQL type.
type output struct {
	name string
	kind uint32
}

// source is something in FROM that columns can come from.
type source struct {
	alias    string
	columns  []output
	relation *relation // for tableoid and the like
}

// scope is what names mean at a place of a statement.
type scope struct {
	outer   *scope
	sources []source
	ctes    map[string][]output
}

// rewriter turns one tree into the engine's SQL. It emits nothing that it doesn't know: the first thing it doesn't ends it.
type rewriter struct {
	role       *role
	arguments  []any // values of the parameters; nil when the statement is only described
	described  bool
	parameters map[int]uint32
	at         *scope
	err        error
}

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (r *rewriter) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// statement rewrites q and returns its text and columns.
func (r *rewriter) statement(q *query) (string, []output, error) {
	text, columns := r.query(q, true)
	return text, columns, r.err
}

func (r *rewriter) enter() func() {
	r.at = &scope{outer: r.at}
	return func() { r.at = r.at.outer }
}

func (r *rewriter) query(q *query, top bool) (string, []output) {
	defer r.enter()()
	var b strings.Builder
	if len(q.with) > 0 {
		b.WriteString("WITH ")
		if q.recursive {
			b.WriteString("RECURSIVE ")
		}
		r.at.ctes = map[string][]output{}
		for i, n := range q.with {
			if i > 0 {
				b.WriteString(", ")
			}
			if q.recursive {
				r.at.ctes[n.name] = r.seed(n)
			}
			text, columns := r.query(n.of, false)
			columns = renamed(columns, n.columns)
			r.at.ctes[n.name] = columns
			b.WriteString(quoteName(n.name) + columnList(n.columns) + " AS (" + text + ")")
		}
		b.WriteByte(' ')
	}
	text, columns := r.body(q.body, top, q.order)
	b.WriteString(text)
	if q.limit != nil {
		b.WriteString(" LIMIT " + r.count(q.limit))
	}
	if q.offset != nil {
		b.WriteString(" OFFSET " + r.count(q.offset))
	}
	return b.String(), columns
}

// seed tells the columns of a recursive query from the part that doesn't recur.
func (r *rewriter) seed(n named) []output {
	of := n.of.body
	for {
		c, ok := of.(*combination)
		if !ok {
			break
		}
		of = c.left
	}
	probe := *r
	probe.at = &scope{outer: r.at}
	_, columns := probe.body(of, false, nil)
	return renamed(columns, n.columns)
}

// count is the argument of LIMIT and OFFSET.
func (r *rewriter) count(e expr) string {
	switch l := e.(type) {
	case parameter:
		text, _ := r.parameter(l.number, oidInt8)
		if text == "NULL" {
			return "NULL"
		}
		return "CAST(" + text + " AS BIGINT)"
	case literal:
		if l.kind == literalString || l.kind == literalNumber {
			return "CAST(" + quoteText(l.text) + " AS BIGINT)"
		}
		return "NULL"
	}
	text, _ := r.expr(e)
	return "(" + text + ")"
}

func columnList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return " (" + strings.Join(quoted, ", ") + ")"
}

func renamed(columns []output, names []string) []output {
	columns = slices.Clone(columns)
	for i := range columns {
		if i < len(names) {
			columns[i].name = names[i]
		}
	}
	return columns
}

// body rewrites a selection or a combination of them, with the ordering that belongs to it.
func (r *rewriter) body(e expr, top bool, order []ordering) (string, []output) {
	switch e := e.(type) {
	case *selection:
		return r.selection(e, top, order)
	case *values:
		return r.values(e)
	case *query:
		text, columns := r.query(e, top)
		return "(" + text + ")" + r.orderByName(order, columns), columns
	case *combination:
		left, columns := r.body(e.left, false, nil)
		right, other := r.body(e.right, false, nil)
		if len(columns) != len(other) {
			r.fail(refuse("42601", "the two sides of a combination have different numbers of columns", "select the same columns on both"))
			return "", nil
		}
		columns = slices.Clone(columns)
		for i := range columns {
			if columns[i].kind == oidUnknown || columns[i].kind == 0 {
				columns[i].kind = other[i].kind
			}
		}
		op := " " + strings.ToUpper(e.op) + " "
		if e.all {
			op += "ALL "
		}
		if !top {
			return left + op + right + r.orderByName(order, columns), columns
		}
		return r.presented(left+op+right, columns, order)
	}
	r.fail(unsupported())
	return "", nil
}

// presented gives a combination's columns the form that clients get.
func (r *rewriter) presented(text string, columns []output, order []ordering) (string, []output) {
	var items []string
	for i, c := range columns {
		text, kind := r.present(quoteName("weir_"+strconv.Itoa(i)), c.kind, true)
		items = append(items, text+" AS "+quoteName(c.name))
		columns[i].kind = kind
	}
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = "weir_" + strconv.Itoa(i)
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + text + ") AS weir_all" + columnList(names) + r.orderByName(order, columns), columns
}

// orderByName orders a combination: only its own columns can be named.
func (r *rewriter) orderByName(order []ordering, columns []output) string {
	defer r.enter()()
	r.at.sources = []source{{columns: columns}}
	return r.orderBy(order, columns)
}

func (r *rewriter) values(v *values) (string, []output) {
	var rows []string
	var columns []output
	for i, row := range v.rows {
		var cells []string
		for j, e := range row {
			text, kind := r.expr(e)
			cells = append(cells, text)
			if i == 0 {
				columns = append(columns, output{"column" + strconv.Itoa(j+1), kind})
			} else if j < len(columns) && (columns[j].kind == oidUnknown || columns[j].kind == 0) {
				columns[j].kind = kind
			}
		}
		rows = append(rows, "("+strings.Join(cells, ", ")+")")
	}
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return "SELECT * FROM (VALUES " + strings.Join(rows, ", ") + ") AS weir_values" + columnList(names), columns
}

func (r *rewriter) selection(s *selection, top bool, order []ordering) (string, []output) {
	defer r.enter()()
	var from []string
	for _, f := range s.from {
		text, sources := r.from(f)
		from = append(from, text)
		r.at.sources = append(r.at.sources, sources...)
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	if s.distinct {
		b.WriteString("DISTINCT ")
		if len(s.distinctOn) > 0 {
			b.WriteString("ON (" + r.list(s.distinctOn) + ") ")
		}
	}
	text, columns := r.items(s, top)
	b.WriteString(text)
	if len(from) > 0 {
		b.WriteString(" FROM " + strings.Join(from, ", "))
	}
	if s.where != nil {
		b.WriteString(" WHERE " + r.truth(s.where))
	}
	if len(s.group) > 0 {
		b.WriteString(" GROUP BY " + r.groups(s.group, columns))
	}
	if s.having != nil {
		b.WriteString(" HAVING " + r.truth(s.having))
	}
	for i, w := range s.windows {
		b.WriteString(map[bool]string{true: " WINDOW ", false: ", "}[i == 0] + quoteName(w.name) + " AS " + r.window(w.of))
	}
	b.WriteString(r.orderBy(order, columns))
	return b.String(), columns
}

func (r *rewriter) items(s *selection, top bool) (string, []output) {
	var texts []string
	var columns []output
	add := func(text string, kind uint32, name string, plain bool) {
		if top {
			text, kind = r.present(text, kind, plain)
		}
		texts = append(texts, text+" AS "+quoteName(name))
		columns = append(columns, output{name, kind})
	}
	for _, i := range s.items {
		if c, ok := i.of.(*column); ok && c.star {
			found := false
			for _, src := range r.at.sources {
				if len(c.parts) > 0 && src.alias != c.parts[len(c.parts)-1] {
					continue
				}
				found = true
				for _, o := range src.columns {
					add(qualified(src.alias, o.name), o.kind, o.name, true)
				}
			}
			if !found {
				r.fail(refuse("42P01", "what comes before .* is nothing in FROM", "name one of the tables in FROM"))
			}
			continue
		}
		text, kind := r.expr(i.of)
		name := i.alias
		if name == "" {
			name = nameOf(i.of)
		}
		_, plain := i.of.(*column)
		add(text, kind, name, plain)
	}
	if len(texts) == 0 {
		return "1", nil
	}
	return strings.Join(texts, ", "), columns
}

// groups are what is grouped by: a name that is no column of the input is one of the output.
func (r *rewriter) groups(list []expr, columns []output) string {
	texts := make([]string, len(list))
	for i, e := range list {
		if c, ok := e.(*column); ok && len(c.parts) == 1 && !c.star && !r.at.has(c.parts[0]) {
			if n := slices.IndexFunc(columns, func(o output) bool { return o.name == c.parts[0] }); n >= 0 {
				texts[i] = strconv.Itoa(n + 1)
				continue
			}
		}
		texts[i], _ = r.expr(e)
	}
	return strings.Join(texts, ", ")
}

func qualified(alias, name string) string {
	if alias == "" {
		return quoteName(name)
	}
	return quoteName(alias) + "." + quoteName(name)
}

// present gives a value the type that its PostgreSQL type has on the wire: names for object ids that print as names, text for vectors.
func (r *rewriter) present(text string, kind uint32, plain bool) (string, uint32) {
	switch {
	case isNamed(kind), isVector(kind):
		return r.asText(text, kind), kind
	case kind == oidUnknown:
		return "CAST(" + text + " AS VARCHAR)", oidText
	case kind == oidOid, kind == oidXid:
		return "CAST(" + text + " AS BIGINT)", kind // the protocol knows by the field's type that they have four bytes
	case kind == oidRecord:
		r.fail(unsupported())
		return "", kind
	case plain || kind == 0 || kind == oidNumeric:
		return text, kind
	}
	return "CAST(" + text + " AS " + storage(kind) + ")", kind
}

// nameOf is what PostgreSQL calls a column without an alias.
func nameOf(e expr) string {
	if name, _ := figure(e); name != "" {
		return name
	}
	return "?column?"
}

// figure also says whether the name comes from something that has one; a type or CASE only lends its own.
func figure(e expr) (name string, own bool) {
	switch e := e.(type) {
	case *column:
		return e.parts[len(e.parts)-1], true
	case *call:
		return e.name, true
	case *cast:
		if name, own := figure(e.of); own {
			return name, true
		}
		if t := lookupType(e.to); t != nil {
			return t.name, false
		}
	case *subscript:
		return figure(e.of)
	case *field:
		return e.name, true
	case *choice:
		if e.otherwise != nil {
			if name, own := figure(e.otherwise); own {
				return name, true
			}
		}
		return "case", false
	case *listing:
		return "array", true
	case *row:
		return "row", true
	case literal:
		if e.kind == literalTrue || e.kind == literalFalse {
			return "bool", false
		}
	case *subquery:
		switch {
		case e.exists:
			return "exists", true
		case e.array:
			return "array", true
		}
		if s, ok := e.of.body.(*selection); ok && len(s.items) == 1 {
			if s.items[0].alias != "" {
				return s.items[0].alias, true
			}
			name, _ := figure(s.items[0].of)
			return name, name != ""
		}
	}
	return "", false
}

func (r *rewriter) orderBy(order []ordering, columns []output) string {
	if len(order) == 0 {
		return ""
	}
	var list []string
	for _, o := range order {
		text := ""
		switch by := o.by.(type) {
		case literal:
			if by.kind != literalNumber {
				continue // ordering by a constant orders nothing
			}
			text = by.text
		case *column:
			// A name of the output comes before one of the input.
			if i := slices.IndexFunc(columns, func(c output) bool { return len(by.parts) == 1 && !by.star && c.name == by.parts[0] }); i >= 0 {
				text = strconv.Itoa(i + 1)
			}
		}
		if text == "" {
			var kind uint32
			text, kind = r.expr(o.by)
			if isNamed(kind) {
				text = "(" + text + ")"
			}
		}
		if o.desc {
			text += " DESC"
		} else {
			text += " ASC"
		}
		switch {
		case o.nulls != "":
			text += " NULLS " + strings.ToUpper(o.nulls)
		case o.desc:
			text += " NULLS FIRST"
		default:
			text += " NULLS LAST"
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

func (r *rewriter) window(w *window) string {
	if w.name != "" {
		return quoteName(w.name)
	}
	text := "("
	if len(w.partition) > 0 {
		text += "PARTITION BY " + r.list(w.partition)
	}
	return text + r.orderBy(w.order, nil) + ")"
}

func (r *rewriter) list(list []expr) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i], _ = r.expr(e)
	}
	return strings.Join(texts, ", ")
}

// truth is a condition; PostgreSQL takes 't' and 'f' for one.
func (r *rewriter) truth(e expr) string {
	text, _ := r.expr(e)
	return text
}
