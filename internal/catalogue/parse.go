package catalogue

import "slices"

// parser reads one SELECT. Its first error ends it: bad is set and every later step gives nothing.
type parser struct {
	list  []token
	at    int
	depth int
	bad   bool
	// what the statement names, for recognising it
	tables []table
	calls  []*call
	ctes   []string
	names  bool // it casts to regclass or the like: only a catalogue knows names
}

// parse returns the tree of sql, or false when it is no single SELECT of the kind that is understood here.
func parse(sql string) (*query, *parser, bool) {
	list, ok := tokens(sql)
	if !ok {
		return nil, nil, false
	}
	p := &parser{list: list}
	q := p.query()
	for p.punct(";") {
	}
	if p.bad || p.now().kind != tokenEnd {
		return nil, nil, false
	}
	return q, p, true
}

func (p *parser) now() token {
	if p.bad {
		return token{}
	}
	return p.list[p.at]
}

func (p *parser) ahead(n int) token {
	if p.bad || p.at+n >= len(p.list) {
		return token{}
	}
	return p.list[p.at+n]
}

func (p *parser) fail() { p.bad = true }

func (p *parser) step() token {
	t := p.now()
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

// down guards recursion; call the result when done.
func (p *parser) down() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail()
	}
	return func() { p.depth-- }
}

func (t token) isWord(words ...string) bool {
	return t.kind == tokenWord && slices.Contains(words, t.text)
}

func (t token) isPunct(text string) bool { return t.kind == tokenPunct && t.text == text }

func (t token) isOp(text string) bool { return t.kind == tokenOp && t.text == text }

func (p *parser) word(words ...string) bool {
	if p.now().isWord(words...) {
		p.at++
		return true
	}
	return false
}

// words takes a sequence of words, all of them or none.
func (p *parser) words(sequence ...string) bool {
	for i, w := range sequence {
		if !p.ahead(i).isWord(w) {
			return false
		}
	}
	p.at += len(sequence)
	return true
}

