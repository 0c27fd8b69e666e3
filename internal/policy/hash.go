package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// canonical begins every canonical form; it changes with the form, so that a hash never means two things.
const canonical = "weir policy 1\n"

// Hash names everything that the policy says: two policies have the same hash when no comment, order or file tells them apart any more. It is SHA-256 in hex.
func (p *Policy) Hash() string {
	tables := slices.Clone(p.Tables)
	slices.SortFunc(tables, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(canonical)
	for _, t := range tables {
		purpose := slices.Clone(t.Purpose)
		slices.Sort(purpose)
		_, _ = fmt.Fprintf(&b, "table %q %q %q %q\n", t.Name, t.Access, purpose, t.Exploration)
		for _, c := range sortedColumns(t) {
			b.WriteString(c.canonical(t))
		}
	}
	for _, line := range p.canonicalRoles() {
		b.WriteString(line)
	}
	return sum(b.String())
}

// Hash names everything that decides what the copy of this table holds: the columns that cross, how, and who may read them. Purposes, words and columns that
// are held back do not count, so that writing them down copies nothing anew. It is SHA-256 in hex.
func (t *Table) Hash() string {
	var b strings.Builder
	b.WriteString(canonical)
	_, _ = fmt.Fprintf(&b, "copy %q\n", t.Name)
	for _, c := range sortedColumns(t) {
		if c.Treat != Drop {
			b.WriteString(c.canonical(t))
		}
	}
	return sum(b.String())
}

func sortedColumns(t *Table) []Column {
	columns := slices.Clone(t.Columns)
	slices.SortFunc(columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return columns
}

// canonical is one line of a canonical form. What is the default is written as what it means.
func (c Column) canonical(t *Table) string {
	zone := c.Zone
	if c.Treat == Truncate && zone == "" {
		zone = "UTC"
	}
	edges := make([]string, len(c.Edges))
	for i, e := range c.Edges {
		edges[i] = decimal(e)
	}
	return fmt.Sprintf("column %q %q %q %q subject=%q to=%q zone=%q width=%s edges=%s bits=%d/%d chars=%d\n", c.Name, c.Class, c.Treat, c.access(t), c.Subject,
		c.To, zone, decimal(c.Width), strings.Join(edges, ","), c.Bits4, c.Bits6, c.Chars)
}

// access is the column's effective access; a column that crosses nowhere has none.
func (c Column) access(t *Table) Access {
	switch {
	case c.Treat == Drop:
		return ""
	case c.Access == "" || t.Access == AccessMetrics:
		return t.Access
	}
	return c.Access
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
