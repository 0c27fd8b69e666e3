package catalogue

import "slices"

// How tight operators bind, loosest first, as in PostgreSQL's manual.
const (
	bindOr = iota + 1
	bindAnd
	bindNot
	bindIs
	bindCompare
	bindLike
	bindOther
	bindAdd
	bindMultiply
	bindPower
	bindAt
	bindCollate
	bindSign
)

func (p *parser) expressions() []expr {
	var list []expr
	for !p.bad {
		list = append(list, p.expression())
		if !p.punct(",") {
			break
		}
	}
	return list
}

func (p *parser) expression() expr { return p.binding(bindOr) }

// binding reads an expression whose operators bind at least as tight as floor.
func (p *parser) binding(floor int) expr {
	defer p.down()()
	left := p.prefix(floor)
	for !p.bad {
		next, ok := p.infix(left, floor)
		if !ok {
			break
		}
		left = next
	}
	return left
}

func (p *parser) prefix(floor int) expr {
	switch t := p.now(); {
	case t.isWord("not") && floor <= bindNot:
		p.at++
		return &unary{"NOT", p.binding(bindNot)}
	case t.isOp("-"), t.isOp("+"):
		p.at++
		return &unary{t.text, p.binding(bindSign)}
	}
	return p.postfix(p.primary())
}

// infix reads one operator and what is right of it.
func (p *parser) infix(left expr, floor int) (expr, bool) {
	t := p.now()
	switch {
	case t.isWord("or") && floor <= bindOr:
		p.at++
		return &binary{"OR", left, p.binding(bindAnd)}, true
	case t.isWord("and") && floor <= bindAnd:
		p.at++
		return &binary{"AND", left, p.binding(bindNot)}, true
	case t.isWord("is", "isnull", "notnull") && floor <= bindIs:
		return p.is(left), true
	case t.isWord("not") && p.ahead(1).isWord("like", "ilike", "in", "between") && floor <= bindLike:
		p.at++
		return p.member(left, true), true
	case t.isWord("like", "ilike", "in", "between") && floor <= bindLike:
		return p.member(left, false), true
	case t.isWord("at") && floor <= bindAt:
		p.at++
		p.needWord("time")
		p.needWord("zone")
		return p.call(&call{name: "timezone", args: []expr{p.binding(bindCollate), left}}), true
	case t.isWord("collate") && floor <= bindCollate:
		// Every collation here orders by bytes.
		p.at++
		p.name()
		if p.punct(".") {
			p.label()
		}
		return left, true
	case t.isWord("operator") && p.ahead(1).isPunct("(") && floor <= bindOther:
		p.at += 2
		if p.now().kind != tokenOp {
			if p.name() != systemSchema {
				p.fail()
			}
			p.needPunct(".")
		}
		op := p.step()
		p.needPunct(")")
		if op.kind != tokenOp {
			p.fail()
		}
		return p.operation(left, op.text, bindOther), true
	case t.kind == tokenOp:
		level := operatorBinding(t.text)
		if level < floor || level == 0 {
			return nil, false
		}
		p.at++
		return p.operation(left, t.text, level), true
	}
	return nil, false
}

func operatorBinding(op string) int {
	switch op {
	case "=", "<", ">", "<=", ">=", "<>":
		return bindCompare
	case "+", "-":
		return bindAdd
	case "*", "/", "%":
		return bindMultiply
	case "^":
		return bindPower
	case "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "||", "@>", "<@", "&&", "&", "|", "#", "<<", ">>", "->", "->>":
		return bindOther
	}
	return 0
}

// operation reads what is right of an operator: ANY (…), ALL (…) or an expression.
func (p *parser) operation(left expr, op string, level int) expr {
	if operatorBinding(op) == 0 {
		p.fail()
		return nil
	}
	if p.now().isWord("any", "some", "all") && p.ahead(1).isPunct("(") {
		q := &quantified{of: left, op: op, all: p.step().text == "all"}
		if p.subqueryAhead(1) {
			p.at++
			q.sub = p.query()
		} else {
			p.at++
			q.array = p.expression()
		}
		p.needPunct(")")
		return q
	}
	return &binary{op, left, p.binding(level + 1)}
}

