package treatment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weirproject/weir/internal/policy"
)

// errCell says that a cell reached a treatment in a state that its column cannot be in. It names no value.
var errCell = errors.New("an unchanged value where a whole row was expected")

// compileColumn returns the type that a rule gives for a column of type t, and the function that treats it.
func compileColumn(rule policy.Column, t Type) (arrow.DataType, treat, error) {
	if t.Kind == 0 {
		return nil, nil, fmt.Errorf("weir does not read the type %s yet", t.Name)
	}
	switch rule.Treat {
	case policy.Keep:
		return compileKeep(t)
	case policy.Presence:
		return arrow.FixedWidthTypes.Boolean, treatPresence, nil
	case policy.Pseudonym:
		if t.Kind == TextList || t.Kind == Int32List {
			return nil, nil, errors.New("pseudonym takes a scalar, not a list")
		}
		if rule.Subject == "" {
			return nil, nil, errors.New("pseudonym needs a subject")
		}
		return uuidType, pseudonymOf(t), nil
	case policy.Truncate:
		return compileTruncate(rule, t)
	case policy.Bucket:
		return compileBucket(rule, t)
	case policy.Prefix:
		return compilePrefix(rule, t)
	case policy.Drop, policy.Domain, policy.Map, policy.Count, policy.Redact, policy.Fields:
	}
	return nil, nil, fmt.Errorf("the treatment %s is not there yet", rule.Treat)
}

// each calls value for every picked cell that has a value and appends NULL for the others. A value for which it reports false is held back.
func each(w *work, v *vector, pick []int32, out array.Builder, value func(i int) bool) error {
	for _, p := range pick {
		i := int(p)
		switch v.cells[i] {
		case cellValue:
			if !value(i) {
				w.held++
				out.AppendNull()
			}
		case cellHeld:
			w.held++
			out.AppendNull()
		case cellNull, cellSame: // an unchanged value is taken from the store: see SamePrefix
			out.AppendNull()
		}
	}
	return nil
}

func treatPresence(_ *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.BooleanBuilder)
	if !ok {
		return errCell
	}
	for _, i := range pick {
		b.UnsafeAppend(v.cells[i] == cellValue || v.cells[i] == cellHeld)
	}
	return nil
}

func pseudonymOf(t Type) treat {
	return func(w *work, v *vector, pick []int32, out array.Builder) error {
		b, ok := out.(*array.FixedSizeBinaryBuilder)
		if !ok {
			return errCell
		}
		var id []byte
		return each(w, v, pick, out, func(i int) bool {
			if w.msg, ok = appendCanonical(w.msg[:0], t, v, i); !ok {
				return false
			}
			w.sum, id = mac128(w.subject, w.msg, w.sum, id[:0])
			b.Append(id)
			return true
		})
	}
}

// ints makes a treatment of whole numbers.
func ints[T any, B interface {
	array.Builder
	Append(T)
}](convert func(int64) (T, bool),
) treat {
	return func(w *work, v *vector, pick []int32, out array.Builder) error {
		b, ok := out.(B)
		if !ok {
			return errCell
		}
		return each(w, v, pick, out, func(i int) bool {
			x, ok := convert(v.ints[i])
			if ok {
				b.Append(x)
			}
			return ok
		})
	}
}

// texts makes a treatment that gives text of a cell's bytes.
func texts(convert func(dst, p []byte) ([]byte, bool)) treat {
	return func(w *work, v *vector, pick []int32, out array.Builder) error {
		b, ok := out.(*array.StringBuilder)
		if !ok {
			return errCell
		}
		var buf []byte
		return each(w, v, pick, out, func(i int) bool {
			var ok bool
			buf, ok = convert(buf[:0], v.bytesAt(i))
			if ok {
				b.BinaryBuilder.Append(buf)
			}
			return ok
		})
	}
}

func compileKeep(t Type) (arrow.DataType, treat, error) {
	switch t.Kind {
	case Bool:
		return arrow.FixedWidthTypes.Boolean, ints[bool, *array.BooleanBuilder](func(x int64) (bool, bool) { return x != 0, true }), nil
	case Int16:
		return arrow.PrimitiveTypes.Int16, ints[int16, *array.Int16Builder](func(x int64) (int16, bool) { return int16(x), int64(int16(x)) == x }), nil //nolint:gosec // checked
	case Int32:
		return arrow.PrimitiveTypes.Int32, ints[int32, *array.Int32Builder](func(x int64) (int32, bool) { return int32(x), int64(int32(x)) == x }), nil //nolint:gosec // checked
	case Int64:
		return arrow.PrimitiveTypes.Int64, ints[int64, *array.Int64Builder](func(x int64) (int64, bool) { return x, true }), nil
	case Date:
		return arrow.FixedWidthTypes.Date32, ints[arrow.Date32, *array.Date32Builder](storeDate), nil
	case TimestampTZ:
		return timestampType, ints[arrow.Timestamp, *array.TimestampBuilder](storeTime), nil
	case Float32:
		return arrow.PrimitiveTypes.Float32, keepFloat32, nil
	case Float64:
		return arrow.PrimitiveTypes.Float64, keepFloat64, nil
	case Numeric:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, keepNumeric, nil //nolint:gosec // at most 38
	case Text:
		return arrow.BinaryTypes.String, texts(keepText), nil
	case Char:
		return arrow.BinaryTypes.String, texts(func(dst, p []byte) ([]byte, bool) { return keepText(dst, bytes.TrimRight(p, " ")) }), nil
	case Binary:
		return arrow.BinaryTypes.Binary, keepBinary, nil
	case UUID:
		return uuidType, keepUUID, nil
	case Inet:
		return arrow.BinaryTypes.String, texts(keepInet), nil
	case CIDR:
		return arrow.BinaryTypes.String, texts(keepCIDR), nil
	case MAC:
		return arrow.BinaryTypes.String, texts(keepMAC), nil
	case TextList:
		return arrow.ListOf(arrow.BinaryTypes.String), keepTextList, nil
	case Int32List:
		return arrow.ListOf(arrow.PrimitiveTypes.Int32), keepInt32List, nil
	}
	return nil, nil, fmt.Errorf("weir does not read the type %s yet", t.Name)
}

