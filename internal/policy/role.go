package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Right is something that a role may do at the gate. What a role does not have is denied.
type Right string

// The rights.
const (
	ReadMetrics  Right = "metrics" // ask for metrics
	AskSQL       Right = "sql"     // and SELECT over what is open to SQL
	ManagePeople Right = "people"  // accounts, settings, and everybody's record; no data by that
)

// Role is what somebody may do at the gate, and how much of it at most.
type Role struct {
	Name   string
	May    []Right
	Limits Limits
	Pos    Pos // of the document that limits it; zero when none does
}

// Limits are how much a role may ask. A role that may not ask has none.
type Limits struct {
	Rows    int64         // of one answer
	Time    time.Duration // of one question
	AtATime int           // questions of one account at a time
}

// roles are all that there are, with the widest limits that a policy can leave them: enough for an export and for a morning's dashboard, and too little to be in everybody's way for long.
var roles = []Role{
	{Name: "viewer", May: []Right{ReadMetrics}, Limits: Limits{Rows: 100_000, Time: time.Minute, AtATime: 4}},
	{Name: "analyst", May: []Right{ReadMetrics, AskSQL}, Limits: Limits{Rows: 20_000_000, Time: 5 * time.Minute, AtATime: 4}},
	{Name: "admin", May: []Right{ManagePeople}},
}

// shortestTime is the least time that a role can be left with: less would refuse everything.
const shortestTime = time.Second

var roleKeys = []string{"role", "rows", "time", "at_a_time"}

// Roles returns every role with the limits that hold under this policy: the widest, where it says nothing; nil stands for the empty policy.
func (p *Policy) Roles() []Role {
	all := make([]Role, len(roles))
	for i, r := range roles {
		r.May = slices.Clone(r.May)
		if p != nil {
			for _, limited := range p.Limited {
				if limited.Name == r.Name {
					r.Limits, r.Pos = limited.Limits, limited.Pos
				}
			}
		}
		all[i] = r
	}
	return all
}

// limitable are the names of the roles that have limits.
func limitable() []string {
	var names []string
	for _, r := range roles {
		if r.Limits != (Limits{}) {
			names = append(names, r.Name)
		}
	}
	return names
}

// role reads a document that begins with role: what of its limits a role is left.
func (r *reader) role(all []entry) *Role {
	out := Role{Pos: Pos{File: r.file, Line: all[0].line}}
	right := "write role: " + list(limitable(), "or")
	known := false
	for _, e := range all {
		if e.key != "role" {
			continue
		}
		out.Pos.Line = e.line
		name, is := r.word(e, right)
		if !is {
			return nil
		}
		for _, there := range roles {
			if there.Name == name {
				out.Name, out.May, out.Limits, known = name, there.May, there.Limits, true
			}
		}
		switch {
		case !known:
			r.report(e.line, "there is no role "+shown(name), didYouMean(name, limitable(), right))
		case out.Limits == Limits{}:
			r.report(e.line, "the role "+name+" asks nothing of the copy, so nothing limits it", "leave it out")
			known = false
		}
	}
	if !known {
		return nil
	}
	widest := out.Limits
	for _, e := range all {
		switch e.key {
		case "role":
		case "rows":
			out.Limits.Rows = r.atMost(e, widest.Rows)
		case "at_a_time":
			out.Limits.AtATime = int(r.atMost(e, int64(widest.AtATime)))
		case "time":
			out.Limits.Time = r.shorter(e, widest.Time)
		default:
			r.report(e.line, fmt.Sprintf("unknown key %s", shown(e.key)), didYouMean(e.key, roleKeys, "a role has "+list(roleKeys, "and")+"; what it may do is fixed"))
		}
	}
	if len(all) == 1 {
		r.report(out.Pos.Line, "the role "+out.Name+" is left all that it has", "say what limits it: rows: 10000, time: 30s or at_a_time: 2; or leave it out")
	}
	return &out
}

// atMost returns a whole number from 1 to most, or 0 after reporting it.
func (r *reader) atMost(e entry, most int64) int64 {
	f, ok := number(e.value)
	if _, isInt := e.value.(*ast.IntegerNode); !ok || !isInt || f < 1 || f > float64(most) {
		r.report(e.line, fmt.Sprintf("%s is not a whole number from 1 to %d", e.key, most), fmt.Sprintf("write %s: a number in that range; a policy can only take from what a role has", e.key))
		return 0
	}
	return int64(f)
}

