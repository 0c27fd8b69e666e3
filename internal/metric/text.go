package metric

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text writes the answer as a table for a terminal: one line per row, columns aligned, a line of bars above it when there is one series.
func (a *Answer) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, version %d, by %s", a.label, a.Version, a.Grain)
	if a.AsOf != nil {
		fmt.Fprintf(&b, ", as of %s", a.AsOf.Format(time.RFC3339))
	}
	b.WriteByte('\n')
	switch {
	case a.AsOf == nil && len(a.Rows) == 0:
		b.WriteString("nothing was derived yet: the first copy is not done\n")
	case len(a.Rows) == 0:
		b.WriteString("no rows in this range\n")
	default:
		if bars := a.bars(); bars != "" {
			b.WriteString(bars + "\n")
		}
		b.WriteByte('\n')
		a.table(&b)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// Text writes the catalogue for a terminal: what each metric is, in one paragraph.
func (c *Catalog) Text(w io.Writer) error {
	var b strings.Builder
	for i, m := range c.Metrics() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (%s, version %d, owner %s)\n", m.Name, m.Type, m.Version, m.Owner)
		fmt.Fprintf(&b, "  %s\n", strings.Join(strings.Fields(m.Definition), " "))
		if len(m.Dimensions) > 0 {
			fmt.Fprintf(&b, "  by %s\n", strings.Join(m.Dimensions, ", "))
		}
		fmt.Fprintf(&b, "  grain %s; provisional until %s after an interval's end\n", strings.Join(m.Grains, ", "), m.Watermark)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func (a *Answer) table(b *strings.Builder) {
	ratio := false
	for _, r := range a.Rows {
		ratio = ratio || r.Denominator != nil
	}
	head := append([]string{"start"}, a.by...)
	if ratio {
		head = append(head, "numerator", "denominator")
	}
	lines := [][]string{append(head, "value", "")}
	for _, r := range a.Rows {
		line := []string{a.Grain.show(r.Start)}
		for _, name := range a.by {
			line = append(line, printable(r.Dimensions[name]))
		}
		if ratio {
			line = append(line, show(r.Numerator), show(r.Denominator))
		}
		note := ""
		if r.Provisional {
			note = "provisional"
		}
		lines = append(lines, append(line, show(r.Value), note))
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	left := 1 + len(a.by) // these columns are text; the others are numbers, to the right
	for _, line := range lines {
		var row strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= left && i < len(line)-1 {
				row.WriteString(pad + cell + "  ")
			} else {
				row.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}

// bars draws the values of a single series between its least and its greatest one; "" when there is nothing to see.
func (a *Answer) bars() string {
	const most = 120
	if len(a.by) > 0 || len(a.Rows) < 3 || len(a.Rows) > most {
		return ""
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range a.Rows {
		if r.Value != nil {
			low, high = min(low, *r.Value), max(high, *r.Value)
		}
	}
	if low >= high {
		return ""
	}
	steps := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, r := range a.Rows {
		if r.Value == nil {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(steps[int((*r.Value-low)/(high-low)*float64(len(steps)-1)+0.5)])
	}
	return b.String()
}

// show is an interval's start without what its grain makes plain.
func (g Grain) show(start time.Time) string {
	if g == Hour {
		return start.Format("2006-01-02 15:04")
	}
	return start.Format(time.DateOnly)
}

// show is a number in six significant digits, whole numbers in full; a missing one is "-".
func show(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case *v == math.Trunc(*v) && math.Abs(*v) < 1<<53:
		return strconv.FormatInt(int64(*v), 10)
	}
	return strconv.FormatFloat(*v, 'g', 6, 64)
}

// printable keeps a value from production from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}
