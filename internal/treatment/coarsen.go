package treatment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sort"
	"strconv"
	"time"
	_ "time/tzdata" // a machine without the time zone database truncates alike
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/policy"
)

const (
	microsPerSecond = int64(1_000_000)
	microsPerDay    = 86_400 * microsPerSecond
)

// truncations cut a local civil time; the zero value of a unit's month and day is 1.
var truncations = map[string]func(t time.Time) time.Time{
	"second": func(t time.Time) time.Time { return t.Add(-time.Duration(t.Nanosecond())) },
	"minute": func(t time.Time) time.Time {
		return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	},
	"hour": func(t time.Time) time.Time {
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	},
	"day": func(t time.Time) time.Time { return civil(t.Year(), t.Month(), t.Day(), t) },
	"week": func(t time.Time) time.Time { // ISO weeks begin on Monday
		return civil(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7, t)
	},
	"month":   func(t time.Time) time.Time { return civil(t.Year(), t.Month(), 1, t) },
	"quarter": func(t time.Time) time.Time { return civil(t.Year(), (t.Month()-1)/3*3+1, 1, t) },
	"year":    func(t time.Time) time.Time { return civil(t.Year(), 1, 1, t) },
}

func civil(y int, m time.Month, d int, t time.Time) time.Time {
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}

// fixedUnits are the truncations that are plain divisions in UTC: the fast path.
var fixedUnits = map[string]int64{"second": microsPerSecond, "minute": 60 * microsPerSecond, "hour": 3600 * microsPerSecond, "day": microsPerDay}

func compileTruncate(rule policy.Column, t Type) (arrow.DataType, treat, error) {
	cut, ok := truncations[rule.To]
	if !ok {
		return nil, nil, fmt.Errorf("truncate: unknown unit %q", rule.To)
	}
	zone := time.UTC
	if rule.Zone != "" && rule.Zone != "UTC" {
		var err error
		if zone, err = time.LoadLocation(rule.Zone); err != nil {
			return nil, nil, fmt.Errorf("truncate: unknown time zone %q", rule.Zone)
		}
	}
	switch t.Kind {
	case TimestampTZ:
		if unit, ok := fixedUnits[rule.To]; ok && zone == time.UTC {
			return timestampType, ints[arrow.Timestamp, *array.TimestampBuilder](func(x int64) (arrow.Timestamp, bool) {
				if x == Infinity || x == NegInfinity {
					return storeTime(x)
				}
				return storeTime(floorTo(x, unit))
			}), nil
		}
		return timestampType, ints[arrow.Timestamp, *array.TimestampBuilder](func(x int64) (arrow.Timestamp, bool) {
			if x == Infinity || x == NegInfinity {
				return storeTime(x)
			}
			return storeTime(cut(time.UnixMicro(x).In(zone)).UnixMicro())
		}), nil
	case Date:
		if rule.To == "second" || rule.To == "minute" || rule.To == "hour" {
			return nil, nil, fmt.Errorf("truncate: a date has no %s", rule.To)
		}
		return arrow.FixedWidthTypes.Date32, ints[arrow.Date32, *array.Date32Builder](func(x int64) (arrow.Date32, bool) {
			if x == Infinity || x == NegInfinity {
				return storeDate(x)
			}
			return storeDate(floorTo(cut(time.Unix(x*86_400, 0).UTC()).Unix(), 86_400) / 86_400)
		}), nil
	default:
		return nil, nil, fmt.Errorf("truncate takes a time or a date, not %s", t.Name)
	}
}

// floorTo rounds towards minus infinity.
func floorTo(x, unit int64) int64 {
	r := x % unit
	if r < 0 {
		r += unit
	}
	return x - r
}

