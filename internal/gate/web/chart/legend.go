package chart

import (
	"math"
	"slices"
	"strconv"
)

// A label is a sample of its line with its mark, and its name.
const (
	sample      = 26.0 // long
	sampleSpace = 5.0
	leaderSpace = 16.0
	widestLabel = 150.0
)

// labels are the legend's texts: one for each series that has a name, and one for those that are not drawn.
func (p *plot) labels() []entry {
	var entries []entry
	for i, name := range p.names {
		if name != "" {
			entries = append(entries, entry{series: i, text: name})
		}
	}
	if p.more > 0 {
		entries = append(entries, entry{series: -1, text: strconv.Itoa(p.more) + " more not drawn"})
	}
	return entries
}

// placeLegendBeside gives each label the height of its line's end, or as near to it as the others leave room.
func (p *plot) placeLegendBeside() {
	entries := p.labels()
	if len(entries) == 0 {
		return
	}
	widest := 0.0
	for i := range entries {
		entries[i].text = fit(entries[i].text, p.text, widestLabel)
		widest = math.Max(widest, textWidth(entries[i].text, p.text))
	}
	p.right = p.width - 6 - widest - sampleSpace - sample - leaderSpace
	for i := range entries {
		e := &entries[i]
		e.x, e.y = p.right+leaderSpace, p.bottom
		if e.series < 0 {
			continue
		}
		last := ends(p.courses[e.series])
		if last == nil {
			continue
		}
		e.y = p.y(last.v)
		e.end = e.y
		e.leader = last.at >= p.to-p.options.Grain.length()
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		switch {
		case a.series < 0:
			return 1
		case b.series < 0 || a.y < b.y:
			return -1
		case a.y > b.y:
			return 1
		default:
			return 0
		}
	})
	heights := make([]float64, len(entries))
	for i, e := range entries {
		heights[i] = e.y
	}
	spread(heights, 1.35*p.text, p.top, p.bottom)
	for i := range entries {
		entries[i].y = heights[i]
	}
	p.entries = entries
}

// placeLegendBelow lays the labels in rows under the lines and makes the sheet as much higher.
func (p *plot) placeLegendBelow() {
	entries := p.labels()
	if len(entries) == 0 {
		return
	}
	const margin, between = 8.0, 14.0
	x, y := margin, p.height+0.4*p.text
	for i := range entries {
		e := &entries[i]
		e.text = fit(e.text, p.text, p.width-2*margin-sample-sampleSpace)
		wide := textWidth(e.text, p.text)
		if e.series >= 0 {
			wide += sample + sampleSpace
		}
		if x > margin && x+wide > p.width-margin {
			x, y = margin, y+1.6*p.text
		}
		e.x, e.y = x, y
		x += wide + between
	}
	p.height = math.Ceil(y + 1.1*p.text)
	p.entries = entries
}

func (p *plot) drawLegend(d *drawing) {
	if len(p.entries) == 0 {
		return
	}
	d.open("g", "class", "legend")
	for _, e := range p.entries {
		x := e.x
		if e.series >= 0 {
			p.drawSample(d, e)
			x += sample + sampleSpace
		}
		d.open("text", "class", "label", "x", number(x), "y", number(e.y+0.35*p.text))
		if e.series >= 0 && p.names[e.series] != e.text {
			d.words("title", p.names[e.series])
		}
		d.text.WriteString(escape(e.text))
		d.end("text")
	}
	d.end("g")
}

func (p *plot) drawSample(d *drawing, e entry) {
	class := "series-" + strconv.Itoa(e.series)
	if e.leader {
		d.element("path", "class", "leader", "d", "M"+number(p.right+2)+","+number(e.end)+"L"+number(e.x-3)+","+number(e.y), "fill", "none", "stroke-width", "1")
	}
	attributes := []string{"class", "line " + class, "d", "M" + number(e.x) + "," + number(e.y) + "L" + number(e.x+sample) + "," + number(e.y), "fill", "none", "stroke-width", "2"}
	if dashes[e.series] != "" {
		attributes = append(attributes, "stroke-dasharray", dashes[e.series])
	}
	d.element("path", attributes...)
	drawMark(d, e.series, false, e.x+sample/2, e.y, markSize)
}
