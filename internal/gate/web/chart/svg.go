package chart

import (
	"encoding/xml"
	"html/template"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// The class names that a stylesheet colours. Geometry (sizes, dashes, stroke widths, what is not filled) is in the drawing; colour is only in the stylesheet. No rule may set a font size inside a
// chart: where texts are cut and where labels stand is computed from the sizes written here.
//
//	chart                root of every drawing; with chart-lines, chart-spark or chart-bars, and chart-narrow on what is drawn for a phone
//	                     font-family, width: 100 %, height: auto
//	grid                 a horizontal line at a tick (stroke)
//	axis                 the line of zero, or the bottom; in bars the line that they start from (stroke)
//	axis-mark            the short line at a date (stroke)
//	tick                 a text at an axis (fill); tick-y, tick-x, and tick-under for the second row of dates
//	line                 a series (stroke); with series-N, and provisional on the part that may still change
//	area                 what lies under an only series (fill; it is drawn at a tenth of its opacity)
//	point                a mark on a line (fill); with series-N, shape-N, and provisional: hollow (fill: the background, stroke: the series)
//	series-0 … series-7  which series; line, area, point and bar carry one
//	provisional-band     where values may still change: its fill is the hatching, so no rule may set one
//	hatch                the hatching's line (stroke)
//	provisional-label    the word over the band (fill)
//	hover                an interval's whole height, unseen until it is pointed at: .hover:hover may set a fill and a low fill-opacity
//	label                a series' name at the line's end (fill); also in a legend
//	leader               the thin line from a line's end to its label (stroke)
//	legend               the group of all labels with their samples of line and point
//	bar                  a bar (fill); with series-0, and negative
//	bar-row              a bar's group: name, bar, value
//	bar-name             its name (fill)
//	bar-value            its value (fill); with none where there is no value
//	empty                the words where there is nothing to draw (fill)

// drawing is SVG being written. Everything that goes into it passes escape, so what it holds is markup of this package around texts that cannot be markup.
type drawing struct {
	text strings.Builder
}

// open starts an element; attributes are names and values by turns.
func (d *drawing) open(name string, attributes ...string) {
	d.start(name, attributes)
	d.text.WriteByte('>')
}

func (d *drawing) end(name string) {
	d.text.WriteString("</" + name + ">")
}

// element writes an element without content.
func (d *drawing) element(name string, attributes ...string) {
	d.start(name, attributes)
	d.text.WriteString("/>")
}

// words writes an element that holds a text.
func (d *drawing) words(name, content string, attributes ...string) {
	d.open(name, attributes...)
	d.text.WriteString(escape(content))
	d.end(name)
}

func (d *drawing) start(name string, attributes []string) {
	d.text.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		d.text.WriteString(" " + attributes[i] + `="` + escape(attributes[i+1]) + `"`)
	}
}

// sheet is the size of a drawing and of its texts, in the units of its viewBox.
type sheet struct {
	class         string
	width, height float64
	text          float64
}

// begin opens the drawing: what it is for whoever does not see it comes first.
func begin(o Options, s sheet, id, description string) *drawing {
	d := &drawing{}
	d.open("svg", "class", s.class, "viewBox", "0 0 "+number(s.width)+" "+number(s.height), "role", "img",
		"aria-labelledby", id+"-title "+id+"-desc", "font-size", number(s.text))
	d.words("title", o.Title, "id", id+"-title")
	d.words("desc", description, "id", id+"-desc")
	return d
}

func (d *drawing) finish() template.HTML {
	d.end("svg")
	return template.HTML(d.text.String()) //nolint:gosec // every text and every attribute's value in it was escaped on its way in
}

// nothing says in the middle of a sheet that there is nothing.
func (d *drawing) nothing(s sheet, text string) {
	d.words("text", text, "class", "empty", "x", number(s.width/2), "y", number(s.height/2+s.text/3), "text-anchor", "middle")
}

// identifier makes a name of the options' ID that is safe in an id, in a list of ids and in url(#…), and differs for different IDs.
func identifier(id string) string {
	var b strings.Builder
	for _, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		case r == '_':
			b.WriteString("__")
		default:
			b.WriteString("_" + strconv.FormatInt(int64(r), 16) + "_")
		}
	}
	if b.Len() == 0 {
		return "chart"
	}
	return b.String()
}

// number writes a coordinate: one decimal is finer than a screen shows.
func number(f float64) string {
	f = math.Round(f*10) / 10
	if f == 0 {
		return "0" // never -0
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func escape(s string) string {
	var b strings.Builder
	// A strings.Builder's writes cannot fail.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// clean makes a name one line of text: control characters become spaces, and what turns the direction of writing becomes visible.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		default:
			return r
		}
	}, s))
}

// textWidth is about how wide a text of a size is. It is that of a wide sans-serif, so that what fits here fits in whatever font the reader's system has.
func textWidth(s string, size float64) float64 {
	sum := 0.0
	for _, r := range s {
		sum += runeWidth(r)
	}
	return sum * size
}

func runeWidth(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case strings.ContainsRune("ijlI|!.,:;'` ", r):
		return 0.32
	case strings.ContainsRune("ftr()[]{}/\\-\"", r):
		return 0.42
	case strings.ContainsRune("mwMW@%−…+<>=", r):
		return 0.97
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r == '–':
		return 0.64
	case r < 0x1100:
		return 0.76
	default:
		return 1.1 // scripts whose letters fill a square, symbols, pictures
	}
}

// fit cuts a text with an ellipsis to a width.
func fit(s string, size, width float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	width -= textWidth("…", size)
	used := 0.0
	for i, r := range s {
		used += runeWidth(r) * size
		if used > width {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}
