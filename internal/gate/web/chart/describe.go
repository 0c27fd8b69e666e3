package chart

import (
	"strconv"
	"strings"
	"time"
)

// Describe says in one to three sentences what the series show: the span with the first and the last whole value, the lowest and the highest with when, and from when on values may still change.
// Provisional values are not compared with whole ones.
func Describe(o Options, series []Series) string {
	f := findings(series)
	subject := clean(o.Title)
	if subject == "" {
		subject = "The value"
	}
	if f.intervals == 0 {
		return subject + ": no values."
	}
	year := bounded(f.first).Year() != bounded(f.last).Year()
	var sentences []string
	switch {
	case f.low == nil && f.provisional != nil:
		return subject + ": nothing is whole yet; values from " + interval(o.Grain, *f.provisional, true) + " on may still change."
	case f.low == nil:
		return subject + ": no values from " + interval(o.Grain, f.first, year) + " to " + interval(o.Grain, f.last, true) + "."
	case len(series) == 1:
		if name := shortName(series[0].Name); name != "" {
			subject += ", " + name + ","
		}
		sentences = append(sentences, subject+" "+course(o, wholeOf(series[0]), year)+".")
	default:
		sentences = append(sentences, subject+perGrain(o.Grain)+" from "+edge(o.Grain, f.first, year)+" to "+edge(o.Grain, f.last, true)+": "+courses(o, series)+".")
	}
	if Format(o.Unit, f.low.Value) != Format(o.Unit, f.high.Value) {
		sentences = append(sentences, "Lowest: "+f.extreme(o, f.low, f.lowName, len(series), year)+"; highest: "+f.extreme(o, f.high, f.highName, len(series), year)+".")
	}
	if f.provisional != nil {
		sentences = append(sentences, "Values from "+interval(o.Grain, *f.provisional, year)+" on may still change.")
	}
	return strings.Join(sentences, " ")
}

// found is what a description needs to know of all series.
type found struct {
	intervals         int
	first, last       time.Time
	low, high         *Point // whole
	lowName, highName string
	provisional       *time.Time
}

func findings(series []Series) found {
	var f found
	for _, s := range series {
		for _, p := range s.Points {
			if f.intervals == 0 || p.Start.Before(f.first) {
				f.first = p.Start
			}
			if f.intervals == 0 || p.Start.After(f.last) {
				f.last = p.Start
			}
			f.intervals++
			if p.Provisional && (f.provisional == nil || p.Start.Before(*f.provisional)) {
				f.provisional = &p.Start
			}
			if p.Provisional || !usable(p.Value) {
				continue
			}
			if f.low == nil || *p.Value < *f.low.Value {
				f.low, f.lowName = &p, s.Name
			}
			if f.high == nil || *p.Value > *f.high.Value {
				f.high, f.highName = &p, s.Name
			}
		}
	}
	return f
}

func (f found) extreme(o Options, p *Point, name string, series int, year bool) string {
	s := Format(o.Unit, p.Value)
	if series > 1 {
		return s + " (" + seriesName(name) + ", " + interval(o.Grain, p.Start, year) + ")"
	}
	return s + " " + within(o.Grain, p.Start, year)
}

// wholeOf are a series' points with a value that will not change any more, by time.
func wholeOf(s Series) []Point {
	var whole []Point
	for _, p := range sorted(s.Points) {
		if usable(p.Value) && !p.Provisional {
			whole = append(whole, p)
		}
	}
	return whole
}

// course is how one series went.
func course(o Options, whole []Point, year bool) string {
	first, last := whole[0], whole[len(whole)-1]
	from, to := Format(o.Unit, first.Value), Format(o.Unit, last.Value)
	if len(whole) == 1 {
		return "stood at " + from + " " + within(o.Grain, first.Start, true)
	}
	verb := "rose"
	switch {
	case from == to:
		for _, p := range whole {
			if Format(o.Unit, p.Value) != from {
				return "stood at " + from + " " + within(o.Grain, first.Start, year) + " and again " + within(o.Grain, last.Start, true)
			}
		}
		return "stood at " + from + " throughout, from " + interval(o.Grain, first.Start, year) + " to " + interval(o.Grain, last.Start, true)
	case *last.Value < *first.Value:
		verb = "fell"
	}
	return verb + " from " + from + " " + within(o.Grain, first.Start, year) + " to " + to + " " + within(o.Grain, last.Start, true)
}

// courses are those of several series, one after another, without their dates.
func courses(o Options, series []Series) string {
	var parts []string
	for i, s := range series {
		if i == drawn {
			parts = append(parts, "and "+strconv.Itoa(len(series)-drawn)+" more")
			break
		}
		whole := wholeOf(s)
		if len(whole) == 0 {
			parts = append(parts, seriesName(s.Name)+" without a whole value")
			continue
		}
		parts = append(parts, seriesName(s.Name)+" from "+Format(o.Unit, whole[0].Value)+" to "+Format(o.Unit, whole[len(whole)-1].Value))
	}
	return strings.Join(parts, ", ")
}

// describeBars is Describe for a breakdown.
func describeBars(o Options, bars []Bar) string {
	var low, high *Bar
	for _, b := range bars {
		if !usable(b.Value) {
			continue
		}
		if low == nil || *b.Value < *low.Value {
			low = &b
		}
		if high == nil || *b.Value > *high.Value {
			high = &b
		}
	}
	subject := clean(o.Title)
	if subject == "" {
		subject = "The value"
	}
	switch {
	case low == nil:
		return subject + ": no values."
	case len(bars) == 1:
		return subject + ": " + seriesName(high.Name) + " " + Format(o.Unit, high.Value) + "."
	}
	return subject + " of " + strconv.Itoa(len(bars)) + ". Highest: " + seriesName(high.Name) + " with " + Format(o.Unit, high.Value) +
		"; lowest: " + seriesName(low.Name) + " with " + Format(o.Unit, low.Value) + "."
}

func perGrain(g Grain) string {
	if g == "" {
		return ""
	}
	return " by " + clean(string(g))
}

// seriesName is a name for a sentence or a label, where there must be one.
func seriesName(name string) string {
	if short := shortName(name); short != "" {
		return short
	}
	return "(empty)"
}

// shortName keeps a sentence readable.
func shortName(name string) string {
	const most = 48
	runes := []rune(clean(name))
	if len(runes) > most {
		return strings.TrimSpace(string(runes[:most-1])) + "…"
	}
	return string(runes)
}