// timestampType has no zone: times are stored as UTC.
var timestampType = &arrow.TimestampType{Unit: arrow.Microsecond}

// storeTime gives the engine's infinities, which are one off from ours at the lower end.
func storeTime(x int64) (arrow.Timestamp, bool) {
	if x == NegInfinity {
		return arrow.Timestamp(-math.MaxInt64), true
	}
	return arrow.Timestamp(x), true
}

func storeDate(x int64) (arrow.Date32, bool) {
	switch x {
	case Infinity:
		return math.MaxInt32, true
	case NegInfinity:
		return -math.MaxInt32, true
	}
	return arrow.Date32(x), x > -math.MaxInt32 && x < math.MaxInt32 //nolint:gosec // checked beside it
}

func keepFloat32(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.Float32Builder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool { b.Append(float32(v.floats[i])); return true })
}

func keepFloat64(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.Float64Builder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool { b.Append(v.floats[i]); return true })
}

func keepNumeric(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.Decimal128Builder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool {
		p := v.bytesAt(i)
		b.Append(decimal128.New(int64(binary.BigEndian.Uint64(p)), binary.BigEndian.Uint64(p[8:]))) //nolint:gosec // bit pattern
		return true
	})
}

func keepBinary(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.BinaryBuilder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool { b.Append(v.bytesAt(i)); return true })
}

func keepUUID(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.FixedSizeBinaryBuilder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool { b.Append(v.bytesAt(i)); return true })
}

// keepText refuses what is not UTF-8 or holds NUL: the store's text cannot hold it.
func keepText(dst, p []byte) ([]byte, bool) {
	return append(dst, p...), utf8.Valid(p) && bytes.IndexByte(p, 0) < 0
}

// address splits the bytes of AppendInet.
func address(p []byte) (netip.Addr, int, bool) {
	if len(p) == 0 {
		return netip.Addr{}, 0, false
	}
	a, ok := netip.AddrFromSlice(p[1:])
	return a, int(p[0]), ok
}

// keepInet writes an address as production shows it: without the prefix length when it is that of a host.
func keepInet(dst, p []byte) ([]byte, bool) {
	a, bits, ok := address(p)
	if ok && bits == a.BitLen() {
		return a.AppendTo(dst), true
	}
	return keepCIDR(dst, p)
}

func keepCIDR(dst, p []byte) ([]byte, bool) {
	a, bits, ok := address(p)
	if !ok {
		return dst, false
	}
	return netip.PrefixFrom(a, bits).AppendTo(dst), true
}

func keepMAC(dst, p []byte) ([]byte, bool) {
	const digits = "0123456789abcdef"
	for i, x := range p {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[x>>4], digits[x&15])
	}
	return dst, len(p) == 6
}

// elements calls f for each element of a list; fixed is the size of an element's bytes, 0 for texts with their own length. nil is a NULL element.
func elements(p []byte, fixed int, f func(e []byte)) {
	for len(p) > 0 {
		present := p[0] == 1
		p = p[1:]
		if !present {
			f(nil)
			continue
		}
		n := fixed
		if n == 0 {
			n = int(binary.BigEndian.Uint32(p))
			p = p[4:]
		}
		f(p[:n:n])
		p = p[n:]
	}
}

func keepTextList(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.ListBuilder)
	if !ok {
		return errCell
	}
	values, ok := b.ValueBuilder().(*array.StringBuilder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool {
		valid := true
		elements(v.bytesAt(i), 0, func(e []byte) { valid = valid && utf8.Valid(e) && bytes.IndexByte(e, 0) < 0 })
		if !valid {
			return false
		}
		b.Append(true)
		elements(v.bytesAt(i), 0, func(e []byte) {
			if e == nil {
				values.AppendNull()
				return
			}
			values.BinaryBuilder.Append(e)
		})
		return true
	})
}

func keepInt32List(w *work, v *vector, pick []int32, out array.Builder) error {
	b, ok := out.(*array.ListBuilder)
	if !ok {
		return errCell
	}
	values, ok := b.ValueBuilder().(*array.Int32Builder)
	if !ok {
		return errCell
	}
	return each(w, v, pick, out, func(i int) bool {
		b.Append(true)
		elements(v.bytesAt(i), 4, func(e []byte) {
			if e == nil {
				values.AppendNull()
				return
			}
			values.Append(int32(binary.BigEndian.Uint32(e))) //nolint:gosec // bit pattern
		})
		return true
	})
}
