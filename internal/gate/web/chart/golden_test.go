package chart_test

import (
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/gate/web/chart"
)

// of is a value.
func of(v float64) *float64 { return &v }

// wave is a series without chance in it: days of a level with a weekly rhythm and a slow drift.
func wave(name string, start time.Time, step time.Duration, n int, level, swing, drift float64) chart.Series {
	s := chart.Series{Name: name}
	for i := range n {
		v := level + swing*math.Sin(float64(i)*2*math.Pi/7+level) + drift*float64(i)
		s.Points = append(s.Points, chart.Point{Start: start.Add(time.Duration(i) * step), Value: &v})
	}
	return s
}

func rounded(s chart.Series) chart.Series {
	for i := range s.Points {
		s.Points[i].Value = of(math.Round(*s.Points[i].Value))
	}
	return s
}

// late marks the last points as provisional.
func late(s chart.Series, n int) chart.Series {
	for i := max(0, len(s.Points)-n); i < len(s.Points); i++ {
		s.Points[i].Provisional = true
	}
	return s
}

// without takes values out.
func without(s chart.Series, indexes ...int) chart.Series {
	for _, i := range indexes {
		s.Points[i].Value = nil
	}
	return s
}

var (
	november = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) // a Monday
	hour     = time.Hour
	day      = 24 * time.Hour
	week     = 7 * day
)

func models() []chart.Series {
	var all []chart.Series
	for i, name := range []string{"CAM-V1", "CAM-V2", "CAM-V3 (outdoor)", "DOORBELL-PRO", "HUB", "Sensor, garden", "Floodlight of the second generation with siren", "SPOT"} {
		s := wave(name, november, day, 18, 0.04+0.004*float64(i), 0.006, 0.0003*float64(i))
		if i == 2 {
			for k := 9; k < 18; k++ {
				s.Points[k].Value = of(*s.Points[k].Value + 0.09)
			}
		}
		all = append(all, late(s, 2))
	}
	return all
}

// drawings are what the golden files hold.
func drawings() map[string]template.HTML {
	rate := chart.Options{ID: "failed", Title: "Failed connection rate", Unit: chart.Rate, Grain: chart.Day}
	count := chart.Options{ID: "activations", Title: "Activations", Unit: chart.Count, Grain: chart.Day}
	hourly := chart.Options{ID: "hourly", Title: "Sessions", Unit: chart.Count, Grain: chart.Hour}
	weekly := chart.Options{ID: "wau", Title: "Weekly active users", Unit: chart.Count, Grain: chart.Week}
	one := []chart.Series{late(rounded(wave("", november, day, 30, 12_345, 1_800, 40)), 3)}
	gaps := []chart.Series{
		without(wave("Europe", november, day, 14, 0.981, 0.004, 0), 3, 4, 8, 10),
		without(late(wave("America", november, day, 14, 0.987, 0.003, 0), 1), 0, 13),
	}
	hours := []chart.Series{late(rounded(wave("", november.Add(9*hour), hour, 40, 420, 160, 2)), 2)}
	year := []chart.Series{rounded(wave("This year", november.Add(-50*week), week, 51, 2.1e6, 1e5, 9000)), rounded(wave("Year before", november.Add(-50*week), week, 51, 1.8e6, 9e4, 2000))}
	many := []chart.Series{rounded(wave("", november.Add(-1999*hour), hour, 2000, 900, 300, 0.2))}
	tooMany := append(models(), models()[:3]...)
	bars := []chart.Bar{
		{"CAM-V3 (outdoor)", of(0.139)},
		{"DOORBELL-PRO", of(0.0521)},
		{"HUB", of(0.0094)},
		{"Floodlight of the second generation with siren and battery", of(0.0312)},
		{"", of(0)},
		{"SPOT", nil},
		{"Прихожая", of(0.021)},
		{"玄関カメラ第二世代の屋外用モデル玄関カメラ", of(0.018)},
	}
	negative := []chart.Bar{{"growth", of(12_345)}, {"loss", of(-8_400)}, {"nearly none", of(1)}}
	hostile := []chart.Series{{Name: `</title><script>alert(1)</script>" onload="x`, Points: one[0].Points}, {Name: "\u202egnp.exe\x00\n]]>&amp;", Points: gaps[0].Points}}
	spark := func(o chart.Options, s []chart.Series) template.HTML { return chart.Spark(o, s[0].Points) }
	return map[string]template.HTML{
		"lines-one":            chart.Lines(count, one),
		"lines-one-narrow":     chart.LinesNarrow(count, one),
		"lines-eight":          chart.Lines(rate, models()),
		"lines-eight-narrow":   chart.LinesNarrow(rate, models()),
		"lines-eleven":         chart.Lines(rate, tooMany),
		"lines-gaps":           chart.Lines(rate, gaps),
		"lines-gaps-narrow":    chart.LinesNarrow(rate, gaps),
		"lines-hours":          chart.Lines(hourly, hours),
		"lines-hours-narrow":   chart.LinesNarrow(hourly, hours),
		"lines-year":           chart.Lines(weekly, year),
		"lines-year-narrow":    chart.LinesNarrow(weekly, year),
		"lines-many":           chart.Lines(hourly, many),
		"lines-point":          chart.Lines(rate, []chart.Series{late(wave("", november, day, 1, 0.042, 0, 0), 1)}),
		"lines-empty":          chart.Lines(rate, nil),
		"lines-hostile":        chart.Lines(chart.Options{ID: `"><x y`, Title: "<b>&", Unit: chart.Count, Grain: "<i>"}, hostile),
		"lines-negative":       chart.Lines(count, []chart.Series{rounded(wave("", november, day, 9, -3, 12, 1))}),
		"spark-one":            spark(count, one),
		"spark-gaps":           spark(rate, gaps),
		"spark-flat":           spark(rate, []chart.Series{wave("", november, day, 9, 0.5, 0, 0)}),
		"spark-empty":          chart.Spark(rate, nil),
		"bars-rates":           chart.Bars(rate, bars),
		"bars-rates-narrow":    chart.BarsNarrow(rate, bars),
		"bars-negative":        chart.Bars(count, negative),
		"bars-negative-narrow": chart.BarsNarrow(count, negative),
		"bars-empty":           chart.Bars(count, nil),
	}
}

// TestDrawingsAreAsTheyWereLookedAt compares with the drawings of testdata, which somebody has looked at. WEIR_WRITE_GOLDEN=1 writes them anew: look at them again.
func TestDrawingsAreAsTheyWereLookedAt(t *testing.T) {
	all := drawings()
	for name, drawing := range all {
		path := filepath.Join("testdata", name+".svg")
		got := string(drawing) + "\n"
		if os.Getenv("WEIR_WRITE_GOLDEN") == "1" {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from testdata%s", name, difference(got, string(want)))
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(all) {
		t.Errorf("testdata has %d drawings, the test %d", len(files), len(all))
	}
}

// difference shows where two texts part.
func difference(got, want string) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	around := func(s string) string { return s[max(0, at-60):min(len(s), at+60)] }
	return fmt.Sprintf("\n got …%s…\nwant …%s…", around(got), around(want))
}
