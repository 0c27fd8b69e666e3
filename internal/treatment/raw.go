package treatment

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
)

// Op is what happened to a row in production.
type Op uint8

// The operations. A changed key is two rows, MoveFrom then MoveTo, so that the unchanged values of the new row can be found under the old key.
const (
	Insert   Op = iota + 1
	Update      // same key
	Delete      // only the key columns have values, the others are Null
	MoveFrom    // the old key of an update that changes it; like Delete
	MoveTo      // the new row of it, directly after MoveFrom; Same refers to the old row
)

type cell uint8

const (
	cellValue cell = iota
	cellNull
	cellSame // unchanged since the last version of the row (an unchanged TOAST value was not sent)
	cellHeld // a value that no store can hold exactly; it is held back and counted
)

// vector holds one column's values; which fields are used follows from the kind.
type vector struct {
	cells  []cell
	ints   []int64
	floats []float64
	ends   []int // ends[i] is where row i's bytes end in data
	data   []byte
}

type rows struct {
	layout *Layout
	ops    []Op
	cols   []vector
}

// sealed hides values behind a func, because fmt, encoders and loggers follow fields and pointers but never call a func.
type sealed func() *rows

const sealText = "[raw]"

// Raw is a batch of production rows of one table. Its values can be reached by this package alone: however it is printed, logged or marshalled, it
// shows [raw].
type Raw struct{ sealed sealed }

// Len returns the number of row changes.
func (r Raw) Len() int {
	if r.sealed == nil {
		return 0
	}
	return len(r.sealed().ops)
}

// String shows that there are values, not which.
func (Raw) String() string { return sealText }

// GoString is String.
func (Raw) GoString() string { return sealText }

// Format writes [raw] for every verb.
func (Raw) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, sealText) }

// MarshalText writes [raw], also inside JSON and YAML.
func (Raw) MarshalText() ([]byte, error) { return []byte(sealText), nil }

// LogValue logs [raw].
func (Raw) LogValue() slog.Value { return slog.StringValue(sealText) }

// Builder collects the rows of one table. A source begins a row and then appends exactly one value for each column of the layout, in its order.
// It is not safe for concurrent use. Like Raw it shows nothing of its values.
type Builder struct {
	sealed sealed
	layout *Layout
	col    int
}

// NewBuilder returns an empty builder for the layout.
func NewBuilder(l *Layout) *Builder {
	b := &Builder{layout: l}
	b.reset(nil)
	return b
}

// reset empties the builder. The next run is likely to be as long as the last, so room for it is made at once.
func (b *Builder) reset(last *rows) {
	r := &rows{layout: b.layout, cols: make([]vector, len(b.layout.Columns))}
	if last != nil {
		r.ops = make([]Op, 0, len(last.ops))
		for i := range last.cols {
			l := &last.cols[i]
			r.cols[i] = vector{
				cells: make([]cell, 0, len(l.cells)), ints: make([]int64, 0, len(l.ints)), floats: make([]float64, 0, len(l.floats)),
				ends: make([]int, 0, len(l.ends)), data: make([]byte, 0, len(l.data)),
			}
		}
	}
	b.sealed = func() *rows { return r }
	b.col = len(b.layout.Columns)
}

// Layout returns the shape that the builder was made for.
func (b *Builder) Layout() *Layout { return b.layout }

// Len returns the number of rows begun since the last Seal.
func (b *Builder) Len() int { return len(b.sealed().ops) }

// Seal returns what was collected and empties the builder. A half-appended row is a defect of the source and is an error.
func (b *Builder) Seal() (Raw, error) {
	if b.col != len(b.layout.Columns) {
		return Raw{}, fmt.Errorf("seal %s: the last row has %d of %d columns", b.layout.Table, b.col, len(b.layout.Columns))
	}
	raw := Raw{sealed: b.sealed}
	b.reset(b.sealed())
	return raw, nil
}

// Begin begins a row.
func (b *Builder) Begin(op Op) {
	if b.col != len(b.layout.Columns) {
		panic("treatment: row begun before the last one was complete")
	}
	r := b.sealed()
	r.ops = append(r.ops, op)
	b.col = 0
}

