package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Read is what one metric reads of one table.
type Read struct {
	Table   string
	Columns []string
	Metric  string
}

// State is what becomes of a column of production.
type State string

// The states.
const (
	Crosses  State = "crosses"
	HeldBack State = "held_back" // the policy names it and drops it
	Unnamed  State = "unnamed"   // the policy doesn't name it: new, or never classed; held back too
)

// Report is what a policy does to a source: what weir plan shows. Its JSON shape is stable.
type Report struct {
	Source     string         `json:"source,omitempty"` // set by whoever knows it
	Date       string         `json:"date,omitempty"`   // set by whoever has a clock
	PolicyHash string         `json:"policy_hash"`
	Summary    Summary        `json:"summary"`
	Classes    []ClassReport  `json:"classes"`        // those that the source has, from the strictest
	Tables     []TableReport  `json:"tables"`         // those that the policy names and the source has, sorted
	Unnamed    []UnnamedTable `json:"unnamed_tables"` // those that only the source has
	Roles      []RoleReport   `json:"roles"`
	Findings   []Finding      `json:"findings"`
}

// Summary counts.
type Summary struct {
	Tables         int `json:"tables"` // of the source
	TablesCrossing int `json:"tables_crossing"`
	Columns        int `json:"columns"` // of the source
	Crossing       int `json:"columns_crossing"`
	HeldBack       int `json:"columns_held_back"`
	Unnamed        int `json:"columns_unnamed"`
	SQL            int `json:"columns_open_to_sql"`
	MetricsOnly    int `json:"columns_metrics_only"`
	AsTheyAre      int `json:"columns_as_they_are"`
	Findings       int `json:"findings"`
}

// ClassReport counts the columns of a class.
type ClassReport struct {
	Class    Class  `json:"class"`
	Is       string `json:"is"`
	Why      string `json:"why"`
	Crossing int    `json:"crossing"`
	HeldBack int    `json:"held_back"`
}

// UnnamedTable is a table of the source that the policy doesn't name.
type UnnamedTable struct {
	Table   string `json:"table"`
	Columns int    `json:"columns"`
}

// TableReport is what becomes of a table.
type TableReport struct {
	Table       string         `json:"table"`
	Access      Access         `json:"access"`
	Purpose     []string       `json:"purpose"`
	Exploration string         `json:"exploration,omitempty"`
	File        string         `json:"file,omitempty"`
	Line        int            `json:"line,omitempty"`
	Crossing    int            `json:"columns_crossing"`
	HeldBack    int            `json:"columns_held_back"`
	Unnamed     int            `json:"columns_unnamed"`
	Columns     []ColumnReport `json:"columns"` // sorted
}

// ColumnReport is what becomes of a column.
type ColumnReport struct {
	Column     string    `json:"column"`
	Type       string    `json:"type"`
	Key        bool      `json:"key,omitempty"`
	Unreadable bool      `json:"unreadable,omitempty"` // weir does not read the type yet
	State      State     `json:"state"`
	Class      Class     `json:"class,omitempty"`
	Treatment  Treatment `json:"treatment,omitempty"`
	Form       string    `json:"form,omitempty"`   // how it crosses, in words
	Access     Access    `json:"access,omitempty"` // who may read it
	Metrics    []string  `json:"metrics"`          // those that read it
	Explored   bool      `json:"explored,omitempty"`
}

// Crosses tells whether anything of the column crosses.
func (c ColumnReport) Crosses() bool { return c.State == Crosses }

// Finding is something that a person should look at. Codes are stable.
type Finding struct {
	Code   string `json:"code"`
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	What   string `json:"what"`
	Do     string `json:"do"`
}

// The codes of findings.
const (
	FindingMisfit         = "misfit"          // the policy does not fit the source
	FindingUnnamed        = "unnamed"         // production has something that the policy doesn't name
	FindingUnasked        = "unasked"         // it is copied and nothing asked for it
	FindingUnanswerable   = "unanswerable"    // a metric reads what is held back
	FindingPurposeMissing = "purpose_missing" // a metric reads a table whose purpose does not name it
	FindingPurposeUnknown = "purpose_unknown" // a purpose names a metric that reads nothing of the table
	FindingFine           = "fine"            // behaviour finer than a day is open to SQL
)

