package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// expr rewrites an expression and returns its text, which binds as one operand, and its PostgreSQL type: 0 when it is not known.
func (r *rewriter) expr(e expr) (string, uint32) {
	if r.err != nil {
		return "NULL", 0
	}
	switch e := e.(type) {
	case literal:
		return literalOf(e)
	case parameter:
		return r.parameter(e.number, oidText)
	case *column:
		return r.column(e)
	case *call:
		return r.call(e)
	case *cast:
		return r.cast(e)
	case *binary:
		return r.binary(e)
	case *unary:
		text, kind := r.expr(e.of)
		if e.op == "NOT" {
			kind = oidBool
		}
		return "(" + e.op + " " + text + ")", kind
	case *test:
		return r.test(e)
	case *like:
		return r.like(e)
	case *between:
		of, kind := r.expr(e.of)
		low, high := r.beside(e.low, kind), r.beside(e.high, kind)
		return "(" + of + negated(e.not) + " BETWEEN " + low + " AND " + high + ")", oidBool
	case *in:
		return r.in(e)
	case *quantified:
		return r.quantified(e)
	case *choice:
		return r.choice(e)
	case *subquery:
		return r.subquery(e)
	case *listing:
		return r.array(e)
	case *row:
		return "(" + r.list(e.items) + ")", oidRecord
	case *subscript:
		return r.subscript(e)
	case *field:
		of, kind := r.expr(e.of)
		if kind != oidRecord {
			r.fail(unsupported())
		}
		return "(" + of + ")." + quoteName(e.name), oidInt4 // the only records here are of _pg_expandarray
	}
	r.fail(unsupported())
	return "NULL", 0
}

func negated(not bool) string {
	if not {
		return " NOT"
	}
	return ""
}

func literalOf(l literal) (string, uint32) {
	switch l.kind {
	case literalNull:
		return "NULL", oidUnknown
	case literalTrue:
		return "true", oidBool
	case literalFalse:
		return "false", oidBool
	case literalNumber:
		if strings.Trim(l.text, "0123456789") != "" {
			return l.text, oidNumeric
		}
		if n, err := strconv.ParseInt(l.text, 10, 64); err == nil {
			if n < 1<<31 {
				return l.text, oidInt4
			}
			return l.text, oidInt8
		}
		return l.text, oidNumeric
	case literalString:
	}
	return quoteText(l.text), oidUnknown
}

// parameter is a parameter's value as a literal: the text that runs holds nothing but what is known.
func (r *rewriter) parameter(number int, kind uint32) (string, uint32) {
	if old, ok := r.parameters[number]; !ok || old == oidText {
		r.parameters[number] = kind
	}
	l, err := r.value(number)
	if err != nil {
		r.fail(err)
	}
	return literalOf(l)
}

func (r *rewriter) value(number int) (literal, error) {
	if r.described {
		return literal{kind: literalNull}, nil
	}
	if number > len(r.arguments) {
		return literal{}, refuse("08P01", "the statement has more parameters than were given", "give a value for each")
	}
	switch v := r.arguments[number-1].(type) {
	case nil:
		return literal{kind: literalNull}, nil
	case string:
		return literal{literalString, v}, nil
	case int64:
		return literal{literalString, strconv.FormatInt(v, 10)}, nil
	case int:
		return literal{literalString, strconv.Itoa(v)}, nil
	case float64:
		return literal{literalString, strconv.FormatFloat(v, 'g', -1, 64)}, nil
	case bool:
		if v {
			return literal{kind: literalTrue}, nil
		}
		return literal{kind: literalFalse}, nil
	}
	return literal{}, refuse("0A000", "a parameter has a type that the catalogue does not take", "give it as text")
}

// constant is the literal that an expression is, when it is one: a string, or a parameter's value.
func (r *rewriter) constant(e expr, kind uint32) (literal, bool) {
	switch e := e.(type) {
	case literal:
		return e, true
	case parameter:
		if old, ok := r.parameters[e.number]; !ok || old == oidText {
			r.parameters[e.number] = kind
		}
		l, err := r.value(e.number)
		if err != nil {
			r.fail(err)
		}
		return l, true
	}
	return literal{}, false
}

