package decision

import (
	"fmt"
	"slices"
	"strings"
)

// FunctionGroup is a part of the list of allowed functions, as documentation shows it.
type FunctionGroup struct {
	Title string
	Names []string
}

// Functions returns the list of allowed functions.
func Functions() []FunctionGroup {
	var out []FunctionGroup
	for _, g := range functionGroups {
		names := strings.Fields(g.names)
		slices.Sort(names)
		out = append(out, FunctionGroup{Title: g.title, Names: names})
	}
	return out
}

// ruleOrder is the order in which the documentation tells of the rules: that in which a statement meets them.
var ruleOrder = []Rule{
	RuleBytes, RuleLength, RuleSyntax, RuleSelect, RuleTable, RuleCopying, RuleColumn, RuleAmbiguous, RuleSource, RuleFunction, RuleSession, RulePattern, RuleType, RuleSample,
	RuleRecursion, RuleSize, RuleLimit, RuleParameter, RuleArray, RuleConstruct, RuleRegenerated,
}

// Documentation returns the page about the language: docs/sql.md is exactly this.
func Documentation() string {
	var b strings.Builder
	b.WriteString(documentHead)
	b.WriteString("\n## Why a statement is refused\n\nA refusal names one of these rules, a place when there is one, what is allowed instead, and who can grant it. It says nothing " +
		"of what exists:\na table or column that is forbidden and one that is not there get the same answer.\n\n| rule | SQLSTATE | what happened | what to do |\n| --- | --- | --- | --- |\n")
	for _, r := range ruleOrder {
		s := sayings[r]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r, s.state, cell(s.message), cell(s.hint))
	}
	b.WriteString("\n## Functions\n\nWhat is not in this list is refused. Every role may use all of it.\n")
	for _, g := range Functions() {
		fmt.Fprintf(&b, "\n**%s.** ", g.Title)
		for i, n := range g.Names {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString("`" + strings.ReplaceAll(n, "|", "\\|") + "`")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

const documentHead = `# The SQL that weir answers

The language is DuckDB's SELECT. A statement is parsed by the engine's own parser, in an engine without data; an allow-list of the parts of the language walks
the tree; every name is looked up in what your role may see; the limit on rows goes in; and only text that is written anew from that tree runs. Each table in it
is replaced by a projection onto the columns that the statement reads, so nothing else of the table can be reached.

This page is made from the lists that decide, and a test holds it against them.

## What works

- WITH (also MATERIALIZED), subqueries everywhere, correlated and LATERAL ones, VALUES, FROM first, TABLE, aliases before a colon
- all joins: INNER, LEFT, RIGHT, FULL, CROSS, SEMI, ANTI, ASOF, POSITIONAL, NATURAL, USING
- GROUP BY with ALL, ROLLUP, CUBE and GROUPING SETS; HAVING; QUALIFY; FILTER; WITHIN GROUP; DISTINCT ON; ORDER BY ALL
- windows with every frame, EXCLUDE and IGNORE NULLS; named windows
- UNION, UNION BY NAME, INTERSECT, EXCEPT, with ALL
- lists, structs, maps, arrays and JSON with their literals, slices, lambdas, list comprehensions, and ` + "`column.function()`" + `
- ` + "`*`" + ` with EXCLUDE, REPLACE, RENAME and LIKE; COLUMNS with a pattern, a list or a lambda: they stand for the columns that you may see
- casts and TRY to the built-in types
- parameters $1, $2, … and ?: of the type of the column beside them, of that to which the statement casts them, or of that which the client declares
- lists as parameters, in PostgreSQL's text or binary form of an array of one dimension: ` + "`= ANY($1)`, `<> ALL($1)`, `unnest($1::bigint[])`" + `; and as texts: ` + "`'{1,2}'::int[]`" + `
- unnest, range and generate_series in FROM, with ORDINALITY

A table may be written without its schema when only one table of your role has its name. A limit that you write stays when it is smaller than that on rows.

## What differs from PostgreSQL

- ` + "`/`" + ` divides integers into fractions; ` + "`//`" + ` divides them into integers
- ` + "`~`, `!~`, `~*`, `!~*`" + ` and SIMILAR TO are refused, because they match the whole text here: use regexp_matches or regexp_full_match
- ` + "`1.23456::numeric`" + ` is a number with three decimals, 1.235: write how many are to stay, ` + "`1.23456::numeric(18, 5)`" + `
- a column without a name is headed by what it is computed from: ` + "`count_star()`" + ` for count(*), ` + "`(1 + 1)`" + `; AS gives it another
- ` + "`^`" + ` is a power, and names are compared without the case of their letters, in quotes, too

## What the record holds

The statement with every literal replaced by a keyed hash, so that equal literals can be told to be equal and none can be read; a name that you made up and that
is longer than two letters is replaced, too. Beside it stand the columns that were read anywhere in the statement.
`
