package policy

import (
	_ "embed" // the names of the time zones
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is a policy file: its name as people call it, and what is in it.
type File struct {
	Name string
	Data []byte
}

// maxName is how long a name may be; no database that weir reads allows more.
const maxName = 64

// reserved begins the names that the store keeps for itself.
const reserved = "_weir"

var wordForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

//go:embed zones.txt
var zoneNames string

// zones are the names of the time zone database. They stand here as data because looking one up would read the machine's files.
var zones = strings.Fields(zoneNames)

var (
	tableKeys  = []string{"table", "access", "purpose", "exploration", "columns"}
	columnKeys = []string{"class", "treat", "access", "subject", "to", "zone", "width", "edges", "bits4", "bits6", "chars"}
	// mistaken are words that people write for a treatment, with the treatment.
	mistaken = map[string]Treatment{
		"exact": Keep, "copy": Keep, "plain": Keep, "none": Keep, "hash": Pseudonym, "hmac": Pseudonym, "pseudonymize": Pseudonym, "pseudonymise": Pseudonym,
		"mask": Drop, "hide": Drop, "remove": Drop, "delete": Drop, "exists": Presence, "round": Bucket, "date_trunc": Truncate,
	}
)

// Parse reads policy files: each YAML document of each file is the policy of one table, or the limits of one role. It finds everything that is wrong and returns it as one *fault.Error
// of kind Invalid, in which errors.As finds a *ProblemsError. No files, or files without a document, are the policy under which nothing crosses.
func Parse(files []File) (*Policy, error) {
	p := &Policy{}
	var problems []Problem
	for _, f := range files {
		r := &reader{file: f.Name}
		for _, body := range r.documents(f.Data) {
			all, ok := r.entries(body, 1, "the document", "write table:, access: and columns:")
			if !ok {
				continue
			}
			if slices.ContainsFunc(all, func(e entry) bool { return e.key == "role" }) && !slices.ContainsFunc(all, func(e entry) bool { return e.key == "table" }) {
				if limited := r.role(all); limited != nil {
					p.Limited = append(p.Limited, *limited)
				}
				continue
			}
			p.Tables = append(p.Tables, r.table(all, lineOf(body, 1)))
		}
		problems = append(problems, r.problems...)
	}
	problems = append(problems, sameTables(p.Tables)...)
	problems = append(problems, sameRoles(p.Limited)...)
	if err := Refuse(problems); err != nil {
		return nil, err
	}
	slices.SortFunc(p.Tables, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Limited, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return p, nil
}

// sameTables finds tables that come twice. The store does not tell upper from lower case, so neither may the policy.
func sameTables(tables []*Table) []Problem {
	var problems []Problem
	first := map[string]*Table{}
	for _, t := range tables {
		if t.Name == "" {
			continue
		}
		key := strings.ToLower(t.Name)
		if f := first[key]; f != nil {
			problems = append(problems, Problem{
				Pos: t.Pos, What: fmt.Sprintf("table %s has a policy already", shown(t.Name)),
				Right: fmt.Sprintf("it stands at %s:%d; make the two one", f.Pos.File, f.Pos.Line),
			})
			continue
		}
		first[key] = t
	}
	return problems
}

// table reads a document of a table, which begins in that line.
func (r *reader) table(all []entry, line int) *Table {
	t := &Table{Pos: Pos{File: r.file, Line: line}}
	var columns *entry
	for i, e := range all {
		if i == 0 {
			t.Pos.Line = e.line
		}
		switch e.key {
		case "table":
			t.Pos.Line = e.line
			t.Name = r.tableName(e)
		case "access":
			a, what := accessOf(e)
			if what != "" {
				r.report(e.line, what, accessRight)
			}
			t.Access = a
		case "purpose":
			t.Purpose = r.purpose(e)
		case "exploration":
			if s, is := r.word(e, `say in words why it is explored: exploration: "why"`); is {
				t.Exploration = strings.Join(strings.Fields(s), " ")
			}
		case "columns":
			columns = &all[i]
		default:
			r.report(e.line, fmt.Sprintf("unknown key %s", shown(e.key)), didYouMean(e.key, tableKeys, "a table has "+list(tableKeys, "and")))
		}
	}
	r.missing(all, t.Pos.Line)
	if columns != nil {
		r.columns(t, *columns)
	}
	return t
}

// missing reports the keys that a table cannot do without.
func (r *reader) missing(all []entry, line int) {
	for _, need := range []struct{ key, right string }{
		{"table", "say which with its schema: table: fleet.device"},
		{"access", "say who may read it: access: sql or access: metrics"},
		{"columns", "name its columns under columns:"},
	} {
		if !slices.ContainsFunc(all, func(e entry) bool { return e.key == need.key }) {
			r.report(line, "the table has no "+need.key, need.right)
		}
	}
}

func (r *reader) tableName(e entry) string {
	const right = "write the schema and the table: fleet.device"
	s, ok := r.word(e, right)
	if !ok {
		return ""
	}
	schema, table, dotted := strings.Cut(s, ".")
	if !dotted {
		r.report(e.line, fmt.Sprintf("table %s has no schema", shown(s)), right)
		return ""
	}
	if !nameable(schema) || !nameable(table) {
		r.report(e.line, fmt.Sprintf("table %s is not a name that weir can use", shown(s)), right)
		return ""
	}
	return s
}

const accessRight = "use access: sql or access: metrics"

// accessOf returns the access that an entry says, or what is wrong with it.
func accessOf(e entry) (a Access, what string) {
	s, ok := text(e.value)
	switch a = Access(s); {
	case !ok:
		return "", "access is not a word"
	case a == AccessReleases:
		return "", "access: releases is not there yet"
	case a != AccessSQL && a != AccessMetrics:
		return "", "unknown access " + shown(s)
	}
	return a, ""
}

func (r *reader) purpose(e entry) []string {
	const right = "name the metrics that need it: purpose: [failed_connection_rate]"
	all, ok := r.words(e, right)
	if !ok {
		return nil
	}
	for i, m := range all {
		switch {
		case !wordForm.MatchString(m):
			r.report(e.line, fmt.Sprintf("%s is not the name of a metric", shown(m)), "a name is made of a-z, 0-9 and _, beginning with a letter")
			return nil
		case slices.Contains(all[:i], m):
			r.report(e.line, fmt.Sprintf("purpose has %s twice", m), "remove one")
			return nil
		}
	}
	slices.Sort(all)
	return all
}

// columns reads the columns of a table.
func (r *reader) columns(t *Table, e entry) {
	const right = "write a line for each column: model_id: {class: telemetry, treat: keep}"
	if empty(e.value) {
		r.report(e.line, "columns is empty", right)
		return
	}
	all, ok := r.entries(e.value, e.line, "columns", right)
	if !ok {
		return
	}
	if len(all) == 0 {
		r.report(e.line, "columns is empty", right)
	}
	first := map[string]entry{}
	for _, c := range all {
		if !nameable(c.key) {
			r.report(c.line, fmt.Sprintf("column %s is not a name that weir can use", shown(c.key)), "a name is printable, has no dot or quote and at most 64 bytes")
			continue
		}
		key := strings.ToLower(c.key)
		if strings.HasPrefix(key, reserved) {
			r.report(c.line, fmt.Sprintf("column %s has a name of the store's own", shown(c.key)), "leave it out; names that begin with "+reserved+" are held back")
			continue
		}
		if f, twice := first[key]; twice {
			r.report(c.line, fmt.Sprintf("column %s is written %s in line %d", shown(c.key), shown(f.key), f.line), "the store does not tell upper from lower case; keep one")
			continue
		}
		first[key] = c
		if col, is := r.column(t, c); is {
			t.Columns = append(t.Columns, col)
		}
	}
	slices.SortFunc(t.Columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
}

// nameable tells whether a part of a name can be used everywhere a name goes.
func nameable(s string) bool {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c == '.' || c == '"' || c == utf8.RuneError || !unicode.IsPrint(c) })
}

// shown is a word of a file as a message shows it: bare when it is a plain name, quoted and cut otherwise.
func shown(s string) string {
	if len(s) > maxName {
		cut := maxName
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	for _, part := range strings.Split(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(c rune) bool { return c != '_' && (c > 0x7e || !unicode.IsLetter(c) && !unicode.IsDigit(c)) }) {
			return strconv.Quote(s)
		}
	}
	return s
}

// Zones returns the names of the time zones that truncate knows.
func Zones() []string { return slices.Clone(zones) }
