package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// tablePlan is one table that is copied.
type tablePlan struct {
	plan       *treatment.Plan
	placement  []store.Placement
	estimate   int64
	partitions []source.Partition
	since      source.Position // changes that began before it are in the snapshot

	builder   *treatment.Builder
	truncated bool // a TRUNCATE came before the rows in the builder
}

func (t *tablePlan) name() string { return t.plan.Layout().Table }

// plan is the policy as far as production's catalogue lets it be followed.
type plan struct {
	tables []*tablePlan
	byName map[string]*tablePlan
	layout store.Layout
}

func (p *plan) selection() source.Selection {
	var sel source.Selection
	for _, t := range p.tables {
		sel = append(sel, t.plan.Layout())
	}
	return sel
}

// plan compiles policy ∩ catalogue. What the policy names and production does not have, and what production has and the policy does not name, is held back and becomes
// an item; the rest flows.
func (f *Flow) plan(ctx context.Context) (*plan, error) {
	schema, err := f.o.Source.Schema(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{byName: map[string]*tablePlan{}, layout: store.Layout{Identity: schema.Identity, Facts: f.o.Facts}}
	var items []Item
	for _, t := range f.o.Policy.Tables {
		tp, held, err := f.planTable(t, schema.Table(t.Name))
		if err != nil {
			return nil, err
		}
		items = append(items, held...)
		if tp == nil || f.unpublished[t.Name] {
			continue
		}
		p.tables = append(p.tables, tp)
		p.byName[t.Name] = tp
		p.layout.Tables = append(p.layout.Tables, tp.stored())
	}
	for _, t := range schema.Tables {
		if f.o.Policy.Table(t.Name) == nil {
			items = append(items, Item{Kind: "table_held_back", Table: t.Name, Message: fmt.Sprintf("the policy does not name %s, so nothing of it is copied", t.Name), Hint: "name it in the policy if a question needs it"})
		}
	}
	f.status.planned(p, items)
	return p, nil
}

// Selection returns what would be asked for under a policy, given the catalogue.
func Selection(pol *policy.Policy, schema *source.Schema, keys *treatment.Keys) (source.Selection, error) {
	f := &Flow{o: Options{Policy: pol, Keys: keys}}
	var sel source.Selection
	for _, t := range pol.Tables {
		tp, _, err := f.planTable(t, schema.Table(t.Name))
		if err != nil {
			return nil, err
		}
		if tp != nil {
			sel = append(sel, tp.plan.Layout())
		}
	}
	return sel, nil
}

// planTable returns nil for a table of which nothing is copied.
func (f *Flow) planTable(t *policy.Table, have *source.Table) (*tablePlan, []Item, error) {
	copied := false
	for _, c := range t.Columns {
		copied = copied || c.Treat != policy.Drop
	}
	if !copied {
		return nil, nil, nil
	}
	if have == nil {
		return nil, []Item{{Kind: "table_missing", Table: t.Name, Message: fmt.Sprintf("production has no table %s, so it is not copied", t.Name), Hint: "take it out of the policy, or check its name"}}, nil
	}
	if len(have.Key) == 0 {
		return nil, []Item{{Kind: "table_without_key", Table: t.Name, Message: fmt.Sprintf("%s is held back: %s", t.Name, have.KeyProblem), Hint: "run weir check for what it needs"}}, nil
	}
	for _, k := range have.Key {
		if _, named := t.Column(k); !named {
			return nil, []Item{{
				Kind: "key_not_classed", Table: t.Name, Column: k, Message: fmt.Sprintf("%s is held back: its key has the column %s, which the policy does not name", t.Name, k),
				Hint: "give it a class in the policy, then run weir check",
			}}, nil
		}
	}
	var items []Item
	var columns []treatment.Column
	for _, c := range have.Columns {
		if _, named := t.Column(c.Name); !named {
			items = append(items, Item{
				Kind: "column_held_back", Table: t.Name, Column: c.Name, Message: fmt.Sprintf("the policy does not name %s.%s, so it is not copied", t.Name, c.Name),
				Hint: "give it a class in the policy",
			})
		}
		columns = append(columns, treatment.Column{Name: c.Name, Type: c.Type})
	}
	layout, missing, err := treatment.NewLayout(t, columns, have.Key)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range missing {
		items = append(items, Item{
			Kind: "column_missing", Table: t.Name, Column: m, Message: fmt.Sprintf("production has no column %s.%s, so it is not copied", t.Name, m),
			Hint: "if it was renamed, classify the new name in the policy",
		})
	}
	compiled, err := treatment.Compile(t, layout, f.o.Keys)
	if err != nil && fault.KindOf(err) == fault.Invalid { // it fitted when the policy was accepted
		why := fault.Public(err)
		return nil, []Item{{Kind: "table_held_back", Table: t.Name, Message: fmt.Sprintf("%s is held back: %s", t.Name, why.Message), Hint: why.Hint}}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if len(compiled.Accesses()) == 0 {
		return nil, items, nil
	}
	tp := &tablePlan{plan: compiled, estimate: have.Rows, partitions: have.Partitions, builder: treatment.NewBuilder(layout)}
	if err := tp.place(f.o.Facts); err != nil {
		return nil, nil, err
	}
	return tp, items, nil
}

// place decides which files keep which column: its access's, and beside it the Metrics file when a fact reads it there.
func (t *tablePlan) place(facts []store.Fact) error {
	read := map[string]bool{}
	for _, f := range facts {
		for _, in := range f.Inputs {
			if in.Table != t.name() {
				continue
			}
			for _, c := range in.Columns {
				read[c] = true
			}
		}
	}
	fields := t.plan.Schema().Fields()[1:]
	for i, a := range t.plan.Accesses() {
		switch a {
		case policy.AccessSQL:
			p := store.Placement{Access: []store.Access{store.SQL}}
			if read[fields[i].Name] {
				p.Access = append(p.Access, store.Metrics)
			}
			t.placement = append(t.placement, p)
		case policy.AccessMetrics:
			t.placement = append(t.placement, store.Placement{Access: []store.Access{store.Metrics}})
		case policy.AccessReleases:
			return fault.Newf(fault.Invalid, "%s: the access releases is not there yet", t.name()).WithHint("use access: metrics")
		default:
			return fault.Newf(fault.Invalid, "%s has no access", t.name()).WithHint("give it access: sql or access: metrics")
		}
	}
	return nil
}

// stored is the table as the store is to hold it. Its hash covers the placement too: a column that moves to another file is copied anew.
func (t *tablePlan) stored() store.Table {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\n%v", t.plan.Hash(), t.placement)
	return store.Table{Name: t.name(), Hash: hex.EncodeToString(h.Sum(nil)), Schema: t.plan.Schema(), Columns: t.placement}
}

// accesses returns the files that keep the table and, for each, the columns of the plan's schema that it keeps, KeyColumn first.
func (t *tablePlan) accesses() []accessColumns {
	by := map[store.Access][]int{}
	for i, p := range t.placement {
		for _, a := range p.Access {
			by[a] = append(by[a], i+1)
		}
	}
	var all []accessColumns
	for a, columns := range by {
		all = append(all, accessColumns{a, append([]int{0}, columns...)})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].access < all[j].access })
	return all
}

type accessColumns struct {
	access  store.Access
	columns []int
}
