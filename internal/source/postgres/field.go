package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/weirproject/weir/internal/treatment"
)

// appender takes decoded values; *treatment.Builder is the one that counts.
type appender interface {
	Begin(op treatment.Op)
	Null()
	Same()
	Held()
	Int(x int64)
	Float(x float64)
	Bytes(p []byte)
	Decimal(hi int64, lo uint64)
	TextList(elements [][]byte)
	Int32List(elements []int32, valid []bool)
}

// errField is a field whose bytes are not what its type sends.
var errField = errors.New("a field is not in the binary form of its type")

// scratch is memory that the decoders of one reader share, so that no field allocates.
type scratch struct {
	bytes []byte
	texts [][]byte
	ints  []int32
	valid []bool
}

// decodeFunc appends exactly one value, or returns an error and appends nothing.
type decodeFunc func(s *scratch, out appender, p []byte) error

const (
	unixDays   = 10957              // days from 1970-01-01 to 2000-01-01, PostgreSQL's day zero
	unixMicros = unixDays * 86400e6 // the same in microseconds
	afInet     = 2                  // families of inet as PostgreSQL sends them
	afInet6    = 3
)

// decoderOf returns the decoder for the binary form of a column's type.
func decoderOf(t treatment.Type) (decodeFunc, error) {
	switch t.Kind {
	case treatment.Bool:
		return decodeBool, nil
	case treatment.Int16:
		return decodeInt16, nil
	case treatment.Int32:
		return decodeInt32, nil
	case treatment.Int64:
		return decodeInt64, nil
	case treatment.Float32:
		return decodeFloat32, nil
	case treatment.Float64:
		return decodeFloat64, nil
	case treatment.Numeric:
		return numericDecoder(t.Precision, t.Scale), nil
	case treatment.Text, treatment.Char, treatment.Binary:
		return decodeBytes, nil
	case treatment.UUID:
		return fixedDecoder(16), nil
	case treatment.MAC:
		return fixedDecoder(6), nil
	case treatment.Date:
		return decodeDate, nil
	case treatment.TimestampTZ:
		return decodeTimestampTZ, nil
	case treatment.Inet, treatment.CIDR:
		return decodeInet, nil
	case treatment.TextList:
		return decodeTextList, nil
	case treatment.Int32List:
		return decodeInt32List, nil
	default:
		return nil, fmt.Errorf("decode %s: %w", t.Name, errField)
	}
}

func decodeBool(_ *scratch, out appender, p []byte) error {
	if len(p) != 1 || p[0] > 1 {
		return errField
	}
	out.Int(int64(p[0]))
	return nil
}

func decodeInt16(_ *scratch, out appender, p []byte) error {
	if len(p) != 2 {
		return errField
	}
	out.Int(int64(int16(binary.BigEndian.Uint16(p)))) //nolint:gosec // the bit pattern of a signed number
	return nil
}

func decodeInt32(_ *scratch, out appender, p []byte) error {
	if len(p) != 4 {
		return errField
	}
	out.Int(int64(int32(binary.BigEndian.Uint32(p)))) //nolint:gosec // the bit pattern of a signed number
	return nil
}

func decodeInt64(_ *scratch, out appender, p []byte) error {
	if len(p) != 8 {
		return errField
	}
	out.Int(int64(binary.BigEndian.Uint64(p))) //nolint:gosec // the bit pattern of a signed number
	return nil
}

func decodeFloat32(_ *scratch, out appender, p []byte) error {
	if len(p) != 4 {
		return errField
	}
	out.Float(float64(math.Float32frombits(binary.BigEndian.Uint32(p))))
	return nil
}

func decodeFloat64(_ *scratch, out appender, p []byte) error {
	if len(p) != 8 {
		return errField
	}
	out.Float(math.Float64frombits(binary.BigEndian.Uint64(p)))
	return nil
}

func decodeBytes(_ *scratch, out appender, p []byte) error {
	out.Bytes(p)
	return nil
}

