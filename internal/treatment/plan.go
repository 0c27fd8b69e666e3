package treatment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
)

// version changes when the same policy would give other bytes than before; every copy is then made anew.
const version = "1"

// Plan is the compiled policy of one table: the only thing that turns Raw into Batch. It is safe for concurrent use.
type Plan struct {
	layout  *Layout
	columns []planned
	schema  *arrow.Schema
	hash    string
	keys    *Keys
	hashers sync.Pool // of *hashers
	mem     memory.Allocator
}

// planned is one column of the result.
type planned struct {
	from  int // column of the layout
	name  string
	field arrow.Field
	// access is where the policy lets the column be read
	access policy.Access
	// subject names the pseudonym's key; empty for other treatments
	subject string
	treat   treat
}

// treat appends the treated values of the picked rows to a builder of the column's type.
type treat func(w *work, v *vector, pick []int32, out array.Builder) error

// work is what one Treat uses: hash states and scratch.
type work struct {
	h       *hashers
	subject hash.Hash
	msg     []byte
	sum     []byte
	held    int
}

type hashers struct {
	rowKey   hash.Hash
	subjects map[string]hash.Hash
}

// Compile compiles the policy of a table for the layout of what is read. A pair of treatment and type that cannot be is a fault that names the column.
func Compile(t *policy.Table, l *Layout, keys *Keys) (*Plan, error) {
	p := &Plan{layout: l, keys: keys, mem: memory.NewGoAllocator()}
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s %s %s %v\n", version, keys.Fingerprint(), l.Table, l.Key)
	fields := []arrow.Field{uuidField(KeyColumn, false)}
	for i, c := range l.Columns {
		_, _ = fmt.Fprintf(digest, "%q %d %d %d\n", c.Name, c.Type.Kind, c.Type.Precision, c.Type.Scale)
		rule, named := t.Column(c.Name)
		if !named || rule.Treat == policy.Drop {
			continue // asked for as a part of the key alone
		}
		dt, f, err := compileColumn(rule, c.Type)
		if err != nil {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s.%s: %v", l.Table, c.Name, err), "run weir policy check")
		}
		access := rule.Access
		if access == "" {
			access = t.Access
		}
		col := planned{from: i, name: c.Name, field: arrow.Field{Name: c.Name, Type: dt, Nullable: rule.Treat != policy.Presence}, access: access, treat: f}
		if arrow.TypeEqual(dt, uuidType) {
			col.field = uuidField(c.Name, true)
		}
		if rule.Treat == policy.Pseudonym {
			col.subject = rule.Subject
		}
		_, _ = fmt.Fprintf(digest, "%q %s %s %s %s %s %v %v %d %d %d\n", rule.Name, rule.Treat, access, rule.Subject, rule.To, rule.Zone, rule.Width, rule.Edges, rule.Bits4, rule.Bits6, rule.Chars)
		p.columns = append(p.columns, col)
		fields = append(fields, col.field)
	}
	p.schema = arrow.NewSchema(fields, nil)
	p.hash = hex.EncodeToString(digest.Sum(nil))
	p.hashers.New = func() any { return p.newHashers() }
	return p, nil
}

var uuidType = &arrow.FixedSizeBinaryType{ByteWidth: 16}

