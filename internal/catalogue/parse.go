package catalogue

import "slices"

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
		return p.valueRows()
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

// valueRows reads the rows of VALUES.
func (p *parser) valueRows() expr {
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
