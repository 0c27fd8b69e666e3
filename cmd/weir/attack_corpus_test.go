//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What stands for {table} and {column}: what is copied for metrics alone or not at all, and beside it what is nowhere, of the same length.
var (
	closedTables  = [][]string{{"fleet.connection_attempt", "fleet.konnection_attempt"}, {"fleet.api_key", "fleet.abi_key"}}
	closedColumns = [][]string{{"first_bound_at", "hirst_bound_at"}, {"mac", "nac"}}
	// closedNames are in no answer.
	closedNames = []string{"connection_attempt", "api_key", "first_bound_at", "_weir"}
)

// required is an answer that a way must give, and what the ledger must hold of it.
type required struct {
	name, kind, rule, verdict string
	state, status             string // SQLSTATE, and HTTP's
	message, hint             string
}

// fields takes a line of the corpus apart.
func fields(line string, n int) []string {
	parts := strings.SplitN(line, " | ", n)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// lines are the lines of a file of testdata, without remarks.
func lines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(l string) bool { return l == "" || strings.HasPrefix(l, "#") })
}

func requiredAnswers(t *testing.T) map[string]required {
	t.Helper()
	out := map[string]required{
		"answered":  {name: "answered", kind: "sql", verdict: "answered"},
		"catalogue": {name: "catalogue", kind: "catalogue"}, // whose answers are not counted
		"nothing":   {name: "nothing", kind: "-"},
	}
	for _, l := range lines(t, "attack_answers.txt") {
		f := fields(l, 8)
		if len(f) != 8 || f[6] == "" || f[7] == "" {
			t.Fatalf("not an answer: %s", l)
		}
		out[f[0]] = required{f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]}
	}
	return out
}

// hostile is a statement and what each way must answer, by its name; a simple query of several statements has the answer of its last.
type hostile struct {
	expect         map[string]string
	sql, parameter string
}

func hostiles(t *testing.T) []hostile {
	t.Helper()
	var all []hostile
	for _, l := range lines(t, "attack_statements.txt") {
		f := fields(l, 2)
		if len(f) != 2 {
			t.Fatalf("not a statement: %s", l)
		}
		h := hostile{expect: map[string]string{}, sql: f[1]}
		for _, e := range strings.Fields(f[0]) {
			ways, name, several := strings.Cut(e, "=")
			if !several {
				ways, name = "simple,extended,copy,json", e
			}
			for w := range strings.SplitSeq(ways, ",") {
				h.expect[w] = name
			}
		}
		if text, err := strconv.Unquote(h.sql); err == nil {
			h.sql = text
		}
		h.sql, h.parameter, _ = strings.Cut(h.sql, " ; ")
		all = append(all, h)
	}
	return all
}

// besiege asks every hostile statement over every way, and returns how many times that was.
func (s *siege) besiege(t *testing.T, ways []way) (statements, asked int) {
	answers := requiredAnswers(t)
	for _, h := range hostiles(t) {
		turns := 1
		if strings.Contains(h.sql+h.parameter, "{table}") || strings.Contains(h.sql+h.parameter, "{column}") {
			turns = 2
		}
		statements++
		for _, w := range ways {
			expect, ok := h.expect[w.name()]
			if !ok {
				continue
			}
			var first answer
			for i := range turns {
				a, ok := s.ask(t, w, h.of(closedTables[statements%2][i], closedColumns[statements%2][i]), expect, answers)
				if !ok {
					continue
				}
				asked++
				if i == 0 {
					first = a
				}
				if a != first {
					t.Errorf("%s tells what exists: %s\n%+v\n%+v", w.name(), h.sql, first, a)
				}
			}
		}
	}
	return statements, asked
}

// of is the statement about a table and a column.
func (h hostile) of(table, column string) hostile {
	fill := strings.NewReplacer("{table}", table, "{column}", column)
	return hostile{sql: fill.Replace(h.sql), parameter: fill.Replace(h.parameter)}
}

// ask asks one statement, and looks whether the answer is the one that is required.
func (s *siege) ask(t *testing.T, w way, h hostile, expect string, answers map[string]required) (answer, bool) {
	t.Helper()
	s.literals++
	fill := strings.NewReplacer("{lit}", fmt.Sprintf("%s%05d", canaryLiteral, s.literals))
	sql := fill.Replace(h.sql)
	var parameters []string
	if h.parameter != "" {
		parameters = []string{fill.Replace(h.parameter)}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := w.ask(ctx, sql, parameters)
	if err != nil {
		t.Errorf("%s: the connection did not outlive %s: %v", w.name(), sql, err)
		return a, false
	}
	var last required
	for name := range strings.SplitSeq(expect, "+") {
		var known bool
		if last, known = answers[name]; !known {
			t.Fatalf("there is no answer %s: %s", name, h.sql)
		}
		s.oweAnswer(w.person(), last)
	}
	want := answer{code: last.state, message: last.message, hint: last.hint}
	if w.name() == "json" {
		want.code = last.status
	}
	if last.message == "" {
		want.code = ""
	}
	if got := (answer{code: a.code, message: a.message, hint: a.hint, rest: a.rest}); got != want {
		t.Errorf("%s: %s\ngot  %+v\nwant %s %+v", w.name(), sql, got, last.name, want)
	}
	said := a.rows + a.message + a.hint
	for _, closed := range append([]string{canaryLiteral}, closedNames...) {
		if strings.Contains(said, closed) {
			t.Errorf("%s: %s: the answer holds %s", w.name(), sql, closed)
		}
	}
	return a, true
}

// oweAnswer notes what the ledger must hold of an answer.
func (s *siege) oweAnswer(person string, r required) {
	if r.kind != "-" {
		s.owe(person, r.kind, r.verdict, r.rule)
	}
}

// withoutRights asks as somebody whose role has no SQL: over the page, where alone they come in.
func (s *siege) withoutRights(t *testing.T, ways []way) {
	answers := requiredAnswers(t)
	for _, w := range ways {
		for _, sql := range []string{"SELECT 1", "SELECT * FROM fleet.device", "SELECT * FROM fleet.api_key", "SELECT '{lit}'", "DROP TABLE fleet.device", "SELECT * FROM pg_class", "no SQL {lit}", ";"} {
			s.ask(t, w, hostile{sql: sql}, "role", answers)
		}
	}
}
