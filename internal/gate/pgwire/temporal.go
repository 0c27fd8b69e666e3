package pgwire

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
const (
	epochDays   = 10957
	dayMicros   = int64(86_400_000_000)
	epochMicros = epochDays * dayMicros
)

// The bounds of PostgreSQL's dates (4713-11-24 BC to 5874897-12-31) and timestamps (to 294276-12-31), in days and microseconds from 1970. DuckDB's infinities are the largest value and its negation.
const (
	minDay    = -2440588
	maxDay    = 2145031948 + epochDays
	minMicros = minDay * dayMicros
	maxMicros = 9224318015999999999 - 946684800000000
)

// temporal is the form of dates, times and intervals; nil for all others.
func (e *encoder) temporal(a arrow.Array, b bool) put {
	switch a := a.(type) {
	case *array.Date32:
		return e.dateForm(func(i int) int64 { return int64(a.Value(i)) }, b)
	case *array.Date64:
		return e.dateForm(func(i int) int64 { return floorDiv(int64(a.Value(i)), 86_400_000) }, b)
	case *array.Timestamp:
		return e.timestampForm(a, b)
	case *array.Time32:
		unit := unitMicros(a.DataType())
		return timeForm(func(i int) int64 { return int64(a.Value(i)) * unit }, b)
	case *array.Time64:
		if t, ok := a.DataType().(*arrow.Time64Type); ok && t.Unit == arrow.Nanosecond {
			return timeForm(func(i int) int64 { return int64(a.Value(i)) / 1000 }, b)
		}
		return timeForm(func(i int) int64 { return int64(a.Value(i)) }, b)
	case *array.MonthDayNanoInterval:
		return intervalForm(func(i int) (int32, int32, int64) {
			v := a.Value(i)
			return v.Months, v.Days, v.Nanoseconds / 1000
		}, b)
	case *array.MonthInterval:
		return intervalForm(func(i int) (int32, int32, int64) { return int32(a.Value(i)), 0, 0 }, b)
	case *array.DayTimeInterval:
		return intervalForm(func(i int) (int32, int32, int64) {
			v := a.Value(i)
			return 0, v.Days, int64(v.Milliseconds) * 1000
		}, b)
	case *array.Duration:
		scale := scaler(a.DataType())
		return intervalForm(func(i int) (int32, int32, int64) {
			v, ok := scale(int64(a.Value(i)))
			if !ok {
				e.fail(outOfRange())
			}
			return 0, 0, v
		}, b)
	}
	return nil
}

func unitOf(t arrow.DataType) arrow.TimeUnit {
	if u, ok := t.(arrow.TemporalWithUnit); ok {
		return u.TimeUnit()
	}
	return arrow.Microsecond
}

// unitMicros is how many microseconds a unit has (nanoseconds aside).
func unitMicros(t arrow.DataType) int64 {
	switch unitOf(t) {
	case arrow.Second:
		return 1_000_000
	case arrow.Millisecond:
		return 1000
	default:
		return 1
	}
}

