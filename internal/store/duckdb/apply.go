package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/treatment"
)

// The session's own tables, for one batch each.
const (
	tempDeletes = "_weir_deletes"
	tempStage   = "_weir_stage"
	tempWhole   = "_weir_whole"
	lostColumn  = "_weir_lost"
)

func temp(name string) string { return "temp.main." + ident(name) }

func tempTable(name string) engine.Table {
	return engine.Table{Catalog: "temp", Schema: "main", Name: name}
}

// empty removes all rows of the table. Facts that read it are derived from all rows.
func (tf *txFile) empty(ctx context.Context, tb *table, s *shape) error {
	if err := tf.exec(ctx, "DELETE FROM "+s.sql()); err != nil {
		return err
	}
	if !tf.feeds(tb) {
		return nil
	}
	for _, f := range tb.facts {
		if tf.derive[f.Name] {
			continue
		}
		if err := tf.exec(ctx, "UPDATE _weir.facts SET derive = true WHERE name = "+literal(f.Name)); err != nil {
			return err
		}
		tf.derive[f.Name] = true
	}
	return tf.exec(ctx, "DELETE FROM "+tb.delta.sql())
}

// feeds tells whether facts of this file read the table.
func (tf *txFile) feeds(tb *table) bool { return tb.delta != nil && tf.f.access == "metrics" }

// records tells whether the table's changes must be kept for facts: some fact reads it that is not derived from all rows anyway.
func (tf *txFile) records(tb *table) bool {
	if !tf.feeds(tb) {
		return false
	}
	for _, f := range tb.facts {
		if !tf.derive[f.Name] {
			return true
		}
	}
	return false
}

// apply writes a batch into the file: what stays unchanged is looked up, then rows are removed, then rows are added.
func (tf *txFile) apply(ctx context.Context, tb *table, s *shape, b *treatment.Batch) error {
	if b.Truncate() {
		if err := tf.empty(ctx, tb, s); err != nil {
			return err
		}
	}
	patched := patchedHere(s, b)
	if len(patched) > 0 {
		if err := tf.patch(ctx, s, b.Rows(), patched); err != nil {
			return err
		}
	}
	if b.Deletes().NumRows() > 0 {
		if err := tf.remove(ctx, tb, s, b.Deletes()); err != nil {
			return err
		}
	}
	if b.Rows().NumRows() == 0 {
		return nil
	}
	if len(patched) > 0 {
		return tf.insertPatched(ctx, tb, s)
	}
	return tf.insert(ctx, tb, s, b.Rows())
}

func patchedHere(s *shape, b *treatment.Batch) []string {
	var here []string
	for _, name := range b.Patched() {
		if s.has(name) {
			here = append(here, name)
		}
	}
	return here
}

// insert adds whole rows, straight into the table.
func (tf *txFile) insert(ctx context.Context, tb *table, s *shape, rows arrow.RecordBatch) error {
	own, err := s.project(rows)
	if err != nil {
		return err
	}
	defer own.Release()
	if err := tf.Append(ctx, s.table(), own); err != nil {
		return fmt.Errorf("append rows: %w", err)
	}
	if !tf.records(tb) {
		return nil
	}
	changes := tb.delta.weighed(own, 1)
	defer changes.Release()
	if err := tf.Append(ctx, tb.delta.table(), changes); err != nil {
		return fmt.Errorf("append changes: %w", err)
	}
	return nil
}

// weighed returns the delta's columns of the rows with a weight in front.
func (d *delta) weighed(rows arrow.RecordBatch, weight int8) arrow.RecordBatch {
	n := int(rows.NumRows())
	w := array.NewInt8Builder(memory.DefaultAllocator)
	defer w.Release()
	w.Reserve(n)
	for range n {
		w.UnsafeAppend(weight)
	}
	weights := w.NewArray()
	defer weights.Release()
	fields := []arrow.Field{{Name: weightName, Type: arrow.PrimitiveTypes.Int8}}
	cols := []arrow.Array{weights}
	for _, c := range d.columns {
		at := rows.Schema().FieldIndices(c.name)[0] // the projection has every column of the table
		fields = append(fields, rows.Schema().Field(at))
		cols = append(cols, rows.Column(at))
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rows.NumRows())
}

