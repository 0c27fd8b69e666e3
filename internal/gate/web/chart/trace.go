package chart

import (
	"math"
	"strings"
	"time"
)

// trace is a line as paths: one of what is whole, one of what is provisional. It is broken where an interval has no value.
type trace struct {
	whole, provisional strings.Builder
	runs               [][2]string // of what is whole: the corners of each piece without its ends to the ground, and the xs of its ends "first,last"
	alone              []int       // values that are joined to none
}

// traceOf joins values that are no further apart than reach, in seconds.
func traceOf(course []value, reach float64, x func(time.Time) float64, y func(float64) float64) *trace {
	t := &trace{}
	var run strings.Builder
	runFrom, runTo := "", ""
	endRun := func() {
		if run.Len() > 0 {
			t.runs = append(t.runs, [2]string{run.String(), runFrom + "," + runTo})
			run.Reset()
		}
	}
	previous := -1                     // the last value, when the next one can be joined to it
	wholeEnd, provisionalEnd := -1, -1 // the values at which the two paths stand
	joined := false                    // was the last value joined to the one before it
	leave := func() {
		if previous >= 0 && !joined {
			t.alone = append(t.alone, previous)
		}
		previous, joined = -1, false
	}
	at := func(i int) string { return number(x(course[i].when)) + "," + number(y(course[i].v)) }
	for i, v := range course {
		if !v.ok {
			leave()
			continue
		}
		if previous >= 0 && v.at-course[previous].at > reach {
			leave()
		}
		if previous >= 0 {
			if v.provisional || course[previous].provisional {
				if provisionalEnd != previous {
					t.provisional.WriteString("M" + at(previous))
				}
				t.provisional.WriteString("L" + at(i))
				provisionalEnd = i
			} else {
				if wholeEnd != previous {
					endRun()
					t.whole.WriteString("M" + at(previous))
					run.WriteString("L" + at(previous))
					runFrom = number(x(course[previous].when))
				}
				t.whole.WriteString("L" + at(i))
				run.WriteString("L" + at(i))
				runTo = number(x(v.when))
				wholeEnd = i
			}
			joined = true
		}
		previous = i
	}
	leave()
	endRun()
	return t
}

// area is what lies between the whole part of the line and a height.
func (t *trace) area(ground float64) string {
	var b strings.Builder
	for _, run := range t.runs {
		first, last, _ := strings.Cut(run[1], ",")
		b.WriteString("M" + first + "," + number(ground) + run[0] + "L" + last + "," + number(ground) + "Z")
	}
	return b.String()
}

func drawTrace(d *drawing, t *trace, class, dash, width string) {
	for _, part := range []struct{ class, path, dash string }{
		{"line " + class, t.whole.String(), dash},
		{"line " + class + " provisional", t.provisional.String(), provisionalDash},
	} {
		if part.path == "" {
			continue
		}
		attributes := []string{"class", part.class, "d", part.path, "fill", "none", "stroke-width", width, "stroke-linejoin", "round"}
		if part.dash != "" {
			attributes = append(attributes, "stroke-dasharray", part.dash)
		}
		d.element("path", attributes...)
	}
}

// markSize is a mark's half width.
const markSize = 3.8

// shapes are the marks of the series, as corners on a circle of radius one around zero; the first has none: it is the circle.
var shapes = [drawn][][2]float64{
	nil,
	{{-0.85, -0.85}, {0.85, -0.85}, {0.85, 0.85}, {-0.85, 0.85}}, // square
	{{0, -1.15}, {1.1, 0.85}, {-1.1, 0.85}},                      // triangle
	{{0, -1.25}, {1.25, 0}, {0, 1.25}, {-1.25, 0}},               // diamond
	{{-0.4, -1.2}, {0.4, -1.2}, {0.4, -0.4}, {1.2, -0.4}, {1.2, 0.4}, {0.4, 0.4}, {0.4, 1.2}, {-0.4, 1.2}, {-0.4, 0.4}, {-1.2, 0.4}, {-1.2, -0.4}, {-0.4, -0.4}}, // plus
	{{0, -0.55}, {0.6, -1.2}, {1.2, -0.6}, {0.55, 0}, {1.2, 0.6}, {0.6, 1.2}, {0, 0.55}, {-0.6, 1.2}, {-1.2, 0.6}, {-0.55, 0}, {-1.2, -0.6}, {-0.6, -1.2}},       // cross
	{{0, 1.15}, {-1.1, -0.85}, {1.1, -0.85}}, // triangle on its point
	{{0, -1.35}, {0.35, -0.45}, {1.3, -0.4}, {0.55, 0.2}, {0.8, 1.1}, {0, 0.6}, {-0.8, 1.1}, {-0.55, 0.2}, {-1.3, -0.4}, {-0.35, -0.45}}, // star
}

func drawMark(d *drawing, series int, provisional bool, x, y, r float64) {
	n := number(float64(series))
	class := "point series-" + n + " shape-" + n
	if provisional {
		class += " provisional"
	}
	if shapes[series] == nil {
		d.element("circle", "class", class, "cx", number(x), "cy", number(y), "r", number(r), "stroke-width", "1.2")
		return
	}
	var path strings.Builder
	for i, c := range shapes[series] {
		if i == 0 {
			path.WriteString("M")
		} else {
			path.WriteString("L")
		}
		path.WriteString(number(x+c[0]*r) + "," + number(y+c[1]*r))
	}
	d.element("path", "class", class, "d", path.String()+"Z", "stroke-width", "1.2", "stroke-linejoin", "round")
}

// ends is the last value of a course that is there, nil without one.
func ends(course []value) *value {
	for i := len(course) - 1; i >= 0; i-- {
		if course[i].ok {
			return &course[i]
		}
	}
	return nil
}

// spread moves heights apart until each has its gap, as little as may be and within low and high. They come sorted and stay so.
func spread(heights []float64, gap, low, high float64) {
	for i := range heights {
		floor := low
		if i > 0 {
			floor = heights[i-1] + gap
		}
		heights[i] = math.Max(heights[i], floor)
	}
	for i := len(heights) - 1; i >= 0; i-- {
		ceiling := high
		if i+1 < len(heights) {
			ceiling = heights[i+1] - gap
		}
		heights[i] = math.Min(heights[i], ceiling)
	}
}