// shorter returns a duration of at most that long, or 0 after reporting it.
func (r *reader) shorter(e entry, most time.Duration) time.Duration {
	s, _ := text(e.value)
	d, err := time.ParseDuration(s)
	if err != nil || d < shortestTime || d > most {
		r.report(e.line, fmt.Sprintf("time is not a time from %s to %s", spoken(shortestTime), spoken(most)), "write a number and its unit, time: 30s or time: 2m; a policy can only take from what a role has")
		return 0
	}
	return d
}

// spoken is a duration as people write it: 1m30s, 5m, 30s.
func spoken(d time.Duration) string {
	minutes, rest := d/time.Minute, d%time.Minute
	switch {
	case minutes == 0:
		return rest.String()
	case rest == 0:
		return strconv.FormatInt(int64(minutes), 10) + "m"
	}
	return strconv.FormatInt(int64(minutes), 10) + "m" + rest.String()
}

// sameRoles finds roles that come twice.
func sameRoles(limited []Role) []Problem {
	var problems []Problem
	for i, r := range limited {
		if at := slices.IndexFunc(limited[:i], func(f Role) bool { return f.Name == r.Name }); at >= 0 {
			first := limited[at].Pos
			problems = append(problems, Problem{
				Pos: r.Pos, What: fmt.Sprintf("role %s is limited already", r.Name), Right: fmt.Sprintf("it stands at %s:%d; make the two one", first.File, first.Line),
			})
		}
	}
	return problems
}

// roles compares what the roles may ask.
func (d *differ) roles(before, after *Policy) {
	was := before.Roles()
	for i, is := range after.Roles() {
		a, b := was[i].Limits, is.Limits
		add := func(weaker bool, format string, args ...any) {
			d.changes = append(d.changes, Change{Role: is.Name, Weaker: weaker, What: fmt.Sprintf(format, args...)})
		}
		if a.Rows != b.Rows {
			add(b.Rows > a.Rows, "%d rows of an answer are now %d", a.Rows, b.Rows)
		}
		if a.Time != b.Time {
			add(b.Time > a.Time, "%s for a question are now %s", spoken(a.Time), spoken(b.Time))
		}
		if a.AtATime != b.AtATime {
			add(b.AtATime > a.AtATime, "%d questions at a time are now %d", a.AtATime, b.AtATime)
		}
	}
}

// canonicalRoles are the lines of the roles that a policy limits: none where it leaves them what they have.
func (p *Policy) canonicalRoles() []string {
	var lines []string
	for _, r := range slices.SortedFunc(slices.Values(p.Roles()), func(a, b Role) int { return cmp.Compare(a.Name, b.Name) }) {
		if widest := roles[slices.IndexFunc(roles, func(w Role) bool { return w.Name == r.Name })].Limits; r.Limits != widest {
			lines = append(lines, fmt.Sprintf("role %q rows=%d time=%s at_a_time=%d\n", r.Name, r.Limits.Rows, r.Limits.Time, r.Limits.AtATime))
		}
	}
	return lines
}

// RoleReport is what a role may ask, as a plan shows it.
type RoleReport struct {
	Role    string  `json:"role"`
	May     []Right `json:"may"`
	Rows    int64   `json:"rows,omitempty"`         // of one answer
	Seconds float64 `json:"time_seconds,omitempty"` // of one question
	AtATime int     `json:"at_a_time,omitempty"`
	File    string  `json:"file,omitempty"` // of the document that limits it
	Line    int     `json:"line,omitempty"`
}

func (p *Policy) roleReports() []RoleReport {
	all := make([]RoleReport, 0, len(roles))
	for _, r := range p.Roles() {
		all = append(all, RoleReport{
			Role: r.Name, May: r.May, Rows: r.Limits.Rows, Seconds: r.Limits.Time.Seconds(), AtATime: r.Limits.AtATime, File: r.Pos.File, Line: r.Pos.Line,
		})
	}
	return all
}

// Reads says what the role may, in words.
func (r RoleReport) Reads() string {
	var may []string
	for _, right := range r.May {
		switch right {
		case ReadMetrics:
			may = append(may, "metrics")
		case AskSQL:
			may = append(may, "SQL over what is open to it")
		case ManagePeople:
			may = append(may, "people and settings, no data by that")
		}
	}
	return list(may, "and")
}

// Most says how much of it at most, in words; empty for a role that asks nothing.
func (r RoleReport) Most() string {
	if r.Rows == 0 {
		return ""
	}
	return fmt.Sprintf("%s of an answer, %s for a question, %s at a time", counted(int(r.Rows), "row"), spoken(time.Duration(r.Seconds*float64(time.Second))), counted(r.AtATime, "question"))
}
