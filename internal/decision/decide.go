package decision

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Decider decides on statements. It holds no state, so it may be used by many at once, as far as its parser may.
type Decider struct {
	parser Parser
	key    []byte
}

// mostRows is the greatest limit on rows.
const mostRows = 1 << 53

// minKey is the least length of a key for literals, in bytes.
const minKey = 16

// New makes a decider. Literals in shapes are hashed under literalKey, which has 16 bytes at least; with less, nothing is decided.
func New(p Parser, literalKey []byte) *Decider {
	return &Decider{parser: p, key: slices.Clone(literalKey)}
}

// regenerator is a parser that does two steps in one round.
type regenerator interface {
	Regenerate(ctx context.Context, tree []byte) (sql string, again []byte, err error)
}

// Decide says whether a statement may run and what runs in its place. A refusal is a *fault.Error (kind Refused, or Usage when the text is no SQL) with a
// *RefusalError as its cause; it holds nothing of the statement. Any other error is the parser's, and then nothing may run either.
func (d *Decider) Decide(ctx context.Context, r Request) (*Decision, error) {
	if len(d.key) < minKey || r.Catalog == nil || r.MaxRows < 0 {
		return nil, fault.New(fault.Internal, "the decision on SQL is not set up", "report it with weir's version")
	}
	if rule, at := checkBytes(r.SQL); rule != "" {
		return nil, refusal(rule, position(r.SQL, at))
	}
	statement, err := d.parse(ctx, r.SQL)
	if err != nil {
		return nil, err
	}
	if err := d.name(ctx, statement); err != nil {
		return nil, err
	}
	w := &walker{sql: r.SQL, catalog: r.Catalog, types: r.Types, parameters: map[int]string{}, growth: 1}
	top := object(statement, "node")
	w.query(top, nil, nil)
	if w.rule == "" && r.MaxRows > 0 {
		top = w.limit(top, min(r.MaxRows, mostRows)+1)
	}
	for i := range w.parameters {
		if i > len(w.parameters) {
			w.refuse(RuleParameter, -1)
		}
	}
	if w.rule != "" {
		return nil, refusal(w.rule, position(r.SQL, w.at))
	}
	w.project()
	sql, err := d.regenerate(ctx, statementNode(top, statement["named_param_map"]), top)
	if err != nil {
		return nil, err
	}
	return &Decision{SQL: sql, Parameters: len(w.parameters), Casts: w.casts(), Leans: w.leanings(), Reads: w.reads(), Shape: d.shape(sql, r.Catalog)}, nil
}

// parse asks the parser and returns the only statement.
func (d *Decider) parse(ctx context.Context, sql string) (node, error) {
	raw, err := d.parser.Serialize(ctx, sql)
	if err != nil {
		return nil, err
	}
	tree, err := decode(raw)
	if err != nil {
		return nil, fault.New(fault.Internal, "the parser's answer cannot be read", "report it with weir's version").WithCause(err)
	}
	if failed, ok := tree["error"].(bool); !ok || failed {
		return nil, parseRefusal(tree, sql)
	}
	statements := list(tree, "statements")
	if len(statements) != 1 {
		return nil, refusal(RuleSelect, 0)
	}
	s := asNode(statements[0])
	for k := range s {
		if k != "node" && k != "named_param_map" {
			return nil, refusal(RuleConstruct, 0)
		}
	}
	return s, nil
}

// parseRefusal turns what the parser says into a refusal. The parser's text may quote the statement; only its type and place are looked at.
func parseRefusal(tree node, sql string) error {
	if text(tree, "error_type") != "parser" {
		return refusal(RuleSelect, 0)
	}
	at, err := strconv.Atoi(text(tree, "position"))
	if err != nil {
		at = -1
	}
	return refusal(RuleSyntax, position(sql, at))
}

// name gives the columns whose names the engine makes from functions those names as aliases, because functions go out written in full. The names are what the
// parser writes for the expressions.
func (d *Decider) name(ctx context.Context, statement node) error {
	var items []node
	unnamedItems(statement, true, &items)
	var asked []node
	var columns []any
	mark := ""
	for _, n := range items {
		if text(n, "function_name") == "count_star" && text(n, keyClass) == "FUNCTION" && empty(n["schema"]) && empty(n["filter"]) {
			n[keyAlias] = "count_star()"
			continue
		}
		if mark == "" {
			mark = d.mark(statement)
		}
		c := make(node, len(n)+1)
		for k, v := range n {
			c[k] = v
		}
		c[keyAlias] = fmt.Sprintf("%s%d", mark, len(asked))
		asked, columns = append(asked, n), append(columns, c)
	}
	if len(asked) == 0 {
		return nil
	}
	tree, err := encode(statementNode(selectNode(columns, node{"type": "EMPTY"}), statement["named_param_map"]))
	if err != nil {
		return err
	}
	sql, err := d.parser.Deserialize(ctx, tree)
	if err != nil {
		return refusal(RuleRegenerated, 0)
	}
	rest := strings.TrimPrefix(sql, "SELECT ")
	for i, n := range asked {
		name, after, ok := strings.Cut(rest, fmt.Sprintf(" AS %s%d", mark, i))
		if !ok {
			return refusal(RuleRegenerated, 0)
		}
		n[keyAlias] = name
		rest = strings.TrimPrefix(after, ", ")
	}
	return nil
}

