package pgwire

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal256"
)

// maxDigits is how many decimal digits the widest type has (76), with room for a scale beyond them.
const maxDigits = 160

// decimalForm writes decimals of up to 128 bits: sign, high and low half of the absolute value.
func decimalForm(value func(int) (bool, uint64, uint64), scale int, b bool) put {
	return func(dst []byte, i int) []byte {
		negative, high, low := value(i)
		var room [maxDigits]byte
		digits := appendDigits(room[:0], high, low)
		return appendNumeric(dst, negative, digits, scale, b)
	}
}

func wideDecimalForm(value func(int) decimal256.Num, scale int, b bool) put {
	return func(dst []byte, i int) []byte {
		n := value(i)
		negative := n.Sign() < 0
		var room [maxDigits]byte
		digits := n.Abs().BigInt().Append(room[:0], 10)
		return appendNumeric(dst, negative, digits, scale, b)
	}
}

// appendDigits writes an unsigned 128-bit number in decimal.
func appendDigits(dst []byte, high, low uint64) []byte {
	if high == 0 {
		return strconv.AppendUint(dst, low, 10)
	}
	const chunk = 1e19 // the largest power of ten in 64 bits
	var parts [3]uint64
	n := 0
	for ; high != 0; n++ {
		var rest uint64
		high, rest = high/chunk, high%chunk
		low, parts[n] = bits.Div64(rest, low, chunk)
	}
	dst = strconv.AppendUint(dst, low, 10)
	for n--; n >= 0; n-- {
		var room [20]byte
		s := strconv.AppendUint(room[:0], parts[n], 10)
		for range 19 - len(s) {
			dst = append(dst, '0')
		}
		dst = append(dst, s...)
	}
	return dst
}

// appendNumeric writes digits with a scale as PostgreSQL's numeric.
func appendNumeric(dst []byte, negative bool, digits []byte, scale int, b bool) []byte {
	for ; scale < 0; scale++ {
		digits = append(digits, '0')
	}
	if b {
		return appendNumericBinary(dst, negative, digits, scale)
	}
	if negative {
		dst = append(dst, '-')
	}
	if n := len(digits) - scale; n > 0 {
		dst = append(dst, digits[:n]...)
		digits = digits[n:]
	} else {
		dst = append(dst, '0')
	}
	if scale > 0 {
		dst = append(dst, '.')
		for range scale - len(digits) {
			dst = append(dst, '0')
		}
		dst = append(dst, digits...)
	}
	return dst
}

// appendNumericBinary writes numeric's binary form: groups of four decimal digits, aligned at the point, without the zero groups at either end.
func appendNumericBinary(dst []byte, negative bool, digits []byte, scale int) []byte {
	whole := (max(len(digits)-scale, 0) + 3) / 4
	groups := whole + (scale+3)/4
	var room [maxDigits + 8]byte
	aligned := room[:]
	if groups*4 > len(aligned) {
		aligned = make([]byte, groups*4)
	}
	copy(aligned[whole*4+scale-len(digits):], digits)
	group := func(i int) uint16 {
		var v uint16
		for _, d := range aligned[i*4 : i*4+4] {
			v *= 10
			if d != 0 {
				v += uint16(d - '0')
			}
		}
		return v
	}
	first, end := 0, groups
	for first < end && group(first) == 0 {
		first++
	}
	for end > first && group(end-1) == 0 {
		end--
	}
	weight, sign := whole-1-first, uint16(0)
	if first == end {
		weight = 0
	} else if negative {
		sign = 0x4000
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(end-first)) //nolint:gosec // a few groups
	dst = binary.BigEndian.AppendUint16(dst, uint16(weight))    //nolint:gosec // two's complement on the wire
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, uint16(scale)) //nolint:gosec // at most some dozens
	for ; first < end; first++ {
		dst = binary.BigEndian.AppendUint16(dst, group(first))
	}
	return dst
}
