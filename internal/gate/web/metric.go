package web

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/web/chart"
	"github.com/weirproject/weir/internal/metric"
)

// How much of a breakdown a page shows.
const (
	maxLines = 8
	maxBars  = 16
	maxRows  = 1000 // of the table; the file has all
)

// metricPage is what a metric's page shows.
type metricPage struct {
	Info  metric.Info
	Ratio bool
	Q     question
	Fault *fault.Error

	Times, Grains  []choice
	From, To       string // what was asked for, as it was typed
	Address, Fixed string // of this page; of the same days for ever
	CSV            string
	Watermark      string

	AsOf                time.Time
	Lines, LinesNarrow  template.HTML
	Words               string
	Last                time.Time // start of the last whole interval; zero: there is none
	Value, Change, Than string
	Bars, BarsNarrow    template.HTML
	Cells               []cell
	All                 int // cells of the breakdown
	Barred              int // of them in bars
	Rows                []tableRow
	Cut                 int // rows that the table leaves out
	Unit                chart.Unit
}

// cell is one value of the dimension.
type cell struct {
	Name   string
	Value  string
	Spark  template.HTML
	weight float64
	rows   []metric.Row
}

// tableRow is one row of the numbers.
type tableRow struct {
	Start       string
	At          time.Time
	Cell        string
	Numerator   string
	Denominator string
	Value       string
	Provisional bool
}

func showMetric(c *call) error {
	name, isFile := strings.CutSuffix(c.r.PathValue("name"), ".csv")
	all := c.visitor.Metrics()
	i := slices.IndexFunc(all, func(m metric.Info) bool { return m.Name == name })
	if i < 0 {
		return c.noMetric(name)
	}
	info := all[i]
	q, err := readQuestion(c.r.URL.Query(), info, time.Now())
	if isFile {
		if err != nil {
			return err
		}
		return c.sendCSV(info, q)
	}
	p := metricPage{Info: info, Q: q, Ratio: info.Type == "ratio", Unit: unitOf(info), Watermark: lengthText(info.Watermark)}
	p.From, p.To = c.r.URL.Query().Get("from"), c.r.URL.Query().Get("to")
	path := "/metrics/" + info.Name
	p.Times, p.Grains = q.choices(path, info)
	p.Address, p.Fixed = path+"?"+q.values().Encode(), path+"?"+q.fixed().values().Encode()
	p.CSV = path + ".csv?" + q.values().Encode()
	if err == nil {
		err = c.fill(&p)
	}
	status := http.StatusOK
	if err != nil {
		status, p.Fault = c.excuse(err), public(err)
	}
	c.render(status, "metric", &view{Title: cmp.Or(info.Label, info.Name), Section: "metric", Data: p})
	return nil
}

// noMetric is the gate's own word on a metric that is not among the visitor's, so that a try is recorded.
func (c *call) noMetric(name string) error {
	if _, err := c.visitor.Ask(c.ctx(), metric.Question{Metric: name}); err != nil {
		return err
	}
	return fault.New(fault.NotFound, "there is no such metric", "the overview shows which there are")
}

// fill asks for the numbers and draws them.
func (c *call) fill(p *metricPage) error {
	total, err := c.visitor.Ask(c.ctx(), p.Q.ask(p.Info.Name, false))
	if err != nil {
		return err
	}
	if total.AsOf != nil {
		p.AsOf = *total.AsOf
	}
	o := chart.Options{ID: "lines", Title: cmp.Or(p.Info.Label, p.Info.Name), Unit: p.Unit, Grain: chart.Grain(p.Q.Grain)}
	series := []chart.Series{{Points: pointsOf(total.Rows, metric.Grain(p.Q.Grain))}}
	p.Lines, p.LinesNarrow, p.Words = chart.Lines(o, series), chart.LinesNarrow(o, series), chart.Describe(o, series)
	if last := lastWhole(total.Rows); last >= 0 {
		row := total.Rows[last]
		p.Last, p.Value = row.Start, chart.Format(p.Unit, row.Value)
		before, than := row.Start.AddDate(0, 0, -7), "the same weekday a week before"
		switch metric.Grain(p.Q.Grain) {
		case metric.Week:
			than = "the week before"
		case metric.Hour:
			before, than = row.Start.AddDate(0, 0, -1), "the same hour a day before"
		case metric.Day:
		}
		if value := valueAt(total.Rows, before); value != nil {
			p.Change, _ = chart.Change(p.Unit, row.Value, value)
			p.Than = than
		}
	}
	rows := total.Rows
	if p.Q.By != "" {
		broken, err := c.visitor.Ask(c.ctx(), p.Q.ask(p.Info.Name, true))
		if err != nil {
			return err
		}
		rows = broken.Rows
		p.breakDown(rows)
	}
	p.tabulate(rows)
	return nil
}

