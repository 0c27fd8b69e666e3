package chart

import (
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// drawn is how many series one drawing shows: more lines cannot be told apart.
const drawn = 8

// Of what is hovered over, no more is written than this: a text for every cell of a long table is a page of its own.
const (
	mostHovered = 400
	mostCells   = 1600
)

// dashes tell lines apart without colour, and the marks' shapes do again. Provisional parts are dotted in all of them.
var dashes = [drawn]string{"", "8 3", "3 2", "8 3 2 3", "14 4", "5 2 2 2 2 2", "2 4", "14 3 5 3"}

const provisionalDash = "1.5 3.5"

// Lines draws series over time, 720 units wide. Each has its label at its end. More than eight are not drawn, and said so.
func Lines(o Options, series []Series) template.HTML {
	return lines(o, series, sheet{class: "chart chart-lines", width: 720, height: 280, text: 12}, identifier(o.ID), false)
}

// LinesNarrow draws the same for a phone: 360 units wide, fewer ticks, the labels in rows under it. Its ids differ from those of Lines.
func LinesNarrow(o Options, series []Series) template.HTML {
	return lines(o, series, sheet{class: "chart chart-lines chart-narrow", width: 360, height: 260, text: 13}, identifier(o.ID)+"-narrow", true)
}

func lines(o Options, series []Series, s sheet, id string, narrow bool) template.HTML {
	p := newPlot(o, series, s, narrow)
	d := begin(o, p.sheet, id, Describe(o, series))
	if len(p.courses) == 0 || !p.any {
		d.nothing(s, "No values")
		return d.finish()
	}
	p.drawProvisional(d, id)
	p.drawAxes(d)
	if !narrow {
		p.drawHover(d)
	}
	// What lies over the intervals must not keep the pointer from them.
	d.open("g", "pointer-events", "none")
	for i := range p.courses {
		p.drawSeries(d, i)
	}
	d.end("g")
	p.drawLegend(d)
	return d.finish()
}

// value is a point on its way to the paper.
type value struct {
	when        time.Time
	at          float64 // seconds
	v           float64
	ok          bool
	provisional bool
}

// plot is where things stand on a sheet.
type plot struct {
	sheet
	options Options
	narrow  bool

	names   []string  // of the series that are drawn; empty ones stay empty when there is only one series
	courses [][]value // of the same series
	times   []time.Time
	more    int  // series that are not drawn
	any     bool // is there a value

	left, right, top, bottom float64 // the area of the lines
	from, to                 float64 // seconds: from half an interval before the first point to half of one after the last
	scale                    scale
	entries                  []entry
}

// entry is one label of the legend.
type entry struct {
	series int // -1: a remark
	text   string
	x, y   float64 // of the sample's left end; of the middle
	end    float64 // the height of the line's end, where a leader starts
	leader bool
}

func newPlot(o Options, series []Series, s sheet, narrow bool) *plot {
	p := &plot{sheet: s, options: o, narrow: narrow}
	if len(series) > drawn {
		p.more = len(series) - drawn
		series = series[:drawn]
	}
	low, high, whole := math.Inf(1), math.Inf(-1), o.Unit == Count
	for _, s := range series {
		name := clean(s.Name)
		if name == "" && len(series) > 1 {
			name = seriesName("")
		}
		course := values(s.Points)
		for _, v := range course {
			p.times = append(p.times, v.when)
			if !v.ok {
				continue
			}
			p.any = true
			low, high = math.Min(low, v.v), math.Max(high, v.v)
			whole = whole && v.v == math.Trunc(v.v)
		}
		p.names, p.courses = append(p.names, name), append(p.courses, course)
	}
	if !p.any {
		return p
	}
	slices.SortFunc(p.times, time.Time.Compare)
	p.times = slices.CompactFunc(p.times, time.Time.Equal)
	half := o.Grain.length() / 2
	p.from, p.to = seconds(p.times[0])-half, seconds(p.times[len(p.times)-1])+half
	p.scale = newScale(o.Unit, low, high, whole)
	p.place()
	return p
}

// place divides the sheet between lines, axes and labels.
func (p *plot) place() {
	widest := 0.0
	for _, v := range p.scale.ticks {
		widest = math.Max(widest, textWidth(axisText(p.options.Unit, v, p.scale), p.text))
	}
	p.left, p.right = math.Ceil(widest)+10, p.width-12
	p.top, p.bottom = 1.6*p.text, p.height-3.2*p.text
	if p.narrow {
		p.placeLegendBelow()
	} else {
		p.placeLegendBeside()
	}
}

func (p *plot) x(t time.Time) float64 { return p.across(seconds(t)) }

func (p *plot) across(s float64) float64 {
	x := p.left + (s-p.from)/(p.to-p.from)*(p.right-p.left)
	return math.Max(p.left, math.Min(p.right, x))
}

func (p *plot) y(v float64) float64 {
	y := p.bottom - (v-p.scale.low)/(p.scale.high-p.scale.low)*(p.bottom-p.top)
	return math.Max(p.top, math.Min(p.bottom, y))
}

// sorted are points by time, however they came.
func sorted(points []Point) []Point {
	byTime := func(a, b Point) int { return a.Start.Compare(b.Start) }
	if slices.IsSortedFunc(points, byTime) {
		return points
	}
	points = slices.Clone(points)
	slices.SortStableFunc(points, byTime)
	return points
}

func values(points []Point) []value {
	course := make([]value, 0, len(points))
	for _, p := range sorted(points) {
		v := value{when: p.Start, at: seconds(p.Start), ok: usable(p.Value), provisional: p.Provisional}
		if v.ok {
			v.v = tame(*p.Value)
		}
		course = append(course, v)
	}
	return course
}

// drawAxes draws the values' lines and the dates.
func (p *plot) drawAxes(d *drawing) {
	for _, v := range p.scale.ticks {
		class := "grid"
		if v == 0 || p.scale.low > 0 && v == p.scale.ticks[0] || p.scale.high < 0 && v == p.scale.ticks[0] {
			class = "axis"
		}
		y := number(p.y(v))
		d.element("line", "class", class, "x1", number(p.left), "x2", number(p.right), "y1", y, "y2", y, "stroke-width", "1")
		d.words("text", axisText(p.options.Unit, v, p.scale), "class", "tick tick-y", "x", number(p.left-6), "y", number(p.y(v)+0.35*p.text), "text-anchor", "end")
	}
	gap := 1.5 * p.text
	most := int((p.right - p.left + gap) / (textWidth("30 Nov", p.text) + gap))
	for _, m := range moments(p.options.Grain, p.times[0], p.times[len(p.times)-1], most) {
		x := p.x(m.at)
		d.element("line", "class", "axis-mark", "x1", number(x), "x2", number(x), "y1", number(p.bottom), "y2", number(p.bottom+4), "stroke-width", "1")
		half := math.Max(textWidth(m.label, p.text), textWidth(m.under, p.text)) / 2
		middle := number(math.Max(half+2, math.Min(p.width-half-2, x)))
		d.words("text", m.label, "class", "tick tick-x", "x", middle, "y", number(p.bottom+6+p.text), "text-anchor", "middle")
		if m.under != "" {
			d.words("text", m.under, "class", "tick tick-x tick-under", "x", middle, "y", number(p.bottom+6+2.2*p.text), "text-anchor", "middle")
		}
	}
}

// drawProvisional hatches the intervals whose values may still change.
func (p *plot) drawProvisional(d *drawing, id string) {
	var times []float64
	for _, course := range p.courses {
		for _, v := range course {
			if v.provisional {
				times = append(times, v.at)
			}
		}
	}
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	d.open("pattern", "id", id+"-hatch", "width", "7", "height", "7", "patternUnits", "userSpaceOnUse", "patternTransform", "rotate(45)")
	d.element("line", "class", "hatch", "x1", "1", "y1", "0", "x2", "1", "y2", "7", "stroke-width", "1.5")
	d.end("pattern")
	grain := p.options.Grain.length()
	start := times[0]
	for i, t := range times {
		if i+1 < len(times) && times[i+1]-t < 1.5*grain {
			continue
		}
		x, end := p.across(start-grain/2), p.across(t+grain/2)
		d.element("rect", "class", "provisional-band", "x", number(x), "y", number(p.top), "width", number(math.Max(end-x, 1)), "height", number(p.bottom-p.top), "fill", "url(#"+id+"-hatch)")
		if i+1 < len(times) {
			start = times[i+1]
			continue
		}
		// The word stands over the last band, inside the drawing.
		end = math.Max(end, p.left+textWidth("provisional", p.text))
		d.words("text", "provisional", "class", "provisional-label", "x", number(end), "y", number(p.top-5), "text-anchor", "end")
	}
}

// drawHover lays an unseen strip over each interval that tells its values to a pointer, without a script.
func (p *plot) drawHover(d *drawing) {
	if len(p.times) > mostHovered || len(p.times)*len(p.courses) > mostCells {
		return
	}
	told := make(map[int64][]string, len(p.times))
	for i, course := range p.courses {
		for _, v := range course {
			text := none
			if v.ok {
				text = Format(p.options.Unit, &v.v)
			}
			if p.names[i] != "" {
				text = shortName(p.names[i]) + ": " + text
			}
			if v.provisional {
				text += " (provisional)"
			}
			told[v.when.Unix()] = append(told[v.when.Unix()], text)
		}
	}
	half := p.options.Grain.length() / 2
	for i, t := range p.times {
		from, to := seconds(t)-half, seconds(t)+half
		if i > 0 {
			from = math.Max(from, (seconds(p.times[i-1])+seconds(t))/2)
		}
		if i+1 < len(p.times) {
			to = math.Min(to, (seconds(p.times[i+1])+seconds(t))/2)
		}
		x := p.across(from)
		d.open("rect", "class", "hover", "x", number(x), "y", number(p.top), "width", number(math.Max(p.across(to)-x, 0)), "height", number(p.bottom-p.top), "fill", "none", "pointer-events", "all")
		d.words("title", interval(p.options.Grain, t, true)+"\n"+strings.Join(told[t.Unix()], "\n"))
		d.end("rect")
	}
}

// drawSeries draws one line: what is whole, what is provisional, and its marks.
func (p *plot) drawSeries(d *drawing, i int) {
	course := p.courses[i]
	class := "series-" + strconv.Itoa(i)
	t := traceOf(course, 1.5*p.options.Grain.length(), p.x, p.y)
	if len(p.courses) == 1 && p.scale.low <= 0 && p.scale.high >= 0 && t.whole.Len() > 0 {
		d.element("path", "class", "area "+class, "d", t.area(p.y(0)), "fill-opacity", "0.1")
	}
	thick := "2"
	if float64(len(course)) > p.right-p.left {
		thick = "1.2"
	}
	drawTrace(d, t, class, dashes[i], thick)
	for _, at := range p.marked(i, t.alone) {
		v := course[at]
		drawMark(d, i, v.provisional, p.x(v.when), p.y(v.v), markSize)
	}
}

// marked are the values of a series that get a mark: all of a few, some of many (each series others, so that they do not cover one another), always the last and those that no line reaches.
func (p *plot) marked(series int, alone []int) []int {
	var present []int
	for i, v := range p.courses[series] {
		if v.ok {
			present = append(present, i)
		}
	}
	if len(present) == 0 {
		return nil
	}
	n := len(present)
	marks := append([]int{present[n-1]}, alone...)
	switch {
	case n <= 16:
		marks = append(marks, present...)
	case len(p.courses) > 1:
		every := (n + 7) / 8
		for i := series * every / drawn; i < n-every/2; i += every {
			marks = append(marks, present[i])
		}
	}
	slices.Sort(marks)
	return slices.Compact(marks)
}