func (b *Builder) next(c cell) *vector {
	v := &b.sealed().cols[b.col]
	v.cells = append(v.cells, c)
	b.col++
	return v
}

// pad keeps the value slices of a column as long as its cells.
func (b *Builder) pad(c cell) {
	switch b.layout.Columns[b.col].Type.Kind {
	case Bool, Int16, Int32, Int64, Date, TimestampTZ:
		v := b.next(c)
		v.ints = append(v.ints, 0)
	case Float32, Float64:
		v := b.next(c)
		v.floats = append(v.floats, 0)
	default:
		v := b.next(c)
		v.ends = append(v.ends, len(v.data))
	}
}

// Null appends SQL NULL.
func (b *Builder) Null() { b.pad(cellNull) }

// Same appends "unchanged since the row's last version".
func (b *Builder) Same() { b.pad(cellSame) }

// Held appends a value that cannot be represented exactly (a numeric NaN, an array of two dimensions, a time beyond the range): it is held back and counted.
func (b *Builder) Held() { b.pad(cellHeld) }

// Int appends a value of Bool, Int16, Int32, Int64, Date or TimestampTZ.
func (b *Builder) Int(x int64) {
	v := b.next(cellValue)
	v.ints = append(v.ints, x)
}

// Float appends a value of Float32 or Float64.
func (b *Builder) Float(x float64) {
	v := b.next(cellValue)
	v.floats = append(v.floats, x)
}

// Bytes appends a value of Text, Char, Binary, UUID, Inet, CIDR or MAC; it copies p.
func (b *Builder) Bytes(p []byte) {
	v := b.next(cellValue)
	v.data = append(v.data, p...)
	v.ends = append(v.ends, len(v.data))
}

// Decimal appends a Numeric: the unscaled value as a two's complement 128-bit integer, at the scale of the column's type.
func (b *Builder) Decimal(hi int64, lo uint64) {
	v := b.next(cellValue)
	v.data = binary.BigEndian.AppendUint64(v.data, uint64(hi)) //nolint:gosec // the bit pattern is what is stored
	v.data = binary.BigEndian.AppendUint64(v.data, lo)
	v.ends = append(v.ends, len(v.data))
}

// TextList appends a one-dimensional TextList; a nil element is NULL.
func (b *Builder) TextList(elements [][]byte) {
	v := b.next(cellValue)
	for _, e := range elements {
		if e == nil {
			v.data = append(v.data, 0)
			continue
		}
		v.data = append(v.data, 1)
		v.data = binary.BigEndian.AppendUint32(v.data, uint32(len(e))) //nolint:gosec // a field of a row is below 1 GiB
		v.data = append(v.data, e...)
	}
	v.ends = append(v.ends, len(v.data))
}

// Int32List appends a one-dimensional Int32List; valid[i] false is NULL.
func (b *Builder) Int32List(elements []int32, valid []bool) {
	v := b.next(cellValue)
	for i, e := range elements {
		if !valid[i] {
			v.data = append(v.data, 0)
			continue
		}
		v.data = append(v.data, 1)
		v.data = binary.BigEndian.AppendUint32(v.data, uint32(e)) //nolint:gosec // the bit pattern is what is stored
	}
	v.ends = append(v.ends, len(v.data))
}

// AppendInet appends the bytes that a Builder takes for Inet and CIDR: prefix length, then the 4 or 16 address bytes.
func AppendInet(dst []byte, bits uint8, addr []byte) []byte {
	return append(append(dst, bits), addr...)
}

// String shows that there are values, not which.
func (*Builder) String() string { return sealText }

// GoString is String.
func (*Builder) GoString() string { return sealText }

// Format writes [raw] for every verb.
func (*Builder) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, sealText) }

// MarshalText writes [raw], also inside JSON and YAML.
func (*Builder) MarshalText() ([]byte, error) { return []byte(sealText), nil }

// LogValue logs [raw].
func (*Builder) LogValue() slog.Value { return slog.StringValue(sealText) }