// breakDown draws the cells that weigh the most: of a rate, those with the most cases, because the rate of three cases says nothing.
func (p *metricPage) breakDown(rows []metric.Row) {
	index := map[string]int{}
	var cells []cell
	for _, r := range rows {
		name := r.Dimensions[p.Q.By]
		i, ok := index[name]
		if !ok {
			i = len(cells)
			index[name], cells = i, append(cells, cell{Name: name})
		}
		cells[i].rows = append(cells[i].rows, r)
		switch {
		case r.Denominator != nil:
			cells[i].weight += *r.Denominator
		case r.Value != nil && !p.Ratio:
			cells[i].weight += *r.Value
		}
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.Name, b.Name)) })
	p.All, p.Barred = len(cells), min(len(cells), maxBars)
	var bars []chart.Bar
	for _, one := range cells[:p.Barred] {
		bars = append(bars, chart.Bar{Name: one.Name, Value: valueAt(one.rows, p.Last)})
	}
	slices.SortStableFunc(bars, func(a, b chart.Bar) int { return -compareValues(a.Value, b.Value) })
	o := chart.Options{ID: "bars", Title: p.Info.Label + " by " + p.Q.By, Unit: p.Unit, Grain: chart.Grain(p.Q.Grain)}
	if !p.Last.IsZero() {
		p.Bars, p.BarsNarrow = chart.Bars(o, bars), chart.BarsNarrow(o, bars)
	}
	p.Cells = cells[:min(len(cells), maxLines)]
	for i := range p.Cells {
		one := &p.Cells[i]
		o.ID, o.Title = "cell-"+strconv.Itoa(i), one.Name
		one.Spark, one.Value = chart.Spark(o, pointsOf(one.rows, metric.Grain(p.Q.Grain))), chart.Format(p.Unit, valueAt(one.rows, p.Last))
	}
}

// compareValues orders values, and none before all.
func compareValues(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

// tabulate makes the table, newest first.
func (p *metricPage) tabulate(rows []metric.Row) {
	layout := "Mon 2 Jan 2006"
	if p.Q.Grain == string(metric.Hour) {
		layout = "Mon 2 Jan 2006, 15:04"
	}
	ordered := slices.Clone(rows)
	slices.SortStableFunc(ordered, func(a, b metric.Row) int { return b.Start.Compare(a.Start) })
	p.Cut = max(0, len(ordered)-maxRows)
	for _, r := range ordered[:len(ordered)-p.Cut] {
		t := tableRow{At: r.Start, Start: r.Start.Format(layout), Cell: r.Dimensions[p.Q.By], Value: chart.Format(p.Unit, r.Value), Provisional: r.Provisional}
		if p.Ratio {
			t.Numerator, t.Denominator = chart.Format(chart.Count, r.Numerator), chart.Format(chart.Count, r.Denominator)
		}
		p.Rows = append(p.Rows, t)
	}
}

// sendCSV answers with all rows as a file (RFC 4180).
func (c *call) sendCSV(info metric.Info, q question) error {
	a, err := c.visitor.Ask(c.ctx(), q.ask(info.Name, true))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := []string{"start"}
	if q.By != "" {
		head = append(head, q.By)
	}
	_ = w.Write(append(head, "numerator", "denominator", "value", "provisional")) // a buffer takes everything
	for _, r := range a.Rows {
		line := []string{r.Start.UTC().Format(time.RFC3339)}
		if q.By != "" {
			line = append(line, harmless(r.Dimensions[q.By]))
		}
		_ = w.Write(append(line, plain(r.Numerator), plain(r.Denominator), plain(r.Value), strconv.FormatBool(r.Provisional)))
	}
	w.Flush()
	c.w.Header().Set("Content-Disposition", `attachment; filename="`+info.Name+`.csv"`)
	c.send(http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
	return nil
}

// harmless keeps a spreadsheet from taking a text of production for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func plain(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// lengthText writes an ISO 8601 duration of days, hours and minutes in words; another stays as it is.
func lengthText(iso string) string {
	days, clock, _ := strings.Cut(strings.TrimPrefix(iso, "P"), "T")
	var out []string
	for _, part := range []string{days, clock} {
		for part != "" {
			end := strings.IndexAny(part, "DHMS")
			if end < 0 {
				return iso
			}
			n, rest := part[:end], part[end+1:]
			count, err := strconv.Atoi(n)
			if err != nil {
				return iso
			}
			word := map[byte]string{'D': "day", 'H': "hour", 'M': "minute", 'S': "second"}[part[end]]
			if count != 1 {
				word += "s"
			}
			out, part = append(out, n+" "+word), rest
		}
	}
	return strings.Join(out, " ")
}
