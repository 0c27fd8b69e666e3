package pgwire

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirproject/weir/internal/fault"
)

// wrongValue is about a parameter whose bytes are no value of its type. It never quotes them.
func wrongValue() error {
	return stated(fault.Invalid, "22P02", "a parameter is no value of its type", "send the value in the form of the parameter's type")
}

func wrongBinary() error {
	return stated(fault.Invalid, "22P03", "a parameter in binary form is no value of its type", "send the value as text")
}

// decode makes a parameter of what the client sent: nil, bool, int64, float64, string or []byte. Types that Go's have no room for stay text, in PostgreSQL's form.
func decode(oid uint32, binaryForm bool, v []byte) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	element, list := elementOf[oid]
	if list && binaryForm {
		return decodeArray(element, true, v)
	}
	if binaryForm {
		return decodeBinary(oid, v)
	}
	if !utf8.Valid(v) || strings.IndexByte(string(v), 0) >= 0 {
		return nil, stated(fault.Invalid, "22021", "a parameter is not valid UTF-8", "set the client's encoding to UTF8")
	}
	if list {
		return decodeArray(element, false, v)
	}
	return decodeText(oid, string(v))
}

func decodeText(oid uint32, text string) (any, error) {
	trimmed := strings.TrimSpace(text)
	switch oid {
	case oidBool:
		if b, ok := parseBool(trimmed); ok {
			return b, nil
		}
		return nil, wrongValue()
	case oidInt2, oidInt4, oidInt8, oidOid:
		n, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil {
			return nil, wrongValue()
		}
		if !inRange(oid, n) {
			return nil, stated(fault.Invalid, "22003", "a parameter is out of its type's range", "use a wider type")
		}
		return n, nil
	case oidFloat4, oidFloat8:
		if strings.ContainsAny(trimmed, "_xX") {
			return nil, wrongValue()
		}
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil {
			return nil, wrongValue()
		}
		return f, nil
	case oidBytea:
		return decodeBytea(text)
	case oidUUID:
		return uuidText(trimmed)
	case oidNumeric:
		if !numeric(trimmed) {
			return nil, wrongValue()
		}
		return trimmed, nil
	case oidDate, oidTimestamp, oidTimestamptz:
		return zoned(oid, trimmed), nil
	case oidTime, oidInterval:
		return trimmed, nil
	}
	return text, nil
}

func inRange(oid uint32, n int64) bool {
	switch oid {
	case oidInt2:
		return n == int64(int16(n)) //nolint:gosec // it is what is asked
	case oidInt4:
		return n == int64(int32(n)) //nolint:gosec // it is what is asked
	case oidOid:
		return n == int64(uint32(n)) //nolint:gosec // it is what is asked
	}
	return true
}

// zoned takes the time zone off a date without a time, as PostgreSQL does for types without one. JDBC's driver sends dates so.
func zoned(oid uint32, s string) string {
	date, zone, ok := strings.Cut(s, " ")
	if !ok || len(zone) < 3 || zone[0] != '+' && zone[0] != '-' || strings.Trim(zone[1:], "0123456789:") != "" || strings.Contains(date, ":") {
		return s
	}
	if oid == oidTimestamptz {
		return date + " 00:00:00" + zone
	}
	return date
}

// parseBool reads a boolean as PostgreSQL does: any beginning of a word that is one alone.
func parseBool(s string) (value, ok bool) {
	s = lower(strings.TrimSpace(s))
	switch {
	case s == "":
		return false, false
	case s == "1" || s == "on" || strings.HasPrefix("true", s) || strings.HasPrefix("yes", s):
		return true, true
	case s == "0" || s == "of" || s == "off" || strings.HasPrefix("false", s) || strings.HasPrefix("no", s):
		return false, true
	}
	return false, false
}

// numeric says whether a text is a number as numeric reads it.
func numeric(s string) bool {
	switch lower(strings.TrimLeft(s, "+-")) {
	case "nan", "infinity", "inf":
		return true
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	digits, points := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case digit(c):
			digits++
		case c == '.' && points == 0:
			points++
		case (c == 'e' || c == 'E') && digits > 0:
			exponent, err := strconv.Atoi(s[i+1:])
			return err == nil && exponent > -1000 && exponent < 1000
		default:
			return false
		}
	}
	return digits > 0
}

func uuidText(s string) (any, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil, wrongValue()
	}
	return string(appendUUID(nil, raw)), nil
}

// decodeBytea reads both of bytea's text forms.
func decodeBytea(s string) (any, error) {
	if strings.HasPrefix(s, `\x`) {
		raw, err := hex.DecodeString(strings.Join(strings.Fields(s[2:]), ""))
		if err != nil {
			return nil, wrongValue()
		}
		return raw, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case strings.HasPrefix(s[i:], `\\`):
			out = append(out, '\\')
			i++
		case i+3 < len(s):
			n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
			if err != nil {
				return nil, wrongValue()
			}
			out = append(out, byte(n))
			i += 3
		default:
			return nil, wrongValue()
		}
	}
	return out, nil
}

// widths are the lengths of binary forms that have one.
var widths = map[uint32]int{oidBool: 1, oidInt2: 2, oidInt4: 4, oidInt8: 8, oidOid: 4, oidFloat4: 4, oidFloat8: 8, oidDate: 4, oidTime: 8, oidTimestamp: 8, oidTimestamptz: 8, oidInterval: 16, oidUUID: 16}

