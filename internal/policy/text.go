package policy

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Text writes the report for a terminal. It returns the writer's first error.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	s := r.Summary
	_, _ = fmt.Fprintf(&b, "%d of %s cross, of %d of %s. %d are open to SQL, %d to metrics alone. %d are held back by name, %d were never named.\n",
		s.Crossing, counted(s.Columns, "column"), s.TablesCrossing, counted(s.Tables, "table"), s.SQL, s.MetricsOnly, s.HeldBack, s.Unnamed)
	_, _ = fmt.Fprintf(&b, "policy %s\n", r.PolicyHash)
	for i := range r.Tables {
		r.Tables[i].text(&b)
	}
	for i, u := range r.Unnamed {
		if i == 0 {
			b.WriteString("\nheld back whole, because the policy does not name them\n")
		}
		_, _ = fmt.Fprintf(&b, "  %s (%s)\n", u.Table, counted(u.Columns, "column"))
	}
	b.WriteString("\nwho may ask at the gate, with an account of the role\n")
	tab := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, role := range r.Roles {
		_, _ = fmt.Fprintf(tab, "  %s\t%s\n", role.Role, strings.TrimSuffix(role.Reads()+": "+role.Most(), ": "))
	}
	_ = tab.Flush() // a strings.Builder does not fail
	if len(r.Findings) == 0 {
		b.WriteString("\nnothing found\n")
	} else {
		_, _ = fmt.Fprintf(&b, "\n%s\n", counted(len(r.Findings), "finding"))
	}
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(&b, "  %s: %s\n", f.Code, f.What)
		if f.Do != "" {
			_, _ = fmt.Fprintf(&b, "    %s\n", f.Do)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

func (t *TableReport) text(b *strings.Builder) {
	_, _ = fmt.Fprintf(b, "\n%s", t.Table)
	if t.Crossing == 0 {
		_, _ = fmt.Fprintf(b, " is held back (%s)\n", counted(len(t.Columns), "column"))
		return
	}
	_, _ = fmt.Fprintf(b, " (access: %s)\n", t.Access)
	if len(t.Purpose) > 0 {
		_, _ = fmt.Fprintf(b, "  purpose: %s\n", strings.Join(t.Purpose, ", "))
	}
	if t.Exploration != "" {
		_, _ = fmt.Fprintf(b, "  exploration: %s\n", t.Exploration)
	}
	tab := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range t.Columns {
		if c.Crosses() {
			_, _ = fmt.Fprintf(tab, "  %s\t%s\t%s\t%s\t%s\n", c.Column, c.Class, c.Form, c.Access, t.asked(c))
		}
	}
	_ = tab.Flush() // a strings.Builder does not fail
	var held, unnamed []string
	for _, c := range t.Columns {
		switch c.State {
		case HeldBack:
			held = append(held, c.Column)
		case Unnamed:
			unnamed = append(unnamed, c.Column)
		case Crosses:
		}
	}
	if len(held) > 0 {
		_, _ = fmt.Fprintf(b, "  held back: %s\n", strings.Join(held, ", "))
	}
	if len(unnamed) > 0 {
		_, _ = fmt.Fprintf(b, "  never named: %s\n", strings.Join(unnamed, ", "))
	}
}

// asked says in a few words who asked for a column that crosses; the table's purpose and weir explain name all.
func (t *TableReport) asked(c ColumnReport) string {
	const few = 2
	by := strings.Join(c.Metrics, ", ")
	if n := len(c.Metrics); n > few {
		by = counted(n, "metric")
	}
	switch {
	case by == "" && c.Explored:
		return "exploration"
	case by == "" && c.Key:
		return "key"
	case by == "":
		return "nothing"
	case c.Explored:
		return by + ", exploration"
	}
	return by
}
