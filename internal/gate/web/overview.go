package web

import (
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/web/chart"
	"github.com/weirproject/weir/internal/metric"
)

// overviewDays is how far back the overview looks: eight weeks, and the day that is compared with.
const overviewDays = 57

// overviewPage is what the overview shows.
type overviewPage struct {
	Metrics []tile
	AsOf    time.Time // of all but those that lag
	Copy    *safety
	Fault   *fault.Error // why the copy's state cannot be shown
}

// tile is one metric on the overview.
type tile struct {
	Info    metric.Info
	Fault   *fault.Error // why there is no number
	Value   string
	Day     time.Time // of the value; zero: there is none
	Change  string
	Sofar   string // the newest provisional day's value
	Late    time.Time
	AsOf    time.Time
	Spark   template.HTML
	Missing bool // no whole day in all the weeks
}

// safety is the copy's state in a sentence.
type safety struct {
	Count        ColumnCount
	Flow         FlowState
	Verification *Verification
	Findings     int
}

func showOverview(c *call) error {
	p := overviewPage{}
	if c.person.Metrics {
		p.Metrics = c.tiles(c.visitor.Metrics())
		p.AsOf = commonTime(p.Metrics)
	}
	copied, err := c.visitor.Copy(c.ctx())
	if err != nil {
		c.excuse(err)
		p.Fault = public(err)
	} else {
		p.Copy = &safety{Count: copied.Count, Flow: copied.Flow, Verification: copied.Verification, Findings: len(copied.Findings)}
	}
	c.render(http.StatusOK, "overview", &view{Title: "Overview", Section: "overview", Data: p})
	return nil
}

// tiles asks for all metrics, a few at a time: the role's limit of questions at once is for everything that somebody does.
func (c *call) tiles(all []metric.Info) []tile {
	out := make([]tile, len(all))
	room := make(chan struct{}, max(1, min(2, c.person.Limits.Concurrent-1)))
	var wait sync.WaitGroup
	for i, info := range all {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			defer func() { // recovered is on another goroutine's stack: what goes wrong on this one would end the process
				if recover() != nil {
					out[i] = tile{Info: info, Fault: c.panicked()}
				}
			}()
			out[i] = c.tile(info)
		})
	}
	wait.Wait()
	return out
}

// commonTime is the time as of which the tiles are, but those that lag minutes behind the others: it is said once, and theirs beside them.
func commonTime(tiles []tile) (common time.Time) {
	var newest time.Time
	for _, t := range tiles {
		if t.AsOf.After(newest) {
			newest = t.AsOf
		}
	}
	common = newest
	for _, t := range tiles {
		if t.AsOf.Before(common) && newest.Sub(t.AsOf) < 5*time.Minute {
			common = t.AsOf
		}
	}
	return common
}

func (c *call) tile(info metric.Info) tile {
	t := tile{Info: info}
	to := midnight(time.Now()).AddDate(0, 0, 1)
	from := to.AddDate(0, 0, -overviewDays)
	a, err := c.visitor.Ask(c.ctx(), metric.Question{Metric: info.Name, Grain: string(metric.Day), From: &from, To: &to})
	if err != nil {
		t.Fault = public(err)
		return t
	}
	if a.AsOf != nil {
		t.AsOf = *a.AsOf
	}
	unit := unitOf(info)
	points := pointsOf(a.Rows, metric.Day)
	last := lastWhole(a.Rows)
	t.Missing = last < 0
	if last >= 0 {
		t.Day, t.Value = a.Rows[last].Start, chart.Format(unit, a.Rows[last].Value)
		t.Change, _ = chart.Change(unit, a.Rows[last].Value, valueAt(a.Rows, t.Day.AddDate(0, 0, -7)))
	}
	for _, r := range a.Rows {
		if r.Provisional && r.Value != nil && !r.Start.After(t.AsOf) {
			t.Sofar, t.Late = chart.Format(unit, r.Value), r.Start
		}
	}
	t.Spark = chart.Spark(chart.Options{ID: "spark-" + info.Name, Title: info.Label, Unit: unit, Grain: chart.Day}, points)
	return t
}

// lastWhole is the newest row whose interval is over and complete, and has a value; −1: none.
func lastWhole(rows []metric.Row) int {
	for i := len(rows) - 1; i >= 0; i-- {
		if !rows[i].Provisional && rows[i].Value != nil {
			return i
		}
	}
	return -1
}

// valueAt is the value of the interval that begins at t; nil: there is none.
func valueAt(rows []metric.Row, t time.Time) *float64 {
	for _, r := range rows {
		if r.Start.Equal(t) {
			return r.Value
		}
	}
	return nil
}

// pointsOf are the rows as a chart draws them. An interval that has no row gets a point without a value, so that no line is drawn across it.
func pointsOf(rows []metric.Row, grain metric.Grain) []chart.Point {
	out := make([]chart.Point, 0, len(rows))
	for i, r := range rows {
		if i > 0 {
			for at := next(rows[i-1].Start, grain); at.Before(r.Start); at = next(at, grain) {
				out = append(out, chart.Point{Start: at, Provisional: r.Provisional && rows[i-1].Provisional})
			}
		}
		out = append(out, chart.Point{Start: r.Start, Value: r.Value, Provisional: r.Provisional})
	}
	return out
}

// next is the end of the interval that begins at start.
func next(start time.Time, grain metric.Grain) time.Time {
	switch grain {
	case metric.Hour:
		return start.Add(time.Hour)
	case metric.Week:
		return start.AddDate(0, 0, 7)
	case metric.Day:
	}
	return start.AddDate(0, 0, 1)
}

// unitOf is how a metric's values are written.
func unitOf(i metric.Info) chart.Unit {
	if i.Type == "ratio" {
		return chart.Rate
	}
	return chart.Count
}

// midnight is the beginning of a time's UTC day.
func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
