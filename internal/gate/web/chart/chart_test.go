package chart_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/gate/web/chart"
)

// seen is what a drawing holds.
type seen struct {
	elements map[string]int
	classes  map[string]int
	texts    []string
	ids      []string
	width    float64
	height   float64
}

var numbers = regexp.MustCompile(`-?[0-9.]+(?:e[-+]?[0-9]+)?`)

// allowed are the attributes that a drawing may have, and of which kind their values are.
var allowed = map[string]string{
	"class": "", "id": "", "viewBox": "", "role": "", "aria-labelledby": "", "font-size": "", "text-anchor": "", "fill": "", "fill-opacity": "", "stroke-width": "", "stroke-dasharray": "",
	"stroke-linejoin": "", "pointer-events": "", "patternUnits": "", "patternTransform": "", "rx": "",
	"x": "x", "x1": "x", "x2": "x", "cx": "x", "y": "y", "y1": "y", "y2": "y", "cy": "y", "width": "x", "height": "y", "r": "r", "d": "d",
}

// look reads a drawing strictly and holds it to what is promised of every drawing.
func look(t *testing.T, drawing string) seen {
	t.Helper()
	s := seen{elements: map[string]int{}, classes: map[string]int{}}
	decoder := xml.NewDecoder(strings.NewReader(drawing))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read %.300q: %v", drawing, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			s.element(t, token)
		case xml.CharData:
			s.texts = append(s.texts, string(token))
		case xml.EndElement:
		default:
			t.Fatalf("a %T in a drawing", token)
		}
	}
	if len(s.ids) < 2 || s.elements["title"] < 1 || s.elements["desc"] != 1 {
		t.Fatalf("no title and description in %.300q", drawing)
	}
	return s
}

func (s *seen) element(t *testing.T, e xml.StartElement) {
	t.Helper()
	switch e.Name.Local {
	case "svg", "title", "desc", "g", "text", "line", "path", "rect", "circle", "pattern":
	default:
		t.Fatalf("a <%s> in a drawing", e.Name.Local)
	}
	s.elements[e.Name.Local]++
	at := map[string]float64{}
	for _, a := range e.Attr {
		name := a.Name.Local
		kind, known := allowed[name]
		if !known || a.Name.Space != "" {
			t.Fatalf("attribute %s:%s in a drawing", a.Name.Space, name)
		}
		switch name {
		case "viewBox":
			if _, err := fmt.Sscanf(a.Value, "0 0 %f %f", &s.width, &s.height); err != nil {
				t.Fatalf("viewBox %q: %v", a.Value, err)
			}
		case "class":
			for class := range strings.FieldsSeq(a.Value) {
				s.classes[class]++
			}
		case "id":
			s.ids = append(s.ids, a.Value)
		case "fill":
			if a.Value != "none" && !strings.HasPrefix(a.Value, "url(#") {
				t.Fatalf("a colour in a drawing: %s", a.Value)
			}
		}
		s.inside(t, kind, a.Value, at, name)
	}
	if at["x"]+at["width"] > s.width+0.2 || at["y"]+at["height"] > s.height+0.2 {
		t.Fatalf("%v ends outside of %v by %v", e, s.width, s.height)
	}
}

// inside holds coordinates to the viewBox.
func (s *seen) inside(t *testing.T, kind, value string, at map[string]float64, name string) {
	t.Helper()
	if kind == "" {
		return
	}
	all := numbers.FindAllString(value, -1)
	if len(all) == 0 || kind != "d" && len(all) != 1 {
		t.Fatalf("%s is %q", name, value)
	}
	if kind == "d" && strings.Trim(value, "MLZ,-.0123456789") != "" || kind != "d" && all[0] != value {
		t.Fatalf("%s is %q", name, value)
	}
	for i, text := range all {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s is %q: %v", name, value, err)
		}
		most := s.width
		if kind == "y" || kind == "d" && i%2 == 1 {
			most = s.height
		}
		if n < 0 || n > most {
			t.Fatalf("%s %v of %q is outside of %v by %v", name, n, value, s.width, s.height)
		}
		at[name] = n
	}
}

