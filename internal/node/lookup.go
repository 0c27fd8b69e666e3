package node

import (
	"context"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

// emulated returns the catalogue of what the visitor's role may see at the moment.
func (v *visitor) emulated(ctx context.Context) (*catalogue.Catalogue, error) {
	visible := nothing
	if v.session.Rights().SQL {
		var err error
		if visible, err = v.door.node.catalogNow(ctx); err != nil {
			return nil, err
		}
	}
	v.catalogueMu.Lock()
	defer v.catalogueMu.Unlock()
	if n := len(v.catalogues); n > 0 && v.catalogues[n-1].key.visible == visible {
		return v.catalogues[n-1].made, nil
	}
	c, err := v.door.catalogues.take(ctx, &v.door.node.emulated, string(v.principal.Name), visible)
	if err != nil {
		return nil, err
	}
	v.catalogues = append(v.catalogues, c)
	return c.made, nil
}

// aboutItself prepares a question about the database itself. It reads nothing of the copy.
func (v *visitor) aboutItself(ctx context.Context, sql string) (pgwire.Statement, error) {
	c, err := v.emulated(ctx)
	if err != nil {
		return nil, stated(err, "XX000")
	}
	schema, parameters, err := c.Describe(ctx, sql)
	if err != nil {
		return nil, v.refuse(ctx, "catalogue", stated(err, "42601"))
	}
	return &lookup{visitor: v, catalogue: c, sql: sql, schema: schema, parameters: parameters}, nil
}

// lookup is a question about the database itself.
type lookup struct {
	visitor    *visitor
	catalogue  *catalogue.Catalogue
	sql        string
	schema     *arrow.Schema
	parameters []uint32
}

func (l *lookup) Parameters() []uint32  { return l.parameters }
func (l *lookup) Schema() *arrow.Schema { return l.schema }

func (l *lookup) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	if l.visitor.check(); l.visitor.ended() {
		return nil, l.visitor.reason
	}
	failed, err := l.visitor.session.Lookup(ctx, "catalogue")
	if err != nil {
		return nil, stated(err, "XX000")
	}
	rows, err := l.catalogue.Query(ctx, l.sql, parameters...)
	if err != nil {
		err = stated(err, "42601")
		return nil, failed(ruleOf("catalogue", err), err)
	}
	return lookupRows{rows, l.schema}, nil
}

// lookupRows gives every batch the schema that says which PostgreSQL types its columns have.
type lookupRows struct {
	*catalogue.Rows
	schema *arrow.Schema
}

func (r lookupRows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range r.Rows.Batches() {
			if err != nil {
				yield(nil, stated(err, "XX000"))
				return
			}
			if !slices.EqualFunc(b.Columns(), r.schema.Fields(), func(a arrow.Array, f arrow.Field) bool { return arrow.TypeEqual(a.DataType(), f.Type) }) {
				yield(nil, stated(otherShape(), "0A000"))
				return
			}
			typed := array.NewRecordBatch(r.schema, b.Columns(), b.NumRows())
			more := yield(typed, nil)
			typed.Release()
			if !more {
				return
			}
		}
	}
}
