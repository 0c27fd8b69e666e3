package treatment

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// The canonical encoding is what pseudonyms and row keys are computed from: a tag, a length and a normal form. Equal values encode alike whatever path and type width
// they came by (bigint 5, integer 5 and numeric 5.00; -0 and 0; char(4) "a" and text "a"), unequal ones never do.
const (
	tagNull  = '-'
	tagBool  = 'o'
	tagInt   = 'i' // 8 bytes, big-endian two's complement; also of numerics without a fraction
	tagFloat = 'f' // 8 bytes, IEEE 754 of the value as float64
	tagNum   = 'x' // 1 byte scale, 16 bytes unscaled, with no trailing zero
	tagText  = 't'
	tagBin   = 'b'
	tagUUID  = 'u'
	tagDate  = 'd'
	tagTime  = 'z'
	tagInet  = 'n'
	tagMAC   = 'm'
	tagList  = 'l'
)

func tagged(dst []byte, tag byte, p []byte) []byte {
	dst = append(dst, tag)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(p))) //nolint:gosec // a field of a row is below 1 GiB
	return append(dst, p...)
}

func tagged64(dst []byte, tag byte, x uint64) []byte {
	dst = append(dst, tag, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, x)
}

// bytesAt returns the bytes of row i.
func (v *vector) bytesAt(i int) []byte {
	start := 0
	if i > 0 {
		start = v.ends[i-1]
	}
	return v.data[start:v.ends[i]]
}

// appendCanonical appends the canonical encoding of row i. It reports false for a cell that has no value to encode (unchanged or held back).
func appendCanonical(dst []byte, t Type, v *vector, i int) ([]byte, bool) {
	switch v.cells[i] {
	case cellNull:
		return append(dst, tagNull), true
	case cellValue:
	default:
		return dst, false
	}
	switch t.Kind {
	case Bool:
		return tagged64(dst, tagBool, uint64(v.ints[i])), true //nolint:gosec // bit pattern
	case Int16, Int32, Int64:
		return tagged64(dst, tagInt, uint64(v.ints[i])), true //nolint:gosec // bit pattern
	case Date:
		return tagged64(dst, tagDate, uint64(v.ints[i])), true //nolint:gosec // bit pattern
	case TimestampTZ:
		return tagged64(dst, tagTime, uint64(v.ints[i])), true //nolint:gosec // bit pattern
	case Float32, Float64:
		return tagged64(dst, tagFloat, normalFloat(v.floats[i])), true
	case Numeric:
		return appendNumeric(dst, v.bytesAt(i), t.Scale), true
	case Char:
		return tagged(dst, tagText, bytes.TrimRight(v.bytesAt(i), " ")), true
	case Text:
		return tagged(dst, tagText, v.bytesAt(i)), true
	case Binary:
		return tagged(dst, tagBin, v.bytesAt(i)), true
	case UUID:
		return tagged(dst, tagUUID, v.bytesAt(i)), true
	case Inet, CIDR:
		return tagged(dst, tagInet, v.bytesAt(i)), true
	case MAC:
		return tagged(dst, tagMAC, v.bytesAt(i)), true
	case TextList, Int32List:
		return tagged(dst, tagList, v.bytesAt(i)), true
	}
	return dst, false
}

func normalFloat(f float64) uint64 {
	switch {
	case f == 0:
		return 0 // -0 is 0
	case math.IsNaN(f):
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(f)
}

// appendNumeric encodes an unscaled 128-bit integer at a scale so that 1.0, 1.00 and the integer 1 are one value.
func appendNumeric(dst, unscaled []byte, scale int) []byte {
	hi, lo := binary.BigEndian.Uint64(unscaled), binary.BigEndian.Uint64(unscaled[8:])
	negative := hi>>63 == 1
	if negative {
		hi, lo = negate128(hi, lo)
	}
	for scale > 0 {
		qhi, r := bits.Div64(0, hi, 10)
		qlo, r := bits.Div64(r, lo, 10)
		if r != 0 {
			break
		}
		hi, lo = qhi, qlo
		scale--
	}
	if negative {
		hi, lo = negate128(hi, lo)
	}
	if scale == 0 && int64(hi) == int64(lo)>>63 { //nolint:gosec // sign extension: the value fits 64 bits
		return tagged64(dst, tagInt, lo)
	}
	dst = append(dst, tagNum, 0, 0, 0, 17, byte(scale)) //nolint:gosec // at most 38
	dst = binary.BigEndian.AppendUint64(dst, hi)
	return binary.BigEndian.AppendUint64(dst, lo)
}

func negate128(hi, lo uint64) (nhi, nlo uint64) {
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return hi, lo
}