func (p *parser) is(left expr) expr {
	t := &test{of: left, what: "null"}
	switch p.step().text {
	case "isnull":
		return t
	case "notnull":
		t.not = true
		return t
	}
	t.not = p.word("not")
	switch {
	case p.word("null"):
	case p.word("true"):
		t.what = "true"
	case p.word("false"):
		t.what = "false"
	case p.word("unknown"):
	case p.words("distinct", "from"):
		t.what = "distinct"
		t.other = p.binding(bindCompare)
	default:
		p.fail()
	}
	return t
}

// member reads LIKE, IN and BETWEEN.
func (p *parser) member(left expr, not bool) expr {
	switch op := p.step().text; op {
	case "in":
		i := &in{of: left, not: not}
		if p.subqueryAhead(0) && p.now().isPunct("(") {
			p.at++
			i.sub = p.query()
		} else {
			p.needPunct("(")
			i.list = p.expressions()
		}
		p.needPunct(")")
		return i
	case "between":
		p.word("symmetric", "asymmetric")
		b := &between{of: left, not: not, low: p.binding(bindLike + 1)}
		p.needWord("and")
		b.high = p.binding(bindLike + 1)
		return b
	default:
		l := &like{of: left, insensitive: op == "ilike", not: not, pattern: p.binding(bindLike + 1)}
		if p.word("escape") {
			l.escape = p.binding(bindLike + 1)
		}
		return l
	}
}

// postfix reads casts, subscripts and fields.
func (p *parser) postfix(of expr) expr {
	for !p.bad {
		switch t := p.now(); {
		case t.isOp("::"):
			p.at++
			of = &cast{of, p.typeName()}
		case t.isPunct("["):
			p.at++
			s := &subscript{of: of}
			if !p.now().isPunct(":") {
				s.low = p.expression()
			}
			if p.punct(":") {
				s.slice = true
				if !p.now().isPunct("]") {
					s.high = p.expression()
				}
			}
			p.needPunct("]")
			of = s
		case t.isPunct("."):
			p.at++
			of = &field{of, p.label()}
		default:
			return of
		}
	}
	return of
}

func (p *parser) call(c *call) *call {
	p.calls = append(p.calls, c)
	return c
}

// bareCalls are functions that SQL writes without parentheses.
var bareCalls = []string{
	"current_user", "session_user", "user", "current_role", "current_catalog", "current_schema", "current_date", "current_timestamp", "localtime", "localtimestamp",
}

func (p *parser) primary() expr {
	defer p.down()()
	t := p.now()
	switch t.kind {
	case tokenString:
		p.at++
		return literal{literalString, t.text}
	case tokenNumber:
		p.at++
		return literal{literalNumber, t.text}
	case tokenParam:
		p.at++
		n := 0
		for _, d := range t.text {
			n = n*10 + int(d-'0')
		}
		return parameter{n}
	case tokenPunct:
		if t.text == "(" {
			return p.parenthesis()
		}
	case tokenQuoted:
		return p.named()
	case tokenWord:
		return p.keyword(t)
	case tokenEnd, tokenOp:
	}
	p.fail()
	return nil
}

func (p *parser) parenthesis() expr {
	if p.subqueryAhead(1) {
		p.at++
		s := &subquery{of: p.query()}
		p.needPunct(")")
		return s
	}
	p.at++
	list := p.expressions()
	p.needPunct(")")
	if len(list) == 1 {
		return list[0]
	}
	return &row{list}
}

