package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Change is one difference between two policies.
type Change struct {
	Role   string `json:"role,omitempty"` // of a change of what a role may ask, which has no table
	Table  string `json:"table"`
	Column string `json:"column,omitempty"` // empty for a change of the table itself
	// Weaker tells that after the change something may be known that could not be before, or that the two cannot be compared: a second person has to agree.
	Weaker bool   `json:"weaker"`
	What   string `json:"what"` // lower case, no full stop
}

// Diff returns what changes from one policy to another, sorted by table and column, those of roles last; nil stands for the empty policy. What cannot be compared counts as weaker.
func Diff(from, to *Policy) []Change {
	d := &differ{}
	for _, t := range union(from, to) {
		d.table(tableOf(from, t), tableOf(to, t))
	}
	d.roles(from, to)
	return d.changes
}

func tableOf(p *Policy, name string) *Table {
	if p == nil {
		return nil
	}
	return p.Table(name)
}

// union returns the names of the tables of both, sorted.
func union(policies ...*Policy) []string {
	var names []string
	for _, p := range policies {
		if p == nil {
			continue
		}
		for _, t := range p.Tables {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

type differ struct{ changes []Change }

func (d *differ) add(table, column string, weaker bool, format string, args ...any) {
	d.changes = append(d.changes, Change{Table: table, Column: column, Weaker: weaker, What: fmt.Sprintf(format, args...)})
}

func (d *differ) table(before, after *Table) {
	switch {
	case before == nil:
		n := crossing(after)
		d.add(after.Name, "", n > 0, "table added: %d of its %s cross", n, counted(len(after.Columns), "column"))
		before = &Table{Name: after.Name, Access: after.Access, Exploration: after.Exploration, Purpose: after.Purpose}
	case after == nil:
		d.add(before.Name, "", false, "table removed: all of it is held back")
		return
	}
	d.about(before, after)
	names := make([]string, 0, len(before.Columns)+len(after.Columns))
	for _, c := range slices.Concat(before.Columns, after.Columns) {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		d.column(before, after, name)
	}
}

// about compares what the tables say about themselves. The access counts column by column; here it is only told.
func (d *differ) about(before, after *Table) {
	if before.Access != after.Access {
		d.add(after.Name, "", after.Access == AccessSQL && after.Crosses(), "access %s is now %s", before.Access, after.Access)
	}
	for _, m := range after.Purpose {
		if !slices.Contains(before.Purpose, m) {
			d.add(after.Name, "", false, "purpose %s added", m)
		}
	}
	for _, m := range before.Purpose {
		if !slices.Contains(after.Purpose, m) {
			d.add(after.Name, "", false, "purpose %s removed", m)
		}
	}
	switch {
	case before.Exploration == after.Exploration:
	case before.Exploration == "":
		// A declared exploration silences the finding that nothing asked for a column.
		d.add(after.Name, "", after.Crosses(), "exploration added: %q", after.Exploration)
	case after.Exploration == "":
		d.add(after.Name, "", false, "exploration removed")
	default:
		d.add(after.Name, "", false, "exploration is now %q", after.Exploration)
	}
}

func (d *differ) column(bt, at *Table, name string) {
	before, was := bt.Column(name)
	after, is := at.Column(name)
	switch {
	case !was && after.Treat == Drop:
		d.add(at.Name, name, false, "named as %s, held back", after.Class)
	case !was:
		d.add(at.Name, name, true, "crosses now as %s, %s, for %s", after.Class, after.Form(), after.access(at))
	case !is && before.Treat == Drop:
		d.add(at.Name, name, false, "no longer named, still held back")
	case !is:
		d.add(at.Name, name, false, "no longer named: held back, was %s", before.Form())
	default:
		d.both(bt, at, before, after)
	}
}

// both compares a column that both policies name, aspect by aspect.
func (d *differ) both(bt, at *Table, before, after Column) {
	if before.Class != after.Class {
		d.add(at.Name, after.Name, freer(before.Class, after.Class), "class %s is now %s", before.Class, after.Class)
	}
	switch {
	case before.Treat != after.Treat:
		d.add(at.Name, after.Name, !lessIn(before.Treat, after.Treat), "%s is now %s", told(before), told(after))
	case before.canonicalParameters() != after.canonicalParameters():
		d.add(at.Name, after.Name, !coarser(before, after), "%s is now %s", told(before), told(after))
	}
	was, is := before.access(bt), after.access(at)
	if was != "" && is != "" && was != is {
		d.add(at.Name, after.Name, is == AccessSQL, "readable by %s, was %s", is, was)
	}
}

func told(c Column) string {
	if c.Treat == Drop {
		return "drop"
	}
	return fmt.Sprintf("%s (%s)", c.Treat, c.Form())
}

func (c Column) canonicalParameters() string {
	c.Name, c.Class, c.Access = "", "", ""
	return c.canonical(&Table{})
}

// freer tells whether the class admits something that the other did not. Nothing leaves the two strictest classes without being freer.
func freer(before, after Class) bool {
	switch before {
	case Secret:
		return true
	case Health:
		return after != Secret
	default:
	}
	was := before.Admits(AccessSQL)
	for _, t := range after.Admits(AccessSQL) {
		if !slices.Contains(was, t) {
			return true
		}
	}
	// What only metrics may read counts too, unless the class before admitted it anywhere.
	was = before.Admits(AccessMetrics)
	return slices.ContainsFunc(after.Admits(AccessMetrics), func(t Treatment) bool { return !slices.Contains(was, t) })
}

// lessIn tells whether the second treatment lets through less than the first, whatever the parameters. Of two that are neither at the bottom nor at the top
// nobody can say.
func lessIn(before, after Treatment) bool {
	switch {
	case after == Drop:
		return true
	case before == Drop:
		return false
	case after == Presence:
		return true
	case before == Presence:
		return false
	}
	return before == Keep
}

// coarser tells whether the same treatment lets through less with the second parameters than with the first.
func coarser(before, after Column) bool {
	switch before.Treat {
	case Truncate:
		sameZone := strings.EqualFold(zoneOf(before), zoneOf(after))
		return sameZone && slices.Index(grains, after.To) > slices.Index(grains, before.To)
	case Bucket:
		return coarserBucket(before, after)
	case Prefix:
		return after.Bits4 <= before.Bits4 && after.Bits6 <= before.Bits6 && after.Chars <= before.Chars && (after.Chars > 0) == (before.Chars > 0)
	default:
		return false // another subject joins with other columns
	}
}

// coarserBucket tells whether every edge of the second is one of the first.
func coarserBucket(before, after Column) bool {
	if before.Width > 0 && after.Width > 0 {
		times := after.Width / before.Width
		return times > 1 && times == math.Trunc(times)
	}
	if before.Width > 0 || after.Width > 0 {
		return false
	}
	for _, e := range after.Edges {
		if !slices.Contains(before.Edges, e) {
			return false
		}
	}
	return true
}

func zoneOf(c Column) string {
	if c.Zone == "" {
		return "UTC"
	}
	return c.Zone
}

func crossing(t *Table) int {
	n := 0
	for _, c := range t.Columns {
		if c.Treat != Drop {
			n++
		}
	}
	return n
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