func (p *parser) punct(text string) bool {
	if p.now().isPunct(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) needPunct(text string) {
	if !p.punct(text) {
		p.fail()
	}
}

func (p *parser) needWord(words ...string) {
	if !p.word(words...) {
		p.fail()
	}
}

// reserved words can be no name without quotes.
var reserved = map[string]bool{}

func init() {
	for _, w := range []string{
		"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check", "collate", "column",
		"constraint", "create", "current_catalog", "current_date", "current_role", "current_time", "current_timestamp", "current_user",
		"default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant",
		"group", "having", "in", "initially", "intersect", "into", "lateral", "leading", "limit", "localtime", "localtimestamp", "not",
		"null", "offset", "on", "only", "or", "order", "placing", "primary", "references", "returning", "select", "session_user", "some",
		"symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where", "window",
		"with", "inner", "join", "left", "right", "full", "cross", "natural", "is", "isnull", "notnull", "like", "ilike", "similar", "tablesample",
		"collation", "concurrently", "freeze", "authorization", "binary", "overlaps", "verbose",
	} {
		reserved[w] = true
	}
}

// notBareAlias are words that start something else behind an expression, so they are an alias only after AS.
var notBareAlias = []string{"over", "filter", "within", "day", "hour", "minute", "month", "second", "year", "char", "character", "varying", "precision", "without"}

func (p *parser) name() string {
	t := p.now()
	if t.kind == tokenQuoted || t.kind == tokenWord && !reserved[t.text] {
		p.at++
		return t.text
	}
	p.fail()
	return ""
}

// label is a name after AS or a dot, where every word is one.
func (p *parser) label() string {
	t := p.now()
	if t.kind == tokenQuoted || t.kind == tokenWord {
		p.at++
		return t.text
	}
	p.fail()
	return ""
}

func (p *parser) nameList() []string {
	var list []string
	p.needPunct("(")
	for !p.bad {
		list = append(list, p.name())
		if !p.punct(",") {
			break
		}
	}
	p.needPunct(")")
	return list
}

// query reads [WITH …] body [ORDER BY …] [LIMIT …].
func (p *parser) query() *query {
	defer p.down()()
	q := &query{}
	if p.word("with") {
		q.recursive = p.word("recursive")
		for !p.bad {
			n := named{name: p.name()}
			if p.now().isPunct("(") {
				n.columns = p.nameList()
			}
			p.ctes = append(p.ctes, n.name)
			p.needWord("as")
			if !p.word("materialized") {
				p.words("not", "materialized")
			}
			p.needPunct("(")
			n.of = p.query()
			p.needPunct(")")
			q.with = append(q.with, n)
			if !p.punct(",") {
				break
			}
		}
	}
	q.body = p.combined(0)
	if p.words("order", "by") {
		q.order = p.orderings()
	}
	for !p.bad {
		switch {
		case q.limit == nil && p.word("limit"):
			if q.limit = p.expression(); q.limit == nil {
				p.fail()
			}
		case q.offset == nil && p.word("offset"):
			q.offset = p.expression()
			p.word("row", "rows")
		case q.limit == nil && p.word("fetch"):
			p.needWord("first", "next")
			q.limit = literal{literalNumber, "1"}
			if !p.now().isWord("row", "rows") {
				q.limit = p.expression()
			}
			p.needWord("row", "rows")
			p.needWord("only")
		default:
			return q
		}
	}
	return q
}

// combined reads selects and what combines them; INTERSECT binds tighter.
func (p *parser) combined(level int) expr {
	defer p.down()()
	if level == 2 {
		return p.selectBody()
	}
	left := p.combined(level + 1)
	for !p.bad {
		t := p.now()
		if level == 0 && !t.isWord("union", "except") || level == 1 && !t.isWord("intersect") {
			break
		}
		p.at++
		c := &combination{op: t.text, left: left}
		c.all = p.word("all")
		if !c.all {
			p.word("distinct")
		}
		c.right = p.combined(level + 1)
		left = c
	}
	return left
}

func (p *parser) selectBody() expr {
	switch {
	case p.punct("("):
		q := p.query()
		p.needPunct(")")
		return q
	case p.word("values"):
		v := &values{}
		for !p.bad {
			p.needPunct("(")
			v.rows = append(v.rows, p.expressions())
			p.needPunct(")")
			if !p.punct(",") {
				break
			}
		}
		return v
	}
	p.needWord("select")
	s := &selection{}
	if p.word("distinct") {
		s.distinct = true
		if p.word("on") {
			p.needPunct("(")
			s.distinctOn = p.expressions()
			p.needPunct(")")
		}
	} else {
		p.word("all")
	}
	s.items = p.items()
	if p.word("from") {
		for !p.bad {
			s.from = append(s.from, p.fromItem())
			if !p.punct(",") {
				break
			}
		}
	}
	if p.word("where") {
		s.where = p.expression()
	}
	if p.words("group", "by") {
		s.group = p.expressions()
	}
	if p.word("having") {
		s.having = p.expression()
	}
	if p.word("window") {
		for !p.bad {
			w := namedWindow{name: p.name()}
			p.needWord("as")
			w.of = p.windowBody()
			s.windows = append(s.windows, w)
			if !p.punct(",") {
				break
			}
		}
	}
	return s
}

func (p *parser) items() []item {
	var list []item
	if p.now().isWord("from", "where") || p.now().isPunct(")") || p.now().kind == tokenEnd {
		return nil // SELECT FROM t, as in EXISTS
	}
	for !p.bad {
		var i item
		if p.now().isOp("*") {
			p.at++
			i.of = &column{star: true}
		} else {
			i.of = p.expression()
			i.alias = p.alias()
		}
		list = append(list, i)
		if !p.punct(",") {
			break
		}
	}
	return list
}

// alias reads [AS] name of an output column.
func (p *parser) alias() string {
	if p.word("as") {
		return p.label()
	}
	t := p.now()
	if t.kind == tokenQuoted || t.kind == tokenWord && !reserved[t.text] && !slices.Contains(notBareAlias, t.text) {
		p.at++
		return t.text
	}
	return ""
}

func (p *parser) orderings() []ordering {
	var list []ordering
	for !p.bad {
		o := ordering{by: p.expression()}
		if p.word("desc") {
			o.desc = true
		} else {
			p.word("asc")
		}
		if p.word("nulls") {
			if t := p.now(); t.isWord("first", "last") {
				o.nulls = t.text
				p.at++
			} else {
				p.fail()
			}
		}
		list = append(list, o)
		if !p.punct(",") {
			break
		}
	}
	return list
}

func (p *parser) fromItem() expr {
	defer p.down()()
	left := p.fromPrimary()
	for !p.bad {
		j := &join{left: left, kind: "INNER"}
		switch {
		case p.words("cross", "join"):
			j.kind = "CROSS"
			j.right = p.fromPrimary()
			left = j
			continue
		case p.word("natural"):
			j.natural = true
		}
		switch {
		case p.word("inner"):
		case p.word("left"):
			j.kind = "LEFT"
		case p.word("right"):
			j.kind = "RIGHT"
		case p.word("full"):
			j.kind = "FULL"
		case p.now().isWord("join"):
		default:
			if j.natural {
				p.fail()
			}
			return left
		}
		if j.kind != "INNER" {
			p.word("outer")
		}
		p.needWord("join")
		j.right = p.fromPrimary()
		// a JOIN b JOIN c ON … ON …: the joins nest to the right.
		for !p.bad && !j.natural && p.now().isWord("join", "inner", "left", "right", "full", "cross") {
			nested, ok := p.nested(j.right)
			if !ok {
				break
			}
			j.right = nested
		}
		switch {
		case j.natural:
		case p.word("on"):
			j.on = p.expression()
		case p.word("using"):
			j.using = p.nameList()
		default:
			p.fail()
		}
		left = j
	}
	return left
}

// nested reads the join that follows an unfinished one.
func (p *parser) nested(left expr) (expr, bool) {
	defer p.down()()
	j := &join{left: left, kind: "INNER"}
	switch {
	case p.word("left"):
		j.kind = "LEFT"
	case p.word("right"):
		j.kind = "RIGHT"
	case p.word("full"):
		j.kind = "FULL"
	case p.word("inner"):
	}
	p.word("outer")
	p.needWord("join")
	j.right = p.fromPrimary()
	if p.word("using") {
		j.using = p.nameList()
		return j, true
	}
	p.needWord("on")
	j.on = p.expression()
	return j, !p.bad
}

func (p *parser) fromPrimary() expr {
	defer p.down()()
	p.word("lateral")
	if p.now().isPunct("(") {
		if p.subqueryAhead(1) {
			p.at++
			d := &derived{of: p.query()}
			p.needPunct(")")
			p.tableAlias(&d.aliased)
			return d
		}
		p.at++
		j := p.fromItem()
		p.needPunct(")")
		return j
	}
	p.word("only")
	first := p.name()
	schema := ""
	if p.punct(".") {
		schema, first = first, p.label()
		if p.punct(".") { // database.schema.table
			schema, first = first, p.label()
		}
	}
	if p.now().isPunct("(") {
		f := &function{of: p.callOf(schema, first)}
		if p.words("with", "ordinality") {
			f.ordinality = true
		}
		p.tableAlias(&f.aliased)
		return f
	}
	t := &table{schema: schema, name: first}
	p.punct("*")
	p.tableAlias(&t.aliased)
	p.tables = append(p.tables, *t)
	return t
}

// subqueryAhead says whether a query starts after n tokens, in however many parentheses.
func (p *parser) subqueryAhead(n int) bool {
	for p.ahead(n).isPunct("(") {
		n++
	}
	return p.ahead(n).isWord("select", "with", "values")
}

func (p *parser) tableAlias(a *aliased) {
	switch {
	case p.word("as"):
		a.alias = p.name()
	default:
		if t := p.now(); t.kind == tokenQuoted || t.kind == tokenWord && !reserved[t.text] {
			p.at++
			a.alias = t.text
		}
	}
	if a.alias != "" && p.now().isPunct("(") {
		a.columns = p.nameList()
	}
}