func (p *parser) keyword(t token) expr {
	open := p.ahead(1).isPunct("(")
	switch {
	case t.text == "null":
		p.at++
		return literal{kind: literalNull}
	case t.text == "true":
		p.at++
		return literal{kind: literalTrue}
	case t.text == "false":
		p.at++
		return literal{kind: literalFalse}
	case t.text == "case":
		return p.choice()
	case t.text == "cast" && open:
		p.at += 2
		c := &cast{of: p.expression()}
		p.needWord("as")
		c.to = p.typeName()
		p.needPunct(")")
		return c
	case t.text == "exists" && open:
		p.at += 2
		s := &subquery{of: p.query(), exists: true}
		p.needPunct(")")
		return s
	case t.text == "array" && open:
		p.at += 2
		s := &subquery{of: p.query(), array: true}
		p.needPunct(")")
		return s
	case t.text == "array" && p.ahead(1).isPunct("["):
		p.at++
		return p.arrayItems()
	case t.text == "row" && open:
		p.at += 2
		r := &row{p.expressions()}
		p.needPunct(")")
		return r
	case slices.Contains(bareCalls, t.text) && !open:
		p.at++
		return p.call(&call{name: t.text, bare: true})
	case slices.Contains([]string{"trim", "substring", "position", "extract", "overlay"}, t.text) && open:
		return p.spelled(t.text)
	case t.text == "left" && open, t.text == "right" && open:
		p.at++
		return p.callOf("", t.text)
	case reserved[t.text]:
		p.fail()
		return nil
	case p.ahead(1).kind == tokenString: // name 'x', interval '1 day'
		to := p.typeName()
		return &cast{p.primary(), to}
	}
	return p.named()
}

func (p *parser) arrayItems() expr {
	p.needPunct("[")
	a := &listing{}
	if p.punct("]") {
		return a
	}
	a.items = p.expressions()
	p.needPunct("]")
	return a
}

func (p *parser) choice() expr {
	p.at++
	c := &choice{}
	if !p.now().isWord("when") {
		c.of = p.expression()
	}
	for !p.bad && p.word("when") {
		when := p.expression()
		p.needWord("then")
		c.when = append(c.when, [2]expr{when, p.expression()})
	}
	if p.word("else") {
		c.otherwise = p.expression()
	}
	p.needWord("end")
	if len(c.when) == 0 {
		p.fail()
	}
	return c
}

// named reads a column, or a call of a function.
func (p *parser) named() expr {
	parts := []string{p.label()}
	for p.now().isPunct(".") {
		p.at++
		if p.now().isOp("*") {
			p.at++
			return &column{parts: parts, star: true}
		}
		parts = append(parts, p.label())
	}
	if p.now().isPunct("(") && len(parts) <= 2 {
		schema := ""
		if len(parts) == 2 {
			schema = parts[0]
		}
		return p.callOf(schema, parts[len(parts)-1])
	}
	return &column{parts: parts}
}

// callOf reads the arguments of a call and what follows them.
func (p *parser) callOf(schema, name string) *call {
	defer p.down()()
	c := p.call(&call{schema: schema, name: name})
	p.needPunct("(")
	switch {
	case p.now().isOp("*"):
		p.at++
		c.star = true
	case p.now().isPunct(")"):
	default:
		c.distinct = p.word("distinct")
		p.word("variadic")
		c.args = p.expressions()
		if p.words("order", "by") {
			c.order = p.orderings()
		}
	}
	p.needPunct(")")
	if p.now().isWord("filter") && p.ahead(1).isPunct("(") {
		p.at += 2
		p.needWord("where")
		c.filter = p.expression()
		p.needPunct(")")
	}
	if p.now().isWord("over") {
		p.at++
		if p.now().isPunct("(") {
			c.over = p.windowBody()
		} else {
			c.over = &window{name: p.name()}
		}
	}
	return c
}

// windowBody reads (PARTITION BY … ORDER BY …); frames are not among what clients ask.
func (p *parser) windowBody() *window {
	w := &window{}
	p.needPunct("(")
	if p.words("partition", "by") {
		w.partition = p.expressions()
	}
	if p.words("order", "by") {
		w.order = p.orderings()
	}
	p.needPunct(")")
	return w
}
