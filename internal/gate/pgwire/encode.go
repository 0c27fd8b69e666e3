package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"

	"github.com/weirproject/weir/internal/fault"
)

// put appends the value of a row to dst; the row is not NULL. It is made once for each column of each batch and allocates nothing for a row.
type put func(dst []byte, row int) []byte

// cell is a column of the current batch in the form in which it is sent.
type cell struct {
	array arrow.Array
	nulls bool
	put   put
	safe  bool // its text never needs an escape or a quote
}

func (c *cell) null(row int) bool {
	if !c.nulls {
		return false
	}
	if u, ok := c.array.(array.Union); ok {
		return unionIsNull(u, row)
	}
	return c.array.IsNull(row)
}

// unionIsNull looks at the member that is there: a union has no NULL of its own.
func unionIsNull(u array.Union, row int) bool {
	member := u.Field(u.ChildID(row))
	if d, ok := u.(*array.DenseUnion); ok {
		row = int(d.ValueOffset(row))
	}
	return member.IsNull(row)
}

// encoder binds columns to forms. err is the first value that has no form in PostgreSQL.
type encoder struct{ err error }

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func outOfRange() error {
	return stated(fault.Invalid, "22008", "a time of the answer is outside what PostgreSQL can express", "ask for it as text, with a cast")
}

// bind makes the cell of a column.
func (e *encoder) bind(a arrow.Array, m arrow.Metadata, binaryForm bool) cell {
	oid, _ := typeOf(a.DataType(), m)
	_, union := a.(array.Union)
	c := cell{array: a, nulls: union || a.NullN() > 0 || a.DataType().ID() == arrow.NULL, put: e.form(a, m, binaryForm)}
	switch oid {
	case oidBool, oidInt2, oidInt4, oidInt8, oidFloat4, oidFloat8, oidNumeric, oidUUID, oidDate, oidTime, oidTimestamp, oidTimestamptz:
		c.safe = true
	}
	return c
}

// form is the way a column's values are written.
func (e *encoder) form(a arrow.Array, m arrow.Metadata, b bool) put {
	name, _ := extensionOf(a.DataType(), m)
	if x, ok := a.(array.ExtensionArray); ok {
		a = x.Storage()
	}
	if oid, ok := declared(m); ok {
		if p := e.declaredForm(a, oid, b); p != nil {
			return p
		}
	}
	if p := extensionForm(a, name, m, b); p != nil {
		return p
	}
	switch a := a.(type) {
	case *array.Boolean:
		return boolForm(a.Value, b)
	case *array.Int8:
		return intForm(a.Values(), 2, b)
	case *array.Uint8:
		return intForm(a.Values(), 2, b)
	case *array.Int16:
		return intForm(a.Values(), 2, b)
	case *array.Uint16:
		return intForm(a.Values(), 4, b)
	case *array.Int32:
		return intForm(a.Values(), 4, b)
	case *array.Uint32:
		return intForm(a.Values(), 8, b)
	case *array.Int64:
		return intForm(a.Values(), 8, b)
	case *array.Uint64:
		return decimalForm(func(i int) (bool, uint64, uint64) { return false, 0, a.Value(i) }, 0, b)
	case *array.Float16:
		return float4Form(func(i int) float32 { return a.Value(i).Float32() }, b)
	case *array.Float32:
		return float4Form(a.Value, b)
	case *array.Float64:
		return float8Form(a, b)
	case *array.String:
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	case *array.LargeString:
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	case *array.StringView:
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	case *array.Binary:
		return bytesForm(a.Value, b)
	case *array.LargeBinary:
		return bytesForm(a.Value, b)
	case *array.BinaryView:
		return bytesForm(a.Value, b)
	case *array.FixedSizeBinary:
		return bytesForm(a.Value, b)
	case *array.Null:
		return func(dst []byte, _ int) []byte { return dst }
	}
	if p := e.decimal(a, b); p != nil {
		return p
	}
	if p := e.temporal(a, b); p != nil {
		return p
	}
	return e.nested(a, b)
}

// declaredForm is the form of values whose type is not their Arrow type's; nil when it makes no difference.
func (e *encoder) declaredForm(a arrow.Array, oid uint32, b bool) put {
	if !b {
		return nil
	}
	if shownOnly[oid] {
		e.fail(stated(fault.Refused, "0A000", "a column has a type that is answered as text only", "ask for results in text, or cast the column to text"))
		return func(dst []byte, _ int) []byte { return dst }
	}
	width := column{oid: oid}.size()
	switch a := a.(type) {
	case *array.Int8:
		return intForm(a.Values(), width, b)
	case *array.Uint8:
		return intForm(a.Values(), width, b)
	case *array.Int16:
		return intForm(a.Values(), width, b)
	case *array.Uint16:
		return intForm(a.Values(), width, b)
	case *array.Int32:
		return intForm(a.Values(), width, b)
	case *array.Uint32:
		return intForm(a.Values(), width, b)
	case *array.Int64:
		return intForm(a.Values(), width, b)
	case array.ListLike:
		if element, ok := elementOf[oid]; ok {
			return binaryArray(a, e.bind(a.ListValues(), declare(element), b), element)
		}
	}
	return nil
}