// Review says what the policy does to the schema, who asked for it, and what a person should look at.
func Review(p *Policy, s Schema, reads []Read) *Report {
	v := &review{report: &Report{PolicyHash: p.Hash(), Tables: []TableReport{}, Unnamed: []UnnamedTable{}, Roles: p.roleReports(), Findings: []Finding{}}, reads: reads}
	for _, problem := range p.Check(s) {
		v.find(Finding{Code: FindingMisfit, What: Problem{Pos: problem.Pos, What: problem.What}.String(), Do: problem.Right})
	}
	tables := slices.Clone(s.Tables)
	slices.SortFunc(tables, func(a, b SchemaTable) int { return cmp.Compare(a.Name, b.Name) })
	for i := range tables {
		v.table(p.Table(tables[i].Name), &tables[i])
	}
	v.unnamedTables()
	v.classes()
	v.report.Summary.Findings = len(v.report.Findings)
	return v.report
}

type review struct {
	report *Report
	reads  []Read
	counts map[Class]*ClassReport
}

func (v *review) find(f Finding) { v.report.Findings = append(v.report.Findings, f) }

func (v *review) table(t *Table, st *SchemaTable) {
	sum := &v.report.Summary
	sum.Tables++
	sum.Columns += len(st.Columns)
	if t == nil {
		sum.Unnamed += len(st.Columns)
		v.report.Unnamed = append(v.report.Unnamed, UnnamedTable{Table: st.Name, Columns: len(st.Columns)})
		for _, r := range v.reads {
			if r.Table == st.Name {
				v.find(Finding{
					Code: FindingUnanswerable, Table: st.Name, What: fmt.Sprintf("%s reads %s, which the policy does not name", r.Metric, st.Name),
					Do: "write a policy for the table, or do without the metric",
				})
			}
		}
		return
	}
	tr := TableReport{
		Table: t.Name, Access: t.Access, Purpose: slices.Clone(t.Purpose), Exploration: t.Exploration, File: t.Pos.File, Line: t.Pos.Line,
		Columns: make([]ColumnReport, 0, len(st.Columns)),
	}
	if tr.Purpose == nil {
		tr.Purpose = []string{}
	}
	for _, sc := range st.Columns {
		tr.Columns = append(tr.Columns, v.column(t, sc))
	}
	slices.SortFunc(tr.Columns, func(a, b ColumnReport) int { return cmp.Compare(a.Column, b.Column) })
	for _, c := range tr.Columns {
		v.count(&tr, c)
	}
	if tr.Crossing > 0 {
		sum.TablesCrossing++
	}
	v.report.Tables = append(v.report.Tables, tr)
	v.tableFindings(t, &tr)
}

func (v *review) column(t *Table, sc SchemaColumn) ColumnReport {
	c := ColumnReport{Column: sc.Name, Type: sc.Type, Key: sc.Key, Unreadable: sc.Kind == "", State: Unnamed, Metrics: []string{}}
	for _, r := range v.reads {
		if r.Table == t.Name && slices.Contains(r.Columns, sc.Name) && !slices.Contains(c.Metrics, r.Metric) {
			c.Metrics = append(c.Metrics, r.Metric)
		}
	}
	slices.Sort(c.Metrics)
	rule, named := t.Column(sc.Name)
	if !named {
		return c
	}
	c.State, c.Class, c.Treatment = HeldBack, rule.Class, rule.Treat
	if rule.Treat != Drop {
		c.State, c.Form, c.Access = Crosses, rule.Form(), rule.access(t)
		if sc.Kind == KindDate {
			c.Form = strings.TrimSuffix(c.Form, " (UTC)") // a date is in no zone
		}
		c.Explored = t.Exploration != "" && c.Access == AccessSQL
	}
	return c
}