// beside rewrites an operand whose type follows from the other one's.
func (r *rewriter) beside(e expr, kind uint32) string {
	text, _ := r.operand(e, kind)
	return text
}

func (r *rewriter) operand(e expr, kind uint32) (string, uint32) {
	if p, ok := e.(parameter); ok {
		if kind == 0 || kind == oidUnknown {
			kind = oidText
		}
		return r.parameter(p.number, kind)
	}
	return r.expr(e)
}

// pair rewrites two operands that are compared; a string beside a vector or an array is an array.
func (r *rewriter) pair(left, right expr) (a string, x uint32, b string, y uint32) {
	switch left.(type) {
	case parameter, literal:
		b, y = r.operand(right, 0)
		a, x = r.literalBeside(left, y)
		return a, x, b, y
	}
	a, x = r.expr(left)
	b, y = r.literalBeside(right, x)
	return a, x, b, y
}

func (r *rewriter) literalBeside(e expr, kind uint32) (string, uint32) {
	if l, ok := r.constant(e, kind); ok && l.kind == literalString {
		switch {
		case elementOf(kind) != 0:
			return r.arrayText(l.text, kind), kind
		case isNamed(kind):
			return r.lookup(l.text, kind), kind
		}
	}
	return r.operand(e, kind)
}

func (r *rewriter) binary(b *binary) (string, uint32) {
	switch b.op {
	case "AND", "OR":
		left, _ := r.expr(b.left)
		right, _ := r.expr(b.right)
		return "(" + left + " " + b.op + " " + right + ")", oidBool
	case "->", "->>", "#", "@>", "<@", "&&":
		return r.container(b)
	}
	if x, ok := b.left.(*row); ok {
		y, same := b.right.(*row)
		if !same || len(x.items) != len(y.items) {
			r.fail(unsupported())
		}
	}
	left, x, right, y := r.pair(b.left, b.right)
	switch b.op {
	case "=", "<", ">", "<=", ">=", "<>":
		return "(" + left + " " + b.op + " " + right + ")", oidBool
	case "~", "~*", "!~", "!~*":
		return matches(b.op, r.asText(left, x), r.asText(right, y)), oidBool
	case "~~", "~~*", "!~~", "!~~*":
		return r.like(&like{of: b.left, pattern: b.right, insensitive: strings.HasSuffix(b.op, "*"), not: b.op[0] == '!'})
	case "||":
		return r.concat(left, x, right, y)
	case "/":
		if isWhole(x) && isWhole(y) {
			return "(" + left + " // " + right + ")", wider(x, y)
		}
		return "(" + left + " / " + right + ")", wider(x, y)
	case "^":
		return "pow(" + left + ", " + right + ")", oidFloat8
	default:
		return "(" + left + " " + b.op + " " + right + ")", wider(x, y)
	}
}

// wider is the type of arithmetic on two.
func wider(x, y uint32) uint32 {
	order := []uint32{oidUnknown, oidInt2, oidInt4, oidOid, oidInt8, oidNumeric, oidFloat4, oidFloat8}
	i, j := slices.Index(order, x), slices.Index(order, y)
	if i < 0 || j < 0 {
		return 0
	}
	if k := order[max(i, j)]; k != oidOid {
		return k
	}
	return oidInt8
}

// matches is a regular expression as PostgreSQL searches it: anywhere in the text.
func matches(op, text, pattern string) string {
	options := ""
	if strings.HasSuffix(op, "*") {
		options = ", 'i'"
	}
	call := "regexp_matches(CAST(" + text + " AS VARCHAR), " + pattern + options + ")"
	if op[0] == '!' {
		return "(NOT " + call + ")"
	}
	return call
}

func (r *rewriter) concat(left string, x uint32, right string, y uint32) (string, uint32) {
	switch ex, ey := elementOf(x), elementOf(y); {
	case ex != 0 && ey != 0:
		return "list_concat(" + left + ", " + right + ")", x
	case ex != 0:
		return "list_append(" + left + ", CAST(" + right + " AS " + storage(ex) + "))", x
	case ey != 0:
		return "list_prepend(CAST(" + left + " AS " + storage(ey) + "), " + right + ")", y
	}
	return "(CAST(" + r.asText(left, x) + " AS VARCHAR) || CAST(" + r.asText(right, y) + " AS VARCHAR))", oidText
}