// everything draws the series and bars in all ways.
func everything(o chart.Options, series []chart.Series) map[string]string {
	var bars []chart.Bar
	var points []chart.Point
	for _, s := range series {
		for _, p := range s.Points {
			if len(bars) < 40 {
				bars = append(bars, chart.Bar{Name: s.Name, Value: p.Value})
			}
		}
		points = s.Points
	}
	return map[string]string{
		"lines":        string(chart.Lines(o, series)),
		"lines narrow": string(chart.LinesNarrow(o, series)),
		"spark":        string(chart.Spark(o, points)),
		"bars":         string(chart.Bars(o, bars)),
		"bars narrow":  string(chart.BarsNarrow(o, bars)),
	}
}

// TestEveryDrawingIsSound draws the extremes that come to mind.
func TestEveryDrawingIsSound(t *testing.T) {
	fixed := func(values ...float64) []chart.Series {
		s := chart.Series{Name: "n"}
		for i, v := range values {
			s.Points = append(s.Points, chart.Point{Start: november.Add(time.Duration(i) * day), Value: &v, Provisional: i > 2})
		}
		return []chart.Series{s}
	}
	far := fixed(1, 2, 3)
	far[0].Points[0].Start, far[0].Points[2].Start = time.Time{}, time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC)
	backwards := fixed(1, 2, 3, 4)
	backwards[0].Points[0], backwards[0].Points[3] = backwards[0].Points[3], backwards[0].Points[0]
	twice := fixed(1, 2, 3)
	twice[0].Points[1].Start = twice[0].Points[0].Start
	cases := map[string][]chart.Series{
		"none":           nil,
		"a series empty": {{Name: "empty"}},
		"all without":    {without(wave("a", november, day, 3, 1, 0, 0), 0, 1, 2), {}},
		"one point":      fixed(5),
		"negative":       fixed(-1, -5, -3, -8),
		"both":           fixed(-1e14, 999_999_999_999_999, 3),
		"huge":           fixed(math.MaxFloat64, -math.MaxFloat64, 1),
		"big and near":   fixed(1e17, 1e17+64, 1e17+32),
		"tiny":           fixed(math.SmallestNonzeroFloat64, 0, 1e-12, -1e-200),
		"tiny and near":  fixed(1, 1+1e-15),
		"not numbers":    fixed(math.NaN(), math.Inf(1), 4, math.Inf(-1)),
		"zero":           fixed(0, 0, 0, math.Copysign(0, -1)),
		"far apart":      far,
		"backwards":      backwards,
		"at once":        twice,
		"many":           {wave("many", november, day, 2000, 10, 4, 0.01), wave("", november, hour, 2000, 10, 4, 0.01)},
		"too many":       append(models(), models()...),
		"hostile":        {{Name: `"><script>x</script>]]>` + "\x00\xff\u202e", Points: fixed(1, 2)[0].Points}, {Name: strings.Repeat("W漢\u0301", 400), Points: fixed(3)[0].Points}},
	}
	for name, series := range cases {
		for _, unit := range []chart.Unit{chart.Count, chart.Rate} {
			for _, grain := range []chart.Grain{chart.Hour, chart.Day, chart.Week, "", `"><`} {
				o := chart.Options{ID: `a" onload="b`, Title: "<title>\x01 & " + name, Unit: unit, Grain: grain}
				first, again := everything(o, series), everything(o, series)
				for kind, drawing := range first {
					if drawing != again[kind] {
						t.Errorf("%s, %s, differs when drawn again", name, kind)
					}
					t.Run(fmt.Sprintf("%s/%d/%q/%s", name, unit, grain, kind), func(t *testing.T) { whole(t, drawing) })
				}
			}
		}
	}
}

