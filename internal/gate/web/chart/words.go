package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// none is how no value is written.
const none = "–"

// Format writes a value: 12,345 or 1.37 of a count, 13.9 % of a rate, and two decimals of a rate under one per cent. What is not nothing is never written as nothing, nor what is not all as all.
// Nil is "–".
func Format(unit Unit, v *float64) string {
	if !usable(v) {
		return none
	}
	if unit == Rate {
		return formatRate(math.Max(-math.MaxFloat64, math.Min(math.MaxFloat64, *v*100)))
	}
	return formatCount(*v)
}

func formatCount(v float64) string {
	size := math.Abs(v)
	switch {
	case size >= 1e15 || size != 0 && size < 0.005:
		return scientific(v)
	case v == math.Trunc(v), size >= 1000:
		return decimal(v, 0)
	case size < 10:
		return trimmed(v, 2)
	default:
		return trimmed(v, 1)
	}
}

func formatRate(percent float64) string {
	size := math.Abs(percent)
	switch {
	case size >= 1e15:
		return scientific(percent) + " %"
	case percent == 0 || size == 100:
		return decimal(percent, 0) + " %"
	case percent > 0 && size < 0.005:
		return "< 0.01 %"
	case size < 0.005:
		return "> −0.01 %"
	case size > 99.995 && size < 100 && percent > 0:
		return "> 99.99 %"
	case size < 0.995, size >= 99.95 && size < 100:
		return decimal(percent, 2) + " %"
	default:
		return decimal(percent, 1) + " %"
	}
}

// Change says how a value moved: a count in per cent of what it was ("+12 %"), a rate in percentage points ("−0.4 points"), and in which direction: -1, 0 or 1. What rounds to nothing is "no
// change"; where one of the two is missing there is no text. From a count of zero there are no per cent: "up from 0".
func Change(unit Unit, now, before *float64) (text string, direction int) {
	if !usable(now) || !usable(before) {
		return "", 0
	}
	if unit == Rate {
		return changeOf((*now-*before)*100, true)
	}
	if *before == 0 {
		switch {
		case *now > 0:
			return "up from 0", 1
		case *now < 0:
			return "down from 0", -1
		default:
			return "no change", 0
		}
	}
	return changeOf((*now/math.Abs(*before)-math.Copysign(1, *before))*100, false)
}

func changeOf(v float64, points bool) (text string, direction int) {
	direction = 1
	sign := "+"
	if v < 0 {
		direction, sign = -1, "−"
	}
	size := math.Abs(v)
	digits := 1
	switch {
	case size > 999_999:
		text = "over " + sign + "999,999"
	case points && size < 0.095:
		digits = 2
	case !points && size >= 9.95:
		digits = 0
	}
	if text == "" {
		number := trimmed(size, digits)
		if number == "0" {
			return "no change", 0
		}
		text = sign + number
	}
	switch {
	case !points:
		return text + " %", direction
	case text == sign+"1":
		return text + " point", direction
	default:
		return text + " points", direction
	}
}

// decimal writes a number with so many decimals, a comma between thousands, and a minus that is as wide as a plus.
func decimal(v float64, digits int) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', digits, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	if v < 0 && strings.Trim(whole, "0.,") != "" {
		return "−" + whole
	}
	return whole
}

// trimmed is decimal without zeros at the end.
func trimmed(v float64, digits int) string {
	s := decimal(v, digits)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func scientific(v float64) string {
	s := strconv.FormatFloat(v, 'g', 3, 64)
	mantissa, exponent, found := strings.Cut(s, "e")
	if found {
		exponent = strings.TrimPrefix(exponent, "+")
		s = mantissa + "e" + exponent
	}
	return strings.ReplaceAll(s, "-", "−")
}

// axisText writes a tick: with the decimals that the step needs, and millions and more as 1.2 M.
func axisText(unit Unit, v float64, s scale) string {
	step, suffix := s.step, ""
	if unit == Rate {
		v, step, suffix = v*100, step*100, " %"
	} else if v == 0 {
		return "0"
	} else {
		for _, m := range []struct {
			of   float64
			name string
		}{{1e12, " tn"}, {1e9, " bn"}, {1e6, " M"}} {
			if math.Max(math.Abs(s.low), math.Abs(s.high)) >= m.of {
				v, step, suffix = v/m.of, step/m.of, m.name
				break
			}
		}
	}
	if math.Abs(v) >= 1e6 && suffix != "" || math.Abs(v) >= 1e15 {
		return scientific(v) + suffix
	}
	for digits := range 7 {
		x := step * math.Pow10(digits)
		if x >= 0.5 && math.Abs(x-math.Round(x)) < 1e-6*x {
			return decimal(v, digits) + suffix
		}
	}
	if math.Abs(v) < step/2 {
		return "0" + suffix
	}
	return scientific(v) + suffix
}

// interval names a point's interval: "3 Nov", "14:00 on 3 Nov", "the week of 3 Nov".
func interval(grain Grain, t time.Time, year bool) string {
	t = bounded(t)
	s := date(t)
	if year {
		s = t.Format("2 Jan 2006")
	}
	switch grain {
	case Hour:
		return t.Format("15:04") + " on " + s
	case Week:
		return "the week of " + s
	case Day:
		return s
	default:
		return s
	}
}

// edge is interval where it is said elsewhere that it is a week.
func edge(grain Grain, t time.Time, year bool) string {
	return strings.TrimPrefix(interval(grain, t, year), "the week of ")
}

// within is interval with its preposition.
func within(grain Grain, t time.Time, year bool) string {
	switch grain {
	case Hour:
		return "at " + interval(grain, t, year)
	case Week:
		return "in " + interval(grain, t, year)
	case Day:
		return "on " + interval(grain, t, year)
	default:
		return "on " + interval(grain, t, year)
	}
}