// container is what asks about members of arrays.
func (r *rewriter) container(b *binary) (string, uint32) {
	left, x, right, y := r.pair(b.left, b.right)
	if elementOf(x) == 0 || elementOf(y) == 0 {
		r.fail(unsupported())
	}
	switch b.op {
	case "@>":
		return "list_has_all(" + left + ", " + right + ")", oidBool
	case "<@":
		return "list_has_all(" + right + ", " + left + ")", oidBool
	case "&&":
		return "list_has_any(" + left + ", " + right + ")", oidBool
	}
	r.fail(unsupported())
	return "NULL", 0
}

func (r *rewriter) test(t *test) (string, uint32) {
	if t.what == "distinct" {
		left, _, right, _ := r.pair(t.of, t.other)
		return "(" + left + " IS" + negated(t.not) + " DISTINCT FROM " + right + ")", oidBool
	}
	of, _ := r.expr(t.of)
	return "(" + of + " IS" + negated(t.not) + " " + strings.ToUpper(t.what) + ")", oidBool
}

func (r *rewriter) like(l *like) (string, uint32) {
	of, kind := r.operand(l.of, oidText)
	pattern, _ := r.operand(l.pattern, oidText)
	escape := `'\'`
	if l.escape != nil {
		e, ok := r.constant(l.escape, oidText)
		if !ok || e.kind != literalString || len(e.text) > 1 {
			r.fail(unsupported())
			return "NULL", 0
		}
		escape = quoteText(e.text)
	}
	op := " LIKE "
	if l.insensitive {
		op = " ILIKE "
	}
	return "(CAST(" + r.asText(of, kind) + " AS VARCHAR)" + negated(l.not) + op + "CAST(" + pattern + " AS VARCHAR) ESCAPE " + escape + ")", oidBool
}

func (r *rewriter) in(i *in) (string, uint32) {
	of, kind := r.expr(i.of)
	if i.sub != nil {
		text, columns := r.query(i.sub, false)
		if _, ok := i.of.(*row); !ok && len(columns) != 1 {
			r.fail(unsupported())
		}
		return "(" + of + negated(i.not) + " IN (" + text + "))", oidBool
	}
	texts := make([]string, len(i.list))
	for n, e := range i.list {
		texts[n], _ = r.literalBeside(e, kind)
	}
	return "(" + of + negated(i.not) + " IN (" + strings.Join(texts, ", ") + "))", oidBool
}

// quantified is x op ANY (array): for = and <> a look into the list, for the others a look at each.
func (r *rewriter) quantified(q *quantified) (string, uint32) {
	of, kind := r.expr(q.of)
	if q.sub != nil {
		text, columns := r.query(q.sub, false)
		if len(columns) != 1 || elementOf(columns[0].kind) != 0 {
			r.fail(unsupported())
		}
		word := " ANY"
		if q.all {
			word = " ALL"
		}
		if !slices.Contains([]string{"=", "<>", "<", ">", "<=", ">="}, q.op) {
			r.fail(unsupported())
		}
		return "(" + of + " " + q.op + word + " (" + text + "))", oidBool
	}
	want := arrayOf(kind)
	if want == 0 {
		want = oidTextArray
	}
	var list string
	if l, ok := r.constant(q.array, want); ok {
		if l.kind == literalNull {
			return "CAST(NULL AS BOOLEAN)", oidBool
		}
		list = r.arrayText(l.text, want)
	} else {
		var have uint32
		list, have = r.expr(q.array)
		if elementOf(have) == 0 && have != 0 {
			r.fail(refuse("42809", "what follows ANY or ALL is no array", "give an array or a subquery"))
		}
		if storage(have) != storage(want) && isText(kind) {
			list = "CAST(" + list + " AS " + storage(want) + ")"
		}
	}
	switch {
	case q.op == "=" && !q.all:
		return "list_contains(" + list + ", " + of + ")", oidBool
	case q.op == "<>" && q.all:
		return "(NOT list_contains(" + list + ", " + of + "))", oidBool
	}
	test := ""
	switch q.op {
	case "=", "<>", "<", ">", "<=", ">=":
		test = "(" + of + " " + q.op + " weir_e)"
	case "~", "~*", "!~", "!~*":
		test = matches(q.op, of, "weir_e")
	case "~~", "!~~", "~~*", "!~~*":
		test = "(" + of + negated(q.op[0] == '!') + map[bool]string{true: " ILIKE ", false: " LIKE "}[strings.HasSuffix(q.op, "*")] + `weir_e ESCAPE '\')`
	default:
		r.fail(unsupported())
	}
	aggregate := "bool_or"
	if q.all {
		aggregate = "bool_and"
	}
	return "coalesce(list_aggregate(list_transform(" + list + ", lambda weir_e: " + test + "), '" + aggregate + "'), " + strconv.FormatBool(q.all) + ")", oidBool
}

