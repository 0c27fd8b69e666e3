package postgres

import (
	"slices"
	"sort"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// drift is what a look at the catalogue found, and whether the selection is wrong by it.
type drift struct {
	source.Drift
	wrong bool
	// until holds a truncated partition back until the stream has passed the look: a TRUNCATE of the whole table, which the stream brings, explains it
	until LSN
	by    string // the transaction that changed the partition
}

// compare lists what differs between two looks, and between the second and the selection.
func compare(before, now *catalogue, sel source.Selection) []drift {
	layouts := make(map[string]*treatment.Layout, len(sel))
	for _, l := range sel {
		layouts[l.Table] = l
	}
	var found []drift
	add := func(kind source.DriftKind, table, column string, wrong bool) {
		found = append(found, drift{Drift: source.Drift{Kind: kind, Table: table, Column: column}, wrong: wrong})
	}
	for name := range before.tables {
		if now.tables[name] == nil {
			add(source.TableDropped, name, "", layouts[name] != nil)
		}
	}
	for name := range layouts {
		if now.tables[name] == nil && before.tables[name] == nil {
			add(source.TableDropped, name, "", true)
		}
	}
	for name, t := range now.tables {
		b, l := before.tables[name], layouts[name]
		switch {
		case b == nil:
			add(source.TableAdded, name, "", l != nil)
		case b.oid != t.oid: // dropped and made anew between two looks
			add(source.TableDropped, name, "", l != nil)
			add(source.TableAdded, name, "", l != nil)
		default:
			compareColumns(b, t, l, add)
			if l != nil {
				found = append(found, compareParts(b, t, now.lsn)...)
			}
		}
		if l != nil {
			if !sameKey(t, l) {
				add(source.KeyChanged, name, "", true)
			}
			if !now.publication.covers(t, l) {
				add(source.Unpublished, name, "", true)
			}
		}
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].Table != found[j].Table {
			return found[i].Table < found[j].Table
		}
		return found[i].Column < found[j].Column
	})
	return found
}

func compareColumns(before, now *table, l *treatment.Layout, add func(kind source.DriftKind, table, column string, wrong bool)) {
	listed := make(map[string]treatment.Type)
	if l != nil {
		for _, c := range l.Columns {
			listed[c.Name] = c.Type
		}
	}
	for _, b := range before.columns {
		_, asked := listed[b.Name]
		switch c := now.column(b.Name); {
		case c == nil:
			add(source.ColumnDropped, now.name, b.Name, asked)
		case c.TypeName != b.TypeName || c.Generated != b.Generated:
			add(source.ColumnRetyped, now.name, b.Name, asked)
		case asked && !sameType(c.Type, listed[b.Name]):
			add(source.ColumnRetyped, now.name, b.Name, true)
		}
	}
	for _, c := range now.columns {
		if before.column(c.Name) == nil {
			add(source.ColumnAdded, now.name, c.Name, false)
		}
	}
	if l == nil {
		return
	}
	for _, c := range l.Columns {
		if now.column(c.Name) == nil && before.column(c.Name) == nil {
			add(source.ColumnDropped, now.name, c.Name, true)
		}
	}
}

// compareParts finds rows that came or went without the stream saying so. A partition that was made empty in its place brings none.
func compareParts(before, now *table, lsn LSN) []drift {
	changed := source.Drift{Kind: source.PartitionChanged, Table: now.name}
	for oid := range before.parts {
		if now.parts[oid] == nil {
			return []drift{{Drift: changed, wrong: true}}
		}
	}
	var found []drift
	for oid, p := range now.parts {
		b := before.parts[oid]
		switch {
		case b == nil && !p.bornAttached:
			return []drift{{Drift: changed, wrong: true}}
		case b != nil && b.file != p.file && p.kind != 'p':
			found = append(found, drift{Drift: changed, wrong: true, until: lsn, by: p.changedBy})
		}
	}
	return found
}

// sameKey tells whether the table's key is the layout's.
func sameKey(t *table, l *treatment.Layout) bool {
	key, _ := t.key()
	if len(key) != len(l.Key) {
		return false
	}
	for i, at := range l.Key {
		if l.Columns[at].Name != key[i] {
			return false
		}
	}
	return true
}

// covers tells whether everything of the layout is published.
func (p *publication) covers(t *table, l *treatment.Layout) bool {
	if p == nil {
		return false
	}
	listed := p.tables[t.oid]
	if listed == nil {
		return p.allTables
	}
	return len(p.lacks(t, l)) == 0
}

// lacks returns the columns of the layout that the table has and that are not published, for a table that is.
func (p *publication) lacks(t *table, l *treatment.Layout) []string {
	var names []string
	listed := p.tables[t.oid]
	for _, c := range l.Columns {
		if t.column(c.Name) == nil {
			continue // dropped or renamed, which is told as that
		}
		if !listed.allColumns && !listed.columns[c.Name] {
			names = append(names, c.Name)
		}
	}
	return names
}

// surplus returns the columns that are published by name and not in the layout, in the table's order; nothing when all columns are published.
func (p *publication) surplus(t *table, l *treatment.Layout) []string {
	var names []string
	listed := p.tables[t.oid]
	for _, c := range t.columns {
		asked := slices.ContainsFunc(l.Columns, func(w treatment.Column) bool { return w.Name == c.Name })
		if listed.columns[c.Name] && !asked {
			names = append(names, c.Name)
		}
	}
	return names
}

// listed returns how many columns of the table are published by name, and whether all are published anyway.
func (p *publication) listed(t *table) (columns int, all bool) {
	if p == nil {
		return 0, false
	}
	if p.allTables || p.schemas {
		return 0, true
	}
	if listed := p.tables[t.oid]; listed != nil {
		return len(listed.columns), listed.allColumns
	}
	return 0, false
}

// exceeds tells whether more of the layout's table is published than the layout asks for.
func (p *publication) exceeds(t *table, l *treatment.Layout) bool {
	if p == nil {
		return false
	}
	if p.allTables || p.schemas {
		return true
	}
	listed := p.tables[t.oid]
	return listed != nil && (listed.allColumns || len(listed.columns) > len(l.Columns))
}