// scaler brings a type's unit to microseconds; what a nanosecond has beyond them is cut off, as PostgreSQL has nothing finer.
func scaler(t arrow.DataType) func(int64) (int64, bool) {
	if unitOf(t) == arrow.Nanosecond {
		return func(v int64) (int64, bool) { return floorDiv(v, 1000), true }
	}
	unit := unitMicros(t)
	return func(v int64) (int64, bool) { return v * unit, v <= math.MaxInt64/unit && v >= math.MinInt64/unit }
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (e *encoder) dateForm(value func(int) int64, b bool) put {
	return func(dst []byte, i int) []byte {
		d := value(i)
		switch {
		case d == math.MaxInt32 || d == -math.MaxInt32:
			if b {
				if d > 0 {
					return binary.BigEndian.AppendUint32(dst, math.MaxInt32)
				}
				return binary.BigEndian.AppendUint32(dst, 1<<31)
			}
			return appendInfinity(dst, d > 0)
		case d < minDay || d > maxDay:
			e.fail(outOfRange())
			return dst
		case b:
			return binary.BigEndian.AppendUint32(dst, uint32(d-epochDays)) //nolint:gosec // two's complement on the wire, in range by the case above
		}
		year, month, day := civil(d)
		dst, bc := appendDate(dst, year, month, day)
		return appendEra(dst, bc)
	}
}

func appendInfinity(dst []byte, positive bool) []byte {
	if !positive {
		dst = append(dst, '-')
	}
	return append(dst, "infinity"...)
}

func (e *encoder) timestampForm(a *array.Timestamp, b bool) put {
	t, zoned := a.DataType(), false
	if ts, ok := t.(*arrow.TimestampType); ok {
		zoned = ts.TimeZone != ""
	}
	scale := scaler(t)
	values := a.Values()
	return func(dst []byte, i int) []byte {
		v := int64(values[i])
		if v == math.MaxInt64 || v == -math.MaxInt64 {
			if b {
				if v > 0 {
					return binary.BigEndian.AppendUint64(dst, math.MaxInt64)
				}
				return binary.BigEndian.AppendUint64(dst, 1<<63)
			}
			return appendInfinity(dst, v > 0)
		}
		v, ok := scale(v)
		if !ok || v < minMicros || v > maxMicros {
			e.fail(outOfRange())
			return dst
		}
		if b {
			return binary.BigEndian.AppendUint64(dst, uint64(v-epochMicros)) //nolint:gosec // two's complement on the wire
		}
		days := floorDiv(v, dayMicros)
		year, month, day := civil(days)
		dst, bc := appendDate(dst, year, month, day)
		dst = appendTime(append(dst, ' '), v-days*dayMicros)
		if zoned {
			dst = append(dst, "+00"...)
		}
		return appendEra(dst, bc)
	}
}

// civil is the Gregorian date of a day counted from 1970-01-01. Years count from 0 backwards: year 0 is 1 BC.
func civil(days int64) (year int64, month, day int) {
	z := days + 719468 // from 0000-03-01: the leap day is the last of its year
	era := floorDiv(z, 146097)
	d := z - era*146097
	y := (d - d/1460 + d/36524 - d/146096) / 365
	d -= 365*y + y/4 - y/100
	m := (5*d + 2) / 153
	day = int(d - (153*m+2)/5 + 1)
	month = int(m + 3)
	year = y + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func appendDate(dst []byte, year int64, month, day int) ([]byte, bool) {
	bc := year <= 0
	if bc {
		year = 1 - year
	}
	switch {
	case year < 10:
		dst = append(dst, "000"...)
	case year < 100:
		dst = append(dst, "00"...)
	case year < 1000:
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, year, 10)
	return two(append(two(append(dst, '-'), month), '-'), day), bc
}

func appendEra(dst []byte, bc bool) []byte {
	if bc {
		return append(dst, " BC"...)
	}
	return dst
}

func two(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) } //nolint:gosec // two digits

// appendTime writes a time of day, the fraction without zeros at its end.
func appendTime(dst []byte, micros int64) []byte {
	seconds := micros / 1_000_000
	hours := seconds / 3600
	if hours < 100 {
		dst = two(dst, int(hours))
	} else {
		dst = strconv.AppendInt(dst, hours, 10)
	}
	dst = two(append(dst, ':'), int(seconds/60%60))
	dst = two(append(dst, ':'), int(seconds%60))
	return appendFraction(dst, int(micros%1_000_000))
}

func appendFraction(dst []byte, micros int) []byte {
	if micros == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := 100_000; micros > 0; unit /= 10 {
		dst = append(dst, byte('0'+micros/unit)) //nolint:gosec // one digit
		micros %= unit
	}
	return dst
}

func timeForm(value func(int) int64, b bool) put {
	if b {
		return func(dst []byte, i int) []byte { return binary.BigEndian.AppendUint64(dst, uint64(value(i))) } //nolint:gosec // two's complement on the wire
	}
	return func(dst []byte, i int) []byte { return appendTime(dst, value(i)) }
}

// intervalForm writes months, days and microseconds.
func intervalForm(value func(int) (int32, int32, int64), b bool) put {
	if b {
		return func(dst []byte, i int) []byte {
			months, days, micros := value(i)
			dst = binary.BigEndian.AppendUint64(dst, uint64(micros))  //nolint:gosec // two's complement on the wire
			dst = binary.BigEndian.AppendUint32(dst, uint32(days))    //nolint:gosec // two's complement on the wire
			return binary.BigEndian.AppendUint32(dst, uint32(months)) //nolint:gosec // two's complement on the wire
		}
	}
	return func(dst []byte, i int) []byte {
		months, days, micros := value(i)
		return appendInterval(dst, months, days, micros)
	}
}

// appendInterval writes an interval in the style postgres: a part that is positive behind a negative one has its sign.
func appendInterval(dst []byte, months, days int32, micros int64) []byte {
	begin, negative := len(dst), false
	part := func(v int32, unit string) {
		if v == 0 {
			return
		}
		if len(dst) > begin {
			dst = append(dst, ' ')
		}
		if negative && v > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, int64(v), 10), unit...)
		if v != 1 {
			dst = append(dst, 's')
		}
		negative = v < 0
	}
	part(months/12, " year")
	part(months%12, " mon")
	part(days, " day")
	if micros == 0 && len(dst) > begin {
		return dst
	}
	if len(dst) > begin {
		dst = append(dst, ' ')
	}
	if micros < 0 {
		return appendTime(append(dst, '-'), -micros)
	}
	if negative {
		dst = append(dst, '+')
	}
	return appendTime(dst, micros)
}