// whole looks at a drawing and at what its words say.
func whole(t *testing.T, drawing string) seen {
	t.Helper()
	s := look(t, drawing)
	for _, text := range s.texts {
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("not a number is written: %q", text)
		}
	}
	return s
}

// FuzzDrawings draws whatever chance comes up with.
func FuzzDrawings(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed, "a name", seed%3*7)
	}
	f.Add(uint64(1), "]]><x", uint64(2000))
	f.Fuzz(func(t *testing.T, seed uint64, name string, n uint64) {
		chance := rand.New(rand.NewPCG(seed, n))
		grains := []chart.Grain{chart.Hour, chart.Day, chart.Week}
		o := chart.Options{ID: name, Title: name, Unit: chart.Unit(chance.IntN(2)), Grain: grains[chance.IntN(3)]}
		var series []chart.Series
		for range chance.IntN(11) {
			s := chart.Series{Name: name + strconv.Itoa(chance.IntN(5))}
			size := math.Pow(10, chance.Float64()*40-15)
			for i := range n % 200 {
				p := chart.Point{Start: november.Add(time.Duration(i) * time.Duration(1+chance.IntN(200)) * hour), Provisional: chance.IntN(6) == 0}
				if chance.IntN(5) > 0 {
					p.Value = of((chance.Float64() - 0.3) * size)
				}
				s.Points = append(s.Points, p)
			}
			series = append(series, s)
		}
		for _, drawing := range everything(o, series) {
			whole(t, drawing)
		}
		if d := chart.Describe(o, series); d == "" || strings.Contains(d, "NaN") {
			t.Errorf("described as %q", d)
		}
	})
}

// TestTicksAreFewAndRound looks at the axis over many sizes of values.
func TestTicksAreFewAndRound(t *testing.T) {
	tick := regexp.MustCompile(`class="tick tick-y"[^>]*>([^<]*)<`)
	for _, unit := range []chart.Unit{chart.Count, chart.Rate} {
		for low := -3.0; low < 9; low += 0.37 {
			for ratio := 1.0; ratio < 40; ratio *= 1.3 {
				from := math.Pow(10, low)
				if unit == chart.Rate {
					from = math.Pow(10, low-10)
				}
				series := []chart.Series{{Points: []chart.Point{{Start: november, Value: &from}, {Start: november.Add(day), Value: of(from * ratio)}}}}
				found := tick.FindAllStringSubmatch(string(chart.Lines(chart.Options{ID: "t", Unit: unit, Grain: chart.Day}, series)), -1)
				if len(found) < 3 || len(found) > 5 {
					t.Errorf("%d ticks from %v to %v", len(found), from, from*ratio)
				}
				for i, f := range found {
					if i > 0 && f[1] == found[i-1][1] {
						t.Errorf("two ticks are %q from %v to %v", f[1], from, from*ratio)
					}
				}
			}
		}
	}
}

// TestCountsHaveNoTicksBetweenThem is about axes of small whole numbers.
func TestCountsHaveNoTicksBetweenThem(t *testing.T) {
	for top := range 12 {
		series := []chart.Series{{Points: []chart.Point{{Start: november, Value: of(float64(top))}}}}
		for _, text := range look(t, string(chart.Lines(chart.Options{ID: "t", Grain: chart.Day}, series))).texts {
			if strings.Contains(text, ".") && !strings.HasSuffix(text, ".") {
				t.Errorf("up to %d there is a tick %q", top, text)
			}
		}
	}
}

var labels = regexp.MustCompile(`<text class="(label|tick tick-x[^"]*)" x="([^"]+)" y="([^"]+)"[^>]*>(?:<title>[^<]*</title>)?([^<]*)<`)

