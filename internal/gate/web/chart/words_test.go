package chart_test

import (
	"math"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/gate/web/chart"
)

// TestValuesAreWrittenForPeople is the list of how values look.
func TestValuesAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		unit chart.Unit
		v    *float64
		want string
	}{
		{chart.Count, nil, "–"},
		{chart.Rate, nil, "–"},
		{chart.Count, of(math.NaN()), "–"},
		{chart.Rate, of(math.Inf(1)), "–"},
		{chart.Count, of(0), "0"},
		{chart.Count, of(math.Copysign(0, -1)), "0"},
		{chart.Count, of(7), "7"},
		{chart.Count, of(999), "999"},
		{chart.Count, of(1000), "1,000"},
		{chart.Count, of(12_345), "12,345"},
		{chart.Count, of(1_234_567), "1,234,567"},
		{chart.Count, of(-12_345), "−12,345"},
		{chart.Count, of(-0.4), "−0.4"},
		{chart.Count, of(1.37), "1.37"},
		{chart.Count, of(1.3), "1.3"},
		{chart.Count, of(13.76), "13.8"},
		{chart.Count, of(1234.5678), "1,235"},
		{chart.Count, of(0.0042), "0.0042"},
		{chart.Count, of(2e20), "2e20"},
		{chart.Count, of(1e-9), "1e−09"},
		{chart.Rate, of(0), "0 %"},
		{chart.Rate, of(1), "100 %"},
		{chart.Rate, of(0.139), "13.9 %"},
		{chart.Rate, of(0.5), "50.0 %"},
		{chart.Rate, of(0.0042), "0.42 %"},
		{chart.Rate, of(0.01), "1.0 %"},
		{chart.Rate, of(0.00999), "1.0 %"},
		{chart.Rate, of(0.00001), "< 0.01 %"},
		{chart.Rate, of(-0.00001), "> −0.01 %"},
		{chart.Rate, of(0.9996), "99.96 %"},
		{chart.Rate, of(0.999999), "> 99.99 %"},
		{chart.Rate, of(-0.139), "−13.9 %"},
		{chart.Rate, of(12.5), "1,250.0 %"},
	} {
		if got := chart.Format(c.unit, c.v); got != c.want {
			t.Errorf("unit %d is written %q, not %q", c.unit, got, c.want)
		}
	}
}

// TestChangesAreToldByTheirUnit is the list of how changes look.
func TestChangesAreToldByTheirUnit(t *testing.T) {
	for _, c := range []struct {
		unit        chart.Unit
		now, before *float64
		want        string
		direction   int
	}{
		{chart.Count, nil, of(1), "", 0},
		{chart.Count, of(1), nil, "", 0},
		{chart.Rate, of(math.NaN()), of(1), "", 0},
		{chart.Count, of(112), of(100), "+12 %", 1},
		{chart.Count, of(88), of(100), "−12 %", -1},
		{chart.Count, of(100), of(100), "no change", 0},
		{chart.Count, of(1034), of(1000), "+3.4 %", 1},
		{chart.Count, of(105), of(100), "+5 %", 1},
		{chart.Count, of(109.97), of(100), "+10 %", 1},
		{chart.Count, of(1_000_001), of(1_000_000), "no change", 0},
		{chart.Count, of(0), of(0), "no change", 0},
		{chart.Count, of(3), of(0), "up from 0", 1},
		{chart.Count, of(-3), of(0), "down from 0", -1},
		{chart.Count, of(0), of(4), "−100 %", -1},
		{chart.Count, of(1300), of(100), "+1,200 %", 1},
		{chart.Count, of(-5), of(-10), "+50 %", 1},
		{chart.Count, of(-15), of(-10), "−50 %", -1},
		{chart.Count, of(math.MaxFloat64), of(1e-300), "over +999,999 %", 1},
		{chart.Count, of(math.MaxFloat64), of(-math.MaxFloat64), "+200 %", 1},
		{chart.Rate, of(0.135), of(0.139), "−0.4 points", -1},
		{chart.Rate, of(0.139), of(0.045), "+9.4 points", 1},
		{chart.Rate, of(0.02), of(0.01), "+1 point", 1},
		{chart.Rate, of(0.01), of(0.02), "−1 point", -1},
		{chart.Rate, of(0.0045), of(0.0042), "+0.03 points", 1},
		{chart.Rate, of(0.5), of(0.5), "no change", 0},
		{chart.Rate, of(0.500001), of(0.5), "no change", 0},
		{chart.Rate, of(0.011), of(0), "+1.1 points", 1},
	} {
		got, direction := chart.Change(c.unit, c.now, c.before)
		if got != c.want || direction != c.direction {
			t.Errorf("change is %q (%d), not %q (%d)", got, direction, c.want, c.direction)
		}
	}
}