func (v *review) count(tr *TableReport, c ColumnReport) {
	sum := &v.report.Summary
	switch c.State {
	case Crosses:
		tr.Crossing++
		sum.Crossing++
		if c.Access == AccessSQL {
			sum.SQL++
		} else {
			sum.MetricsOnly++
		}
		if c.Treatment == Keep {
			sum.AsTheyAre++
		}
	case HeldBack:
		tr.HeldBack++
		sum.HeldBack++
	case Unnamed:
		tr.Unnamed++
		sum.Unnamed++
		return
	}
	if v.counts == nil {
		v.counts = map[Class]*ClassReport{}
	}
	n := v.counts[c.Class]
	if n == nil {
		n = &ClassReport{Class: c.Class, Is: c.Class.Is(), Why: c.Class.Why()}
		v.counts[c.Class] = n
	}
	if c.Crosses() {
		n.Crossing++
	} else {
		n.HeldBack++
	}
}

func (v *review) classes() {
	v.report.Classes = []ClassReport{}
	for _, c := range Classes() {
		if n := v.counts[c]; n != nil {
			v.report.Classes = append(v.report.Classes, *n)
		}
	}
}

func (v *review) unnamedTables() {
	if n := len(v.report.Unnamed); n > 0 {
		v.find(Finding{
			Code: FindingUnnamed, What: fmt.Sprintf("production has %s that the policy does not name; held back whole", counted(n, "table")),
			Do: "class their columns, held back if need be, so that the next new one is seen",
		})
	}
}

func (v *review) tableFindings(t *Table, tr *TableReport) {
	if tr.Unnamed > 0 {
		var names []string
		for _, c := range tr.Columns {
			if c.State == Unnamed {
				names = append(names, c.Column)
			}
		}
		v.find(Finding{
			Code: FindingUnnamed, Table: t.Name, What: fmt.Sprintf("%s has %s without a class: %s; held back", t.Name, counted(len(names), "column"), list(names, "and")),
			Do: "class them, with treat: drop if nothing needs them",
		})
	}
	for _, c := range tr.Columns {
		v.columnFindings(t, c)
	}
	v.purposeFindings(t)
}

func (v *review) columnFindings(t *Table, c ColumnReport) {
	name := t.Name + "." + c.Column
	if !c.Crosses() {
		for _, m := range c.Metrics {
			v.find(Finding{
				Code: FindingUnanswerable, Table: t.Name, Column: c.Column, What: fmt.Sprintf("%s reads %s, which is held back", m, name),
				Do: "let the column cross in a form that its class admits, or do without the metric",
			})
		}
		return
	}
	if len(c.Metrics) == 0 && !c.Explored && !c.Key {
		do := "hold it back with treat: drop, or declare an exploration"
		if c.Access != AccessSQL {
			do = "hold it back with treat: drop, or define the metric that needs it"
		}
		v.find(Finding{
			Code: FindingUnasked, Table: t.Name, Column: c.Column, What: fmt.Sprintf("%s is copied and nothing asked for it", name), Do: do,
		})
	}
	rule, _ := t.Column(c.Column)
	if rule.Class == Behaviour && rule.Treat == Truncate && c.Access == AccessSQL && slices.Index(grains, rule.To) < slices.Index(grains, "day") {
		v.find(Finding{
			Code: FindingFine, Table: t.Name, Column: c.Column, What: fmt.Sprintf("%s opens the %s of what somebody did to SQL", name, rule.To),
			Do: "cut it to the day, or keep it from SQL with access: metrics",
		})
	}
}

func (v *review) purposeFindings(t *Table) {
	var readers []string
	for _, r := range v.reads {
		if r.Table == t.Name && len(r.Columns) > 0 && !slices.Contains(readers, r.Metric) {
			readers = append(readers, r.Metric)
		}
	}
	slices.Sort(readers)
	without := func(some, all []string) []string {
		return slices.DeleteFunc(slices.Clone(some), func(m string) bool { return slices.Contains(all, m) })
	}
	if missing := without(readers, t.Purpose); len(missing) > 0 {
		v.find(Finding{
			Code: FindingPurposeMissing, Table: t.Name, What: fmt.Sprintf("the purpose of %s does not name what reads it: %s", t.Name, list(missing, "and")),
			Do: "add to purpose what may read it, or do without the metric",
		})
	}
	if unknown := without(t.Purpose, readers); len(unknown) > 0 {
		v.find(Finding{
			Code: FindingPurposeUnknown, Table: t.Name, What: fmt.Sprintf("the purpose of %s names what reads nothing of it: %s", t.Name, list(unknown, "and")),
			Do: "remove it from purpose, and hold back what it alone needed",
		})
	}
}
