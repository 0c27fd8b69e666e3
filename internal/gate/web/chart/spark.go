package chart

import (
	"html/template"
	"math"
	"time"
)

// Spark draws the course of one number, 160 by 40 units, without axes: it stands beside the number. The last point is marked; what may still change is dotted, and its mark hollow.
func Spark(o Options, points []Point) template.HTML {
	s := sheet{class: "chart chart-spark", width: 160, height: 40, text: 12}
	d := begin(o, s, identifier(o.ID)+"-spark", Describe(o, []Series{{Points: points}}))
	course := values(points)
	last := ends(course)
	if last == nil {
		d.nothing(s, "no values")
		return d.finish()
	}
	low, high := last.v, last.v
	for _, v := range course {
		if v.ok {
			low, high = math.Min(low, v.v), math.Max(high, v.v)
		}
	}
	const margin = 5.0
	from, to := course[0].at, course[len(course)-1].at
	x := func(t time.Time) float64 {
		if from == to {
			return s.width / 2
		}
		return margin + (seconds(t)-from)/(to-from)*(s.width-2*margin)
	}
	y := func(v float64) float64 {
		if low == high {
			return s.height / 2
		}
		return s.height - margin - (v-low)/(high-low)*(s.height-2*margin)
	}
	t := traceOf(course, 1.5*o.Grain.length(), x, y)
	drawTrace(d, t, "series-0", "", "1.5")
	for _, i := range t.alone {
		if v := course[i]; v.at != last.at {
			drawMark(d, 0, v.provisional, x(v.when), y(v.v), 2)
		}
	}
	drawMark(d, 0, last.provisional, x(last.when), y(last.v), 3)
	return d.finish()
}