// TestLabelsDoNotOverlap compares all labels and dates of a drawing, as wide as the narrowest letters could make them.
func TestLabelsDoNotOverlap(t *testing.T) {
	flat := make([]chart.Series, 0, 8)
	for _, s := range models() {
		for i := range s.Points {
			s.Points[i].Value = of(0.1) // all ends at one height
		}
		flat = append(flat, s)
	}
	cases := map[string][]chart.Series{"flat": append(flat, flat...), "models": models(), "one": models()[:1]}
	for n := 1; n < 900; n += 1 + n/3 {
		for _, step := range []time.Duration{hour, day, week} {
			cases[fmt.Sprintf("%d of %v", n, step)] = []chart.Series{wave("", november.Add(11*hour), step, n, 5, 1, 0)}
		}
	}
	for name, series := range cases {
		for _, grain := range []chart.Grain{chart.Hour, chart.Day, chart.Week} {
			for _, drawing := range []string{string(chart.Lines(chart.Options{ID: "a", Unit: chart.Rate, Grain: grain}, series)), string(chart.LinesNarrow(chart.Options{ID: "a", Unit: chart.Rate, Grain: grain}, series))} {
				if pair := overlap(t, drawing); pair != "" {
					t.Errorf("%s by %s: %s", name, grain, pair)
				}
			}
		}
	}
}

// overlap names two texts that lie on one another.
func overlap(t *testing.T, drawing string) string {
	t.Helper()
	type box struct {
		x0, x1, y float64
		text      string
	}
	var boxes []box
	for _, m := range labels.FindAllStringSubmatch(drawing, -1) {
		x, errX := strconv.ParseFloat(m[2], 64)
		y, errY := strconv.ParseFloat(m[3], 64)
		if err := errors.Join(errX, errY); err != nil {
			t.Fatal(err)
		}
		wide := 7 * float64(len([]rune(m[4])))
		if m[1] != "label" {
			x -= wide / 2
		}
		b := box{x, x + wide, y, m[4]}
		for _, a := range boxes {
			if a.x0 < b.x1 && b.x0 < a.x1 && math.Abs(a.y-b.y) < 12 {
				return fmt.Sprintf("%q lies on %q", b.text, a.text)
			}
		}
		boxes = append(boxes, b)
	}
	return ""
}

// TestNarrowAndWideShareNoID lets both stand on one page.
func TestNarrowAndWideShareNoID(t *testing.T) {
	taken := map[string]string{}
	for _, id := range []string{"a", "b", "a-narrow", "a b", "a_20_b", `a"b`} {
		o := chart.Options{ID: id, Title: id, Grain: chart.Day}
		if id == "a-narrow" { // whoever names two charts so has named them the same
			continue
		}
		for kind, drawing := range everything(o, models()[:1]) {
			for _, id := range look(t, drawing).ids {
				if other := taken[id]; other != "" {
					t.Errorf("id %s is in %s and in %s of %s", id, other, kind, o.ID)
				}
				taken[id] = kind + " of " + o.ID
			}
		}
	}
}

// TestALineEndsWhereAValueIsMissing counts the pieces of a line: at nil, and where an interval is not there at all.
func TestALineEndsWhereAValueIsMissing(t *testing.T) {
	pieces := func(s chart.Series) int {
		path := regexp.MustCompile(`<path class="line series-0" d="([^"]+)"`).FindStringSubmatch(string(chart.Lines(chart.Options{ID: "a", Grain: chart.Day}, []chart.Series{s})))
		if path == nil {
			return 0
		}
		return strings.Count(path[1], "M")
	}
	if n := pieces(wave("", november, day, 9, 5, 1, 0)); n != 1 {
		t.Errorf("a whole line has %d pieces", n)
	}
	if n := pieces(without(wave("", november, day, 9, 5, 1, 0), 4)); n != 2 {
		t.Errorf("a line with a gap has %d pieces", n)
	}
	absent := wave("", november, day, 9, 5, 1, 0)
	absent.Points = append(absent.Points[:4:4], absent.Points[5:]...)
	if n := pieces(absent); n != 2 {
		t.Errorf("a line without an interval has %d pieces", n)
	}
	if n := pieces(without(wave("", november, day, 3, 5, 1, 0), 1)); n != 0 {
		t.Errorf("two lonely points have %d pieces", n)
	}
}

