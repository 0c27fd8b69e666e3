package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

const (
	tempTouched = "_weir_touched"
	tempChanged = "_weir_changed"

	// A delta of more than largeShare of its table, and of more than largeRows, costs more to follow than to derive the fact from all rows.
	largeRows  = 20_000
	largeShare = 5
)

// touched is the condition that a column's value is one of the touched keys; NULL is a key like any other.
func touched(column string) string {
	return "EXISTS (SELECT 1 FROM " + temp(tempTouched) + " AS _weir_t WHERE _weir_t.k IS NOT DISTINCT FROM " + column + ")"
}

// with is the inputs by their aliases; only the touched keys' rows of the driving ones when asked for.
func (f *fact) with(onlyTouched bool, more ...string) string {
	parts := make([]string, 0, len(f.inputs)+len(more))
	for _, in := range f.inputs {
		sql := "SELECT " + idents(in.Columns) + " FROM " + in.shape.sql() + " AS _weir_i"
		if onlyTouched && in.Driving {
			sql += " WHERE " + touched("_weir_i."+ident(in.KeyColumn))
		}
		parts = append(parts, ident(in.Alias)+" AS NOT MATERIALIZED ("+sql+")")
	}
	return "WITH " + strings.Join(append(parts, more...), ", ")
}

// derivation is the statement that gives the fact's rows: all, or those of the touched keys.
func (f *fact) derivation(onlyTouched bool) string {
	sql := f.with(onlyTouched) + " SELECT * FROM (\n" + f.Select + "\n) AS _weir_fact"
	if onlyTouched {
		sql += " WHERE " + touched("_weir_fact."+ident(f.Key))
	}
	return sql
}

// Refresh implements store.Store. A fact of which an input's snapshot is not complete is left as it is: no position can be named for which it would be true.
func (s *Store) Refresh(ctx context.Context) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.refresh(ctx)
}

func (s *Store) refresh(ctx context.Context) error {
	l, err := s.prepared()
	if err != nil {
		return err
	}
	if len(l.facts) == 0 {
		return nil
	}
	w, err := s.openWriter(ctx, s.file(store.Metrics))
	if err != nil {
		return err
	}
	defer w.close()
	r := &refresh{w: w, l: l, changes: map[string]int64{}}
	if err := w.transaction(ctx, func() error { return r.run(ctx) }); err != nil {
		return fmt.Errorf("refresh facts: %w", err)
	}
	return nil
}

// refresh is one run over all facts, in one transaction.
type refresh struct {
	w       *writer
	l       *layout
	state   fileState
	changes map[string]int64 // rows in each table's delta
}

func (r *refresh) run(ctx context.Context) error {
	var err error
	if r.state, err = r.w.state(ctx, false); err != nil {
		return err
	}
	for _, t := range r.l.order {
		if t.delta == nil {
			continue
		}
		if r.changes[t.name], err = r.w.number(ctx, "SELECT count(*) FROM "+t.delta.sql()); err != nil {
			return err
		}
	}
	for _, f := range r.l.facts {
		if err := r.one(ctx, f); err != nil {
			return fmt.Errorf("refresh %s: %w", f.Name, err)
		}
	}
	for _, t := range r.l.order {
		if t.delta != nil && r.changes[t.name] > 0 {
			if err := r.w.exec(ctx, "DELETE FROM "+t.delta.sql()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *refresh) one(ctx context.Context, f *fact) error {
	st := r.state.facts[f.Name]
	full, changed := st.derive, false
	for _, in := range f.inputs {
		if !r.state.tables[in.Table].Copied {
			return r.note(ctx, f, st.mark, true)
		}
		n := r.changes[in.Table]
		changed = changed || n > 0
		if n <= largeRows || full {
			continue
		}
		rows, err := r.w.number(ctx, "SELECT count(*) FROM "+in.shape.sql())
		if err != nil {
			return err
		}
		full = n > rows/largeShare
	}
	var err error
	switch {
	case full:
		err = r.w.exec(ctx, "DELETE FROM "+f.sql()+"; INSERT INTO "+f.sql()+" "+f.derivation(false))
	case changed:
		err = r.follow(ctx, f)
	case st.mark.Position == r.state.mark.Position && st.mark.AsOf.Equal(r.state.mark.AsOf):
		return nil
	}
	if err != nil {
		return err
	}
	return r.note(ctx, f, r.state.mark, false)
}

// note sets the fact's mark and whether it must be derived from all rows the next time.
func (r *refresh) note(ctx context.Context, f *fact, m treatment.Mark, derive bool) error {
	position, asOf := markSQL(m)
	return r.w.exec(ctx, fmt.Sprintf("UPDATE _weir.facts SET position = %s, as_of = %s, derive = %t WHERE name = %s", position, asOf, derive, literal(f.Name)))
}

// follow renews the rows of the keys that changed rows touch.
func (r *refresh) follow(ctx context.Context, f *fact) error {
	if err := r.w.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+ident(tempTouched)+" AS SELECT "+ident(f.Key)+" AS k FROM "+f.sql()+" LIMIT 0"); err != nil {
		return err
	}
	for _, in := range f.inputs {
		if err := r.touch(ctx, f, in); err != nil {
			return err
		}
	}
	return r.w.exec(ctx, "DELETE FROM "+f.sql()+" WHERE "+touched(f.sql()+"."+ident(f.Key))+
		"; INSERT INTO "+f.sql()+" "+f.derivation(true)+"; DROP TABLE "+temp(tempTouched))
}

// touch adds the keys that the changed rows of an input touch. Rows of which nothing that the input shows has changed cancel out.
func (r *refresh) touch(ctx context.Context, f *fact, in input) error {
	if r.changes[in.Table] == 0 {
		return nil
	}
	names := idents(in.Columns)
	sql := "CREATE OR REPLACE TEMP TABLE " + ident(tempChanged) + " AS SELECT " + names + " FROM " + in.table.delta.sql() +
		" GROUP BY " + names + " HAVING sum(" + ident(weightName) + ") <> 0"
	if err := r.w.exec(ctx, sql); err != nil {
		return err
	}
	with := f.with(false, "fact AS NOT MATERIALIZED (SELECT * FROM "+f.sql()+")", "changed AS NOT MATERIALIZED (SELECT * FROM "+temp(tempChanged)+")")
	return r.w.exec(ctx, "INSERT INTO "+temp(tempTouched)+" "+with+" SELECT * FROM (\n"+in.Keys+"\n) AS _weir_keys; DROP TABLE "+temp(tempChanged))
}
