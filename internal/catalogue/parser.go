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