// remove removes the rows with these keys.
func (tf *txFile) remove(ctx context.Context, tb *table, s *shape, keys arrow.RecordBatch) error {
	if err := tf.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+ident(tempDeletes)+" (k UUID)"); err != nil {
		return err
	}
	if err := tf.Append(ctx, tempTable(tempDeletes), keys); err != nil {
		return fmt.Errorf("append keys: %w", err)
	}
	where := " WHERE " + ident(treatment.KeyColumn) + " IN (SELECT k FROM " + temp(tempDeletes) + ")"
	if tf.records(tb) {
		sql := "INSERT INTO " + tb.delta.sql() + " SELECT -1, " + idents(tb.delta.names()) + " FROM " + s.sql() + where
		if err := tf.exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := tf.exec(ctx, "DELETE FROM "+s.sql()+where); err != nil {
		return err
	}
	return tf.exec(ctx, "DROP TABLE "+temp(tempDeletes))
}

// patch makes rows whole whose unchanged values are in the store, before anything of the batch is removed.
func (tf *txFile) patch(ctx context.Context, s *shape, rows arrow.RecordBatch, patched []string) error {
	extra := []string{treatment.BaseColumn}
	parts := []string{}
	for _, c := range s.columns {
		parts = append(parts, ident(c.name)+" "+c.sql)
	}
	parts = append(parts, ident(treatment.BaseColumn)+" UUID")
	same := map[string]string{}
	for _, name := range patched {
		same[name] = treatment.SamePrefix + name
		extra = append(extra, same[name])
		parts = append(parts, ident(same[name])+" BOOLEAN")
	}
	stage, err := s.project(rows, extra...)
	if err != nil {
		return err
	}
	defer stage.Release()
	if err := tf.exec(ctx, "CREATE OR REPLACE TEMP TABLE "+ident(tempStage)+" ("+strings.Join(parts, ", ")+")"); err != nil {
		return err
	}
	if err := tf.Append(ctx, tempTable(tempStage), stage); err != nil {
		return fmt.Errorf("append rows: %w", err)
	}
	values := make([]string, 0, len(s.columns)+1)
	for _, c := range s.columns {
		q := ident(c.name)
		if flag, ok := same[c.name]; ok {
			values = append(values, "CASE WHEN n."+ident(flag)+" THEN o."+q+" ELSE n."+q+" END AS "+q)
		} else {
			values = append(values, "n."+q)
		}
	}
	base, key := ident(treatment.BaseColumn), ident(treatment.KeyColumn)
	values = append(values, "n."+base+" IS NOT NULL AND o."+key+" IS NULL AS "+ident(lostColumn))
	sql := "CREATE OR REPLACE TEMP TABLE " + ident(tempWhole) + " AS SELECT " + strings.Join(values, ", ") +
		" FROM " + temp(tempStage) + " n LEFT JOIN " + s.sql() + " o ON o." + key + " = n." + base + "; DROP TABLE " + temp(tempStage)
	if err := tf.exec(ctx, sql); err != nil {
		return err
	}
	lost, err := tf.number(ctx, "SELECT count(*) FROM "+temp(tempWhole)+" WHERE "+ident(lostColumn))
	if err != nil {
		return err
	}
	if lost > 0 && tf.lost == nil {
		// An error at the commit alone: in a file that is already past these changes, the rows are not where they were.
		tf.lost = fault.Newf(fault.Internal, "%d changed rows of %s are not in the store, so their unchanged values cannot be known", lost, s.full).
			WithHint("copy the table anew")
	}
	return nil
}

// insertPatched adds the rows that patch made whole.
func (tf *txFile) insertPatched(ctx context.Context, tb *table, s *shape) error {
	names := idents(s.names())
	if err := tf.exec(ctx, "INSERT INTO "+s.sql()+" ("+names+") SELECT "+names+" FROM "+temp(tempWhole)); err != nil {
		return err
	}
	if tf.records(tb) {
		sql := "INSERT INTO " + tb.delta.sql() + " SELECT 1, " + idents(tb.delta.names()) + " FROM " + temp(tempWhole)
		if err := tf.exec(ctx, sql); err != nil {
			return err
		}
	}
	return tf.exec(ctx, "DROP TABLE "+temp(tempWhole))
}