func decodeBinary(oid uint32, v []byte) (any, error) {
	if w, ok := widths[oid]; ok && len(v) != w {
		return nil, wrongBinary()
	}
	switch oid {
	case oidBool:
		return v[0] != 0, nil
	case oidInt2:
		return int64(int16(binary.BigEndian.Uint16(v))), nil //nolint:gosec // two's complement on the wire
	case oidInt4:
		return int64(int32(binary.BigEndian.Uint32(v))), nil //nolint:gosec // two's complement on the wire
	case oidOid:
		return int64(binary.BigEndian.Uint32(v)), nil
	case oidInt8:
		return int64(binary.BigEndian.Uint64(v)), nil //nolint:gosec // two's complement on the wire
	case oidFloat4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(v))), nil
	case oidFloat8:
		return math.Float64frombits(binary.BigEndian.Uint64(v)), nil
	case oidBytea:
		return append([]byte{}, v...), nil
	case oidUUID:
		return string(appendUUID(nil, v)), nil
	case oidDate, oidTime, oidTimestamp, oidTimestamptz, oidInterval:
		return decodeTime(oid, v)
	case oidNumeric:
		return decodeNumeric(v)
	case oidJSONB:
		if len(v) == 0 || v[0] != 1 {
			return nil, wrongBinary()
		}
		v = v[1:]
	case oidText, oidVarchar, oidBpchar, oidName, oidJSON, oidUnknown, 0:
	default:
		return nil, stated(fault.Refused, "0A000", "parameters of this type are taken as text only", "send the value as text")
	}
	if !utf8.Valid(v) || strings.IndexByte(string(v), 0) >= 0 {
		return nil, stated(fault.Invalid, "22021", "a parameter is not valid UTF-8", "set the client's encoding to UTF8")
	}
	return string(v), nil
}

// decodeTime makes text of binary dates and times.
func decodeTime(oid uint32, v []byte) (any, error) {
	switch oid {
	case oidDate:
		d := int64(int32(binary.BigEndian.Uint32(v))) //nolint:gosec // two's complement on the wire
		switch {
		case d == math.MaxInt32 || d == math.MinInt32:
			return string(appendInfinity(nil, d > 0)), nil
		case d+epochDays < minDay || d+epochDays > maxDay:
			return nil, wrongBinary()
		}
		year, month, day := civil(d + epochDays)
		dst, bc := appendDate(nil, year, month, day)
		return string(appendEra(dst, bc)), nil
	case oidTime:
		t := int64(binary.BigEndian.Uint64(v)) //nolint:gosec // two's complement on the wire
		if t < 0 || t > dayMicros {
			return nil, wrongBinary()
		}
		return string(appendTime(nil, t)), nil
	case oidInterval:
		return string(appendInterval(nil, int32(binary.BigEndian.Uint32(v[12:])), int32(binary.BigEndian.Uint32(v[8:])), int64(binary.BigEndian.Uint64(v)))), nil //nolint:gosec // two's complement on the wire
	}
	t := int64(binary.BigEndian.Uint64(v)) //nolint:gosec // two's complement on the wire
	switch {
	case t == math.MaxInt64 || t == math.MinInt64:
		return string(appendInfinity(nil, t > 0)), nil
	case t < minMicros-epochMicros || t > maxMicros-epochMicros:
		return nil, wrongBinary()
	}
	t += epochMicros
	days := floorDiv(t, dayMicros)
	year, month, day := civil(days)
	dst, bc := appendDate(nil, year, month, day)
	dst = appendTime(append(dst, ' '), t-days*dayMicros)
	if oid == oidTimestamptz {
		dst = append(dst, "+00"...)
	}
	return string(appendEra(dst, bc)), nil
}

// decodeNumeric makes text of numeric's binary form.
func decodeNumeric(v []byte) (any, error) {
	b := body{rest: v}
	n, weight, sign, scale := b.int16(), b.int16(), b.int16()&0xffff, b.int16()
	switch sign {
	case 0xc000:
		return "NaN", nil
	case 0xd000:
		return "Infinity", nil
	case 0xf000:
		return "-Infinity", nil
	case 0, 0x4000:
	default:
		return nil, wrongBinary()
	}
	if b.bad || n < 0 || n*2 != len(b.rest) || scale < 0 || scale > 1000 || weight > 250 || weight < -250 {
		return nil, wrongBinary()
	}
	groups := make([]int, n)
	for i := range groups {
		if groups[i] = b.int16(); groups[i] < 0 || groups[i] > 9999 {
			return nil, wrongBinary()
		}
	}
	group := func(i int) int { // i counts from the point: 0 is the units
		if k := weight - i; k >= 0 && k < n {
			return groups[k]
		}
		return 0
	}
	var out strings.Builder
	if sign == 0x4000 {
		out.WriteByte('-')
	}
	out.WriteString(strconv.Itoa(group(max(weight, 0))))
	for i := max(weight, 0) - 1; i >= 0; i-- {
		out.WriteString(strconv.Itoa(10000 + group(i))[1:])
	}
	if scale > 0 {
		out.WriteByte('.')
		var fraction strings.Builder
		for i := -1; fraction.Len() < scale; i-- {
			fraction.WriteString(strconv.Itoa(10000 + group(i))[1:])
		}
		out.WriteString(fraction.String()[:scale])
	}
	return out.String(), nil
}
