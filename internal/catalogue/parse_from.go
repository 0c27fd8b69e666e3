package catalogue

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
