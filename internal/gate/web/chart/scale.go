package chart

import (
	"math"
	"time"
)

// Values beyond these are drawn as these: no screen shows the difference, and arithmetic on them stays finite.
const (
	largest  = 1e30
	smallest = 1e-30
)

// usable says whether there is a value to draw.
func usable(v *float64) bool {
	return v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0)
}

func tame(v float64) float64 {
	if math.Abs(v) < smallest {
		return 0
	}
	return math.Max(-largest, math.Min(largest, v))
}

// scale is a value axis: round ticks from its low to its high end.
type scale struct {
	low, high, step float64
	ticks           []float64
}

// newScale finds three to five round ticks around values between low and high. Zero is on the axis unless the values are so far from it that their course would not be seen. With whole there is
// no tick between two whole numbers.
func newScale(unit Unit, low, high float64, whole bool) scale {
	low, high = tame(low), tame(high)
	if high-low < 1e-9*math.Max(math.Abs(low), math.Abs(high)) {
		high = low
	}
	switch {
	case low == 0 && high == 0 && unit == Rate:
		high = 0.01
	case low == 0 && high == 0:
		high = 1
	case low == high || low > 0 && low <= 0.6*high || high < 0 && high >= 0.6*low:
		low, high = math.Min(low, 0), math.Max(high, 0)
	}
	if whole && high-low < 2 {
		high = low + 2
	}
	for power := int(math.Floor(math.Log10(high-low))) - 2; ; power++ {
		for _, m := range []float64{1, 2, 2.5, 5} {
			step := m * math.Pow10(power)
			if whole && (step < 1 || step != math.Trunc(step)) {
				continue
			}
			first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
			if last-first > 4 {
				continue
			}
			s := scale{low: first * step, high: last * step, step: step}
			for k := first; k <= last; k++ {
				s.ticks = append(s.ticks, k*step)
			}
			return s
		}
	}
}

// seconds are a moment on the time axis. Moments outside the years that a date can be written for stand at their edge.
func seconds(t time.Time) float64 {
	return float64(bounded(t).Unix())
}

func bounded(t time.Time) time.Time {
	t = t.UTC()
	switch {
	case t.Year() < 1:
		return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	default:
		return t
	}
}

// length is an interval's, in seconds.
func (g Grain) length() float64 {
	switch g {
	case Hour:
		return 3600
	case Week:
		return 7 * 86400
	case Day:
		return 86400
	default:
		return 86400
	}
}

// moment is a tick of the time axis: its date, and under it, where it changed, what the date belongs to.
type moment struct {
	at           time.Time
	label, under string
}

// stride is a distance between ticks of the time axis.
type stride struct {
	hours, days, months int
}

var strides = []stride{
	{hours: 1},
	{hours: 2},
	{hours: 3},
	{hours: 6},
	{hours: 12},
	{days: 1},
	{days: 2},
	{days: 4},
	{days: 7},
	{days: 14},
	{days: 28},
	{months: 1},
	{months: 2},
	{months: 3},
	{months: 6},
	{months: 12},
	{months: 24},
	{months: 60},
	{months: 120},
	{months: 240},
	{months: 600},
	{months: 1200},
	{months: 2400},
	{months: 6000},
	{months: 12000},
	{months: 24000},
	{months: 60000},
}

// moments are at most so many ticks from first to last, as dense as may be but no denser than the grain.
func moments(grain Grain, first, last time.Time, most int) []moment {
	first, last = bounded(first), bounded(last)
	most = max(most, 1)
	for _, s := range strides {
		if grain == Day && s.hours > 0 || grain == Week && (s.hours > 0 || s.days > 0 && s.days < 7) {
			continue
		}
		// Every fourth day stands nowhere in a calendar: only where Mondays are too few.
		if s.days == 4 && last.Sub(first) > 16*24*time.Hour {
			continue
		}
		var times []time.Time
		for t := s.start(grain, first); !t.After(last) && len(times) <= most; t = s.next(t) {
			if !t.Before(first) {
				times = append(times, t)
			}
		}
		// A stride beyond the whole span has no tick in it: the first point's date stands for it.
		if len(times) == 0 {
			return []moment{{at: first, label: date(first), under: first.Format("2006")}}
		}
		if len(times) <= most {
			return s.name(times)
		}
	}
	return nil
}

// start is the first tick at or before a moment's own interval, where people expect it: at midnight, on a Monday, on the first of a month.
func (s stride) start(grain Grain, first time.Time) time.Time {
	switch {
	case s.hours > 0:
		return first.Truncate(time.Duration(s.hours) * time.Hour)
	case s.days >= 7 && grain != Week:
		day := first.Truncate(24 * time.Hour)
		return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	case s.days > 0 && grain == Hour:
		return first.Truncate(24 * time.Hour)
	case s.days > 0:
		return first
	default:
		month := (first.Year()*12 + int(first.Month()) - 1) / s.months * s.months
		return time.Date(month/12, time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC)
	}
}

func (s stride) next(t time.Time) time.Time {
	return t.Add(time.Duration(s.hours)*time.Hour).AddDate(0, s.months, s.days)
}

func (s stride) name(times []time.Time) []moment {
	ticks := make([]moment, 0, len(times))
	above := ""
	for _, t := range times {
		m := moment{at: t}
		under := ""
		switch {
		case s.hours > 0:
			m.label, under = t.Format("15:04"), date(t)
		case s.days > 0:
			m.label, under = date(t), t.Format("2006")
		case s.months < 12:
			m.label, under = t.Format("Jan"), t.Format("2006")
		default:
			m.label = t.Format("2006")
		}
		if under != above {
			m.under = under
		}
		above = under
		ticks = append(ticks, m)
	}
	return ticks
}

func date(t time.Time) string {
	return t.UTC().Format("2 Jan")
}