// mark is a name that nobody who does not have the key can write into a statement.
func (d *Decider) mark(statement node) string {
	raw, err := encode(statement)
	if err != nil {
		raw = nil // it was decoded from JSON: it cannot fail, and if it does, the mark is still the key's
	}
	return "weir_" + d.hasher().hash("mark", string(raw)) + "_"
}

// unnamedItems gathers the items of SELECT lists that hold functions and have no alias. The columns of a subquery inside an expression need no names.
func unnamedItems(v any, named bool, out *[]node) {
	switch x := v.(type) {
	case node:
		if named {
			for _, i := range list(x, "select_list") {
				if n := asNode(i); needsName(n) {
					*out = append(*out, n)
				}
			}
		}
		for k, c := range x {
			unnamedItems(c, k == "select_list" || k == "left" || k == "right" || k == "children" && text(x, keyClass) == "" || text(x, keyClass) != "SUBQUERY" && named, out)
		}
	case []any:
		for _, c := range x {
			unnamedItems(c, named, out)
		}
	}
}

func needsName(n node) bool {
	if text(n, keyAlias) != "" || plural(n) {
		return false
	}
	return text(n, keyClass) != "COLUMN_REF" && changes(n)
}

// changes says whether an expression holds something whose text changes on its way: a function, a subquery, a column with its schema.
func changes(v any) bool {
	switch x := v.(type) {
	case node:
		switch text(x, keyClass) {
		case "SUBQUERY":
			return true
		case "FUNCTION":
			if !truth(x, "is_operator") {
				return true
			}
		case "COLUMN_REF":
			return len(list(x, "column_names")) > 2
		case "CONSTANT":
			return castConstant(x) != ""
		case "PARAMETER": // it may go out in a cast
			return true
		}
		for _, c := range x {
			if changes(c) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, changes)
	}
	return false
}

// regenerate writes the tree as text and makes sure that the text means the tree.
func (d *Decider) regenerate(ctx context.Context, statement, top node) (string, error) {
	tree, err := encode(statement)
	if err != nil {
		return "", err
	}
	var sql string
	var raw []byte
	if p, ok := d.parser.(regenerator); ok {
		sql, raw, err = p.Regenerate(ctx, tree)
	} else if sql, err = d.parser.Deserialize(ctx, tree); err == nil {
		raw, err = d.parser.Serialize(ctx, sql)
	}
	if err != nil {
		if fault.KindOf(err) == fault.Invalid { // the parser does not read what it should
			return "", refusal(RuleRegenerated, 0)
		}
		return "", err
	}
	again, err := decode(raw)
	if err != nil {
		return "", refusal(RuleRegenerated, 0)
	}
	statements := list(again, "statements")
	if failed, ok := again["error"].(bool); !ok || failed || len(statements) != 1 || !same(top, object(asNode(statements[0]), "node")) {
		return "", refusal(RuleRegenerated, 0)
	}
	return sql, nil
}

// limit puts the limit on rows into the outermost query. Where a limit is written as a number, the smaller of the two stands.
func (w *walker) limit(top node, most int64) node {
	ordered := false
	for _, v := range list(top, "modifiers") {
		m := asNode(v)
		switch text(m, "type") {
		case "ORDER_MODIFIER":
			ordered = true
		case "LIMIT_MODIFIER":
			m["limit"] = smaller(m["limit"], most)
			return top
		case "LIMIT_PERCENT_MODIFIER":
			if ordered { // what is outside of it would not keep the order
				w.refuse(RuleLimit, -1)
			}
			from := node{"type": "SUBQUERY", "alias": "_weir_part", "subquery": node{"node": top}, "column_name_alias": []any{}}
			top = selectNode([]any{node{keyClass: "STAR", keyType: "STAR", "exclude_list": []any{}}}, from)
		}
	}
	top["modifiers"] = append(list(top, "modifiers"), node{"type": "LIMIT_MODIFIER", "limit": numberNode(most)})
	return top
}

func smaller(limit any, most int64) node {
	if empty(limit) {
		return numberNode(most)
	}
	if n, ok := whole(asNode(limit)); ok {
		if n >= 0 && n < most {
			return asNode(limit)
		}
		return numberNode(most)
	}
	return functionNode("least", limit, numberNode(most))
}