func fixedDecoder(size int) decodeFunc {
	return func(_ *scratch, out appender, p []byte) error {
		if len(p) != size {
			return errField
		}
		out.Bytes(p)
		return nil
	}
}

func decodeDate(_ *scratch, out appender, p []byte) error {
	if len(p) != 4 {
		return errField
	}
	switch d := int32(binary.BigEndian.Uint32(p)); d { //nolint:gosec // the bit pattern of a signed number
	case math.MaxInt32:
		out.Int(treatment.Infinity)
	case math.MinInt32:
		out.Int(treatment.NegInfinity)
	default:
		out.Int(int64(d) + unixDays)
	}
	return nil
}

func decodeTimestampTZ(_ *scratch, out appender, p []byte) error {
	if len(p) != 8 {
		return errField
	}
	switch t := int64(binary.BigEndian.Uint64(p)); { //nolint:gosec // the bit pattern of a signed number
	case t == math.MaxInt64:
		out.Int(treatment.Infinity)
	case t == math.MinInt64:
		out.Int(treatment.NegInfinity)
	case t >= math.MaxInt64-unixMicros: // PostgreSQL's last thirty years are beyond 64 bits of microseconds since 1970
		out.Held()
	default:
		out.Int(t + unixMicros)
	}
	return nil
}

func decodeInet(s *scratch, out appender, p []byte) error {
	if len(p) < 4 {
		return errField
	}
	family, prefix, size := p[0], p[1], int(p[3])
	if len(p) != 4+size {
		return errField
	}
	if (family != afInet || size != 4 || prefix > 32) && (family != afInet6 || size != 16 || prefix > 128) {
		return errField
	}
	s.bytes = treatment.AppendInet(s.bytes[:0], prefix, p[4:])
	out.Bytes(s.bytes)
	return nil
}

// array reads the header of an array. ok is false for one that no list holds: of several dimensions, or not counting from one.
func array(p []byte, element uint32) (n int, body []byte, ok bool, err error) {
	if len(p) < 12 || binary.BigEndian.Uint32(p[8:]) != element {
		return 0, nil, false, errField
	}
	switch dimensions := binary.BigEndian.Uint32(p); {
	case dimensions == 0 && len(p) == 12:
		return 0, nil, true, nil
	case dimensions == 0 || dimensions > 6:
		return 0, nil, false, errField
	case dimensions > 1:
		return 0, nil, false, nil
	}
	if len(p) < 20 {
		return 0, nil, false, errField
	}
	count := binary.BigEndian.Uint32(p[12:])
	if int64(count)*4 > int64(len(p)-20) { // each element has a length of four bytes
		return 0, nil, false, errField
	}
	return int(count), p[20:], binary.BigEndian.Uint32(p[16:]) == 1, nil
}

// element cuts the next element off an array's body; nil is NULL.
func element(body []byte) (e, rest []byte, err error) {
	if len(body) < 4 {
		return nil, nil, errField
	}
	size := int32(binary.BigEndian.Uint32(body)) //nolint:gosec // the bit pattern of a signed number
	body = body[4:]
	if size == -1 {
		return nil, body, nil
	}
	if size < 0 || int(size) > len(body) {
		return nil, nil, errField
	}
	return body[:size:size], body[size:], nil
}

func decodeTextList(s *scratch, out appender, p []byte) error {
	n, body, ok, err := array(p, oidText)
	if err != nil {
		return err
	}
	if !ok {
		out.Held()
		return nil
	}
	s.texts = s.texts[:0]
	for range n {
		var e []byte
		if e, body, err = element(body); err != nil {
			return err
		}
		s.texts = append(s.texts, e)
	}
	if len(body) != 0 {
		return errField
	}
	out.TextList(s.texts)
	return nil
}

