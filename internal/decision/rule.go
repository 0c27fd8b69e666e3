package decision

import (
	"github.com/weirproject/weir/internal/fault"
)

// The rules.
const (
	RuleBytes       Rule = "bytes"       // not UTF-8, NUL, or white space that looks like a blank and is none
	RuleLength      Rule = "length"      // the text is too long, nested too deep or of too many parts
	RuleSyntax      Rule = "syntax"      // the engine's parser does not read it
	RuleSelect      Rule = "select"      // it is no SELECT, or not exactly one
	RuleTable       Rule = "table"       // a table that does not exist for the asker
	RuleCopying     Rule = "copying"     // a table whose first copy is not whole yet
	RuleColumn      Rule = "column"      // a column that does not exist for the asker
	RuleAmbiguous   Rule = "ambiguous"   // a name that stands for two things
	RuleSource      Rule = "source"      // something in FROM that is no table, subquery or list of values: table functions, files, PIVOT, DESCRIBE
	RuleFunction    Rule = "function"    // a function that is not on the list
	RuleSession     Rule = "session"     // what tells of the session, beside tables or where no session is
	RulePattern     Rule = "pattern"     // reads like PostgreSQL and means something else: ~, !~, ~*, SIMILAR TO, substring with a pattern
	RuleType        Rule = "type"        // a type that is not on the list
	RuleSample      Rule = "sample"      // a sample, whose answer nobody can repeat
	RuleRecursion   Rule = "recursion"   // a recursive CTE, whose end nobody can tell
	RuleSize        Rule = "size"        // a constant that makes the answer grow without bound
	RuleLimit       Rule = "limit"       // a limit that cannot be combined with the limit on rows
	RuleParameter   Rule = "parameter"   // a parameter that is named, or numbers with gaps
	RuleArray       Rule = "array"       // an array written as a text that is none of one dimension
	RuleConstruct   Rule = "construct"   // a part of the language that is not on the list
	RuleRegenerated Rule = "regenerated" // the text made from the tree does not mean the tree
)

// saying is what a refusal by a rule says. None of it comes from the statement.
type saying struct {
	kind                 fault.Kind
	state, message, hint string
}

const who = "; who needs more asks an administrator"

var sayings = map[Rule]saying{
	RuleBytes: {
		fault.Refused, "22021", "the statement holds a character that cannot be part of it",
		"outside of quotes and comments use blanks, tabs and line ends only, and send UTF-8",
	},
	RuleLength: {
		fault.Refused, "54001", "the statement is too long or nested too deeply",
		"at most 256 KiB, 200 levels and 40000 parts are answered; put long lists into a parameter",
	},
	RuleSyntax: {fault.Usage, "42601", "the statement is not valid SQL", "the language is DuckDB's SELECT"},
	RuleSelect: {
		fault.Refused, "0A000", "only SELECT is answered here, one statement at a time",
		"the copy is changed by its source alone; send one SELECT, WITH, FROM or VALUES statement",
	},
	RuleTable: {
		fault.Refused, "42P01", "there is no such table for you",
		"\\d lists the tables of your role" + who,
	},
	RuleCopying: {
		fault.Unavailable, "55000", "the table is being copied for the first time and not whole yet",
		"ask again in a while; weir status and the page about the copy say how far it is",
	},
	RuleColumn: {
		fault.Refused, "42703", "there is no such column for you",
		"\\d with a table's name lists the columns of your role" + who,
	},
	RuleAmbiguous: {
		fault.Refused, "42702", "a name in the statement stands for more than one thing",
		"write the schema before the table, and give each table of a FROM a name of its own",
	},
	RuleSource: {
		fault.Refused, "42501", "FROM takes tables of your role, subqueries, VALUES, unnest, range and generate_series, nothing else",
		"no role reads files, other databases or the engine's own tables; instead of PIVOT use FILTER (WHERE …), instead of DESCRIBE use \\d",
	},
	RuleFunction: {
		fault.Refused, "42501", "a function in the statement is not on the list of allowed functions",
		"the documentation lists the functions that every role may use; the list changes with a release of weir, and no role can widen it",
	},
	RuleSession: {
		fault.Refused, "0A000", "what tells of the session is answered over the SQL port alone, in a statement without tables",
		"ask the two separately: SELECT current_user, current_database(), now() is answered there",
	},
	RulePattern: {
		fault.Refused, "0A000", "~, !~, ~*, !~*, SIMILAR TO and substring with a pattern mean something else here than in PostgreSQL",
		"use LIKE, ILIKE, regexp_matches(text, pattern) for a part or regexp_full_match(text, pattern) for the whole, with 'i' as third argument for any case; regexp_extract(text, pattern) is what matched",
	},
	RuleType: {
		fault.Refused, "42704", "a type in the statement is not on the list of allowed types",
		"the built-in types, and lists, structs, maps and arrays of them, can be cast to",
	},
	RuleSample: {
		fault.Refused, "0A000", "samples are not answered, because nobody could repeat the answer",
		"filter by a hash of a column: WHERE hash(id) % 100 = 0",
	},
	RuleRecursion: {
		fault.Refused, "0A000", "a WITH RECURSIVE that refers to itself is not answered",
		"use generate_series for a series, and joins for a known number of levels",
	},
	RuleSize: {
		fault.Refused, "54000", "a number in the statement would make the answer grow without bound",
		"write counts, widths and lengths as numbers up to 10000, ranges up to 10000000 rows",
	},
	RuleLimit: {fault.Refused, "0A000", "LIMIT with a percentage and an order cannot be combined with the limit on rows", "write LIMIT with a number of rows"},
	RuleParameter: {
		fault.Refused, "42P02", "parameters must be numbered from $1 without a gap",
		"write $1, $2, … or ?, at most 1000 of them, and not $name",
	},
	RuleArray: {
		fault.Refused, "22P02", "an array in the statement is written in a way that is not read here",
		"write ARRAY[1, 2], or '{1,2}' with one dimension and without bounds",
	},
	RuleConstruct: {
		fault.Refused, "0A000", "the statement uses a part of the language that is not answered here",
		"the documentation lists what is answered; simpler words for the same often exist",
	},
	RuleRegenerated: {
		fault.Refused, "0A000", "the statement could not be written anew with the same meaning, so it does not run",
		"write it in a simpler way, and report it: this is a gap of weir's",
	},
}

// refusal makes the error of a rule at a place; 0 is no place.
func refusal(r Rule, position int) error {
	s := sayings[r]
	return fault.New(s.kind, s.message, s.hint).WithCause(&RefusalError{Rule: r, SQLState: s.state, Position: position})
}