func (r *rewriter) choice(c *choice) (string, uint32) {
	var b strings.Builder
	b.WriteString("(CASE")
	kind, of := oidUnknown, uint32(0)
	if c.of != nil {
		var text string
		text, of = r.expr(c.of)
		b.WriteString(" " + text)
	}
	type branch struct {
		text string
		kind uint32
	}
	var conditions []string
	var branches []branch
	for _, w := range c.when {
		var condition string
		if c.of != nil {
			condition, _ = r.literalBeside(w[0], of)
		} else {
			condition = r.truth(w[0])
		}
		text, k := r.expr(w[1])
		conditions = append(conditions, condition)
		branches = append(branches, branch{text, k})
	}
	if c.otherwise != nil {
		text, k := r.expr(c.otherwise)
		branches = append(branches, branch{text, k})
	}
	for _, br := range branches {
		if br.kind != oidUnknown && (kind == oidUnknown || kind == 0) {
			kind = br.kind
		}
	}
	text := func(br branch) string {
		if isNamed(br.kind) && kind != br.kind {
			return r.asText(br.text, br.kind)
		}
		return br.text
	}
	for i, condition := range conditions {
		b.WriteString(" WHEN " + condition + " THEN " + text(branches[i]))
	}
	if c.otherwise != nil {
		b.WriteString(" ELSE " + text(branches[len(branches)-1]))
	}
	return b.String() + " END)", kind
}

func (r *rewriter) subquery(s *subquery) (string, uint32) {
	text, columns := r.query(s.of, false)
	if s.exists {
		return "EXISTS (" + text + ")", oidBool
	}
	if len(columns) != 1 {
		r.fail(refuse("42601", "a subquery must return one column", "select one"))
		return "NULL", 0
	}
	if s.array {
		kind := arrayOf(columns[0].kind)
		return "ARRAY(" + text + ")", kind
	}
	return "(" + text + ")", columns[0].kind
}

func (r *rewriter) array(a *listing) (string, uint32) {
	kind := oidUnknown
	texts := make([]string, len(a.items))
	for i, e := range a.items {
		var k uint32
		texts[i], k = r.expr(e)
		if kind == oidUnknown {
			kind = k
		}
	}
	if len(texts) == 0 {
		return "CAST([] AS VARCHAR[])", oidTextArray
	}
	return "[" + strings.Join(texts, ", ") + "]", arrayOf(kind)
}

func (r *rewriter) subscript(s *subscript) (string, uint32) {
	of, kind := r.expr(s.of)
	element := elementOf(kind)
	if element == 0 {
		r.fail(refuse("42804", "what has a subscript is no array", "take the subscript away"))
		return "NULL", 0
	}
	shift := ""
	if isVector(kind) {
		shift = " + 1" // vectors count from 0
	}
	low, high := "1", "len("+of+")"
	if s.low != nil {
		low, _ = r.expr(s.low)
		low = "(" + low + ")" + shift
	}
	if !s.slice {
		return of + "[CAST(" + low + " AS BIGINT)]", element
	}
	if s.high != nil {
		high, _ = r.expr(s.high)
		high = "(" + high + ")" + shift
	}
	return of + "[" + low + ":" + high + "]", kind
}
