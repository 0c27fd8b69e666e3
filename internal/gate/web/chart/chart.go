// Package chart owns the drawing of numbers: SVG as text, from numbers alone, with a title and a description in words for whoever does not see it.
//
// It will not know what the numbers mean, and it writes no style, script or address into what it draws: classes name the parts, the page's stylesheet colours them.
package chart

import "time"

// Unit is how a value is written.
type Unit int

// The units.
const (
	Count Unit = iota // 12,345
	Rate              // of one: 0.139 is 13.9 %
)

// Grain is the length of a point's interval.
type Grain string

// The grains.
const (
	Hour Grain = "hour"
	Day  Grain = "day"
	Week Grain = "week"
)

// Point is the value of one interval. Without a value there is a gap.
type Point struct {
	Start       time.Time // UTC
	Value       *float64
	Provisional bool // rows of it may still arrive: drawn hatched
}

// Series is one line: its points by time.
type Series struct {
	Name   string // empty for the only one
	Points []Point
}

// Bar is one cell of a breakdown.
type Bar struct {
	Name  string
	Value *float64
}

// Options say what a chart is about. ID makes the names inside unique on the page.
type Options struct {
	ID    string
	Title string
	Unit  Unit
	Grain Grain
}