// TestDescriptionsSayWhatTheLinesShow is the list of sentences.
func TestDescriptionsSayWhatTheLinesShow(t *testing.T) {
	rate := chart.Options{ID: "a", Title: "Failed connection rate", Unit: chart.Rate, Grain: chart.Day}
	line := func(name string, values ...float64) chart.Series {
		s := wave(name, november, day, len(values), 0, 0, 0)
		for i, v := range values {
			s.Points[i].Value = of(v)
		}
		return s
	}
	for _, c := range []struct {
		o      chart.Options
		series []chart.Series
		want   string
	}{
		{rate, nil, "Failed connection rate: no values."},
		{chart.Options{}, nil, "The value: no values."},
		{rate, []chart.Series{without(line("", 1, 1), 0, 1)}, "Failed connection rate: no values from 2 Nov to 3 Nov 2026."},
		{rate, []chart.Series{line("", 0.045)}, "Failed connection rate stood at 4.5 % on 2 Nov 2026."},
		{rate, []chart.Series{line("", 0.045, 0.045)}, "Failed connection rate stood at 4.5 % throughout, from 2 Nov to 3 Nov 2026."},
		{rate, []chart.Series{line("CAM-V3", 0.045, 0.042, 0.139)}, "Failed connection rate, CAM-V3, rose from 4.5 % on 2 Nov to 13.9 % on 4 Nov 2026. Lowest: 4.2 % on 3 Nov; highest: 13.9 % on 4 Nov."},
		{
			rate,
			[]chart.Series{late(line("", 0.045, 0.042, 0.001, 0.002), 2)},
			"Failed connection rate fell from 4.5 % on 2 Nov to 4.2 % on 3 Nov 2026. Lowest: 4.2 % on 3 Nov; highest: 4.5 % on 2 Nov. Values from 4 Nov on may still change.",
		},
		{rate, []chart.Series{late(line("", 0.5), 1)}, "Failed connection rate: nothing is whole yet; values from 2 Nov 2026 on may still change."},
		{
			rate,
			[]chart.Series{line("A", 0.1, 0.2), line("", 0.4, 0.3)},
			"Failed connection rate by day from 2 Nov to 3 Nov 2026: A from 10.0 % to 20.0 %, (empty) from 40.0 % to 30.0 %. Lowest: 10.0 % (A, 2 Nov); highest: 40.0 % ((empty), 2 Nov).",
		},
		{
			chart.Options{Title: "Weekly active users", Grain: chart.Week},
			[]chart.Series{rounded(wave("", november, week, 10, 50, 0, 1))},
			"Weekly active users rose from 50 in the week of 2 Nov 2026 to 59 in the week of 4 Jan 2027. Lowest: 50 in the week of 2 Nov 2026; highest: 59 in the week of 4 Jan 2027.",
		},
		{
			chart.Options{Title: "Sessions", Grain: chart.Hour},
			[]chart.Series{rounded(wave("", november, hour, 3, 50, 0, -1))},
			"Sessions fell from 50 at 00:00 on 2 Nov to 48 at 02:00 on 2 Nov 2026. Lowest: 48 at 02:00 on 2 Nov; highest: 50 at 00:00 on 2 Nov.",
		},
	} {
		if got := chart.Describe(c.o, c.series); got != c.want {
			t.Errorf("described as\n%q, not\n%q", got, c.want)
		}
	}
}

// TestADescriptionIsInTheDrawing finds the sentences in the SVG.
func TestADescriptionIsInTheDrawing(t *testing.T) {
	o := chart.Options{ID: "a", Title: "Failed connection rate", Unit: chart.Rate, Grain: chart.Day}
	for _, drawing := range []string{string(chart.Lines(o, models())), string(chart.LinesNarrow(o, models()))} {
		if !strings.Contains(drawing, ">"+chart.Describe(o, models())+"</desc>") {
			t.Error("the drawing is described in other words")
		}
	}
}