func compileBucket(rule policy.Column, t Type) (arrow.DataType, treat, error) {
	if (rule.Width > 0) == (len(rule.Edges) > 0) {
		return nil, nil, errors.New("bucket needs either a width above 0 or edges")
	}
	if !sort.Float64sAreSorted(rule.Edges) {
		return nil, nil, errors.New("bucket: edges must ascend")
	}
	if t.Kind == Date {
		days := int64(rule.Width)
		if days < 1 || float64(days) != rule.Width {
			return nil, nil, errors.New("bucket of a date needs a width in whole days")
		}
		return arrow.FixedWidthTypes.Date32, ints[arrow.Date32, *array.Date32Builder](func(x int64) (arrow.Date32, bool) {
			if x == Infinity || x == NegInfinity {
				return storeDate(x)
			}
			return storeDate(floorTo(x, days))
		}), nil
	}
	whole := t.Kind == Int16 || t.Kind == Int32 || t.Kind == Int64
	var number func(v *vector, i int) float64
	switch {
	case whole:
		number = func(v *vector, i int) float64 { return float64(v.ints[i]) }
	case t.Kind == Float32 || t.Kind == Float64:
		number = func(v *vector, i int) float64 { return v.floats[i] }
	case t.Kind == Numeric:
		number = numericAsFloat(t.Scale)
	default:
		return nil, nil, fmt.Errorf("bucket takes a number or a date, not %s", t.Name)
	}
	return arrow.BinaryTypes.String, func(w *work, v *vector, pick []int32, out array.Builder) error {
		b, ok := out.(*array.StringBuilder)
		if !ok {
			return errCell
		}
		var label []byte
		return each(w, v, pick, out, func(i int) bool {
			x := number(v, i)
			if math.IsNaN(x) || (math.IsInf(x, 0) && rule.Width > 0) {
				return false
			}
			label = appendBucket(label[:0], x, rule.Width, rule.Edges, whole)
			b.BinaryBuilder.Append(label)
			return true
		})
	}, nil
}

func numericAsFloat(scale int) func(v *vector, i int) float64 {
	unit := math.Pow10(scale)
	return func(v *vector, i int) float64 {
		p := v.bytesAt(i)
		hi, lo := int64(binary.BigEndian.Uint64(p)), binary.BigEndian.Uint64(p[8:]) //nolint:gosec // bit pattern
		return (float64(hi)*math.Exp2(64) + float64(lo)) / unit
	}
}

// appendBucket names the bucket of x: 20–29 for whole numbers, 20–<30 for others, <18 and ≥65 at the open ends.
func appendBucket(dst []byte, x, width float64, edges []float64, whole bool) []byte {
	var low, high float64
	if width > 0 {
		low = math.Floor(x/width) * width
		high = low + width
	} else {
		n := sort.Search(len(edges), func(i int) bool { return edges[i] > x })
		switch n {
		case 0:
			return strconv.AppendFloat(append(dst, '<'), edges[0], 'f', -1, 64)
		case len(edges):
			return strconv.AppendFloat(append(dst, "≥"...), edges[n-1], 'f', -1, 64)
		}
		low, high = edges[n-1], edges[n]
	}
	dst = append(strconv.AppendFloat(dst, low, 'f', -1, 64), "–"...)
	if whole {
		return strconv.AppendFloat(dst, high-1, 'f', -1, 64)
	}
	return strconv.AppendFloat(append(dst, '<'), high, 'f', -1, 64)
}

func compilePrefix(rule policy.Column, t Type) (arrow.DataType, treat, error) {
	switch t.Kind {
	case Inet, CIDR:
		if rule.Bits4 <= 0 && rule.Bits6 <= 0 {
			return nil, nil, errors.New("prefix of an address needs bits4 or bits6")
		}
		return arrow.BinaryTypes.String, prefixAddress(rule.Bits4, rule.Bits6), nil
	case Text, Char:
		if rule.Chars <= 0 {
			return nil, nil, errors.New("prefix of a text needs chars")
		}
		return arrow.BinaryTypes.String, texts(func(dst, p []byte) ([]byte, bool) {
			if t.Kind == Char {
				p = bytes.TrimRight(p, " ")
			}
			return keepText(dst, firstRunes(p, rule.Chars))
		}), nil
	default:
		return nil, nil, fmt.Errorf("prefix takes an address or a text, not %s", t.Name)
	}
}

// firstRunes returns the first n characters of p.
func firstRunes(p []byte, n int) []byte {
	at := 0
	for ; n > 0 && at < len(p); n-- {
		_, size := utf8.DecodeRune(p[at:])
		at += size
	}
	return p[:at]
}

// prefixAddress keeps the network part of public addresses. A private or otherwise not public address is NULL: what is left of it would be part of a home's inner layout.
func prefixAddress(bits4, bits6 int) treat {
	return func(w *work, v *vector, pick []int32, out array.Builder) error {
		b, ok := out.(*array.StringBuilder)
		if !ok {
			return errCell
		}
		var text []byte
		return each(w, v, pick, out, func(i int) bool {
			a, bits, ok := address(v.bytesAt(i))
			if !ok {
				return false
			}
			a = a.Unmap()
			keep := bits4
			if a.Is6() {
				keep = bits6
			}
			if keep <= 0 || !public(a) {
				b.AppendNull()
				return true
			}
			network, err := a.Prefix(min(keep, bits, a.BitLen()))
			if err != nil {
				return false
			}
			text = network.AppendTo(text[:0])
			b.BinaryBuilder.Append(text)
			return true
		})
	}
}

// sharedSpace is the address space between a provider and its customers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}