// TestProvisionalIsHatchedAndDotted looks for what says that a value may still change, and that it is not said without cause.
func TestProvisionalIsHatchedAndDotted(t *testing.T) {
	o := chart.Options{ID: "a", Grain: chart.Day}
	settled := whole(t, string(chart.Lines(o, []chart.Series{wave("", november, day, 9, 5, 1, 0)})))
	if settled.classes["provisional"]+settled.classes["provisional-band"]+settled.elements["pattern"] != 0 {
		t.Error("settled values are drawn as provisional")
	}
	s := late(wave("", november, day, 9, 5, 1, 0), 2)
	drawing := string(chart.Lines(o, []chart.Series{s}))
	unsettled := whole(t, drawing)
	if unsettled.classes["provisional-band"] != 1 || unsettled.elements["pattern"] != 1 || !strings.Contains(drawing, `fill="url(#a-hatch)"`) {
		t.Error("provisional values are not hatched")
	}
	if unsettled.classes["provisional"] != 3 { // the line and two marks
		t.Errorf("%d parts are provisional", unsettled.classes["provisional"])
	}
	s.Points[3].Provisional = true
	if n := look(t, string(chart.Lines(o, []chart.Series{s}))).classes["provisional-band"]; n != 2 {
		t.Errorf("%d bands for two stretches", n)
	}
	if n := look(t, string(chart.Spark(o, s.Points))).classes["provisional"]; n != 2 {
		t.Errorf("%d parts of the spark are provisional", n)
	}
}

// TestSeriesDifferWithoutColour compares dashes and shapes.
func TestSeriesDifferWithoutColour(t *testing.T) {
	drawing := string(chart.Lines(chart.Options{ID: "a", Unit: chart.Rate, Grain: chart.Day}, models()))
	dashes := map[string]bool{}
	for i := range 8 {
		m := regexp.MustCompile(fmt.Sprintf(`<path class="line series-%d"[^>]*>`, i)).FindString(drawing)
		dash := regexp.MustCompile(`stroke-dasharray="[^"]*"`).FindString(m)
		if m == "" || dashes[dash] {
			t.Errorf("series %d is not there or is dashed like another: %s", i, m)
		}
		dashes[dash] = true
		if !strings.Contains(drawing, fmt.Sprintf("shape-%d", i)) {
			t.Errorf("series %d has no mark", i)
		}
	}
}

// TestWhatIsNotDrawnIsSaid is about more series than a drawing shows.
func TestWhatIsNotDrawnIsSaid(t *testing.T) {
	for _, drawing := range []string{string(chart.Lines(chart.Options{ID: "a", Grain: chart.Day}, append(models(), models()[:2]...))), string(chart.LinesNarrow(chart.Options{ID: "a", Grain: chart.Day}, append(models(), models()[:2]...)))} {
		if !strings.Contains(drawing, "2 more not drawn") {
			t.Error("two series are left out without a word")
		}
	}
}

// TestCutNamesAreToldWhole looks for the whole of a name that is cut.
func TestCutNamesAreToldWhole(t *testing.T) {
	name := "Floodlight of the second generation with siren"
	bars := string(chart.Bars(chart.Options{ID: "a"}, []chart.Bar{{Name: strings.Repeat(name+" ", 3), Value: of(2)}}))
	if !strings.Contains(bars, "<title>"+strings.TrimSpace(strings.Repeat(name+" ", 3))+": 2</title>") || !strings.Contains(bars, "…</text>") {
		t.Error(bars)
	}
	lines := string(chart.Lines(chart.Options{ID: "a", Grain: chart.Day}, []chart.Series{{Name: name, Points: models()[0].Points}}))
	if !strings.Contains(lines, "<title>"+name+"</title>Floodlight") || !strings.Contains(lines, "…</text>") {
		t.Error(lines)
	}
}
