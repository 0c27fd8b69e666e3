package duckdb

import (
	"context"
	"fmt"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

// Prepare implements store.Store.
func (s *Store) Prepare(ctx context.Context, l store.Layout) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	next, err := readLayout(l)
	if err != nil {
		return err
	}
	for _, t := range next.order {
		for a := range t.shapes {
			if s.file(a) == nil {
				if err := s.openFile(ctx, a); err != nil {
					return err
				}
			}
		}
	}
	// All files are looked at before any is changed: a store of another source stays as it is.
	for _, f := range s.opened() {
		if err := s.checkIdentity(ctx, f, l.Identity); err != nil {
			return err
		}
	}
	for _, f := range s.opened() {
		if err := s.prepareFile(ctx, f, next); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.layout = next
	s.mu.Unlock()
	return nil
}

func (s *Store) checkIdentity(ctx context.Context, f *file, identity string) error {
	w, err := s.openWriter(ctx, f)
	if err != nil {
		return err
	}
	defer w.close()
	have, err := w.texts(ctx, "SELECT identity FROM _weir.meta")
	if err != nil {
		return err
	}
	if len(have) != 1 {
		return damaged()
	}
	if have[0][0] != "" && have[0][0] != identity {
		return fault.New(fault.Refused, "the store is of another source", "use another state folder for this source")
	}
	return nil
}

func (s *Store) prepareFile(ctx context.Context, f *file, l *layout) error {
	w, err := s.openWriter(ctx, f)
	if err != nil {
		return err
	}
	changed := f.version.changes()
	var renew bool
	err = w.transaction(ctx, func() error {
		p := &preparation{w: w, l: l, a: f.access}
		if err := p.run(ctx); err != nil {
			return err
		}
		renew = p.renew
		return nil
	})
	changed()
	w.close()
	if err != nil {
		return fmt.Errorf("prepare %s: %w", f.access, err)
	}
	if renew {
		return s.renew(ctx, f)
	}
	return nil
}

// preparation makes one file fit the layout, in one transaction. That the file must be written anew is noted in the same transaction, so that a crash
// before it is done is made up for by the next Prepare.
type preparation struct {
	w     *writer
	l     *layout
	a     store.Access
	state fileState
	renew bool
	made  map[string]bool // tables that were made anew
}

func (p *preparation) run(ctx context.Context) error {
	var err error
	if p.state, err = p.w.state(ctx, false); err != nil {
		return err
	}
	p.renew, p.made = p.state.renew, map[string]bool{}
	if err := p.dropOld(ctx); err != nil {
		return err
	}
	for _, t := range p.l.order {
		if err := p.makeTable(ctx, t); err != nil {
			return err
		}
	}
	if p.a == store.Metrics {
		if err := p.makeFacts(ctx); err != nil {
			return err
		}
	}
	return p.w.exec(ctx, fmt.Sprintf("UPDATE _weir.meta SET identity = %s, renew = %t", literal(p.l.identity), p.renew))
}

func (p *preparation) drop(ctx context.Context, name string) error {
	at, err := parsePlace(name)
	if err != nil {
		return err
	}
	p.renew = true
	return p.w.exec(ctx, "DROP TABLE IF EXISTS "+at.sql())
}

// dropOld removes the tables that the layout doesn't have, or has in another form.
func (p *preparation) dropOld(ctx context.Context) error {
	for name, have := range p.state.tables {
		if t := p.l.tables[name]; t != nil {
			if s := t.shapes[p.a]; s != nil && s.hash == have.Hash && s.print() == p.state.shapes[name] {
				continue
			}
		}
		if err := p.drop(ctx, name); err != nil {
			return err
		}
		if err := p.w.exec(ctx, "DELETE FROM _weir.tables WHERE name = "+literal(name)); err != nil {
			return err
		}
		delete(p.state.tables, name)
	}
	return nil
}

func (p *preparation) makeTable(ctx context.Context, t *table) error {
	s := t.shapes[p.a]
	if s == nil {
		return nil
	}
	if _, ok := p.state.tables[t.name]; ok {
		return nil
	}
	p.made[t.name] = true
	if err := p.w.exec(ctx, s.create()); err != nil {
		return err
	}
	return p.w.exec(ctx, fmt.Sprintf("INSERT INTO _weir.tables VALUES (%s, %s, %s, false, '')", literal(t.name), literal(s.hash), literal(s.print())))
}

// makeFacts makes the facts fit, after the tables that they read.
func (p *preparation) makeFacts(ctx context.Context) error {
	keep := map[string]bool{}
	for _, f := range p.l.facts {
		have, ok := p.state.facts[f.Name]
		keep[f.Name] = ok && have.hash == f.Hash
		for _, in := range f.inputs {
			keep[f.Name] = keep[f.Name] && !p.made[in.Table]
		}
	}
	for name := range p.state.facts {
		if keep[name] {
			continue
		}
		if err := p.drop(ctx, name); err != nil {
			return err
		}
		if err := p.w.exec(ctx, "DELETE FROM _weir.facts WHERE name = "+literal(name)); err != nil {
			return err
		}
	}
	for _, f := range p.l.facts {
		if keep[f.Name] {
			continue
		}
		if err := p.makeFact(ctx, f); err != nil {
			return err
		}
	}
	return p.makeDeltas(ctx)
}

func (p *preparation) makeFact(ctx context.Context, f *fact) error {
	sql := "CREATE SCHEMA IF NOT EXISTS " + ident(f.schema) + "; CREATE TABLE " + f.sql() + " AS " + f.derivation(false) + " LIMIT 0"
	if err := p.w.exec(ctx, sql); err != nil {
		return fault.Newf(fault.Invalid, "the fact %s cannot be derived: the engine does not accept its definition", f.Name).
			WithHint("look at the columns that it declares and uses").WithCause(err)
	}
	columns, err := p.w.number(ctx, "SELECT count(*) FROM duckdb_columns() WHERE database_name = current_database() AND schema_name = $1 AND table_name = $2 AND column_name = $3",
		f.schema, f.name, f.Key)
	if err != nil {
		return err
	}
	if columns != 1 {
		return fault.Newf(fault.Invalid, "the fact %s has no column %s, which is declared as its key", f.Name, f.Key).WithHint("add it to what the definition selects")
	}
	return p.w.exec(ctx, fmt.Sprintf("INSERT INTO _weir.facts VALUES (%s, %s, '', '', NULL, true)", literal(f.Name), literal(f.Hash)))
}

// makeDeltas makes the tables of changes fit. Facts that read a table whose delta is made anew are derived from all rows.
func (p *preparation) makeDeltas(ctx context.Context) error {
	rows, err := p.w.texts(ctx, "SELECT name, shape FROM _weir.deltas")
	if err != nil {
		return err
	}
	have := map[string]string{}
	for _, r := range rows {
		have[r[0]] = r[1]
	}
	for name, shape := range have {
		if t := p.l.tables[name]; t != nil && t.delta != nil && t.delta.print() == shape {
			continue
		}
		old := place{ownSchema, deltaPrefix + name}
		if err := p.w.exec(ctx, "DROP TABLE IF EXISTS "+old.sql()+"; DELETE FROM _weir.deltas WHERE name = "+literal(name)); err != nil {
			return err
		}
		delete(have, name)
	}
	for _, t := range p.l.order {
		if t.delta == nil {
			continue
		}
		if _, ok := have[t.name]; ok {
			if p.made[t.name] {
				if err := p.w.exec(ctx, "DELETE FROM "+t.delta.sql()); err != nil {
					return err
				}
			}
			continue
		}
		sql := t.delta.create() + fmt.Sprintf("; INSERT INTO _weir.deltas VALUES (%s, %s)", literal(t.name), literal(t.delta.print()))
		if err := p.w.exec(ctx, sql); err != nil {
			return err
		}
		for _, f := range t.facts {
			if err := p.w.exec(ctx, "UPDATE _weir.facts SET derive = true WHERE name = "+literal(f.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}