func decodeInt32List(s *scratch, out appender, p []byte) error {
	n, body, ok, err := array(p, oidInt4)
	if err != nil {
		return err
	}
	if !ok {
		out.Held()
		return nil
	}
	s.ints, s.valid = s.ints[:0], s.valid[:0]
	for range n {
		var e []byte
		if e, body, err = element(body); err != nil {
			return err
		}
		x := int32(0)
		if e != nil {
			if len(e) != 4 {
				return errField
			}
			x = int32(binary.BigEndian.Uint32(e)) //nolint:gosec // the bit pattern of a signed number
		}
		s.ints, s.valid = append(s.ints, x), append(s.valid, e != nil)
	}
	if len(body) != 0 {
		return errField
	}
	out.Int32List(s.ints, s.valid)
	return nil
}

// Signs of a numeric as PostgreSQL sends them.
const (
	numericPositive = 0x0000
	numericNegative = 0x4000
	numericNaN      = 0xc000
	numericInf      = 0xd000
	numericNegInf   = 0xf000
)

var powers = [...]uint64{1, 10, 100, 1000, 10000}

// numericDecoder reads numeric into a 128-bit integer at the column's scale. What does not fit exactly is held back, never rounded.
func numericDecoder(precision, scale int) decodeFunc {
	limit := power10(precision)
	return func(_ *scratch, out appender, p []byte) error {
		if len(p) < 8 {
			return errField
		}
		n, weight, sign := int(binary.BigEndian.Uint16(p)), int(int16(binary.BigEndian.Uint16(p[2:]))), binary.BigEndian.Uint16(p[4:]) //nolint:gosec // the bit pattern of a signed number
		if len(p) != 8+2*n {
			return errField
		}
		switch sign {
		case numericPositive, numericNegative:
		case numericNaN, numericInf, numericNegInf:
			out.Held()
			return nil
		default:
			return errField
		}
		v, fits, err := unscaled(p[8:], weight, scale)
		if err != nil {
			return err
		}
		if !fits || !v.less(limit) {
			out.Held()
			return nil
		}
		if sign == numericNegative {
			v = v.negated()
		}
		out.Decimal(int64(v.hi), v.lo) //nolint:gosec // below 10^38, so the sign bit is ours
		return nil
	}
}

// unscaled folds base-10000 digits, the first of which counts 10000^weight, into an integer of units of 10^-scale.
func unscaled(digits []byte, weight, scale int) (v uint128, fits bool, err error) {
	n := len(digits) / 2
	exponent := (weight-n+1)*4 + scale // decimal places between the last digit and the unit
	for i := range n {
		d := uint64(binary.BigEndian.Uint16(digits[2*i:]))
		if d > 9999 {
			return v, false, errField
		}
		shift := 4
		if i == n-1 && exponent < 0 { // the last digit reaches below the unit: only zeros may be cut
			if exponent <= -4 {
				return v, false, nil
			}
			cut := powers[-exponent]
			if d%cut != 0 {
				return v, false, nil
			}
			d /= cut
			shift += exponent
		}
		if v, fits = v.times(powers[shift], d); !fits {
			return v, false, nil
		}
	}
	if v == (uint128{}) {
		return v, true, nil
	}
	for ; exponent > 0; exponent-- {
		if v, fits = v.times(10, 0); !fits {
			return v, false, nil
		}
	}
	return v, true, nil
}

type uint128 struct{ hi, lo uint64 }

// times returns v*factor+plus, and whether that is below 2^128.
func (v uint128) times(factor, plus uint64) (uint128, bool) {
	carry, lo := bits.Mul64(v.lo, factor)
	over, hi := bits.Mul64(v.hi, factor)
	lo, c := bits.Add64(lo, plus, 0)
	hi, c = bits.Add64(hi, carry, c)
	return uint128{hi, lo}, over == 0 && c == 0
}

func (v uint128) less(w uint128) bool { return v.hi < w.hi || v.hi == w.hi && v.lo < w.lo }

func (v uint128) negated() uint128 {
	lo, borrow := bits.Sub64(0, v.lo, 0)
	hi, _ := bits.Sub64(0, v.hi, borrow)
	return uint128{hi, lo}
}

func power10(n int) uint128 {
	v := uint128{lo: 1}
	for range n {
		v, _ = v.times(10, 0)
	}
	return v
}