// extensionForm is the form of the extension types that have one of their own; nil for all others.
func extensionForm(a arrow.Array, name string, m arrow.Metadata, b bool) put {
	switch a := a.(type) {
	case *array.FixedSizeBinary:
		if t, ok := a.DataType().(*arrow.FixedSizeBinaryType); !ok || t.ByteWidth != 16 {
			return nil
		}
		if name == extensionUUID {
			return uuidForm(a, b)
		}
		if name == extensionOpaque && isHugeint(m) {
			about, _ := m.GetValue(extensionAbout)
			return hugeintForm(a, about == opaqueHugeint, b)
		}
	case *array.Int8:
		if name == extensionBool {
			return boolForm(func(i int) bool { return a.Value(i) != 0 }, b)
		}
	}
	return nil
}

// hugeintForm writes 128-bit integers, which come as their bytes, the lowest first.
func hugeintForm(a *array.FixedSizeBinary, signed, b bool) put {
	return decimalForm(func(i int) (bool, uint64, uint64) {
		v := a.Value(i)
		low, high := binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])
		if signed {
			return split128(decimal128.New(int64(high), low)) //nolint:gosec // the bits, whatever the sign
		}
		return false, high, low
	}, 0, b)
}

// decimal is the form of the decimal types; nil for all others.
func (e *encoder) decimal(a arrow.Array, b bool) put {
	switch a := a.(type) {
	case *array.Decimal32:
		return decimalForm(func(i int) (bool, uint64, uint64) { return split64(int64(a.Value(i))) }, scaleOf(a), b)
	case *array.Decimal64:
		return decimalForm(func(i int) (bool, uint64, uint64) { return split64(int64(a.Value(i))) }, scaleOf(a), b)
	case *array.Decimal128:
		return decimalForm(func(i int) (bool, uint64, uint64) { return split128(a.Value(i)) }, scaleOf(a), b)
	case *array.Decimal256:
		return wideDecimalForm(func(i int) decimal256.Num { return a.Value(i) }, scaleOf(a), b)
	}
	return nil
}

func scaleOf(a arrow.Array) int {
	if d, ok := a.DataType().(arrow.DecimalType); ok {
		return int(d.GetScale())
	}
	return 0
}

func split64(v int64) (bool, uint64, uint64) {
	if v < 0 {
		return true, 0, -uint64(v) //nolint:gosec // two's complement: the negation of the bits is the absolute value
	}
	return false, 0, uint64(v)
}

func split128(n decimal128.Num) (bool, uint64, uint64) {
	high, low := uint64(n.HighBits()), n.LowBits() //nolint:gosec // the bits, whatever the sign
	if n.HighBits() >= 0 {
		return false, high, low
	}
	low = -low
	high = ^high
	if low == 0 {
		high++
	}
	return true, high, low
}

func boolForm(value func(int) bool, b bool) put {
	yes, no := byte('t'), byte('f')
	if b {
		yes, no = 1, 0
	}
	return func(dst []byte, i int) []byte {
		if value(i) {
			return append(dst, yes)
		}
		return append(dst, no)
	}
}

type integers interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64
}

// intForm writes integers; width is of the binary form.
func intForm[T integers](values []T, width int, b bool) put {
	switch {
	case !b:
		return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(values[i]), 10) }
	case width == 2:
		return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint16(dst, uint16(values[i])) }
	case width == 4:
		return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(values[i])) }
	}
	return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint64(dst, uint64(values[i])) }
}

func float4Form(value func(int) float32, b bool) put {
	if b {
		return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint32(dst, math.Float32bits(value(i))) }
	}
	return func(dst []byte, i int) []byte { return appendFloat(dst, float64(value(i)), 32) }
}

func float8Form(a *array.Float64, b bool) put {
	values := a.Values()
	if b {
		return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint64(dst, math.Float64bits(values[i])) }
	}
	return func(dst []byte, i int) []byte { return appendFloat(dst, values[i], 64) }
}

// appendFloat writes the shortest text that reads back as the same float, with an exponent where PostgreSQL has one.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	low, high := 1e-4, 1e15
	if bits == 32 {
		low, high = float64(float32(1e-4)), 1e6
	}
	if a := math.Abs(v); a == 0 || a >= low && a < high {
		return strconv.AppendFloat(dst, v, 'f', -1, bits)
	}
	return strconv.AppendFloat(dst, v, 'e', -1, bits)
}

func bytesForm(value func(int) []byte, b bool) put {
	if b {
		return func(dst []byte, i int) []byte { return append(dst, value(i)...) }
	}
	return func(dst []byte, i int) []byte { return hex.AppendEncode(append(dst, '\\', 'x'), value(i)) }
}

func uuidForm(a *array.FixedSizeBinary, b bool) put {
	if b {
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	}
	return func(dst []byte, i int) []byte { return appendUUID(dst, a.Value(i)) }
}

func appendUUID(dst, v []byte) []byte {
	dst = append(hex.AppendEncode(dst, v[:4]), '-')
	dst = append(hex.AppendEncode(dst, v[4:6]), '-')
	dst = append(hex.AppendEncode(dst, v[6:8]), '-')
	dst = append(hex.AppendEncode(dst, v[8:10]), '-')
	return hex.AppendEncode(dst, v[10:])
}