// uuidField is a field of 16-byte values, marked as the canonical extension type arrow.uuid so that engines store it as UUID. The mark alone crosses: the
// library's own extension type would bring all of Parquet into the binary.
func uuidField(name string, nullable bool) arrow.Field {
	return arrow.Field{Name: name, Type: uuidType, Nullable: nullable, Metadata: arrow.NewMetadata(
		[]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.uuid", ""})}
}

func (p *Plan) newHashers() *hashers {
	h := &hashers{rowKey: p.keys.rowKey(p.layout.Table), subjects: map[string]hash.Hash{}}
	for _, c := range p.columns {
		if c.subject != "" && h.subjects[c.subject] == nil {
			h.subjects[c.subject] = p.keys.subject(c.subject)
		}
	}
	return h
}

// Layout is the shape of the Raw that the plan takes.
func (p *Plan) Layout() *Layout { return p.layout }

// Schema is the shape of the rows that the plan gives: KeyColumn, then the columns that cross, named as in production.
func (p *Plan) Schema() *arrow.Schema { return p.schema }

// Hash names everything that decides what the plan's rows look like: another hash means that the table must be copied anew.
func (p *Plan) Hash() string { return p.hash }

// Accesses returns, for each column of Schema after KeyColumn, who may read it.
func (p *Plan) Accesses() []policy.Access {
	a := make([]policy.Access, len(p.columns))
	for i, c := range p.columns {
		a[i] = c.access
	}
	return a
}

// Treat turns production rows into treated ones. An error (a row without a usable key) holds no value; the rows stay where they are.
func (p *Plan) Treat(raw Raw) (*Batch, error) { return p.run(raw, false) }

// TreatTruncated is Treat for rows that follow a TRUNCATE of the table: everything from before it is gone.
func (p *Plan) TreatTruncated(raw Raw) (*Batch, error) { return p.run(raw, true) }

func (p *Plan) run(raw Raw, truncated bool) (*Batch, error) {
	h, _ := p.hashers.Get().(*hashers)
	defer p.hashers.Put(h)
	w := &work{h: h}
	b := &Batch{table: p.layout.Table, truncate: truncated, held: map[string]int{}}
	r := &rows{layout: p.layout, cols: make([]vector, len(p.layout.Columns))}
	if raw.sealed != nil {
		r = raw.sealed()
	}
	if r.layout != p.layout {
		return nil, fmt.Errorf("treat %s: rows of another layout", p.layout.Table)
	}
	b.changes = len(r.ops)
	keys, err := p.rowKeys(w, r)
	if err != nil {
		return nil, err
	}
	n := collapse(r, keys)
	if truncated {
		n.deletes = nil
	}
	b.deletes = p.keyRecord(keys, n.deletes)
	if err := p.build(w, b, r, keys, n); err != nil {
		b.deletes.Release()
		return nil, err
	}
	return b, nil
}

// rowKeys returns the row key of every change, 16 bytes each.
func (p *Plan) rowKeys(w *work, r *rows) ([]byte, error) {
	keys := make([]byte, 0, 16*len(r.ops))
	for i := range r.ops {
		w.msg = w.msg[:0]
		for _, k := range p.layout.Key {
			var ok bool
			if w.msg, ok = appendCanonical(w.msg, p.layout.Columns[k].Type, &r.cols[k], i); !ok {
				return nil, fault.New(fault.Invalid, fmt.Sprintf("a key of %s has a value that weir cannot represent", p.layout.Table),
					"hold the table back in the policy, or change the row in production")
			}
		}
		w.sum, keys = mac128(w.h.rowKey, w.msg, w.sum, keys)
	}
	return keys, nil
}

func (p *Plan) keyRecord(keys []byte, which []int32) arrow.RecordBatch {
	col := keyArray(p.mem, keys, which)
	defer col.Release()
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{uuidField(KeyColumn, false)}, nil), []arrow.Array{col}, int64(len(which)))
}

// keyArray returns the keys of the named changes; a negative one is NULL.
func keyArray(mem memory.Allocator, keys []byte, which []int32) arrow.Array {
	b := array.NewFixedSizeBinaryBuilder(mem, uuidType)
	defer b.Release()
	b.Reserve(len(which))
	for _, i := range which {
		if i < 0 {
			b.AppendNull()
			continue
		}
		b.Append(keys[16*i : 16*i+16])
	}
	return b.NewArray()
}

func (p *Plan) build(w *work, b *Batch, r *rows, keys []byte, n net) error {
	fields := p.schema.Fields()
	cols := make([]arrow.Array, 0, len(fields)+2)
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	cols = append(cols, keyArray(p.mem, keys, n.rows))
	for i := range p.columns {
		c := &p.columns[i]
		col, err := p.column(w, c, &r.cols[c.from], n.pick(c.from))
		if err != nil {
			return err
		}
		if w.held > 0 {
			b.held[c.name] = w.held
		}
		cols = append(cols, col)
	}
	if n.patched() {
		fields = append(append([]arrow.Field(nil), fields...), uuidField(BaseColumn, true))
		cols = append(cols, keyArray(p.mem, keys, n.base))
		for i := range p.columns {
			c := &p.columns[i]
			flags := n.fromStore(c.from)
			if flags == nil {
				continue
			}
			b.patched = append(b.patched, c.name)
			fields = append(fields, arrow.Field{Name: SamePrefix + c.name, Type: arrow.FixedWidthTypes.Boolean})
			fb := array.NewBooleanBuilder(p.mem)
			fb.AppendValues(flags, nil)
			cols = append(cols, fb.NewArray())
			fb.Release()
		}
	}
	b.rows = array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, int64(len(n.rows)))
	return nil
}

func (p *Plan) column(w *work, c *planned, v *vector, pick []int32) (arrow.Array, error) {
	w.held = 0
	w.subject = w.h.subjects[c.subject]
	out := array.NewBuilder(p.mem, c.field.Type)
	defer out.Release()
	out.Reserve(len(pick))
	if err := c.treat(w, v, pick, out); err != nil {
		return nil, fmt.Errorf("treat %s.%s: %w", p.layout.Table, c.name, err)
	}
	return out.NewArray(), nil
}
