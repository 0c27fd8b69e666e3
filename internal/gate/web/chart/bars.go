package chart

import (
	"html/template"
	"math"
)

// Bars draws a breakdown, 720 units wide and as high as it has rows: names at the left, values at the ends of the bars. A name that is too long is cut and told whole to a pointer.
func Bars(o Options, bars []Bar) template.HTML {
	return drawBars(o, bars, sheet{class: "chart chart-bars", width: 720, text: 13}, identifier(o.ID)+"-bars")
}

// BarsNarrow draws the same for a phone: 360 units wide. Its ids differ from those of Bars.
func BarsNarrow(o Options, bars []Bar) template.HTML {
	return drawBars(o, bars, sheet{class: "chart chart-bars chart-narrow", width: 360, text: 13}, identifier(o.ID)+"-bars-narrow")
}

const (
	barRow   = 28.0
	barThick = 16.0
	barSpace = 6.0 // around a bar's texts
)

func drawBars(o Options, bars []Bar, s sheet, id string) template.HTML {
	s.height = math.Max(1, float64(len(bars)))*barRow + 8
	d := begin(o, s, id, describeBars(o, bars))
	if len(bars) == 0 {
		d.nothing(s, "No values")
		return d.finish()
	}
	low, high, names, under, over := 0.0, 0.0, 0.0, 0.0, 0.0
	for _, b := range bars {
		names = math.Max(names, textWidth(seriesLabel(b.Name), s.text))
		wide := textWidth(barValue(o.Unit, b.Value, s), s.text) + barSpace
		if usable(b.Value) && *b.Value < 0 {
			low, under = math.Min(low, tame(*b.Value)), math.Max(under, wide)
			continue
		}
		over = math.Max(over, wide)
		if usable(b.Value) {
			high = math.Max(high, tame(*b.Value))
		}
	}
	names = math.Min(names, 0.36*s.width)
	left, right := 2+names+barSpace+2+under, s.width-2-over
	x := func(v float64) float64 {
		if low == high {
			return left
		}
		return left + (v-low)/(high-low)*(right-left)
	}
	zero := x(0)
	for i, b := range bars {
		drawBar(d, o, b, bar{sheet: s, names: names, middle: 4 + (float64(i)+0.5)*barRow, zero: zero, x: x})
	}
	d.element("line", "class", "axis", "x1", number(zero), "x2", number(zero), "y1", "4", "y2", number(s.height-4), "stroke-width", "1")
	return d.finish()
}

// bar is where a row stands.
type bar struct {
	sheet
	names, middle, zero float64
	x                   func(float64) float64
}

func drawBar(d *drawing, o Options, b Bar, at bar) {
	name, value := seriesLabel(b.Name), barValue(o.Unit, b.Value, at.sheet)
	d.open("g", "class", "bar-row")
	d.words("title", name+": "+Format(o.Unit, b.Value))
	baseline := number(at.middle + 0.35*at.text)
	d.words("text", fit(name, at.text, at.names), "class", "bar-name", "x", number(2+at.names), "y", baseline, "text-anchor", "end")
	class, x, anchor := "bar-value", at.zero+barSpace, "start"
	switch {
	case !usable(b.Value):
		class += " none"
	case *b.Value != 0:
		end := at.x(tame(*b.Value))
		from, to := math.Min(at.zero, end), math.Max(at.zero, end)
		kind := "bar series-0"
		if *b.Value < 0 {
			kind, anchor, x = kind+" negative", "end", from-barSpace
			from = math.Min(from, to-1) // what is not nothing is seen
		} else {
			to = math.Max(to, from+1)
			x = to + barSpace
		}
		d.element("rect", "class", kind, "x", number(from), "y", number(at.middle-barThick/2), "width", number(to-from), "height", number(barThick), "rx", "2")
	}
	d.words("text", value, "class", class, "x", number(x), "y", baseline, "text-anchor", anchor)
	d.end("g")
}

// barValue is a value as it stands at a bar's end: one that is longer than the sheet has room for is written shorter.
func barValue(unit Unit, v *float64, s sheet) string {
	text := Format(unit, v)
	if usable(v) && textWidth(text, s.text) > 0.22*s.width {
		return scientific(*v)
	}
	return text
}

// seriesLabel is a row's whole name on one line.
func seriesLabel(name string) string {
	if name = clean(name); name != "" {
		return name
	}
	return seriesName("")
}
